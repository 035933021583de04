/* mail/charset: the Japanese tables to the last entry, variants of ISO-2022-JP, labels, guessing. */
#include "mail/mail.h"
#include "mail/class.h"
#include "mail/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void assert_slice(struct slice got, const char *want)
{
	BUF_LOCAL(z, got.n + 1);
	buf_put(&z, got);
	assert_string_equal(buf_z(&z), want);
}

/* Opens a file of the public sets; NULL when they are not here. */
static FILE *corpus_open(const char *name)
{
	const char *dir = getenv("SEKISHO_CORPORA");
	BUF_LOCAL(path, 4096);
	buf_printf(&path, "%s/charset-japanese/%s", dir ? dir : "../shared/corpora", name);
	FILE *f = fopen(buf_z(&path), "re");
	if (f || dir)
		return f;
	buf_clear(&path);
	buf_printf(&path, "../../shared/corpora/charset-japanese/%s", name);
	return fopen(buf_z(&path), "re");
}

typedef size_t (*decoder)(struct slice, struct buf *);

/* Whether the decoder makes this one code point of the octets, and nothing else. */
static bool decodes(decoder decode, const char *in, size_t n, unsigned want)
{
	BUF_LOCAL(out, 64);
	char z[4];
	struct slice w = slice_of(z, mail_utf8_write(z, want));
	return decode(slice_of(in, n), &out) == 0 && slice_eq(buf_slice(&out), w);
}

static bool jis0208_entry(unsigned p, unsigned want)
{
	unsigned lead = p / 188, trail = p % 188;
	char sjis[2] = {
	    (char)(lead + (lead < 0x1f ? 0x81 : 0xc1)), (char)(trail + (trail < 0x3f ? 0x40 : 0x41))};
	bool ok = decodes(mail_sjis_decode, sjis, 2, want);
	if (p >= 94 * 94)
		return ok;
	char euc[2] = {(char)(p / 94 + 0xa1), (char)(p % 94 + 0xa1)};
	char jis[8] = {27, '$', 'B', (char)(p / 94 + 0x21), (char)(p % 94 + 0x21), 27, '(', 'B'};
	return ok && decodes(mail_eucjp_decode, euc, 2, want) && decodes(mail_jis_decode, jis, 8, want);
}

static bool jis0212_entry(unsigned p, unsigned want)
{
	char euc[3] = {(char)0x8f, (char)(p / 94 + 0xa1), (char)(p % 94 + 0xa1)};
	char jis[9] = {27, '$', '(', 'D', (char)(p / 94 + 0x21), (char)(p % 94 + 0x21), 27, '(', 'B'};
	return decodes(mail_eucjp_decode, euc, 3, want) && decodes(mail_jis_decode, jis, 9, want);
}

/* Half-width katakana; the table maps them to full width for encoders, so the code point itself is wanted. */
static bool katakana_entry(unsigned p, unsigned full_width)
{
	char sjis[1] = {(char)(p + 0xa1)}, euc[2] = {(char)0x8e, (char)(p + 0xa1)};
	char jis[7] = {27, '(', 'I', (char)(p + 0x21), 27, '(', 'B'}, jis7[3] = {14, (char)(p + 0x21), 15};
	unsigned want = 0xff61 + p;
	BUF_LOCAL(half, 8);
	mail_utf8_put(&half, want);
	BUF_LOCAL(folded, 64);
	mail_text_fold(buf_slice(&half), &folded);
	BUF_LOCAL(wide, 8);
	mail_utf8_put(&wide, full_width);
	BUF_LOCAL(full, 64);
	mail_text_fold(buf_slice(&wide), &full);
	bool same =
	    slice_eq(buf_slice(&folded), buf_slice(&full)) || p == 61 || p == 62; /* sound marks combine */
	return same && decodes(mail_sjis_decode, sjis, 1, want) && decodes(mail_eucjp_decode, euc, 2, want) &&
	       decodes(mail_jis_decode, jis, 7, want) && decodes(mail_jis_decode, jis7, 3, want) &&
	       decodes(mail_jis_decode, sjis, 1, want);
}

static unsigned table_check(const char *name, bool (*entry)(unsigned, unsigned), unsigned *total)
{
	FILE *f = corpus_open(name);
	if (!f)
		return 0;
	unsigned good = 0;
	char line[256];
	while (fgets(line, sizeof line, f)) {
		struct slice rest = slice_trim(slice_str(line));
		struct slice pointer = slice_trim(slice_split(&rest, '\t'));
		uint64_t p;
		if (num_u64(pointer, 20000, &p) != OK)
			continue; /* a comment */
		unsigned v = 0;
		for (size_t i = 2; i < rest.n && mail_hex_value(rest.p[i]) >= 0; i++)
			v = v * 16 + (unsigned)mail_hex_value(rest.p[i]);
		bool ok = entry((unsigned)p, v);
		if (!ok)
			print_message("%s: pointer %u is not U+%04X\n", name, (unsigned)p, v);
		good += ok;
		++*total;
	}
	fclose(f);
	return good;
}

static void standard_tables(void **state)
{
	unsigned total = 0;
	unsigned good = table_check("index-jis0208.txt", jis0208_entry, &total);
	good += table_check("index-jis0212.txt", jis0212_entry, &total);
	good += table_check("index-iso-2022-jp-katakana.txt", katakana_entry, &total);
	print_message("Japanese tables: %u of %u entries\n", good, total);
	if (total == 0) {
		print_message("SKIPPED: no public tables at $SEKISHO_CORPORA\n");
		skip();
	}
	assert_int_equal(total, 13854);
	assert_int_equal(good, total);
}

static void decoders(void **state)
{
	static const struct {
		const char *label, *in, *out;
		size_t bad;
	} cases[] = {
	    {"shift_jis", "\x8a\xd6\x8f\x8a\\~", "関所\\~", 0},
	    {"shift_jis", "\xb6\xde\x80", "ｶﾞ\xc2\x80", 0},
	    {"shift_jis", "\x87\x40\xed\x40\xfa\x40\xf0\x40", "①纊ⅰ\xee\x80\x80",
		0}, /* NEC, IBM, user-defined */
	    {"shift_jis", "\x8a", "\xef\xbf\xbd", 1},
	    {"shift_jis", "\x81\x20", "\xef\xbf\xbd ", 1}, /* ASCII behind a bad lead stays */
	    {"shift_jis", "\xa0\xfd\xff", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3},
	    {"euc-jp", "\xb4\xd8\xbd\xea", "関所", 0},
	    {"euc-jp", "\x8e\xb6\x8f\xb0\xa1", "ｶ丂", 0},
	    {"euc-jp", "\xb4\x41",
		"\xef\xbf\xbd"
		"A",
		1},
	    {"euc-jp", "\x8f\xb0", "\xef\xbf\xbd", 1},
	    {"iso-2022-jp", "a\033$B4X=j\033(Bb", "a関所b", 0},
	    {"iso-2022-jp", "\033$@4X\033(J\\~\033(B", "関¥‾", 0},
	    {"iso-2022-jp", "\033$B4X=j", "関所", 0},
	    {"iso-2022-jp", "\033$B4X\r\nabc", "関\r\nabc", 0}, /* a line begins in ASCII */
	    {"iso-2022-jp", "\033$B4X =j\033(B", "関 所", 0},
	    {"iso-2022-jp", "\033&@\033$B4X\033(B", "関", 0},
	    {"iso-2022-jp", "\033$B-!\033(B", "①", 0}, /* NEC row 13 */
	    {"iso-2022-jp", "\033$By!\033(B", "纊", 0},
	    {"iso-2022-jp-1", "\033$(D0!\033(B", "丂", 0},
	    {"iso-2022-jp-2", "\033$A0!\033(B \033$(C0!\033(B", "啊 가", 0},
	    {"iso-2022-jp-2", "\033.A\033Ni", "é", 0},
	    {"iso-2022-jp-2", "\033.F\033Na", "α", 0},
	    {"iso-2022-jp-3", "\033$(O.!\033$(P!!\033(B", "俱𠂉", 0},
	    {"iso-2022-jp-3", "\033$(O$w\033(B", "か\xe3\x82\x9a", 0}, /* two code points */
	    {"cp50220", "\033(I6^\033(B", "ｶﾞ", 0},
	    {"jis7",
		"\x0e"
		"6^"
		"\x0f"
		"x",
		"ｶﾞx", 0},
	    {"iso-2022-jp", "\033x", "\xef\xbf\xbdx", 1},
	    {"iso-2022-jp", "\033$B4", "\xef\xbf\xbd", 1},
	    {"utf-8", "関所", "関所", 0},
	    {"utf-8", "\xe9\x96\xa2\xff", "関\xef\xbf\xbd", 1},
	    {"utf-8", "\xe9\x96 x \xf0\x9f\x98", "\xef\xbf\xbd x \xef\xbf\xbd", 2},
	    {"us-ascii", "a\x80", "a\xef\xbf\xbd", 1},
	    {"iso-8859-1", "caf\xe9 \x80", "café €", 0},
	    {"iso-8859-15", "\xa4", "€", 0},
	    {"windows-1251", "\xcf\xf0", "Пр", 0},
	    {"koi8-r", "\xf0\xd2", "Пр", 0},
	    {"gb2312", "\xb9\xd8", "关", 0},
	    {"big5", "\xc3\xf6", "關", 0},
	    {"euc-kr", "\xb0\xfc", "관", 0},
	    {"ks_c_5601-1987", "\x8c\x63", "똠", 0},
	    {"iso-2022-kr", "\033$)C\x0e\x30\x7c\x0f", "관", 0},
	    {"unicode-1-1-utf-7", "+laJiQA-", "関所", 0},
	    {"utf-16", "\xfe\xff\x95\xa2\x62\x40", "関所", 0},
	    {"utf-16", "a\0b\0", "ab", 0},
	    {"utf-16be", "\x95\xa2", "関", 0},
	    {"utf-16be", "\xd8\x42", "\xef\xbf\xbd", 1},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mail_charset cs;
		assert_true(mail_charset_find(slice_str(cases[i].label), &cs));
		struct slice in = slice_str(cases[i].in);
		if (slice_eq(in, SLICE("a")))
			in.n = 4; /* UTF-16, with its zeros */
		BUF_LOCAL(out, 100);
		size_t bad = mail_charset_decode(&cs, in, &out);
		assert_slice(buf_slice(&out), cases[i].out);
		assert_int_equal(bad, cases[i].bad);
	}
}

static void labels(void **state)
{
	static const struct {
		const char *label;
		enum mail_charset_kind kind;
	} cases[] = {
	    {"US-ASCII", MAIL_CS_ASCII},
	    {" \"utf-8\" ", MAIL_CS_UTF8},
	    {"'utf8'", MAIL_CS_UTF8},
	    {"X-SJIS", MAIL_CS_SJIS},
	    {"cp932", MAIL_CS_SJIS},
	    {"Windows-31J", MAIL_CS_SJIS},
	    {"MS_Kanji", MAIL_CS_SJIS},
	    {"x-euc-jp", MAIL_CS_EUCJP},
	    {"ISO-2022-JP-MS", MAIL_CS_JIS},
	    {"cp50221", MAIL_CS_JIS},
	    {"iso2022jp", MAIL_CS_JIS},
	    {"ISO-8859-1", MAIL_CS_LATIN1},
	    {"windows-1252", MAIL_CS_LATIN1},
	    {"iso-8859-2", MAIL_CS_ICU},
	    {"windows-1250", MAIL_CS_ICU},
	    {"gb18030", MAIL_CS_ICU},
	    {"hz-gb-2312", MAIL_CS_ICU},
	    {"tis-620", MAIL_CS_ICU},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mail_charset cs;
		assert_true(mail_charset_find(slice_str(cases[i].label), &cs));
		assert_int_equal(cs.kind, cases[i].kind);
	}
	struct mail_charset cs;
	assert_false(mail_charset_find(SLICE("no-such-set"), &cs));
	assert_false(mail_charset_find(SLICE(""), &cs));
}

static void wrong_and_missing_labels(void **state)
{
	static const char *const cases[][3] = {
	    {"", "plain", "plain"},
	    {"", "\x8a\xd6\x8f\x8a\x82\xcc\x83\x81\x81\x5b\x83\x8b", "関所のメール"},
	    {"", "\xb4\xd8\xbd\xea\xa4\xce\xa5\xe1\xa1\xbc\xa5\xeb", "関所のメール"},
	    {"", "\033$B4X=j$N%a!<%k\033(B", "関所のメール"},
	    {"", "関所のメール", "関所のメール"},
	    {"",
		"M\xfcnchen, Stra\xdf"
		"e",
		"München, Straße"},
	    {"us-ascii", "\x8a\xd6\x8f\x8a\x82\xcc", "関所の"},
	    {"us-ascii", "\033$B4X=j\033(B", "関所"},
	    {"utf-8", "\x8a\xd6\x8f\x8a\x82\xcc\x83\x81", "関所のメ"},
	    {"utf-8", "M\xfcnchen", "München"},
	    {"utf-8", "\033$B4X=j\033(B", "関所"},
	    {"iso-2022-jp", "\x8a\xd6\x8f\x8a\x82\xcc\x83\x81", "関所のメ"},
	    {"iso-2022-jp", "関所のメール", "関所のメール"},
	    {"shift_jis", "\xb4\xd8\xbd\xea\xa4\xce\xa5\xe1\xa1\xbc\xa5\xeb", "関所のメール"},
	    {"euc-jp", "\x8a\xd6\x8f\x8a\x82\xcc\x83\x81", "関所のメ"},
	    {"no-such-set", "関所", "関所"},
	    {"utf-8", "関所のメール\xff関所", "関所のメール\xef\xbf\xbd関所"},
	    {"iso-8859-1", "M\xfcnchen", "München"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(out, 200);
		mail_text_decode(slice_str(cases[i][0]), slice_str(cases[i][1]), &out);
		assert_slice(buf_slice(&out), cases[i][2]);
	}
}

/* Whatever comes in, UTF-8 comes out. */
static void always_utf8(void **state)
{
	static const char *const names[] = {"us-ascii", "utf-8", "iso-8859-1", "shift_jis", "euc-jp",
	    "iso-2022-jp", "utf-7", "utf-16", "utf-32", "gb18030", "big5", "euc-kr", "iso-2022-kr",
	    "iso-2022-cn", "hz", "windows-1253", "ibm-930", "scsu", "bocu-1", ""};
	uint32_t seed = 1;
	for (size_t k = 0; k < COUNT(names); k++) {
		for (int round = 0; round < 300; round++) {
			char in[64];
			for (size_t i = 0; i < sizeof in; i++) {
				seed = seed * 1664525 + 1013904223;
				in[i] = (char)(seed >> 24);
				if (seed >> 16 & 1)
					in[i] = "\033$B(IJ\x0e\x0f+-\x8f\x8e~{}A"[seed >> 8 & 15];
			}
			BUF_LOCAL(out, 4096);
			mail_text_decode(slice_str(names[k]), slice_of(in, sizeof in), &out);
			assert_true(slice_is_utf8(buf_slice(&out)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(standard_tables),
	    cmocka_unit_test(decoders),
	    cmocka_unit_test(labels),
	    cmocka_unit_test(wrong_and_missing_labels),
	    cmocka_unit_test(always_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
