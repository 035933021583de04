#include "store/rounds.h"
#include "base/base.h"
#include "base/clock.h"
#include <stdlib.h>

/* The lock is held. */
static void rest(struct rounds *r)
{
	if (r->pause_ms == ROUNDS_UNTIL_WOKEN) {
		while (!r->due && !rounds_ending(r))
			pthread_cond_wait(&r->wake, &r->lock);
		return;
	}
	int64_t at = clock_mono_ms() + MAX(r->pause_ms, (int64_t)0);
	struct timespec until = {.tv_sec = at / SECOND_MS, .tv_nsec = at % SECOND_MS * 1000000};
	while (!r->due && !rounds_ending(r) && pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0)
		;
}

static void *work(void *arg)
{
	struct rounds *r = arg;
	pthread_mutex_lock(&r->lock);
	for (rest(r); !rounds_ending(r); rest(r)) {
		r->due = false;
		pthread_mutex_unlock(&r->lock);
		int64_t pause_ms = r->work(r->context);
		pthread_mutex_lock(&r->lock);
		r->pause_ms = pause_ms;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

void rounds_start(
    struct rounds *r, const char *name, int64_t first_ms, int64_t (*round)(void *), void *context)
{
	pthread_condattr_t how;
	r->context = context;
	r->work = round;
	r->pause_ms = first_ms;
	r->started = true;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &how);
	pthread_condattr_destroy(&how);
	if (pthread_create(&r->thread, NULL, work, r) != 0)
		abort();
	pthread_setname_np(r->thread, name);
}

void rounds_wake(struct rounds *r)
{
	if (!r->started)
		return;
	pthread_mutex_lock(&r->lock);
	r->due = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void rounds_stop(struct rounds *r)
{
	if (!r->started || atomic_exchange(&r->ending, true))
		return;
	pthread_mutex_lock(&r->lock);
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}
