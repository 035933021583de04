/*
 * slice: a view of bytes that somebody else owns.
 *
 * Never NUL-terminated by contract, never freed, cheap to pass by value. p may be NULL only when n is 0.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(lit) ((struct slice){"" lit, sizeof(lit) - 1}) /* of a string literal */
#define SLICE_NONE ((struct slice){NULL, 0})
#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)((s).n > 65535 ? 65535 : (s).n), (s).p

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}
static inline struct slice slice_str(const char *z) /* z may be NULL */
{
	return (struct slice){z, z ? strlen(z) : 0};
}
static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* The part from octet `from` on, at most n octets of it; never reaches outside s. */
static inline struct slice slice_sub(struct slice s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	if (n > s.n - from)
		n = s.n - from;
	return (struct slice){s.p ? s.p + from : NULL, n};
}

/* ASCII case folding only: protocol keywords, never text of people. */
bool slice_ieq(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_iends(struct slice s, struct slice suffix);
int slice_cmp(struct slice a, struct slice b); /* as memcmp, shorter first */
/* Offset of the first c or of the first occurrence of `what`, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
ptrdiff_t slice_rfind(struct slice s, char c);
ptrdiff_t slice_search(struct slice s, struct slice what);
/* Without spaces and tabs (slice_trim: also CR and LF) at both ends. */
struct slice slice_trim_blank(struct slice s);
struct slice slice_trim(struct slice s);
/* Cuts *rest at the first c: returns what stands before it, *rest keeps what follows (empty when none). */
struct slice slice_split(struct slice *rest, char c);
/* Equal in constant time for equal lengths: for secrets. */
bool slice_eq_secret(struct slice a, struct slice b);
bool slice_is_ascii(struct slice s);
bool slice_is_utf8(struct slice s); /* well-formed UTF-8, RFC 3629 */

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
static inline bool ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
