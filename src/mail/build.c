#include "build.h"
#include "class.h"
#include "mail/charset.h"
#include "utf8.h"
#include <sys/random.h>

#define LINE 76 /* octets we fold at, without CRLF */
#define WORD 75 /* an encoded word, RFC 2047 2 */

/* The text with what could break a line taken out, as UTF-8. */
static void text_clean(struct slice text, struct buf *out)
{
	mail_utf8_decode(text, out);
	for (size_t i = 0; i < out->n; i++)
		if ((unsigned char)out->p[i] < 32 || out->p[i] == 127)
			out->p[i] = ' ';
}

static bool q_safe(unsigned char c)
{
	return ascii_alpha((char)c) || ascii_digit((char)c) || c == '!' || c == '*' || c == '+' || c == '-' ||
	       c == '/';
}

/* Octets the character takes in Q. */
static size_t q_size(struct slice ch)
{
	if (ch.n > 1)
		return ch.n * 3;
	return q_safe((unsigned char)ch.p[0]) || ch.p[0] == ' ' ? 1 : 3;
}

static void q_put(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (q_safe(c))
			buf_putc(b, (char)c);
		else if (c == ' ')
			buf_putc(b, '_');
		else
			buf_printf(b, "=%02X", c);
	}
}

/* The octets of the character s begins with; s is well-formed UTF-8. */
static size_t char_size(struct slice s)
{
	size_t n = 1;
	while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Q is shorter where most is ASCII. */
static bool prefers_q(struct slice s)
{
	size_t q = 0;
	for (struct slice rest = s; rest.n;) {
		struct slice ch = slice_sub(rest, 0, char_size(rest));
		q += q_size(ch);
		rest = slice_sub(rest, ch.n, rest.n);
	}
	return q <= (s.n + 2) / 3 * 4;
}

void mail_words_put(struct buf *b, struct slice text, size_t column)
{
	BUF_LOCAL(clean, text.n * 3 + 4);
	text_clean(text, &clean);
	struct slice rest = buf_slice(&clean);
	bool q = prefers_q(rest);
	const size_t frame = SLICE("=?UTF-8?B?"
				   "?=")
				 .n;
	for (bool first = true; rest.n; first = false) {
		size_t room = first && column + frame + 12 < LINE ? LINE - column - frame : WORD - frame;
		size_t n = 0, size = 0;
		while (n < rest.n) { /* whole characters only */
			struct slice ch = slice_sub(rest, n, char_size(slice_sub(rest, n, rest.n)));
			size = q ? size + q_size(ch) : (n + ch.n + 2) / 3 * 4;
			if (size > room && n > 0)
				break;
			n += ch.n;
		}
		buf_puts(b, first ? "" : "\r\n ");
		buf_puts(b, q ? "=?UTF-8?Q?" : "=?UTF-8?B?");
		if (q)
			q_put(b, slice_sub(rest, 0, n));
		else
			buf_base64(b, slice_sub(rest, 0, n));
		buf_puts(b, "?=");
		rest = slice_sub(rest, n, rest.n);
	}
}

/* Writes text whose line already holds `column` octets, folding at single blanks. */
static void folded_put(struct buf *b, struct slice text, size_t column)
{
	bool first = true;
	while (text.n) {
		ptrdiff_t at = slice_find(slice_sub(text, 1, text.n), ' ');
		struct slice piece = slice_sub(text, 0, at < 0 ? text.n : (size_t)at + 1);
		bool blank = slice_trim(piece).n == 0;
		if (!first && !blank && column + piece.n > LINE && piece.p[0] == ' ') {
			buf_puts(b, "\r\n");
			column = 0;
		}
		buf_put(b, piece);
		column += piece.n;
		text = slice_sub(text, piece.n, text.n);
		first = false;
	}
}

static size_t name_put(struct buf *b, struct slice name)
{
	buf_put(b, name);
	buf_puts(b, ": ");
	return name.n + 2;
}

void mail_put_raw(struct buf *b, struct slice name, struct slice value)
{
	BUF_LOCAL(clean, value.n * 3 + 4);
	text_clean(value, &clean);
	size_t column = name_put(b, name);
	folded_put(b, slice_trim(buf_slice(&clean)), column);
	buf_puts(b, "\r\n");
}

void mail_put_text(struct buf *b, struct slice name, struct slice text)
{
	bool plain = slice_is_ascii(text) && slice_search(text, SLICE("=?")) < 0;
	for (size_t i = 0, run = 0; plain && i < text.n;
	     i++) { /* no line may pass 998, and none can be cut in a word */
		run = text.p[i] == ' ' ? 0 : run + 1;
		plain = run < 900;
	}
	if (plain) {
		mail_put_raw(b, name, text);
		return;
	}
	size_t column = name_put(b, name);
	mail_words_put(b, text, column);
	buf_puts(b, "\r\n");
}

void mail_phrase_put(struct buf *b, struct slice name, size_t column)
{
	bool atoms = name.n > 0, ascii = slice_is_ascii(name) && slice_search(name, SLICE("=?")) < 0;
	for (size_t i = 0; i < name.n; i++) {
		atoms =
		    atoms && (mail_is(name.p[i], MAIL_ATEXT) || (name.p[i] == ' ' && i && i + 1 < name.n));
		ascii = ascii && name.p[i] >= 32 && name.p[i] < 127;
	}
	if (!ascii || name.n > 200) {
		mail_words_put(b, name, column);
		return;
	}
	if (atoms) {
		buf_put(b, name);
		return;
	}
	buf_putc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, name.p[i]);
	}
	buf_putc(b, '"');
}

/* Octets since the last line end. */
static size_t column_of(const struct buf *b, size_t from)
{
	ptrdiff_t at = slice_rfind(slice_sub(buf_slice(b), from, b->n), '\n');
	return at < 0 ? b->n - from : b->n - from - (size_t)at - 1;
}

void mail_put_addresses(struct buf *b, struct slice name, const struct mail_named *list, size_t n)
{
	size_t start = b->n;
	name_put(b, name);
	if (n == 0)
		buf_puts(b, "undisclosed-recipients:;");
	for (size_t i = 0; i < n; i++) {
		size_t size = list[i].name.n + list[i].addr.local.n + list[i].addr.domain.n + 6;
		if (i) {
			bool full = column_of(b, start) + size > LINE;
			buf_puts(b, full ? ",\r\n " : ", ");
		}
		if (list[i].name.n) {
			mail_phrase_put(b, list[i].name, column_of(b, start));
			buf_putc(b, ' ');
			mail_path_put(b, list[i].addr);
		} else if (mail_addr_null(list[i].addr)) {
			buf_puts(b, "<>");
		} else {
			mail_addr_put(b, list[i].addr);
		}
	}
	buf_puts(b, "\r\n");
}

void mail_put_date(struct buf *b, struct slice name, struct mail_date date)
{
	name_put(b, name);
	mail_date_put(b, date);
	buf_puts(b, "\r\n");
}

static void random_put(struct buf *b, size_t n)
{
	static const char letters[32] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char r[32];
	while (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
		;
	for (size_t i = 0; i < n && i < sizeof r; i++)
		buf_putc(b, letters[r[i] & 31]);
}

void mail_id_make(struct buf *b, struct slice host)
{
	buf_printf(b, "%llx.", (unsigned long long)clock_utc_ms());
	random_put(b, 20);
	buf_putc(b, '@');
	buf_put(b, host);
}

void mail_boundary_make(char out[static MAIL_BOUNDARY + 1])
{
	BUF_LOCAL(b, MAIL_BOUNDARY + 1);
	buf_puts(&b, "=_sekisho_");
	random_put(&b, MAIL_BOUNDARY - b.n);
	memcpy(out, b.p, MAIL_BOUNDARY);
	out[MAIL_BOUNDARY] = 0;
}

/* A word from a client inside a trace field: only what can stand in a domain or an address. */
static void trace_put(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n && i < LIMIT_DNS_NAME; i++) {
		char c = s.p[i];
		bool ok =
		    ascii_alpha(c) || ascii_digit(c) || (unsigned char)c > 127 || (c && strchr(".-_:[]", c));
		buf_putc(b, ok ? c : '?');
	}
}

static void from_put(struct buf *b, const struct mail_received *r)
{
	if (r->helo.n == 0 && r->ip.n == 0)
		return;
	buf_puts(b, "from ");
	trace_put(b, r->helo.n ? r->helo : SLICE("unknown"));
	if (r->ip.n) {
		buf_puts(b, " (");
		trace_put(b, r->rdns.n ? r->rdns : SLICE("unknown"));
		buf_puts(b, slice_find(r->ip, ':') >= 0 ? " [IPv6:" : " [");
		trace_put(b, r->ip);
		buf_puts(b, "])");
	}
	buf_puts(b, "\r\n\t");
}

void mail_put_received(struct buf *b, const struct mail_received *r)
{
	buf_puts(b, "Received: ");
	from_put(b, r);
	buf_puts(b, "by ");
	trace_put(b, r->by);
	if (r->with.n) {
		buf_puts(b, " with ");
		trace_put(b, r->with);
	}
	if (r->tls.n) {
		buf_puts(b, "\r\n\t(");
		for (size_t i = 0; i < r->tls.n; i++)
			buf_putc(b, ascii_alpha(r->tls.p[i]) || ascii_digit(r->tls.p[i]) ||
					    (r->tls.p[i] && strchr("._- ", r->tls.p[i]))
					? r->tls.p[i]
					: '?');
		buf_puts(b, ")");
	}
	if (r->id.n) {
		buf_puts(b, "\r\n\tid ");
		trace_put(b, r->id);
	}
	if (!mail_addr_null(r->rcpt)) {
		buf_puts(b, "\r\n\tfor ");
		mail_path_put(b, r->rcpt);
	}
	buf_puts(b, ";\r\n\t");
	mail_date_put(b, r->date);
	buf_puts(b, "\r\n");
}
