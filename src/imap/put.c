#include "put.h"
#include "chars.h"
#include "mail/date.h"
#include "utf7.h"

#define QUOTED_MOST 512

void imap_put_number(struct stream *out, uint64_t n)
{
	char text[20];
	size_t at = sizeof text;
	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	stream_put(out, slice_of(text + at, sizeof text - at));
}

void imap_put_literal_start(struct stream *out, uint64_t n)
{
	stream_put(out, SLICE("{"));
	imap_put_number(out, n);
	stream_put(out, SLICE("}\r\n"));
}

void imap_put_octets(struct stream *out, struct slice s)
{
	while (s.n) {
		const char *nul = memchr(s.p, 0, s.n);
		size_t n = nul ? (size_t)(nul - s.p) : s.n;
		stream_put(out, slice_of(s.p, n));
		if (nul)
			stream_put(out, SLICE("\x80"));
		s = slice_sub(s, n + (nul ? 1 : 0), s.n);
	}
}

static bool can_be_quoted(struct slice s)
{
	if (s.n > QUOTED_MOST)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!imap_is_text((unsigned char)s.p[i]))
			return false;
	return true;
}

static void put_quoted(struct stream *out, struct slice s)
{
	char text[QUOTED_MOST * 2 + 2];
	size_t n = 0;
	text[n++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			text[n++] = '\\';
		text[n++] = s.p[i];
	}
	text[n++] = '"';
	stream_put(out, slice_of(text, n));
}

void imap_put_string(struct stream *out, struct slice s)
{
	if (can_be_quoted(s)) {
		put_quoted(out, s);
		return;
	}
	imap_put_literal_start(out, s.n);
	imap_put_octets(out, s);
}

void imap_put_nstring(struct stream *out, struct slice s, bool present)
{
	if (present)
		imap_put_string(out, s);
	else
		stream_put(out, SLICE("NIL"));
}

void imap_put_astring(struct stream *out, struct slice s)
{
	bool atom = s.n > 0 && s.n <= QUOTED_MOST && !slice_ieq(s, SLICE("NIL"));
	for (size_t i = 0; atom && i < s.n; i++)
		atom = imap_is_astring(s.p[i]);
	if (atom)
		stream_put(out, s);
	else
		imap_put_string(out, s);
}

void imap_put_mailbox(struct stream *out, struct slice utf8, bool utf8_accept)
{
	if (slice_is_ascii(utf8) && slice_find(utf8, '&') < 0) {
		imap_put_astring(out, utf8);
		return;
	}
	BUF_LOCAL(b, 8 * LIMIT_MAILBOX_NAME);
	if (!utf8_accept) {
		imap_utf7_encode(utf8, &b);
		imap_put_astring(out, buf_slice(&b));
		return;
	}
	/* RFC 6855 section 3: UTF-8 may stand in quotes. */
	buf_putc(&b, '"');
	for (size_t i = 0; i < utf8.n; i++) {
		if (utf8.p[i] == '"' || utf8.p[i] == '\\')
			buf_putc(&b, '\\');
		buf_putc(&b, utf8.p[i]);
	}
	buf_putc(&b, '"');
	stream_put(out, buf_slice(&b));
}

static char *two_digits(char *p, int64_t n, char pad)
{
	p[0] = n < 10 ? pad : (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
	return p + 2;
}

/* By hand, since a FETCH of a whole mailbox shows one for each message. */
void imap_put_date_time(struct stream *out, int64_t utc_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t at = MIN(MAX(utc_ms, -62135596800000), 253402300799000) / SECOND_MS; /* years 1 to 9999 */
	int64_t days = at >= 0 ? at / 86400 : -((-at + 86399) / 86400), second = at - days * 86400, year;
	int month, day;
	mail_days_split(days, &year, &month, &day);
	char text[30], *p = text;
	*p++ = '"';
	p = two_digits(p, day, ' ');
	*p++ = '-';
	memcpy(p, months + 3 * (month - 1), 3);
	p[3] = '-';
	p = two_digits(two_digits(p + 4, year / 100, '0'), year % 100, '0');
	*p++ = ' ';
	p = two_digits(p, second / 3600, '0');
	*p++ = ':';
	p = two_digits(p, second / 60 % 60, '0');
	*p++ = ':';
	p = two_digits(p, second % 60, '0');
	memcpy(p, " +0000\"", 7);
	stream_put(out, slice_of(text, (size_t)(p + 7 - text)));
}

void imap_put_runs(struct stream *out, const struct runs *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (i)
			stream_put(out, SLICE(","));
		imap_put_number(out, r->v[i].first);
		if (r->v[i].last == r->v[i].first)
			continue;
		stream_put(out, SLICE(":"));
		imap_put_number(out, r->v[i].last);
	}
}
