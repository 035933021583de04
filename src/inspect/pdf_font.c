/* pdf_font: what the codes of a font mean: by its ToUnicode map, by a character set its encoding names, by glyph names. */
#include "inspect/pdf.h"
#include "mail/charset.h"
#include "mail/utf8.h"
#include <stdlib.h>

#define ENTRIES_MOST 100000
#define MAP_MOST ((size_t)4 << 20)

struct entry {
	uint32_t low, high;
	struct slice to; /* UTF-16BE; the last unit counts up with the code */
};

struct pdf_font {
	bool wide;          /* codes of two octets */
	bool known;         /* anything can be told */
	const char *labels; /* the character set of its codes; NULL: none */
	struct entry *map;  /* by low */
	size_t n;
	uint16_t simple[256]; /* 0: nothing */
};

/* ---- ToUnicode, 9.10.3 ---- */

static uint32_t code_of(struct slice value)
{
	uint32_t v = 0;
	BUF_LOCAL(octets, 8);
	pdf_string(value, &octets);
	for (size_t i = 0; i < octets.n && i < 4; i++)
		v = v << 8 | (unsigned char)octets.p[i];
	return v;
}

static void add_entry(struct pdf *p, struct pdf_font *f, uint32_t low, uint32_t high, struct slice to)
{
	if (f->n == ENTRIES_MOST || !to.n || to.p[0] != '<' || high < low)
		return;
	BUF_LOCAL(octets, 64);
	pdf_string(to, &octets);
	f->map[f->n++] = (struct entry){low, high, arena_dup(p->arena, buf_slice(&octets))};
}

static void read_chars(struct pdf *p, struct pdf_font *f, struct slice *rest)
{
	for (;;) {
		struct slice from = pdf_next(rest);
		if (!from.n || from.p[0] != '<')
			return;
		add_entry(p, f, code_of(from), code_of(from), pdf_next(rest));
	}
}

static void read_ranges(struct pdf *p, struct pdf_font *f, struct slice *rest)
{
	for (;;) {
		struct slice from = pdf_next(rest);
		if (!from.n || from.p[0] != '<')
			return;
		uint32_t low = code_of(from), high = code_of(pdf_next(rest));
		struct slice to = pdf_next(rest);
		if (to.n && to.p[0] == '[') {
			struct slice list = slice_sub(to, 1, to.n - 1), one;
			for (; low <= high && (one = pdf_next(&list)).n && one.p[0] == '<'; low++)
				add_entry(p, f, low, low, one);
		} else {
			add_entry(p, f, low, high, to);
		}
	}
}

static int by_low(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return (x->low > y->low) - (x->low < y->low);
}

static void read_map(struct pdf *p, struct pdf_font *f, struct slice object)
{
	BUF_LOCAL(text, MAP_MOST);
	struct slice token;
	if (!pdf_stream(p, object, &text))
		return;
	f->map = calloc(ENTRIES_MOST, sizeof *f->map);
	if (!f->map)
		abort();
	struct slice rest = buf_slice(&text);
	while ((token = pdf_next(&rest)).n && inspect_budget_take(p->budget, 0)) {
		if (slice_eq(token, SLICE("beginbfchar")))
			read_chars(p, f, &rest);
		else if (slice_eq(token, SLICE("beginbfrange")))
			read_ranges(p, f, &rest);
	}
	if (f->n)
		qsort(f->map, f->n, sizeof *f->map, by_low);
	struct entry *kept = arena_array(p->arena, f->n + 1, sizeof *kept);
	if (kept)
		memcpy(kept, f->map, f->n * sizeof *kept);
	free(f->map);
	f->map = kept;
	f->n = kept ? f->n : 0;
	f->known = f->n > 0;
}

static void put_unit(struct buf *out, uint32_t v)
{
	mail_utf8_put(out, v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? UTF8_BAD : v);
}

static void put_entry(const struct entry *e, uint32_t code, struct buf *out)
{
	uint32_t high = 0;
	for (size_t i = 0; i + 1 < e->to.n; i += 2) {
		uint32_t v = (uint32_t)(unsigned char)e->to.p[i] << 8 | (unsigned char)e->to.p[i + 1];
		if (i + 2 >= e->to.n)
			v += code - e->low;
		if (v >= 0xd800 && v < 0xdc00 && i + 3 < e->to.n)
			high = v;
		else if (high && v >= 0xdc00 && v < 0xe000)
			put_unit(out, 0x10000 + ((high - 0xd800) << 10) + (v - 0xdc00));
		else
			put_unit(out, v & 0x1fffff);
	}
}

static bool put_mapped(const struct pdf_font *f, uint32_t code, struct buf *out)
{
	size_t low = 0, high = f->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (f->map[mid].low <= code)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || code > f->map[low - 1].high)
		return false;
	put_entry(&f->map[low - 1], code, out);
	return true;
}

/* ---- encodings ---- */

static const char *charset_of(struct slice encoding)
{
	static const struct {
		struct slice start;
		const char *label;
	} sets[] = {{SLICE("/UniJIS"), "utf-16be"}, {SLICE("/UniGB"), "utf-16be"},
	    {SLICE("/UniCNS"), "utf-16be"}, {SLICE("/UniKS"), "utf-16be"}, {SLICE("/90ms"), "shift_jis"},
	    {SLICE("/90pv"), "shift_jis"}, {SLICE("/83pv"), "shift_jis"}, {SLICE("/EUC-"), "euc-jp"},
	    {SLICE("/GBK"), "gbk"}, {SLICE("/GB-EUC"), "gbk"}, {SLICE("/KSCms"), "windows-949"},
	    {SLICE("/KSC-EUC"), "euc-kr"}, {SLICE("/ETen"), "big5"}};
	for (size_t i = 0; i < COUNT(sets); i++)
		if (slice_starts(encoding, sets[i].start))
			return sets[i].label;
	return NULL;
}

static uint16_t glyph(struct slice name)
{
	static const struct {
		struct slice name;
		uint16_t v;
	} glyphs[] = {{SLICE("space"), ' '}, {SLICE("exclam"), '!'}, {SLICE("quotedbl"), '"'},
	    {SLICE("numbersign"), '#'}, {SLICE("dollar"), '$'}, {SLICE("percent"), '%'},
	    {SLICE("ampersand"), '&'}, {SLICE("quotesingle"), '\''}, {SLICE("quoteright"), '\''},
	    {SLICE("quoteleft"), '\''}, {SLICE("parenleft"), '('}, {SLICE("parenright"), ')'},
	    {SLICE("asterisk"), '*'}, {SLICE("plus"), '+'}, {SLICE("comma"), ','}, {SLICE("hyphen"), '-'},
	    {SLICE("period"), '.'}, {SLICE("slash"), '/'}, {SLICE("zero"), '0'}, {SLICE("one"), '1'},
	    {SLICE("two"), '2'}, {SLICE("three"), '3'}, {SLICE("four"), '4'}, {SLICE("five"), '5'},
	    {SLICE("six"), '6'}, {SLICE("seven"), '7'}, {SLICE("eight"), '8'}, {SLICE("nine"), '9'},
	    {SLICE("colon"), ':'}, {SLICE("semicolon"), ';'}, {SLICE("less"), '<'}, {SLICE("equal"), '='},
	    {SLICE("greater"), '>'}, {SLICE("question"), '?'}, {SLICE("at"), '@'},
	    {SLICE("bracketleft"), '['}, {SLICE("backslash"), '\\'}, {SLICE("bracketright"), ']'},
	    {SLICE("underscore"), '_'}, {SLICE("fi"), 0xfb01}, {SLICE("fl"), 0xfb02}, {SLICE("ff"), 0xfb00},
	    {SLICE("ffi"), 0xfb03}, {SLICE("ffl"), 0xfb04}, {SLICE("endash"), 0x2013},
	    {SLICE("emdash"), 0x2014}, {SLICE("bullet"), 0x2022}, {SLICE("quotedblleft"), 0x201c},
	    {SLICE("quotedblright"), 0x201d}, {SLICE("adieresis"), 0xe4}, {SLICE("odieresis"), 0xf6},
	    {SLICE("udieresis"), 0xfc}, {SLICE("eacute"), 0xe9}, {SLICE("egrave"), 0xe8},
	    {SLICE("germandbls"), 0xdf}};
	if (name.n == 1)
		return (unsigned char)name.p[0];
	if (name.n == 7 && slice_starts(name, SLICE("uni"))) {
		BUF_LOCAL(octets, 2);
		if (hex_decode(slice_sub(name, 3, 4), &octets) == OK && octets.n == 2)
			return (uint16_t)((unsigned char)octets.p[0] << 8 | (unsigned char)octets.p[1]);
	}
	for (size_t i = 0; i < COUNT(glyphs); i++)
		if (slice_eq(name, glyphs[i].name))
			return glyphs[i].v;
	return 0;
}

static void read_differences(const struct pdf *p, struct pdf_font *f, struct slice encoding)
{
	struct slice list = pdf_get(p, encoding, "Differences"), value;
	int64_t code = 0;
	if (!list.n || list.p[0] != '[')
		return;
	list = slice_sub(list, 1, list.n - 1);
	while ((value = pdf_next(&list)).n && value.p[0] != ']') {
		if (value.p[0] == '/' && code >= 0 && code < 256)
			f->simple[code++] = glyph(slice_sub(value, 1, value.n));
		else
			code = pdf_number(value);
	}
}

static void read_simple(const struct pdf *p, struct pdf_font *f, struct slice dict)
{
	f->known = true;
	for (unsigned i = 32; i < 256; i++) {
		char octet = (char)i;
		BUF_LOCAL(one, 8);
		mail_charset_decode(
		    &(struct mail_charset){.kind = MAIL_CS_LATIN1}, slice_of(&octet, 1), &one);
		struct slice s = buf_slice(&one);
		bool ok;
		f->simple[i] = s.n ? (uint16_t)mail_utf8_take(&s, &ok) : 0;
	}
	struct slice encoding = pdf_get(p, dict, "Encoding");
	if (slice_starts(encoding, SLICE("<<")))
		read_differences(p, f, encoding);
}

struct pdf_font *pdf_font(struct pdf *p, struct slice dict)
{
	struct pdf_font *f = arena_new(p->arena, struct pdf_font);
	if (!f)
		return NULL;
	f->wide = slice_eq(pdf_get(p, dict, "Subtype"), SLICE("/Type0"));
	struct slice map = pdf_get(p, dict, "ToUnicode");
	if (slice_starts(map, SLICE("<<")))
		read_map(p, f, map);
	if (f->wide && !f->known) {
		f->labels = charset_of(pdf_get(p, dict, "Encoding"));
		f->known = f->labels != NULL;
	}
	if (!f->wide)
		read_simple(p, f, dict);
	return f;
}

void pdf_font_text(struct pdf *p, const struct pdf_font *f, struct slice codes, struct buf *out)
{
	if (!f || !f->known) {
		p->budget->notes |= INSPECT_UNREADABLE;
		return;
	}
	if (f->labels) {
		mail_text_decode(slice_str(f->labels), codes, out);
		return;
	}
	for (size_t i = 0; i < codes.n; i += f->wide ? 2 : 1) {
		uint32_t code = (unsigned char)codes.p[i];
		if (f->wide)
			code = code << 8 | (i + 1 < codes.n ? (unsigned char)codes.p[i + 1] : 0);
		if (!put_mapped(f, code, out) && !f->wide && f->simple[code])
			put_unit(out, f->simple[code]);
	}
}
