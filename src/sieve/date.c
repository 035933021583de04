/* date: the tests date and currentdate, RFC 5260 4 and 5. */
#include "sieve/inside.h"
#include <stdio.h>

enum part {
	YEAR,
	MONTH,
	DAY,
	DATE,
	JULIAN,
	HOUR,
	MINUTE,
	SECOND,
	TIME,
	ISO8601,
	STD11,
	ZONE,
	WEEKDAY,
	PARTS
};

static enum part part_find(struct slice name)
{
	static const char *const names[PARTS] = {"year", "month", "day", "date", "julian", "hour", "minute",
	    "second", "time", "iso8601", "std11", "zone", "weekday"};
	unsigned i = 0;
	while (i < PARTS && !slice_ieq(name, slice_str(names[i])))
		i++;
	return i;
}

/* "+0900" in minutes. */
static bool zone_parse(struct slice s, int *out)
{
	uint32_t n;
	if (s.n != 5 || (s.p[0] != '+' && s.p[0] != '-') || num_u32(slice_sub(s, 1, 4), 2359, &n) != OK ||
	    n % 100 > 59)
		return false;
	int minutes = (int)(n / 100 * 60 + n % 100);
	*out = s.p[0] == '-' ? -minutes : minutes;
	return true;
}

struct clock {
	int64_t days, year;
	int month, day, hour, minute, second, zone;
};

static struct clock clock_of(int64_t ms, int zone)
{
	int64_t s = ms / 1000 - (ms % 1000 < 0) + (int64_t)zone * 60;
	struct clock c = {.days = s / 86400 - (s % 86400 < 0), .zone = zone};
	int rest = (int)(s - c.days * 86400);
	c.hour = rest / 3600;
	c.minute = rest / 60 % 60;
	c.second = rest % 60;
	mail_days_split(c.days, &c.year, &c.month, &c.day);
	return c;
}

#define JULIAN_OF_1970 40587 /* modified julian day of 1970-01-01 */

static void part_put(enum part part, const struct clock *c, int64_t ms, struct buf *b)
{
	int minutes = c->zone < 0 ? -c->zone : c->zone;
	char sign = c->zone < 0 ? '-' : '+';
	switch (part) {
	case YEAR:
		buf_printf(b, "%04lld", (long long)c->year);
		break;
	case MONTH:
		buf_printf(b, "%02d", c->month);
		break;
	case DAY:
		buf_printf(b, "%02d", c->day);
		break;
	case DATE:
		buf_printf(b, "%04lld-%02d-%02d", (long long)c->year, c->month, c->day);
		break;
	case JULIAN:
		buf_printf(b, "%lld", (long long)c->days + JULIAN_OF_1970);
		break;
	case HOUR:
		buf_printf(b, "%02d", c->hour);
		break;
	case MINUTE:
		buf_printf(b, "%02d", c->minute);
		break;
	case SECOND:
		buf_printf(b, "%02d", c->second);
		break;
	case TIME:
		buf_printf(b, "%02d:%02d:%02d", c->hour, c->minute, c->second);
		break;
	case ISO8601:
		buf_printf(b, "%04lld-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (long long)c->year, c->month,
		    c->day, c->hour, c->minute, c->second, sign, minutes / 60, minutes % 60);
		break;
	case STD11:
		mail_date_put(b, (struct mail_date){ms, c->zone});
		break;
	case ZONE:
		buf_printf(b, "%c%02d%02d", sign, minutes / 60, minutes % 60);
		break;
	default:
		buf_printf(b, "%lld", (long long)((c->days % 7 + 7 + 4) % 7));
	}
}

bool sieve_check_date(struct sieve_compiler *c, struct sieve_node *n)
{
	bool current = slice_ieq(n->name, SLICE("currentdate"));
	const struct sieve_text *part = n->pos[current ? 0 : 1]->texts;
	const struct sieve_arg *zone = sieve_tag_value(n, SIEVE_TAG_ZONE);
	int minutes;
	if (!part->pieces && part_find(part->text) == PARTS) {
		sieve_say(c, part->line, part->column, "unknown part of a date: '" SLICE_FMT "'",
		    SLICE_ARG(slice_sub(part->text, 0, 80)));
		return false;
	}
	if (zone && !zone->texts->pieces && !zone_parse(zone->texts->text, &minutes)) {
		sieve_say(c, zone->line, zone->column, "'" SLICE_FMT "' is no time zone like +0900",
		    SLICE_ARG(slice_sub(zone->texts->text, 0, 80)));
		return false;
	}
	return current || sieve_check_headers(c, n);
}

struct dating {
	struct sieve_match match;
	enum part part;
	const struct sieve_arg *zone;
};

static bool match_date(struct dating *d, struct mail_date date)
{
	struct sieve_runner *r = d->match.r;
	int zone = r->env->zone;
	if (sieve_tagged(d->match.n, SIEVE_TAG_ORIGINALZONE))
		zone = date.zone;
	else if (d->zone && !zone_parse(sieve_arg_value(r, d->zone), &zone))
		return false;
	BUF_LOCAL(text, 100);
	struct clock c = clock_of(date.ms, zone);
	part_put(d->part, &c, date.ms, &text);
	return sieve_match_value(&d->match, arena_dup(r->a, buf_slice(&text)));
}

/* The date of a field: all of it, or what stands behind the last semicolon, as in Received. */
static bool match_field(void *ctx, struct sieve_field *f)
{
	struct dating *d = ctx;
	struct slice text = sieve_field_text(d->match.r, f);
	ptrdiff_t at = slice_rfind(text, ';');
	struct mail_date date;
	if (mail_date_parse(slice_trim(slice_sub(text, (size_t)(at + 1), text.n)), &date) != OK)
		return false;
	return match_date(d, date);
}

enum sieve_flow sieve_test_date(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct dating d = {
	    .part = part_find(sieve_arg_value(r, n->pos[1])), .zone = sieve_tag_value(n, SIEVE_TAG_ZONE)};
	sieve_match_start(&d.match, r, n, n->pos[2]);
	if (d.part < PARTS)
		sieve_fields_each(r, n, sieve_arg_value(r, n->pos[0]), match_field, &d);
	return sieve_match_end(&d.match, yes);
}

enum sieve_flow sieve_test_currentdate(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct dating d = {
	    .part = part_find(sieve_arg_value(r, n->pos[0])), .zone = sieve_tag_value(n, SIEVE_TAG_ZONE)};
	sieve_match_start(&d.match, r, n, n->pos[1]);
	if (d.part < PARTS)
		match_date(&d, (struct mail_date){r->env->now_ms, r->env->zone});
	return sieve_match_end(&d.match, yes);
}
