#include "store/search/places.h"
#include <endian.h>

#define K_MOST 31u

/* The parameter for numbers that stand anywhere. */
static unsigned usual(uint32_t n, uint32_t all)
{
	uint32_t mean = all / MAX(n, 1u);
	return mean > 1 ? 31u - (unsigned)__builtin_clz(mean) : 0;
}

static uint64_t bits_with(const uint32_t *v, uint32_t n, unsigned k)
{
	uint64_t bits = (uint64_t)n * (k + 1);
	for (uint32_t i = 0, next = 0; i < n; next = v[i++] + 1)
		bits += (v[i] - next) >> k;
	return bits;
}

/* The usual one, or a smaller one when many stand close together. */
static unsigned best(const uint32_t *v, uint32_t n, uint32_t all)
{
	unsigned k = usual(n, all);
	uint64_t bits = bits_with(v, n, k);
	while (k) {
		uint64_t less = bits_with(v, n, k - 1);
		if (less >= bits)
			break;
		bits = less;
		k--;
	}
	return k;
}

struct writing {
	struct buf *out;
	uint64_t bits;
	unsigned have;
};

static void put_bits(struct writing *w, uint64_t v, unsigned n)
{
	w->bits |= v << w->have;
	w->have += n;
	for (; w->have >= 8; w->have -= 8, w->bits >>= 8)
		buf_putc(w->out, (char)(w->bits & 255));
}

void search_places_put(const uint32_t *v, uint32_t n, uint32_t all, struct buf *out)
{
	struct writing w = {.out = out};
	unsigned k = n > SEARCH_PLACES_FEW ? best(v, n, all) : usual(n, all);
	if (n > SEARCH_PLACES_FEW)
		buf_putc(out, (char)k);
	for (uint32_t i = 0, next = 0; i < n; next = v[i++] + 1) {
		uint32_t step = v[i] - next;
		for (uint32_t zeroes = step >> k; zeroes;) {
			unsigned some = MIN(zeroes, 32u);
			put_bits(&w, 0, some);
			zeroes -= some;
		}
		put_bits(&w, 1, 1);
		put_bits(&w, step & (((uint64_t)1 << k) - 1), k);
	}
	if (w.have)
		put_bits(&w, 0, 8 - w.have);
}

struct search_places search_places_of(struct slice octets, uint32_t n, uint32_t all)
{
	struct search_places s = {.left = n, .all = all, .k = usual(n, all), .err = OK};
	if (octets.n) {
		s.p = (const unsigned char *)octets.p;
		s.end = s.p + octets.n;
		if (n > SEARCH_PLACES_FEW)
			s.k = *s.p++;
	}
	if (!octets.n || n > all || s.k > K_MOST) {
		s.err = BAD;
		s.left = 0;
	}
	return s;
}

void search_places_refill(struct search_places *s)
{
	if (s->end - s->p >= 8) {
		uint64_t word;
		unsigned octets = (63 - s->have) / 8;
		memcpy(&word, s->p, sizeof word);
		word = le64toh(word) & (((uint64_t)1 << octets * 8) - 1);
		s->bits |= word << s->have;
		s->p += octets;
		s->have += octets * 8;
		return;
	}
	while (s->have <= 56 && s->p < s->end) {
		s->bits |= (uint64_t)*s->p++ << s->have;
		s->have += 8;
	}
}
