/*
 * db: the narrow door to the database.
 *
 * Every statement stands in sql.def, in the dialect that SQLite and PostgreSQL share ($1, ON CONFLICT, RETURNING);
 * values are always bound. The schema stands in schema.def, as a list of steps that are only ever added to. What one
 * engine says differently is in the file of that engine (db_sqlite.c, db_pgsql*.c) and nowhere else.
 *
 * A connection is used by one thread at a time. The first failure sticks to it (db_result) until the transaction or
 * the mark it happened under is taken back, so a change is written as a row of calls and asked about once. After a
 * failure queries yield no rows and db_run does nothing.
 */
#ifndef STORE_DB_DB_H
#define STORE_DB_DB_H

#include "base/base.h"

enum sql {
#define X(name, text) SQL_##name,
#include "store/db/sql.def"
#undef X
	SQL_COUNT
};

struct db_value {
	enum { DB_NULL, DB_INT, DB_TEXT, DB_BYTES } kind;
	int64_t number;
	struct slice octets;
};
#define DI(i) ((struct db_value){.kind = DB_INT, .number = (int64_t)(i)})
#define DT(s) ((struct db_value){.kind = DB_TEXT, .octets = (s)})
#define DZ(z) ((struct db_value){.kind = DB_TEXT, .octets = slice_str(z)})
#define DB(s) ((struct db_value){.kind = DB_BYTES, .octets = (s)})

struct db;

/* Where a database is. Kept as it is, not copied: it outlives the connections. */
struct db_place {
	const char *dir; /* SQLite: the file is dir/db */
	const char
	    *url; /* PostgreSQL: a connection string (URI or key=value) without a password; NULL: SQLite */
	const char *password; /* NULL: none is needed */
	const char *
	    ca_file; /* whose certificates the server's must come from; NULL: the connection string says it */
};

/*
 * Opens (and, for the writer, creates and brings up to date) the database. One writer at a time; where a database is
 * shared, one a node, and their transactions wait for each other.
 */
NODISCARD enum result db_open(const struct db_place *place, bool writer, struct db **db_out);
void db_close(struct db *db);
/* Others may change this database too: what is remembered of it has to be asked about (db_was_changed). */
bool db_is_shared(const struct db *db);
/* What is committed is on the disk: nothing can be lost between commit and flush. */
bool db_is_durable(const struct db *db);

/* A transaction: of the writer, or a reader's unchanging view. */
void db_begin(struct db *db);
/* GONE: the connection was lost, and whether the transaction is committed cannot be found out. */
NODISCARD enum result db_commit(struct db *db);
void db_rollback(struct db *db);
/* A part of a transaction that can be taken back alone. */
void db_mark(struct db *db);
void db_keep(struct db *db);
void db_undo(struct db *db);
/* False when a failure (a full disk, an I/O error) took back the whole transaction. */
bool db_active(const struct db *db);
/* What went wrong since the begin or the mark: DENY for a broken constraint, FULL for no room, LATER for the rest. */
NODISCARD enum result db_result(const struct db *db);
/* All that was committed survives a power failure from now on. */
NODISCARD enum result db_flush(struct db *db);

/*
 * Asked by the writer after db_begin: somebody else has changed the database since this connection's last transaction,
 * or the connection was lost meanwhile. What is remembered of it is void.
 */
bool db_was_changed(struct db *db);
/*
 * Tells the other nodes, once the transaction is committed, whatever text says (DB_TOLD octets at most); nobody where
 * a database is not shared.
 */
#define DB_TOLD 7000
void db_tell(struct db *db, struct slice text);
/*
 * Waits on a reading connection, which is then used for nothing else, until another node tells something: OK, with its
 * text in out. GONE: `wake` became readable. LATER: the connection was lost or is new, and what was told meanwhile
 * never comes; call again. DENY: nobody tells anything here.
 */
NODISCARD enum result db_hear(struct db *db, int wake, struct buf *out);

/* The writer's log has grown by so many octets since the last full checkpoint. */
uint64_t db_log_size(const struct db *db);
/*
 * Moves the log into the tables: as much as can be moved without waiting for anybody. True when nothing is left, so
 * that the log starts over. Any connection may be used for it.
 */
bool db_checkpoint(struct db *db);

#define DB_RUN(db, name, ...)                                                                                \
	db_run((db), SQL_##name, (const struct db_value[]){__VA_ARGS__},                                     \
	    COUNT(((const struct db_value[]){__VA_ARGS__})))
#define DB_QUERY(db, name, ...)                                                                              \
	db_query((db), SQL_##name, (const struct db_value[]){__VA_ARGS__},                                   \
	    COUNT(((const struct db_value[]){__VA_ARGS__})))
/* Statements without parameters. */
#define DB_RUN0(db, name) db_run((db), SQL_##name, NULL, 0)
#define DB_QUERY0(db, name) db_query((db), SQL_##name, NULL, 0)
/* The first column of the first row. */
#define DB_NUMBER(db, otherwise, name, ...)                                                                  \
	db_number((db), (otherwise), SQL_##name, (const struct db_value[]){__VA_ARGS__},                     \
	    COUNT(((const struct db_value[]){__VA_ARGS__})))

void db_run(struct db *db, enum sql which, const struct db_value *values, size_t n);
uint64_t db_changed(const struct db *db); /* rows changed by the last db_run */

struct db_rows {
	struct db *db;
	void *statement; /* NULL: over */
};
/*
 * Rows end with DB_ROWS's scope or db_end. Until then the bound octets stay where they are, and the same statement is
 * not asked again on this connection.
 */
#define DB_ROWS __attribute__((cleanup(db_end))) struct db_rows
struct db_rows db_query(struct db *db, enum sql which, const struct db_value *values, size_t n);
bool db_next(struct db_rows *rows);
void db_end(struct db_rows *rows);
int64_t db_int(const struct db_rows *rows, int column);
struct slice db_octets(const struct db_rows *rows, int column); /* valid until the next db_next */
bool db_is_null(const struct db_rows *rows, int column);
int64_t db_number(struct db *db, int64_t otherwise, enum sql which, const struct db_value *values, size_t n);

/* Reading connections, made at need and kept. Thread-safe. */
struct db_pool;
struct db_pool *db_pool_new(const struct db_place *place);
void db_pool_free(struct db_pool *p);
/* Takes one and begins a view. NULL when the database cannot be opened, or all are in use for too long. */
struct db *db_borrow(struct db_pool *p);
void db_give_back(struct db_pool *p, struct db *db);

#endif
