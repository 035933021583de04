/* mend: XML that is nearly well-formed, made so on its way to the parser. */
#include "report/inner.h"

/* Octets of an entity or a character reference that XML knows without a DTD at the start of s, 0: none, -1: it may go on. */
static int escape_at(struct slice s)
{
	static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
	for (size_t i = 0; i < COUNT(known); i++) {
		struct slice k = slice_str(known[i]);
		if (slice_starts(s, k))
			return (int)k.n;
		if (s.n < k.n && slice_starts(k, s))
			return -1;
	}
	if (s.n < 2 || s.p[1] != '#')
		return s.n < 2 ? -1 : 0;
	for (size_t i = 2; i < MIN(s.n, (size_t)ESCAPE_MOST); i++)
		if (s.p[i] == ';')
			return i > 2 ? (int)i + 1 : 0;
		else if (!ascii_digit(s.p[i]) && !ascii_alpha(s.p[i]))
			return 0;
	return s.n < ESCAPE_MOST ? -1 : 0;
}

/* Octets of a well-formed sequence at the start of s, 0: it is none, -1: it may go on. */
static int sequence_at(struct slice s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	for (size_t i = 1; i < MIN(s.n, n); i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
	if (s.n < n)
		return -1;
	return slice_is_utf8(slice_sub(s, 0, n)) ? (int)n : 0;
}

static bool is_plain(unsigned char c)
{
	return c < 0x80 && c != '&' && (c >= ' ' || c == '\n' || c == '\r' || c == '\t');
}

/*
 * Gives s on, with what XML could not bear mended: octets that are no UTF-8 and control characters become
 * question marks, an ampersand that begins nothing becomes &amp;. What is cut at the end of s waits, unless it is the last.
 */
static enum result mend(struct mend *m, struct slice s, bool last, size_t *used_out)
{
	size_t from = 0, at = 0;
	enum result done = OK;
	while (at < s.n && done == OK) {
		if (is_plain((unsigned char)s.p[at])) {
			at++;
			continue;
		}
		struct slice here = slice_sub(s, at, s.n);
		unsigned char c = (unsigned char)s.p[at];
		int n = c == '&' ? escape_at(here) : c < 0x80 ? 0 : sequence_at(here);
		if (n < 0 && !last)
			break;
		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		done = m->give(m->context, slice_sub(s, from, at - from));
		if (done == OK)
			done = m->give(m->context, c == '&' ? SLICE("&amp;") : SLICE("?"));
		from = ++at;
	}
	if (done == OK)
		done = m->give(m->context, slice_sub(s, from, at - from));
	*used_out = at;
	return done;
}

enum result mend_put(struct mend *m, struct slice piece, bool last)
{
	size_t used;
	enum result done = OK;
	while (m->n && done == OK && (piece.n || last)) {
		/* what waits, with enough behind it to know */
		size_t more = MIN(piece.n, sizeof m->held - m->n);
		if (more)
			memcpy(m->held + m->n, piece.p, more);
		size_t had = m->n;
		done = mend(m, slice_of(m->held, had + more), last && more == piece.n, &used);
		if (used < had) {
			memmove(m->held, m->held + used, had + more - used);
			m->n = had + more - used;
			piece = slice_sub(piece, more, piece.n);
			if (!more)
				return done;
			continue;
		}
		m->n = 0;
		piece = slice_sub(piece, used - had, piece.n);
	}
	if (done != OK || !piece.n)
		return done;
	done = mend(m, piece, last, &used);
	if (done == OK && used < piece.n) {
		m->n = piece.n - used;
		memcpy(m->held, piece.p + used, m->n);
	}
	return done;
}
