#include "inspect/terms.h"
#include "mail/utf8.h"
#include <unicode/uchar.h>
#include <unicode/uscript.h>

enum kind { GAP, WORD, DENSE };

static enum kind kind_of(uint32_t v)
{
	if (v < 0x80)
		return (v >= 'a' && v <= 'z') || (v >= '0' && v <= '9') || (v >= 'A' && v <= 'Z') ? WORD
												  : GAP;
	if (mail_text_is_dense(v))
		return DENSE;
	switch (u_charType((UChar32)v)) {
	case U_OTHER_SYMBOL:
	case U_MATH_SYMBOL:
	case U_MODIFIER_SYMBOL:
	case U_CURRENCY_SYMBOL:
		return DENSE;
	default:
		return u_isalnum((UChar32)v) || U_MASK(u_charType((UChar32)v)) & U_GC_M_MASK ? WORD : GAP;
	}
}

#define INSPECT_ANCHORED                                                                                     \
	(INSPECT_TERM - 4) /* the beginning and the end of a run that was cut are whole up to here */

struct run {
	enum kind kind;
	struct slice text;
	bool first, last; /* touches the ends of what is read */
};

static enum kind next_kind(struct slice *rest)
{
	bool ok;
	uint32_t v = (unsigned char)rest->p[0];
	if (v < 0x80)
		*rest = slice_sub(*rest, 1, rest->n);
	else
		v = mail_utf8_take(rest, &ok);
	return kind_of(v);
}

/* The next run of one kind; false at the end. */
static bool run_next(struct slice all, size_t *at, struct run *out)
{
	size_t from = *at, end;
	struct slice rest = slice_sub(all, from, all.n);
	if (!rest.n)
		return false;
	enum kind kind = next_kind(&rest);
	do
		end = all.n - rest.n;
	while (rest.n && next_kind(&rest) == kind);
	*at = end;
	*out = (struct run){kind, slice_sub(all, from, end - from), from == 0, end == all.n};
	return true;
}

/* What parts words as a rule: no term. */
static bool is_space(const struct run *r)
{
	return r->text.n == 1 && r->text.p[0] == ' ';
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

struct telling {
	inspect_term *f;
	void *ctx;
	enum inspect_zone zone;
	uint32_t at;
};

static void tell(struct telling *t, struct slice term)
{
	t->f(t->ctx, t->zone, term, t->at);
	t->at += INSPECT_WIDTH;
}

static void each_word(struct slice run, struct telling *t)
{
	while (run.n > INSPECT_TERM) {
		size_t n = INSPECT_TERM;
		while (n > INSPECT_ANCHORED && is_middle(run.p[n]))
			n--;
		tell(t, slice_sub(run, 0, n));
		/* The last piece is a long one too: it reaches back as far as it may. */
		size_t step = MIN(n - INSPECT_WINDOW - 3, run.n - INSPECT_TERM);
		for (unsigned i = 0; i < 3 && is_middle(run.p[step]); i++)
			step++;
		run = slice_sub(run, step, run.n);
	}
	tell(t, run);
}

static void each_pair(struct slice run, struct telling *t)
{
	size_t at = 0;
	while (at < run.n) {
		size_t one = character(run, at);
		size_t two = at + one < run.n ? character(run, at + one) : 0;
		tell(t, slice_sub(run, at, one + two));
		at += one;
	}
}

/* Runs that begin in the first `name` octets are of the zone of names. */
static void each_run(struct slice text, size_t name, enum inspect_zone zone, struct telling *t)
{
	struct run r;
	for (size_t at = 0; run_next(text, &at, &r);) {
		t->zone = r.text.p < text.p + name ? INSPECT_ZONE_HEADER : zone;
		if (r.kind == DENSE)
			each_pair(r.text, t);
		else if (is_space(&r))
			t->at++;
		else
			each_word(r.text, t);
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

uint32_t inspect_terms_each(struct slice doc, inspect_term *f, void *ctx)
{
	struct telling t = {.f = f, .ctx = ctx};
	enum inspect_piece kind;
	struct slice text;
	while (inspect_doc_next(&doc, &kind, &text)) {
		if (kind >= INSPECT_BODY) {
			each_run(text, 0, kind == INSPECT_BODY ? INSPECT_ZONE_BODY : INSPECT_ZONE_FILE, &t);
		} else if (kind != INSPECT_TRACE) {
			ptrdiff_t colon = slice_find(text, ':');
			size_t name = colon < 0 ? 0 : (size_t)colon;
			each_run(text, name + 1, zone_of(slice_sub(text, 0, name)), &t);
		}
		t.at += INSPECT_WIDTH;
	}
	return t.at;
}

/* ---- plans ---- */

static void tell_nobody(void *ctx, enum inspect_zone zone, struct slice term, uint32_t at)
{
	(void)ctx, (void)zone, (void)term, (void)at;
}

static void add(struct inspect_plan *p, int how, struct slice term, uint32_t at)
{
	if (p->n < INSPECT_STEPS)
		p->parts[p->n++] = (struct inspect_part){how, term, at};
	else
		p->decided = false;
}

/* A word or a gap; its width when it stands alone. */
static uint32_t add_word(struct inspect_plan *p, const struct run *r, uint32_t at)
{
	struct slice term = r->text;
	bool inside = r->first && r->last;
	if (term.n > (inside ? (size_t)INSPECT_WINDOW : (size_t)INSPECT_ANCHORED)) {
		struct telling t = {.f = tell_nobody};
		add(p, INSPECT_CONTAINS, mail_utf8_cut(term, INSPECT_WINDOW), 0);
		p->decided = false;
		each_word(term, &t);
		return t.at;
	}
	add(p,
	    inside     ? INSPECT_CONTAINS
	    : r->first ? INSPECT_SUFFIX
	    : r->last  ? INSPECT_PREFIX
		       : INSPECT_EXACT,
	    term, at);
	return INSPECT_WIDTH;
}

/* Every second pair, and the last one: together they are all characters. */
static uint32_t add_dense(struct inspect_plan *p, const struct run *r, uint32_t at)
{
	struct slice run = r->text;
	uint32_t n = 0;
	size_t one = character(run, 0);
	if (one == run.n) {
		add(p, INSPECT_PREFIX, run, at);
		return INSPECT_WIDTH;
	}
	for (size_t i = 0; i + one < run.n; n++) {
		size_t two = character(run, i + one);
		if (n % 2 == 0 || i + one + two == run.n)
			add(p, INSPECT_EXACT, slice_sub(run, i, one + two), at + n * INSPECT_WIDTH);
		i += one;
		one = two;
	}
	return (n + 1) * INSPECT_WIDTH;
}

static void add_runs(struct inspect_plan *p, struct slice text)
{
	struct run r;
	uint32_t place = 0;
	for (size_t at = 0; run_next(text, &at, &r);) {
		if (r.kind == DENSE)
			place += add_dense(p, &r, place);
		else if (!is_space(&r))
			place += add_word(p, &r, place);
		else
			place++;
		if (is_space(&r) && (r.first || r.last))
			p->decided = false; /* it may be part of a longer gap */
	}
}

static unsigned zones_of(const struct inspect_needle *n, enum inspect_zone zone)
{
	switch (n->where) {
	case INSPECT_IN_TEXT:
		return ~0u;
	case INSPECT_IN_BODY:
		return 1u << INSPECT_ZONE_BODY | 1u << INSPECT_ZONE_FILE;
	case INSPECT_IN_FILE:
		return 1u << INSPECT_ZONE_FILE;
	case INSPECT_IN_HEADER:
		break;
	}
	return 1u << zone;
}

/* The name stands as a whole: none of its words is cut; only a gap at its end goes on with the colon. */
static void add_name(struct inspect_plan *p, struct slice name)
{
	struct run r;
	uint32_t place = 0;
	for (size_t at = 0; run_next(name, &at, &r);) {
		if (r.kind == DENSE || r.text.n > INSPECT_ANCHORED || (r.kind == GAP && r.last))
			return;
		add(p, INSPECT_EXACT, r.text, place);
		place += INSPECT_WIDTH;
	}
}

static bool begins_with_gap(struct slice text)
{
	return text.n && next_kind(&text) == GAP;
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
		out->zones = 1u << INSPECT_ZONE_HEADER;
		add_name(out, n->field);
		return;
	}
	add_runs(out, n->text);
	if (n->where == INSPECT_IN_HEADER && begins_with_gap(n->text)) {
		/* A gap before a value began with the colon. */
		out->zones |= 1u << INSPECT_ZONE_HEADER;
		out->decided = false;
	}
}

bool inspect_part_cannot_be(const struct inspect_part *p, struct slice low, struct slice high)
{
	static const struct {
		enum kind kind;
		uint32_t from, to; /* all characters from here to there are of this kind */
	} blocks[] = {{GAP, '!', '/'}, {WORD, '0', '9'}, {GAP, ':', '@'}, {WORD, 'a', 'z'},
	    {DENSE, 0x3041, 0x3096}, {DENSE, 0x3400, 0x9fff}};
	bool ok;
	struct slice term = p->term;
	if (!low.n || !high.n)
		return false;
	enum kind kind = next_kind(&term);
	uint32_t from = mail_utf8_take(&low, &ok), to = mail_utf8_take(&high, &ok);
	for (size_t i = 0; i < COUNT(blocks); i++)
		if (from >= blocks[i].from && to <= blocks[i].to)
			return blocks[i].kind != kind;
	return false;
}

/* ---- fuzzy ---- */

#define BEGINS 3 /* octets of a word that may be the beginning of others */

static void add_part(struct inspect_fuzzy *f, int how, struct slice term)
{
	for (unsigned i = 0; i < f->n; i++)
		if (slice_eq(f->parts[i].term, term))
			return;
	if (f->n < INSPECT_PARTS)
		f->parts[f->n++] = (struct inspect_part){how, term, 0};
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
		else if (r.kind == WORD)
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

static void weigh_term(void *ctx, enum inspect_zone zone, struct slice term, uint32_t at)
{
	struct reading *r = ctx;
	(void)at;
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
	struct telling t = {.f = weigh_term, .ctx = &r};
	memset(worth, 0, INSPECT_PARTS);
	if (!f->of_field) {
		(void)inspect_terms_each(doc, weigh_term, &r);
		return;
	}
	while (inspect_doc_next(&doc, &kind, &text) && kind < INSPECT_BODY)
		if (text.n >= n->field.n + 2 && slice_starts(text, n->field) &&
		    memcmp(text.p + n->field.n, ": ", 2) == 0)
			each_run(slice_sub(text, n->field.n + 2, text.n), 0, INSPECT_ZONE_HEADER, &t);
}

bool inspect_fuzzy_whole(const struct inspect_fuzzy *f, const uint8_t worth[INSPECT_PARTS])
{
	for (unsigned i = 0; i < f->n; i++)
		if (!worth[i])
			return false;
	return true;
}
