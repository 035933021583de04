/* utf8: single code points in and out of UTF-8. */
#ifndef MAIL_UTF8_H
#define MAIL_UTF8_H

#include "base/base.h"

#define UTF8_BAD 0xfffdu

/* Writes v, which is a Unicode scalar value, at p (room for 4); returns the number of octets. */
static inline size_t mail_utf8_write(char *p, uint32_t v)
{
	if (v < 0x80) {
		p[0] = (char)v;
		return 1;
	}
	if (v < 0x800) {
		p[0] = (char)(0xc0 | v >> 6);
		p[1] = (char)(0x80 | (v & 63));
		return 2;
	}
	if (v < 0x10000) {
		p[0] = (char)(0xe0 | v >> 12);
		p[1] = (char)(0x80 | (v >> 6 & 63));
		p[2] = (char)(0x80 | (v & 63));
		return 3;
	}
	p[0] = (char)(0xf0 | v >> 18);
	p[1] = (char)(0x80 | (v >> 12 & 63));
	p[2] = (char)(0x80 | (v >> 6 & 63));
	p[3] = (char)(0x80 | (v & 63));
	return 4;
}

static inline void mail_utf8_put(struct buf *b, uint32_t v)
{
	char *p = buf_room(b, 4);
	if (p) {
		buf_wrote(b, mail_utf8_write(p, v));
		return;
	}
	char small[4];
	buf_put(b, slice_of(small, mail_utf8_write(small, v)));
}

/*
 * Takes the next code point of a text that need not be well-formed; s must not be empty. *ok_out tells a real
 * U+FFFD from one that stands for malformed octets (the longest malformed start of a sequence counts once).
 */
uint32_t mail_utf8_take(struct slice *s, bool *ok_out);

/* The longest start of s with at most n octets that does not cut a sequence in two. */
struct slice mail_utf8_cut(struct slice s, size_t n);

/* Octets up to the first one above 127. */
size_t mail_ascii_run(struct slice s);

#endif
