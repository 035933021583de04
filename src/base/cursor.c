#include "cursor.h"
#include "num.h"

int cursor_take(struct cursor *c)
{
	int ch = cursor_peek(c);
	if (ch < 0)
		cursor_fail(c);
	else
		c->rest = slice_sub(c->rest, 1, c->rest.n);
	return ch;
}

bool cursor_try(struct cursor *c, char ch)
{
	if (c->rest.n == 0 || c->rest.p[0] != ch)
		return false;
	c->rest = slice_sub(c->rest, 1, c->rest.n);
	return true;
}

bool cursor_try_word(struct cursor *c, struct slice word)
{
	if (!slice_istarts(c->rest, word))
		return false;
	c->rest = slice_sub(c->rest, word.n, c->rest.n);
	return true;
}

void cursor_need(struct cursor *c, char ch)
{
	if (!cursor_try(c, ch))
		cursor_fail(c);
}

struct slice cursor_while(struct cursor *c, bool (*is)(char))
{
	size_t n = 0;
	while (n < c->rest.n && is(c->rest.p[n]))
		n++;
	return cursor_bytes(c, n);
}

struct slice cursor_while1(struct cursor *c, bool (*is)(char))
{
	struct slice s = cursor_while(c, is);
	if (s.n == 0)
		cursor_fail(c);
	return s;
}

struct slice cursor_until(struct cursor *c, char ch)
{
	ptrdiff_t at = slice_find(c->rest, ch);
	return cursor_bytes(c, at < 0 ? c->rest.n : (size_t)at);
}

uint64_t cursor_u64(struct cursor *c, uint64_t max)
{
	size_t n = 0;
	while (n < c->rest.n && ascii_digit(c->rest.p[n]))
		n++;
	uint64_t v = 0;
	if (num_u64(slice_sub(c->rest, 0, n), max, &v) != OK) {
		cursor_fail(c);
		return 0;
	}
	c->rest = slice_sub(c->rest, n, c->rest.n);
	return v;
}

struct slice cursor_bytes(struct cursor *c, size_t n)
{
	if (n > c->rest.n) {
		cursor_fail(c);
		return SLICE_NONE;
	}
	struct slice s = slice_sub(c->rest, 0, n);
	c->rest = slice_sub(c->rest, n, c->rest.n);
	return s;
}

void cursor_blanks(struct cursor *c)
{
	while (cursor_try(c, ' ') || cursor_try(c, '\t'))
		;
}

enum result cursor_done(const struct cursor *c)
{
	return c->err == OK && c->rest.n ? BAD : c->err;
}
