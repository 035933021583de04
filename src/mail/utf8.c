#include "utf8.h"

/* What the second octet must lie between, by the first: RFC 3629 4. Returns the length of the sequence, 0: no start. */
static size_t sequence_start(unsigned char c, unsigned char *lo, unsigned char *hi)
{
	*lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

uint32_t mail_utf8_take(struct slice *s, bool *ok_out)
{
	const unsigned char *p = (const unsigned char *)s->p;
	unsigned char lo, hi;
	size_t len = sequence_start(p[0], &lo, &hi), i = 1;
	uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (; i < len && i < s->n && p[i] >= lo && p[i] <= hi; i++) {
		v = v << 6 | (p[i] & 63u);
		lo = 0x80;
		hi = 0xbf;
	}
	*ok_out = len > 0 && i == len;
	*s = slice_sub(*s, i, s->n);
	return *ok_out ? v : UTF8_BAD;
}

struct slice mail_utf8_cut(struct slice s, size_t n)
{
	if (n >= s.n)
		return s;
	while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_sub(s, 0, n);
}

size_t mail_ascii_run(struct slice s)
{
	size_t i = 0;
	for (uint64_t w; i + sizeof w <= s.n; i += sizeof w) {
		memcpy(&w, s.p + i, sizeof w);
		if (w & 0x8080808080808080u)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}
