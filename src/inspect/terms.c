#include "inspect/terms.h"
#include "mail/utf8.h"
#include <unicode/uchar.h>
#include <unicode/uscript.h>

enum kind { NONE, WORD, DENSE };

static enum kind kind_of(uint32_t v)
{
	if (v < 0x80)
		return (v >= 'a' && v <= 'z') || (v >= '0' && v <= '9') || (v >= 'A' && v <= 'Z') ? WORD
												  : NONE;
	if (mail_text_is_dense(v))
		return DENSE;
	switch (u_charType((UChar32)v)) {
	case U_OTHER_SYMBOL:
	case U_MATH_SYMBOL:
	case U_MODIFIER_SYMBOL:
	case U_CURRENCY_SYMBOL:
		return DENSE;
	default:
		return u_isalnum((UChar32)v) || U_MASK(u_charType((UChar32)v)) & U_GC_M_MASK ? WORD : NONE;
	}
}

#define INSPECT_ANCHORED                                                                                     \
	(INSPECT_TERM - 4) /* the beginning and the end of a run that was cut are whole up to here */

struct run {
	enum kind kind;
	struct slice text;
	bool first, last; /* touches the ends of what is read */
};

/* The next run of one kind that is not NONE. */
static bool run_next(struct slice all, size_t *at, struct run *out)
{
	size_t from = *at, i = *at;
	enum kind kind = NONE;
	while (i < all.n) {
		struct slice rest = slice_sub(all, i, all.n);
		uint32_t v = (unsigned char)rest.p[0];
		bool ok;
		if (v < 0x80)
			rest = slice_sub(rest, 1, rest.n);
		else
			v = mail_utf8_take(&rest, &ok);
		enum kind k = kind_of(v);
		if (k != kind && kind != NONE)
			break;
		if (kind == NONE && k != NONE) {
			from = i;
			kind = k;
		}
		i = all.n - rest.n;
	}
	*at = i;
	*out = (struct run){kind, slice_sub(all, from, i - from), from == 0, i == all.n};
	return kind != NONE;
}

static bool is_middle(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t character(struct slice s, size_t at)
{
	size_t n = 1;
	while (at + n < s.n && n < 4 && is_middle(s.p[at + n]))
		n++;
	return n;
}

/* ---- terms of a doc ---- */

static void each_word(struct slice run, enum inspect_zone zone, inspect_term *f, void *ctx)
{
	while (run.n > INSPECT_TERM) {
		size_t n = INSPECT_TERM;
		while (n > INSPECT_ANCHORED && is_middle(run.p[n]))
			n--;
		f(ctx, zone, slice_sub(run, 0, n));
		/* The last piece is a long one too: it reaches back as far as it may. */
		size_t step = MIN(n - INSPECT_WINDOW - 3, run.n - INSPECT_TERM);
		for (unsigned i = 0; i < 3 && is_middle(run.p[step]); i++)
			step++;
		run = slice_sub(run, step, run.n);
	}
	f(ctx, zone, run);
}

static void each_pair(struct slice run, enum inspect_zone zone, inspect_term *f, void *ctx)
{
	size_t at = 0;
	while (at < run.n) {
		size_t one = character(run, at);
		size_t two = at + one < run.n ? character(run, at + one) : 0;
		f(ctx, zone, slice_sub(run, at, one + two));
		at += one;
	}
}

static void each_run(struct slice text, enum inspect_zone zone, inspect_term *f, void *ctx)
{
	struct run r;
	for (size_t at = 0; run_next(text, &at, &r);) {
		if (r.kind == WORD)
			each_word(r.text, zone, f, ctx);
		else
			each_pair(r.text, zone, f, ctx);
	}
}

static const struct slice zone_names[] = {[INSPECT_ZONE_SUBJECT] = SLICE("subject"),
    [INSPECT_ZONE_FROM] = SLICE("from"),
    [INSPECT_ZONE_TO] = SLICE("to"),
    [INSPECT_ZONE_CC] = SLICE("cc"),
    [INSPECT_ZONE_BCC] = SLICE("bcc")};

static enum inspect_zone zone_of(struct slice field)
{
	for (unsigned z = INSPECT_ZONE_SUBJECT; z <= INSPECT_ZONE_BCC; z++)
		if (slice_eq(field, zone_names[z]))
			return (enum inspect_zone)z;
	return INSPECT_ZONE_HEADER;
}

void inspect_terms_each(struct slice doc, inspect_term *f, void *ctx)
{
	enum inspect_piece kind;
	struct slice text;
	while (inspect_doc_next(&doc, &kind, &text)) {
		if (kind >= INSPECT_BODY) {
			each_run(text, kind == INSPECT_BODY ? INSPECT_ZONE_BODY : INSPECT_ZONE_FILE, f, ctx);
		} else if (kind != INSPECT_TRACE) {
			ptrdiff_t colon = slice_find(text, ':');
			struct slice name = slice_sub(text, 0, colon < 0 ? 0 : (size_t)colon);
			each_run(name, INSPECT_ZONE_HEADER, f, ctx);
			each_run(slice_sub(text, name.n, text.n), zone_of(name), f, ctx);
		}
	}
}

/* ---- plans ---- */

static void add(struct inspect_plan *p, int how, struct slice term)
{
	if (p->n < INSPECT_PARTS)
		p->parts[p->n++] = (struct inspect_part){how, term};
	else
		p->decided = false;
}

static void add_word(struct inspect_plan *p, const struct run *r)
{
	struct slice term = r->text;
	bool inside = r->first && r->last;
	if (term.n > (inside ? (size_t)INSPECT_WINDOW : (size_t)INSPECT_ANCHORED)) {
		add(p, INSPECT_CONTAINS, mail_utf8_cut(term, INSPECT_WINDOW));
		p->decided = false;
		return;
	}
	add(p,
	    inside     ? INSPECT_CONTAINS
	    : r->first ? INSPECT_SUFFIX
	    : r->last  ? INSPECT_PREFIX
		       : INSPECT_EXACT,
	    term);
}

static void add_dense(struct inspect_plan *p, const struct run *r)
{
	size_t at = 0, one = character(r->text, 0);
	if (one == r->text.n) {
		add(p, INSPECT_PREFIX, r->text);
		return;
	}
	while (at + one < r->text.n) {
		size_t two = character(r->text, at + one);
		add(p, INSPECT_EXACT, slice_sub(r->text, at, one + two));
		at += one;
		one = two;
	}
}

static void add_runs(struct inspect_plan *p, struct slice text)
{
	struct run r;
	for (size_t at = 0; run_next(text, &at, &r);) {
		if (r.kind == WORD)
			add_word(p, &r);
		else
			add_dense(p, &r);
		p->decided &= r.text.n == text.n;
	}
}

static unsigned zones_of(const struct inspect_needle *n, enum inspect_zone zone)
{
	switch (n->where) {
	case INSPECT_IN_TEXT:
		return ~0u;
	case INSPECT_IN_BODY:
		return 1u << INSPECT_ZONE_BODY | 1u << INSPECT_ZONE_FILE;
	case INSPECT_IN_HEADER:
		break;
	}
	return 1u << zone;
}

void inspect_plan_make(const struct inspect_needle *n, struct inspect_plan *out)
{
	*out = (struct inspect_plan){.decided = true};
	enum inspect_zone zone = n->where == INSPECT_IN_HEADER ? zone_of(n->field) : INSPECT_ZONE_BODY;
	out->zones = zones_of(n, zone);
	if (n->where == INSPECT_IN_HEADER && !n->text.n)
		zone = INSPECT_ZONE_HEADER;
	if (zone == INSPECT_ZONE_HEADER)
		out->decided = false;
	if (n->where == INSPECT_IN_HEADER && !n->text.n) {
		/* The name stands as a whole: none of its words is cut. */
		struct run r;
		out->zones = 1u << INSPECT_ZONE_HEADER;
		for (size_t at = 0; run_next(n->field, &at, &r);)
			if (r.kind == WORD && r.text.n <= INSPECT_TERM)
				add(out, INSPECT_EXACT, r.text);
		return;
	}
	add_runs(out, n->text);
	/* Not one word in it, or several things side by side, which may stand apart. */
	out->decided &= n->text.n == 0 || out->n == 1;
}

/* ---- fuzzy ---- */

#define BEGINS 3 /* octets of a word that may be the beginning of others */

static void add_part(struct inspect_fuzzy *f, int how, struct slice term)
{
	for (unsigned i = 0; i < f->n; i++)
		if (slice_eq(f->parts[i].term, term))
			return;
	if (f->n < INSPECT_PARTS)
		f->parts[f->n++] = (struct inspect_part){how, term};
}

static bool is_han(struct slice s, size_t at)
{
	UErrorCode err = U_ZERO_ERROR;
	bool ok;
	struct slice rest = slice_sub(s, at, s.n);
	return uscript_getScript((UChar32)mail_utf8_take(&rest, &ok), &err) == USCRIPT_HAN;
}

/* The part of a dense run from *at on that is of one script. */
static struct slice same_script(struct slice run, size_t *at, bool *han)
{
	size_t from = *at;
	*han = is_han(run, from);
	do
		*at += character(run, *at);
	while (*at < run.n && is_han(run, *at) == *han);
	return slice_sub(run, from, *at - from);
}

static void add_pairs(struct inspect_fuzzy *f, struct slice run, bool lone_kana)
{
	bool han;
	for (size_t at = 0; at < run.n;) {
		struct slice some = same_script(run, &at, &han);
		size_t one = character(some, 0), i = 0;
		if (one == some.n && (han || lone_kana))
			add_part(f, INSPECT_PREFIX, some);
		while (i + one < some.n) {
			size_t two = character(some, i + one);
			add_part(f, INSPECT_EXACT, slice_sub(some, i, one + two));
			i += one;
			one = two;
		}
	}
}

static void add_fuzzy(struct inspect_fuzzy *f, struct slice text, bool lone_kana)
{
	struct run r;
	for (size_t at = 0; run_next(text, &at, &r);) {
		if (r.kind == DENSE)
			add_pairs(f, r.text, lone_kana);
		else
			add_part(f, r.text.n < BEGINS ? INSPECT_EXACT : INSPECT_PREFIX,
			    mail_utf8_cut(r.text, INSPECT_ANCHORED));
	}
}

void inspect_fuzzy_make(const struct inspect_needle *n, struct inspect_fuzzy *out)
{
	enum inspect_zone zone = n->where == INSPECT_IN_HEADER ? zone_of(n->field) : INSPECT_ZONE_BODY;
	*out = (struct inspect_fuzzy){.of_field = zone == INSPECT_ZONE_HEADER};
	out->zones = zones_of(n, zone);
	add_fuzzy(out, n->text, false);
	if (!out->n)
		add_fuzzy(out, n->text, true);
}

uint8_t inspect_fuzzy_worth(enum inspect_zone zone, bool exact)
{
	unsigned field = zone == INSPECT_ZONE_SUBJECT ? 8
			 : zone <= INSPECT_ZONE_BCC   ? 4
			 : zone == INSPECT_ZONE_BODY  ? 2
						      : 1;
	return (uint8_t)(field * (exact ? 3 : 2));
}

struct reading {
	const struct inspect_fuzzy *f;
	uint8_t *worth;
};

static void weigh_term(void *ctx, enum inspect_zone zone, struct slice term)
{
	struct reading *r = ctx;
	if (!(r->f->zones >> zone & 1))
		return;
	for (unsigned i = 0; i < r->f->n; i++) {
		const struct inspect_part *p = &r->f->parts[i];
		bool exact = slice_eq(term, p->term);
		if (exact || (p->how == INSPECT_PREFIX && slice_starts(term, p->term)))
			r->worth[i] = MAX(r->worth[i], inspect_fuzzy_worth(zone, exact));
	}
}

void inspect_fuzzy_read(struct slice doc, const struct inspect_needle *n, const struct inspect_fuzzy *f,
    uint8_t worth[INSPECT_PARTS])
{
	enum inspect_piece kind;
	struct slice text;
	struct reading r = {f, worth};
	memset(worth, 0, INSPECT_PARTS);
	if (!f->of_field) {
		inspect_terms_each(doc, weigh_term, &r);
		return;
	}
	while (inspect_doc_next(&doc, &kind, &text) && kind < INSPECT_BODY)
		if (text.n >= n->field.n + 2 && slice_starts(text, n->field) &&
		    memcmp(text.p + n->field.n, ": ", 2) == 0)
			each_run(
			    slice_sub(text, n->field.n + 2, text.n), INSPECT_ZONE_HEADER, weigh_term, &r);
}

bool inspect_fuzzy_whole(const struct inspect_fuzzy *f, const uint8_t worth[INSPECT_PARTS])
{
	for (unsigned i = 0; i < f->n; i++)
		if (!worth[i])
			return false;
	return true;
}
