#include "relay/reply.h"
#include <stdio.h>

static bool is_status(struct slice s)
{
	/* class "." subject "." detail, RFC 3463: one digit, then one to three each. */
	struct cursor c = cursor_of(s);
	(void)cursor_u64(&c, 9);
	cursor_need(&c, '.');
	(void)cursor_u64(&c, 999);
	cursor_need(&c, '.');
	(void)cursor_u64(&c, 999);
	return cursor_done(&c) == OK && s.n < STATUS_TEXT;
}

/* The class must be the code's own: servers that contradict themselves get a status of ours. */
static void read_status(struct reply *r, struct slice text)
{
	struct slice first = slice_split(&text, ' ');
	if (first.n && (unsigned)(first.p[0] - '0') == r->code / 100 && is_status(first)) {
		memcpy(r->status, first.p, first.n);
		r->status[first.n] = '\0';
	} else {
		snprintf(r->status, sizeof r->status, "%c.0.0", (char)('0' + r->code / 100));
	}
}

static void add_text(struct reply *r, size_t *n, struct slice text)
{
	if (text.n && *n && *n + 1 < sizeof r->text)
		r->text[(*n)++] = ' ';
	for (size_t i = 0; i < text.n && *n + 1 < sizeof r->text; i++)
		r->text[(*n)++] = text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
	r->text[*n] = '\0';
}

/* "250-text", "250 text" or "250": false when it is none of them. */
static bool read_line(struct slice line, unsigned *code_out, bool *more_out, struct slice *text_out)
{
	uint32_t code = 0;
	if (line.n < 3 || num_u32(slice_sub(line, 0, 3), 599, &code) != OK || code < 200)
		return false;
	char after = line.n > 3 ? line.p[3] : ' ';
	*code_out = code;
	*more_out = after == '-';
	*text_out = slice_sub(line, 4, line.n);
	return after == '-' || after == ' ';
}

enum result reply_read(
    struct stream *s, struct reply *out, void (*each)(void *context, struct slice text), void *context)
{
	size_t n = 0;
	*out = (struct reply){0};
	for (int lines = 0; lines < LIMIT_REPLY_LINES; lines++) {
		struct slice line, text;
		unsigned code = 0;
		bool more = false;
		enum result r = stream_line(s, LIMIT_SMTP_LINE, &line);
		if (r != OK)
			return r == FULL ? BAD : r;
		if (!read_line(line, &code, &more, &text) || (lines && code != out->code))
			return BAD;
		if (lines == 0) {
			out->code = code;
			n = (size_t)snprintf(out->text, sizeof out->text, "%u", code);
			read_status(out, text);
		}
		add_text(out, &n, text);
		if (each)
			each(context, text);
		if (!more)
			return OK;
	}
	return BAD;
}

/* ---- EHLO ---- */

static void read_auth(struct caps *c, struct slice words)
{
	while (words.n) {
		struct slice word = slice_split(&words, ' ');
		c->auth_plain |= slice_ieq(word, SLICE("PLAIN"));
		c->auth_login |= slice_ieq(word, SLICE("LOGIN"));
	}
}

static void read_limits(struct caps *c, struct slice words)
{
	while (words.n) {
		struct slice value = slice_split(&words, ' ');
		struct slice name = slice_split(&value, '=');
		uint32_t n = 0;
		if (num_u32(value, 1000000, &n) != OK)
			continue;
		if (slice_ieq(name, SLICE("MAILMAX")))
			c->mailmax = n;
		else if (slice_ieq(name, SLICE("RCPTMAX")))
			c->rcptmax = n;
	}
}

static void read_size(struct caps *c, struct slice words)
{
	c->size = true;
	if (num_u64(slice_split(&words, ' '), UINT64_MAX, &c->size_most) != OK)
		c->size_most = 0;
}

void caps_read(void *caps, struct slice text)
{
	struct caps *c = caps;
	struct slice words = text, verb = slice_split(&words, ' ');
	if (c->lines++ == 0) {
		size_t n = MIN(verb.n, sizeof c->name - 1);
		for (size_t i = 0; i < n; i++)
			c->name[i] = ascii_lower(verb.p[i]);
		return;
	}
	c->pipelining |= slice_ieq(verb, SLICE("PIPELINING"));
	c->eightbit |= slice_ieq(verb, SLICE("8BITMIME"));
	c->smtputf8 |= slice_ieq(verb, SLICE("SMTPUTF8"));
	c->chunking |= slice_ieq(verb, SLICE("CHUNKING"));
	c->binarymime |= slice_ieq(verb, SLICE("BINARYMIME"));
	c->dsn |= slice_ieq(verb, SLICE("DSN"));
	c->starttls |= slice_ieq(verb, SLICE("STARTTLS"));
	c->requiretls |= slice_ieq(verb, SLICE("REQUIRETLS"));
	if (slice_ieq(verb, SLICE("SIZE")))
		read_size(c, words);
	else if (slice_ieq(verb, SLICE("AUTH")))
		read_auth(c, words);
	else if (slice_ieq(verb, SLICE("LIMITS")))
		read_limits(c, words);
}
