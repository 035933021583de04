/*
 * keeper: the thread that looks after the store: moves the database's log into its tables before it grows long, rings
 * the relay when rows fall due, indexes traces behind delivery, forgets old ones, and reclaims space (blob_tidy).
 */
#ifndef STORE_KEEPER_H
#define STORE_KEEPER_H

#include "store/db/db.h"

struct store;
struct keeper;
struct keeper *keeper_new(struct store *s);
/* Ends the thread; the writer may still call store_tidy_log until keeper_free. */
void keeper_end(struct keeper *k);
void keeper_free(struct keeper *k);

/* Called by the writer between groups, with its connection. */
void store_tidy_log(struct store *s, struct db *writing);

#endif
