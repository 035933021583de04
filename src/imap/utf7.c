#include "utf7.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static bool is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

static void put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(b, (char)c);
	} else if (c < 0x800) {
		buf_putc(b, (char)(0xc0 | c >> 6));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(b, (char)(0xe0 | c >> 12));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(b, (char)(0xf0 | c >> 18));
		buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* One UTF-16 unit of a shifted run; *high is the surrogate that waits for its other half, or 0. */
static enum result take_unit(uint32_t unit, uint32_t *high, struct buf *utf8)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return BAD;
		put_utf8(utf8, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return OK;
	}
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return BAD;
	if (unit >= 0xd800 && unit <= 0xdbff)
		*high = unit;
	else if (is_direct(unit) || unit == 0)
		return BAD;
	else
		put_utf8(utf8, unit);
	return OK;
}

/* What stands between "&" and "-". */
static enum result decode_run(struct slice run, struct buf *utf8)
{
	uint32_t bits = 0, high = 0;
	unsigned have = 0;
	for (size_t i = 0; i < run.n; i++) {
		int d = digit_of(run.p[i]);
		if (d < 0)
			return BAD;
		bits = (bits << 6 | (uint32_t)d) & 0xffffff;
		have += 6;
		if (have >= 16) {
			have -= 16;
			if (take_unit(bits >> have & 0xffff, &high, utf8) != OK)
				return BAD;
		}
	}
	bool padded = have >= 6 || (bits & ((1u << have) - 1)) != 0;
	return high || padded ? BAD : OK;
}

enum result imap_utf7_decode(struct slice name, struct buf *utf8)
{
	bool after_run = false;
	while (name.n) {
		char c = name.p[0];
		if (c != '&') {
			if (!is_direct((unsigned char)c))
				return BAD;
			buf_putc(utf8, c);
			name = slice_sub(name, 1, name.n);
			after_run = false;
			continue;
		}
		ptrdiff_t end = slice_find(name, '-');
		if (end < 0)
			return BAD;
		struct slice run = slice_sub(name, 1, (size_t)end - 1);
		/* "&AAA-&BBB-" would be two spellings of one run. */
		if (run.n && (after_run || decode_run(run, utf8) != OK))
			return BAD;
		if (!run.n)
			buf_putc(utf8, '&');
		after_run = run.n != 0;
		name = slice_sub(name, (size_t)end + 1, name.n);
	}
	return buf_result(utf8);
}

/* The next code point of well-formed UTF-8. */
static uint32_t next_point(struct slice *s)
{
	unsigned char c = (unsigned char)s->p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t point = n == 1 ? c : c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n && i < s->n; i++)
		point = point << 6 | ((unsigned char)s->p[i] & 0x3f);
	*s = slice_sub(*s, n, s->n);
	return point;
}

struct shift {
	uint32_t bits;
	unsigned have;
};

static void put_unit(struct shift *sh, uint32_t unit, struct buf *name)
{
	sh->bits = sh->bits << 16 | unit;
	sh->have += 16;
	while (sh->have >= 6) {
		sh->have -= 6;
		buf_putc(name, digits[sh->bits >> sh->have & 0x3f]);
	}
}

static void encode_run(struct slice *rest, struct buf *name)
{
	struct shift sh = {0};
	buf_putc(name, '&');
	while (rest->n && !is_direct((unsigned char)rest->p[0])) {
		uint32_t point = next_point(rest);
		if (point >= 0x10000) {
			put_unit(&sh, 0xd800 + ((point - 0x10000) >> 10), name);
			put_unit(&sh, 0xdc00 + ((point - 0x10000) & 0x3ff), name);
		} else {
			put_unit(&sh, point, name);
		}
	}
	if (sh.have)
		buf_putc(name, digits[sh.bits << (6 - sh.have) & 0x3f]);
	buf_putc(name, '-');
}

void imap_utf7_encode(struct slice utf8, struct buf *name)
{
	while (utf8.n) {
		if (!is_direct((unsigned char)utf8.p[0])) {
			encode_run(&utf8, name);
			continue;
		}
		buf_putc(name, utf8.p[0]);
		if (utf8.p[0] == '&')
			buf_putc(name, '-');
		utf8 = slice_sub(utf8, 1, utf8.n);
	}
}
