#include "charset.h"
#include "utf8.h"
#include <unicode/ucnv.h>
#include <unicode/utf16.h>

static const struct {
	struct slice label;
	enum mail_charset_kind kind;
	const char *icu;
} labels[] = {
    {SLICE("us-ascii"), MAIL_CS_ASCII, NULL},
    {SLICE("ascii"), MAIL_CS_ASCII, NULL},
    {SLICE("ansi_x3.4-1968"), MAIL_CS_ASCII, NULL},
    {SLICE("ansi_x3.4-1986"), MAIL_CS_ASCII, NULL},
    {SLICE("iso646-us"), MAIL_CS_ASCII, NULL},
    {SLICE("iso_646.irv:1991"), MAIL_CS_ASCII, NULL},
    {SLICE("cp367"), MAIL_CS_ASCII, NULL},
    {SLICE("646"), MAIL_CS_ASCII, NULL},
    {SLICE("utf-8"), MAIL_CS_UTF8, NULL},
    {SLICE("utf8"), MAIL_CS_UTF8, NULL},
    {SLICE("unicode-1-1-utf-8"), MAIL_CS_UTF8, NULL},
    {SLICE("x-unicode-2-0-utf-8"), MAIL_CS_UTF8, NULL},
    {SLICE("utf8mb4"), MAIL_CS_UTF8, NULL},
    {SLICE("cp65001"), MAIL_CS_UTF8, NULL},
    {SLICE("iso-8859-1"), MAIL_CS_LATIN1, NULL},
    {SLICE("iso8859-1"), MAIL_CS_LATIN1, NULL},
    {SLICE("iso_8859-1"), MAIL_CS_LATIN1, NULL},
    {SLICE("iso_8859-1:1987"), MAIL_CS_LATIN1, NULL},
    {SLICE("latin1"), MAIL_CS_LATIN1, NULL},
    {SLICE("latin-1"), MAIL_CS_LATIN1, NULL},
    {SLICE("l1"), MAIL_CS_LATIN1, NULL},
    {SLICE("cp819"), MAIL_CS_LATIN1, NULL},
    {SLICE("windows-1252"), MAIL_CS_LATIN1, NULL},
    {SLICE("cp1252"), MAIL_CS_LATIN1, NULL},
    {SLICE("cp-1252"), MAIL_CS_LATIN1, NULL},
    {SLICE("x-cp1252"), MAIL_CS_LATIN1, NULL},
    {SLICE("ansi"), MAIL_CS_LATIN1, NULL},
    {SLICE("shift_jis"), MAIL_CS_SJIS, NULL},
    {SLICE("shift-jis"), MAIL_CS_SJIS, NULL},
    {SLICE("shiftjis"), MAIL_CS_SJIS, NULL},
    {SLICE("x-sjis"), MAIL_CS_SJIS, NULL},
    {SLICE("x-shift-jis"), MAIL_CS_SJIS, NULL},
    {SLICE("x-shift_jis"), MAIL_CS_SJIS, NULL},
    {SLICE("sjis"), MAIL_CS_SJIS, NULL},
    {SLICE("sjis-win"), MAIL_CS_SJIS, NULL},
    {SLICE("x-ms-cp932"), MAIL_CS_SJIS, NULL},
    {SLICE("cp932"), MAIL_CS_SJIS, NULL},
    {SLICE("cp-932"), MAIL_CS_SJIS, NULL},
    {SLICE("cp943c"), MAIL_CS_SJIS, NULL},
    {SLICE("ms932"), MAIL_CS_SJIS, NULL},
    {SLICE("932"), MAIL_CS_SJIS, NULL},
    {SLICE("windows-31j"), MAIL_CS_SJIS, NULL},
    {SLICE("windows-932"), MAIL_CS_SJIS, NULL},
    {SLICE("cswindows31j"), MAIL_CS_SJIS, NULL},
    {SLICE("csshiftjis"), MAIL_CS_SJIS, NULL},
    {SLICE("ms_kanji"), MAIL_CS_SJIS, NULL},
    {SLICE("mskanji"), MAIL_CS_SJIS, NULL},
    {SLICE("euc-jp"), MAIL_CS_EUCJP, NULL},
    {SLICE("euc_jp"), MAIL_CS_EUCJP, NULL},
    {SLICE("eucjp"), MAIL_CS_EUCJP, NULL},
    {SLICE("eucjp-ms"), MAIL_CS_EUCJP, NULL},
    {SLICE("euc-jp-ms"), MAIL_CS_EUCJP, NULL},
    {SLICE("eucjp-win"), MAIL_CS_EUCJP, NULL},
    {SLICE("cp51932"), MAIL_CS_EUCJP, NULL},
    {SLICE("x-euc-jp"), MAIL_CS_EUCJP, NULL},
    {SLICE("x-euc"), MAIL_CS_EUCJP, NULL},
    {SLICE("x-eucjp"), MAIL_CS_EUCJP, NULL},
    {SLICE("ujis"), MAIL_CS_EUCJP, NULL},
    {SLICE("cseucpkdfmtjapanese"), MAIL_CS_EUCJP, NULL},
    {SLICE("extended_unix_code_packed_format_for_japanese"), MAIL_CS_EUCJP, NULL},
    {SLICE("iso-2022-jp"), MAIL_CS_JIS, NULL},
    {SLICE("iso2022-jp"), MAIL_CS_JIS, NULL},
    {SLICE("iso2022jp"), MAIL_CS_JIS, NULL},
    {SLICE("iso_2022-jp"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022jp"), MAIL_CS_JIS, NULL},
    {SLICE("csiso2022jp"), MAIL_CS_JIS, NULL},
    {SLICE("csiso2022jp2"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022-jp-1"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022-jp-2"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022-jp-3"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022-jp-2004"), MAIL_CS_JIS, NULL},
    {SLICE("iso-2022-jp-ms"), MAIL_CS_JIS, NULL},
    {SLICE("cp50220"), MAIL_CS_JIS, NULL},
    {SLICE("cp50221"), MAIL_CS_JIS, NULL},
    {SLICE("cp50222"), MAIL_CS_JIS, NULL},
    {SLICE("x-windows-50220"), MAIL_CS_JIS, NULL},
    {SLICE("x-windows-50221"), MAIL_CS_JIS, NULL},
    {SLICE("x-windows-iso2022jp"), MAIL_CS_JIS, NULL},
    {SLICE("jis"), MAIL_CS_JIS, NULL},
    {SLICE("jis7"), MAIL_CS_JIS, NULL},
    {SLICE("jis8"), MAIL_CS_JIS, NULL},
    {SLICE("jis_encoding"), MAIL_CS_JIS, NULL},
    {SLICE("csjisencoding"), MAIL_CS_JIS, NULL},
    {SLICE("unicode-1-1-utf-7"), MAIL_CS_ICU, "UTF-7"},
    {SLICE("x-unicode-2-0-utf-7"), MAIL_CS_ICU, "UTF-7"},
    {SLICE("csunicode11utf7"), MAIL_CS_ICU, "UTF-7"},
    {SLICE("iso-8859-8-i"), MAIL_CS_ICU, "ISO-8859-8"},
    {SLICE("iso-8859-8-e"), MAIL_CS_ICU, "ISO-8859-8"},
    {SLICE("iso-8859-6-i"), MAIL_CS_ICU, "ISO-8859-6"},
    {SLICE("gb2312"), MAIL_CS_ICU, "GB18030"}, /* its superset, as every reader has it */
    {SLICE("gbk"), MAIL_CS_ICU, "GB18030"},
    {SLICE("cp936"), MAIL_CS_ICU, "GB18030"},
    {SLICE("x-gbk"), MAIL_CS_ICU, "GB18030"},
    {SLICE("gb_2312-80"), MAIL_CS_ICU, "GB18030"},
    {SLICE("euc-cn"), MAIL_CS_ICU, "GB18030"},
    {SLICE("big5"), MAIL_CS_ICU, "Big5-HKSCS"},
    {SLICE("x-big5"), MAIL_CS_ICU, "Big5-HKSCS"},
    {SLICE("ks_c_5601-1987"), MAIL_CS_ICU, "windows-949"},
    {SLICE("ks_c_5601"), MAIL_CS_ICU, "windows-949"},
    {SLICE("euc-kr"), MAIL_CS_ICU, "windows-949"},
    {SLICE("tis-620"), MAIL_CS_ICU, "windows-874"},
    {SLICE("iso-8859-11"), MAIL_CS_ICU, "windows-874"},
};

static bool find_icu(struct slice label, struct mail_charset *out)
{
	char z[sizeof out->icu];
	if (label.n == 0 || label.n >= sizeof z || slice_find(label, 0) >= 0 || !slice_is_ascii(label))
		return false;
	memcpy(z, label.p, label.n);
	z[label.n] = 0;
	UErrorCode err = U_ZERO_ERROR;
	if (ucnv_countAliases(z, &err) == 0 || U_FAILURE(err))
		return false;
	out->kind = MAIL_CS_ICU;
	memcpy(out->icu, z, sizeof z);
	return true;
}

bool mail_charset_find(struct slice label, struct mail_charset *out)
{
	label = slice_trim(label);
	if (label.n > 1 && (label.p[0] == '"' || label.p[0] == '\''))
		label = slice_trim(slice_sub(label, 1, label.n - 2));
	for (size_t i = 0; i < COUNT(labels); i++) {
		if (!slice_ieq(label, labels[i].label))
			continue;
		*out = (struct mail_charset){.kind = labels[i].kind};
		if (labels[i].icu)
			memcpy(out->icu, labels[i].icu, strlen(labels[i].icu) + 1);
		return true;
	}
	return find_icu(label, out);
}

size_t mail_utf8_decode(struct slice in, struct buf *out)
{
	if (slice_is_utf8(in)) {
		buf_put(out, in);
		return 0;
	}
	size_t bad = 0;
	while (in.n) {
		size_t n = mail_ascii_run(in);
		buf_put(out, slice_sub(in, 0, n));
		in = slice_sub(in, n, in.n);
		while (in.n && (unsigned char)in.p[0] > 127) {
			bool ok;
			uint32_t v = mail_utf8_take(&in, &ok);
			bad += !ok;
			mail_utf8_put(out, v);
		}
	}
	return bad;
}

static size_t ascii_decode(struct slice in, struct buf *out)
{
	size_t bad = 0;
	while (in.n) {
		size_t n = mail_ascii_run(in);
		buf_put(out, slice_sub(in, 0, n));
		in = slice_sub(in, n, in.n);
		if (in.n) {
			bad++;
			mail_utf8_put(out, UTF8_BAD);
			in = slice_sub(in, 1, in.n);
		}
	}
	return bad;
}

static size_t latin1_decode(struct slice in, struct buf *out)
{
	static const uint16_t c1[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,
	    0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	    0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};
	while (in.n) {
		size_t n = mail_ascii_run(in);
		buf_put(out, slice_sub(in, 0, n));
		in = slice_sub(in, n, in.n);
		for (; in.n && (unsigned char)in.p[0] > 127; in = slice_sub(in, 1, in.n)) {
			unsigned char c = (unsigned char)in.p[0];
			mail_utf8_put(out, c < 0xa0 ? c1[c - 0x80] : c);
		}
	}
	return 0;
}

/* Writes UTF-16; a lead without its trail waits in *lead for the next call. */
static size_t utf16_put(const UChar *u, size_t n, UChar *lead, struct buf *out)
{
	size_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		if (*lead && U16_IS_TRAIL(u[i])) {
			mail_utf8_put(out, (uint32_t)U16_GET_SUPPLEMENTARY(*lead, u[i]));
			*lead = 0;
			continue;
		}
		bool lone = *lead != 0 || U16_IS_TRAIL(u[i]) || u[i] == UTF8_BAD;
		*lead = 0;
		if (lone) {
			bad++;
			mail_utf8_put(out, UTF8_BAD);
		}
		if (U16_IS_LEAD(u[i]))
			*lead = u[i];
		else if (!U16_IS_TRAIL(u[i]) && u[i] != UTF8_BAD)
			mail_utf8_put(out, u[i]);
	}
	return bad;
}

/* UTF-16 that does not say its order: most text is made of small code points, whose upper octet is 0. */
static const char *utf16_order(const char *name, struct slice in)
{
	bool mark = in.n > 1 &&
		    ((in.p[0] == '\xfe' && in.p[1] == '\xff') || (in.p[0] == '\xff' && in.p[1] == '\xfe'));
	if (mark || !slice_ieq(slice_str(name), SLICE("utf-16")))
		return name;
	size_t even = 0, odd = 0;
	for (size_t i = 0; i + 1 < in.n; i += 2) {
		even += in.p[i] == 0 || in.p[i] == 0x30;
		odd += in.p[i + 1] == 0 || in.p[i + 1] == 0x30;
	}
	return odd > even ? "UTF-16LE" : "UTF-16BE";
}

static size_t icu_decode(const char *name, struct slice in, struct buf *out)
{
	name = utf16_order(name, in);
	UErrorCode err = U_ZERO_ERROR;
	UConverter *cnv = ucnv_open(name, &err);
	if (U_FAILURE(err))
		return ascii_decode(in, out);
	size_t bad = 0;
	UChar chunk[512], lead = 0;
	const char *p = in.p, *end = in.p + in.n;
	do {
		UChar *t = chunk;
		err = U_ZERO_ERROR;
		ucnv_toUnicode(cnv, &t, chunk + COUNT(chunk), &p, end, NULL, 1, &err);
		bad += utf16_put(chunk, (size_t)(t - chunk), &lead, out);
	} while (err == U_BUFFER_OVERFLOW_ERROR && !out->over);
	if (lead) {
		bad++;
		mail_utf8_put(out, UTF8_BAD);
	}
	ucnv_close(cnv);
	return bad;
}

size_t mail_charset_decode(const struct mail_charset *cs, struct slice in, struct buf *out)
{
	if (in.n == 0)
		return 0;
	switch (cs->kind) {
	case MAIL_CS_ASCII:
		return ascii_decode(in, out);
	case MAIL_CS_UTF8:
		return mail_utf8_decode(in, out);
	case MAIL_CS_LATIN1:
		return latin1_decode(in, out);
	case MAIL_CS_SJIS:
		return mail_sjis_decode(in, out);
	case MAIL_CS_EUCJP:
		return mail_eucjp_decode(in, out);
	case MAIL_CS_JIS:
		return mail_jis_decode(in, out);
	case MAIL_CS_ICU:
		return icu_decode(cs->icu, in, out);
	}
	return ascii_decode(in, out);
}
