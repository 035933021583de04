#include "policy/points.h"
#include <math.h>

enum points_group { ALONE, PLACE, APART, PROGRAM, VOLUME, GROUPS };
#define FAR 1000 /* thousandths: more than a new network is worth */

static const struct signal {
	enum points_group group;
	struct points_text text;
} signals[SIGNAL_END] = {
#define X(name, number, points, group, word, en, ja) [number] = {group, {word, en, ja, points}},
#include "policy/signals.def"
#undef X
};

const struct points_text *points_text(enum points_signal signal)
{
	return signal > 0 && signal < SIGNAL_END && signals[signal].text.name ? &signals[signal].text : NULL;
}

/* By whole hours: signs that follow each other closely are worth their full sum. */
static int64_t worth(const struct points_event *e, int64_t now_ms)
{
	int64_t age = MAX(now_ms - e->at_ms, (int64_t)0) / HOUR_MS * HOUR_MS;
	double left = exp2(-(double)age / (double)POINTS_HALF_MS);
	return (int64_t)(1000.0 * signals[e->signal].text.points * left);
}

int64_t points_sum(const struct points_event *events, size_t n, int64_t now_ms)
{
	int64_t all[GROUPS] = {0}, most[GROUPS] = {0};
	for (size_t i = 0; i < n; i++) {
		if (!points_text(events[i].signal))
			continue;
		enum points_group group = signals[events[i].signal].group;
		int64_t p = worth(&events[i], now_ms);
		all[group] += p;
		most[group] = MAX(most[group], p);
	}
	int64_t place = most[PLACE];
	return all[ALONE] + place + most[APART] + (place > FAR ? most[PROGRAM] + all[VOLUME] : most[VOLUME]);
}

enum points_level points_level(int64_t sum, enum points_level before)
{
	enum points_level now = sum >= POINTS_SUSPEND * 1000 ? LEVEL_SUSPEND
				: sum >= POINTS_HOLD * 1000  ? LEVEL_HOLD
				: sum >= POINTS_WATCH * 1000 ? LEVEL_WATCH
							     : LEVEL_CALM;
	if (before == LEVEL_SUSPEND || (before == LEVEL_HOLD && now == LEVEL_WATCH))
		return before;
	return now;
}

const char *points_level_name(enum points_level level)
{
	static const char *const names[] = {"calm", "watch", "hold", "suspend"};
	return names[level];
}

bool points_many_first(
    const struct budget_rules *rules, const struct baseline *used_to, uint64_t hour, uint64_t day)
{
	return hour > MAX((uint64_t)rules->hour / 10, 3 * (uint64_t)used_to->hour) ||
	       day > MAX((uint64_t)rules->day / 10, 3 * (uint64_t)used_to->day);
}

bool points_fast(const struct budget_rules *rules, const struct baseline *used_to, uint64_t slot)
{
	return slot > MAX((uint64_t)rules->known / 3, 4 * (uint64_t)used_to->slot);
}

bool points_same_body(const struct budget_rules *rules, uint64_t rcpts)
{
	return rcpts >= MAX((uint64_t)rules->day / 10, (uint64_t)1);
}

enum points_signal points_invalid(uint64_t invalid, uint64_t first)
{
	if (invalid >= 25)
		return SIGNAL_INVALID_MANY;
	return invalid >= 5 && invalid * 10 >= first ? SIGNAL_INVALID : 0;
}

#define WINDOW 12 /* octets: four Japanese characters */

uint64_t points_shingle(struct slice text)
{
	uint64_t least = UINT64_MAX;
	if (text.n < 4 * (size_t)WINDOW)
		return 0;
	for (size_t i = 0; i + WINDOW <= text.n; i++) {
		uint64_t h = 0xcbf29ce484222325u;
		for (size_t k = 0; k < WINDOW; k++)
			h = (h ^ (uint8_t)text.p[i + k]) * 0x100000001b3u;
		h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
		least = MIN(least, h ^ h >> 32);
	}
	return least ? least : 1;
}
