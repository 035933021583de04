#include "scram.h"

static bool is_name_char(char c)
{
	return c != ',' && c != '\0';
}

static bool is_binding_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-';
}

/* printable = %x21-2B / %x2D-7E, for nonces. */
static bool is_printable(char c)
{
	return c > ' ' && c < 0x7f && c != ',';
}

static bool is_base64_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '+' || c == '/' || c == '=';
}

/* saslname: ',' and '=' travel as "=2C" and "=3D". */
static struct slice take_name(struct cursor *c, struct arena *a)
{
	struct slice raw = cursor_while1(c, is_name_char);
	char *p = arena_alloc(a, raw.n);
	size_t n = 0;
	if (!p || !slice_is_utf8(raw))
		cursor_fail(c);
	for (struct cursor in = cursor_of(raw); c->err == OK && !cursor_end(&in);) {
		char ch = (char)cursor_take(&in);
		if (ch == '=') {
			if (cursor_try_word(&in, SLICE("2C")))
				ch = ',';
			else if (!cursor_try_word(&in, SLICE("3D")))
				cursor_fail(c);
		}
		p[n++] = ch;
	}
	return slice_of(p, n);
}

/* Extensions are optional and unknown to us; they are part of what is signed. The mandatory kind is refused. */
static void skip_extensions(struct cursor *c, bool (*more)(const struct cursor *c))
{
	while (c->err == OK && more(c)) {
		cursor_need(c, ',');
		if (!ascii_alpha((char)cursor_take(c)))
			cursor_fail(c);
		cursor_need(c, '=');
		cursor_while1(c, is_name_char);
	}
}

static bool something_left(const struct cursor *c)
{
	return !cursor_end(c);
}

static bool no_proof_yet(const struct cursor *c)
{
	return !cursor_end(c) && !slice_starts(c->rest, SLICE(",p="));
}

enum result scram_first_parse(struct slice s, struct arena *a, struct scram_first *out)
{
	struct cursor c = cursor_of(s);
	*out = (struct scram_first){.flag = (char)cursor_take(&c)};
	if (out->flag == 'p') {
		cursor_need(&c, '=');
		out->binding = cursor_while1(&c, is_binding_char);
	} else if (out->flag != 'n' && out->flag != 'y') {
		cursor_fail(&c);
	}
	cursor_need(&c, ',');
	if (cursor_peek(&c) == 'a') {
		cursor_take(&c);
		cursor_need(&c, '=');
		out->authzid = take_name(&c, a);
	}
	cursor_need(&c, ',');
	if (c.err == OK)
		out->gs2 = slice_of(s.p, (size_t)(c.rest.p - s.p));
	out->bare = c.rest;
	cursor_need(&c, 'n');
	cursor_need(&c, '=');
	out->user = take_name(&c, a);
	cursor_need(&c, ',');
	cursor_need(&c, 'r');
	cursor_need(&c, '=');
	out->nonce = cursor_while1(&c, is_printable);
	skip_extensions(&c, something_left);
	return cursor_done(&c);
}

enum result scram_final_parse(struct slice s, struct scram_final *out)
{
	struct cursor c = cursor_of(s);
	*out = (struct scram_final){0};
	cursor_need(&c, 'c');
	cursor_need(&c, '=');
	out->binding = cursor_while1(&c, is_base64_char);
	cursor_need(&c, ',');
	cursor_need(&c, 'r');
	cursor_need(&c, '=');
	out->nonce = cursor_while1(&c, is_printable);
	skip_extensions(&c, no_proof_yet);
	if (c.err == OK)
		out->without_proof = slice_of(s.p, (size_t)(c.rest.p - s.p));
	cursor_need(&c, ',');
	cursor_need(&c, 'p');
	cursor_need(&c, '=');
	out->proof = cursor_while1(&c, is_base64_char);
	return cursor_done(&c);
}
