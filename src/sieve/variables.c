/* variables: set and string, RFC 5229; encodeurl is RFC 5435 6. */
#include "mail/utf8.h"
#include "sieve/inside.h"

/* The variable that a constant string names: "name" or "global.name". */
bool sieve_variable_target(struct sieve_compiler *c, const struct sieve_text *t, struct sieve_piece *out)
{
	struct slice rest = t->text, space = slice_split(&rest, '.');
	*out = (struct sieve_piece){.kind = SIEVE_NAME};
	if (t->pieces) {
		sieve_say(c, t->line, t->column, "the name of a variable must be constant");
		return false;
	}
	if (sieve_name_valid(t->text))
		return sieve_variable_index(c, t->line, t->column, t->text, &out->index);
	if (slice_ieq(space, SLICE("global")) && sieve_name_valid(rest) &&
	    sieve_has(c->script, SIEVE_CAP_INCLUDE)) {
		out->kind = SIEVE_GLOBAL;
		out->text = rest;
		return true;
	}
	sieve_say(c, t->line, t->column, "'" SLICE_FMT "' is no name of a variable",
	    SLICE_ARG(slice_sub(t->text, 0, 80)));
	return false;
}

bool sieve_check_set(struct sieve_compiler *c, struct sieve_node *n)
{
	struct sieve_piece *target = arena_new(c->a, struct sieve_piece);
	n->own = target;
	return target && sieve_variable_target(c, n->pos[0]->texts, target);
}

typedef void modifier(struct slice in, struct buf *out); /* out's maximum is that of a variable */

static void to_lower(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		buf_putc(out, ascii_lower(in.p[i]));
}

static void to_upper(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		buf_putc(out, ascii_upper(in.p[i]));
}

static void lower_first(struct slice in, struct buf *out)
{
	to_lower(slice_sub(in, 0, 1), out);
	buf_put(out, slice_sub(in, 1, in.n));
}

static void upper_first(struct slice in, struct buf *out)
{
	to_upper(slice_sub(in, 0, 1), out);
	buf_put(out, slice_sub(in, 1, in.n));
}

/* Adds what stands for one character whole or not at all; false when there is no room. */
static bool unit(struct buf *out, const struct buf *one)
{
	if (out->n + one->n > out->max)
		return false;
	buf_put(out, buf_slice(one));
	return true;
}

static void quote(struct slice in, const char *special, struct buf *out)
{
	BUF_LOCAL(one, 2);
	for (size_t i = 0; i < in.n; i++) {
		buf_clear(&one);
		if (in.p[i] && strchr(special, in.p[i]))
			buf_putc(&one, '\\');
		buf_putc(&one, in.p[i]);
		if (!unit(out, &one))
			return;
	}
}

static void quote_wildcard(struct slice in, struct buf *out)
{
	quote(in, "*?\\", out);
}

static void quote_regex(struct slice in, struct buf *out)
{
	quote(in, "*+?{}[]()|^$.\\", out);
}

static void encode_url(struct slice in, struct buf *out)
{
	BUF_LOCAL(one, 12);
	while (in.n) {
		struct slice rest = in;
		bool ok;
		mail_utf8_take(&rest, &ok);
		buf_clear(&one);
		for (; in.n > rest.n; in = slice_sub(in, 1, in.n)) {
			char c = in.p[0];
			if (ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~", c)))
				buf_putc(&one, c);
			else
				buf_printf(&one, "%%%02X", (unsigned char)c);
		}
		if (!unit(out, &one))
			return;
	}
}

static void length_of(struct slice in, struct buf *out)
{
	size_t n = 0;
	for (bool ok; in.n; n++)
		mail_utf8_take(&in, &ok);
	buf_printf(out, "%zu", n);
}

enum sieve_flow sieve_assign(struct sieve_runner *r, const struct sieve_node *n, struct slice value)
{
	static const struct {
		enum sieve_tag tag;
		modifier *f;
	} modifiers[] = {{SIEVE_TAG_LOWER, to_lower}, {SIEVE_TAG_UPPER, to_upper},
	    {SIEVE_TAG_LOWERFIRST, lower_first}, {SIEVE_TAG_UPPERFIRST, upper_first},
	    {SIEVE_TAG_QUOTEWILDCARD, quote_wildcard}, {SIEVE_TAG_QUOTEREGEX, quote_regex},
	    {SIEVE_TAG_ENCODEURL, encode_url}, {SIEVE_TAG_LENGTH, length_of}};
	for (size_t i = 0; i < COUNT(modifiers); i++) { /* in the order of their precedence */
		if (!sieve_tagged(n, modifiers[i].tag))
			continue;
		BUF_LOCAL(out, MAX(r->env->limits.variable, (size_t)24));
		value = mail_utf8_cut(value, r->env->limits.variable);
		modifiers[i].f(value, &out);
		value = arena_dup(r->a, buf_slice(&out));
	}
	if (!sieve_step(r, n, value.n / 16))
		return SIEVE_FAIL;
	struct slice *to = sieve_variable(r, n->own);
	if (to)
		*to = mail_utf8_cut(value, r->env->limits.variable);
	return to ? SIEVE_GO : SIEVE_FAIL;
}

enum sieve_flow sieve_run_set(struct sieve_runner *r, const struct sieve_node *n)
{
	return sieve_assign(r, n, sieve_arg_value(r, n->pos[1]));
}

enum sieve_flow sieve_test_string(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_match m;
	bool counting = sieve_tagged(n, SIEVE_TAG_COUNT);
	sieve_match_start(&m, r, n, n->pos[1]);
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		struct slice value = sieve_value(r, t);
		if ((!counting || value.n) &&
		    sieve_match_value(&m, value)) /* RFC 5229 5: empty ones do not count */
			break;
	}
	return sieve_match_end(&m, yes);
}
