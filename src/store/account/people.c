#include "store/account/people.h"
#include <pthread.h>
#include <stdlib.h>

#define TICK_MS SECOND_MS

struct people {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool ending;
};

void people_round(struct store *s)
{
	while (!atomic_load(&s->broken) && breakglass_round(s))
		;
	while (!atomic_load(&s->broken) && offboard_round(s))
		;
	while (!atomic_load(&s->broken) && audit_alerts_round(s))
		;
	if (atomic_load(&s->broken))
		return;
	audit_digest_round(s);
	people_report_round(s);
}

static void *work(void *arg)
{
	struct people *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->ending) {
		int64_t at = clock_mono_ms() + TICK_MS;
		struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
		pthread_cond_timedwait(&p->wake, &p->lock, &until);
		if (p->ending)
			break;
		pthread_mutex_unlock(&p->lock);
		people_round(p->store);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct people *people_new(struct store *s)
{
	struct people *p = calloc(1, sizeof *p);
	pthread_condattr_t how;
	if (!p)
		abort();
	p->store = s;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &how);
	pthread_condattr_destroy(&how);
	if (pthread_create(&p->thread, NULL, work, p) != 0)
		abort();
	pthread_setname_np(p->thread, "people");
	return p;
}

void people_free(struct people *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
