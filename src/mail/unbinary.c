/* unbinary: a message with binary parts as every reader can have it; one with 8-bit parts as every server takes it. */
#include "mail/build.h"
#include "mail/facts.h"
#include <stdlib.h>

#define LINE 57 /* octets that make a line of base64, 76 characters */

struct rewriting {
	struct slice in;
	size_t at; /* octets of it that were dealt with */
	struct buf *out;
	bool cr;     /* the last octet that was copied is a CR */
	bool seven;  /* 8-bit parts too, and nothing else is changed */
	bool cannot; /* something of it must stay as it is */
};

/* Text as it is kept: lines end in CRLF, and a NUL becomes 80. */
static void copy_text(struct rewriting *w, struct slice s)
{
	if (w->seven) {
		buf_put(w->out, s);
		return;
	}
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

static bool has_field(struct slice header, struct slice name)
{
	struct mail_fields fields = mail_fields_of(header);
	struct mail_field f;
	while (mail_fields_next(&fields, &f))
		if (slice_ieq(f.name, name))
			return true;
	return false;
}

/* Behind the last field of a header that does not name its encoding. */
static void add_fields(
    struct rewriting *w, const Sekisho__Part *part, struct slice header, const char *encoding, bool root)
{
	bool ended =
	    header.n == 2 || slice_eq(slice_sub(header, header.n < 4 ? 0 : header.n - 4, 2), SLICE("\r\n"));
	if (!ended || !slice_iends(header, SLICE("\r\n"))) { /* no empty line to stand before */
		w->cannot = true;
		return;
	}
	copy_until(w, (size_t)(part->header_offset + part->header_length) - 2);
	if (root && !has_field(header, SLICE("MIME-Version")))
		buf_puts(w->out, "MIME-Version: 1.0\r\n");
	if (root && !has_field(header, SLICE("Content-Type")))
		buf_puts(w->out, "Content-Type: text/plain; charset=unknown-8bit\r\n"); /* RFC 1428 3 */
	buf_printf(w->out, "Content-Transfer-Encoding: %s\r\n", encoding);
}

/* The header with another Content-Transfer-Encoding. */
static void rewrite_header(struct rewriting *w, const Sekisho__Part *part, const char *encoding, bool root)
{
	bool named = false;
	struct slice header = slice_sub(w->in, (size_t)part->header_offset, (size_t)part->header_length);
	struct mail_fields fields = mail_fields_of(header);
	struct mail_field f;
	while (mail_fields_next(&fields, &f)) {
		if (!slice_ieq(f.name, SLICE("Content-Transfer-Encoding")))
			continue;
		named = true;
		size_t offset = (size_t)part->header_offset + (size_t)(f.all.p - header.p);
		copy_until(w, offset);
		buf_printf(w->out, "Content-Transfer-Encoding: %s\r\n", encoding);
		w->cr = false;
		w->at = offset + f.all.n;
	}
	if (!named && w->seven)
		add_fields(w, part, header, encoding, root);
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

static void put_qp(struct rewriting *w, const Sekisho__Part *part, struct slice body)
{
	copy_until(w, (size_t)part->body_offset);
	mail_put_qp(w->out, body);
	w->at = (size_t)(part->body_offset + part->body_length);
}

/* Octets that need 8BITMIME or BINARYMIME. */
static bool is_eight(const Sekisho__Part *part, struct slice body)
{
	return is_binary(part) || !slice_is_ascii(body) || slice_find(body, '\0') >= 0;
}

/* Text that is mostly ASCII stays readable to those who decode nothing. */
static bool is_for_qp(const Sekisho__Part *part, struct slice body)
{
	size_t high = 0;
	for (size_t i = 0; i < body.n; i++)
		high += (unsigned char)body.p[i] > 127;
	return strcmp(part->type, "text") == 0 && !is_binary(part) && high < body.n / 4 &&
	       slice_find(body, '\0') < 0;
}

static void seven_leaf(struct rewriting *w, const Sekisho__Part *part, struct slice body, bool root)
{
	bool qp = is_for_qp(part, body);
	if (!is_eight(part, body))
		return;
	rewrite_header(w, part, qp ? "quoted-printable" : "base64", root);
	if (qp)
		put_qp(w, part, body);
	else
		put_base64(w, part);
}

/* What a signature covers octet by octet (RFC 1847 2.1) is nobody's to change. */
static void seven_part(struct rewriting *w, const Sekisho__Part *part, bool root)
{
	struct slice body = slice_sub(w->in, (size_t)part->body_offset, (size_t)part->body_length);
	if (!part->n_parts && strcmp(part->type, "multipart") != 0) {
		seven_leaf(w, part, body, root);
		return;
	}
	if (strcmp(part->type, "multipart") == 0 && strcmp(part->subtype, "signed") == 0 &&
	    !slice_is_ascii(body))
		w->cannot = true;
	if (is_binary(part) || strcmp(part->encoding, "8bit") == 0)
		rewrite_header(w, part, "7bit", root);
	for (size_t i = 0; i < part->n_parts; i++)
		seven_part(w, part->parts[i], false);
}

/* In the order of their octets: a part's header, its body, its children. */
static void rewrite_part(struct rewriting *w, const Sekisho__Part *part)
{
	bool inner = part->n_parts || strcmp(part->type, "multipart") == 0;
	if (is_binary(part)) {
		rewrite_header(w, part, inner ? "8bit" : "base64", false);
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

enum result mail_seven(struct slice message, const Sekisho__Part *root, struct buf *out)
{
	struct rewriting w = {.in = message, .out = out, .seven = true};
	if (root)
		seven_part(&w, root, true);
	copy_until(&w, message.n);
	if (buf_result(out) != OK)
		return FULL;
	return !w.cannot && slice_is_ascii(buf_slice(out)) && slice_find(buf_slice(out), '\0') < 0 ? OK
												   : DENY;
}
