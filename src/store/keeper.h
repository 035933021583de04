/*
 * keeper: the thread that looks after the store: moves the database's log into its tables before it grows long, rings
 * the relay when rows fall due, indexes traces behind delivery, forgets old ones, and reclaims space (blob_tidy).
 */
#ifndef STORE_KEEPER_H
#define STORE_KEEPER_H

#include "store/db.h"

struct store;
struct keeper;
struct keeper *keeper_new(struct store *s, const char *dir);
void keeper_free(struct keeper *k);

/* Called by the writer between groups, with its connection. */
void store_tidy_log(struct store *s, struct db *writing);

#endif
