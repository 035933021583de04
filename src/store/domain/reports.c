#include "store/domain/reports.h"
#include <pthread.h>
#include <stdlib.h>

#define TICK_MS (30 * SECOND_MS)
#define AFTER_START_MS (5 * SECOND_MS)
#define SENT_KEPT_DAYS 90

struct reports {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool ending, woken;
};

const char *report_state_name(int64_t state)
{
	static const char *const names[] = {"?", "counted", "unproven", "foreign", "odd", "refused"};
	return names[state > 0 && (size_t)state < COUNT(names) ? state : 0];
}

bool reports_is_address(const struct store *s, struct slice local, struct slice domain)
{
	struct slice own = slice_str(s->settings->dns.reports_to);
	if (slice_eq(local, SLICE("dmarc-reports")) || slice_eq(local, SLICE("tls-reports")))
		return true;
	ptrdiff_t at = slice_rfind(own, '@');
	return at > 0 && slice_ieq(slice_sub(own, 0, (size_t)at), local) &&
	       slice_ieq(slice_sub(own, (size_t)at + 1, own.n), domain);
}

void reports_round(struct store *s)
{
	if (atomic_load(&s->broken))
		return;
	while (reports_read_one(s))
		;
	reports_alert(s);
	reports_send_due(s);
}

void reports_wake(struct store *s)
{
	struct reports *r = s->reports;
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->woken = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

/* The lock is held. */
static void wait_ms(struct reports *r, int64_t ms)
{
	int64_t at = clock_mono_ms() + ms;
	struct timespec until = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
	while (!r->ending && !r->woken && pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0)
		;
	r->woken = false;
}

static void *work(void *arg)
{
	struct reports *r = arg;
	int64_t tick = MIN(TICK_MS, r->store->settings->reports.gather_ms);
	pthread_mutex_lock(&r->lock);
	wait_ms(r, MIN(AFTER_START_MS, tick));
	while (!r->ending) {
		pthread_mutex_unlock(&r->lock);
		reports_round(r->store);
		pthread_mutex_lock(&r->lock);
		wait_ms(r, tick);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct reports *reports_new(struct store *s)
{
	struct reports *r = calloc(1, sizeof *r);
	pthread_condattr_t how;
	if (!r)
		abort();
	r->store = s;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &how);
	pthread_condattr_destroy(&how);
	if (s->settings->reports.gather_ms && pthread_create(&r->thread, NULL, work, r) != 0)
		abort();
	return r;
}

void reports_free(struct reports *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	if (r->store->settings->reports.gather_ms)
		pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- forgetting ---- */

static enum result apply_forget(struct job *j, struct db *db)
{
	int64_t now = clock_utc_ms(), keep = j->store->settings->reports.keep_ms;
	DB_RUN(db, REPORTS_FORGET, DI(now - keep));
	DB_RUN(db, DMARC_DAYS_FORGET, DI((now - keep) / DAY_MS));
	DB_RUN(db, DMARC_HOSTS_FORGET, DI(now - keep));
	DB_RUN(db, SENT_FORGET, DI(now / DAY_MS - SENT_KEPT_DAYS));
	return OK;
}

void reports_forget(struct store *s)
{
	struct job j = {.store = s, .apply = apply_forget};
	result_ignore(writer_wait(s->writer, &j)); /* the next hour comes */
}
