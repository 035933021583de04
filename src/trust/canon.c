#include "trust/canon.h"

const char *canon_name(enum canon how)
{
	return how == CANON_RELAXED ? "relaxed" : "simple";
}

/* ---- fields ---- */

static void put_relaxed_value(struct slice value, struct buf *out)
{
	size_t i = 0;
	bool blank = false, any = false;
	while (i < value.n) {
		size_t from = i;
		while (i < value.n && value.p[i] != ' ' && value.p[i] != '\t' && value.p[i] != '\r')
			i++;
		bool line_end = i + 1 < value.n && value.p[i] == '\r' && value.p[i + 1] == '\n';
		if (i == from && i < value.n && value.p[i] == '\r' && !line_end)
			i++; /* a bare CR is text */
		if (i > from) {
			if (blank && any)
				buf_putc(out, ' ');
			buf_put(out, slice_sub(value, from, i - from));
			blank = false;
			any = true;
		} else {
			blank |= !line_end;
			i += line_end ? 2 : 1;
		}
	}
}

static void put_relaxed_name(struct slice name, struct buf *out)
{
	char *p = buf_room(out, name.n + 1);
	if (!p)
		return;
	for (size_t i = 0; i < name.n; i++)
		p[i] = ascii_lower(name.p[i]);
	p[name.n] = ':';
	buf_wrote(out, name.n + 1);
}

void canon_field(enum canon how, const struct mail_field *f, struct buf *out)
{
	if (how == CANON_SIMPLE) {
		buf_put(out, f->all);
		if (f->all.n == 0 || f->all.p[f->all.n - 1] != '\n')
			buf_puts(out, "\r\n");
		return;
	}
	put_relaxed_name(f->name, out);
	put_relaxed_value(f->value, out);
	buf_puts(out, "\r\n");
}

void canon_signature(enum canon how, const struct mail_field *f, struct slice b, struct buf *out)
{
	size_t at = (size_t)(b.p - f->value.p);
	struct slice before = slice_sub(f->value, 0, at), after = slice_sub(f->value, at + b.n, f->value.n);
	if (how == CANON_SIMPLE) {
		buf_put(out, slice_sub(f->all, 0, (size_t)(f->value.p - f->all.p)));
		buf_put(out, before);
		buf_put(out, after);
		return;
	}
	BUF_LOCAL(value, f->value.n + 1);
	buf_put(&value, before);
	buf_put(&value, after);
	put_relaxed_name(f->name, out);
	put_relaxed_value(buf_slice(&value), out);
}

/* ---- bodies ---- */

static void emit(struct canon_body *c, const char *p, size_t n)
{
	c->total += n;
	c->sink(c->context, slice_of(p, n));
}

/* What was held back turns out to stand before text. */
static void release(struct canon_body *c)
{
	static const char ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
	while (c->line_ends) {
		size_t n = (size_t)MIN(c->line_ends, (uint64_t)(sizeof ends / 2));
		emit(c, ends, 2 * n);
		c->line_ends -= n;
	}
	if (c->blank)
		emit(c, " ", 1);
	c->blank = false;
}

/* The octet behind a CR: the line end is complete, or the CR was text. Returns whether the octet is used up. */
static bool after_cr(struct canon_body *c, char octet)
{
	c->cr = false;
	if (octet == '\n') {
		c->line_ends++;
		c->blank = false; /* white space at the end of a line */
		return true;
	}
	release(c);
	emit(c, "\r", 1);
	return false;
}

static inline bool is_blank(char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Octets from i on that come out as they went in: text with single spaces and single line ends inside. */
static size_t unchanged_relaxed(struct slice s, size_t i)
{
	const char *p = s.p;
	size_t from = i;
	while (i < s.n) {
		if (p[i] == ' ' && i + 1 < s.n && !is_blank(p[i + 1]) && p[i + 1] != '\r')
			i += 2;
		else if (p[i] == '\r' && i + 2 < s.n && p[i + 1] == '\n' && !is_blank(p[i + 2]) &&
			 p[i + 2] != '\r')
			i += 3;
		else if (is_blank(p[i]) || p[i] == '\r')
			break;
		else
			i++;
	}
	return i - from;
}

/* Likewise: everything before `text_end`, behind which there are only CR and LF. */
static size_t unchanged_simple(struct slice s, size_t i, size_t text_end)
{
	if (text_end > i)
		return text_end - i;
	size_t end = i;
	while (end < s.n && s.p[end] != '\r')
		end++;
	return end - i;
}

static size_t end_of_text(struct slice s)
{
	size_t end = s.n;
	while (end && (s.p[end - 1] == '\r' || s.p[end - 1] == '\n'))
		end--;
	return end;
}

void canon_body_add(struct canon_body *c, struct slice s)
{
	bool relaxed = c->how == CANON_RELAXED;
	size_t text_end = relaxed ? 0 : end_of_text(s);
	for (size_t i = 0; i < s.n;) {
		char octet = s.p[i];
		if (c->cr && after_cr(c, octet)) {
			i++;
		} else if (octet == '\r') {
			c->cr = true;
			i++;
		} else if (relaxed && is_blank(octet)) {
			c->blank = true;
			i++;
		} else {
			size_t n = relaxed ? unchanged_relaxed(s, i) : unchanged_simple(s, i, text_end);
			release(c);
			emit(c, s.p + i, n);
			i += n;
		}
	}
}

void canon_body_end(struct canon_body *c)
{
	if (c->cr) { /* a bare CR at the very end */
		release(c);
		emit(c, "\r", 1);
		c->cr = false;
	}
	if (c->how == CANON_SIMPLE || c->total)
		emit(c, "\r\n", 2);
	c->line_ends = 0;
	c->blank = false;
}
