/* charset_jp: Shift_JIS, EUC-JP and the ISO-2022-JP family, after the WHATWG Encoding Standard, RFC 1468 and 1554. */
#include "charset.h"
#include "mail/jis_tables.h"
#include "utf8.h"
#include <unicode/ucnv.h>

#define PAIR(row, cell) ((unsigned)(row)*94 + (unsigned)(cell))

uint32_t mail_jis0208(unsigned pointer)
{
	if (pointer >= 8836 && pointer <= 10715)
		return 0xe000 - 8836 + pointer;
	return pointer < 120 * 94 ? jis0208[pointer] : 0;
}

uint32_t mail_jis0212(unsigned pointer)
{
	return pointer < 94 * 94 ? jis0212[pointer] : 0;
}

uint32_t mail_jis0213(int plane, unsigned pointer, uint32_t *second_out)
{
	uint32_t v = pointer >= 94 * 94 ? 0 : plane == 2 ? jis0213_2[pointer] : jis0213_1[pointer];
	*second_out = v >> 18 ? (v >> 18) - 1 + 0x300 : 0;
	return v & 0x3ffff;
}

/* Copies the ASCII at the start of *rest; these decoders meet ESC, SO and SI only where they look for them. */
static void ascii_copy(struct slice *rest, struct buf *out)
{
	size_t n = mail_ascii_run(*rest);
	buf_put(out, slice_sub(*rest, 0, n));
	*rest = slice_sub(*rest, n, rest->n);
}

static unsigned char octet(struct slice s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : 0;
}

static unsigned sjis_pointer(unsigned char lead, unsigned char trail)
{
	if (!((trail >= 0x40 && trail <= 0x7e) || (trail >= 0x80 && trail <= 0xfc)))
		return 0xffff;
	return (lead - (lead < 0xa0 ? 0x81u : 0xc1u)) * 188 + trail - (trail < 0x7f ? 0x40u : 0x41u);
}

size_t mail_sjis_decode(struct slice in, struct buf *out)
{
	size_t bad = 0;
	for (;;) {
		ascii_copy(&in, out);
		if (in.n == 0)
			return bad;
		unsigned char lead = octet(in, 0), trail = octet(in, 1);
		size_t used = 1;
		uint32_t v = 0;
		if (lead == 0x80) {
			v = 0x80;
		} else if (lead >= 0xa1 && lead <= 0xdf) {
			v = 0xff61 - 0xa1u + lead;
		} else if (lead != 0xa0 && lead < 0xfd && in.n > 1) {
			v = mail_jis0208(sjis_pointer(lead, trail));
			used = v || trail > 127 ? 2 : 1;
		}
		bad += v == 0;
		mail_utf8_put(out, v ? v : UTF8_BAD);
		in = slice_sub(in, used, in.n);
	}
}

static bool is_gr(unsigned char c)
{
	return c >= 0xa1 && c <= 0xfe;
}

/* One character of EUC-JP; *used_out tells how many octets it (or the malformed octets) took. */
static uint32_t eucjp_take(struct slice in, size_t *used_out)
{
	unsigned char a = octet(in, 0), b = octet(in, 1), c = octet(in, 2);
	*used_out = 1;
	if (a == 0x8e && b >= 0xa1 && b <= 0xdf) {
		*used_out = 2;
		return 0xff61 - 0xa1u + b;
	}
	if (a == 0x8f && is_gr(b)) {
		*used_out = is_gr(c) ? 3 : c > 127 ? 3 : 2;
		if (*used_out > in.n)
			*used_out = in.n;
		return is_gr(c) ? mail_jis0212(PAIR(b - 0xa1, c - 0xa1)) : 0;
	}
	if (is_gr(a) && is_gr(b)) {
		*used_out = 2;
		return mail_jis0208(PAIR(a - 0xa1, b - 0xa1));
	}
	if ((is_gr(a) || a == 0x8e || a == 0x8f) && in.n > 1 && b > 127)
		*used_out = 2;
	return 0;
}

size_t mail_eucjp_decode(struct slice in, struct buf *out)
{
	size_t bad = 0;
	for (;;) {
		ascii_copy(&in, out);
		if (in.n == 0)
			return bad;
		size_t used;
		uint32_t v = eucjp_take(in, &used);
		bad += v == 0;
		mail_utf8_put(out, v ? v : UTF8_BAD);
		in = slice_sub(in, used, in.n);
	}
}

enum jis_set { ASCII, ROMAN, KANA, X0208, X0212, X0213_1, X0213_2, GB2312, KSC5601, LATIN1_HIGH, GREEK_HIGH };

struct jis {
	enum jis_set g0, g2;
	bool shifted; /* between SO and SI: half-width katakana, JIS7 */
	size_t bad;
	struct buf *out;
};

static const struct jis_escape {
	struct slice seq; /* behind ESC */
	enum jis_set set;
	bool g2;
} escapes[] = {
    {SLICE("(B"), ASCII, false},
    {SLICE("$B"), X0208, false},
    {SLICE("$@"), X0208, false},
    {SLICE("(J"), ROMAN, false},
    {SLICE("(I"), KANA, false},
    {SLICE("(H"), ROMAN, false},
    {SLICE("$(D"), X0212, false},
    {SLICE("$(@"), X0208, false},
    {SLICE("$(B"), X0208, false},
    {SLICE("$(O"), X0213_1, false},
    {SLICE("$(Q"), X0213_1, false},
    {SLICE("$(P"), X0213_2, false},
    {SLICE("$A"), GB2312, false},
    {SLICE("$(A"), GB2312, false},
    {SLICE("$(C"), KSC5601, false},
    {SLICE(".A"), LATIN1_HIGH, true},
    {SLICE(".F"), GREEK_HIGH, true},
};

/* The escape sequence at the start of s, which begins with ESC; 0 when it is none of ours. */
static size_t jis_escape(struct jis *j, struct slice s)
{
	struct slice rest = slice_sub(s, 1, s.n);
	if (slice_starts(rest, SLICE("&@"))) /* announces JIS X 0208-1990; the set itself follows */
		return 3;
	for (size_t i = 0; i < COUNT(escapes); i++) {
		if (!slice_starts(rest, escapes[i].seq))
			continue;
		if (escapes[i].g2)
			j->g2 = escapes[i].set;
		else
			j->g0 = escapes[i].set;
		return escapes[i].seq.n + 1;
	}
	return 0;
}

/* A pair of a foreign 94x94 set or one octet of a foreign 96-set, through ICU. */
static uint32_t icu_char(const char *name, const char *in, int n)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar out[4];
	UConverter *cnv = ucnv_open(name, &err);
	if (U_FAILURE(err))
		return 0;
	int32_t len = ucnv_toUChars(cnv, out, COUNT(out), in, n, &err);
	ucnv_close(cnv);
	return U_SUCCESS(err) && len == 1 && out[0] != UTF8_BAD ? out[0] : 0;
}

static void jis_put(struct jis *j, uint32_t v)
{
	j->bad += v == 0;
	mail_utf8_put(j->out, v ? v : UTF8_BAD);
}

static void jis_pair(struct jis *j, unsigned char a, unsigned char b)
{
	unsigned pointer = PAIR(a - 0x21, b - 0x21);
	char high[2] = {(char)(a | 0x80), (char)(b | 0x80)};
	uint32_t second = 0;
	switch (j->g0) {
	case X0212:
		jis_put(j, mail_jis0212(pointer));
		break;
	case X0213_1:
	case X0213_2:
		jis_put(j, mail_jis0213(j->g0 == X0213_2 ? 2 : 1, pointer, &second));
		if (second)
			jis_put(j, second);
		break;
	case GB2312:
		jis_put(j, icu_char("GB2312", high, 2));
		break;
	case KSC5601:
		jis_put(j, icu_char("EUC-KR", high, 2));
		break;
	default:
		jis_put(j, mail_jis0208(pointer));
	}
}

/* One octet in a single-byte state. */
static void jis_single(struct jis *j, unsigned char c)
{
	if (c > 127)
		jis_put(j, c >= 0xa1 && c <= 0xdf ? 0xff61 - 0xa1u + c : 0);
	else if ((j->shifted || j->g0 == KANA) && c >= 0x21 && c <= 0x5f)
		jis_put(j, 0xff61 - 0x21u + c);
	else if (j->g0 == ROMAN && c == '\\')
		jis_put(j, 0xa5);
	else if (j->g0 == ROMAN && c == '~')
		jis_put(j, 0x203e);
	else
		buf_putc(j->out, (char)c);
}

/* ESC at the start of s: an escape, a single shift (RFC 1554), or a stray one. Returns the octets used. */
static size_t jis_control(struct jis *j, struct slice s)
{
	size_t n = jis_escape(j, s);
	if (n)
		return n;
	if (octet(s, 1) == 'N' && s.n > 2 && j->g2 != ASCII) {
		char high = (char)(octet(s, 2) | 0x80);
		jis_put(j, icu_char(j->g2 == LATIN1_HIGH ? "ISO-8859-1" : "ISO-8859-7", &high, 1));
		return 3;
	}
	jis_put(j, 0);
	return 1;
}

/* Takes what stands at the start of s in the present state; returns the octets used. */
static size_t jis_step(struct jis *j, struct slice s)
{
	unsigned char c = octet(s, 0);
	if (c == 0x1b)
		return jis_control(j, s);
	if (c == 0x0e || c == 0x0f) {
		j->shifted = c == 0x0e;
		return 1;
	}
	if (c == '\n' || c == '\r') { /* a line begins in ASCII, RFC 1468; many forget to say so */
		j->g0 = ASCII;
		j->shifted = false;
		buf_putc(j->out, (char)c);
		return 1;
	}
	if (j->g0 < X0208 || j->shifted) {
		jis_single(j, c);
		return 1;
	}
	unsigned char d = octet(s, 1);
	if (c >= 0x21 && c <= 0x7e && d >= 0x21 && d <= 0x7e) {
		jis_pair(j, c, d);
		return 2;
	}
	if (c <= 0x20 || c == 0x7f)
		buf_putc(j->out, (char)c);
	else
		jis_put(j, 0);
	return 1;
}

size_t mail_jis_decode(struct slice in, struct buf *out)
{
	struct jis j = {.out = out};
	while (in.n) {
		size_t n = 0;
		if (j.g0 == ASCII && !j.shifted)
			while (n < in.n && octet(in, n) < 0x80 && octet(in, n) != 0x1b &&
			       octet(in, n) != 0x0e && octet(in, n) != 0x0f)
				n++;
		if (n)
			buf_put(out, slice_sub(in, 0, n));
		else
			n = jis_step(&j, in);
		in = slice_sub(in, n, in.n);
	}
	return j.bad;
}
