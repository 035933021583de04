#include "store/keeper.h"
#include "store/account/entry.h"
#include "store/contain/alarm.h"
#include "store/contain/contain.h"
#include "store/mailbox/expunged.h"
#include "store/queue/filter.h"
#include "store/inside.h"
#include "store/queue/judge.h"
#include "store/queue/queue.h"
#include "store/mailbox/quota.h"
#include "store/domain/reports.h"
#include "store/account/signins.h"
#include "store/stats.h"
#include "store/domain/tls.h"
#include "store/queue/trace.h"
#include "store/rounds.h"
#include <stdlib.h>

#define TICK_MS 1000
#define TIDY_EVERY_MS (5 * MINUTE_MS)
#define FORGET_EVERY_MS HOUR_MS
#define INDEX_ROWS 64 /* in one job of the writer */
#define INDEX_JOBS 20 /* in one tick */
#define FORGET_ROWS 200
#define FORGET_JOBS 10 /* in one tick */

/*
 * The log is moved by the keeper's own connection while the writer goes on. It starts over only when all of it was
 * moved and nobody reads from it; under steady load some is always left, so a long one is finished by the writer itself
 * between two groups: the rest is short, and the tables' flush was done by the keeper just before.
 */
#define LOG_MOVE ((uint64_t)16 << 20)
#define LOG_FINISH ((uint64_t)64 << 20)

struct keeper {
	struct store *store;
	struct db *db;
	struct rounds rounds;
	_Atomic bool move_log;
	int64_t ticked, tidied, forgot; /* monotonic */
	bool expunged_due;              /* with `expunged` the thread's */
	struct expunged_work expunged;
	_Atomic bool moved;
	uint64_t asked_at,
	    finished_at; /* the writer's: sizes of the log at the last ask and the last finish */
};

void store_tidy_log(struct store *s, struct db *writing)
{
	struct keeper *k = s->keeper;
	uint64_t size = db_log_size(writing);
	if (!k)
		return;
	if (size < k->asked_at)
		k->asked_at = k->finished_at = 0;
	if (size > LOG_FINISH && size - k->finished_at > LOG_MOVE && atomic_exchange(&k->moved, false)) {
		k->finished_at = size;
		db_checkpoint(writing);
	}
	if (size - k->asked_at < LOG_MOVE)
		return;
	k->asked_at = size;
	atomic_store(&k->move_log, true);
	rounds_wake(&k->rounds);
}

static void index_traces(struct store *s)
{
	for (unsigned i = 0; i < INDEX_JOBS && trace_index_some(s, INDEX_ROWS); i++)
		;
}

static void chores(struct keeper *k, int64_t now)
{
	struct store *s = k->store;
	if (atomic_load(&s->broken))
		return;
	nodes_tick(s->nodes);
	queue_ring(s->queue);
	index_traces(s);
	quota_wake_owed(s);
	sessions_tick(s->sessions);
	signins_tick(s);
	entry_tick(s);
	stats_tick(s, now);
	contain_wake(s);
	for (unsigned i = 0; i < FORGET_JOBS && k->expunged_due; i++)
		k->expunged_due = expunged_forget_some(s, &k->expunged, FORGET_ROWS);
	if (now - k->tidied > TIDY_EVERY_MS) {
		k->tidied = now;
		blob_tidy(s);
	}
	if (now - k->forgot > FORGET_EVERY_MS) {
		k->forgot = now;
		k->expunged_due = true;
		while (trace_forget_some(s, FORGET_ROWS) || filter_forget_some(s, FORGET_ROWS))
			;
		judge_forget(s);
		tls_forget(s);
		reports_forget(s);
		signins_prune(s);
		stats_forget(s);
		spend_forget(s);
		alarm_forget(s);
	}
}

static int64_t work(void *arg)
{
	struct keeper *k = arg;
	if (atomic_exchange(&k->move_log, false)) {
		db_checkpoint(k->db);
		atomic_store(&k->moved, true);
	}
	int64_t now = clock_mono_ms();
	if (now - k->ticked >= TICK_MS) {
		k->ticked = now;
		chores(k, now);
	}
	return TICK_MS - (clock_mono_ms() - k->ticked);
}

struct keeper *keeper_new(struct store *s)
{
	struct keeper *k = calloc(1, sizeof *k);
	if (!k)
		abort();
	k->store = s;
	if (db_open(&s->place, false, &k->db) != OK) {
		free(k);
		return NULL;
	}
	k->tidied = clock_mono_ms();
	k->forgot = k->tidied - FORGET_EVERY_MS;
	rounds_start(&k->rounds, "keeper", 0, work, k);
	return k;
}

void keeper_end(struct keeper *k)
{
	if (k)
		rounds_stop(&k->rounds);
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	db_close(k->db);
	free(k);
}
