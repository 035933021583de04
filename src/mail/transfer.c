#include "transfer.h"
#include "class.h"

#define BIT(name) MAIL_DEFECT_BIT(MAIL_DEFECT_##name)

/* Decoded octets on their way to the sink. */
struct out {
	mail_sink sink;
	void *ctx;
	bool stopped;
	size_t n;
	mail_defects defects;
	char p[MAIL_TRANSFER_PIECE];
};

static void out_flush(struct out *o)
{
	if (o->n && !o->stopped && o->sink(o->ctx, slice_of(o->p, o->n)) != OK)
		o->stopped = true;
	o->n = 0;
}

static inline void out_octet(struct out *o, char c)
{
	if (o->n == sizeof o->p)
		out_flush(o);
	o->p[o->n++] = c;
}

static void out_slice(struct out *o, struct slice s)
{
	while (s.n && !o->stopped) {
		if (o->n == sizeof o->p)
			out_flush(o);
		size_t n = MIN(s.n, sizeof o->p - o->n);
		memcpy(o->p + o->n, s.p, n);
		o->n += n;
		s = slice_sub(s, n, s.n);
	}
}

static const struct {
	struct slice name;
	enum mail_encoding e;
	bool common;
} encodings[] = {
    {SLICE("7bit"), MAIL_ENC_NONE, true},
    {SLICE("8bit"), MAIL_ENC_NONE, true},
    {SLICE("binary"), MAIL_ENC_NONE, true},
    {SLICE("base64"), MAIL_ENC_BASE64, true},
    {SLICE("quoted-printable"), MAIL_ENC_QP, true},
    {SLICE("x-base64"), MAIL_ENC_BASE64, false},
    {SLICE("x-uuencode"), MAIL_ENC_UU, false},
    {SLICE("uuencode"), MAIL_ENC_UU, false},
    {SLICE("x-uue"), MAIL_ENC_UU, false},
    {SLICE("uue"), MAIL_ENC_UU, false},
    {SLICE("7-bit"), MAIL_ENC_NONE, false},
    {SLICE("8-bit"), MAIL_ENC_NONE, false},
};

enum mail_encoding mail_encoding_parse(struct slice value, mail_defects *defects)
{
	value = slice_trim(value);
	if (value.n && value.p[0] == '(' && slice_find(value, ')') > 0) {
		*defects |= BIT(encoding_malformed);
		value = slice_trim(slice_sub(value, (size_t)slice_find(value, ')') + 1, value.n));
	}
	size_t n = 0;
	while (n < value.n && mail_is(value.p[n], MAIL_TOKEN))
		n++;
	struct slice token = slice_sub(value, 0, n);
	for (size_t i = 0; i < COUNT(encodings) && n; i++) {
		if (!slice_ieq(token, encodings[i].name))
			continue;
		if (n < value.n)
			*defects |= BIT(encoding_malformed);
		if (!encodings[i].common)
			*defects |= BIT(encoding_uncommon);
		return encodings[i].e;
	}
	*defects |= BIT(encoding_malformed);
	for (size_t i = 3; i < 5; i++) /* quoted, commented, in a list: look for what it could mean */
		for (size_t k = 0; k + encodings[i].name.n <= MIN(value.n, (size_t)200); k++)
			if (slice_ieq(slice_sub(value, k, encodings[i].name.n), encodings[i].name))
				return encodings[i].e;
	return MAIL_ENC_NONE;
}

/* The value of a digit; else one of these. */
enum { PAD = 64, WHITE = 65, JUNK = 66 };

/* clang-format off */
static const uint8_t b64_digit[256] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 65, 65, 66, 66, 65, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    65, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 66, 66, 64, 66, 66,
    66,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66, 66,
    66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66,
    [128 ... 255] = JUNK,
};
/* clang-format on */

struct b64 {
	uint32_t bits;
	int digits;  /* of the present group */
	int owed;    /* "=" still to come */
	bool padded; /* a padded group has gone by */
};

static void b64_pad(struct b64 *b, struct out *o)
{
	if (b->owed) {
		b->owed--;
		return;
	}
	if (b->digits < 2)
		o->defects |= BIT(base64_padding);
	if (b->digits == 2)
		out_octet(o, (char)(b->bits >> 4));
	if (b->digits == 3) {
		out_octet(o, (char)(b->bits >> 10));
		out_octet(o, (char)(b->bits >> 2));
	}
	b->owed = b->digits == 2;
	b->padded = true;
	b->digits = 0;
	b->bits = 0;
}

static void b64_slow(struct b64 *b, unsigned char c, struct out *o)
{
	uint8_t v = b64_digit[c];
	if (v == WHITE)
		return;
	if (v == JUNK) {
		o->defects |= BIT(base64_junk);
		return;
	}
	if (v == PAD) {
		b64_pad(b, o);
		return;
	}
	if (b->padded)
		o->defects |= BIT(base64_padding);
	b->owed = 0;
	b->bits = b->bits << 6 | v;
	if (++b->digits == 4) {
		out_octet(o, (char)(b->bits >> 16));
		out_octet(o, (char)(b->bits >> 8));
		out_octet(o, (char)b->bits);
		b->digits = 0;
		b->bits = 0;
	}
}

/* Whole groups of digits, as long as nothing else comes. */
static size_t b64_fast(const unsigned char *p, size_t n, struct out *o)
{
	size_t i = 0;
	for (; i + 4 <= n; i += 4) {
		uint32_t a = b64_digit[p[i]], b = b64_digit[p[i + 1]], c = b64_digit[p[i + 2]],
			 d = b64_digit[p[i + 3]];
		if ((a | b | c | d) > 63)
			break;
		if (o->n + 3 > sizeof o->p)
			out_flush(o);
		uint32_t v = a << 18 | b << 12 | c << 6 | d;
		o->p[o->n] = (char)(v >> 16);
		o->p[o->n + 1] = (char)(v >> 8);
		o->p[o->n + 2] = (char)v;
		o->n += 3;
	}
	return i;
}

static void base64_decode_all(struct slice body, struct out *o)
{
	const unsigned char *p = (const unsigned char *)body.p;
	struct b64 b = {0};
	for (size_t i = 0; i < body.n && !o->stopped;) {
		size_t fast = b.digits == 0 && !b.padded ? b64_fast(p + i, body.n - i, o) : 0;
		i += fast;
		if (i < body.n)
			b64_slow(&b, p[i++], o);
	}
	if (b.digits || b.owed) /* what can be had of a torn group */
		o->defects |= BIT(base64_padding);
	if (b.digits >= 2)
		out_octet(o, (char)(b.bits >> (b.digits == 2 ? 4 : 10)));
	if (b.digits == 3)
		out_octet(o, (char)(b.bits >> 2));
}

/* Octets of the line at s without its line end; *next_out is where the next one begins. */
static struct slice line_take(struct slice *s)
{
	ptrdiff_t at = slice_find(*s, '\n');
	struct slice line = slice_sub(*s, 0, at < 0 ? s->n : (size_t)at + 1);
	*s = slice_sub(*s, line.n, s->n);
	return line;
}

static void qp_line(struct slice line, struct out *o)
{
	size_t end = line.n;
	while (end && mail_is(line.p[end - 1], MAIL_WHITE))
		end--;
	struct slice tail = slice_sub(line, end, line.n);
	if (tail.n && tail.p[tail.n - 1] == '\n') /* the line end itself, without the blanks before it */
		tail = slice_sub(tail, tail.n - (tail.n > 1 && tail.p[tail.n - 2] == '\r' ? 2 : 1), tail.n);
	else if (slice_find(tail, '\r') < 0)
		tail = SLICE_NONE; /* blanks at the very end */
	for (size_t i = 0; i < end;) {
		ptrdiff_t at = slice_find(slice_sub(line, i, end - i), '=');
		size_t plain = at < 0 ? end - i : (size_t)at;
		out_slice(o, slice_sub(line, i, plain));
		i += plain;
		if (at < 0)
			break;
		if (i + 1 == end)
			return; /* a soft line end */
		int hi = mail_hex_value(line.p[i + 1]), lo = i + 2 < end ? mail_hex_value(line.p[i + 2]) : -1;
		if (hi < 0 || lo < 0) {
			o->defects |= BIT(qp_malformed);
			out_octet(o, line.p[i++]);
			continue;
		}
		if (line.p[i + 1] >= 'a' || line.p[i + 2] >= 'a')
			o->defects |= BIT(qp_lower_case);
		out_octet(o, (char)(hi << 4 | lo));
		i += 3;
	}
	out_slice(o, tail);
}

static void uu_line(struct slice line, struct out *o)
{
	size_t want = ((unsigned char)line.p[0] - 32u) & 63;
	struct slice in = slice_sub(line, 1, line.n);
	while (in.n && (in.p[in.n - 1] == '\n' || in.p[in.n - 1] == '\r'))
		in.n--;
	for (size_t i = 0; want; i += 4) {
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) /* trailing blanks may have been cut off */
			v = v << 6 | (((i + k < in.n ? (unsigned char)in.p[i + k] : 32u) - 32u) & 63);
		for (int shift = 16; shift >= 0 && want; shift -= 8, want--)
			out_octet(o, (char)(v >> shift));
	}
}

/* A uuencoded body, with or without its "begin" line. */
static void uu_decode_all(struct slice body, struct out *o)
{
	while (body.n && !o->stopped) {
		struct slice line = line_take(&body);
		struct slice text = slice_trim(line);
		if (slice_starts(text, SLICE("begin ")))
			continue;
		if (slice_eq(text, SLICE("end")))
			return;
		size_t want = text.n ? ((unsigned char)line.p[0] - 32u) & 63 : 0;
		if (want == 0)
			continue;
		if ((want + 2) / 3 * 4 + 3 < text.n || (unsigned char)line.p[0] < 32 ||
		    (unsigned char)line.p[0] > 96)
			o->defects |= BIT(encoding_malformed);
		else
			uu_line(line, o);
	}
}

mail_defects mail_transfer_decode(enum mail_encoding e, struct slice body, mail_sink sink, void *ctx)
{
	struct out o;
	o.sink = sink;
	o.ctx = ctx;
	o.stopped = false;
	o.n = 0;
	o.defects = 0;
	switch (e) {
	case MAIL_ENC_BASE64:
		base64_decode_all(body, &o);
		break;
	case MAIL_ENC_QP:
		while (body.n && !o.stopped)
			qp_line(line_take(&body), &o);
		break;
	case MAIL_ENC_UU:
		uu_decode_all(body, &o);
		break;
	case MAIL_ENC_NONE:
		out_slice(&o, body);
		break;
	}
	out_flush(&o);
	return o.defects;
}

static enum result buf_sink(void *ctx, struct slice piece)
{
	struct buf *out = ctx;
	buf_put(out, slice_sub(piece, 0, out->max - out->n));
	return out->n == out->max ? STOP : OK;
}

mail_defects mail_transfer_put(enum mail_encoding e, struct slice body, struct buf *out)
{
	return mail_transfer_decode(e, body, buf_sink, out);
}

/* True when all octets are base64 digits. Written so that the compiler can use vectors. */
static bool all_digits(const char *p, size_t n)
{
	unsigned bad = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		unsigned char fold = (unsigned char)((c | 0x20) - 'a');
		unsigned char digit = (unsigned char)(c - '/'); /* "/" and the digits */
		bad |= (unsigned)!((fold < 26) | (digit < 11) | (c == '+'));
	}
	return bad == 0;
}

static enum result nowhere(void *ctx, struct slice piece)
{
	return OK;
}

/* Lines of one length, a multiple of 4 up to 1000, but for the last; nothing but digits and the final padding. */
static bool base64_even(struct slice body)
{
	while (body.n && mail_is(body.p[body.n - 1], MAIL_WHITE))
		body.n--;
	size_t pads = 0;
	for (; pads < 2 && body.n && body.p[body.n - 1] == '='; pads++)
		body.n--;
	ptrdiff_t at = slice_find(body, '\n');
	if (at < 0)
		return (body.n + pads) % 4 == 0 && all_digits(body.p, body.n);
	size_t end = at > 0 && body.p[at - 1] == '\r' ? 2 : 1;
	size_t len = (size_t)at + 1 - end, i = 0;
	if (len % 4 || len < 32 || len > 1000)
		return false;
	for (; body.n - i > len; i += len + end) {
		if (body.n - i < len + end || body.p[i + len + end - 1] != '\n' ||
		    (end == 2 && body.p[i + len] != '\r'))
			return false;
		if (!all_digits(body.p + i, len))
			return false;
	}
	return (body.n - i + pads) % 4 == 0 && all_digits(body.p + i, body.n - i);
}

static mail_defects base64_check(struct slice body)
{
	if (base64_even(body))
		return 0;
	return BIT(base64_lines) | mail_transfer_decode(MAIL_ENC_BASE64, body, nowhere, NULL);
}

static mail_defects qp_check(struct slice body)
{
	const char *p = body.p, *end = body.p + body.n;
	mail_defects d = 0;
	while ((p = memchr(p, '=', (size_t)(end - p)))) {
		size_t left = (size_t)(end - p);
		if (left > 2 && mail_hex_value(p[1]) >= 0 && mail_hex_value(p[2]) >= 0) {
			if (p[1] >= 'a' || p[2] >= 'a')
				d |= BIT(qp_lower_case);
			p += 3;
			continue;
		}
		for (p++; p < end && (mail_is(*p, MAIL_BLANK) || *p == '\r'); p++)
			;
		if (p < end && *p != '\n')
			d |= BIT(qp_malformed);
		if (p == end)
			break;
	}
	return d;
}

mail_defects mail_transfer_check(enum mail_encoding e, struct slice body)
{
	if (body.n == 0)
		return 0;
	if (e == MAIL_ENC_BASE64)
		return base64_check(body);
	if (e == MAIL_ENC_QP)
		return qp_check(body);
	return e == MAIL_ENC_UU ? mail_transfer_decode(e, body, nowhere, NULL) : 0;
}
