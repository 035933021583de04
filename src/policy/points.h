/*
 * points: signs that somebody else uses an account (signals.def), weighed together. Each is worth points when it is seen, and
 * half of them POINTS_HALF_MS later; seen again it is worth all of them again, not more.
 *
 * That an account sends much (FIRST_TIME, RATE) is one sign as long as it is used from the country where it always was, since
 * an honest announcement shows both, and two when the place is far away. That it is used from two places at a time is one
 * sign, however it shows (TRAVEL, SIMULTANEOUS). A new program is none at all, unless the place is far away: people buy
 * telephones.
 */
#ifndef POLICY_POINTS_H
#define POLICY_POINTS_H

#include "policy/budget.h"

enum points_signal {
#define X(name, number, points, group, word, en, ja) SIGNAL_##name = (number),
#include "policy/signals.def"
#undef X
	SIGNAL_END = 20
};
#define POINTS_HALF_MS (12 * HOUR_MS)

enum points_level { LEVEL_CALM, LEVEL_WATCH, LEVEL_HOLD, LEVEL_SUSPEND };
#define POINTS_WATCH 3
#define POINTS_HOLD 5
#define POINTS_SUSPEND 8

struct points_event {
	enum points_signal signal;
	int64_t at_ms; /* when it was last seen */
};

/* Thousandths of points, now; they fall from hour to hour. What lies ahead (the clock was set back) counts in full. */
int64_t points_sum(const struct points_event *events, size_t n, int64_t now_ms);
/*
 * Rises with the points at once. A hold ends when they have fallen below POINTS_WATCH; a suspension never does: a person ends
 * it.
 */
enum points_level points_level(int64_t sum, enum points_level before);
const char *points_level_name(enum points_level level); /* "calm" ... */

struct points_text {
	const char *name, *en, *ja;
	unsigned points;
};
/* NULL: there is no such signal. */
const struct points_text *points_text(enum points_signal signal);

/*
 * What an account sends, against what it is used to. A sign is so much as a tenth of what it may send at once (a third of the
 * rate), or three to four times what it is used to.
 */

/* First-time recipients asked for in an hour and in a day; recipients in a slot. */
bool points_many_first(
    const struct budget_rules *rules, const struct baseline *used_to, uint64_t hour, uint64_t day);
bool points_fast(const struct budget_rules *rules, const struct baseline *used_to, uint64_t slot);
/* First-time recipients of messages with one text in a day, of more than one message. */
bool points_same_body(const struct budget_rules *rules, uint64_t rcpts);
/* Of an hour's first-time recipients so many do not exist. 0 when that says nothing. */
enum points_signal points_invalid(uint64_t invalid, uint64_t first);

/*
 * A number that texts which differ in a few words (a name, a date, a number) mostly have in common: the least of the hashes of
 * all windows of it. 0 of a text that is too short to say anything.
 */
uint64_t points_shingle(struct slice text);

#endif
