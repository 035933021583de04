/* match: comparators (RFC 4790, 5051) and match types (RFC 5228 2.7.1, RFC 5231). */
#include "mail/utf8.h"
#include "sieve/inside.h"
#include "sieve/regex.h"
#include <unicode/uchar.h>

static bool bind_comparator(struct sieve_compiler *c, struct sieve_node *n, const struct sieve_arg *arg)
{
	static const struct {
		const char *name;
		enum sieve_cap cap;
	} comparators[] = {{"i;ascii-casemap", SIEVE_CAP_COMPARATOR_CASEMAP},
	    {"i;octet", SIEVE_CAP_COMPARATOR_OCTET}, {"i;ascii-numeric", SIEVE_CAP_COMPARATOR_NUMERIC},
	    {"i;unicode-casemap", SIEVE_CAP_COMPARATOR_UNICODE}};
	const struct sieve_text *t = arg->texts;
	size_t i = 0;
	while (i < COUNT(comparators) && (t->pieces || !slice_eq(t->text, slice_str(comparators[i].name))))
		i++;
	if (i == COUNT(comparators)) {
		sieve_say(c, arg->line, arg->column, "unknown comparator '" SLICE_FMT "'",
		    SLICE_ARG(slice_sub(t->text, 0, 80)));
		return false;
	}
	if (!sieve_has(c->script, comparators[i].cap)) {
		sieve_say(c, arg->line, arg->column, "the comparator '%s' needs require \"%s\"",
		    comparators[i].name, sieve_cap_name(comparators[i].cap));
		return false;
	}
	n->comparator = (enum sieve_comparator)i;
	if (n->comparator == SIEVE_I_NUMERIC &&
	    (n->tags & (SIEVE_BIT(CONTAINS) | SIEVE_BIT(MATCHES) | SIEVE_BIT(REGEX)))) {
		sieve_say(c, arg->line, arg->column,
		    "the comparator 'i;ascii-numeric' cannot look for parts of a string");
		return false;
	}
	return true;
}

static bool bind_relation(struct sieve_compiler *c, struct sieve_node *n, const struct sieve_arg *arg)
{
	static const char *const relations[] = {"gt", "ge", "lt", "le", "eq", "ne"};
	for (size_t i = 0; i < COUNT(relations); i++) {
		if (arg->texts->pieces || !slice_ieq(arg->texts->text, slice_str(relations[i])))
			continue;
		n->relation = (enum sieve_relation)i;
		return true;
	}
	sieve_say(c, arg->line, arg->column,
	    "unknown relation '" SLICE_FMT "': gt, ge, lt, le, eq and ne are known",
	    SLICE_ARG(slice_sub(arg->texts->text, 0, 80)));
	return false;
}

static enum sieve_fold fold_of(enum sieve_comparator c)
{
	return c == SIEVE_I_OCTET     ? SIEVE_FOLD_NONE
	       : c == SIEVE_I_UNICODE ? SIEVE_FOLD_UNICODE
				      : SIEVE_FOLD_ASCII;
}

/* The keys are the last argument; constant ones are compiled once. */
static bool bind_regex(struct sieve_compiler *c, struct sieve_node *n)
{
	struct sieve_arg *keys = NULL;
	for (size_t i = 0; i < COUNT(n->pos); i++)
		keys = n->pos[i] ? n->pos[i] : keys;
	for (struct sieve_text *t = keys ? keys->texts : NULL; t; t = t->next) {
		const char *why =
		    t->pieces ? NULL : sieve_regex_compile(t->text, fold_of(n->comparator), c->a, &t->regex);
		if (!why)
			continue;
		sieve_say(c, t->line, t->column, "invalid regular expression '" SLICE_FMT "': %s",
		    SLICE_ARG(slice_sub(t->text, 0, 80)), why);
		return false;
	}
	return true;
}

bool sieve_bind_match(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *arg = sieve_tag_value(n, SIEVE_TAG_COMPARATOR);
	if (arg && sieve_tagged(n, SIEVE_TAG_LIST)) { /* RFC 6134 2.1: the list has its own idea of it */
		sieve_say(c, arg->line, arg->column, "the tag :list excludes :comparator");
		return false;
	}
	if (arg && !bind_comparator(c, n, arg))
		return false;
	arg = sieve_tag_value(n, sieve_tagged(n, SIEVE_TAG_VALUE) ? SIEVE_TAG_VALUE : SIEVE_TAG_COUNT);
	if (arg && !bind_relation(c, n, arg))
		return false;
	return !sieve_tagged(n, SIEVE_TAG_REGEX) || bind_regex(c, n);
}

/* ---- comparators ---- */

/* The digits at the start without leading zeros; false: none, which is infinity (RFC 4790 9.1). */
static bool numeric(struct slice s, struct slice *digits)
{
	size_t n = 0, zeros = 0;
	while (n < s.n && ascii_digit(s.p[n]))
		n++;
	while (zeros + 1 < n && s.p[zeros] == '0')
		zeros++;
	*digits = slice_sub(s, zeros, n - zeros);
	return n > 0;
}

static int compare_numeric(struct slice a, struct slice b)
{
	struct slice x, y;
	bool has_x = numeric(a, &x), has_y = numeric(b, &y);
	if (!has_x || !has_y)
		return has_y - has_x;
	return x.n != y.n ? (x.n < y.n ? -1 : 1) : slice_cmp(x, y);
}

static int compare_casemap(struct slice a, struct slice b)
{
	size_t n = MIN(a.n, b.n);
	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)ascii_upper(a.p[i]) - (unsigned char)ascii_upper(b.p[i]);
		if (d)
			return d;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

static int compare_unicode(struct slice a, struct slice b)
{
	if (slice_is_ascii(a) && slice_is_ascii(b))
		return compare_casemap(a, b);
	BUF_LOCAL(x, a.n * 20 + 64);
	BUF_LOCAL(y, b.n * 20 + 64);
	sieve_unicode_fold(a, &x);
	sieve_unicode_fold(b, &y);
	return slice_cmp(buf_slice(&x), buf_slice(&y));
}

static int compare(enum sieve_comparator c, struct slice a, struct slice b)
{
	switch (c) {
	case SIEVE_I_OCTET:
		return slice_cmp(a, b);
	case SIEVE_I_NUMERIC:
		return compare_numeric(a, b);
	case SIEVE_I_UNICODE:
		return compare_unicode(a, b);
	default:
		return compare_casemap(a, b);
	}
}

bool sieve_equal(enum sieve_comparator c, struct slice a, struct slice b)
{
	if (c == SIEVE_I_CASEMAP)
		return a.n == b.n && slice_ieq(a, b);
	return compare(c, a, b) == 0;
}

static bool relate(enum sieve_relation relation, int order)
{
	switch (relation) {
	case SIEVE_GT:
		return order > 0;
	case SIEVE_GE:
		return order >= 0;
	case SIEVE_LT:
		return order < 0;
	case SIEVE_LE:
		return order <= 0;
	case SIEVE_EQ:
		return order == 0;
	default:
		return order != 0;
	}
}

static bool contains_casemap(struct slice value, struct slice key)
{
	if (key.n == 0)
		return true;
	char low = ascii_lower(key.p[0]), up = ascii_upper(key.p[0]);
	for (size_t i = 0; i + key.n <= value.n; i++)
		if ((value.p[i] == low || value.p[i] == up) && slice_ieq(slice_sub(value, i, key.n), key))
			return true;
	return false;
}

static bool contains(enum sieve_comparator c, struct slice value, struct slice key)
{
	if (c == SIEVE_I_OCTET)
		return key.n == 0 || slice_search(value, key) >= 0;
	if (c == SIEVE_I_CASEMAP || (slice_is_ascii(value) && slice_is_ascii(key)))
		return contains_casemap(value, key);
	BUF_LOCAL(x, value.n * 20 + 64);
	BUF_LOCAL(y, key.n * 20 + 64);
	sieve_unicode_fold(value, &x);
	sieve_unicode_fold(key, &y);
	return y.n == 0 || slice_search(buf_slice(&x), buf_slice(&y)) >= 0;
}

/* ---- :matches ---- */

static bool same_character(enum sieve_comparator c, uint32_t a, uint32_t b)
{
	if (a == b)
		return true;
	if (a < 0x80 && b < 0x80)
		return c != SIEVE_I_OCTET && ascii_lower((char)a) == ascii_lower((char)b);
	return c == SIEVE_I_UNICODE && a < 0x110000 && b < 0x110000 &&
	       u_foldCase((UChar32)a, U_FOLD_CASE_DEFAULT) == u_foldCase((UChar32)b, U_FOLD_CASE_DEFAULT);
}

struct glob {
	enum sieve_comparator c;
	struct slice key, value;
	struct sieve_captures *captures;
	size_t wild; /* wildcards passed so far */
};

static void capture(struct glob *g, size_t from, size_t to)
{
	g->wild++;
	if (g->wild < SIEVE_CAPTURES)
		g->captures->text[g->wild] = slice_sub(g->value, from, to - from);
}

/*
 * The shortest match for each star from the left, RFC 5229 3.2: only the last star ever needs to grow, because what
 * stood before it has matched as early as it can.
 */
bool sieve_glob(
    enum sieve_comparator c, struct slice key, struct slice value, struct sieve_captures *captures)
{
	struct glob g = {.c = c, .key = key, .value = value, .captures = captures};
	size_t k = 0, v = 0, star_k = SIZE_MAX, star_v = 0, star_from = 0, star_wild = 0;
	while (v < value.n || k < key.n) {
		uint32_t x, y;
		size_t used =
		    v < value.n ? sieve_character(c == SIEVE_I_OCTET, slice_sub(value, v, value.n), &x) : 0;
		if (k < key.n && key.p[k] == '*') {
			star_k = ++k;
			star_from = star_v = v;
			star_wild = g.wild;
			capture(&g, v, v);
			continue;
		}
		if (k < key.n && used && key.p[k] == '?') {
			capture(&g, v, v + used);
			k++;
			v += used;
			continue;
		}
		size_t at = k < key.n && key.p[k] == '\\' && k + 1 < key.n ? k + 1 : k;
		size_t took =
		    at < key.n ? sieve_character(c == SIEVE_I_OCTET, slice_sub(key, at, key.n), &y) : 0;
		if (took && used && same_character(c, x, y)) {
			k = at + took;
			v += used;
			continue;
		}
		if (star_k == SIZE_MAX || star_v >= value.n)
			return false;
		star_v += sieve_character(c == SIEVE_I_OCTET, slice_sub(value, star_v, value.n), &x);
		g.wild = star_wild;
		capture(&g, star_from, star_v);
		k = star_k;
		v = star_v;
	}
	captures->count = MIN(g.wild + 1, (size_t)SIEVE_CAPTURES);
	captures->text[0] = value;
	return true;
}

void sieve_captures_keep(struct sieve_runner *r, const struct sieve_captures *captures)
{
	struct sieve_captures *to = &r->frame->captures;
	if (!sieve_has(r->frame->script, SIEVE_CAP_VARIABLES))
		return;
	*to = *captures;
	for (size_t i = 0; i < to->count; i++)
		to->text[i] = mail_utf8_cut(to->text[i], r->env->limits.variable);
}

/* ---- a test's values against its keys ---- */

void sieve_match_start(
    struct sieve_match *m, struct sieve_runner *r, const struct sieve_node *n, const struct sieve_arg *keys)
{
	*m = (struct sieve_match){.r = r, .n = n, .keys = keys};
}

static bool match_regex(
    struct sieve_match *m, struct slice value, const struct sieve_text *t, struct slice key)
{
	struct sieve_runner *r = m->r;
	struct sieve_regex *re = t->regex;
	const char *why = re ? NULL : sieve_regex_compile(key, fold_of(m->n->comparator), r->a, &re);
	if (why) {
		sieve_complain(r, m->n, "invalid regular expression '" SLICE_FMT "': %s",
		    SLICE_ARG(slice_sub(key, 0, 80)), why);
		return false;
	}
	struct sieve_captures captures = {.count = SIEVE_CAPTURES};
	uint64_t left = r->env->limits.steps - MIN(r->env->limits.steps, r->steps), budget = left;
	enum sieve_regex_result found = sieve_regex_match(re, value, captures.text, &captures.count, &budget);
	bool lasts = sieve_step(r, m->n, found == SIEVE_REGEX_TOO_MUCH ? left + 1 : left - budget);
	if (!lasts)
		m->flow = SIEVE_FAIL;
	if (lasts && found == SIEVE_REGEX_YES && !m->quiet)
		sieve_captures_keep(r, &captures);
	return lasts && found == SIEVE_REGEX_YES;
}

static bool match_key(struct sieve_match *m, struct slice value, const struct sieve_text *t)
{
	const struct sieve_node *n = m->n;
	struct slice key = sieve_value(m->r, t);
	size_t work = value.n / 16 + 1;
	if (!sieve_step(m->r, n, sieve_tagged(n, SIEVE_TAG_MATCHES) ? work * (key.n / 8 + 1) : work)) {
		m->flow = SIEVE_FAIL;
		return false;
	}
	if (sieve_tagged(n, SIEVE_TAG_CONTAINS))
		return contains(n->comparator, value, key);
	if (sieve_tagged(n, SIEVE_TAG_MATCHES)) {
		struct sieve_captures captures;
		if (!sieve_glob(n->comparator, key, value, &captures))
			return false;
		if (!m->quiet)
			sieve_captures_keep(m->r, &captures);
		return true;
	}
	if (sieve_tagged(n, SIEVE_TAG_REGEX))
		return match_regex(m, value, t, key);
	if (sieve_tagged(n, SIEVE_TAG_VALUE))
		return relate(n->relation, compare(n->comparator, value, key));
	return sieve_equal(n->comparator, value, key);
}

/* False when no more can be asked about: RFC 6134 2.3 lets us have a limit. */
static bool collect(struct sieve_match *m, struct slice value)
{
	if (!m->listed)
		m->listed = arena_alloc(m->r->a, LIMIT_SIEVE_VALUE);
	if (!m->listed || m->listed_n + value.n + 1 > LIMIT_SIEVE_VALUE)
		return false;
	if (!value.n || slice_find(value, '\0') >= 0)
		return true;
	if (m->listed_n)
		m->listed[m->listed_n++] = '\0';
	memcpy(m->listed + m->listed_n, value.p, value.n);
	m->listed_n += value.n;
	return true;
}

/* One question for each list, whatever the number of values: how many those are, the sender decides. */
static void match_lists(struct sieve_match *m)
{
	struct slice values = slice_of(m->listed, m->listed_n), which = SLICE_NONE;
	const struct sieve_text *t = m->keys->texts;
	for (; t && values.n && m->flow == SIEVE_GO && !m->yes; t = t->next)
		m->flow = sieve_list_ask(m->r, sieve_value(m->r, t), values, &m->yes, &which);
	if (m->yes && !m->quiet)
		sieve_captures_keep(m->r, &(struct sieve_captures){.text = {which}, .count = 1});
}

bool sieve_match_value(struct sieve_match *m, struct slice value)
{
	m->count++;
	if (sieve_tagged(m->n, SIEVE_TAG_COUNT))
		return false;
	if (sieve_tagged(m->n, SIEVE_TAG_LIST))
		return !collect(m, value);
	for (const struct sieve_text *t = m->keys->texts; t && m->flow == SIEVE_GO && !m->yes; t = t->next)
		m->yes = match_key(m, value, t);
	return m->yes || m->flow != SIEVE_GO;
}

enum sieve_flow sieve_match_end(struct sieve_match *m, bool *yes)
{
	if (m->listed)
		match_lists(m);
	if (m->flow == SIEVE_GO && sieve_tagged(m->n, SIEVE_TAG_COUNT)) {
		char digits[24];
		struct slice count = sieve_decimal(m->count, digits);
		for (const struct sieve_text *t = m->keys->texts; t && !m->yes; t = t->next)
			m->yes =
			    relate(m->n->relation, compare(m->n->comparator, count, sieve_value(m->r, t)));
	}
	*yes = m->yes;
	return m->flow;
}
