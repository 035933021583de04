/*
 * stats: how much there was of what in each hour (stats.def), for the overview.
 *
 * Counted in memory by any thread; the keeper adds what came to the table every STATS_FLUSH_MS, and with several nodes each
 * adds its own. So these are figures to look at: what a crash takes away is at most that much time of them.
 */
#ifndef STORE_STATS_H
#define STORE_STATS_H

#include "store/inside.h"

#define STATS_FLUSH_MS (10 * SECOND_MS)
#define STATS_KEEP_MS (400 * DAY_MS)
#define STATS_HOURS (24 * 31) /* at most in one answer */

enum stats_kind {
#define X(name, number, json) STAT_##name = (number),
#include "store/stats.def"
#undef X
	STAT_COUNT
};

struct stats;
struct stats *stats_new(void);
void stats_free(struct stats *s);
void stats_count(struct stats *s, enum stats_kind what, unsigned times);
/* The keeper's, every tick: writes what came, if it is time. */
void stats_tick(struct store *s, int64_t now_mono_ms);
/* The keeper's, now and then. */
void stats_forget(struct store *s);

#endif
