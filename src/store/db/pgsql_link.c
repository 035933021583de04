/* The connection to PostgreSQL. */
#include "store/db/pgsql.h"
#include "store/body/seal.h"
#include <poll.h>
#include <stdlib.h>

#define CONNECT_S "5"
#define AGAIN_MS 300 /* after a failure nobody tries again for so long */
#define FIND_OUT_MS (30 * SECOND_MS)
#define OLDEST_SERVER 130000
#define OUTSTANDING 1000 /* answers; then they are taken in */

static void complain(const char *what, const char *why)
{
	struct slice text = slice_trim(slice_str(why));
	EVENT(STORE_ERROR, KZ("what", what), KV("why", text));
}

/* ---- failures ---- */

void pg_fail(struct pg *db, enum result r)
{
	if (db->result == OK)
		db->result = r;
}

static enum result result_of(const char *state)
{
	if (strncmp(state, "23", 2) == 0 || strcmp(state, "22021") == 0)
		return DENY;
	return strcmp(state, "53100") == 0 ? FULL : LATER;
}

/* The server ends, starts, or may only be read (it is no longer the first of a cluster). */
static bool is_over(const char *state)
{
	return strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 || strcmp(state, "25006") == 0;
}

static void failed(struct pg *db, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	enum result as = result_of(state ? state : "");
	if (as == FULL)
		EVENT(STORE_FULL, KN("free", 0));
	else if (as == LATER)
		complain("postgresql", PQresultErrorMessage(r));
	pg_fail(db, as);
	if (!state || is_over(state))
		pg_drop(db);
}

/* ---- making and losing ---- */

static void set_up(PGconn *c, bool writer, PGresult **r)
{
	*r = PQexec(c, writer ? "SET idle_in_transaction_session_timeout = '60s'" : "SELECT 1");
	if (PQresultStatus(*r) == PGRES_FATAL_ERROR)
		return;
	PQclear(*r);
	/* What is acknowledged is on the disk. Where the operator asks for more (replicas), it stays. */
	*r = PQexec(c, "SELECT set_config('synchronous_commit', 'on', false)"
		       " WHERE current_setting('synchronous_commit') = 'off'");
}

static bool is_fit(PGconn *c)
{
	const char *encoding = PQparameterStatus(c, "server_encoding");
	if (PQserverVersion(c) < OLDEST_SERVER)
		complain("postgresql", "the server is older than PostgreSQL 13");
	else if (!encoding || strcmp(encoding, "UTF8") != 0)
		complain("postgresql", "the encoding of the database is not UTF8");
	else
		return true;
	return false;
}

static void ignore_notice(void *arg, const PGresult *r)
{
}

/* NULL: not now. Errors of libpq name the server and the user, never the password. */
static PGconn *connect_once(const struct db_place *place, bool writer)
{
	static const char *const keys[] = {"connect_timeout", "keepalives_idle", "keepalives_interval",
	    "keepalives_count", "tcp_user_timeout", "target_session_attrs", "gssencmode", "dbname",
	    "client_encoding", "fallback_application_name", "passfile", "password", "sslrootcert", NULL};
	const char *const values[] = {CONNECT_S, "20", "5", "3", "30000", "read-write", "disable", place->url,
	    "UTF8", "sekisho", "/nonexistent", place->password, place->ca_file, NULL};
	PGconn *c = PQconnectdbParams(keys, values, 1);
	PGresult *r = NULL;
	PQsetNoticeReceiver(c, ignore_notice, NULL);
	if (PQstatus(c) == CONNECTION_OK && is_fit(c))
		set_up(c, writer, &r);
	bool good = r && PQresultStatus(r) == PGRES_TUPLES_OK;
	if (!good && PQstatus(c) != CONNECTION_OK)
		complain("postgresql", PQerrorMessage(c));
	PQclear(r);
	if (good)
		return c;
	PQfinish(c);
	return NULL;
}

static bool connect_now(struct pg *db)
{
	int64_t now = clock_mono_ms();
	if (db->tried_ms && now - db->tried_ms < AGAIN_MS)
		return false;
	db->c = connect_once(db->place, db->writer);
	if (!db->c) {
		db->tried_ms = clock_mono_ms();
		return false;
	}
	db->tried_ms = 0;
	if (!PQenterPipelineMode(db->c))
		abort();
	return true;
}

void pg_drop(struct pg *db)
{
	if (!db->c)
		return;
	PQfinish(db->c);
	db->c = NULL;
	db->n_sent = 0;
	db->open = db->listening = false;
	db->changed_elsewhere = true;
	memset(db->prepared, 0, sizeof db->prepared);
	for (unsigned i = 0; i < SQL_COUNT; i++)
		db->rows[i].cursor = db->rows[i].own = false;
	pg_fail(db, LATER);
}

/* A server that ended has said so: what it said waits to be read, and behind it the end. */
static bool is_alive(struct pg *db)
{
	for (unsigned i = 0; i < 4; i++) {
		struct pollfd p = {.fd = PQsocket(db->c), .events = POLLIN};
		if (poll(&p, 1, 0) <= 0)
			break;
		if (!PQconsumeInput(db->c))
			return false;
	}
	return PQstatus(db->c) == CONNECTION_OK;
}

bool pg_ready(struct pg *db)
{
	if (db->c && !is_alive(db))
		pg_drop(db);
	return db->c || connect_now(db);
}

/* ---- what was sent, and what came back ---- */

void pg_expect(struct pg *db, int kind, unsigned which)
{
	if (db->n_sent == db->cap_sent) {
		db->cap_sent = db->cap_sent ? db->cap_sent * 2 : 64;
		db->sent = realloc(db->sent, db->cap_sent * sizeof *db->sent);
		if (!db->sent)
			abort();
	}
	db->sent[db->n_sent++] = (struct pg_sent){(unsigned)kind, which};
	if (kind == PG_RUN && db->n_sent > OUTSTANDING)
		pg_settle(db);
}

void pg_send(struct pg *db, const char *sql)
{
	if (!db->c)
		return;
	if (PQsendQueryParams(db->c, sql, 0, NULL, NULL, NULL, NULL, 1))
		pg_expect(db, PG_QUIET, 0);
	else
		pg_drop(db);
}

void pg_push(struct pg *db)
{
	if (!db->c)
		return;
	if (PQpipelineSync(db->c))
		pg_expect(db, PG_SYNC, 0);
	else
		pg_drop(db);
}

static void keep_rows(struct pg *db, unsigned which, PGresult *r)
{
	struct pg_rows *rows = &db->rows[which];
	PQclear(rows->r);
	rows->r = r;
	rows->n = PQntuples(r);
	rows->at = -1;
}

static uint64_t count_of(PGresult *r)
{
	uint64_t n;
	return num_u64(slice_str(PQcmdTuples(r)), UINT64_MAX, &n) == OK ? n : 0;
}

/* False: the connection is no more. */
static bool take_one(struct pg *db, struct pg_sent sent)
{
	PGresult *r = PQgetResult(db->c);
	ExecStatusType status = PQresultStatus(r);
	if (sent.kind == PG_SYNC) {
		PQclear(r);
		return status == PGRES_PIPELINE_SYNC;
	}
	/* What stood behind a failure in the pipeline was skipped. */
	if (sent.kind == PG_PREPARE && status != PGRES_COMMAND_OK)
		db->prepared[sent.which] = false;
	bool kept = sent.kind == PG_QUERY && status == PGRES_TUPLES_OK;
	if (sent.kind == PG_RUN && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK))
		db->changed = count_of(r);
	if (kept)
		keep_rows(db, sent.which, r);
	else if (status == PGRES_PIPELINE_ABORTED)
		pg_fail(db, LATER);
	else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		failed(db, r);
	if (!kept)
		PQclear(r);
	while (db->c && (r = PQgetResult(db->c)))
		PQclear(r);
	return db->c && PQstatus(db->c) == CONNECTION_OK;
}

void pg_settle(struct pg *db)
{
	if (!db->n_sent)
		return;
	if (db->sent[db->n_sent - 1].kind != PG_SYNC)
		pg_push(db);
	for (size_t i = 0; i < db->n_sent; i++) {
		if (!take_one(db, db->sent[i])) {
			pg_drop(db);
			return;
		}
	}
	db->n_sent = 0;
}

int64_t pg_ask(struct pg *db, const char *sql, int64_t otherwise)
{
	uint64_t n;
	int64_t found = otherwise;
	pg_settle(db);
	if (db->result != OK || !db->c || !PQsendQueryParams(db->c, sql, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQpipelineSync(db->c))
		return otherwise;
	PGresult *r = PQgetResult(db->c);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		failed(db, r);
	else if (PQntuples(r) && !PQgetisnull(r, 0, 0) &&
		 num_u64(slice_str(PQgetvalue(r, 0, 0)), INT64_MAX, &n) == OK)
		found = (int64_t)n;
	PQclear(r);
	while (db->c && (r = PQgetResult(db->c)))
		PQclear(r);
	if (db->c && PQstatus(db->c) == CONNECTION_OK) {
		PQclear(PQgetResult(db->c)); /* the end of this part of the pipeline */
		return found;
	}
	pg_drop(db);
	return otherwise;
}

/* ---- a commit without an answer ---- */

/*
 * The transaction wrote its number down. Whoever holds the writers' lock knows that it has ended, and then reads whether
 * the number is there.
 */
static enum result look_for(struct pg *db)
{
	BUF_LOCAL(sql, 256);
	buf_printf(&sql, "SELECT serial FROM sekisho_writers WHERE id = %lld", (long long)db->id);
	db->result = OK;
	pg_send(db, "BEGIN");
	pg_send(db, PG_LOCK);
	int64_t serial = pg_ask(db, buf_z(&sql), 0);
	pg_send(db, "ROLLBACK");
	pg_settle(db);
	if (db->result != OK)
		return GONE;
	return serial == db->serial ? OK : LATER;
}

enum result pg_find_out(struct pg *db)
{
	for (int64_t end = clock_mono_ms() + FIND_OUT_MS; clock_mono_ms() < end;) {
		enum result r = pg_ready(db) ? look_for(db) : GONE;
		if (r != GONE) {
			db->result = OK;
			return r;
		}
		poll(NULL, 0, AGAIN_MS);
	}
	return GONE;
}

/* ---- what other nodes tell ---- */

static bool listen_now(struct pg *db)
{
	db->result = OK;
	pg_send(db, "LISTEN sekisho");
	pg_settle(db);
	db->listening = db->result == OK;
	return db->listening;
}

enum result pg_hear(struct db *base, int wake, struct buf *out)
{
	struct pg *db = pg_of(base);
	if (!db->listening) {
		if (!pg_ready(db) || !listen_now(db)) {
			struct pollfd p = {.fd = wake, .events = POLLIN};
			return poll(&p, 1, AGAIN_MS) > 0 ? GONE : LATER;
		}
		return LATER;
	}
	for (;;) {
		PGnotify *n = PQnotifies(db->c);
		if (n) {
			buf_puts(out, n->extra);
			PQfreemem(n);
			return OK;
		}
		struct pollfd p[2] = {
		    {.fd = PQsocket(db->c), .events = POLLIN}, {.fd = wake, .events = POLLIN}};
		if (poll(p, 2, -1) > 0 && p[1].revents)
			return GONE;
		if (p[0].revents && (!PQconsumeInput(db->c) || PQstatus(db->c) != CONNECTION_OK)) {
			pg_drop(db);
			return LATER;
		}
	}
}
