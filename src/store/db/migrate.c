#include "store/db/migrate.h"
#include "store/db/engine.h"
#include "store/body/seal.h"
#include <stdlib.h>

#define COLUMNS_MOST 20
#define BATCH 5000 /* rows of one transaction */

struct table {
	const char *name, *kinds;
	enum sql read, write, count, clear;
};

static const struct table tables[] = {
#define T(name, columns, places, kinds)                                                                      \
	{#name, kinds, SQL_COPY_READ_##name, SQL_COPY_WRITE_##name, SQL_COPY_COUNT_##name,                   \
	    SQL_COPY_CLEAR_##name},
#include "store/db/tables.def"
#undef T
};

struct copying {
	struct db *from, *to;
	const struct migrate_watch *watch;
	struct buf *why;
	uint64_t rows, all;
	bool checking;
};

static enum result stop(struct copying *c, enum result r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_clear(c->why);
	buf_vprintf(c->why, fmt, ap);
	va_end(ap);
	return r;
}

static void tell(struct copying *c, const struct table *t)
{
	if (++c->rows % BATCH == 0 && c->watch->progress)
		c->watch->progress(c->watch->arg, t->name, c->rows, c->all, c->checking);
}

static size_t read_row(const struct db_rows *q, const struct table *t, struct db_value values[COLUMNS_MOST])
{
	size_t n = strlen(t->kinds);
	for (size_t i = 0; i < n; i++) {
		int column = (int)i;
		if (t->kinds[i] == 'i')
			values[i] = DI(db_int(q, column));
		else if (t->kinds[i] == 't')
			values[i] = DT(db_octets(q, column));
		else
			values[i] = DB(db_octets(q, column));
	}
	return n;
}

/* ---- copying ---- */

static bool is_mark(const struct table *t, const struct db_value *values)
{
	return strcmp(t->name, "numbers") == 0 && slice_eq(values[0].octets, slice_str(MIGRATING));
}

static enum result set_mark(struct copying *c, int64_t value)
{
	db_begin(c->to);
	DB_RUN(c->to, NUMBER_SET, DZ(MIGRATING), DI(value));
	return db_commit(c->to);
}

static enum result next_batch(struct copying *c)
{
	enum result r = db_commit(c->to);
	db_begin(c->to);
	return r;
}

/* What an interrupted copy left of this table goes first; numbers of the target's own are not kept either. */
static enum result copy_table(struct copying *c, const struct table *t, int64_t mark)
{
	struct db_value values[COLUMNS_MOST];
	enum result r = OK;
	uint64_t n = 0;
	db_begin(c->to);
	db_run(c->to, t->clear, NULL, 0);
	DB_RUN(c->to, NUMBER_SET, DZ(MIGRATING), DI(mark));
	db_begin(c->from);
	{
		DB_ROWS q = db_query(c->from, t->read, NULL, 0);
		while (r == OK && db_next(&q)) {
			size_t columns = read_row(&q, t, values);
			if (is_mark(t, values))
				continue;
			db_run(c->to, t->write, values, columns);
			tell(c, t);
			if (++n % BATCH == 0)
				r = next_batch(c);
		}
	}
	enum result read = db_result(c->from);
	db_rollback(c->from);
	DB_RUN(c->to, NUMBER_SET, DZ(MIGRATING), DI(mark + 1));
	if (r == OK && read == OK)
		r = db_commit(c->to);
	else
		db_rollback(c->to);
	return r == OK ? read : r;
}

/* ---- comparing ---- */

struct sum {
	uint64_t rows, digest[4];
};

/* One row's octets, each column with its kind and length; the digests of all rows are added up, in whatever order they come. */
static void add_row(
    struct sum *s, const struct table *t, const struct db_value *values, size_t n, struct buf *room)
{
	uint64_t digest[4];
	buf_clear(room);
	for (size_t i = 0; i < n; i++) {
		if (values[i].kind == DB_INT)
			buf_printf(room, "i%lld;", (long long)values[i].number);
		else
			buf_printf(room, "%c%zu;", t->kinds[i], values[i].octets.n);
		if (values[i].kind != DB_INT)
			buf_put(room, values[i].octets);
	}
	seal_sha256(buf_slice(room), (uint8_t *)digest);
	for (size_t i = 0; i < 4; i++)
		s->digest[i] += digest[i];
	s->rows++;
}

static enum result sum_up(struct copying *c, struct db *db, const struct table *t, struct sum *out)
{
	struct db_value values[COLUMNS_MOST];
	BUF_LOCAL(room, (size_t)256 << 20);
	*out = (struct sum){0};
	db_begin(db);
	{
		DB_ROWS q = db_query(db, t->read, NULL, 0);
		while (db_next(&q)) {
			size_t n = read_row(&q, t, values);
			if (!is_mark(t, values))
				add_row(out, t, values, n, &room);
			tell(c, t);
		}
	}
	enum result r = db_result(db);
	db_rollback(db);
	return r == OK ? buf_result(&room) : r;
}

static enum result compare(struct copying *c)
{
	c->checking = true;
	c->rows = 0;
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct sum from, to;
		if (sum_up(c, c->from, &tables[i], &from) != OK || sum_up(c, c->to, &tables[i], &to) != OK)
			return stop(c, LATER, "the table %s cannot be read", tables[i].name);
		if (memcmp(&from, &to, sizeof from) != 0)
			return stop(c, BAD, "the table %s differs: %llu rows here, %llu there",
			    tables[i].name, (unsigned long long)from.rows, (unsigned long long)to.rows);
	}
	return OK;
}

/* ---- the whole ---- */

static uint64_t count_all(struct db *db)
{
	uint64_t all = 0;
	for (size_t i = 0; i < COUNT(tables); i++)
		all += (uint64_t)db_number(db, 0, tables[i].count, NULL, 0);
	return all;
}

static enum result copy_all(struct copying *c)
{
	int64_t mark = DB_NUMBER(c->to, 0, NUMBER_GET, DZ(MIGRATING));
	if (c->from->engine->version(c->from) != c->to->engine->version(c->to))
		return stop(c, DENY,
		    "the database is of another version: start and stop the server with this version first");
	if (DB_NUMBER(c->from, 0, NUMBER_GET, DZ(MIGRATING)))
		return stop(c, DENY, "the source is itself an unfinished copy");
	if (!mark && DB_NUMBER(c->to, 0, ORGANISATION_KEY_THERE, DI(1)))
		return stop(c, DENY, "there is a database in the target already: remove it first");
	if (!mark && set_mark(c, mark = 1) != OK)
		return stop(c, LATER, "the target cannot be written");
	c->all = count_all(c->from);
	for (size_t i = (size_t)mark - 1; i < COUNT(tables); i++)
		if (copy_table(c, &tables[i], (int64_t)i + 1) != OK)
			return stop(c, LATER, "the table %s could not be copied", tables[i].name);
	c->all *= 2;
	return compare(c);
}

static enum result finish(struct copying *c)
{
	db_begin(c->to);
	DB_RUN(c->to, NUMBER_REMOVE, DZ(MIGRATING));
	enum result r = db_commit(c->to);
	if (r == OK)
		r = db_flush(c->to);
	if (r == OK)
		db_checkpoint(c->to);
	return r == OK ? OK : stop(c, LATER, "the target could not be flushed");
}

enum result migrate_rows(const struct db_place *from, const struct db_place *to,
    const struct migrate_watch *watch, struct buf *why, uint64_t *rows_out)
{
	struct copying c = {.watch = watch, .why = why};
	enum result r = db_open(from, false, &c.from);
	if (r != OK)
		return stop(&c, LATER, "the database to be copied cannot be opened");
	r = db_open(to, true, &c.to);
	if (r != OK) {
		db_close(c.from);
		return stop(&c, LATER, "the target cannot be opened");
	}
	r = copy_all(&c);
	if (r == OK)
		r = finish(&c);
	*rows_out = count_all(c.from);
	db_close(c.from);
	db_close(c.to);
	return r;
}
