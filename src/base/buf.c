#include "buf.h"
#include "num.h"
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){.max = b->max};
}

void buf_free_secret(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

/* Makes room for n more; false (and `over`) when that passes the maximum. */
static bool reserve(struct buf *b, size_t n)
{
	size_t need;
	if (!add_ok(b->n, n, &need) || need > b->max) {
		b->over = true;
		return false;
	}
	if (b->p && need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	char *p = realloc(b->p, cap ? cap : 1);
	if (!p)
		abort();
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, struct slice s)
{
	if (s.n == 0 || !reserve(b, s.n))
		return;
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void buf_putc(struct buf *b, char c)
{
	if (reserve(b, 1))
		b->p[b->n++] = c;
}

void buf_puts(struct buf *b, const char *z)
{
	buf_put(b, slice_str(z));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	char small[256];
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n >= 0 && (size_t)n < sizeof small) {
		buf_put(b, slice_of(small, (size_t)n));
	} else if (n >= 0) {
		char *p = malloc((size_t)n + 1);
		if (!p)
			abort();
		vsnprintf(p, (size_t)n + 1, fmt, again);
		buf_put(b, slice_of(p, (size_t)n));
		free(p);
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_hex(struct buf *b, struct slice s)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < s.n; i++) {
		buf_putc(b, digits[(unsigned char)s.p[i] >> 4]);
		buf_putc(b, digits[(unsigned char)s.p[i] & 15]);
	}
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
		if (i + 1 < s.n)
			v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
		if (i + 2 < s.n)
			v |= (unsigned char)s.p[i + 2];
		buf_putc(b, base64_digits[v >> 18]);
		buf_putc(b, base64_digits[v >> 12 & 63]);
		buf_putc(b, i + 1 < s.n ? base64_digits[v >> 6 & 63] : '=');
		buf_putc(b, i + 2 < s.n ? base64_digits[v & 63] : '=');
	}
}

char *buf_room(struct buf *b, size_t n)
{
	static char nothing; /* of no octets, not NULL: that means there is no room */
	if (!reserve(b, n))
		return NULL;
	return b->p ? b->p + b->n : &nothing;
}

const char *buf_z(struct buf *b)
{
	if (b->n == b->cap) {
		char *p = realloc(b->p, b->cap + 1);
		if (!p)
			abort();
		b->p = p;
		b->cap++;
	}
	b->p[b->n] = 0;
	return b->p;
}

enum result buf_result(const struct buf *b)
{
	return b->over ? FULL : OK;
}

static int base64_value(char c)
{
	const char *p = c ? strchr(base64_digits, c) : NULL;
	return p ? (int)(p - base64_digits) : -1;
}

enum result base64_decode(struct slice s, struct buf *b)
{
	if (s.n % 4)
		return BAD;
	for (size_t i = 0; i < s.n; i += 4) {
		bool last = i + 4 == s.n;
		int pad = last && s.p[i + 3] == '=' ? s.p[i + 2] == '=' ? 2 : 1 : 0;
		uint32_t v = 0;
		for (int k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : base64_value(s.p[i + (size_t)k]);
			if (d < 0)
				return BAD;
			v = v << 6 | (uint32_t)d;
		}
		if (v & (pad == 2      ? 0xffffu
			    : pad == 1 ? 0xffu
				       : 0)) /* RFC 4648 3.5: one text for one value */
			return BAD;
		char out[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
		buf_put(b, slice_of(out, (size_t)(3 - pad)));
	}
	return buf_result(b);
}

static int hex_value(char c)
{
	c = ascii_lower(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum result hex_decode(struct slice s, struct buf *b)
{
	if (s.n % 2)
		return BAD;
	for (size_t i = 0; i < s.n; i += 2) {
		int hi = hex_value(s.p[i]), lo = hex_value(s.p[i + 1]);
		if (hi < 0 || lo < 0)
			return BAD;
		buf_putc(b, (char)(hi << 4 | lo));
	}
	return buf_result(b);
}
