#include "store/queue/courier.h"
#include "store/queue/dsn.h"
#include "store/queue/inward.h"
#include "store/mailbox/quota.h"
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
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct owed *first, **last; /* in the order of at_ms */
	struct owed *again, **again_last;
	int64_t at_work; /* what the thread is about */
	bool ending;
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
		pthread_cond_signal(&c->wake);
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
		pthread_cond_signal(&c->wake);
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

static void wait_until(struct courier *c, int64_t now)
{
	int64_t at = now + AGAIN_MS;
	if (c->first)
		at = MIN(at, c->first->at_ms);
	if (c->again)
		at = MIN(at, c->again->at_ms);
	int64_t ms = MAX(at - now, (int64_t)1);
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

static void *work(void *arg)
{
	struct courier *c = arg;
	pthread_mutex_lock(&c->lock);
	while (!c->ending) {
		int64_t now = clock_mono_ms();
		struct owed *o = take(&c->first, &c->last, now);
		if (!o)
			o = take(&c->again, &c->again_last, now);
		if (!o) {
			wait_until(c, now);
			continue;
		}
		c->at_work = o->queued;
		pthread_mutex_unlock(&c->lock);
		int64_t about = o->queued;
		bool told = about < 0 ? quota_warn(c->store, -about) == OK
				      : inward_make(c->store, about) == OK && dsn_make(c->store, about) == OK;
		pthread_mutex_lock(&c->lock);
		c->at_work = 0;
		if (!told)
			put(&c->again_last, o->queued, AGAIN_MS);
		free(o);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
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
	pthread_condattr_t how;
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &how);
	pthread_condattr_destroy(&how);
	if (pthread_create(&c->thread, NULL, work, c) != 0)
		abort();
	pthread_setname_np(c->thread, "courier");
	return c;
}

void courier_free(struct courier *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	for (struct owed *o = c->first, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	for (struct owed *o = c->again, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
