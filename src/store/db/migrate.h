/*
 * migrate: all rows of one database into another, of either engine, while no server uses them.
 *
 * The target is made with the same schema and marked as unfinished, so that no server starts on it. Tables are copied one
 * after another; a repeated call goes on after the last whole one. At the end both sides are read once more: each table must
 * have the same number of rows and the same digest over all of them. Only then the mark goes. The source is only read.
 */
#ifndef STORE_DB_MIGRATE_H
#define STORE_DB_MIGRATE_H

#include "store/db/db.h"

#define MIGRATING                                                                                            \
	"migrating" /* a name in `numbers`: 1 and the tables that are whole, while a copy is unfinished */

struct migrate_watch {
	/* Each some thousand rows; `checking` in the second reading. */
	void (*progress)(void *arg, const char *table, uint64_t rows, uint64_t all_rows, bool checking);
	void *arg;
};
/*
 * *rows_out: of all tables. DENY: the target holds a database already, or the source is of another version; BAD: the two
 * differ after all; LATER: one of them failed. why gets a sentence.
 */
NODISCARD enum result migrate_rows(const struct db_place *from, const struct db_place *to,
    const struct migrate_watch *watch, struct buf *why, uint64_t *rows_out);

#endif
