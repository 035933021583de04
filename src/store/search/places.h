/*
 * search_places: ascending numbers as differences in a Golomb-Rice code. Internal to search_*.c.
 *
 * Differences of random places follow a geometric distribution, for which the code is within some hundredths of a bit of
 * the best. Its parameter follows from how many numbers there are below what; lists of more than SEARCH_PLACES_FEW say in
 * their first octet which one suits them better, as words come in swarms. Bits from the lowest up; whole octets.
 */
#ifndef STORE_SEARCH_PLACES_H
#define STORE_SEARCH_PLACES_H

#include "base/base.h"

#define SEARCH_PLACES_FEW 3

/* Adds n > 0 different numbers below `all`, ascending. */
void search_places_put(const uint32_t *v, uint32_t n, uint32_t all, struct buf *out);

struct search_places {
	const unsigned char *p, *end;
	uint64_t bits; /* `have` of them */
	unsigned have, k;
	uint32_t left, all, next; /* numbers to come; the least that the next can be */
	enum result err;
};
/* The list of n numbers that fills these octets. */
struct search_places search_places_of(struct slice octets, uint32_t n, uint32_t all);

void search_places_refill(struct search_places *s);

/* The next number; false at the end, and when there is something wrong: err is BAD then. */
static inline bool search_places_next(struct search_places *s, uint32_t *out)
{
	uint64_t step = 0;
	if (!s->left)
		return false;
	for (;;) {
		if (s->have < 32)
			search_places_refill(s);
		if (s->bits)
			break;
		/* Nothing but zeroes: as many times 1 << k; or the end. */
		step += (uint64_t)s->have << s->k;
		if (!s->have || step >= s->all) {
			s->err = BAD;
			s->left = 0;
			return false;
		}
		s->have = 0;
	}
	unsigned zeroes = (unsigned)__builtin_ctzll(s->bits);
	step += (uint64_t)zeroes << s->k;
	s->bits >>= zeroes;
	s->bits >>= 1;
	s->have -= zeroes + 1;
	if (s->have < s->k)
		search_places_refill(s);
	step += s->next + (s->bits & (((uint64_t)1 << s->k) - 1));
	if (s->have < s->k || step >= s->all) {
		s->err = BAD;
		s->left = 0;
		return false;
	}
	s->bits >>= s->k;
	s->have -= s->k;
	s->left--;
	*out = (uint32_t)step;
	s->next = *out + 1;
	return true;
}

#endif
