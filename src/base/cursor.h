/*
 * cursor: reads a slice from left to right, with a sticky error.
 *
 * A grammar is written as a row of calls and the cursor is asked once, at the end, whether all of it matched.
 * After an error nothing is consumed any more and every getter yields nothing.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "result.h"
#include "slice.h"

struct cursor {
	struct slice rest;
	enum result err; /* OK until the first mismatch */
};

static inline struct cursor cursor_of(struct slice s)
{
	return (struct cursor){s, OK};
}
static inline bool cursor_end(const struct cursor *c)
{
	return c->rest.n == 0;
}
static inline void cursor_fail(struct cursor *c)
{
	if (c->err == OK)
		c->err = BAD;
	c->rest.n = 0;
}
/* The next octet without taking it, or -1 at the end. */
static inline int cursor_peek(const struct cursor *c)
{
	return c->rest.n ? (unsigned char)c->rest.p[0] : -1;
}
/* Takes one octet, -1 (and an error) at the end. */
int cursor_take(struct cursor *c);
bool cursor_try(struct cursor *c, char ch);                     /* takes ch if it is next */
bool cursor_try_word(struct cursor *c, struct slice word);      /* ASCII case-insensitive */
void cursor_need(struct cursor *c, char ch);                    /* takes ch or fails */
struct slice cursor_while(struct cursor *c, bool (*is)(char));  /* the longest run, may be empty */
struct slice cursor_while1(struct cursor *c, bool (*is)(char)); /* the longest run, fails when empty */
struct slice cursor_until(struct cursor *c, char ch);           /* up to ch or the end; ch stays */
uint64_t cursor_u64(struct cursor *c, uint64_t max);            /* digits; fails on none, or above max */
struct slice cursor_bytes(struct cursor *c, size_t n);          /* exactly n octets or fail */
void cursor_blanks(struct cursor *c);                           /* skips spaces and tabs */
/* BAD when anything failed or something is left over. */
NODISCARD enum result cursor_done(const struct cursor *c);

#endif
