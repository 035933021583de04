/*
 * regex: POSIX extended regular expressions in time linear in the text (draft-ietf-sieve-regex).
 *
 * The expression becomes a program for a machine that follows all alternatives at once (Thompson, Pike): each character
 * of the text costs at most one visit of each instruction, so there is no expression that explodes; repetitions are
 * unrolled up to LIMIT_SIEVE_REGEX instructions. The leftmost match wins, of those the longest, of those the one that
 * greedy repetitions from the left choose; POSIX differs for submatches of some alternatives that are equally long.
 */
#include "sieve/regex.h"
#include "mail/utf8.h"
#include <unicode/uchar.h>

enum op { OP_CHAR, OP_ANY, OP_SET, OP_SPLIT, OP_JUMP, OP_SAVE, OP_START, OP_END, OP_MATCH };

struct instruction {
	enum op op;
	uint32_t x, y; /* character; set; the two ways of a split, the first one preferred; slot */
};

struct range {
	uint32_t from, to;
};
struct set {
	struct range *ranges;
	size_t count;
	bool negated;
};

struct sieve_regex {
	enum sieve_fold fold;
	struct instruction *code;
	uint32_t length;
	struct set *sets;
	uint32_t set_count;
	uint32_t groups; /* with the whole match */
};

/* ---- reading ---- */

struct reader {
	struct sieve_regex *re;
	struct arena *a;
	struct slice s;
	size_t at, depth;
	uint32_t room;   /* in re->code */
	const char *why; /* NULL: good so far */
};

static uint32_t fold(enum sieve_fold how, uint32_t c)
{
	if (c < 0x80)
		return how == SIEVE_FOLD_NONE ? c : (uint32_t)ascii_lower((char)c);
	return how == SIEVE_FOLD_UNICODE && c < 0x110000
		   ? (uint32_t)u_foldCase((UChar32)c, U_FOLD_CASE_DEFAULT)
		   : c;
}

size_t sieve_character(bool octets, struct slice s, uint32_t *out)
{
	struct slice rest = s;
	bool ok = true;
	*out = octets || (unsigned char)s.p[0] < 0x80 ? (unsigned char)s.p[0] : mail_utf8_take(&rest, &ok);
	if (!ok)
		*out = 0x110000 + (unsigned char)s.p[0];
	return ok && s.n > rest.n ? s.n - rest.n : 1;
}

static int peek(const struct reader *r)
{
	return r->at < r->s.n ? (unsigned char)r->s.p[r->at] : -1;
}

static bool wrong(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static uint32_t take_character(struct reader *r)
{
	uint32_t c;
	r->at += sieve_character(r->re->fold == SIEVE_FOLD_NONE, slice_sub(r->s, r->at, r->s.n), &c);
	return c;
}

static uint32_t emit(struct reader *r, enum op op, uint32_t x, uint32_t y)
{
	if (r->re->length == r->room) {
		wrong(r, "it is too long");
		return r->re->length - 1;
	}
	r->re->code[r->re->length] = (struct instruction){op, x, y};
	return r->re->length++;
}

/* Room for one instruction before `at`; what jumps behind it is moved along. */
static void insert(struct reader *r, uint32_t at, struct instruction one)
{
	emit(r, OP_JUMP, 0, 0);
	if (r->why)
		return;
	struct instruction *code = r->re->code;
	memmove(code + at + 1, code + at, (r->re->length - at - 1) * sizeof *code);
	for (uint32_t i = at + 1; i < r->re->length; i++) {
		bool jumps = code[i].op == OP_SPLIT || code[i].op == OP_JUMP;
		code[i].x += jumps && code[i].x >= at;
		code[i].y += code[i].op == OP_SPLIT && code[i].y >= at;
	}
	code[at] = one;
}

static bool alternatives(struct reader *r);

/* ---- [...] ---- */

static bool range_add(struct reader *r, struct set *set, uint32_t from, uint32_t to)
{
	if (set->count == MIN(r->s.n + 4, (size_t)LIMIT_SIEVE_REGEX_SET))
		return wrong(r, "a bracket expression is too long");
	if (from > to)
		return wrong(r, "a range in brackets runs backwards");
	set->ranges[set->count++] = (struct range){from, to};
	return true;
}

static bool class_add(struct reader *r, struct set *set, struct slice name)
{
	static const struct {
		const char *name;
		struct range ranges[4];
	} classes[] = {{"alpha", {{'A', 'Z'}, {'a', 'z'}}}, {"digit", {{'0', '9'}}},
	    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}}, {"upper", {{'A', 'Z'}}}, {"lower", {{'a', 'z'}}},
	    {"space", {{9, 13}, {' ', ' '}}}, {"blank", {{9, 9}, {' ', ' '}}},
	    {"cntrl", {{0, 31}, {127, 127}}}, {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
	    {"graph", {{'!', '~'}}}, {"print", {{' ', '~'}}},
	    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
	for (size_t i = 0; i < COUNT(classes); i++) {
		if (!slice_eq(name, slice_str(classes[i].name)))
			continue;
		for (size_t k = 0; k < 4; k++)
			if (classes[i].ranges[k].to &&
			    !range_add(r, set, classes[i].ranges[k].from, classes[i].ranges[k].to))
				return false;
		return true;
	}
	return wrong(r, "a character class in brackets is unknown");
}

/* "[:", "[." or "[=" up to its end; false when none begins here. */
static bool special(struct reader *r, char kind, struct slice *inner)
{
	char open[] = {'[', kind}, close[] = {kind, ']'};
	struct slice rest = slice_sub(r->s, r->at, r->s.n);
	if (!slice_starts(rest, slice_of(open, 2)))
		return false;
	rest = slice_sub(rest, 2, rest.n);
	ptrdiff_t end = slice_search(rest, slice_of(close, 2));
	if (end < 0)
		return false;
	*inner = slice_sub(rest, 0, (size_t)end);
	r->at += (size_t)end + 4;
	return true;
}

static uint32_t bracket_character(struct reader *r)
{
	struct slice inner;
	if (special(r, '.', &inner) || special(r, '=', &inner)) {
		uint32_t c = 0;
		if (!inner.n || sieve_character(r->re->fold == SIEVE_FOLD_NONE, inner, &c) != inner.n)
			wrong(r, "a collating element is not one character");
		return c;
	}
	return take_character(r);
}

static bool bracket(struct reader *r)
{
	size_t room = MIN(r->s.n + 4, (size_t)LIMIT_SIEVE_REGEX_SET);
	struct set set = {.ranges = arena_array(r->a, room, sizeof *set.ranges)};
	struct slice inner;
	if (!set.ranges || r->re->set_count == LIMIT_SIEVE_REGEX_SETS)
		return wrong(r, "it has too many bracket expressions");
	r->at++;
	if (peek(r) == '^') {
		set.negated = true;
		r->at++;
	}
	for (bool first = true; peek(r) >= 0 && (first || peek(r) != ']') && !r->why; first = false) {
		if (special(r, ':', &inner)) {
			class_add(r, &set, inner);
			continue;
		}
		uint32_t from = bracket_character(r), to = from;
		if (peek(r) == '-' && r->at + 1 < r->s.n && r->s.p[r->at + 1] != ']') {
			r->at++;
			to = bracket_character(r);
		}
		range_add(r, &set, from, to);
	}
	if (peek(r) < 0)
		return wrong(r, "a bracket expression does not end");
	r->at++;
	r->re->sets[r->re->set_count] = set;
	emit(r, OP_SET, r->re->set_count++, 0);
	return !r->why;
}

/* ---- the rest of the grammar ---- */

static bool group(struct reader *r)
{
	uint32_t number = r->re->groups++;
	r->at++;
	if (++r->depth > LIMIT_SIEVE_REGEX_DEPTH)
		return wrong(r, "parentheses are nested too deep");
	emit(r, OP_SAVE, number * 2, 0);
	if (!alternatives(r))
		return false;
	if (peek(r) != ')')
		return wrong(r, "a parenthesis is not closed");
	r->at++;
	r->depth--;
	emit(r, OP_SAVE, number * 2 + 1, 0);
	return !r->why;
}

static bool atom(struct reader *r)
{
	switch (peek(r)) {
	case '(':
		return group(r);
	case '[':
		return bracket(r);
	case '.':
		r->at++;
		emit(r, OP_ANY, 0, 0);
		return !r->why;
	case '^':
	case '$':
		emit(r, peek(r) == '^' ? OP_START : OP_END, 0, 0);
		r->at++;
		return !r->why;
	case '*':
	case '+':
	case '?':
	case '{':
		return wrong(r, "a repetition has nothing to repeat");
	case '\\':
		if (++r->at == r->s.n)
			return wrong(r, "a backslash stands at the end");
		break;
	default:
		break;
	}
	emit(r, OP_CHAR, fold(r->re->fold, take_character(r)), 0);
	return !r->why;
}

static bool interval(struct reader *r, uint32_t *least, uint32_t *most)
{
	uint32_t bounds[2] = {0, UINT32_MAX};
	size_t which = 0, digits = 0;
	for (r->at++; peek(r) >= 0 && peek(r) != '}'; r->at++) {
		int c = peek(r);
		if (c == ',' && which == 0 && digits) {
			which = 1;
			digits = 0;
		} else if (ascii_digit((char)c) && (digits == 0 || bounds[which] <= 255)) {
			bounds[which] = (digits++ ? bounds[which] * 10 : 0) + (uint32_t)(c - '0');
		} else {
			return wrong(r, "the bounds of a repetition are wrong");
		}
	}
	*least = bounds[0];
	*most = which ? bounds[1] : bounds[0];
	if (peek(r) < 0 || (which == 0 && !digits) || *least > 255 || (*most > 255 && *most != UINT32_MAX) ||
	    *least > *most)
		return wrong(r, "the bounds of a repetition are wrong");
	r->at++;
	return true;
}

/* A copy of the instructions [from, to) at the end, its jumps moved along. */
static void copy_code(struct reader *r, uint32_t from, uint32_t to)
{
	uint32_t move = r->re->length - from;
	for (uint32_t i = from; i < to && !r->why; i++) {
		struct instruction one = r->re->code[i];
		bool jumps = one.op == OP_SPLIT || one.op == OP_JUMP;
		emit(r, one.op, one.x + (jumps ? move : 0), one.y + (one.op == OP_SPLIT ? move : 0));
	}
}

/* The atom at [from, end) as often as that. */
static void repeat(struct reader *r, uint32_t from, uint32_t least, uint32_t most)
{
	uint32_t end = r->re->length, size = end - from;
	if (most == 0) {
		r->re->length = from;
		return;
	}
	for (uint32_t i = 1; i < least && !r->why; i++)
		copy_code(r, from, end);
	if (most == UINT32_MAX) {
		if (least == 0) {
			insert(r, from, (struct instruction){OP_SPLIT, from + 1, end + 2});
			emit(r, OP_JUMP, from, 0);
		} else {
			emit(r, OP_SPLIT, r->re->length - size, r->re->length + 1);
		}
		return;
	}
	uint32_t optional = most - least;
	if (least == 0) { /* the atom itself is the first optional one */
		insert(r, from, (struct instruction){OP_SPLIT, from + 1, end + 1});
		from++;
		end++;
		optional--;
	}
	for (uint32_t i = 0; i < optional && !r->why; i++) {
		emit(r, OP_SPLIT, r->re->length + 1, r->re->length + 1 + size);
		copy_code(r, from, end);
	}
}

static bool piece(struct reader *r)
{
	uint32_t from = r->re->length;
	if (!atom(r))
		return false;
	for (int c; (c = peek(r)) == '*' || c == '+' || c == '?' || c == '{';) {
		uint32_t least = c == '+', most = c == '?' ? 1 : UINT32_MAX;
		if (c != '{')
			r->at++;
		else if (!interval(r, &least, &most))
			return false;
		repeat(r, from, least, most);
	}
	return !r->why;
}

static bool alternatives(struct reader *r)
{
	uint32_t from = r->re->length, exits[LIMIT_SIEVE_REGEX_BRANCHES];
	size_t count = 0;
	for (;;) {
		while (peek(r) >= 0 && peek(r) != '|' && !(peek(r) == ')' && r->depth))
			if (!piece(r))
				return false;
		if (peek(r) != '|')
			break;
		if (count == LIMIT_SIEVE_REGEX_BRANCHES)
			return wrong(r, "it has too many alternatives");
		r->at++;
		insert(r, from, (struct instruction){OP_SPLIT, from + 1, r->re->length + 2});
		exits[count++] = emit(r, OP_JUMP, 0, 0);
		from = r->re->length;
	}
	for (size_t i = 0; i < count; i++)
		r->re->code[exits[i]].x = r->re->length;
	return !r->why;
}

const char *sieve_regex_compile(
    struct slice s, enum sieve_fold how, struct arena *a, struct sieve_regex **out)
{
	struct sieve_regex *re = arena_new(a, struct sieve_regex);
	/* No character makes more than three instructions, but for the bounds of repetitions. */
	uint32_t room =
	    slice_find(s, '{') < 0 && s.n < LIMIT_SIEVE_REGEX / 3 ? (uint32_t)s.n * 3 + 8 : LIMIT_SIEVE_REGEX;
	struct instruction *code = arena_array(a, room, sizeof *code);
	struct set *sets = arena_array(a, slice_find(s, '[') < 0 ? 1 : LIMIT_SIEVE_REGEX_SETS, sizeof *sets);
	if (!re || !code || !sets)
		return "there is no memory for it";
	*re = (struct sieve_regex){.fold = how, .code = code, .sets = sets, .groups = 1};
	struct reader r = {.re = re, .a = a, .s = s, .room = MIN(room, (uint32_t)LIMIT_SIEVE_REGEX)};
	emit(&r, OP_SAVE, 0, 0);
	if (alternatives(&r) && r.at < s.n)
		wrong(&r, "a parenthesis is closed that was not opened");
	emit(&r, OP_SAVE, 1, 0);
	emit(&r, OP_MATCH, 0, 0);
	*out = re;
	return r.why;
}

/* ---- running ---- */

struct threads {
	uint32_t *order; /* instructions in order of preference */
	uint32_t count;
	uint64_t *seen; /* by instruction: the step in which it was added */
	size_t *slots;  /* by instruction: where groups begin and end */
};

struct machine {
	const struct sieve_regex *re;
	struct slice text;
	size_t width; /* slots of a thread */
	struct threads now, then;
	uint32_t *stack;
	size_t *stack_slots; /* a frame each */
	uint64_t step, visits;
	bool found;
	size_t *best;
};

/* Adds the instruction and all that it leads to without a character. */
static void follow(struct machine *m, struct threads *t, uint32_t start, size_t at, const size_t *slots)
{
	uint32_t depth = 0;
	m->stack[0] = start;
	memcpy(m->stack_slots, slots, m->width * sizeof *slots);
	for (depth = 1; depth > 0;) {
		uint32_t pc = m->stack[--depth];
		size_t *mine = m->stack_slots + depth * m->width;
		if (t->seen[pc] == m->step)
			continue;
		t->seen[pc] = m->step;
		m->visits++;
		const struct instruction *i = &m->re->code[pc];
		switch (i->op) {
		case OP_SPLIT:
			memcpy(mine + m->width, mine, m->width * sizeof *mine);
			m->stack[depth++] = i->y;
			m->stack[depth++] = i->x;
			break;
		case OP_SAVE:
			if (i->x < m->width)
				mine[i->x] = at;
			m->stack[depth++] = pc + 1;
			break;
		case OP_JUMP:
			m->stack[depth++] = i->x;
			break;
		case OP_START:
		case OP_END:
			if (at == (i->op == OP_START ? 0 : m->text.n))
				m->stack[depth++] = pc + 1;
			break;
		default:
			memcpy(t->slots + pc * m->width, mine, m->width * sizeof *mine);
			t->order[t->count++] = pc;
		}
	}
}

static bool in_ranges(const struct set *set, uint32_t c)
{
	for (size_t i = 0; i < set->count; i++)
		if (c >= set->ranges[i].from && c <= set->ranges[i].to)
			return true;
	return false;
}

static bool in_set(const struct sieve_regex *re, const struct set *set, uint32_t c)
{
	bool in = in_ranges(set, c);
	if (!in && re->fold != SIEVE_FOLD_NONE && c < 0x80)
		in = in_ranges(set, (uint32_t)ascii_lower((char)c)) ||
		     in_ranges(set, (uint32_t)ascii_upper((char)c));
	else if (!in && re->fold == SIEVE_FOLD_UNICODE && c < 0x110000)
		in = in_ranges(set, (uint32_t)u_tolower((UChar32)c)) ||
		     in_ranges(set, (uint32_t)u_toupper((UChar32)c));
	return in != set->negated;
}

static bool takes(const struct machine *m, const struct instruction *i, uint32_t c)
{
	return i->op == OP_ANY || (i->op == OP_CHAR && i->x == fold(m->re->fold, c)) ||
	       (i->op == OP_SET && in_set(m->re, &m->re->sets[i->x], c));
}

/* A match that begins further left, or is longer, is better. */
static void matched(struct machine *m, const size_t *slots)
{
	if (m->found && (slots[0] > m->best[0] || (slots[0] == m->best[0] && slots[1] <= m->best[1])))
		return;
	m->found = true;
	memcpy(m->best, slots, m->width * sizeof *slots);
}

static bool threads_init(struct threads *t, struct arena *a, const struct sieve_regex *re, size_t width)
{
	t->order = arena_array(a, re->length, sizeof *t->order);
	t->seen = arena_array(a, re->length, sizeof *t->seen);
	t->slots = arena_array(a, re->length, width * sizeof *t->slots);
	return t->order && t->seen && t->slots;
}

static void advance(struct machine *m, size_t next, uint32_t c, bool end)
{
	for (uint32_t i = 0; i < m->now.count; i++) {
		uint32_t pc = m->now.order[i];
		const size_t *slots = m->now.slots + pc * m->width;
		if (m->re->code[pc].op == OP_MATCH)
			matched(m, slots);
		else if (!end && !(m->found && slots[0] > m->best[0]) && takes(m, &m->re->code[pc], c))
			follow(m, &m->then, pc + 1, next, slots);
	}
	m->visits += m->now.count;
}

enum sieve_regex_result sieve_regex_match(
    const struct sieve_regex *re, struct slice text, struct slice *groups, size_t *count, uint64_t *budget)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct machine m = {.re = re, .text = text, .width = MIN((size_t)re->groups, *count) * 2, .step = 1};
	m.stack = arena_array(&a, (size_t)re->length + 2, sizeof *m.stack);
	m.stack_slots = arena_array(&a, (size_t)re->length + 2, m.width * sizeof *m.stack_slots);
	m.best = arena_array(&a, m.width * 2, sizeof *m.best);
	if (!m.stack || !m.stack_slots || !m.best || !threads_init(&m.now, &a, re, m.width) ||
	    !threads_init(&m.then, &a, re, m.width))
		return SIEVE_REGEX_TOO_MUCH;
	size_t *fresh = m.best + m.width;
	memset(fresh, 0xff, m.width * sizeof *fresh);
	for (size_t at = 0;; m.step++) {
		uint32_t c = 0;
		bool end = at >= text.n;
		if (!m.found) /* a match may begin here */
			follow(&m, &m.now, 0, at, fresh);
		if (m.visits > *budget)
			return SIEVE_REGEX_TOO_MUCH;
		if (!m.now.count)
			break;
		size_t next =
		    end ? at
			: at + sieve_character(re->fold == SIEVE_FOLD_NONE, slice_sub(text, at, text.n), &c);
		m.step++;
		advance(&m, next, c, end);
		struct threads swap = m.now;
		m.now = m.then;
		m.then = swap;
		m.then.count = 0;
		m.step--;
		if (end)
			break;
		at = next;
	}
	*budget -= m.visits;
	*count = m.found ? m.width / 2 : 0;
	for (size_t i = 0; i < *count; i++)
		groups[i] = m.best[2 * i + 1] == SIZE_MAX || m.best[2 * i] == SIZE_MAX
				? SLICE_NONE
				: slice_sub(text, m.best[2 * i], m.best[2 * i + 1] - m.best[2 * i]);
	return m.found ? SIEVE_REGEX_YES : SIEVE_REGEX_NO;
}
