#include "keys/book.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS login(name TEXT PRIMARY KEY, account INTEGER NOT NULL, version INTEGER NOT "
    "NULL,"
    " spelled TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS certificate(id TEXT PRIMARY KEY, place INTEGER NOT NULL, chain BLOB NOT NULL,"
    " sealed BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS attempt(kind INTEGER NOT NULL, name BLOB NOT NULL, a INTEGER NOT NULL, b "
    "INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS mark(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS credential(account INTEGER NOT NULL, id INTEGER NOT NULL, kind INTEGER NOT "
    "NULL,"
    " sealed BLOB NOT NULL, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS number(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version=2;";

/* Version 1 has the first three tables; a program of that time would not ask for the second factors that are here. */
#define SCHEMA_VERSION 2

enum query {
	LOGIN_GET,
	LOGIN_PUT,
	LOGIN_REMOVE,
	CERTIFICATE_PUT,
	CERTIFICATE_REMOVE,
	CERTIFICATES,
	MARK_GET,
	MARK_PUT,
	ATTEMPT_PUT,
	ATTEMPT_FORGET,
	ATTEMPTS,
	CREDENTIAL_ID,
	CREDENTIAL_PUT,
	CREDENTIAL_REMOVE,
	CREDENTIALS_FORGET,
	CREDENTIALS_OF,
	CREDENTIALS_ALL,
	BEGIN,
	COMMIT,
	ROLLBACK,
	QUERIES
};
static const char *const texts[QUERIES] = {
    [LOGIN_GET] = "SELECT account, version, spelled, sealed FROM login WHERE name=?1",
    [LOGIN_PUT] = "INSERT INTO login(name, account, version, spelled, sealed) VALUES(?1,?2,?3,?4,?5)"
		  " ON CONFLICT(name) DO UPDATE SET account=?2, version=?3, spelled=?4, sealed=?5",
    [LOGIN_REMOVE] = "DELETE FROM login WHERE name=?1",
    [CERTIFICATE_PUT] = "INSERT INTO certificate(id, place, chain, sealed) VALUES(?1,?2,?3,?4)"
			" ON CONFLICT(id) DO UPDATE SET place=?2, chain=?3, sealed=?4",
    [CERTIFICATE_REMOVE] = "DELETE FROM certificate WHERE id=?1",
    [CERTIFICATES] = "SELECT id, place, chain, sealed FROM certificate ORDER BY place, id",
    [MARK_GET] = "SELECT value FROM mark WHERE name=?1",
    [MARK_PUT] = "INSERT INTO mark(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value=?2",
    [CREDENTIAL_ID] = "INSERT INTO number(name, value) VALUES('credential', 1)"
		      " ON CONFLICT(name) DO UPDATE SET value=value+1 RETURNING value",
    [CREDENTIAL_PUT] = "INSERT INTO credential(account, id, kind, sealed) VALUES(?1,?2,?3,?4)"
		       " ON CONFLICT(account, id) DO UPDATE SET kind=?3, sealed=?4",
    [CREDENTIAL_REMOVE] = "DELETE FROM credential WHERE account=?1 AND id=?2",
    [CREDENTIALS_FORGET] = "DELETE FROM credential WHERE account=?1",
    [CREDENTIALS_OF] = "SELECT account, id, kind, sealed FROM credential WHERE account=?1 ORDER BY id",
    [CREDENTIALS_ALL] = "SELECT account, id, kind, sealed FROM credential ORDER BY account, id",
    [ATTEMPT_PUT] = "INSERT INTO attempt(kind, name, a, b, sealed) VALUES(?1,?2,?3,?4,?5)"
		    " ON CONFLICT(kind, name) DO UPDATE SET a=?3, b=?4, sealed=?5",
    [ATTEMPT_FORGET] = "DELETE FROM attempt WHERE kind=?1 AND b<?2",
    [ATTEMPTS] = "SELECT kind, name, a, b, sealed FROM attempt ORDER BY b",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

struct book {
	sqlite3 *db;
	sqlite3_stmt *stmt[QUERIES];
	pthread_mutex_t lock;
};

static enum result failed(struct book *b, const char *what)
{
	EVENT(STORE_ERROR, KZ("what", what), KZ("why", b->db ? sqlite3_errmsg(b->db) : "no memory"));
	return LATER;
}

void book_close(struct book *b)
{
	for (size_t i = 0; i < QUERIES; i++)
		sqlite3_finalize(b->stmt[i]);
	sqlite3_close(b->db);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static bool run_sql(struct book *b, const char *sql)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool version_is_ours(struct book *b)
{
	sqlite3_stmt *s = NULL;
	int version = -1;
	if (sqlite3_prepare_v2(b->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return version >= 0 && version <= SCHEMA_VERSION;
}

static enum result prepare_all(struct book *b)
{
	/* Exclusive locking also means that no shared memory file is needed; FULL: a commit is on the disk. */
	if (!run_sql(b, "PRAGMA locking_mode=EXCLUSIVE") || !run_sql(b, "PRAGMA journal_mode=WAL") ||
	    !run_sql(b, "PRAGMA synchronous=FULL") || !run_sql(b, "PRAGMA temp_store=MEMORY") ||
	    !run_sql(b, "PRAGMA secure_delete=ON"))
		return failed(b, "keys.db");
	if (!version_is_ours(b))
		return failed(b, "keys.db has a version this program does not know");
	if (!run_sql(b, schema))
		return failed(b, "keys.db schema");
	for (size_t i = 0; i < QUERIES; i++)
		if (sqlite3_prepare_v3(b->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &b->stmt[i], NULL) !=
		    SQLITE_OK)
			return failed(b, texts[i]);
	return OK;
}

enum result book_open(const char *dir, struct book **out)
{
	BUF_LOCAL(path, 4096);
	buf_printf(&path, "%s/keys.db", dir);
	struct book *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	pthread_mutex_init(&b->lock, NULL);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
	enum result r = LATER;
	if (sqlite3_open_v2(buf_z(&path), &b->db, flags, NULL) != SQLITE_OK)
		failed(b, buf_z(&path));
	else
		r = prepare_all(b);
	if (r != OK) {
		book_close(b);
		return r;
	}
	*out = b;
	return OK;
}

/* ---- statements; the lock is held ---- */

static sqlite3_stmt *start(struct book *b, enum query q)
{
	sqlite3_reset(b->stmt[q]);
	return b->stmt[q];
}

static void bind_text(sqlite3_stmt *s, int at, struct slice v)
{
	if (sqlite3_bind_text64(s, at, v.n ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
		abort();
}

static void bind_blob(sqlite3_stmt *s, int at, struct slice v)
{
	if (sqlite3_bind_blob64(s, at, v.n ? v.p : "", v.n, SQLITE_STATIC) != SQLITE_OK)
		abort();
}

static void bind_number(sqlite3_stmt *s, int at, int64_t v)
{
	if (sqlite3_bind_int64(s, at, v) != SQLITE_OK)
		abort();
}

static struct slice column(sqlite3_stmt *s, int at)
{
	const void *p = sqlite3_column_blob(s, at);
	return slice_of(p, p ? (size_t)sqlite3_column_bytes(s, at) : 0);
}

/* Runs a statement that answers no rows. */
static enum result finish(struct book *b, enum query q)
{
	int r = sqlite3_step(b->stmt[q]);
	sqlite3_reset(b->stmt[q]);
	sqlite3_clear_bindings(b->stmt[q]);
	return r == SQLITE_DONE ? OK : failed(b, texts[q]);
}

static enum result put_login(struct book *b, struct slice name, const struct book_login *l)
{
	sqlite3_stmt *s = start(b, LOGIN_PUT);
	bind_text(s, 1, name);
	bind_number(s, 2, (int64_t)l->account);
	bind_number(s, 3, (int64_t)l->version);
	bind_text(s, 4, l->spelled);
	bind_blob(s, 5, l->sealed);
	return finish(b, LOGIN_PUT);
}

static enum result remove_named(struct book *b, enum query q, struct slice name)
{
	bind_text(start(b, q), 1, name);
	return finish(b, q);
}

static enum result get_login(struct book *b, struct slice name, struct arena *a, struct book_login *out)
{
	sqlite3_stmt *s = start(b, LOGIN_GET);
	bind_text(s, 1, name);
	enum result r = GONE;
	int step = sqlite3_step(s);
	if (step == SQLITE_ROW) {
		*out = (struct book_login){.account = (uint64_t)sqlite3_column_int64(s, 0),
		    .version = (uint64_t)sqlite3_column_int64(s, 1),
		    .spelled = arena_dup(a, column(s, 2)),
		    .sealed = arena_dup(a, column(s, 3))};
		r = arena_full(a) ? FULL : OK;
	} else if (step != SQLITE_DONE) {
		r = failed(b, "login");
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return r;
}

/* Ends the transaction in hand according to r. */
static enum result end(struct book *b, enum result r)
{
	(void)start(b, COMMIT);
	if (r == OK)
		r = finish(b, COMMIT);
	if (r != OK && !sqlite3_get_autocommit(b->db)) {
		(void)start(b, ROLLBACK);
		result_ignore(finish(b, ROLLBACK));
	}
	return r;
}

static enum result begin(struct book *b)
{
	(void)start(b, BEGIN);
	return finish(b, BEGIN);
}

/* ---- the door ---- */

enum result book_login_get(struct book *b, struct slice name, struct arena *a, struct book_login *out)
{
	pthread_mutex_lock(&b->lock);
	enum result r = get_login(b, name, a, out);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_login_put(struct book *b, struct slice name, const struct book_login *l)
{
	pthread_mutex_lock(&b->lock);
	enum result r = put_login(b, name, l);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_login_remove(struct book *b, struct slice name)
{
	pthread_mutex_lock(&b->lock);
	enum result r = remove_named(b, LOGIN_REMOVE, name);
	if (r == OK && sqlite3_changes(b->db) == 0)
		r = GONE;
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_login_move(struct book *b, struct slice from, struct slice to, const struct book_login *l)
{
	ARENA_LOCAL(a, 65536);
	struct book_login there;
	pthread_mutex_lock(&b->lock);
	enum result r = begin(b);
	if (r == OK && !slice_eq(from, to)) {
		enum result found = get_login(b, to, &a, &there);
		r = found == OK ? DENY : found == GONE ? OK : found;
	}
	if (r == OK)
		r = remove_named(b, LOGIN_REMOVE, from);
	if (r == OK)
		r = put_login(b, to, l);
	r = end(b, r);
	pthread_mutex_unlock(&b->lock);
	return r;
}

static enum result put_certificate(struct book *b, const struct book_certificate *c)
{
	sqlite3_stmt *s = start(b, CERTIFICATE_PUT);
	bind_text(s, 1, c->id);
	bind_number(s, 2, c->place);
	bind_blob(s, 3, c->chain_pem);
	bind_blob(s, 4, c->sealed);
	return finish(b, CERTIFICATE_PUT);
}

enum result book_certificate_put(
    struct book *b, const struct book_certificate *c, const struct slice *gone, size_t gone_n)
{
	pthread_mutex_lock(&b->lock);
	enum result r = begin(b);
	for (size_t i = 0; i < gone_n && r == OK; i++)
		r = remove_named(b, CERTIFICATE_REMOVE, gone[i]);
	if (r == OK)
		r = put_certificate(b, c);
	r = end(b, r);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_certificates(
    struct book *b, enum result (*each)(void *context, const struct book_certificate *c), void *context)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, CERTIFICATES);
	enum result r = OK;
	int step = SQLITE_DONE;
	while (r == OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct book_certificate c = {
		    column(s, 0), sqlite3_column_int64(s, 1), column(s, 2), column(s, 3)};
		r = each(context, &c);
	}
	if (r == OK && step != SQLITE_DONE)
		r = failed(b, "certificates");
	sqlite3_reset(s);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_mark_get(struct book *b, struct slice name, struct buf *out)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, MARK_GET);
	bind_text(s, 1, name);
	int step = sqlite3_step(s);
	if (step == SQLITE_ROW)
		buf_put(out, column(s, 0));
	enum result r = step == SQLITE_ROW ? buf_result(out) : step == SQLITE_DONE ? GONE : failed(b, "mark");
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_mark_put(struct book *b, struct slice name, struct slice sealed)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, MARK_PUT);
	bind_text(s, 1, name);
	bind_blob(s, 2, sealed);
	enum result r = finish(b, MARK_PUT);
	pthread_mutex_unlock(&b->lock);
	return r;
}

/* ---- credentials ---- */

enum result book_credential_id(struct book *b, uint64_t *out)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, CREDENTIAL_ID);
	enum result r = sqlite3_step(s) == SQLITE_ROW ? OK : failed(b, "credential");
	if (r == OK) {
		*out = (uint64_t)sqlite3_column_int64(s, 0);
		r = sqlite3_step(s) == SQLITE_DONE ? OK : failed(b, "credential");
	}
	sqlite3_reset(s);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_credential_put(struct book *b, const struct book_credential *c)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, CREDENTIAL_PUT);
	bind_number(s, 1, (int64_t)c->account);
	bind_number(s, 2, (int64_t)c->id);
	bind_number(s, 3, c->kind);
	bind_blob(s, 4, c->sealed);
	enum result r = finish(b, CREDENTIAL_PUT);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_credential_remove(struct book *b, uint64_t account, uint64_t id)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, CREDENTIAL_REMOVE);
	bind_number(s, 1, (int64_t)account);
	bind_number(s, 2, (int64_t)id);
	enum result r = finish(b, CREDENTIAL_REMOVE);
	if (r == OK && sqlite3_changes(b->db) == 0)
		r = GONE;
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_credentials_forget(struct book *b, uint64_t account)
{
	pthread_mutex_lock(&b->lock);
	bind_number(start(b, CREDENTIALS_FORGET), 1, (int64_t)account);
	enum result r = finish(b, CREDENTIALS_FORGET);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_credentials(struct book *b, uint64_t account,
    enum result (*each)(void *context, const struct book_credential *c), void *context)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, account ? CREDENTIALS_OF : CREDENTIALS_ALL);
	enum result r = OK;
	int step = SQLITE_DONE;
	if (account)
		bind_number(s, 1, (int64_t)account);
	while (r == OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct book_credential c = {(uint64_t)sqlite3_column_int64(s, 0),
		    (uint64_t)sqlite3_column_int64(s, 1), (unsigned)sqlite3_column_int64(s, 2), column(s, 3)};
		r = each(context, &c);
	}
	if (r == OK && step != SQLITE_DONE)
		r = failed(b, "credentials");
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	pthread_mutex_unlock(&b->lock);
	return r;
}

/* ---- attempts ---- */

static enum result put_attempt(struct book *b, const struct book_attempt *row)
{
	sqlite3_stmt *s = start(b, ATTEMPT_PUT);
	bind_number(s, 1, row->kind);
	bind_blob(s, 2, row->name);
	bind_number(s, 3, row->a);
	bind_number(s, 4, row->b);
	bind_blob(s, 5, row->sealed);
	return finish(b, ATTEMPT_PUT);
}

static enum result forget_attempts(struct book *b, int kind, int64_t before)
{
	sqlite3_stmt *s = start(b, ATTEMPT_FORGET);
	bind_number(s, 1, kind);
	bind_number(s, 2, before);
	return finish(b, ATTEMPT_FORGET);
}

enum result book_attempts_put(struct book *b, const struct book_attempt *rows, size_t n, int kind,
    int64_t before, int other_kind, int64_t other_before)
{
	pthread_mutex_lock(&b->lock);
	enum result r = begin(b);
	for (size_t i = 0; i < n && r == OK; i++)
		r = put_attempt(b, &rows[i]);
	if (r == OK)
		r = forget_attempts(b, kind, before);
	if (r == OK)
		r = forget_attempts(b, other_kind, other_before);
	r = end(b, r);
	pthread_mutex_unlock(&b->lock);
	return r;
}

enum result book_attempts(
    struct book *b, enum result (*each)(void *context, const struct book_attempt *row), void *context)
{
	pthread_mutex_lock(&b->lock);
	sqlite3_stmt *s = start(b, ATTEMPTS);
	enum result r = OK;
	int step = SQLITE_DONE;
	while (r == OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct book_attempt row = {sqlite3_column_int(s, 0), column(s, 1), sqlite3_column_int64(s, 2),
		    sqlite3_column_int64(s, 3), column(s, 4)};
		r = each(context, &row);
	}
	if (r == OK && step != SQLITE_DONE)
		r = failed(b, "attempts");
	sqlite3_reset(s);
	pthread_mutex_unlock(&b->lock);
	return r;
}
