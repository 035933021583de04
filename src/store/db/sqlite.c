/*
 * SQLite 3 behind db.h.
 *
 * The log (WAL) is written with synchronous=NORMAL, which orders but does not flush; db_flush flushes it when a group of
 * changes has to last. It does so through SQLite's own handle of the log (SQLITE_FCNTL_JOURNAL_POINTER): a descriptor of
 * our own would, when closed, drop POSIX locks that SQLite may hold on the same file. A frame of the log carries a
 * running checksum, so after a power failure the log ends with the last commit that is whole.
 */
#include "store/db/db.h"
#include "store/db/engine.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000
#define WRITER_CACHE "-65536" /* KiB */
#define READER_CACHE "-8192"
#define PAGE 4096

enum command { BEGIN_WRITE = SQL_COUNT, BEGIN_READ, COMMIT, ROLLBACK, MARK, KEEP, UNDO, STATEMENTS };

static const char *const texts[STATEMENTS] = {
#define X(name, text) [SQL_##name] = text,
#include "store/db/sql.def"
#undef X
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [BEGIN_READ] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [MARK] = "SAVEPOINT mark",
    [KEEP] = "RELEASE mark",
    [UNDO] = "ROLLBACK TO mark",
};

struct sqlite {
	struct db db;
	sqlite3 *handle;
	sqlite3_stmt *statements[STATEMENTS];
	enum result result;
	bool writer;
	_Atomic uint64_t log_size;
};

static struct sqlite *of(const struct db *db)
{
	return (struct sqlite *)(uintptr_t)db;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* One connection a thread: no locks inside SQLite, and no global counting of memory. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum result result_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return OK;
	case SQLITE_CONSTRAINT:
		return DENY;
	case SQLITE_FULL:
		return FULL;
	case SQLITE_NOMEM:
		abort();
	default:
		return LATER;
	}
}

static void failed(struct sqlite *db, int code, const char *what)
{
	enum result r = result_of(code);
	if (r == OK)
		return;
	if (r == FULL)
		EVENT(STORE_FULL, KN("free", 0));
	else if (r != DENY)
		EVENT(STORE_ERROR, KZ("what", what), KZ("why", sqlite3_errmsg(db->handle)),
		    KN("code", sqlite3_extended_errcode(db->handle)));
	if (db->result == OK)
		db->result = r;
}

static enum result result(const struct db *base)
{
	const struct sqlite *db = of(base);
	return db->result;
}

static void execute(struct sqlite *db, const char *sql)
{
	failed(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), sql);
}

static void script(struct db *base, const char *sql)
{
	struct sqlite *db = of(base);
	static const char *const words[][2] = {{"{id}", "INTEGER PRIMARY KEY"}, {"{bytes}", "BLOB"},
	    {"{clustered}", "WITHOUT ROWID"}, {NULL, NULL}};
	BUF_LOCAL(out, 1 << 20);
	db_words(sql, words, &out);
	execute(db, buf_z(&out));
}

static int64_t pragma(struct sqlite *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int64_t v = 0;
	failed(db, sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL), sql);
	if (s && sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	failed(db, sqlite3_finalize(s), sql);
	return v;
}

static int64_t version(struct db *base)
{
	struct sqlite *db = of(base);
	return pragma(db, "PRAGMA user_version");
}

static void set_version(struct db *base, int64_t version)
{
	struct sqlite *db = of(base);
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)version);
	execute(db, sql);
}

static int count_log(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct sqlite *db = arg;
	atomic_store(&db->log_size, (uint64_t)pages * PAGE);
	return SQLITE_OK;
}

static void close_it(struct db *base)
{
	struct sqlite *db = of(base);
	if (!db)
		return;
	for (unsigned i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->handle);
	free(db);
}

static enum result open_place(const struct db_place *place, bool writer, struct db **db_out)
{
	pthread_once(&once, configure);
	BUF_LOCAL(path, 4096);
	buf_printf(&path, "%s/db", place->dir);
	struct sqlite *db = calloc(1, sizeof *db);
	if (!db || buf_result(&path) != OK)
		abort();
	db->db.engine = &db_sqlite;
	db->writer = writer;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	failed(db,
	    sqlite3_open_v2(buf_z(&path), &db->handle, flags | (writer ? SQLITE_OPEN_CREATE : 0), NULL),
	    "open");
	if (db->handle)
		sqlite3_busy_timeout(db->handle, BUSY_MS);
	if (db->result == OK) {
		execute(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
			    "PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
			    "PRAGMA journal_size_limit = 268435456");
		execute(
		    db, writer ? "PRAGMA cache_size = " WRITER_CACHE : "PRAGMA cache_size = " READER_CACHE);
	}
	if (db->result == OK && writer) {
		sqlite3_wal_hook(db->handle, count_log, db);
		db->result = db_upgrade(&db->db);
	}
	enum result r = db->result;
	if (r != OK) {
		close_it(&db->db);
		return r;
	}
	*db_out = &db->db;
	return OK;
}

/* ---- statements ---- */

/* To SQLite "$1" is a name, numbered by where it first stands; "?1" is what PostgreSQL means by it. */
static sqlite3_stmt *prepared(struct sqlite *db, unsigned which)
{
	sqlite3_stmt **s = &db->statements[which];
	if (*s)
		return *s;
	BUF_LOCAL(text, 65536);
	for (const char *p = texts[which]; *p; p++)
		buf_putc(&text, *p == '$' ? '?' : *p);
	int code = sqlite3_prepare_v3(db->handle, buf_z(&text), -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
	failed(db, code, texts[which]);
	return *s;
}

static void bind(sqlite3_stmt *s, const struct db_value *v, int at)
{
	const char *p = v->octets.p ? v->octets.p : "";
	switch (v->kind) {
	case DB_NULL:
		sqlite3_bind_null(s, at);
		break;
	case DB_INT:
		sqlite3_bind_int64(s, at, v->number);
		break;
	case DB_TEXT:
		sqlite3_bind_text(s, at, p, (int)v->octets.n, SQLITE_STATIC);
		break;
	case DB_BYTES:
		sqlite3_bind_blob(s, at, p, (int)v->octets.n, SQLITE_STATIC);
		break;
	}
}

static sqlite3_stmt *bound(struct sqlite *db, enum sql which, const struct db_value *values, size_t n)
{
	if (db->result != OK)
		return NULL;
	sqlite3_stmt *s = prepared(db, which);
	if (!s)
		return NULL;
	for (size_t i = 0; i < n; i++)
		bind(s, &values[i], (int)i + 1);
	return s;
}

static void run(struct db *base, enum sql which, const struct db_value *values, size_t n)
{
	struct sqlite *db = of(base);
	sqlite3_stmt *s = bound(db, which, values, n);
	if (!s)
		return;
	int code = sqlite3_step(s);
	failed(db, code, texts[which]);
	sqlite3_reset(s);
}

static uint64_t changed(const struct db *base)
{
	const struct sqlite *db = of(base);
	return (uint64_t)sqlite3_changes64(db->handle);
}

static struct db_rows query(struct db *base, enum sql which, const struct db_value *values, size_t n)
{
	struct sqlite *db = of(base);
	return (struct db_rows){base, bound(db, which, values, n)};
}

static void end(struct db_rows *rows)
{
	if (rows->statement)
		sqlite3_reset(rows->statement);
	rows->statement = NULL;
}

static bool next(struct db_rows *rows)
{
	if (!rows->statement)
		return false;
	int code = sqlite3_step(rows->statement);
	if (code == SQLITE_ROW)
		return true;
	failed(of(rows->db), code, "query");
	end(rows);
	return false;
}

static int64_t number(const struct db_rows *rows, int column)
{
	return sqlite3_column_int64(rows->statement, column);
}

static struct slice octets(const struct db_rows *rows, int column)
{
	const void *p = sqlite3_column_blob(rows->statement, column);
	return slice_of(p, p ? (size_t)sqlite3_column_bytes(rows->statement, column) : 0);
}

static bool is_null(const struct db_rows *rows, int column)
{
	return sqlite3_column_type(rows->statement, column) == SQLITE_NULL;
}

/* ---- transactions ---- */

static void command(struct sqlite *db, enum command which)
{
	sqlite3_stmt *s = prepared(db, which);
	if (!s)
		return;
	failed(db, sqlite3_step(s), texts[which]);
	sqlite3_reset(s);
}

static void begin(struct db *base)
{
	struct sqlite *db = of(base);
	db->result = OK;
	command(db, db->writer ? BEGIN_WRITE : BEGIN_READ);
}

static bool active(const struct db *base)
{
	const struct sqlite *db = of(base);
	return !sqlite3_get_autocommit(db->handle);
}

static void rollback(struct db *base)
{
	struct sqlite *db = of(base);
	if (active(&db->db))
		command(db, ROLLBACK);
	db->result = OK;
}

static enum result commit(struct db *base)
{
	struct sqlite *db = of(base);
	if (db->result == OK)
		command(db, COMMIT);
	enum result r = db->result;
	if (r != OK)
		rollback(&db->db);
	return r;
}

static void mark(struct db *base)
{
	struct sqlite *db = of(base);
	if (db->result == OK)
		command(db, MARK);
}

static void keep(struct db *base)
{
	struct sqlite *db = of(base);
	if (db->result == OK)
		command(db, KEEP);
}

static void undo(struct db *base)
{
	struct sqlite *db = of(base);
	if (!active(&db->db))
		return;
	db->result = OK;
	command(db, UNDO);
	command(db, KEEP);
}

static enum result flush(struct db *base)
{
	struct sqlite *db = of(base);
	sqlite3_file *log = NULL;
	int code = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (code == SQLITE_OK && log && log->pMethods)
		code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	if (code == SQLITE_OK)
		return OK;
	EVENT(STORE_ERROR, KZ("what", "flush"), KN("code", code));
	return result_of(code) == FULL ? FULL : LATER;
}

static uint64_t log_size(const struct db *base)
{
	const struct sqlite *db = of(base);
	return atomic_load(&db->log_size);
}

static bool checkpoint(struct db *base)
{
	struct sqlite *db = of(base);
	int pages = 0, moved = 0;
	int code = sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
	if (code != SQLITE_OK && code != SQLITE_BUSY)
		EVENT(STORE_ERROR, KZ("what", "checkpoint"), KZ("why", sqlite3_errmsg(db->handle)));
	return code == SQLITE_OK && pages == moved;
}

static bool was_changed(struct db *base)
{
	return false; /* one writer */
}

static void tell(struct db *base, struct slice text)
{
}

static enum result hear(struct db *base, int wake, struct buf *out)
{
	return DENY;
}

const struct db_engine db_sqlite = {
    .name = "sqlite",
    .readers = UINT32_MAX,
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
    .hear = hear,
    .run = run,
    .changed = changed,
    .query = query,
    .next = next,
    .end = end,
    .number = number,
    .octets = octets,
    .is_null = is_null,
};
