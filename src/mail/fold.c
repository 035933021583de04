/*
 * fold: text without the differences that a search does not see.
 *
 * NFKC and case folding are ICU's (compatibility forms, full and half width, default ignorables). On top of it, for
 * Japanese: katakana is read as hiragana, small kana as large, a prolonged sound mark that ends a word is dropped
 * (サーバー is サーバ), variants of one character are read as the usual one (itaiji.def). White space is one space; a
 * single line end between two characters of a script that writes no spaces is nothing. Dashes and quotation marks are the
 * ASCII ones. Control characters never come out, so that they can part folded texts.
 */
#include "facts.h"
#include "utf8.h"
#include <stdlib.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define CHUNK 4096  /* octets given to ICU at once */
#define EXPANDS 18u /* NFKC makes at most so many code units of one (U+FDFA) */

enum script { OTHER, HIRAGANA, KATAKANA };

struct fold {
	struct buf *out;
	uint32_t last;      /* written last */
	enum script script; /* of what came last, a prolonged sound mark has its predecessor's */
	bool mark;          /* a prolonged sound mark waits for what follows */
	bool space;         /* white space waits */
	unsigned lines;     /* line ends in it */
	UChar *wide, *folded;
};

bool mail_text_is_dense(uint32_t v)
{
	if (v < 0x3005)
		return false;
	return v <= 0x3007 || (v >= 0x3041 && v <= 0x3096) || (v >= 0x309d && v <= 0x30fa) ||
	       (v >= 0x30fc && v <= 0x30ff) || (v >= 0x31f0 && v <= 0x31ff) || (v >= 0x3400 && v <= 0x4dbf) ||
	       (v >= 0x4e00 && v <= 0x9fff) || (v >= 0xf900 && v <= 0xfaff) || (v >= 0x20000 && v <= 0x3ffff);
}

static enum script script_of(uint32_t v)
{
	if (v >= 0x3041 && v <= 0x309f)
		return HIRAGANA;
	return (v >= 0x30a1 && v <= 0x30fa) || (v >= 0x31f0 && v <= 0x31ff) ? KATAKANA : OTHER;
}

static uint32_t kana_plain(uint32_t v)
{
	if (v >= 0x30a1 && v <= 0x30f6)
		v -= 0x60;
	switch (v) {
	case 0x3041: /* a i u e o */
	case 0x3043:
	case 0x3045:
	case 0x3047:
	case 0x3049:
	case 0x3063: /* tu */
	case 0x3083: /* ya yu yo */
	case 0x3085:
	case 0x3087:
	case 0x308e: /* wa */
		return v + 1;
	case 0x3095:
		return 0x304b;
	case 0x3096:
		return 0x3051;
	default:
		return v;
	}
}

static uint32_t usual_form(uint32_t v)
{
	static const uint32_t forms[][2] = {
#define X(variant, usual) {variant, usual},
#include "mail/itaiji.def"
#undef X
	};
	size_t low = 0, high = COUNT(forms);
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (forms[mid][0] == v)
			return forms[mid][1];
		if (forms[mid][0] < v)
			low = mid + 1;
		else
			high = mid;
	}
	return v;
}

static uint32_t plain(uint32_t v)
{
	if (v >= 0x3041 && v <= 0x30ff)
		return kana_plain(v);
	if (v >= 0x3400)
		return usual_form(v);
	switch (v) {
	case 0x2018:
	case 0x2019:
	case 0x201b:
		return '\'';
	case 0x201c:
	case 0x201d:
		return '"';
	case 0x301c:
		return '~';
	default:
		return (v >= 0x2010 && v <= 0x2015) || v == 0x2212 ? '-' : v;
	}
}

static void write(struct fold *f, uint32_t v)
{
	if (v < 0x80)
		buf_putc(f->out, (char)v);
	else
		mail_utf8_put(f->out, v);
	f->last = v;
}

static void space_flush(struct fold *f, uint32_t next)
{
	if (f->space && !(f->lines == 1 && mail_text_is_dense(f->last) && mail_text_is_dense(next)))
		write(f, ' ');
	f->space = false;
	f->lines = 0;
}

static bool is_white(uint32_t v)
{
	return v <= ' ' || v == 0x7f || (v >= 0x80 && v <= 0xa0) || v == 0x2028 || v == 0x2029;
}

static void add(struct fold *f, uint32_t v)
{
	if (is_white(v)) {
		f->space = true;
		f->lines += v == '\n';
		f->mark = false;
		f->script = OTHER;
		return;
	}
	space_flush(f, v);
	if (v == 0x30fc && f->script != OTHER) {
		f->mark = true;
		return;
	}
	enum script s = script_of(v);
	if (f->mark && s == f->script)
		write(f, 0x30fc);
	f->mark = false;
	f->script = s;
	write(f, plain(v));
}

/* What needs ICU: at most CHUNK octets, cut where nothing combines. */
static void add_wide(struct fold *f, struct slice s)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCCasefoldInstance(&err);
	int32_t n = 0;
	u_strFromUTF8WithSub(f->wide, CHUNK, &n, s.p, (int32_t)s.n, 0xfffd, NULL, &err);
	n = unorm2_normalize(nfkc, f->wide, n, f->folded, (int32_t)(CHUNK * EXPANDS), &err);
	for (int32_t i = 0; U_SUCCESS(err) && i < n;) {
		UChar32 v;
		U16_NEXT(f->folded, i, n, v);
		add(f, U_IS_SURROGATE(v) ? 0xfffd : (uint32_t)v);
	}
}

static void fold_init(struct fold *f)
{
	if (f->wide)
		return;
	f->wide = malloc(CHUNK * sizeof *f->wide);
	f->folded = malloc(CHUNK * EXPANDS * sizeof *f->folded);
	if (!f->wide || !f->folded)
		abort();
}

/*
 * How much goes to ICU at once: from the first octet up to where plain ASCII begins, which is where nothing combines, or
 * as much as a chunk holds.
 */
static size_t wide_run(struct slice s)
{
	size_t n = 1, most = MIN(s.n, (size_t)CHUNK);
	while (
	    n < most && ((unsigned char)s.p[n] > 0x7f || (n + 1 < s.n && (unsigned char)s.p[n + 1] > 0x7f)))
		n++;
	if (n < most || most == s.n)
		return n;
	return MAX(mail_utf8_cut(s, most).n, (size_t)1);
}

void mail_text_fold(struct slice text, struct buf *out)
{
	struct fold f = {.out = out};
	while (text.n) {
		size_t ascii = mail_ascii_run(text);
		if (ascii && ascii < text.n)
			ascii--; /* the last one may combine with what follows */
		for (size_t i = 0; i < ascii; i++)
			add(&f, (unsigned char)ascii_lower(text.p[i]));
		text = slice_sub(text, ascii, text.n);
		if (!text.n)
			break;
		fold_init(&f);
		size_t n = wide_run(text);
		add_wide(&f, slice_sub(text, 0, n));
		text = slice_sub(text, n, text.n);
	}
	if (f.space)
		write(&f, ' ');
	free(f.wide);
	free(f.folded);
}
