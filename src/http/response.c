#include "response.h"
#include "parse.h"
#include <time.h>

#define FIELDS_MOST ((size_t)16384)

const char *http_reason(enum http_status s)
{
	switch (s) {
#define X(name, code, reason)                                                                                \
	case code:                                                                                           \
		return reason;
#include "status.def"
#undef X
	case HTTP_STATUS_NONE:
		break;
	}
	return "";
}

/* ---- standard fields ---- */

/* Sent unless the handler gives its own. A browser that is shown one of our answers as a page can do nothing with it. */
static const struct {
	const char *name, *value;
	bool only_tls;
} standard[] = {
    {"X-Content-Type-Options", "nosniff", false},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'", false},
    {"Referrer-Policy", "no-referrer", false},
    {"Cache-Control", "no-store", false},
    {"Strict-Transport-Security", "max-age=31536000", true},
};

/* Fields that only the encoder writes. */
static const char *const ours[] = {
    "Date", "Connection", "Content-Type", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade"};

static bool is_ours(struct slice name)
{
	for (size_t i = 0; i < COUNT(ours); i++)
		if (slice_ieq(name, slice_str(ours[i])))
			return true;
	return false;
}

void http_put_header(struct http_response *p, const char *name, struct slice value)
{
	struct slice n = slice_str(name);
	if (!http_is_token(n) || is_ours(n) || !http_is_field_value(value) || p->begun) {
		p->flaw = true;
		return;
	}
	for (unsigned i = 0; i < COUNT(standard); i++)
		if (slice_ieq(n, slice_str(standard[i].name)))
			p->given |= 1u << i;
	buf_put(&p->fields, n);
	buf_puts(&p->fields, ": ");
	buf_put(&p->fields, slice_trim_blank(value));
	buf_puts(&p->fields, "\r\n");
}

void http_date_put(struct buf *b, int64_t utc_ms)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(utc_ms / SECOND_MS);
	struct tm tm;
	gmtime_r(&t, &tm);
	buf_printf(b, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + (size_t)tm.tm_wday * 3, tm.tm_mday,
	    months + (size_t)tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- JSON ---- */

/* Octets of the UTF-8 character at the start of s, 0 when there is none. */
static size_t character(struct slice s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (slice_is_utf8(slice_sub(s, 0, n)))
			return n;
	return 0;
}

void http_put_json(struct buf *b, struct slice text)
{
	buf_putc(b, '"');
	while (text.n) {
		size_t n = character(text);
		unsigned char c = (unsigned char)text.p[0];
		if (!n)
			buf_puts(b, "\\ufffd");
		else if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || c == '<')
			buf_printf(b, "\\u%04x", c);
		else
			buf_put(b, slice_sub(text, 0, n));
		text = slice_sub(text, n ? n : 1, SIZE_MAX);
	}
	buf_putc(b, '"');
}

/* ---- an answer ---- */

void http_response_init(
    struct http_response *p, const struct http_request *q, bool tls, struct stream *stream, bool keep)
{
	*p = (struct http_response){
	    .status = HTTP_STATUS_OK, .request = q, .stream = stream, .keep = keep && q};
	buf_init(&p->body, LIMIT_HTTP_RESPONSE);
	buf_init(&p->fields, FIELDS_MOST);
	for (unsigned i = 0; i < COUNT(standard); i++)
		if (standard[i].only_tls && !tls)
			p->given |= 1u << i;
}

void http_response_free(struct http_response *p)
{
	buf_free(&p->body);
	buf_free(&p->fields);
}

void http_refuse(struct http_response *p, enum http_status status, const char *why)
{
	p->status = status;
	p->type = "text/plain; charset=utf-8";
	buf_clear(&p->body);
	if (why)
		buf_printf(&p->body, "%s\n", why);
	else
		buf_printf(&p->body, "%u %s\n", (unsigned)status, http_reason(status));
}

/* What a handler did wrong is its author's business; the client gets a clean 500. True when it was so. */
static bool replace_flawed(struct http_response *p)
{
	if (!p->flaw && buf_result(&p->body) == OK && buf_result(&p->fields) == OK &&
	    *http_reason(p->status) && p->status >= HTTP_STATUS_OK)
		return false;
	EVENT(INTERNAL, KZ("where", "http"), KZ("why", "a handler made an answer that cannot be sent"));
	buf_clear(&p->fields);
	p->lasting = SLICE_NONE;
	p->flaw = false;
	p->keep = false;
	for (unsigned i = 0; i < COUNT(standard); i++)
		if (!standard[i].only_tls)
			p->given &= ~(1u << i);
	http_refuse(p, HTTP_STATUS_INTERNAL_ERROR, NULL);
	return true;
}

static bool has_no_body(const struct http_response *p)
{
	return p->status == HTTP_STATUS_NO_CONTENT || p->status == HTTP_STATUS_NOT_MODIFIED;
}

/* A client of HTTP/1.0 gets the parts as they are; the end of the connection is the end of the body. */
static bool takes_chunks(const struct http_response *p)
{
	return p->request && p->request->minor;
}

static void put_head(struct http_response *p, bool parts)
{
	BUF_LOCAL(head, 2 * FIELDS_MOST);
	buf_printf(&head, "HTTP/1.1 %u %s\r\nDate: ", (unsigned)p->status, http_reason(p->status));
	http_date_put(&head, clock_utc_ms());
	buf_puts(&head, "\r\n");
	if (p->type)
		buf_printf(&head, "Content-Type: %s\r\n", p->type);
	if (parts && takes_chunks(p))
		buf_puts(&head, "Transfer-Encoding: chunked\r\n");
	else if (!parts && !has_no_body(p))
		buf_printf(&head, "Content-Length: %zu\r\n", p->body.n + p->lasting.n);
	if (!p->keep)
		buf_puts(&head, "Connection: close\r\n");
	for (unsigned i = 0; i < COUNT(standard); i++)
		if (!(p->given & 1u << i))
			buf_printf(&head, "%s: %s\r\n", standard[i].name, standard[i].value);
	buf_put(&head, buf_slice(&p->fields));
	buf_puts(&head, "\r\n");
	stream_put(p->stream, buf_slice(&head));
}

static bool sends_body(const struct http_response *p)
{
	return !has_no_body(p) && !(p->request && p->request->method == HTTP_HEAD);
}

enum result http_send_part(struct http_response *p, struct slice part)
{
	if (!p->begun) {
		if (replace_flawed(p))
			return STOP; /* http_response_put sends the 500 */
		put_head(p, true);
		p->begun = true;
	}
	if (!part.n || !sends_body(p))
		return stream_state(p->stream);
	if (takes_chunks(p))
		stream_printf(p->stream, "%zx\r\n", part.n);
	stream_put(p->stream, part);
	if (takes_chunks(p))
		stream_puts(p->stream, "\r\n");
	return stream_state(p->stream);
}

void http_response_put(struct http_response *p)
{
	if (p->begun) {
		if (p->flaw)
			p->keep = false; /* without a last chunk: the client sees that something is missing */
		else if (takes_chunks(p) && sends_body(p))
			stream_puts(p->stream, "0\r\n\r\n");
		return;
	}
	replace_flawed(p);
	put_head(p, false);
	if (!sends_body(p))
		return;
	stream_put(p->stream, buf_slice(&p->body));
	stream_put(p->stream, p->lasting);
}
