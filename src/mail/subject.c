#include "subject.h"
#include "utf8.h"
#include <unicode/uchar.h>
#include <unicode/unorm2.h>

/* ---- RFC 5256 2.1; each step takes something off and says whether it did ---- */

static struct slice skip_blanks(struct slice s)
{
	while (s.n && s.p[0] == ' ')
		s = slice_sub(s, 1, s.n);
	return s;
}

/* subj-blob: "[" any but brackets "]" and blanks. */
static bool take_blob(struct slice *s)
{
	if (!s->n || s->p[0] != '[')
		return false;
	for (size_t i = 1; i < s->n && s->p[i] != '['; i++)
		if (s->p[i] == ']') {
			*s = skip_blanks(slice_sub(*s, i + 1, s->n));
			return true;
		}
	return false;
}

/* subj-refwd: ("re" / "fw" / "fwd"), blanks, perhaps a blob, ":". */
static bool take_refwd(struct slice *s)
{
	struct slice rest = *s;
	if (slice_istarts(rest, SLICE("fwd")))
		rest = slice_sub(rest, 3, rest.n);
	else if (slice_istarts(rest, SLICE("re")) || slice_istarts(rest, SLICE("fw")))
		rest = slice_sub(rest, 2, rest.n);
	else
		return false;
	rest = skip_blanks(rest);
	take_blob(&rest);
	if (!rest.n || rest.p[0] != ':')
		return false;
	*s = slice_sub(rest, 1, rest.n);
	return true;
}

/* Step 2. */
static bool take_trailers(struct slice *s)
{
	bool forwarded = false;
	for (;;) {
		if (slice_iends(*s, SLICE("(fwd)"))) {
			*s = slice_sub(*s, 0, s->n - 5);
			forwarded = true;
		} else if (s->n && s->p[s->n - 1] == ' ') {
			*s = slice_sub(*s, 0, s->n - 1);
		} else {
			return forwarded;
		}
	}
}

/* Step 3, once: subj-leader. */
static bool take_leader(struct slice *s, bool *reply)
{
	if (s->n && s->p[0] == ' ') {
		*s = skip_blanks(*s);
		return true;
	}
	struct slice rest = *s;
	while (take_blob(&rest))
		;
	if (!take_refwd(&rest))
		return false;
	*s = rest;
	*reply = true;
	return true;
}

/* Steps 3 to 5. */
static void take_leaders(struct slice *s, bool *reply)
{
	for (;;) {
		struct slice rest = *s;
		if (take_leader(s, reply))
			continue;
		if (!take_blob(&rest) || !rest.n)
			return;
		*s = rest;
	}
}

bool mail_subject_base(struct slice subject, struct buf *out)
{
	bool reply = false;
	BUF_LOCAL(single, subject.n + 1);
	for (size_t i = 0; i < subject.n; i++) {
		char c = subject.p[i];
		if (c == '\t' || c == '\r' || c == '\n')
			c = ' ';
		if (c != ' ' || !single.n || single.p[single.n - 1] != ' ')
			buf_putc(&single, c);
	}
	struct slice s = buf_slice(&single);
	for (;;) {
		reply |= take_trailers(&s);
		take_leaders(&s, &reply);
		/* Step 6: subj-fwd. */
		if (!slice_istarts(s, SLICE("[fwd:")) || s.p[s.n - 1] != ']')
			break;
		s = slice_sub(s, 5, s.n - 6);
		reply = true;
	}
	buf_put(out, s);
	return reply;
}

/* ---- RFC 5051 section 2 ---- */

/* Title case and all its decompositions; the order of combining characters stays as it is. */
static size_t collate_one(uint32_t v, UChar32 title[32])
{
	UErrorCode err = U_ZERO_ERROR;
	UChar wide[64];
	title[0] = u_totitle((UChar32)v);
	int32_t n =
	    unorm2_getDecomposition(unorm2_getNFKDInstance(&err), title[0], wide, (int32_t)COUNT(wide), &err);
	if (U_FAILURE(err) || n <= 0)
		return 1;
	size_t count = 0;
	for (int32_t i = 0; i < n && count < 32;) {
		UChar32 c;
		U16_NEXT(wide, i, n, c);
		title[count++] = c;
	}
	return count;
}

void mail_collate_key(struct slice text, size_t most, struct buf *out)
{
	size_t end = out->n + most;
	while (text.n) {
		char octets[32 * 4];
		UChar32 folded[32];
		size_t n = 0;
		if ((unsigned char)text.p[0] < 0x80) {
			octets[n++] = ascii_upper(text.p[0]);
			text = slice_sub(text, 1, text.n);
		} else {
			bool ok;
			size_t count = collate_one(mail_utf8_take(&text, &ok), folded);
			for (size_t i = 0; i < count; i++)
				n += mail_utf8_write(octets + n, (uint32_t)folded[i]);
		}
		if (n > end - out->n)
			return;
		buf_put(out, slice_of(octets, n));
		if (out->over)
			return;
	}
}
