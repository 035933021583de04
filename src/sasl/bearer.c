#include "bearer.h"

#define END '\1'

/* b64token of RFC 6750 2.1. */
static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && (!s.p[i] || !strchr("-._~+/=", s.p[i])))
			return false;
	return s.n > 0;
}

/* "Bearer" 1*SP b64token; the scheme in any case. */
static enum result take_auth(struct slice value, struct slice *token_out)
{
	struct slice scheme = slice_split(&value, ' ');
	while (value.n && value.p[0] == ' ')
		value = slice_sub(value, 1, value.n);
	if (!slice_ieq(scheme, SLICE("Bearer")) || !is_token(value) || token_out->n)
		return BAD;
	*token_out = value;
	return OK;
}

/* RFC 5801 4: "=2C" is a comma, "=3D" an equals sign, and both stand for nothing else. */
static enum result take_name(struct slice name, struct arena *a, struct slice *out)
{
	BUF_LOCAL(b, name.n + 1);
	while (name.n) {
		bool comma = slice_istarts(name, SLICE("=2C")), equals = slice_istarts(name, SLICE("=3D"));
		if (!name.p[0] || (name.p[0] == '=' && !comma && !equals))
			return BAD;
		buf_putc(&b, comma ? ',' : equals ? '=' : name.p[0]);
		name = slice_sub(name, comma || equals ? 3 : 1, name.n);
	}
	*out = arena_dup(a, buf_slice(&b));
	return b.n ? OK : BAD;
}

/* RFC 7628 3.1: ALPHA, and a value without controls but the blanks between its lines. */
static bool pair_ok(struct slice key, struct slice value)
{
	for (size_t i = 0; i < key.n; i++)
		if (!ascii_alpha(key.p[i]))
			return false;
	for (size_t i = 0; i < value.n; i++)
		if ((value.p[i] < ' ' || value.p[i] == 0x7f) && !(value.p[i] && strchr("\t\r\n", value.p[i])))
			return false;
	return key.n > 0;
}

/* key=value ^A ... ^A: from behind the header to the end. */
static enum result take_pairs(struct slice rest, struct slice *token_out)
{
	*token_out = SLICE_NONE;
	for (;;) {
		if (!rest.n || slice_find(rest, END) < 0)
			return BAD;
		struct slice value = slice_split(&rest, END);
		if (!value.n)
			return !rest.n && token_out->n ? OK : BAD;
		struct slice key = slice_split(&value, '=');
		if (!pair_ok(key, value))
			return BAD;
		if (slice_eq(key, SLICE("auth")) && take_auth(value, token_out) != OK)
			return BAD;
	}
}

enum result bearer_parse(struct slice message, struct arena *a, struct bearer *out)
{
	struct slice rest = message;
	struct slice flag = slice_split(&rest, ',');
	struct slice name = slice_split(&rest, ',');
	struct slice nothing = slice_split(&rest, END);
	*out = (struct bearer){0};
	/* There is nothing that a token could be bound to a channel by. */
	if (nothing.n || !(slice_eq(flag, SLICE("n")) || slice_eq(flag, SLICE("y"))))
		return BAD;
	if (name.n &&
	    (!slice_starts(name, SLICE("a=")) || take_name(slice_sub(name, 2, name.n), a, &out->login) != OK))
		return BAD;
	return take_pairs(rest, &out->token);
}

enum result bearer_parse_xoauth2(struct slice message, struct arena *a, struct bearer *out)
{
	struct slice rest = message, user = slice_split(&rest, END);
	*out = (struct bearer){0};
	if (!slice_starts(user, SLICE("user=")) || user.n == 5 || slice_find(user, '\0') >= 0)
		return BAD;
	out->login = arena_dup(a, slice_sub(user, 5, user.n));
	return take_pairs(rest, &out->token);
}
