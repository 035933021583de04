#include "text.h"

static void flaw(struct smtp_text *t, enum smtp_reply what)
{
	if (t->flaw == REPLY_NONE)
		t->flaw = what;
}

static void put(struct smtp_text *t, const char *from, const char *to)
{
	if (from == to)
		return;
	if (t->flaw == REPLY_NONE)
		t->put(t->to, slice_of(from, (size_t)(to - from)));
}

/* The first flaw counts, whatever came in one piece: of n octets within a line. */
static void look_at(struct smtp_text *t, const char *p, size_t n)
{
	size_t room = LIMIT_SMTP_TEXT_LINE - MIN(t->line, (size_t)LIMIT_SMTP_TEXT_LINE);
	size_t look = MIN(n, room + 1);
	const char *lf = memchr(p, '\n', look);
	if (memchr(p, '\0', lf ? (size_t)(lf - p) : look))
		flaw(t, REPLY_NUL);
	if (lf)
		flaw(t, REPLY_BARE_LINE_END);
	if (n > room)
		flaw(t, REPLY_TEXT_LINE_LONG);
	t->line += n;
}

/* From p to the CR of this line, or to the end. */
static const char *take_line(struct smtp_text *t, const char *p, const char *end)
{
	const char *cr = memchr(p, '\r', (size_t)(end - p));
	look_at(t, p, (size_t)((cr ? cr : end) - p));
	t->at = cr ? AT_CR : AT_TEXT;
	return cr ? cr + 1 : end;
}

/* The octet behind a CR. */
static const char *take_lf(struct smtp_text *t, const char *p)
{
	if (*p == '\n') {
		t->at = t->at == AT_DOT_CR ? AT_END : AT_START;
		t->line = 0;
		return p + 1;
	}
	flaw(t, REPLY_BARE_LINE_END);
	t->at = *p == '\r' ? AT_CR : AT_TEXT;
	return *p == '\r' ? p + 1 : p;
}

size_t smtp_text_take(struct smtp_text *t, struct slice in)
{
	const char *p = in.p, *end = in.p + in.n, *run = p; /* run: first octet not yet put */
	if (t->mode == TEXT_BINARY) {
		put(t, p, end);
		t->at = in.n ? AT_TEXT : t->at;
		return in.n;
	}
	while (p < end && t->at != AT_END) {
		switch (t->at) {
		case AT_START:
			t->at = AT_TEXT;
			if (t->mode == TEXT_DATA && *p == '.') {
				put(t, run, p);
				run = ++p; /* dropped in any case */
				t->at = AT_DOT;
			}
			break;
		case AT_TEXT:
			p = take_line(t, p, end);
			break;
		case AT_DOT:
			t->at = *p == '\r' ? AT_DOT_CR : AT_TEXT;
			if (*p == '\r')
				run = ++p; /* part of the end, or of a flaw */
			break;
		default:
			p = take_lf(t, p);
			if (t->at == AT_END)
				run = p; /* CRLF of the final dot */
		}
	}
	put(t, run, p);
	return (size_t)(p - in.p);
}

void smtp_text_finish(struct smtp_text *t)
{
	if (t->mode == TEXT_BINARY)
		return;
	if (t->at == AT_CR)
		flaw(t, REPLY_BARE_LINE_END);
	if (t->at == AT_TEXT)
		put(t, "\r\n", &"\r\n"[2]);
}
