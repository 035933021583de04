#include "store/queue/courier.h"
#include "store/queue/dsn.h"
#include "store/queue/inward.h"
#include "store/mailbox/quota.h"
#include "store/rounds.h"
#include <pthread.h>
#include <stdlib.h>

/* Reports of one message come in several batches; waiting a little puts them into one notice. */
#define GATHER_MS 300
#define AGAIN_MS (60 * SECOND_MS)

struct owed {
	struct owed *next;
	int64_t queued; /* below 0: an account that is owed a warning */
	int64_t at_ms;  /* not before this monotonic time */
};

struct courier {
	struct store *store;
	struct rounds rounds;
	pthread_mutex_t lock;       /* of the rest */
	struct owed *first, **last; /* in the order of at_ms */
	struct owed *again, **again_last;
	int64_t at_work; /* what the thread is about */
};

static void put(struct owed ***last, int64_t queued, int64_t wait_ms)
{
	struct owed *o = malloc(sizeof *o);
	if (!o)
		abort();
	*o = (struct owed){.queued = queued, .at_ms = clock_mono_ms() + wait_ms};
	**last = o;
	*last = &o->next;
}

void courier_wake(struct store *s, int64_t queued)
{
	struct courier *c = s->courier;
	pthread_mutex_lock(&c->lock);
	const struct owed *latest =
	    c->first ? (const struct owed *)((const char *)c->last - offsetof(struct owed, next)) : NULL;
	if (!latest || latest->queued != queued) {
		put(&c->last, queued, GATHER_MS);
		rounds_wake(&c->rounds);
	}
	pthread_mutex_unlock(&c->lock);
}

static bool waits(const struct owed *o, int64_t queued)
{
	while (o && o->queued != queued)
		o = o->next;
	return o != NULL;
}

void courier_wake_account(struct store *s, int64_t account)
{
	struct courier *c = s->courier;
	pthread_mutex_lock(&c->lock);
	if (c->at_work != -account && !waits(c->first, -account) && !waits(c->again, -account)) {
		put(&c->last, -account, GATHER_MS);
		rounds_wake(&c->rounds);
	}
	pthread_mutex_unlock(&c->lock);
}

static struct owed *take(struct owed **first, struct owed ***last, int64_t now)
{
	struct owed *o = *first;
	if (!o || o->at_ms > now)
		return NULL;
	*first = o->next;
	if (!*first)
		*last = first;
	return o;
}

/* The lock is held. */
static int64_t until_next(const struct courier *c, int64_t now)
{
	int64_t at = now + AGAIN_MS;
	if (c->first)
		at = MIN(at, c->first->at_ms);
	if (c->again)
		at = MIN(at, c->again->at_ms);
	return at - now;
}

static bool tell(struct store *s, int64_t about)
{
	return about < 0 ? quota_warn(s, -about) == OK
			 : inward_make(s, about) == OK && dsn_make(s, about) == OK;
}

static int64_t work(void *arg)
{
	struct courier *c = arg;
	pthread_mutex_lock(&c->lock);
	int64_t now = clock_mono_ms();
	struct owed *o = take(&c->first, &c->last, now);
	if (!o)
		o = take(&c->again, &c->again_last, now);
	if (o) {
		c->at_work = o->queued;
		pthread_mutex_unlock(&c->lock);
		bool told = tell(c->store, o->queued);
		pthread_mutex_lock(&c->lock);
		c->at_work = 0;
		if (!told)
			put(&c->again_last, o->queued, AGAIN_MS);
		free(o);
	}
	int64_t pause_ms = until_next(c, clock_mono_ms());
	pthread_mutex_unlock(&c->lock);
	return pause_ms;
}

struct courier *courier_new(struct store *s)
{
	struct courier *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = s;
	c->last = &c->first;
	c->again_last = &c->again;
	pthread_mutex_init(&c->lock, NULL);
	rounds_start(&c->rounds, "courier", ROUNDS_UNTIL_WOKEN, work, c);
	return c;
}

void courier_free(struct courier *c)
{
	if (!c)
		return;
	rounds_stop(&c->rounds);
	for (struct owed *o = c->first, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	for (struct owed *o = c->again, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}
