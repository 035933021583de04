/* Statements on their way to PostgreSQL: their texts, the types of their parameters, and the values. */
#include "store/db/pgsql.h"
#include <endian.h>
#include <pthread.h>
#include <stdio.h>

#define OID_BOOL 16
#define OID_BYTES 17
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25

static const char *const texts[SQL_COUNT] = {
#define X(name, text) [SQL_##name] = text,
#include "store/db/sql.def"
#undef X
};

struct pg_types pg_types[SQL_COUNT];

/*
 * An answer that may be long is read through a cursor, some rows at a time: those in an order and without a limit. What
 * is marked as few is read at once, which saves the server a plan.
 */
static bool is_long_text(const char *t)
{
	return strncmp(t, "SELECT", 6) == 0 && (strstr(t, "ORDER BY") || strstr(t, "GROUP BY")) &&
	       !strstr(t, "LIMIT") && !strstr(t, "/* few */");
}

/* ---- preparing ---- */

static void name_of(unsigned which, char name[16])
{
	snprintf(name, 16, "s%u", which);
}

static void prepare(struct pg *db, unsigned which)
{
	char name[16];
	BUF_LOCAL(sql, 65536);
	if (db->prepared[which] || !db->c)
		return;
	name_of(which, name);
	if (pg_types[which].is_long)
		buf_printf(&sql, "DECLARE c%u NO SCROLL CURSOR FOR ", which);
	buf_puts(&sql, texts[which]);
	const struct pg_types *t = &pg_types[which];
	if (!PQsendPrepare(db->c, name, buf_z(&sql), t->n, t->of)) {
		pg_drop(db);
		return;
	}
	pg_expect(db, PG_PREPARE, which);
	db->prepared[which] = true;
}

static void learn_one(struct pg *db, unsigned which)
{
	char name[16];
	struct pg_types *t = &pg_types[which];
	t->is_long = is_long_text(texts[which]);
	name_of(which, name);
	prepare(db, which);
	pg_settle(db);
	if (db->result != OK || !PQsendDescribePrepared(db->c, name) || !PQpipelineSync(db->c)) {
		EVENT(STORE_ERROR, KZ("what", "statement"), KZ("why", texts[which]));
		pg_fail(db, LATER);
		return;
	}
	PGresult *r = PQgetResult(db->c);
	t->n = PQnparams(r);
	for (int i = 0; i < t->n && i < PG_PARAMS; i++)
		t->of[i] = PQparamtype(r, i);
	PQclear(r);
	PQclear(PQgetResult(db->c)); /* the end of the answer */
	PQclear(PQgetResult(db->c)); /* and of this part of the pipeline */
	if (PQstatus(db->c) != CONNECTION_OK)
		pg_drop(db);
}

enum result pg_learn(struct pg *db)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool learned;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SQL_COUNT && !learned && db->result == OK; i++)
		learn_one(db, i);
	learned |= db->result == OK;
	pthread_mutex_unlock(&lock);
	return db->result;
}

/* ---- parameters ---- */

struct params {
	const char *values[PG_PARAMS];
	int lengths[PG_PARAMS], formats[PG_PARAMS];
	char numbers[PG_PARAMS][24];
};

static void put_number(struct params *p, unsigned i, Oid type, int64_t number)
{
	uint64_t wide = htobe64((uint64_t)number);
	char *room = p->numbers[i];
	p->values[i] = room;
	p->formats[i] = 1;
	p->lengths[i] = type == OID_INT8 ? 8 : type == OID_INT4 ? 4 : type == OID_INT2 ? 2 : 1;
	memcpy(room, (const char *)&wide + (8 - p->lengths[i]), (size_t)p->lengths[i]);
	bool fits = type == OID_INT8 || (type == OID_INT4 && number == (int32_t)number) ||
		    (type == OID_INT2 && number == (int16_t)number) || type == OID_BOOL;
	if (fits)
		return;
	/* Of another type, or too large for it: the server is to judge. */
	p->formats[i] = 0;
	snprintf(room, sizeof p->numbers[i], "%lld", (long long)number);
}

/* False: a text that no row can have, as it is not UTF-8 or has a NUL. */
static bool put_octets(struct params *p, unsigned i, Oid type, struct slice s)
{
	p->values[i] = s.p ? s.p : "";
	p->lengths[i] = (int)s.n;
	p->formats[i] = 1;
	return type == OID_BYTES || (slice_is_utf8(s) && (!s.n || !memchr(s.p, '\0', s.n)));
}

static bool put_params(struct params *p, unsigned which, const struct db_value *values, size_t n)
{
	const struct pg_types *t = &pg_types[which];
	if (n != (size_t)t->n || n > PG_PARAMS)
		abort();
	for (unsigned i = 0; i < n; i++) {
		const struct db_value *v = &values[i];
		p->values[i] = NULL;
		p->lengths[i] = 0;
		p->formats[i] = 1;
		if (v->kind == DB_INT)
			put_number(p, i, t->of[i], v->number);
		else if (v->kind != DB_NULL && !put_octets(p, i, t->of[i], v->octets))
			return false;
	}
	return true;
}

enum pg_how pg_statement(struct pg *db, unsigned which, const struct db_value *values, size_t n, int kind)
{
	struct params p;
	char name[16];
	if (db->result != OK || !db->c) {
		pg_fail(db, LATER);
		return PG_NOT_SENT;
	}
	if (!put_params(&p, which, values, n))
		return PG_NO_ROWS;
	prepare(db, which);
	name_of(which, name);
	if (!db->c || !PQsendQueryPrepared(db->c, name, (int)n, p.values, p.lengths, p.formats, 1)) {
		pg_drop(db);
		return PG_NOT_SENT;
	}
	pg_expect(db, kind, which);
	return PG_SENT_OK;
}
