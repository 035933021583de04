/* Rows and transactions on PostgreSQL. */
#include "store/db/pgsql.h"
#include "store/body/seal.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define OID_NUMERIC 1700

#define READERS 24           /* connections of a pool: PostgreSQL allows 100 in all unless told otherwise */
#define FIRST_ROWS 100       /* of a long answer, at first */
#define MOST_ROWS 4000       /* at a time */
#define CHUNK_OCTETS 262144u /* about as much at a time, when rows are large */

static void run(struct db *base, enum sql which, const struct db_value *values, size_t n)
{
	struct pg *db = pg_of(base);
	if (pg_statement(db, which, values, n, PG_RUN) == PG_NO_ROWS)
		pg_fail(db, DENY);
}

static uint64_t changed(const struct db *base)
{
	struct pg *db = pg_of(base);
	pg_settle(db);
	return db->result == OK ? db->changed : 0;
}

/* ---- rows ---- */

static void fetch(struct pg *db, unsigned which, int n)
{
	char sql[64];
	snprintf(sql, sizeof sql, "FETCH %d FROM c%u", n, which);
	db->rows[which].asked = n;
	if (PQsendQueryParams(db->c, sql, 0, NULL, NULL, NULL, NULL, 1))
		pg_expect(db, PG_QUERY, which);
	else
		pg_drop(db);
}

static void forget_rows(struct pg_rows *rows)
{
	PQclear(rows->r);
	*rows = (struct pg_rows){0};
}

static struct db_rows query(struct db *base, enum sql which, const struct db_value *values, size_t n)
{
	struct pg *db = pg_of(base);
	struct pg_rows *rows = &db->rows[which];
	struct db_rows none = {base, NULL};
	bool is_long = pg_types[which].is_long;
	forget_rows(rows);
	if (is_long && !db->open && db->result == OK) {
		pg_send(db, "BEGIN");
		rows->own = true;
	}
	if (pg_statement(db, which, values, n, is_long ? PG_QUIET : PG_QUERY) != PG_SENT_OK)
		return none;
	if (is_long)
		fetch(db, which, FIRST_ROWS);
	pg_settle(db);
	if (db->result != OK) {
		if (rows->own)
			pg_send(db, "ROLLBACK");
		forget_rows(rows);
		return none;
	}
	rows->cursor = is_long;
	return (struct db_rows){base, rows};
}

static void end(struct db_rows *r)
{
	struct pg *db = pg_of(r->db);
	struct pg_rows *rows = r->statement;
	char sql[32];
	if (rows->cursor && db->result == OK) {
		snprintf(sql, sizeof sql, "CLOSE c%u", (unsigned)(rows - db->rows));
		pg_send(db, sql);
	}
	if (rows->own && db->c)
		pg_send(db, db->result == OK ? "COMMIT" : "ROLLBACK");
	forget_rows(rows);
	r->statement = NULL;
}

/* As many rows as make a good portion, going by those at hand. */
static int next_portion(const struct pg_rows *rows)
{
	size_t octets = PQresultMemorySize(rows->r) / (size_t)MAX(rows->n, 1);
	return (int)MAX(MIN(CHUNK_OCTETS / MAX(octets, (size_t)1), (size_t)MOST_ROWS), (size_t)1);
}

static bool next(struct db_rows *r)
{
	struct pg *db = pg_of(r->db);
	struct pg_rows *rows = r->statement;
	if (++rows->at < rows->n)
		return true;
	if (rows->cursor && rows->n == rows->asked && db->result == OK) {
		fetch(db, (unsigned)(rows - db->rows), next_portion(rows));
		pg_settle(db);
		if (db->result == OK && rows->n) {
			rows->at = 0;
			return true;
		}
	}
	end(r);
	return false;
}

/* An integer in PostgreSQL's decimal format: digits to the base 10000, the weight of the first, sign, scale. */
static int64_t numeric(const char *p, int n)
{
	uint16_t head[4], digit;
	uint64_t v = 0;
	if (n < 8)
		return 0;
	memcpy(head, p, sizeof head);
	int digits = be16toh(head[0]), weight = (int16_t)be16toh(head[1]);
	for (int i = 0; i <= weight; i++) {
		digit = 0;
		if (i < digits && 8 + 2 * i + 2 <= n)
			memcpy(&digit, p + 8 + 2 * (size_t)i, 2);
		v = v * 10000 + be16toh(digit);
	}
	return (int64_t)(be16toh(head[2]) == 0x4000 ? -v : v);
}

static int64_t number(const struct db_rows *r, int column)
{
	const struct pg_rows *rows = r->statement;
	if (PQgetisnull(rows->r, rows->at, column))
		return 0;
	const char *p = PQgetvalue(rows->r, rows->at, column);
	int n = PQgetlength(rows->r, rows->at, column);
	if (PQftype(rows->r, column) == OID_NUMERIC)
		return numeric(p, n);
	uint64_t v = 0;
	if (n == 1)
		return (uint8_t)p[0];
	if (n == 2 || n == 4 || n == 8)
		memcpy((char *)&v + 8 - n, p, (size_t)n);
	v = be64toh(v);
	return n == 4 ? (int32_t)v : n == 2 ? (int16_t)v : (int64_t)v;
}

static struct slice octets(const struct db_rows *r, int column)
{
	const struct pg_rows *rows = r->statement;
	return slice_of(
	    PQgetvalue(rows->r, rows->at, column), (size_t)PQgetlength(rows->r, rows->at, column));
}

static bool is_null(const struct db_rows *r, int column)
{
	const struct pg_rows *rows = r->statement;
	return PQgetisnull(rows->r, rows->at, column) != 0;
}

/* ---- transactions ---- */

static enum result result(const struct db *base)
{
	struct pg *db = pg_of(base);
	pg_settle(db);
	return db->result;
}

/* Waits for the other nodes' writers, and hears whether one of them was the last to write. */
static void take_turn(struct pg *db)
{
	pg_send(db, PG_LOCK);
	if (!db->upgraded)
		return;
	int64_t last = pg_ask(db, "SELECT writer FROM sekisho_engine", 0);
	if (db->result != OK || (last == db->id && !db->changed_elsewhere))
		return;
	BUF_LOCAL(sql, 128);
	buf_printf(&sql, "UPDATE sekisho_engine SET writer = %lld", (long long)db->id);
	pg_send(db, buf_z(&sql));
	db->changed_elsewhere = true;
}

static void begin(struct db *base)
{
	struct pg *db = pg_of(base);
	db->result = OK;
	if (!pg_ready(db)) {
		pg_fail(db, LATER);
		return;
	}
	db->result = OK;
	pg_send(db, db->writer ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	db->open = db->c != NULL;
	if (db->writer && db->open)
		take_turn(db);
}

static bool was_changed(struct db *base)
{
	struct pg *db = pg_of(base);
	bool yes = db->changed_elsewhere;
	db->changed_elsewhere = false;
	return yes;
}

static void rollback(struct db *base)
{
	struct pg *db = pg_of(base);
	if (db->open) {
		pg_settle(db);
		pg_send(db, "ROLLBACK");
		pg_push(db);
	}
	db->open = false;
	db->result = OK;
}

static void write_serial(struct pg *db)
{
	BUF_LOCAL(sql, 256);
	db->serial++;
	buf_printf(&sql,
	    "INSERT INTO sekisho_writers VALUES (%lld, %lld, now())"
	    " ON CONFLICT (id) DO UPDATE SET serial = excluded.serial, at = excluded.at",
	    (long long)db->id, (long long)db->serial);
	pg_send(db, buf_z(&sql));
}

/* The server was told to commit, and the connection is gone: only then has it to be found out. */
static enum result commit_writer(struct pg *db)
{
	pg_settle(db);
	if (db->result != OK)
		return db->result;
	if (db->upgraded)
		write_serial(db);
	pg_send(db, "COMMIT");
	pg_settle(db);
	bool lost = !db->c;
	enum result r = db->result;
	if (!lost || !db->upgraded)
		return r;
	r = pg_find_out(db);
	db->changed_elsewhere = true;
	return r;
}

static enum result commit(struct db *base)
{
	struct pg *db = pg_of(base);
	enum result r = db->open ? OK : LATER;
	if (r == OK && db->writer) {
		r = commit_writer(db);
	} else if (r == OK) {
		r = db->result;
		if (r == OK) {
			pg_send(db, "COMMIT");
			pg_push(db);
			r = db->c ? OK : LATER;
		}
	}
	if (r == OK || !db->c)
		db->open = false;
	if (r != OK)
		rollback(base);
	return r;
}

static void mark(struct db *base)
{
	struct pg *db = pg_of(base);
	if (db->result == OK)
		pg_send(db, "SAVEPOINT mark");
}

static void keep(struct db *base)
{
	struct pg *db = pg_of(base);
	if (db->result == OK)
		pg_send(db, "RELEASE mark");
}

static bool active(const struct db *base)
{
	return pg_of(base)->open;
}

static void undo(struct db *base)
{
	struct pg *db = pg_of(base);
	pg_settle(db);
	if (!db->open)
		return;
	db->result = OK;
	pg_send(db, "ROLLBACK TO mark");
	pg_send(db, "RELEASE mark");
}

static enum result flush(struct db *base)
{
	return OK; /* commit did it */
}

static uint64_t log_size(const struct db *base)
{
	return 0; /* the server looks after its log */
}

static bool checkpoint(struct db *base)
{
	return true;
}

static void tell(struct db *base, struct slice text)
{
	struct pg *db = pg_of(base);
	BUF_LOCAL(z, DB_TOLD + 1);
	if (db->result != OK || !db->c || text.n > DB_TOLD)
		return;
	buf_put(&z, text);
	const char *const values[] = {buf_z(&z)};
	if (PQsendQueryParams(db->c, "SELECT pg_notify('sekisho', $1)", 1, NULL, values, NULL, NULL, 1))
		pg_expect(db, PG_QUIET, 0);
	else
		pg_drop(db);
}

/* ---- opening ---- */

/*
 * The engine's own tables: how many steps the schema has taken, who wrote last, and each writer's last transaction.
 */
static void make_own(struct pg *db)
{
	pg_send(db, "BEGIN");
	pg_send(db, PG_LOCK);
	pg_send(db,
	    "CREATE TABLE IF NOT EXISTS sekisho_engine (version BIGINT NOT NULL, writer BIGINT NOT NULL)");
	pg_send(db, "CREATE TABLE IF NOT EXISTS sekisho_writers"
		    " (id BIGINT PRIMARY KEY, serial BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL)");
	pg_send(db, "INSERT INTO sekisho_engine SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM sekisho_engine)");
	pg_send(db, "DELETE FROM sekisho_writers WHERE at < now() - INTERVAL '1 day'");
	pg_send(db, "COMMIT");
	pg_settle(db);
	db->upgraded = db->result == OK;
}

static void script(struct db *base, const char *sql)
{
	/* Texts are compared as octets, whatever the database's language. */
	static const char *const words[][2] = {{"{id}", "BIGINT PRIMARY KEY"}, {"{bytes}", "BYTEA"},
	    {"{clustered}", ""}, {"TEXT", "TEXT COLLATE \"C\""}, {NULL, NULL}};
	struct pg *db = pg_of(base);
	BUF_LOCAL(out, 1 << 20);
	db_words(sql, words, &out);
	struct slice rest = buf_slice(&out);
	while (rest.n) {
		struct slice one = slice_trim(slice_split(&rest, ';'));
		BUF_LOCAL(text, 1 << 20);
		buf_put(&text, one);
		if (one.n)
			pg_send(db, buf_z(&text));
	}
}

static int64_t version(struct db *base)
{
	return pg_ask(pg_of(base), "SELECT version FROM sekisho_engine", 0);
}

static void set_version(struct db *base, int64_t to)
{
	BUF_LOCAL(sql, 128);
	buf_printf(&sql, "UPDATE sekisho_engine SET version = %lld", (long long)to);
	pg_send(pg_of(base), buf_z(&sql));
}

static void close_it(struct db *base)
{
	struct pg *db = pg_of(base);
	if (db->c)
		PQfinish(db->c);
	for (unsigned i = 0; i < SQL_COUNT; i++)
		PQclear(db->rows[i].r);
	free(db->sent);
	free(db);
}

static enum result open_place(const struct db_place *place, bool writer, struct db **db_out)
{
	struct pg *db = calloc(1, sizeof *db);
	if (!db)
		abort();
	db->db.engine = &db_pgsql;
	db->place = place;
	db->writer = writer;
	seal_random(&db->id, sizeof db->id);
	db->id = (db->id & INT64_MAX) | 1;
	enum result r = pg_ready(db) ? OK : LATER;
	if (r == OK && writer) {
		make_own(db);
		r = db->result == OK ? db_upgrade(&db->db) : db->result;
	}
	if (r == OK)
		r = pg_learn(db);
	if (r != OK) {
		close_it(&db->db);
		return r;
	}
	*db_out = &db->db;
	return OK;
}

const struct db_engine db_pgsql = {
    .name = "postgresql",
    .shared = true,
    .durable = true,
    .readers = READERS,
    .open = open_place,
    .close = close_it,
    .script = script,
    .version = version,
    .set_version = set_version,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .mark = mark,
    .keep = keep,
    .undo = undo,
    .active = active,
    .result = result,
    .flush = flush,
    .log_size = log_size,
    .checkpoint = checkpoint,
    .was_changed = was_changed,
    .tell = tell,
    .hear = pg_hear,
    .run = run,
    .changed = changed,
    .query = query,
    .next = next,
    .end = end,
    .number = number,
    .octets = octets,
    .is_null = is_null,
};
