#include "policy/budget.h"
#include <stdlib.h>

const char *context_name(enum context_kind kind)
{
	static const char *const names[CONTEXT_KINDS] = {"familiar", "new-network", "abroad"};
	return names[kind];
}

struct budget_rules budget_rules_default(void)
{
	return (struct budget_rules){
	    .hour = 100, .day = 200, .most = 1000, .new_network = 40, .abroad = 10, .known = 60};
}

struct budget_rules budget_rules_allowed(const struct budget_rules *rules, const struct allowance *a)
{
	struct budget_rules r = *rules;
	r.hour = a->hour;
	r.day = r.most = a->day;
	r.known = a->hour;
	return r;
}

/* In halves: as configured, or three times what the account is used to, but never above the most. */
static uint64_t familiar_limit(uint32_t configured, uint32_t used_to, uint32_t most)
{
	uint64_t three = (uint64_t)used_to * 3;
	return MIN(MAX((uint64_t)configured, three), MAX((uint64_t)configured, (uint64_t)most)) *
	       BUDGET_WHOLE;
}

static uint64_t rest(uint64_t limit, uint64_t spent)
{
	return limit > spent ? limit - spent : 0;
}

/* What is left in halves, and what it is that is used up first. */
static uint64_t left(const struct budget_rules *r, const struct baseline *b, const struct spent *s,
    enum context_kind from, enum budget_reason *why_out)
{
	if (from != CONTEXT_FAMILIAR) {
		bool abroad = from == CONTEXT_ABROAD;
		*why_out = abroad ? BUDGET_OVER_ABROAD : BUDGET_OVER_NETWORK;
		return rest((uint64_t)(abroad ? r->abroad : r->new_network) * BUDGET_WHOLE, s->far);
	}
	uint64_t hour = rest(familiar_limit(r->hour, b->hour, r->most), s->hour);
	uint64_t day = rest(familiar_limit(r->day, b->day, r->most), s->day);
	*why_out = day < hour ? BUDGET_OVER_DAY : BUDGET_OVER_HOUR;
	return MIN(hour, day);
}

/* Recipients of all kinds in a day. */
static uint64_t most_away(const struct budget_rules *r, enum context_kind from, bool suspected)
{
	uint64_t most = from == CONTEXT_FAMILIAR ? UINT64_MAX
			: from == CONTEXT_ABROAD ? (uint64_t)r->abroad * BUDGET_FAR_KNOWN
						 : (uint64_t)r->new_network * BUDGET_FAR_KNOWN / 2;
	return suspected && from != CONTEXT_FAMILIAR ? most / 2 : most;
}

struct budget_verdict budget_judge(const struct budget_rules *rules, const struct baseline *used_to,
    const struct spent *spent, enum context_kind from, uint64_t fresh, uint64_t n_fresh, uint64_t known)
{
	enum budget_reason why = BUDGET_FITS;
	if (spent->away + n_fresh + known > most_away(rules, from, spent->suspected))
		return (struct budget_verdict){
		    .why = from == CONTEXT_ABROAD ? BUDGET_OVER_ABROAD : BUDGET_OVER_NETWORK, .hold = true};
	if (fresh && fresh > left(rules, used_to, spent, from, &why))
		return (struct budget_verdict){.why = why, .hold = true};
	uint64_t rate = MAX((uint64_t)rules->known, (uint64_t)used_to->slot * 4);
	uint64_t sum = spent->known + known;
	if (known && sum > rate)
		return (struct budget_verdict){
		    .why = BUDGET_OVER_RATE, .hold = sum > 4 * rate, .slow = sum <= 4 * rate};
	return (struct budget_verdict){.why = BUDGET_FITS};
}

uint32_t budget_left(const struct budget_rules *rules, const struct baseline *used_to,
    const struct spent *spent, enum context_kind from)
{
	enum budget_reason why;
	return (uint32_t)(left(rules, used_to, spent, from, &why) / BUDGET_WHOLE);
}

static int compare(const void *a, const void *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

uint32_t baseline_p99(uint32_t *v, size_t n)
{
	if (!n)
		return 0;
	qsort(v, n, sizeof *v, compare);
	size_t at = (n * 99 + 99) / 100; /* nearest rank */
	return v[MIN(at, n) - 1];
}

uint32_t baseline_move(uint32_t was, uint32_t seen, uint32_t floor, unsigned days)
{
	uint32_t now = MAX(was, floor);
	for (unsigned i = 0; i < days && now != seen; i++) {
		uint32_t step = MAX(now / 10, 1u);
		if (seen > now)
			now += MIN(step, seen - now);
		else
			now -= MIN(step, now - seen);
	}
	return MAX(now, floor);
}
