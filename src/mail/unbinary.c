/* unbinary: a message with binary parts as one that every reader can have. */
#include "mail/facts.h"
#include <stdlib.h>

#define LINE 57 /* octets that make a line of base64, 76 characters */

struct rewriting {
	struct slice in;
	size_t at; /* octets of it that were dealt with */
	struct buf *out;
	bool cr; /* the last octet that was copied is a CR */
};

/* Text as it is kept: lines end in CRLF, and a NUL becomes 80. */
static void copy_text(struct rewriting *w, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\n' && !w->cr)
			buf_putc(w->out, '\r');
		buf_putc(w->out, c ? c : (char)0x80);
		w->cr = c == '\r';
	}
}

static void copy_until(struct rewriting *w, size_t offset)
{
	if (offset <= w->at)
		return;
	copy_text(w, slice_sub(w->in, w->at, offset - w->at));
	w->at = offset;
}

static bool is_binary(const Sekisho__Part *part)
{
	return strcmp(part->encoding, "binary") == 0;
}

/* The header with another Content-Transfer-Encoding. */
static void rewrite_header(struct rewriting *w, const Sekisho__Part *part, const char *encoding)
{
	struct slice header = slice_sub(w->in, (size_t)part->header_offset, (size_t)part->header_length);
	struct mail_fields fields = mail_fields_of(header);
	struct mail_field f;
	while (mail_fields_next(&fields, &f)) {
		if (!slice_ieq(f.name, SLICE("Content-Transfer-Encoding")))
			continue;
		size_t offset = (size_t)part->header_offset + (size_t)(f.all.p - header.p);
		copy_until(w, offset);
		buf_printf(w->out, "Content-Transfer-Encoding: %s\r\n", encoding);
		w->cr = false;
		w->at = offset + f.all.n;
	}
	copy_until(w, (size_t)(part->header_offset + part->header_length));
}

static void put_base64(struct rewriting *w, const Sekisho__Part *part)
{
	struct slice body = slice_sub(w->in, (size_t)part->body_offset, (size_t)part->body_length);
	copy_until(w, (size_t)part->body_offset);
	for (size_t i = 0; i < body.n; i += LINE) {
		if (i)
			buf_puts(w->out, "\r\n");
		buf_base64(w->out, slice_sub(body, i, LINE));
	}
	w->cr = false;
	w->at = (size_t)(part->body_offset + part->body_length);
}

/* In the order of their octets: a part's header, its body, its children. */
static void rewrite_part(struct rewriting *w, const Sekisho__Part *part)
{
	bool inner = part->n_parts || strcmp(part->type, "multipart") == 0;
	if (is_binary(part)) {
		rewrite_header(w, part, inner ? "8bit" : "base64");
		if (!inner)
			put_base64(w, part);
	}
	for (size_t i = 0; i < part->n_parts; i++)
		rewrite_part(w, part->parts[i]);
}

enum result mail_unbinary(struct slice message, const Sekisho__Part *root, struct buf *out)
{
	struct rewriting w = {.in = message, .out = out};
	if (root)
		rewrite_part(&w, root);
	copy_until(&w, message.n);
	return buf_result(out);
}
