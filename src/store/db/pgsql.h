/*
 * db_pgsql: PostgreSQL 15 (or 13 and later) behind db.h, by libpq. Inside the engine only.
 *
 *     db_pgsql_link.c   the connection: making it, losing it, what was sent and what came back
 *     db_pgsql_bind.c   statements with their parameters
 *     db_pgsql.c        rows and transactions
 *
 * Everything goes through a pipeline: a change is sent and not waited for, a query waits for its rows and finds out how
 * everything before it went. So a row of changes costs one round trip, and a reader's begin and commit cost none.
 */
#ifndef STORE_DB_PGSQL_H
#define STORE_DB_PGSQL_H

#include "store/db/engine.h"
#include <libpq-fe.h>

#define PG_PARAMS 32

/* What an answer is expected for. */
struct pg_sent {
	enum { PG_QUIET, PG_PREPARE, PG_RUN, PG_QUERY, PG_SYNC } kind;
	unsigned which; /* enum sql */
};

/* The rows of one statement; a statement is asked once at a time on a connection. */
struct pg_rows {
	PGresult *r; /* those at hand */
	int at, n, asked;
	bool cursor; /* more of them wait at the server */
	bool own;    /* the transaction was begun for it alone */
};

struct pg {
	struct db db;
	const struct db_place *place;
	PGconn *c; /* NULL: none */
	enum result result;
	bool writer, listening;
	bool open;     /* in a transaction */
	bool upgraded; /* the engine's own tables are there */
	bool changed_elsewhere;
	int64_t id, serial; /* the writer's: who it is, and the number of its transaction */
	int64_t tried_ms;   /* when connecting last failed */
	uint64_t changed;
	struct pg_sent *sent;
	size_t n_sent, cap_sent;
	bool prepared[SQL_COUNT];
	struct pg_rows rows[SQL_COUNT];
};

static inline struct pg *pg_of(const struct db *db)
{
	return (struct pg *)(uintptr_t)db;
}

/* The connection is there and answers, as far as can be known without asking. */
bool pg_ready(struct pg *db);
/* Closes it, whatever was under way. */
void pg_drop(struct pg *db);
/* Remembers that an answer will come. */
void pg_expect(struct pg *db, int kind, unsigned which);
/* Sends a command without parameters; what it gives is not looked at. */
void pg_send(struct pg *db, const char *sql);
/* Takes in all answers that are due. */
void pg_settle(struct pg *db);
/* Lets the server begin with what was sent, without waiting. */
void pg_push(struct pg *db);
void pg_fail(struct pg *db, enum result r);
/* One number from the server, outside of the pipeline's statements; `otherwise` when there is none. */
int64_t pg_ask(struct pg *db, const char *sql, int64_t otherwise);

/* Finds out, after the connection was lost during a commit, what became of it. GONE: that cannot be known. */
enum result pg_find_out(struct pg *db);
enum result pg_hear(struct db *base, int wake, struct buf *out);

/* Writers of all nodes wait for each other on this number. */
#define PG_LOCK "SELECT pg_advisory_xact_lock(7308324465862)"

/* The types of each statement's parameters, as the server sees them. */
struct pg_types {
	int n;
	bool is_long; /* its answer is read through a cursor */
	Oid of[PG_PARAMS];
};
extern struct pg_types pg_types[SQL_COUNT];
/* Learns them once in a process, preparing every statement. */
enum result pg_learn(struct pg *db);
/* Sends one with its values. No rows: a value that no row can have, a text that is not one. */
enum pg_how { PG_NOT_SENT, PG_SENT_OK, PG_NO_ROWS };
enum pg_how pg_statement(struct pg *db, unsigned which, const struct db_value *values, size_t n, int kind);

#endif
