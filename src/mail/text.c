/* text: the readable text of parts. */
#include "mail/charset.h"
#include "facts.h"
#include "utf8.h"

#define PART_TEXT ((size_t)16 * 1024 * 1024) /* of one part, decoded */

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
	BUF_LOCAL(octets, MIN(part->body_length, PART_TEXT));
	mail_facts_octets(message, part, &octets);
	BUF_LOCAL(text, octets.n * 4 + 4);
	mail_text_decode(slice_str(part->charset), buf_slice(&octets), &text);
	if (slice_eq(slice_str(part->subtype), SLICE("html")))
		mail_html_text(buf_slice(&text), out);
	else
		lines_unix(buf_slice(&text), out);
}
