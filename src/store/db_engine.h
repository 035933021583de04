/* db_engine: what an engine gives to db.c, and db.c to an engine. Inside the room only. */
#ifndef STORE_DB_ENGINE_H
#define STORE_DB_ENGINE_H

#include "store/db.h"

/* Runs statements that return nothing, with the engine's own words for {id}, {bytes} and {clustered}. */
void db_script(struct db *db, const char *sql);
/* The number of schema steps that were taken; 0: an empty database. */
int64_t db_version(struct db *db);
void db_set_version(struct db *db, int64_t version);

/* Takes the schema steps that are missing. */
NODISCARD enum result db_upgrade(struct db *db);

#endif
