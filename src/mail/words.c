/* words: unstructured text and encoded words, RFC 2047, as they are found. */
#include "charset.h"
#include "class.h"
#include "header.h"
#include "utf8.h"

struct words {
	struct buf *out;
	struct buf octets;    /* of adjacent words of one set, not yet decoded */
	struct slice charset; /* theirs; empty when nothing waits */
	uint32_t bits;        /* base64 digits that did not make an octet yet, across words */
	int nbits;
	bool after_word; /* nothing but blanks since the last word */
	mail_defects defects;
};

static void words_flush(struct words *w)
{
	if (w->octets.n && mail_text_decode(w->charset, buf_slice(&w->octets), w->out))
		w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_charset_malformed);
	buf_clear(&w->octets);
	w->charset = SLICE_NONE;
	w->bits = 0;
	w->nbits = 0;
}

/* Text between words: line ends dropped, octets above 127 guessed at. */
static void words_raw(struct words *w, struct slice raw)
{
	if (raw.n == 0)
		return;
	if (w->after_word && slice_trim(raw).n == 0)
		return;
	words_flush(w);
	w->after_word = false;
	BUF_LOCAL(joined, raw.n);
	if (slice_find(raw, '\n') >= 0) {
		for (size_t i = 0; i < raw.n; i++) {
			bool end =
			    raw.p[i] == '\n' || (raw.p[i] == '\r' && i + 1 < raw.n && raw.p[i + 1] == '\n');
			if (!end)
				buf_putc(&joined, raw.p[i]);
		}
		raw = buf_slice(&joined);
	}
	if (!slice_is_utf8(raw))
		w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_header_8bit);
	mail_text_decode(SLICE_NONE, raw, w->out);
}

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void word_b(struct words *w, struct slice text)
{
	if (w->nbits && (w->bits & ((1u << w->nbits) - 1)) == 0) {
		w->bits = 0; /* the word before only lacked its padding */
		w->nbits = 0;
	}
	for (size_t i = 0; i < text.n; i++) {
		int v = b64_value(text.p[i]);
		if (text.p[i] == '=') {
			w->nbits = 0;
			continue;
		}
		if (v < 0) {
			if (!mail_is(text.p[i], MAIL_WHITE))
				w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_words_malformed);
			continue;
		}
		w->bits = w->bits << 6 | (uint32_t)v;
		w->nbits += 6;
		if (w->nbits >= 8) {
			w->nbits -= 8;
			buf_putc(&w->octets, (char)(w->bits >> w->nbits));
		}
	}
}

static void word_q(struct words *w, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '=' && i + 2 < text.n && mail_hex_value(text.p[i + 1]) >= 0 &&
		    mail_hex_value(text.p[i + 2]) >= 0) {
			buf_putc(&w->octets,
			    (char)(mail_hex_value(text.p[i + 1]) << 4 | mail_hex_value(text.p[i + 2])));
			i += 2;
			continue;
		}
		if (c == '\r' || c == '\n')
			continue;
		if (c == '=' || mail_is(c, MAIL_BLANK))
			w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_words_malformed);
		buf_putc(&w->octets, c == '_' ? ' ' : c);
	}
}

/* A word as it stands in the text. */
struct word {
	struct slice charset, text;
	bool base64;
	bool open;   /* "?=" is missing */
	size_t used; /* octets from "=?" on */
};

/* How far the end of a word is looked for; RFC 2047 allows 75 octets, programs have written whole subjects. */
#define LOOK_AT 8192

/* Where the word's text ends: at "?=" that is not a raw "?" before "=XX" in the middle of Q. */
static size_t word_end(struct slice text, bool base64)
{
	struct slice look = slice_sub(text, 0, LOOK_AT);
	size_t i = 0;
	for (ptrdiff_t at; (at = slice_search(slice_sub(look, i, look.n), SLICE("?="))) >= 0; i += 2) {
		i += (size_t)at;
		struct slice after = slice_sub(look, i + 2, 80);
		bool hex = after.n > 1 && mail_hex_value(after.p[0]) >= 0 && mail_hex_value(after.p[1]) >= 0;
		ptrdiff_t next = hex && !base64 ? slice_search(after, SLICE("?=")) : -1;
		bool same_run = next >= 0 && slice_find(slice_sub(after, 0, (size_t)next), ' ') < 0 &&
				slice_search(slice_sub(after, 0, (size_t)next), SLICE("=?")) < 0;
		if (!same_run)
			return i;
	}
	return text.n;
}

/* Without its closing mark a word runs on as long as it looks like one. */
static size_t word_open_end(struct slice text, bool base64)
{
	size_t n = 0;
	while (n < text.n && (base64 ? mail_is(text.p[n], MAIL_B64) || text.p[n] == '='
				     : !mail_is(text.p[n], MAIL_WHITE) && text.p[n] != '"'))
		n++;
	return n;
}

static bool word_parse(struct slice s, struct word *out)
{
	struct cursor c = cursor_of(slice_sub(s, 2, s.n));
	size_t n = 0;
	while (n < c.rest.n && n < 64 && c.rest.p[n] > ' ' && c.rest.p[n] != '?' && c.rest.p[n] != '=')
		n++;
	out->charset = cursor_bytes(&c, n);
	cursor_need(&c, '?');
	int coding = cursor_take(&c);
	cursor_need(&c, '?');
	out->base64 = coding == 'B' || coding == 'b';
	if (n == 0 || c.err != OK || (!out->base64 && coding != 'Q' && coding != 'q'))
		return false;
	out->charset = slice_split(&(struct slice){out->charset.p, out->charset.n}, '*'); /* RFC 2231 5 */
	size_t len = word_end(c.rest, out->base64);
	out->open = len == c.rest.n;
	if (out->open)
		len = word_open_end(c.rest, out->base64);
	out->text = slice_sub(c.rest, 0, len);
	out->used = s.n - c.rest.n + len + (out->open ? 0 : 2);
	return true;
}

size_t mail_word_length(struct slice s)
{
	struct word word;
	if (!slice_starts(s, SLICE("=?")) || !word_parse(s, &word) || word.open)
		return 0;
	return word.used;
}

static void words_add(struct words *w, const struct word *word)
{
	if (word->open)
		w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_words_malformed);
	if (!w->after_word || !slice_ieq(w->charset, word->charset))
		words_flush(w);
	struct mail_charset cs;
	if (!mail_charset_find(word->charset, &cs))
		w->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_charset_unknown);
	w->charset = word->charset;
	w->after_word = true;
	if (word->base64) {
		word_b(w, word->text);
	} else {
		w->nbits = 0;
		word_q(w, word->text);
	}
}

/* Header text is one line: what moves the cursor or ends a string has no place in it. */
static void controls_blank(struct buf *b, size_t from)
{
	for (size_t i = from; i < b->n; i++)
		if ((unsigned char)b->p[i] < 32 || b->p[i] == 127)
			b->p[i] = ' ';
}

static bool plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 32 || (unsigned char)s.p[i] > 126 ||
		    (s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
			return false;
	return true;
}

mail_defects mail_words_decode(struct slice value, struct buf *out)
{
	value = slice_trim(value);
	if (plain(value)) {
		buf_put(out, value);
		return 0;
	}
	struct words w = {.out = out, .octets = {.max = value.n}};
	size_t start = out->n;
	for (size_t i = 0, raw = 0;;) {
		ptrdiff_t at = slice_search(slice_sub(value, i, value.n), SLICE("=?"));
		if (at < 0) {
			words_raw(&w, slice_sub(value, raw, value.n));
			break;
		}
		i += (size_t)at;
		struct word word;
		if (!word_parse(slice_sub(value, i, value.n), &word)) {
			i += 2;
			continue;
		}
		words_raw(&w, slice_sub(value, raw, i - raw));
		words_add(&w, &word);
		i += word.used;
		raw = i;
	}
	words_flush(&w);
	buf_free(&w.octets);
	controls_blank(out, start);
	return w.defects;
}
