/* mbox_parse: messages in an mbox file (RFC 4155; mboxo, mboxrd, and mboxcl2 by its Content-Length). Pure. */
#include "ferry/inner.h"
#include "mail/date.h"

/* Cuts the first line off, its LF with it; *line_out is without CR and LF. */
static void cut_line(struct slice *rest, struct slice *line_out)
{
	ptrdiff_t at = slice_find(*rest, '\n');
	size_t n = at < 0 ? rest->n : (size_t)at;
	*line_out = slice_sub(*rest, 0, n);
	if (line_out->n && line_out->p[line_out->n - 1] == '\r')
		line_out->n--;
	*rest = slice_sub(*rest, at < 0 ? n : n + 1, rest->n);
}

/* "From somebody ... 12:34...": a line of text that begins so by chance has no time of day in it. */
static bool is_from_line(struct slice text)
{
	struct slice line;
	if (!slice_starts(text, SLICE("From ")))
		return false;
	cut_line(&text, &line);
	for (size_t i = 7; i + 2 < line.n; i++)
		if (line.p[i] == ':' && ascii_digit(line.p[i - 1]) && ascii_digit(line.p[i + 1]) &&
		    ascii_digit(line.p[i + 2]))
			return true;
	return false;
}

/* The header's fields with their continuation lines; false at its end. */
static bool next_field(struct slice *rest, struct slice *field_out)
{
	struct slice start = *rest, line;
	cut_line(rest, &line);
	if (!line.n) {
		*rest = start;
		return false;
	}
	while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		cut_line(rest, &line);
	*field_out = slice_sub(start, 0, start.n - rest->n);
	return true;
}

static bool is_field(struct slice field, const char *name, struct slice *value_out)
{
	struct slice key = slice_split(&field, ':');
	if (!slice_ieq(key, slice_str(name)))
		return false;
	*value_out = slice_trim(field);
	return true;
}

static bool at_boundary(struct slice text, size_t at)
{
	struct slice rest = slice_sub(text, at, text.n), line;
	if (at > text.n)
		return false;
	for (unsigned i = 0; i < 2 && rest.n && !is_from_line(rest); i++) {
		cut_line(&rest, &line);
		if (line.n)
			return false;
	}
	return !rest.n || is_from_line(rest);
}

/* The end of a message that says its length, when another message or the end of the file is there. */
static bool by_length(struct slice text, size_t *end_out)
{
	struct slice rest = text, field, value, line;
	uint64_t n = 0;
	bool told = false;
	while (next_field(&rest, &field))
		if (is_field(field, "Content-Length", &value))
			told = num_u64(value, INT64_MAX, &n) == OK;
	cut_line(&rest, &line);
	size_t header = text.n - rest.n;
	if (!told || n > rest.n || !at_boundary(text, header + n))
		return false;
	*end_out = header + n;
	return true;
}

static size_t by_from_line(struct slice text)
{
	size_t at = 0;
	for (;;) {
		ptrdiff_t found = slice_search(slice_sub(text, at, text.n), SLICE("\nFrom "));
		if (found < 0)
			return text.n;
		at += (size_t)found;
		bool blank = at == 0 || text.p[at - 1] == '\n' ||
			     (at > 1 && text.p[at - 1] == '\r' && text.p[at - 2] == '\n');
		at++;
		if (blank && is_from_line(slice_sub(text, at, text.n)))
			return at;
	}
}

static struct slice without_blank_line(struct slice text)
{
	if (slice_iends(text, SLICE("\n\n")))
		text.n--;
	else if (slice_iends(text, SLICE("\n\r\n")))
		text.n -= 2;
	else if (slice_eq(text, SLICE("\n")))
		text.n = 0;
	return text;
}

bool mbox_next(struct slice *rest, struct mbox_message *out)
{
	size_t end;
	while (rest->n && (rest->p[0] == '\n' || rest->p[0] == '\r'))
		*rest = slice_sub(*rest, 1, rest->n);
	*out = (struct mbox_message){0};
	if (!slice_starts(*rest, SLICE("From ")))
		return false;
	cut_line(rest, &out->from);
	out->measured = by_length(*rest, &end);
	if (!out->measured)
		end = by_from_line(*rest);
	out->text = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end, rest->n);
	if (!out->measured)
		out->text = without_blank_line(out->text);
	return true;
}

int64_t mbox_date(struct slice from)
{
	struct mail_date d;
	slice_split(&from, ' ');
	while (from.n) {
		slice_split(&from, ' ');
		from = slice_trim(from);
		if (from.n && mail_date_parse(from, &d) == OK)
			return d.ms;
	}
	return 0;
}

/* ---- fields ---- */

static bool status_field(struct slice field, struct mbox_fields *out)
{
	struct slice value;
	if (is_field(field, "Status", &value) || is_field(field, "X-Status", &value)) {
		/* In X-Status 'R' is nobody's letter. */
		out->flags |= ferry_status_flags(value);
		return true;
	}
	if (is_field(field, "X-Keywords", &value)) {
		out->keywords = value;
		return true;
	}
	return false;
}

static bool mbox_field(struct slice field, bool measured, struct mbox_fields *out)
{
	struct slice value;
	if (is_field(field, "Subject", &value) &&
	    slice_search(value, SLICE("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")) >= 0)
		out->internal = true;
	return status_field(field, out) || (measured && is_field(field, "Content-Length", &value)) ||
	       is_field(field, "X-UID", &value) || is_field(field, "X-IMAP", &value) ||
	       is_field(field, "X-IMAPbase", &value);
}

/*
 * Our own export: four fields of one line each stand before the message, which follows as it was, even where it begins
 * with fields of the same names or with a blank.
 */
static bool our_fields(struct slice *text, struct mbox_fields *out)
{
	struct slice rest = *text, line, value;
	struct mbox_fields found = {.exact = true};
	uint64_t ms;
	cut_line(&rest, &line);
	if (!is_field(line, "X-Sekisho-Export", &value) ||
	    num_u64(slice_split(&value, ' '), INT64_MAX, &ms) != OK ||
	    num_u64(value, INT64_MAX, &found.octets) != OK)
		return false;
	found.internal_ms = (int64_t)ms;
	for (unsigned i = 0; i < 3; i++) {
		cut_line(&rest, &line);
		if (!status_field(line, &found))
			return false;
	}
	*text = rest;
	*out = found;
	return true;
}

static void put_unquoted(struct buf *out, struct slice text)
{
	while (text.n) {
		ptrdiff_t at = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, at < 0 ? text.n : (size_t)at + 1);
		size_t marks = 0;
		while (marks < line.n && line.p[marks] == '>')
			marks++;
		bool quoted = marks && slice_starts(slice_sub(line, marks, line.n), SLICE("From "));
		buf_put(out, slice_sub(line, quoted ? 1 : 0, line.n));
		text = slice_sub(text, line.n, text.n);
	}
}

void mbox_put_quoted(struct buf *out, struct slice text)
{
	while (text.n) {
		ptrdiff_t at = slice_find(text, '\n');
		struct slice line = slice_sub(text, 0, at < 0 ? text.n : (size_t)at + 1);
		size_t marks = 0;
		while (marks < line.n && line.p[marks] == '>')
			marks++;
		if (slice_starts(slice_sub(line, marks, line.n), SLICE("From ")))
			buf_putc(out, '>');
		buf_put(out, line);
		text = slice_sub(text, line.n, text.n);
	}
}

void mbox_message_text(const struct mbox_message *m, struct buf *out, struct mbox_fields *fields)
{
	struct slice rest = m->text, field;
	*fields = (struct mbox_fields){0};
	if (!our_fields(&rest, fields))
		while (next_field(&rest, &field))
			if (!mbox_field(field, m->measured, fields))
				buf_put(out, field);
	if (m->measured)
		buf_put(out, rest);
	else
		put_unquoted(out, rest);
}
