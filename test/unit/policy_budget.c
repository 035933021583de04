/* Budgets and points: what goes, what is held, and how often honest people are bothered. */
#include "policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct baseline none = {3, 3, 5};

/* ---- budgets ---- */

static void each_context_has_its_budget(void **state)
{
	struct budget_rules r = budget_rules_default();
	struct spent s = {0};
	assert_int_equal(budget_left(&r, &none, &s, CONTEXT_ABROAD), 10);
	assert_int_equal(budget_left(&r, &none, &s, CONTEXT_NEW_NETWORK), 40);
	assert_int_equal(budget_left(&r, &none, &s, CONTEXT_FAMILIAR), 100);
	assert_false(budget_judge(&r, &none, &s, CONTEXT_ABROAD, 10 * BUDGET_WHOLE, 10, 0).hold);
	/* A message is held as a whole. */
	struct budget_verdict v = budget_judge(&r, &none, &s, CONTEXT_ABROAD, 11 * BUDGET_WHOLE, 11, 3);
	assert_true(v.hold);
	assert_int_equal(v.why, BUDGET_OVER_ABROAD);
	/* One pool for all unfamiliar places. */
	s.far = 10 * BUDGET_WHOLE;
	assert_true(budget_judge(&r, &none, &s, CONTEXT_ABROAD, BUDGET_WHOLE, 1, 0).hold);
	assert_int_equal(budget_left(&r, &none, &s, CONTEXT_NEW_NETWORK), 30);
	/* A day, and an hour of it. */
	s = (struct spent){.hour = 0, .day = 200 * BUDGET_WHOLE};
	v = budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, BUDGET_HALF, 1, 0);
	assert_true(v.hold && v.why == BUDGET_OVER_DAY);
	s = (struct spent){.hour = 100 * BUDGET_WHOLE, .day = 100 * BUDGET_WHOLE};
	v = budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, BUDGET_HALF, 1, 0);
	assert_true(v.hold && v.why == BUDGET_OVER_HOUR);
	/* Known recipients cost nothing, anywhere. */
	assert_false(budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, 0, 0, 50).hold);
	/* From afar there is an end to them, too: friends are written to first. */
	s = (struct spent){.away = 99};
	assert_false(budget_judge(&r, &none, &s, CONTEXT_ABROAD, 0, 0, 1).hold);
	assert_true(budget_judge(&r, &none, &s, CONTEXT_ABROAD, 0, 0, 2).hold);
	assert_true(budget_judge(&r, &none, &s, CONTEXT_ABROAD, BUDGET_WHOLE, 1, 1).hold);
	assert_false(budget_judge(&r, &none, &s, CONTEXT_NEW_NETWORK, 0, 0, 60).hold);
	s.suspected = true;
	assert_true(budget_judge(&r, &none, &s, CONTEXT_NEW_NETWORK, 0, 0, 2).hold);
	assert_true(budget_judge(&r, &none, &s, CONTEXT_ABROAD, 0, 0, 1).hold);
	assert_false(budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, 0, 0, 60).hold);
}

static void what_one_is_used_to_raises_it(void **state)
{
	struct budget_rules r = budget_rules_default();
	struct spent s = {0};
	struct baseline sales = {.hour = 60, .day = 300, .slot = 40},
			huge = {.hour = 5000, .day = 5000, .slot = 5000};
	assert_int_equal(budget_left(&r, &sales, &s, CONTEXT_FAMILIAR), 180);
	assert_int_equal(budget_left(&r, &huge, &s, CONTEXT_FAMILIAR), 1000);
	assert_int_equal(budget_left(&r, &huge, &s, CONTEXT_ABROAD), 10);
	/* Too fast to known people: first slower, then held. */
	struct budget_verdict v = budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, 0, 0, 61);
	assert_true(v.slow && !v.hold);
	assert_true(budget_judge(&r, &none, &s, CONTEXT_FAMILIAR, 0, 0, 241).hold);
	assert_false(budget_judge(&r, &sales, &s, CONTEXT_FAMILIAR, 0, 0, 160).slow);
}

static void it_is_learned_slowly(void **state)
{
	uint32_t v[200];
	for (uint32_t i = 0; i < 200; i++)
		v[i] = (i * 7919) % 200 + 1;
	assert_int_equal(baseline_p99(v, 200), 198);
	assert_int_equal(baseline_p99(v, 0), 0);
	uint32_t one = 9;
	assert_int_equal(baseline_p99(&one, 1), 9);
	/* A tenth a day: a week of poisoning doubles it at most. */
	assert_int_equal(baseline_move(100, 100000, 3, 1), 110);
	assert_true(baseline_move(100, 100000, 3, 7) < 200);
	assert_int_equal(baseline_move(3, 1000, 3, 1), 4);
	assert_int_equal(baseline_move(0, 0, 5, 60), 5);
	assert_int_equal(baseline_move(50, 45, 3, 60), 45);
}

/* ---- points ---- */

static int64_t sum(size_t n, ...)
{
	struct points_event e[20];
	va_list ap;
	va_start(ap, n);
	for (size_t i = 0; i < n; i++)
		e[i] = (struct points_event){(enum points_signal)va_arg(ap, int), 1000};
	va_end(ap);
	return points_sum(e, n, 1000);
}

static void points_add_up(void **state)
{
	assert_int_equal(sum(0), 0);
	assert_int_equal(sum(1, SIGNAL_NEW_COUNTRY), 3000);
	/* Of places the most telling, and much mail is one sign at home and two abroad. */
	assert_int_equal(sum(3, SIGNAL_NEW_COUNTRY, SIGNAL_NEW_NETWORK, SIGNAL_HOSTING_NETWORK), 3000);
	assert_int_equal(sum(2, SIGNAL_FIRST_TIME, SIGNAL_RATE), 3000);
	assert_int_equal(sum(3, SIGNAL_NEW_COUNTRY, SIGNAL_FIRST_TIME, SIGNAL_RATE), 8000);
	/* An infected computer at home: many, fast, one text to each. */
	assert_int_equal(sum(3, SIGNAL_FIRST_TIME, SIGNAL_RATE, SIGNAL_SAME_BODY), 5000);
	assert_int_equal(sum(1, 4711), 0);
	/* Two places at a time are one sign, however it shows. */
	assert_int_equal(sum(3, SIGNAL_NEW_COUNTRY, SIGNAL_TRAVEL, SIGNAL_SIMULTANEOUS), 6000);
	/* A new program says nothing at home or near; five typing errors beside it hold nobody's mail. */
	assert_int_equal(sum(3, SIGNAL_INVALID, SIGNAL_NEW_CLIENT, SIGNAL_NEW_NETWORK), 4000);
	assert_int_equal(sum(2, SIGNAL_INVALID, SIGNAL_FIRST_TIME), 6000);
	/* An invitation on the day of a new telephone. */
	assert_int_equal(sum(3, SIGNAL_NEW_NETWORK, SIGNAL_FIRST_TIME, SIGNAL_RATE), 4000);
	assert_int_equal(sum(3, SIGNAL_NEW_NETWORK, SIGNAL_FIRST_TIME, SIGNAL_NEW_CLIENT), 4000);
	assert_int_equal(sum(2, SIGNAL_NEW_COUNTRY, SIGNAL_NEW_CLIENT), 4000);
	struct points_event old = {SIGNAL_DECOY, 1000};
	assert_int_equal(points_sum(&old, 1, 1000 + POINTS_HALF_MS), 2500);
	assert_int_equal(points_sum(&old, 1, 1000 + 2 * POINTS_HALF_MS), 1250);
	assert_int_equal(points_sum(&old, 1, 0), 5000);
	assert_int_equal(points_sum(&old, 1, HOUR_MS), 5000);
	assert_in_range(points_sum(&old, 1, 1000 + HOUR_MS), 4700, 4800);
}

static void levels_fall_slower_than_they_rise(void **state)
{
	assert_int_equal(points_level(2999, LEVEL_CALM), LEVEL_CALM);
	assert_int_equal(points_level(3000, LEVEL_CALM), LEVEL_WATCH);
	assert_int_equal(points_level(5000, LEVEL_CALM), LEVEL_HOLD);
	assert_int_equal(points_level(4000, LEVEL_HOLD), LEVEL_HOLD);
	assert_int_equal(points_level(2900, LEVEL_HOLD), LEVEL_CALM);
	assert_int_equal(points_level(8000, LEVEL_WATCH), LEVEL_SUSPEND);
	assert_int_equal(points_level(0, LEVEL_SUSPEND), LEVEL_SUSPEND);
}

static void what_is_sent_gives_signs(void **state)
{
	const struct baseline busy = {10, 40, 40};
	const struct budget_rules r = budget_rules_default();
	assert_false(points_many_first(&r, &none, 10, 20));
	assert_true(points_many_first(&r, &none, 11, 11));
	assert_true(points_many_first(&r, &none, 8, 21));
	assert_false(points_many_first(&r, &busy, 30, 120));
	assert_true(points_fast(&r, &none, 21));
	assert_false(points_fast(&r, &busy, 160));
	assert_false(points_same_body(&r, 19));
	assert_true(points_same_body(&r, 20));
	assert_int_equal(points_invalid(4, 4), 0);
	assert_int_equal(points_invalid(5, 51), 0);
	assert_int_equal(points_invalid(5, 50), SIGNAL_INVALID);
	assert_int_equal(points_invalid(25, 100000), SIGNAL_INVALID_MANY);
	for (int i = 0; i <= SIGNAL_END; i++) {
		const struct points_text *t = points_text((enum points_signal)i);
		if (t)
			assert_true(*t->name && *t->en && *t->ja && t->points);
	}
}

static void texts_alike_are_found(void **state)
{
	char a[400], b[400];
	unsigned same = 0;
	for (int i = 0; i < 100; i++) {
		snprintf(a, sizeof a,
		    "Dear customer %d, your parcel could not be delivered. Please pay the fee at "
		    "http://parcel.example/%d within 24 hours, or it goes back to its sender. Thank you.",
		    i * 37, i);
		snprintf(b, sizeof b,
		    "Dear customer %d, your parcel could not be delivered. Please pay the fee at "
		    "http://parcel.example/%d within 24 hours, or it goes back to its sender. Thank you.",
		    i * 91 + 5, i + 1);
		same += points_shingle(slice_str(a)) == points_shingle(slice_str(b));
	}
	assert_true(same >= 55);
	assert_int_not_equal(
	    points_shingle(SLICE("Minutes of the meeting of Monday, with the list of who was there")),
	    points_shingle(SLICE("Lunch on Friday? The new place at the corner has a table for six people")));
	assert_int_equal(points_shingle(SLICE("short")), 0);
}

/* ---- a month of honest people ---- */

#define DAYS 90
#define SLOTS_A_DAY (DAY_MS / BUDGET_SLOT_MS)
#define SLOTS (DAYS * SLOTS_A_DAY)

struct person {
	double mails, fresh; /* a day */
	uint32_t familiar[SLOTS], far[SLOTS], away[SLOTS], asked[SLOTS], known[SLOTS], rcpts[SLOTS];
	struct baseline used_to;
	struct points_event events[SIGNAL_END];
	enum points_level level;
	int held_day;
};

static uint64_t dice_state = 20261122;
static double dice(void)
{
	dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
	return (double)(dice_state >> 11) / (double)(1ull << 53);
}

static uint64_t back(const uint32_t *v, int64_t now, int64_t slots)
{
	uint64_t n = 0;
	for (int64_t i = MAX(now - slots, (int64_t)0); i <= now; i++)
		n += v[i];
	return n;
}

static void seen(struct person *p, enum points_signal s, int64_t now)
{
	p->events[s] = (struct points_event){s, now};
	p->level = points_level(points_sum(p->events, SIGNAL_END, now), p->level);
}

/* As store/contain/spend.c does it; true when it is held. */
static bool send_one(
    struct person *p, int64_t slot, enum context_kind from, uint32_t fresh, uint32_t half, uint32_t known)
{
	struct budget_rules rules = budget_rules_default();
	int64_t now = slot * BUDGET_SLOT_MS;
	uint64_t cost = fresh * BUDGET_WHOLE + half * (from == CONTEXT_FAMILIAR ? BUDGET_HALF : BUDGET_WHOLE);
	struct spent s = {.hour = back(p->familiar, slot, 6),
	    .day = back(p->familiar, slot, SLOTS_A_DAY),
	    .far = back(p->far, slot, SLOTS_A_DAY),
	    .known = back(p->known, slot, 1),
	    .away = back(p->away, slot, SLOTS_A_DAY)};
	bool many =
	    cost && points_many_first(&rules, &p->used_to, (back(p->asked, slot, 6) + cost) / BUDGET_WHOLE,
			(back(p->asked, slot, SLOTS_A_DAY) + cost) / BUDGET_WHOLE);
	bool fast = points_fast(&rules, &p->used_to, back(p->rcpts, slot, 1) + fresh + half + known);
	if (from != CONTEXT_FAMILIAR && (many || fast))
		seen(p, from == CONTEXT_ABROAD ? SIGNAL_NEW_COUNTRY : SIGNAL_NEW_NETWORK, now);
	if (many)
		seen(p, SIGNAL_FIRST_TIME, now);
	if (fast)
		seen(p, SIGNAL_RATE, now);
	p->level = points_level(points_sum(p->events, SIGNAL_END, now), p->level);
	s.suspected = p->level >= LEVEL_HOLD;
	struct budget_verdict v = budget_judge(&rules, &p->used_to, &s, from, cost, fresh + half, known);
	bool held = v.hold || p->level == LEVEL_SUSPEND || (p->level == LEVEL_HOLD && cost);
	(from == CONTEXT_FAMILIAR ? p->familiar : p->far)[slot] += held ? 0 : (uint32_t)cost;
	p->asked[slot] += (uint32_t)cost;
	p->rcpts[slot] += fresh + half + known;
	p->known[slot] += held ? 0 : known;
	p->away[slot] += held || from == CONTEXT_FAMILIAR ? 0 : fresh + half + known;
	return held;
}

static void learn(struct person *p, int day)
{
	static uint32_t hours[DAYS * 24], days[DAYS], slots[SLOTS];
	size_t n_hours = 0, n_days = 0, n_slots = 0;
	for (int64_t d = MAX(0, day - BUDGET_LEARN_DAYS); d < day; d++) {
		uint32_t in_day = 0;
		for (int64_t h = 0; h < 24; h++) {
			uint32_t in_hour = 0;
			for (int64_t i = 0; i < 6; i++) {
				int64_t at = d * SLOTS_A_DAY + h * 6 + i;
				in_hour += p->familiar[at] / BUDGET_WHOLE;
				if (p->rcpts[at])
					slots[n_slots++] = p->rcpts[at];
			}
			in_day += in_hour;
			if (in_hour)
				hours[n_hours++] = in_hour;
		}
		if (in_day)
			days[n_days++] = in_day;
	}
	p->used_to = (struct baseline){baseline_move(p->used_to.hour, baseline_p99(hours, n_hours), 3, 1),
	    baseline_move(p->used_to.day, baseline_p99(days, n_days), 3, 1),
	    baseline_move(p->used_to.slot, baseline_p99(slots, n_slots), 5, 1)};
}

/* A working day; how many messages of it were held. */
static unsigned live(struct person *p, int day)
{
	unsigned held = 0;
	double place = dice();
	enum context_kind from = place < 0.002   ? CONTEXT_ABROAD
				 : place < 0.032 ? CONTEXT_NEW_NETWORK
						 : CONTEXT_FAMILIAR;
	bool announces = dice() < 1.0 / 60;
	unsigned mails = (unsigned)(p->mails * (0.5 + dice()));
	for (unsigned i = 0; i < mails; i++) {
		int64_t slot = day * SLOTS_A_DAY + 9 * 6 + (int64_t)(dice() * 60);
		bool is_fresh = dice() < p->fresh / p->mails;
		held += send_one(p, slot, from, is_fresh, 0, 1 + (dice() < 0.3));
	}
	if (announces) {
		/* Median 40, half of them new, of these some known to the house. */
		double u = dice() + dice() + dice() - 1.5; /* about normal, deviation 0.5 */
		uint32_t n = (uint32_t)(40 * (u > 0 ? 1 + 2 * u : 1 / (1 - 2 * u)));
		int64_t slot = day * SLOTS_A_DAY + 9 * 6 + (int64_t)(dice() * 60);
		held += send_one(p, slot, from, n / 3, n / 6, n / 2);
	}
	return held;
}

static void honest_people_are_rarely_held(void **state)
{
	unsigned holds = 0, mails_held = 0;
	for (unsigned who = 0; who < 100; who++) {
		struct person *p = calloc(1, sizeof *p);
		assert_non_null(p);
		p->mails = who < 80 ? 6 : who < 95 ? 25 : 60;
		p->fresh = who < 80 ? 0.5 : who < 95 ? 2 : 12;
		for (int day = 0; day < DAYS; day++) {
			learn(p, day);
			unsigned held = live(p, day);
			if (day < DAYS - 30)
				continue;
			mails_held += held;
			holds += held && p->held_day != day;
			p->held_day = day;
			if (p->level >= LEVEL_HOLD && held)
				p->level = LEVEL_CALM,
				memset(p->events, 0, sizeof p->events); /* confirmed: it was they */
		}
		free(p);
	}
	print_message("100 mailboxes, 30 days: %u holds, %u messages\n", holds, mails_held);
	assert_true(holds <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_context_has_its_budget),
	    cmocka_unit_test(what_one_is_used_to_raises_it),
	    cmocka_unit_test(it_is_learned_slowly),
	    cmocka_unit_test(points_add_up),
	    cmocka_unit_test(levels_fall_slower_than_they_rise),
	    cmocka_unit_test(what_is_sent_gives_signs),
	    cmocka_unit_test(texts_alike_are_found),
	    cmocka_unit_test(honest_people_are_rarely_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
