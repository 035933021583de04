#include "ipc/dns_rdata.h"
#include <arpa/inet.h>

static bool is_field(char c)
{
	return c != ' ' && c != '\t';
}

static struct slice field(struct cursor *c)
{
	cursor_blanks(c);
	return cursor_while1(c, is_field);
}

static void put_number(struct cursor *c, unsigned octets, struct buf *out)
{
	uint64_t v = 0;
	if (num_u64(field(c), octets == 4 ? UINT32_MAX : (1u << (8 * octets)) - 1, &v) != OK)
		cursor_fail(c);
	for (unsigned i = octets; i-- > 0;)
		buf_putc(out, (char)(v >> (8 * i)));
}

static void put_name(struct cursor *c, struct buf *out)
{
	struct slice name = field(c);
	if (c->err == OK && slice_eq(name, SLICE(".")))
		buf_putc(out, '\0');
	else if (c->err == OK && dns_name_put(name, out) != OK)
		cursor_fail(c);
}

static void put_ip(struct cursor *c, int family, struct buf *out)
{
	struct dns_ip ip;
	if (dns_ip_read(field(c), &ip) != OK || ip.family != family)
		cursor_fail(c);
	else
		buf_put(out, slice_of(ip.octets, family == AF_INET ? 4 : 16));
}

static void put_hex(struct cursor *c, struct buf *out)
{
	if (hex_decode(field(c), out) != OK)
		cursor_fail(c);
}

/* One character-string; longer text becomes several. */
static void put_string(struct slice s, struct buf *out)
{
	do {
		struct slice part = slice_sub(s, 0, 255);
		buf_putc(out, (char)part.n);
		buf_put(out, part);
		s = slice_sub(s, part.n, s.n);
	} while (s.n);
}

/* "..." with \" and \\ and \DDD (RFC 1035 5.1). */
static void put_quoted(struct cursor *c, struct buf *out)
{
	BUF_LOCAL(s, 65536);
	cursor_need(c, '"');
	while (c->err == OK && cursor_peek(c) != '"') {
		int ch = cursor_take(c);
		if (ch == '\\' && ascii_digit((char)cursor_peek(c))) {
			uint32_t code = 0;
			if (num_u32(cursor_bytes(c, 3), 255, &code) != OK)
				cursor_fail(c);
			ch = (int)code;
		} else if (ch == '\\') {
			ch = cursor_take(c);
		}
		buf_putc(&s, (char)ch);
	}
	cursor_need(c, '"');
	put_string(buf_slice(&s), out);
}

static void put_text(struct cursor *c, struct buf *out)
{
	cursor_blanks(c);
	if (cursor_peek(c) != '"') {
		put_string(c->rest, out);
		c->rest.n = 0;
		return;
	}
	while (c->err == OK && !cursor_end(c)) {
		put_quoted(c, out);
		cursor_blanks(c);
	}
}

/* A short string without quotes, and one with them that has no length of its own. */
static void put_tag(struct cursor *c, struct buf *out)
{
	BUF_LOCAL(value, 65536);
	put_string(field(c), out);
	cursor_blanks(c);
	put_quoted(c, &value);
	struct slice rest = buf_slice(&value);
	while (rest.n) {
		size_t n = (unsigned char)rest.p[0];
		buf_put(out, slice_sub(rest, 1, n));
		rest = slice_sub(rest, 1 + n, rest.n);
	}
}

static bool put_fields(unsigned type, struct cursor *c, struct buf *out)
{
	switch (type) {
	case DNS_A:
		put_ip(c, AF_INET, out);
		return true;
	case DNS_AAAA:
		put_ip(c, AF_INET6, out);
		return true;
	case DNS_CNAME:
	case DNS_NS:
	case DNS_PTR:
		put_name(c, out);
		return true;
	case DNS_MX:
		put_number(c, 2, out);
		put_name(c, out);
		return true;
	case DNS_TXT:
	case DNS_SPF:
		put_text(c, out);
		return true;
	case DNS_SRV:
		for (int i = 0; i < 3; i++)
			put_number(c, 2, out);
		put_name(c, out);
		return true;
	case DNS_TLSA:
		for (int i = 0; i < 3; i++)
			put_number(c, 1, out);
		put_hex(c, out);
		return true;
	case DNS_CAA: /* RFC 8659 4.1.1: flags, tag, value */
		put_number(c, 1, out);
		put_tag(c, out);
		return true;
	case DNS_SOA:
		put_name(c, out);
		put_name(c, out);
		for (int i = 0; i < 5; i++)
			put_number(c, 4, out);
		return true;
	default:
		return false;
	}
}

enum result dns_rdata_put(unsigned type, struct slice text, struct buf *out, const char **why_out)
{
	struct cursor c = cursor_of(text);
	*why_out = "this type is not known here";
	if (!put_fields(type, &c, out))
		return BAD;
	cursor_blanks(&c);
	*why_out = "the record's data is not right for its type";
	return cursor_done(&c) == OK && buf_result(out) == OK ? OK : BAD;
}
