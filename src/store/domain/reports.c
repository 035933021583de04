#include "store/domain/reports.h"
#include "store/rounds.h"
#include <stdlib.h>

#define TICK_MS (30 * SECOND_MS)
#define AFTER_START_MS (5 * SECOND_MS)
#define SENT_KEPT_DAYS 90

struct reports {
	struct store *store;
	struct rounds rounds;
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
	if (s->reports)
		rounds_wake(&s->reports->rounds);
}

static int64_t tick_ms(const struct store *s)
{
	return MIN(TICK_MS, s->settings->reports.gather_ms);
}

static int64_t work(void *arg)
{
	struct reports *r = arg;
	reports_round(r->store);
	return tick_ms(r->store);
}

struct reports *reports_new(struct store *s)
{
	struct reports *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->store = s;
	if (s->settings->reports.gather_ms)
		rounds_start(&r->rounds, "reports", MIN(AFTER_START_MS, tick_ms(s)), work, r);
	return r;
}

void reports_free(struct reports *r)
{
	if (!r)
		return;
	rounds_stop(&r->rounds);
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
