#include "store/search/search.h"
#include "store/tasks.h"
#include "store/rounds.h"
#include <pthread.h>
#include <stdlib.h>

#define TICK_MS 1000
#define ROUND_MS (5 * MINUTE_MS)
#define BATCH 32          /* messages that are worth a segment; fewer wait */
#define BACKLOG 512       /* while mail keeps coming in: delivery has the processors first */
#define QUIET_MS 500      /* since the last message that came in */
#define WAIT_MS MINUTE_MS /* so long: until then searches read them */
#define TIDY_JOBS 20      /* in one tick */
#define LOOSE_DOCS 64
#define ASKING_THREADS 2
#define BUCKETS 1024

struct due {
	int64_t account, since_ms;
	uint32_t messages;
	bool loose, now;
	struct due *next;
};

struct failed {
	int64_t account;
	struct search_failure what;
	struct failed *next;
};

struct search {
	struct store *store;
	struct rounds rounds;
	pthread_mutex_t lock; /* of what is due and what failed */
	struct due *due[BUCKETS];
	struct failed *failed[BUCKETS];
	struct search_failure last;
	uint64_t n_failed;
	_Atomic uint64_t arrived;
	_Atomic int64_t arrived_ms; /* the last of them */
	_Atomic bool look;
	int64_t looked; /* monotonic; the thread's */
	struct tasks *asking;
	struct search_boxes *boxes;
};

struct search_boxes *search_boxes_of(struct search *x)
{
	return x->boxes;
}

struct tasks *search_tasks_of(struct search *x)
{
	return x->asking;
}

static struct due *due_of(struct search *x, int64_t account)
{
	struct due **at = &x->due[(uint64_t)account % BUCKETS];
	while (*at && (*at)->account != account)
		at = &(*at)->next;
	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (!*at)
			abort();
		**at = (struct due){.account = account, .since_ms = clock_mono_ms()};
	}
	return *at;
}

void search_due(struct search *x, int64_t account)
{
	if (!x)
		return;
	atomic_fetch_add(&x->arrived, 1);
	atomic_store_explicit(&x->arrived_ms, clock_mono_ms(), memory_order_relaxed);
	pthread_mutex_lock(&x->lock);
	due_of(x, account)->messages++;
	pthread_mutex_unlock(&x->lock);
}

static void put_due(struct search *x, int64_t account, bool loose)
{
	pthread_mutex_lock(&x->lock);
	struct due *d = due_of(x, account);
	d->loose |= loose;
	d->now = true;
	pthread_mutex_unlock(&x->lock);
}

void search_now(struct search *x, int64_t account)
{
	put_due(x, account, false);
	rounds_wake(&x->rounds);
}

void search_look_around(struct search *x)
{
	atomic_store(&x->look, true);
	rounds_wake(&x->rounds);
}

/* An account that has waited long enough, or has enough; false when there is none. */
static bool take_due(struct search *x, struct due *out)
{
	int64_t now = clock_mono_ms();
	uint32_t worth = now - atomic_load(&x->arrived_ms) >= QUIET_MS ? BATCH : BACKLOG;
	pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct due **at = &x->due[i]; *at; at = &(*at)->next) {
			struct due *d = *at;
			if (!d->now && d->messages < worth && now - d->since_ms < WAIT_MS)
				continue;
			*out = *d;
			*at = d->next;
			free(d);
			pthread_mutex_unlock(&x->lock);
			return true;
		}
	pthread_mutex_unlock(&x->lock);
	return false;
}

/* ---- what went wrong ---- */

static struct failed **failed_at(struct search *x, int64_t account)
{
	struct failed **at = &x->failed[(uint64_t)account % BUCKETS];
	while (*at && (*at)->account != account)
		at = &(*at)->next;
	return at;
}

static void note_failure(struct search *x, int64_t account)
{
	pthread_mutex_lock(&x->lock);
	struct failed **at = failed_at(x, account);
	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (!*at)
			abort();
		(*at)->account = account;
		x->n_failed++;
	}
	x->last = (*at)->what = (struct search_failure){search_why, clock_utc_ms()};
	pthread_mutex_unlock(&x->lock);
}

static void forget_failure(struct search *x, int64_t account)
{
	pthread_mutex_lock(&x->lock);
	struct failed **at = failed_at(x, account), *gone = *at;
	if (gone) {
		*at = gone->next;
		free(gone);
		x->n_failed--;
	}
	pthread_mutex_unlock(&x->lock);
}

bool search_failure_of(struct search *x, int64_t account, struct search_failure *out)
{
	pthread_mutex_lock(&x->lock);
	struct failed *f = *failed_at(x, account);
	if (f)
		*out = f->what;
	pthread_mutex_unlock(&x->lock);
	return f;
}

uint64_t search_failures(struct search *x, struct search_failure *last_out)
{
	pthread_mutex_lock(&x->lock);
	uint64_t n = x->n_failed;
	*last_out = x->last;
	pthread_mutex_unlock(&x->lock);
	return n;
}

/* ---- one account ---- */

static enum result bring_up(const struct search_work *w, int64_t account, int64_t index, bool loose)
{
	enum result r = OK;
	for (bool more = true; r == OK && more && !atomic_load(w->ending);) {
		bool merged = true;
		r = search_batch(w, account, index, &more);
		while (r == OK && merged && !atomic_load(w->ending))
			r = search_merge(w, account, index, loose, &merged);
	}
	return r;
}

static int64_t index_of(struct store *s, int64_t account, int state)
{
	READER r = reader_begin(s);
	return r.db ? DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(account), DI(state)) : 0;
}

static void do_account(struct search *x, const struct due *d)
{
	struct search_work w = {.store = x->store, .ending = &x->rounds.ending, .arrived = &x->arrived};
	int64_t serving = search_index_make(x->store, d->account, SEARCH_SERVING);
	if (!serving) {
		forget_failure(x, d->account);
		return; /* it was removed, or the store ends: the next round knows */
	}
	search_why = "the database does not answer";
	enum result r = bring_up(&w, d->account, serving, d->loose);
	int64_t building = r == OK ? index_of(x->store, d->account, SEARCH_BUILDING) : 0;
	if (building && !rounds_ending(&x->rounds)) {
		r = bring_up(&w, d->account, building, false);
		/* What came meanwhile is caught up with in a moment. */
		if (r == OK && !rounds_ending(&x->rounds) && search_promote(x->store, d->account) == OK)
			EVENT(SEARCH_REBUILT, KN("account", d->account));
		else
			put_due(x, d->account, false);
	}
	if (r == OK) {
		forget_failure(x, d->account);
	} else if (!rounds_ending(&x->rounds)) {
		EVENT(SEARCH_DELAYED, KN("account", d->account), KZ("why", search_why));
		note_failure(x, d->account);
		search_due(x, d->account);
	}
}

/* ---- the thread ---- */

static void remove_lost(struct store *s)
{
	int64_t lost[100];
	size_t n = 0;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		DB_ROWS q = DB_QUERY(r.db, SEARCH_INDEXES_LOST, DI(COUNT(lost)));
		while (n < COUNT(lost) && db_next(&q))
			lost[n++] = db_int(&q, 0);
	}
	for (size_t i = 0; i < n; i++)
		result_ignore(search_index_remove(s, lost[i])); /* the next round tries again */
}

/* What notes in memory may have missed: a restart, another node. */
static void look_around(struct search *x)
{
	remove_lost(x->store);
	READER r = reader_begin(x->store);
	if (!r.db)
		return;
	{
		DB_ROWS q = DB_QUERY(r.db, SEARCH_DUE, DI(0));
		while (db_next(&q))
			search_due(x, db_int(&q, 0));
	}
	{
		DB_ROWS q = DB_QUERY(r.db, SEARCH_REBUILDING, DI(SEARCH_BUILDING));
		while (db_next(&q))
			put_due(x, db_int(&q, 0), false);
	}
	DB_ROWS q = DB_QUERY(r.db, SEARCH_LOOSE, DI(LOOSE_DOCS));
	while (db_next(&q))
		put_due(x, db_int(&q, 0), true);
}

static int64_t work(void *arg)
{
	struct search *x = arg;
	struct due d;
	if (atomic_exchange(&x->look, false) || clock_mono_ms() - x->looked >= ROUND_MS) {
		x->looked = clock_mono_ms();
		look_around(x);
	}
	while (!rounds_ending(&x->rounds) && !atomic_load(&x->store->broken) && take_due(x, &d))
		do_account(x, &d);
	for (unsigned i = 0; i < TIDY_JOBS && !rounds_ending(&x->rounds) && search_tidy_some(x->store); i++)
		;
	return TICK_MS;
}

struct search *search_new(struct store *s)
{
	struct search *x = calloc(1, sizeof *x);
	if (!x)
		abort();
	x->store = s;
	x->boxes = search_boxes_new();
	x->asking = tasks_new(ASKING_THREADS);
	pthread_mutex_init(&x->lock, NULL);
	x->looked = clock_mono_ms() - ROUND_MS;
	rounds_start(&x->rounds, "indexer", 0, work, x);
	return x;
}

void search_end(struct search *x)
{
	if (!x)
		return;
	rounds_stop(&x->rounds);
	tasks_free(x->asking);
	x->asking = NULL;
}

void search_free(struct search *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct due *d = x->due[i], *next; d; d = next) {
			next = d->next;
			free(d);
		}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct failed *f = x->failed[i], *next; f; f = next) {
			next = f->next;
			free(f);
		}
	search_boxes_free(x->boxes);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
