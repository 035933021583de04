#include "reply.h"
#include <stdio.h>

static const struct reply {
	unsigned code;
	const char *status, *text;
} replies[REPLY_COUNT] = {
#define X(name, number, enhanced, words) [REPLY_##name] = {number, enhanced, words},
#include "reply.def"
#undef X
};

unsigned smtp_reply_code(enum smtp_reply r)
{
	return replies[r].code;
}

const char *smtp_reply_status(enum smtp_reply r)
{
	return replies[r].status;
}

const char *smtp_reply_text(enum smtp_reply r)
{
	return replies[r].text;
}

#define TEXT_MOST ((size_t)400) /* RFC 5321 4.5.3.1.5: a reply line has at most 512 octets */

void smtp_reply_put(struct stream *s, unsigned code, bool more, const char *status, struct slice text)
{
	BUF_LOCAL(line, 512);
	buf_printf(&line, "%03u%c%s%s", code, more ? '-' : ' ', status, *status ? " " : "");
	text = slice_sub(text, 0, TEXT_MOST);
	for (size_t i = 0; i < text.n; i++)
		buf_putc(&line, text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?');
	buf_puts(&line, "\r\n");
	stream_put(s, buf_slice(&line));
}

/* class "." subject "." detail, RFC 3463 section 2 */
static bool take_status(struct cursor *c, char class, char status_out[16])
{
	struct cursor in = *c;
	cursor_need(&in, class);
	cursor_need(&in, '.');
	cursor_u64(&in, 999);
	cursor_need(&in, '.');
	cursor_u64(&in, 999);
	size_t n = in.err == OK ? (size_t)(in.rest.p - c->rest.p) : 0;
	cursor_need(&in, ' ');
	if (in.err != OK || n >= 16)
		return false;
	memcpy(status_out, c->rest.p, n);
	status_out[n] = '\0';
	*c = in;
	return true;
}

struct slice smtp_reply_of(enum result r, struct slice why, unsigned *code_out, char status_out[16])
{
	enum smtp_reply reply = r == DENY ? REPLY_REFUSED : r == FULL ? REPLY_NO_ROOM : REPLY_LATER;
	struct cursor c = cursor_of(why);
	*code_out = replies[reply].code;
	if (!take_status(&c, r == DENY ? '5' : '4', status_out))
		snprintf(status_out, 16, "%s", replies[reply].status);
	return c.rest.n ? c.rest : slice_str(replies[reply].text);
}
