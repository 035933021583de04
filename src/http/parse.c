#include "parse.h"

/* ---- characters ---- */

static bool is_token_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_char(char c)
{
	return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

/*
 * RFC 3986 leaves out some visible characters that browsers send as they are in a query; they are let through. What
 * could end a text that quotes the target, or begin a fragment, is not.
 */
static bool is_target_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"#<>`", c);
}

static bool is_host_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~!$&'()*+,;=", c));
}

static bool is_address_char(char c)
{
	return ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

static bool all(struct slice s, bool (*is)(char))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i]))
			return false;
	return true;
}

bool http_is_token(struct slice s)
{
	return s.n && all(s, is_token_char);
}

bool http_is_field_value(struct slice s)
{
	return all(s, is_value_char);
}

/* ---- collecting a head ---- */

void http_head_init(struct http_head *h)
{
	*h = (struct http_head){0};
	buf_init(&h->octets, LIMIT_HTTP_REQUEST_LINE + LIMIT_HTTP_HEADER + 4);
}

/* Is the head, with n octets more in the line in hand, longer than allowed? */
static enum http_status too_long(const struct http_head *h, size_t n)
{
	size_t have = h->octets.n + n;
	if (!h->fields)
		return have > LIMIT_HTTP_REQUEST_LINE + 2 ? HTTP_STATUS_URI_TOO_LONG : HTTP_STATUS_NONE;
	return have - h->fields > LIMIT_HTTP_HEADER + 2 ? HTTP_STATUS_FIELDS_TOO_LARGE : HTTP_STATUS_NONE;
}

/* The line in hand is complete. */
static enum http_status end_line(struct http_head *h)
{
	struct slice line = slice_sub(buf_slice(&h->octets), h->line, SIZE_MAX);
	if (line.n < 2 || line.p[line.n - 2] != '\r')
		return HTTP_STATUS_BAD_REQUEST;
	h->line = h->octets.n;
	if (line.n > 2) {
		if (!h->fields)
			h->fields = h->octets.n;
		else if (++h->field_n > LIMIT_HTTP_FIELDS)
			return HTTP_STATUS_FIELDS_TOO_LARGE;
		return HTTP_STATUS_NONE;
	}
	if (h->fields) {
		h->done = true;
		return HTTP_STATUS_NONE;
	}
	if (h->blank)
		return HTTP_STATUS_BAD_REQUEST;
	h->blank = true;
	h->line = 0;
	buf_clear(&h->octets);
	return HTTP_STATUS_NONE;
}

enum http_status http_head_take(struct http_head *h, struct slice in, size_t *used_out)
{
	struct slice rest = in;
	enum http_status status = HTTP_STATUS_NONE;
	while (rest.n && !h->done && !status) {
		ptrdiff_t lf = slice_find(rest, '\n');
		struct slice part = slice_sub(rest, 0, lf < 0 ? SIZE_MAX : (size_t)lf + 1);
		if (!h->octets.n && part.p[0] != '\r' && !is_token_char(part.p[0]))
			status = HTTP_STATUS_BAD_REQUEST; /* a TLS handshake, say: no need to wait for more */
		else
			status = too_long(h, part.n);
		if (status)
			break;
		buf_put(&h->octets, part);
		rest = slice_sub(rest, part.n, SIZE_MAX);
		if (lf >= 0)
			status = end_line(h);
	}
	*used_out = in.n - rest.n;
	return status;
}

/* ---- the request line ---- */

static int hex_digit(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet that %XX at s.p[i] stands for; negative when it is not in hex. */
static int escaped(struct slice s, size_t i)
{
	int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
	int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
	return low >= 0 ? high * 16 + low : -1;
}

/* Every % begins an octet in hex, and none of these is a control: nothing behind us could be misled by it. */
static bool escapes_are_clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%')
			continue;
		int octet = escaped(s, i);
		if (octet < 0)
			return false;
		if (octet < 0x20 ? octet != '\t' && octet != '\r' && octet != '\n' : octet == 0x7f)
			return false;
		i += 2;
	}
	return true;
}

struct slice http_decode(struct slice s, bool plus, struct arena *a)
{
	if (slice_find(s, '%') < 0 && (!plus || slice_find(s, '+') < 0))
		return s;
	char *p = arena_alloc(a, s.n);
	size_t n = 0;
	if (!p)
		return SLICE_NONE;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		int octet = c == '%' ? escaped(s, i) : -1;
		if (octet >= 0) {
			c = (char)octet;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		p[n++] = c;
	}
	return slice_of(p, n);
}

/* uri-host [ ":" port ], RFC 3986 3.2; no user. */
static bool is_authority(struct slice s)
{
	struct cursor c = cursor_of(s);
	if (cursor_try(&c, '[')) {
		cursor_while1(&c, is_address_char);
		cursor_need(&c, ']');
	} else {
		cursor_while1(&c, is_host_char);
	}
	if (cursor_try(&c, ':') && !cursor_end(&c))
		cursor_u64(&c, 65535);
	return cursor_done(&c) == OK && s.n <= LIMIT_DNS_NAME + 8;
}

/* "." and "..", plain or escaped: clients take them out, who sends them wants something else. */
static bool has_dot_segment(struct slice path, struct arena *a)
{
	while (path.n) {
		struct slice segment = http_decode(slice_split(&path, '/'), false, a);
		if (slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")))
			return true;
	}
	return false;
}

/* The controls that http_decode may give in a query make no sense in a path. */
static bool path_is_clean(struct slice path, struct arena *a)
{
	struct slice decoded = http_decode(path, false, a);
	for (size_t i = 0; i < decoded.n; i++)
		if ((unsigned char)decoded.p[i] < 0x20)
			return false;
	return path.n && path.p[0] == '/' && slice_find(path, '\\') < 0 && !has_dot_segment(path, a);
}

/* RFC 9112 3.2: origin-form, absolute-form (whose host counts), or "*" for OPTIONS. */
static enum http_status parse_target(struct slice target, struct http_request *q)
{
	if (!target.n || !all(target, is_target_char) || !escapes_are_clean(target))
		return HTTP_STATUS_BAD_REQUEST;
	if (q->method == HTTP_OPTIONS && slice_eq(target, SLICE("*"))) {
		q->path = target;
		return HTTP_STATUS_NONE;
	}
	bool secure = slice_istarts(target, SLICE("https://"));
	if (secure || slice_istarts(target, SLICE("http://"))) {
		struct slice rest = slice_sub(target, secure ? 8 : 7, SIZE_MAX);
		size_t n = 0;
		while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
			n++;
		q->host = slice_sub(rest, 0, n);
		if (!is_authority(q->host))
			return HTTP_STATUS_BAD_REQUEST;
		target = slice_sub(rest, n, SIZE_MAX);
	}
	ptrdiff_t mark = slice_find(target, '?');
	q->path = mark < 0 ? target : slice_sub(target, 0, (size_t)mark);
	if (mark >= 0)
		q->query = slice_sub(target, (size_t)mark + 1, SIZE_MAX);
	if (!q->path.n && q->host.n)
		q->path = SLICE("/");
	return path_is_clean(q->path, q->arena) ? HTTP_STATUS_NONE : HTTP_STATUS_BAD_REQUEST;
}

/* "HTTP/" DIGIT "." DIGIT, in capitals; any 1.x is read as 1.1 (RFC 9110 2.5). */
static enum http_status parse_version(struct slice s, struct http_request *q)
{
	if (s.n != 8 || !slice_starts(s, SLICE("HTTP/")) || !ascii_digit(s.p[5]) || s.p[6] != '.' ||
	    !ascii_digit(s.p[7]))
		return HTTP_STATUS_BAD_REQUEST;
	if (s.p[5] != '1')
		return HTTP_STATUS_VERSION_NOT_SUPPORTED;
	q->minor = s.p[7] != '0';
	return HTTP_STATUS_NONE;
}

static enum http_status parse_method(struct slice s, struct http_request *q)
{
	if (!http_is_token(s))
		return HTTP_STATUS_BAD_REQUEST;
	for (q->method = 0; q->method < HTTP_METHODS; q->method++)
		if (slice_eq(s, slice_str(http_method_name(q->method))))
			return HTTP_STATUS_NONE;
	return HTTP_STATUS_NOT_IMPLEMENTED;
}

/* Two single spaces and nothing else between the three. */
static enum http_status parse_request_line(struct slice line, struct http_request *q)
{
	struct slice method = slice_split(&line, ' '), target = slice_split(&line, ' '), version = line;
	enum http_status unknown = parse_method(method, q);
	if (unknown == HTTP_STATUS_BAD_REQUEST)
		return unknown;
	enum http_status status = parse_version(version, q);
	if (status || unknown)
		return status ? status : unknown;
	return parse_target(target, q);
}

/* ---- the fields ---- */

static bool parse_field(struct slice line, struct http_field *out)
{
	ptrdiff_t colon = slice_find(line, ':');
	if (colon < 0)
		return false;
	out->name = slice_sub(line, 0, (size_t)colon);
	out->value = slice_trim_blank(slice_sub(line, (size_t)colon + 1, SIZE_MAX));
	return http_is_token(out->name) && http_is_field_value(out->value);
}

/* The next line of a head whose line ends http_head_take has seen; without its CRLF. */
static struct slice next_line(struct slice *rest)
{
	struct slice line = slice_split(rest, '\n');
	return line.n ? slice_sub(line, 0, line.n - 1) : line;
}

static enum http_status parse_fields(struct slice rest, struct http_request *q)
{
	size_t lines = 0;
	for (size_t i = 0; i < rest.n; i++)
		lines += rest.p[i] == '\n';
	struct http_field *fields = arena_array(q->arena, lines, sizeof *fields);
	if (!fields)
		return HTTP_STATUS_FIELDS_TOO_LARGE;
	q->fields = fields;
	while (rest.n) {
		struct slice line = next_line(&rest);
		if (!line.n)
			break;
		if (!parse_field(line, &fields[q->field_n++]))
			return HTTP_STATUS_BAD_REQUEST;
	}
	return HTTP_STATUS_NONE;
}

/* How often a field occurs; the first one's value. */
static size_t count_field(const struct http_request *q, struct slice name, struct slice *value_out)
{
	size_t n = 0;
	*value_out = SLICE_NONE;
	for (size_t i = 0; i < q->field_n; i++)
		if (slice_ieq(q->fields[i].name, name) && n++ == 0)
			*value_out = q->fields[i].value;
	return n;
}

static enum http_status parse_host(struct http_request *q)
{
	struct slice host;
	size_t n = count_field(q, SLICE("Host"), &host);
	if (n > 1 || (n == 0 && q->minor) || (n == 1 && !is_authority(host)))
		return HTTP_STATUS_BAD_REQUEST;
	if (!q->host.n)
		q->host = host;
	return HTTP_STATUS_NONE;
}

/* The only coding is chunked, once. A last coding that is not chunked leaves the end open: 400 (RFC 9112 6.3). */
static enum http_status parse_codings(struct slice list)
{
	bool chunked = false, other = false;
	while (list.n) {
		struct slice coding = slice_trim_blank(slice_split(&list, ','));
		if (chunked)
			return HTTP_STATUS_BAD_REQUEST;
		chunked = slice_ieq(coding, SLICE("chunked"));
		other = other || !chunked;
	}
	if (!chunked)
		return HTTP_STATUS_BAD_REQUEST;
	return other ? HTTP_STATUS_NOT_IMPLEMENTED : HTTP_STATUS_NONE;
}

/* RFC 9112 6.3, without any of its leniency. */
static enum http_status parse_framing(
    const struct http_request *q, enum http_framing *framing_out, uint64_t *length_out)
{
	struct slice length, codings;
	size_t lengths = count_field(q, SLICE("Content-Length"), &length);
	size_t transfers = count_field(q, SLICE("Transfer-Encoding"), &codings);
	*framing_out = FRAMING_NONE;
	*length_out = 0;
	if (lengths + transfers > 1 || (transfers && !q->minor))
		return HTTP_STATUS_BAD_REQUEST;
	if (transfers) {
		*framing_out = FRAMING_CHUNKED;
		return parse_codings(codings);
	}
	if (lengths) {
		*framing_out = FRAMING_LENGTH;
		return num_u64(length, INT64_MAX, length_out) == OK ? HTTP_STATUS_NONE
								    : HTTP_STATUS_BAD_REQUEST;
	}
	return HTTP_STATUS_NONE;
}

enum http_status http_head_parse(
    struct slice octets, struct http_request *q, enum http_framing *framing_out, uint64_t *length_out)
{
	enum http_status status = parse_request_line(next_line(&octets), q);
	if (!status)
		status = parse_fields(octets, q);
	if (!status)
		status = parse_host(q);
	if (!status)
		status = parse_framing(q, framing_out, length_out);
	return status ? status : arena_full(q->arena) ? HTTP_STATUS_FIELDS_TOO_LARGE : HTTP_STATUS_NONE;
}
