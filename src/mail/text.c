/* text: the readable text of parts, and searching it. */
#include "mail/charset.h"
#include "facts.h"
#include "utf8.h"
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define SEARCH_TEXT ((size_t)16 * 1024 * 1024) /* of one part, decoded */

void mail_facts_octets(struct slice message, const Sekisho__Part *part, struct buf *out)
{
	mail_defects ignored = 0;
	enum mail_encoding e = mail_encoding_parse(slice_str(part->encoding), &ignored);
	mail_transfer_put(e, slice_sub(message, part->body_offset, part->body_length), out);
}

static void lines_unix(struct slice s, struct buf *out)
{
	while (s.n) {
		ptrdiff_t at = slice_find(s, '\r');
		size_t n = at < 0 ? s.n : (size_t)at;
		buf_put(out, slice_sub(s, 0, n));
		if (at >= 0 && !(n + 1 < s.n && s.p[n + 1] == '\n'))
			buf_putc(out, '\n');
		s = slice_sub(s, n + 1, s.n);
	}
}

void mail_facts_text(struct slice message, const Sekisho__Part *part, struct buf *out)
{
	if (!slice_eq(slice_str(part->type), SLICE("text")))
		return;
	BUF_LOCAL(octets, MIN(part->body_length, SEARCH_TEXT));
	mail_facts_octets(message, part, &octets);
	BUF_LOCAL(text, octets.n * 4 + 4);
	mail_text_decode(slice_str(part->charset), buf_slice(&octets), &text);
	if (slice_eq(slice_str(part->subtype), SLICE("html")))
		mail_html_text(buf_slice(&text), out);
	else
		lines_unix(buf_slice(&text), out);
}

/* One line with something beyond ASCII in it, through ICU. */
static void line_fold(struct slice line, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *fold = unorm2_getNFKCCasefoldInstance(&err);
	size_t room = line.n + 1;
	UChar *wide = malloc(room * sizeof *wide), *folded = malloc(room * 20 * sizeof *folded);
	int32_t n = 0;
	if (!wide || !folded)
		abort();
	u_strFromUTF8WithSub(wide, (int32_t)room, &n, line.p, (int32_t)line.n, 0xfffd, NULL, &err);
	n = unorm2_normalize(fold, wide, n, folded, (int32_t)room * 20, &err);
	char *p = U_SUCCESS(err) ? buf_room(out, (size_t)n * 3 + 1) : NULL;
	int32_t len = 0;
	if (p) {
		u_strToUTF8WithSub(p, n * 3 + 1, &len, folded, n, 0xfffd, NULL, &err);
		buf_wrote(out, U_SUCCESS(err) ? (size_t)len : 0);
	}
	free(wide);
	free(folded);
}

void mail_text_fold(struct slice text, struct buf *out)
{
	while (text.n) {
		ptrdiff_t at = slice_find(slice_sub(text, 0, 4096), '\n');
		struct slice line = mail_utf8_cut(text, at < 0 ? MIN(text.n, (size_t)4096) : (size_t)at + 1);
		if (line.n == 0)
			line = slice_sub(text, 0, 1);
		text = slice_sub(text, line.n, text.n);
		if (mail_ascii_run(line) < line.n) {
			line_fold(line, out);
			continue;
		}
		char *p = buf_room(out, line.n);
		for (size_t i = 0; p && i < line.n; i++)
			p[i] = ascii_lower(line.p[i]);
		buf_wrote(out, p ? line.n : 0);
	}
}

/* Whether the text holds the needle, which is folded already. */
static bool text_holds(struct slice text, struct slice needle)
{
	BUF_LOCAL(folded, text.n * 20 + 64);
	mail_text_fold(text, &folded);
	return slice_search(buf_slice(&folded), needle) >= 0;
}

/* Decoded value of the field; `whole` has the name before it, as TEXT sees it. */
static bool field_holds(struct slice message, const Sekisho__Field *f, struct slice needle, bool whole)
{
	struct slice all = slice_sub(message, f->offset, MIN(f->length, (uint32_t)LIMIT_HEADER_FIELD));
	ptrdiff_t colon = slice_find(all, ':');
	struct slice value = slice_sub(all, (size_t)(colon + 1), all.n);
	BUF_LOCAL(text, all.n * 4 + 16);
	if (whole) {
		buf_puts(&text, f->name);
		buf_puts(&text, ": ");
	}
	mail_words_decode(value, &text);
	return text_holds(buf_slice(&text), needle);
}

static bool header_holds(
    struct slice message, const Sekisho__Part *root, struct slice needle, struct slice name, bool all)
{
	for (size_t i = 0; i < root->n_fields; i++) {
		const Sekisho__Field *f = root->fields[i];
		if (!all && !slice_ieq(slice_str(f->name), name))
			continue;
		if (needle.n == 0 || field_holds(message, f, needle, all))
			return true;
	}
	return false;
}

/* Text parts, and the headers of embedded messages, which belong to the body of the one around them. */
static bool body_holds(struct slice message, const Sekisho__Part *part, struct slice needle, bool top)
{
	if (!top && part->envelope && header_holds(message, part, needle, SLICE_NONE, true))
		return true;
	for (size_t i = 0; i < part->n_parts; i++)
		if (body_holds(message, part->parts[i], needle, false))
			return true;
	if (part->n_parts || !slice_eq(slice_str(part->type), SLICE("text")))
		return false;
	BUF_LOCAL(text, SEARCH_TEXT * 2);
	mail_facts_text(message, part, &text);
	return text_holds(buf_slice(&text), needle);
}

bool mail_text_search(struct slice message, const Sekisho__Facts *facts, struct slice needle,
    enum mail_search_where where, struct slice field)
{
	if (!facts->root)
		return false;
	BUF_LOCAL(folded, needle.n * 20 + 64);
	mail_text_fold(needle, &folded);
	struct slice want = buf_slice(&folded);
	if (where == MAIL_SEARCH_HEADER)
		return header_holds(message, facts->root, want, field, false);
	if (want.n == 0)
		return true;
	if (where == MAIL_SEARCH_TEXT && header_holds(message, facts->root, want, SLICE_NONE, true))
		return true;
	return body_holds(message, facts->root, want, true);
}
