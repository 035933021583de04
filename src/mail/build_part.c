/* build_part: bodies and parameters. */
#include "build.h"
#include "class.h"
#include "mail/charset.h"
#include "utf8.h"

#define LINE 76

void mail_put_base64(struct buf *b, struct slice body)
{
	for (; body.n; body = slice_sub(body, 57, body.n)) {
		buf_base64(b, slice_sub(body, 0, 57));
		buf_puts(b, "\r\n");
	}
}

/* One octet of a line, escaped where it must be; a soft line end first when the line is full. */
static void qp_octet(struct buf *b, unsigned char c, bool last, size_t *column)
{
	bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !last);
	size_t size = plain ? 1 : 3;
	if (*column + size > LINE - 1) {
		buf_puts(b, "=\r\n");
		*column = 0;
	}
	if (plain && !(c == '.' && *column == 0)) /* a dot alone on a line has ended too many messages */
		buf_putc(b, (char)c);
	else
		buf_printf(b, "=%02X", c);
	*column += size;
}

void mail_put_qp(struct buf *b, struct slice text)
{
	while (text.n) {
		bool ended = slice_find(text, '\n') >= 0;
		struct slice line = slice_split(&text, '\n');
		if (ended && line.n && line.p[line.n - 1] == '\r')
			line.n--;
		size_t column = 0;
		for (size_t i = 0; i < line.n; i++)
			qp_octet(b, (unsigned char)line.p[i], i + 1 == line.n, &column);
		if (ended)
			buf_puts(b, "\r\n");
	}
}

/* LF and CRLF line ends as CRLF, one at the end in any case. */
static void lines_put(struct buf *b, struct slice text)
{
	while (text.n) {
		struct slice line = slice_split(&text, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		buf_put(b, line);
		buf_puts(b, "\r\n");
	}
}

struct kinds {
	size_t high, controls, longest;
};

static struct kinds kinds_of(struct slice text)
{
	struct kinds k = {0};
	for (size_t i = 0, run = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		run = c == '\n' ? 0 : run + 1;
		k.longest = MAX(k.longest, run);
		k.high += c > 127;
		k.controls += (c < 32 && c != '\n' && c != '\r' && c != '\t') || c == 127;
	}
	return k;
}

void mail_put_text_part(struct buf *b, struct slice subtype, struct slice text)
{
	struct kinds k = kinds_of(text);
	bool plain = k.high == 0 && k.controls == 0 && k.longest <= 900;
	bool qp = !plain && (k.high + k.controls) * 3 < text.n;
	buf_puts(b, "Content-Type: text/");
	buf_put(b, subtype);
	buf_puts(b, "; charset=utf-8\r\nContent-Transfer-Encoding: ");
	buf_puts(b, plain ? "7bit\r\n\r\n" : qp ? "quoted-printable\r\n\r\n" : "base64\r\n\r\n");
	if (plain) {
		lines_put(b, text);
		return;
	}
	if (qp) {
		mail_put_qp(b, text);
		return;
	}
	BUF_LOCAL(crlf, text.n * 2 + 2);
	lines_put(&crlf, text);
	mail_put_base64(b, buf_slice(&crlf));
}

void mail_put_boundary(struct buf *b, const char *boundary, bool last)
{
	buf_puts(b, "\r\n--");
	buf_puts(b, boundary);
	buf_puts(b, last ? "--\r\n" : "\r\n");
}

/* One "; name*N*=" line of the extended form. */
static void piece_start(struct buf *b, struct slice name, int index, bool whole)
{
	buf_puts(b, ";\r\n ");
	buf_put(b, name);
	if (!whole)
		buf_printf(b, "*%d", index);
	buf_puts(b, "*=");
	if (index == 0)
		buf_puts(b, "UTF-8''");
}

static void extended_put(struct buf *b, struct slice name, struct slice value)
{
	BUF_LOCAL(coded, value.n * 9 + 4);
	BUF_LOCAL(clean, value.n * 3 + 4);
	mail_utf8_decode(value, &clean);
	for (size_t i = 0; i < clean.n; i++) {
		if (mail_is(clean.p[i], MAIL_ATTR))
			buf_putc(&coded, clean.p[i]);
		else
			buf_printf(&coded, "%%%02X", (unsigned char)clean.p[i]);
	}
	const size_t room = MAX((size_t)24, LINE - MIN(name.n, (size_t)40) - 16);
	bool whole = coded.n <= room;
	struct slice rest = buf_slice(&coded);
	for (int index = 0; index == 0 || rest.n; index++) {
		size_t n = MIN(room, rest.n);
		for (int back = 0; back < 2 && n < rest.n && n > 2; back++) /* not inside "%XX" */
			if (rest.p[n - 1] == '%' || rest.p[n - 2] == '%')
				n--;
		piece_start(b, name, index, whole);
		buf_put(b, slice_sub(rest, 0, n));
		rest = slice_sub(rest, n, rest.n);
	}
}

void mail_put_param(struct buf *b, struct slice name, struct slice value)
{
	bool token = value.n > 0, plain = value.n + name.n < LINE - 8;
	for (size_t i = 0; i < value.n; i++) {
		token = token && mail_is(value.p[i], MAIL_TOKEN);
		plain = plain && value.p[i] >= 32 && value.p[i] < 127;
	}
	if (!plain) {
		extended_put(b, name, value);
		return;
	}
	buf_puts(b, ";\r\n ");
	buf_put(b, name);
	buf_putc(b, '=');
	if (token) {
		buf_put(b, value);
		return;
	}
	buf_putc(b, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, value.p[i]);
	}
	buf_putc(b, '"');
}
