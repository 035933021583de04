/* charset_guess: what a text is when nobody says, or when what it says cannot be. */
#include "charset.h"
#include "utf8.h"

#define LOOK_AT 16384

/* Evidence for one of the Japanese sets: characters that real text is made of, against those it is not. */
struct evidence {
	size_t bad;   /* malformed */
	size_t valid; /* well-formed beyond ASCII */
	size_t kana;  /* full-width hiragana and katakana, punctuation */
	size_t kanji; /* of JIS level 1 and 2 */
	size_t rare;  /* half-width katakana, user-defined, symbols nobody types */
};

static struct evidence weigh(struct slice in, size_t (*decode)(struct slice, struct buf *))
{
	struct evidence e = {0};
	BUF_LOCAL(text, LOOK_AT * 4);
	e.bad = decode(in, &text);
	for (struct slice rest = buf_slice(&text); rest.n;) {
		bool ok;
		uint32_t v = mail_utf8_take(&rest, &ok);
		if (v < 0x80 || v == UTF8_BAD)
			continue;
		e.valid++;
		if ((v >= 0x3041 && v <= 0x30fe) || (v >= 0x3000 && v <= 0x3015))
			e.kana++;
		else if (v >= 0x4e00 && v <= 0x9fff)
			e.kanji++;
		else if ((v < 0xff01 || v > 0xff5e) && !(v >= 0x2000 && v < 0x2800))
			e.rare++;
	}
	return e;
}

/* Higher is likelier; below 1 is not believed. */
static long score(struct evidence e)
{
	return (long)(e.kana * 3 + e.kanji) - (long)(e.rare * 2) - (long)(e.bad * 8);
}

static bool has_jis_escape(struct slice s)
{
	for (ptrdiff_t at; (at = slice_find(s, 0x1b)) >= 0;) {
		s = slice_sub(s, (size_t)at + 1, s.n);
		if (slice_starts(s, SLICE("$B")) || slice_starts(s, SLICE("$@")) ||
		    slice_starts(s, SLICE("(J")) || slice_starts(s, SLICE("(I")) ||
		    slice_starts(s, SLICE("$(")))
			return true;
	}
	return false;
}

/* Without the sequence that the cut at LOOK_AT may have torn. */
static struct slice utf8_whole(struct slice s, bool cut)
{
	for (int i = 0; cut && i < 3 && s.n && ((unsigned char)s.p[s.n - 1] & 0xc0) == 0x80; i++)
		s.n--;
	if (cut && s.n && (unsigned char)s.p[s.n - 1] > 0xbf)
		s.n--;
	return s;
}

struct mail_charset mail_charset_guess(struct slice text)
{
	size_t ascii = mail_ascii_run(text);
	bool escape = has_jis_escape(slice_sub(text, 0, LOOK_AT));
	if (ascii == text.n)
		return (struct mail_charset){.kind = escape ? MAIL_CS_JIS : MAIL_CS_ASCII};
	bool cut = text.n - ascii > LOOK_AT;
	struct slice look = slice_sub(text, ascii, LOOK_AT);
	if (slice_is_utf8(utf8_whole(look, cut)))
		return (struct mail_charset){.kind = MAIL_CS_UTF8};
	long sjis = score(weigh(look, mail_sjis_decode)), euc = score(weigh(look, mail_eucjp_decode));
	if (escape && score(weigh(slice_sub(text, 0, LOOK_AT), mail_jis_decode)) > MAX(sjis, euc))
		return (struct mail_charset){.kind = MAIL_CS_JIS};
	struct evidence utf8 = weigh(look, mail_utf8_decode);
	if (utf8.valid > utf8.bad && utf8.valid * 2 > utf8.bad + (size_t)MAX(MAX(sjis, euc), 0))
		return (struct mail_charset){.kind = MAIL_CS_UTF8};
	if (MAX(sjis, euc) > 0)
		return (struct mail_charset){.kind = sjis > euc ? MAIL_CS_SJIS : MAIL_CS_EUCJP};
	return (struct mail_charset){.kind = MAIL_CS_LATIN1};
}

/* Octets below 128 mean themselves unless an escape says otherwise. */
static bool ascii_based(const struct mail_charset *cs)
{
	if (cs->kind != MAIL_CS_ICU)
		return true;
	struct slice name = slice_str(cs->icu);
	return slice_istarts(name, SLICE("iso-8859")) || slice_istarts(name, SLICE("windows-")) ||
	       slice_istarts(name, SLICE("cp12")) || slice_istarts(name, SLICE("koi8")) ||
	       slice_istarts(name, SLICE("gb1")) || slice_istarts(name, SLICE("big5"));
}

/* Whether some of it is well-formed UTF-8 beyond ASCII. */
static bool utf8_in_part(struct slice in)
{
	return weigh(slice_sub(in, 0, LOOK_AT), mail_utf8_decode).valid > 0;
}

/* Decodes as declared; when that breaks and a guess breaks less, as guessed. */
static size_t decode_doubted(const struct mail_charset *cs, struct slice in, struct buf *out)
{
	size_t start = out->n;
	bool over = out->over;
	size_t bad = mail_charset_decode(cs, in, out);
	if (bad == 0)
		return 0;
	struct mail_charset guess = mail_charset_guess(in);
	if (guess.kind == cs->kind && guess.kind != MAIL_CS_ICU)
		return bad;
	bool vague = guess.kind == MAIL_CS_LATIN1; /* it fits everything and so proves nothing */
	if (vague && cs->kind != MAIL_CS_ASCII && (cs->kind != MAIL_CS_UTF8 || utf8_in_part(in)))
		return bad;
	BUF_LOCAL(other, out->max - start);
	size_t other_bad = mail_charset_decode(&guess, in, &other);
	if (other_bad >= bad)
		return bad;
	out->n = start;
	out->over = over;
	buf_put(out, buf_slice(&other));
	return other_bad;
}

size_t mail_text_decode(struct slice label, struct slice in, struct buf *out)
{
	struct mail_charset cs = {.kind = MAIL_CS_ASCII};
	bool known = label.n && mail_charset_find(label, &cs);
	bool ascii = mail_ascii_run(in) == in.n;
	if (known && !ascii_based(&cs))
		return decode_doubted(&cs, in, out);
	if (ascii && slice_find(in, 0x1b) < 0 && cs.kind != MAIL_CS_JIS) {
		buf_put(out, in);
		return 0;
	}
	if (!known || (ascii && has_jis_escape(in)))
		cs = mail_charset_guess(in);
	return decode_doubted(&cs, in, out);
}
