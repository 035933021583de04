#include "result.h"
#include "slice.h"

const char *result_name(enum result r)
{
	static const char *const names[] = {"ok", "bad", "deny", "later", "full", "gone", "stop"};
	return (unsigned)r < sizeof names / sizeof *names ? names[r] : "?";
}

bool slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && slice_istarts(a, b);
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
			return false;
	return true;
}

bool slice_iends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_ieq(slice_sub(s, s.n - suffix.n, suffix.n), suffix);
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;
	if (d)
		return d;
	return a.n < b.n ? -1 : a.n > b.n;
}

ptrdiff_t slice_find(struct slice s, char c)
{
	const char *p = s.n ? memchr(s.p, c, s.n) : NULL;
	return p ? p - s.p : -1;
}

ptrdiff_t slice_rfind(struct slice s, char c)
{
	const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;
	return p ? p - s.p : -1;
}

ptrdiff_t slice_search(struct slice s, struct slice what)
{
	if (what.n == 0)
		return 0;
	const char *p = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
	return p ? p - s.p : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_white(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s, bool (*is)(char))
{
	while (s.n && is(s.p[0]))
		s = slice_sub(s, 1, s.n);
	while (s.n && is(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct slice slice_trim_blank(struct slice s)
{
	return trim(s, is_blank);
}

struct slice slice_trim(struct slice s)
{
	return trim(s, is_white);
}

struct slice slice_split(struct slice *rest, char c)
{
	ptrdiff_t at = slice_find(*rest, c);
	struct slice head = *rest;
	if (at < 0) {
		*rest = slice_sub(*rest, rest->n, 0);
		return head;
	}
	head.n = (size_t)at;
	*rest = slice_sub(*rest, (size_t)at + 1, rest->n);
	return head;
}

bool slice_eq_secret(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	unsigned char d = 0;
	for (size_t i = 0; i < a.n; i++)
		d |= (unsigned char)(a.p[i] ^ b.p[i]);
	return d == 0;
}

bool slice_is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

/* The octets of one UTF-8 sequence at p (RFC 3629 section 4), or 0 when malformed. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80                    ? 1
		     : p[0] >= 0xc2 && p[0] < 0xe0  ? 2
		     : (p[0] & 0xf0) == 0xe0        ? 3
		     : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						    : 0;
	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
		return 0;
	if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool slice_is_utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(p + i, s.n - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}
