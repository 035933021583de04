/* text: strings of a script: encoded characters (RFC 5228 2.4.2.4) and variables (RFC 5229 3) in them. */
#include "mail/class.h"
#include "mail/utf8.h"
#include "sieve/inside.h"

/* ---- ${hex:...} and ${unicode:...} ---- */

/* The next hexadecimal number in a row divided by blanks; false at the end or at what is none. */
static bool next_number(struct slice *rest, struct slice *out)
{
	*rest = slice_trim(*rest);
	size_t n = 0;
	while (n < rest->n && mail_hex_value(rest->p[n]) >= 0)
		n++;
	*out = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n, rest->n);
	return n > 0;
}

static bool scalar(struct slice digits, uint32_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (*out > 0x10ffff)
			return false;
		*out = *out << 4 | (uint32_t)mail_hex_value(digits.p[i]);
	}
	return *out <= 0x10ffff && !(*out >= 0xd800 && *out < 0xe000);
}

enum encoded { NOT_ENCODED, ENCODED, WRONG };

/* The octets that stand for what is between "${" and "}". */
static enum encoded decode_one(struct slice inner, struct buf *out)
{
	struct slice rest = inner, kind = slice_split(&rest, ':'), digits;
	bool hex = slice_ieq(slice_trim(kind), SLICE("hex")), some = false;
	if ((!hex && !slice_ieq(slice_trim(kind), SLICE("unicode"))) || kind.n == inner.n)
		return NOT_ENCODED;
	while (next_number(&rest, &digits)) {
		uint32_t value;
		some = true;
		if (hex && digits.n > 2)
			return NOT_ENCODED;
		if (!scalar(digits, &value))
			return WRONG;
		if (hex)
			buf_putc(out, (char)value);
		else
			mail_utf8_put(out, value);
	}
	return rest.n || !some ? NOT_ENCODED : ENCODED;
}

static bool decode(struct sieve_compiler *c, struct sieve_text *t)
{
	struct slice s = t->text;
	if (slice_search(s, SLICE("${")) < 0)
		return true;
	BUF_LOCAL(out, s.n + 8);
	BUF_LOCAL(octets, s.n + 8);
	for (ptrdiff_t at; (at = slice_search(s, SLICE("${"))) >= 0;) {
		buf_put(&out, slice_sub(s, 0, (size_t)at));
		s = slice_sub(s, (size_t)at, s.n);
		ptrdiff_t end = slice_find(s, '}');
		buf_clear(&octets);
		switch (end < 0 ? NOT_ENCODED : decode_one(slice_sub(s, 2, (size_t)end - 2), &octets)) {
		case ENCODED:
			buf_put(&out, buf_slice(&octets));
			s = slice_sub(s, (size_t)end + 1, s.n);
			break;
		case WRONG:
			sieve_say(c, t->line, t->column, "'" SLICE_FMT "' is no Unicode character",
			    SLICE_ARG(slice_sub(s, 0, (size_t)end + 1)));
			return false;
		default:
			buf_put(&out, slice_sub(s, 0, 2));
			s = slice_sub(s, 2, s.n);
		}
	}
	buf_put(&out, s);
	t->text = arena_dup(c->a, buf_slice(&out));
	return true;
}

/* ---- ${name} ---- */

/* A variable's name: at most LIMIT_SIEVE_NAME letters, digits and underscores, no digit first. */
bool sieve_name_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && s.p[i] != '_' && (i == 0 || !ascii_digit(s.p[i])))
			return false;
	return s.n > 0 && s.n <= LIMIT_SIEVE_NAME;
}

static struct slice lower(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	for (size_t i = 0; p && i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return slice_of(p, p ? s.n : 0);
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]))
			return false;
	return s.n > 0;
}

bool sieve_variable_index(
    struct sieve_compiler *c, uint32_t line, uint32_t column, struct slice name, unsigned *out)
{
	struct sieve_script *s = c->script;
	for (unsigned i = 0; i < s->name_count; i++) {
		*out = i;
		if (slice_ieq(s->names[i].name, name))
			return true;
	}
	if (!s->names)
		s->names = arena_array(c->a, c->how->limits.variables, sizeof *s->names);
	if (!s->names || s->name_count == c->how->limits.variables) {
		if (!c->too_many_said)
			sieve_say(c, line, column, "the script has more than %zu variables",
			    c->how->limits.variables);
		c->too_many_said = true;
		return false;
	}
	*out = s->name_count;
	s->names[s->name_count++].name = lower(c->a, name);
	return true;
}

/* "vnd.dovecot.username": names with dots between. */
static bool item_valid(struct slice name)
{
	while (name.n)
		if (!sieve_name_valid(slice_split(&name, '.')))
			return false;
	return true;
}

/* Whether `inner` is a reference to a variable; *good is false when it is a wrong one, which was said. */
static bool reference(struct sieve_compiler *c, const struct sieve_text *t, struct slice inner,
    struct sieve_piece *p, bool *good)
{
	struct slice rest = inner, space = slice_split(&rest, '.'), first = rest;
	if (all_digits(inner)) {
		uint64_t n;
		p->kind = SIEVE_NUMBERED;
		*good = num_u64(inner, SIEVE_CAPTURES - 1, &n) == OK;
		p->index = *good ? (unsigned)n : 0;
		if (!*good)
			sieve_say(c, t->line, t->column, "there are no match variables beyond ${%d}",
			    SIEVE_CAPTURES - 1);
		return true;
	}
	if (space.n == inner.n) {
		p->kind = SIEVE_NAME;
		if (!sieve_name_valid(inner))
			return false;
		*good = sieve_variable_index(c, t->line, t->column, inner, &p->index);
		return true;
	}
	if (!sieve_name_valid(space) || !sieve_name_valid(slice_split(&first, '.')))
		return false;
	const struct sieve_ext *more = c->how->more;
	bool environment = slice_ieq(space, SLICE("env")) && sieve_has(c->script, SIEVE_CAP_VND_ENVIRONMENT);
	if ((environment && item_valid(rest)) || (more && slice_eq(space, slice_str(more->space)))) {
		p->kind = SIEVE_ITEM;
		p->text = environment ? rest : inner;
		return true;
	}
	p->kind = SIEVE_GLOBAL;
	p->text = lower(c->a, rest);
	*good = slice_ieq(space, SLICE("global")) && sieve_has(c->script, SIEVE_CAP_INCLUDE) &&
		sieve_name_valid(rest);
	if (!*good)
		sieve_say(c, t->line, t->column, "'" SLICE_FMT "' is no namespace of variables here",
		    SLICE_ARG(space));
	return true;
}

static bool piece_add(struct sieve_compiler *c, struct sieve_piece ***end, struct sieve_piece p)
{
	struct sieve_piece *copy = arena_new(c->a, struct sieve_piece);
	if (!copy)
		return false;
	*copy = p;
	**end = copy;
	*end = &copy->next;
	return true;
}

static bool split(struct sieve_compiler *c, struct sieve_text *t)
{
	struct slice s = t->text;
	size_t done = 0;
	struct sieve_piece **end = &t->pieces;
	for (size_t at = 0;;) {
		ptrdiff_t start = slice_search(slice_sub(s, at, s.n), SLICE("${"));
		if (start < 0)
			break;
		at += (size_t)start;
		ptrdiff_t stop = slice_find(slice_sub(s, at, s.n), '}');
		struct sieve_piece p = {0};
		bool good = true;
		if (stop < 0)
			break;
		if (!reference(c, t, slice_sub(s, at + 2, (size_t)stop - 2), &p, &good)) {
			at += 2;
			continue;
		}
		if (!good)
			return false;
		if (at > done &&
		    !piece_add(c, &end, (struct sieve_piece){.text = slice_sub(s, done, at - done)}))
			return false;
		at += (size_t)stop + 1;
		done = at;
		if (!piece_add(c, &end, p))
			return false;
	}
	return !t->pieces || done == s.n ||
	       piece_add(c, &end, (struct sieve_piece){.text = slice_sub(s, done, s.n)});
}

bool sieve_text_check(struct sieve_compiler *c, struct sieve_text *t)
{
	if (sieve_has(c->script, SIEVE_CAP_ENCODED_CHARACTER) && !decode(c, t))
		return false;
	return !sieve_has(c->script, SIEVE_CAP_VARIABLES) || split(c, t);
}

/* ---- at run time ---- */

static struct slice *global(struct sieve_runner *r, struct slice name)
{
	struct sieve_global **g = &r->globals;
	while (*g && !slice_ieq((*g)->name, name))
		g = &(*g)->next;
	if (!*g) {
		*g = arena_new(r->a, struct sieve_global);
		if (!*g)
			return NULL;
		(*g)->name = name;
	}
	return &(*g)->value;
}

static struct slice *item(struct sieve_runner *r, struct slice name)
{
	struct slice *out = arena_new(r->a, struct slice);
	if (out && !sieve_environment(r, r->frame->script, name, true, out))
		*out = SLICE_NONE;
	return out;
}

struct slice *sieve_variable(struct sieve_runner *r, const struct sieve_piece *p)
{
	struct sieve_frame *f = r->frame;
	switch (p->kind) {
	case SIEVE_GLOBAL:
		return global(r, p->text);
	case SIEVE_NAME:
		return f->script->names[p->index].global ? global(r, f->script->names[p->index].name)
							 : &f->values[p->index];
	case SIEVE_NUMBERED:
		return p->index < f->captures.count ? &f->captures.text[p->index] : NULL;
	case SIEVE_ITEM:
		return item(r, p->text);
	default:
		return NULL;
	}
}

struct slice sieve_value(struct sieve_runner *r, const struct sieve_text *t)
{
	if (!t->pieces)
		return t->text;
	const struct sieve_piece *only = t->pieces;
	if (!only->next) { /* nothing to join */
		const struct slice *value = sieve_variable(r, only);
		return value ? *value : SLICE_NONE;
	}
	BUF_LOCAL(out, LIMIT_SIEVE_VALUE);
	for (const struct sieve_piece *p = t->pieces; p; p = p->next) {
		const struct slice *value = p->kind == SIEVE_TEXT ? &p->text : sieve_variable(r, p);
		if (value)
			buf_put(&out, mail_utf8_cut(*value, LIMIT_SIEVE_VALUE - out.n));
	}
	return arena_dup(r->a, buf_slice(&out));
}
