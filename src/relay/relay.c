#include "relay/inner.h"
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct relay *relay_start(const struct relay_settings *settings)
{
	struct relay *r = calloc(1, sizeof *r);
	if (!r || (r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		abort();
	r->settings = settings;
	pool_init(&r->pool);
	r->sessions = tls_sessions_new();
	r->sts = sts_cache_new();
	pthread_mutex_init(&r->trials.lock, NULL);
	queue_init(r);
	reports_start(r);
	if (pthread_create(&r->claimer, NULL, claimer_main, r) != 0)
		abort();
	return r;
}

/* Gives back what was not begun; the lock is held, and let go in between. */
static void release_waiting(struct relay *r)
{
	struct queue *q = &r->queue;
	for (size_t i = 0; i < DESTINATIONS; i++)
		for (struct destination *d = q->buckets[i]; d; d = d->next_bucket)
			for (struct job *j; (j = d->jobs);) {
				d->jobs = j->next;
				if (!d->jobs)
					d->jobs_end = &d->jobs;
				q->waiting--;
				claim_release(r, j);
			}
}

/* False: some thread still works on a message. */
static bool wait_workers(struct queue *q, int64_t ms)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	while (q->workers)
		if (pthread_cond_timedwait(&q->done, &q->lock, &end) != 0)
			return q->workers == 0;
	return true;
}

bool relay_stop(struct relay *r, int64_t ms)
{
	struct queue *q = &r->queue;
	uint64_t one = 1;
	atomic_store(&r->stopping, true);
	if (write(r->wake, &one, sizeof one) < 0)
		abort();
	pthread_join(r->claimer, NULL);
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	release_waiting(r);
	pthread_cond_broadcast(&q->work);
	bool done = wait_workers(q, ms);
	pthread_mutex_unlock(&q->lock);
	if (!done)
		return false;
	reports_stop(r);
	pool_free(&r->pool);
	tls_sessions_free(r->sessions);
	sts_cache_free(r->sts);
	for (struct session_count *s; (s = trials_take(r, 1));)
		session_free(s);
	pthread_mutex_destroy(&r->trials.lock);
	relay_queue_free(r);
	close(r->wake);
	free(r);
	return true;
}
