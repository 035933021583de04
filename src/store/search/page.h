/* search_page: numbers and compression in the pages of an index. Internal to search_*.c. */
#ifndef STORE_SEARCH_PAGE_H
#define STORE_SEARCH_PAGE_H

#include "base/base.h"

static inline void search_put_number(struct buf *b, uint64_t v)
{
	char p[10];
	size_t n = 0;
	for (; v > 127; v >>= 7)
		p[n++] = (char)(v | 128);
	p[n++] = (char)v;
	buf_put(b, slice_of(p, n));
}

/* The cursor fails on what is no number. */
static inline uint64_t search_take_number(struct cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (!c->rest.n)
			break;
		unsigned char o = (unsigned char)c->rest.p[0];
		c->rest.p++;
		c->rest.n--;
		v |= (uint64_t)(o & 127) << shift;
		if (o < 128)
			return v;
	}
	cursor_fail(c);
	return 0;
}

/* The same for a number that must not be above `max`. */
static inline uint64_t search_take_most(struct cursor *c, uint64_t max)
{
	uint64_t v = search_take_number(c);
	if (v > max) {
		cursor_fail(c);
		return 0;
	}
	return v;
}

void search_page_pack(struct slice plain, struct buf *out);
/* BAD: it is not what search_page_pack made. */
NODISCARD enum result search_page_unpack(struct slice packed, struct buf *out);

#endif
