#include "date.h"
#include "class.h"

static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][4] = {
    "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970-01-01 was a Thursday */

static const struct {
	struct slice name;
	int minutes;
} zones[] = {
    {SLICE("UT"), 0},
    {SLICE("GMT"), 0},
    {SLICE("UTC"), 0},
    {SLICE("Z"), 0},
    {SLICE("WET"), 0},
    {SLICE("EST"), -300},
    {SLICE("EDT"), -240},
    {SLICE("CST"), -360},
    {SLICE("CDT"), -300},
    {SLICE("MST"), -420},
    {SLICE("MDT"), -360},
    {SLICE("PST"), -480},
    {SLICE("PDT"), -420},
    {SLICE("JST"), 540},
    {SLICE("KST"), 540},
    {SLICE("CET"), 60},
    {SLICE("CEST"), 120},
    {SLICE("MET"), 60},
    {SLICE("MEST"), 120},
    {SLICE("MEZ"), 60},
    {SLICE("MESZ"), 120},
    {SLICE("BST"), 60},
    {SLICE("EET"), 120},
    {SLICE("EEST"), 180},
    {SLICE("MSK"), 180},
    {SLICE("HKT"), 480},
    {SLICE("SGT"), 480},
    {SLICE("AEST"), 600},
    {SLICE("AEDT"), 660},
    {SLICE("HST"), -600},
};

int64_t mail_days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void mail_days_split(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;
	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = y + era * 400 + (*month <= 2);
}

static int month_length(int64_t year, int month)
{
	static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return month == 2 && leap ? 29 : lengths[month - 1];
}

/* What has been found of a date; -1: not yet. */
struct parts {
	int64_t year;
	int month, day, hour, minute, second, zone;
	bool have_zone;
	bool pm, am;
};

static enum result parts_date(const struct parts *p, struct mail_date *out)
{
	int hour = p->hour < 0 ? 0 : p->hour;
	if (p->year < 1 || p->month < 1 || p->day < 1 || p->day > month_length(p->year, p->month) ||
	    p->year > 9999)
		return BAD;
	if (p->pm || p->am)
		hour = hour % 12 + (p->pm ? 12 : 0);
	if (hour > 23 || p->minute > 59 || p->second > 60)
		return BAD;
	int64_t s = mail_days_of(p->year, p->month, p->day) * 86400 + hour * 3600 + MAX(p->minute, 0) * 60 +
		    MIN(MAX(p->second, 0), 59) - p->zone * 60;
	*out = (struct mail_date){.ms = s * 1000, .zone = p->zone};
	return OK;
}

/* A month by its first three letters. */
static int month_of(struct slice word)
{
	for (int m = 0; m < 12 && word.n >= 3; m++)
		if (slice_istarts(word, slice_of(months[m], 3)))
			return m + 1;
	return -1;
}

static void word_apply(struct parts *p, struct slice word)
{
	int m = month_of(word);
	if (m > 0 && p->month < 0) {
		p->month = m;
		return;
	}
	if (slice_ieq(word, SLICE("PM")) || slice_ieq(word, SLICE("AM"))) {
		p->pm = ascii_lower(word.p[0]) == 'p';
		p->am = !p->pm;
		return;
	}
	for (size_t i = 0; i < COUNT(zones) && !p->have_zone; i++) {
		if (!slice_ieq(word, zones[i].name))
			continue;
		p->zone = zones[i].minutes;
		p->have_zone = true;
	}
}

/* hh:mm[:ss[.fraction]], the hours taken already. */
static void time_apply(struct parts *p, struct cursor *c, uint64_t hours)
{
	p->hour = (int)MIN(hours, (uint64_t)99);
	p->minute = (int)cursor_u64(c, 99);
	p->second = cursor_try(c, ':') || cursor_try(c, '.') ? (int)cursor_u64(c, 99) : 0;
	if (c->err == OK && cursor_try(c, '.') && ascii_digit((char)cursor_peek(c)))
		cursor_u64(c, UINT64_MAX);
}

/* Two- and three-digit years, RFC 5322 4.3. */
static int64_t year_whole(uint64_t v, size_t digits)
{
	if (digits == 2)
		return (int64_t)v + (v < 50 ? 2000 : 1900);
	return (int64_t)v + (digits == 3 ? 1900 : 0);
}

/* yyyy-mm-dd, the year taken already. */
static void iso_apply(struct parts *p, struct cursor *c, uint64_t year)
{
	p->year = (int64_t)year;
	uint64_t m = cursor_u64(c, 12);
	cursor_need(c, '-');
	p->day = (int)cursor_u64(c, 31);
	p->month = m ? (int)m : -1;
	cursor_try(c, 'T');
}

static void number_apply(struct parts *p, struct cursor *c)
{
	size_t before = c->rest.n;
	uint64_t v = cursor_u64(c, 99999999);
	size_t digits = before - c->rest.n;
	if (c->err != OK)
		return;
	if (p->hour < 0 && digits <= 2 && cursor_try(c, ':'))
		time_apply(p, c, v);
	else if (digits == 4 && p->year < 0 && cursor_try(c, '-') && ascii_digit((char)cursor_peek(c)))
		iso_apply(p, c, v);
	else if (p->day < 0 && digits <= 2)
		p->day = (int)v;
	else if (p->year < 0 && digits <= 4 && digits >= 2)
		p->year = year_whole(v, digits);
	cursor_try(c, '-');
}

/* "+hhmm", "+hh:mm" or "+hh" behind the time. */
static void offset_apply(struct parts *p, struct cursor *c, int sign)
{
	size_t before = c->rest.n;
	uint64_t v = cursor_u64(c, 9999);
	size_t digits = before - c->rest.n;
	if (c->err != OK || p->have_zone)
		return;
	if (cursor_try(c, ':'))
		v = v * 100 + cursor_u64(c, 59);
	else if (digits <= 2)
		v *= 100;
	int minutes = (int)(v / 100 * 60 + v % 100);
	p->zone = minutes <= 14 * 60 + 59 ? sign * minutes : 0;
	p->have_zone = true;
}

static bool is_alpha(char c)
{
	return ascii_alpha(c);
}

static void comment_skip(struct cursor *c)
{
	int depth = 0;
	do {
		int ch = cursor_take(c);
		depth += ch == '(' ? 1 : ch == ')' ? -1 : 0;
		if (ch == '\\' && !cursor_end(c))
			cursor_take(c);
	} while (depth > 0 && !cursor_end(c));
}

enum result mail_date_parse(struct slice s, struct mail_date *out)
{
	struct cursor c = cursor_of(slice_trim(slice_sub(s, 0, 256)));
	struct parts p = {.year = -1, .month = -1, .day = -1, .hour = -1, .minute = -1, .second = -1};
	while (!cursor_end(&c) && c.err == OK) {
		int ch = cursor_peek(&c);
		if (ascii_digit((char)ch)) {
			number_apply(&p, &c);
		} else if (ascii_alpha((char)ch)) {
			word_apply(&p, cursor_while(&c, is_alpha));
		} else if (ch == '(') {
			comment_skip(&c);
		} else {
			cursor_take(&c);
			if ((ch == '+' || ch == '-') && p.hour >= 0 && ascii_digit((char)cursor_peek(&c)) &&
			    (p.year >= 0 || ch == '+'))
				offset_apply(&p, &c, ch == '-' ? -1 : 1);
		}
	}
	return c.err == OK ? parts_date(&p, out) : BAD;
}

static void two(char *p, int64_t v)
{
	p[0] = (char)('0' + v / 10 % 10);
	p[1] = (char)('0' + v % 10);
}

/* Writes " 15:04:05 +0900" for the second of the local day. */
static void clock_put(struct buf *b, int64_t second, int zone)
{
	char z[15] = " 00:00:00 +0000";
	int away = zone < 0 ? -zone : zone;
	two(z + 1, second / 3600);
	two(z + 4, second / 60 % 60);
	two(z + 7, second % 60);
	z[10] = zone < 0 ? '-' : '+';
	two(z + 11, away / 60);
	two(z + 13, away % 60);
	buf_put(b, slice_of(z, sizeof z));
}

/* Splits into the local day and the second of it. */
static int64_t local_split(struct mail_date d, int64_t *second_out)
{
	int64_t s = (d.ms >= 0 ? d.ms : d.ms - 999) / 1000 + d.zone * 60;
	int64_t days = (s >= 0 ? s : s - 86399) / 86400;
	*second_out = s - days * 86400;
	return days;
}

void mail_date_put(struct buf *b, struct mail_date d)
{
	int64_t second, year, days = local_split(d, &second);
	int month, day;
	mail_days_split(days, &year, &month, &day);
	buf_printf(b, "%s, %02d %s %04d", weekdays[((days % 7) + 7) % 7], day, months[month - 1], (int)year);
	clock_put(b, second, d.zone);
}

void mail_imap_date_put(struct buf *b, struct mail_date d)
{
	int64_t second, year, days = local_split(d, &second);
	int month, day;
	mail_days_split(days, &year, &month, &day);
	buf_printf(b, "%2d-%s-%04d", day, months[month - 1], (int)year);
	clock_put(b, second, d.zone);
}

/* Exactly n digits. */
static int digits_take(struct cursor *c, size_t n, int most)
{
	struct slice s = cursor_bytes(c, n);
	uint64_t v = 0;
	if (num_u64(s, (uint64_t)most, &v) != OK)
		cursor_fail(c);
	return (int)v;
}

static void imap_day_take(struct cursor *c, struct parts *p)
{
	cursor_need(c, '-');
	p->month = month_of(cursor_bytes(c, 3));
	cursor_need(c, '-');
	p->year = digits_take(c, 4, 9999);
}

enum result mail_imap_date_parse(struct slice s, struct mail_date *out)
{
	struct cursor c = cursor_of(s);
	struct parts p = {0};
	p.day = cursor_try(&c, ' ') ? digits_take(&c, 1, 9) : digits_take(&c, 2, 31);
	imap_day_take(&c, &p);
	cursor_need(&c, ' ');
	p.hour = digits_take(&c, 2, 23);
	cursor_need(&c, ':');
	p.minute = digits_take(&c, 2, 59);
	cursor_need(&c, ':');
	p.second = digits_take(&c, 2, 60);
	cursor_need(&c, ' ');
	int sign = cursor_try(&c, '-') ? -1 : 1;
	if (sign > 0)
		cursor_need(&c, '+');
	int hours = digits_take(&c, 2, 14);
	p.zone = sign * (hours * 60 + digits_take(&c, 2, 59));
	return cursor_done(&c) == OK ? parts_date(&p, out) : BAD;
}

enum result mail_imap_day_parse(struct slice s, int64_t *ms_out)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = slice_sub(s, 1, s.n - 2);
	struct cursor c = cursor_of(s);
	struct parts p = {0};
	p.day = (int)cursor_u64(&c, 31);
	imap_day_take(&c, &p);
	struct mail_date d;
	if (cursor_done(&c) != OK || parts_date(&p, &d) != OK)
		return BAD;
	*ms_out = d.ms;
	return OK;
}
