/* html: the text of an HTML part, for previews and searching. Never executed, never shown: a reader of words. */
#include "charset.h"
#include "class.h"
#include "facts.h"
#include "utf8.h"

static const struct {
	struct slice name;
	uint32_t v;
} entities[] = {
    {SLICE("amp"), '&'},
    {SLICE("lt"), '<'},
    {SLICE("gt"), '>'},
    {SLICE("quot"), '"'},
    {SLICE("apos"), '\''},
    {SLICE("nbsp"), 0xa0},
    {SLICE("copy"), 0xa9},
    {SLICE("reg"), 0xae},
    {SLICE("yen"), 0xa5},
    {SLICE("pound"), 0xa3},
    {SLICE("euro"), 0x20ac},
    {SLICE("cent"), 0xa2},
    {SLICE("sect"), 0xa7},
    {SLICE("deg"), 0xb0},
    {SLICE("plusmn"), 0xb1},
    {SLICE("middot"), 0xb7},
    {SLICE("laquo"), 0xab},
    {SLICE("raquo"), 0xbb},
    {SLICE("times"), 0xd7},
    {SLICE("divide"), 0xf7},
    {SLICE("ndash"), 0x2013},
    {SLICE("mdash"), 0x2014},
    {SLICE("lsquo"), 0x2018},
    {SLICE("rsquo"), 0x2019},
    {SLICE("ldquo"), 0x201c},
    {SLICE("rdquo"), 0x201d},
    {SLICE("bull"), 0x2022},
    {SLICE("hellip"), 0x2026},
    {SLICE("trade"), 0x2122},
    {SLICE("larr"), 0x2190},
    {SLICE("uarr"), 0x2191},
    {SLICE("rarr"), 0x2192},
    {SLICE("darr"), 0x2193},
    {SLICE("auml"), 0xe4},
    {SLICE("ouml"), 0xf6},
    {SLICE("uuml"), 0xfc},
    {SLICE("Auml"), 0xc4},
    {SLICE("Ouml"), 0xd6},
    {SLICE("Uuml"), 0xdc},
    {SLICE("szlig"), 0xdf},
    {SLICE("agrave"), 0xe0},
    {SLICE("aacute"), 0xe1},
    {SLICE("acirc"), 0xe2},
    {SLICE("atilde"), 0xe3},
    {SLICE("aring"), 0xe5},
    {SLICE("aelig"), 0xe6},
    {SLICE("ccedil"), 0xe7},
    {SLICE("egrave"), 0xe8},
    {SLICE("eacute"), 0xe9},
    {SLICE("ecirc"), 0xea},
    {SLICE("euml"), 0xeb},
    {SLICE("iacute"), 0xed},
    {SLICE("ntilde"), 0xf1},
    {SLICE("oacute"), 0xf3},
    {SLICE("ocirc"), 0xf4},
    {SLICE("oslash"), 0xf8},
    {SLICE("uacute"), 0xfa},
    {SLICE("zwnj"), 0x200c},
    {SLICE("ensp"), 0x2002},
    {SLICE("emsp"), 0x2003},
    {SLICE("shy"), 0xad},
};

/* Elements that begin a new line. */
static const struct slice blocks[] = {SLICE("address"), SLICE("article"), SLICE("blockquote"), SLICE("br"),
    SLICE("dd"), SLICE("div"), SLICE("dl"), SLICE("dt"), SLICE("footer"), SLICE("form"), SLICE("h1"),
    SLICE("h2"), SLICE("h3"), SLICE("h4"), SLICE("h5"), SLICE("h6"), SLICE("header"), SLICE("hr"),
    SLICE("li"), SLICE("ol"), SLICE("p"), SLICE("pre"), SLICE("section"), SLICE("table"), SLICE("td"),
    SLICE("th"), SLICE("title"), SLICE("tr"), SLICE("ul")};

/* Elements whose content is no text. */
static const struct slice silent[] = {SLICE("script"), SLICE("style"), SLICE("template")};

struct html {
	struct slice s;
	size_t i;
	struct buf *out;
	bool space; /* white space waits to be written */
	bool line;  /* a line end waits */
};

static bool one_of(const struct slice *list, size_t n, struct slice name)
{
	for (size_t k = 0; k < n; k++)
		if (slice_ieq(list[k], name))
			return true;
	return false;
}

static void put(struct html *h, uint32_t v)
{
	if (v == 0xad || v == 0xfeff)
		return;
	if (v <= 32 || v == 0xa0) {
		h->space = true;
		return;
	}
	if (h->line && h->out->n)
		buf_putc(h->out, '\n');
	else if (h->space && h->out->n)
		buf_putc(h->out, ' ');
	h->line = h->space = false;
	mail_utf8_put(h->out, v);
}

/* "&#38;", "&#x26;" */
static bool number_read(struct html *h, struct slice s)
{
	bool hex = s.n > 2 && (s.p[2] == 'x' || s.p[2] == 'X');
	size_t i = hex ? 3 : 2, from = i;
	uint32_t v = 0;
	for (; i < s.n && i < 10; i++) {
		int d = mail_hex_value(s.p[i]);
		if (d < 0 || (!hex && d > 9))
			break;
		v = v * (hex ? 16 : 10) + (uint32_t)d;
	}
	if (i == from)
		return false;
	if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		v = UTF8_BAD;
	put(h, v);
	h->i += i + (i < s.n && s.p[i] == ';');
	return true;
}

static void entity_read(struct html *h)
{
	struct slice s = slice_sub(h->s, h->i, 16);
	if (s.n > 2 && s.p[1] == '#' && number_read(h, s))
		return;
	size_t n = 1;
	while (n < s.n && (ascii_alpha(s.p[n]) || ascii_digit(s.p[n])))
		n++;
	for (size_t k = 0; k < COUNT(entities); k++) {
		if (!slice_eq(slice_sub(s, 1, n - 1), entities[k].name))
			continue;
		put(h, entities[k].v);
		h->i += n + (n < s.n && s.p[n] == ';');
		return;
	}
	put(h, '&');
	h->i++;
}

/* Where the tag that begins at h->i ends: behind its ">", quotes heeded; a tag that never ends is taken as text. */
static size_t tag_end(const struct html *h)
{
	char quote = 0;
	for (size_t i = h->i + 1; i < h->s.n; i++) {
		char c = h->s.p[i];
		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '>')
			return i + 1;
		else if ((c == '"' || c == '\'') && h->s.p[i - 1] == '=')
			quote = c;
	}
	ptrdiff_t at = slice_find(slice_sub(h->s, h->i, h->s.n), '>');
	return at < 0 ? h->s.n : h->i + (size_t)at + 1;
}

/* Skips to behind the closing tag of a silent element. */
static void silent_skip(struct html *h, struct slice name)
{
	while (h->i < h->s.n) {
		ptrdiff_t at = slice_search(slice_sub(h->s, h->i, h->s.n), SLICE("</"));
		if (at < 0) {
			h->i = h->s.n;
			return;
		}
		h->i += (size_t)at + 2;
		if (slice_istarts(slice_sub(h->s, h->i, h->s.n), name)) {
			h->i -= 2;
			h->i = tag_end(h);
			return;
		}
	}
}

static void tag_read(struct html *h)
{
	struct slice rest = slice_sub(h->s, h->i, h->s.n);
	if (slice_starts(rest, SLICE("<!--"))) {
		ptrdiff_t end = slice_search(slice_sub(rest, 4, rest.n), SLICE("-->"));
		h->i = end < 0 ? tag_end(h) : h->i + 4 + (size_t)end + 3;
		return;
	}
	bool closing = rest.n > 1 && rest.p[1] == '/';
	size_t from = closing ? 2 : 1, n = from;
	while (n < rest.n && (ascii_alpha(rest.p[n]) || ascii_digit(rest.p[n])))
		n++;
	struct slice name = slice_sub(rest, from, n - from);
	if (name.n == 0 && !closing && rest.n > 1 && rest.p[1] != '!' && rest.p[1] != '?') {
		put(h, '<');
		h->i++;
		return;
	}
	h->i = tag_end(h);
	if (one_of(blocks, COUNT(blocks), name))
		h->line = true;
	if (!closing && one_of(silent, COUNT(silent), name))
		silent_skip(h, name);
}

void mail_html_text(struct slice html, struct buf *out)
{
	struct html h = {.s = html, .out = out};
	while (h.i < html.n) {
		if (html.p[h.i] == '<') {
			tag_read(&h);
		} else if (html.p[h.i] == '&') {
			entity_read(&h);
		} else {
			struct slice rest = slice_sub(html, h.i, html.n);
			bool ok;
			put(&h, mail_utf8_take(&rest, &ok));
			h.i = html.n - rest.n;
		}
	}
}
