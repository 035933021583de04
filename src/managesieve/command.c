/* command: what clients write (RFC 5804 section 4), and strings as we write them. */
#include "session.h"

#define QUOTED_MOST 1024
#define SKIP_MOST ((uint64_t)16 << 20) /* a literal longer than this is not waited for */

/* ---- writing ---- */

static bool fits_quotes(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
			return false;
	return text.n <= QUOTED_MOST;
}

void managesieve_put_string(struct stream *out, struct slice text)
{
	if (!fits_quotes(text)) {
		stream_printf(out, "{%zu}\r\n", text.n);
		stream_put(out, text);
		return;
	}
	stream_put(out, SLICE("\""));
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			stream_put(out, SLICE("\\"));
		stream_put(out, slice_sub(text, i, 1));
	}
	stream_put(out, SLICE("\""));
}

/* ---- reading ---- */

/* The rest of the command being read; refilled when a literal ends its line. */
struct reading {
	struct managesieve *s;
	struct cursor line;
	bool too_large;
};

static enum result next_line(struct reading *r)
{
	struct slice line;
	enum result got = stream_line(r->s->base.stream, LIMIT_SMTP_AUTH_LINE, &line);
	if (got == OK)
		r->line = cursor_of(arena_dup(&r->s->arena, line));
	return got;
}

static struct slice read_quoted(struct reading *r)
{
	struct cursor *c = &r->line;
	char *p = arena_alloc(&r->s->arena, c->rest.n + 1);
	size_t n = 0;
	cursor_need(c, '"');
	while (p && c->err == OK && !cursor_try(c, '"')) {
		cursor_try(c, '\\');
		int octet = cursor_take(c);
		if (octet == 0)
			cursor_fail(c);
		p[n++] = (char)octet;
	}
	return slice_of(p, p ? n : 0);
}

static enum result skip(struct stream *in, uint64_t n)
{
	while (n) {
		struct slice some;
		enum result r = stream_some(in, (size_t)MIN(n, (uint64_t)16384), &some);
		if (r != OK)
			return r;
		n -= some.n;
	}
	return OK;
}

/* "{n+}" ends a line; n octets and another line follow. The client does not wait for us. */
static enum result read_literal(struct reading *r, struct slice *out)
{
	cursor_need(&r->line, '{');
	uint64_t n = cursor_u64(&r->line, UINT32_MAX);
	cursor_need(&r->line, '+');
	cursor_need(&r->line, '}');
	if (cursor_done(&r->line) != OK)
		return BAD;
	if (n > SKIP_MOST)
		return FULL;
	enum result got;
	if (n > LIMIT_SCRIPT_SIZE) {
		r->too_large = true;
		got = skip(r->s->base.stream, n);
	} else {
		char *p = arena_alloc(&r->s->arena, n + 1);
		*out = slice_of(p, n);
		got = !p ? FULL : n ? stream_exact(r->s->base.stream, p, n) : OK;
	}
	return got == OK ? next_line(r) : got;
}

static enum result read_string(struct reading *r, struct slice *out)
{
	if (cursor_peek(&r->line) == '{')
		return read_literal(r, out);
	*out = read_quoted(r);
	return r->line.err == OK && !arena_full(&r->s->arena) ? OK : BAD;
}

static enum result read_arg(struct reading *r, struct managesieve_arg *out)
{
	*out = (struct managesieve_arg){.number = ascii_digit((char)cursor_peek(&r->line))};
	if (!out->number)
		return read_string(r, &out->text);
	out->value = cursor_u64(&r->line, UINT32_MAX);
	return r->line.err;
}

static bool is_word(char c)
{
	return ascii_alpha(c);
}

enum result managesieve_read(struct managesieve *s, struct managesieve_command *out)
{
	struct reading r = {.s = s};
	enum result got = next_line(&r);
	*out = (struct managesieve_command){0};
	if (got != OK)
		return got;
	out->verb = cursor_while1(&r.line, is_word);
	while (got == OK && r.line.err == OK && !cursor_end(&r.line)) {
		cursor_need(&r.line, ' ');
		cursor_blanks(&r.line);
		if (r.line.err == OK && cursor_end(&r.line))
			break; /* blanks at the end do no harm */
		if (out->n == MANAGESIEVE_ARGS)
			return BAD;
		got = r.line.err == OK ? read_arg(&r, &out->args[out->n]) : BAD;
		out->n++;
	}
	out->too_large = r.too_large;
	return got != OK ? got : r.line.err;
}

enum result managesieve_read_string(struct managesieve *s, struct slice *out)
{
	struct reading r = {.s = s};
	enum result got = next_line(&r);
	if (got == OK && slice_eq(r.line.rest, SLICE("*"))) {
		*out = SLICE("*");
		return OK;
	}
	if (got == OK)
		got = read_string(&r, out);
	return got != OK ? got : cursor_done(&r.line);
}
