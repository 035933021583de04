/* db_engine: what an engine gives to db.c, and db.c to an engine. Inside the room only. */
#ifndef STORE_DB_ENGINE_H
#define STORE_DB_ENGINE_H

#include "store/db/db.h"

struct db_engine {
	const char *name;
	bool shared;      /* others may change the database meanwhile */
	bool durable;     /* a commit needs no flush */
	unsigned readers; /* connections a pool opens at most */

	enum result (*open)(const struct db_place *place, bool writer, struct db **db_out);
	void (*close)(struct db *db);
	/* Runs statements that return nothing, with the engine's own words for {id}, {bytes} and {clustered}. */
	void (*script)(struct db *db, const char *sql);
	/* The number of schema steps that were taken; 0: an empty database. */
	int64_t (*version)(struct db *db);
	void (*set_version)(struct db *db, int64_t version);

	void (*begin)(struct db *db);
	enum result (*commit)(struct db *db);
	void (*rollback)(struct db *db);
	void (*mark)(struct db *db);
	void (*keep)(struct db *db);
	void (*undo)(struct db *db);
	bool (*active)(const struct db *db);
	enum result (*result)(const struct db *db);
	enum result (*flush)(struct db *db);
	uint64_t (*log_size)(const struct db *db);
	bool (*checkpoint)(struct db *db);
	bool (*was_changed)(struct db *db);
	void (*tell)(struct db *db, struct slice text);
	enum result (*hear)(struct db *db, int wake, struct buf *out);

	void (*run)(struct db *db, enum sql which, const struct db_value *values, size_t n);
	uint64_t (*changed)(const struct db *db);
	struct db_rows (*query)(struct db *db, enum sql which, const struct db_value *values, size_t n);
	bool (*next)(struct db_rows *rows);
	void (*end)(struct db_rows *rows);
	int64_t (*number)(const struct db_rows *rows, int column);
	struct slice (*octets)(const struct db_rows *rows, int column);
	bool (*is_null)(const struct db_rows *rows, int column);
};

/* The first part of an engine's own connection. */
struct db {
	const struct db_engine *engine;
};

extern const struct db_engine db_sqlite, db_pgsql;

/* A step of the schema in an engine's own words: pairs of a word and what stands for it, up to NULL. */
void db_words(const char *sql, const char *const words[][2], struct buf *out);
/* Takes the schema steps that are missing. */
NODISCARD enum result db_upgrade(struct db *db);

#endif
