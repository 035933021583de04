#include "assist_inner.h"
#include <arpa/inet.h>

static void put_safe(struct slice s, struct buf *b)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= ' ' && s.p[i] <= '~')
			buf_putc(b, s.p[i]);
		else
			buf_printf(b, "\\%03u", (unsigned)(unsigned char)s.p[i]);
}

char *assist_safe(struct assist *a, struct slice s)
{
	BUF_LOCAL(b, 4 * s.n + 1);
	put_safe(s, &b);
	return arena_z(a->arena, buf_slice(&b));
}

static void put_texts(struct slice rdata, struct buf *b)
{
	while (rdata.n) {
		struct slice s = slice_sub(rdata, 1, (unsigned char)rdata.p[0]);
		put_safe(s, b);
		rdata = slice_sub(rdata, 1 + s.n, rdata.n);
	}
}

static void put_name(struct slice *rest, struct arena *a, struct buf *b)
{
	const char *name = dns_name_read(rest, a);
	if (name)
		buf_printf(b, "%s.", name);
	else
		buf_puts(b, "?");
}

static void put_numbers(struct slice *rest, unsigned n, unsigned octets, struct buf *b)
{
	for (unsigned i = 0; i < n && rest->n >= octets; i++) {
		unsigned v = (unsigned char)rest->p[0];
		if (octets == 2)
			v = v << 8 | (unsigned char)rest->p[1];
		buf_printf(b, "%u ", v);
		*rest = slice_sub(*rest, octets, rest->n);
	}
}

static void put_address(int family, size_t size, struct slice rdata, struct buf *b)
{
	struct dns_ip ip = {.family = family};
	char text[DNS_IP_TEXT];
	if (rdata.n != size)
		return;
	memcpy(ip.octets, rdata.p, size);
	buf_puts(b, dns_ip_text(&ip, text));
}

/* RFC 8659 4.1: flags, length of the tag, tag, value. */
static void put_caa(struct slice rdata, struct buf *b)
{
	if (rdata.n < 2)
		return;
	size_t tag = (unsigned char)rdata.p[1];
	buf_printf(b, "%u ", (unsigned)(unsigned char)rdata.p[0]);
	put_safe(slice_sub(rdata, 2, tag), b);
	buf_puts(b, " \"");
	put_safe(slice_sub(rdata, 2 + tag, rdata.n), b);
	buf_puts(b, "\"");
}

static void put_rdata(unsigned type, struct slice rdata, struct arena *a, struct buf *b)
{
	switch (type) {
	case DNS_A:
		put_address(AF_INET, 4, rdata, b);
		break;
	case DNS_AAAA:
		put_address(AF_INET6, 16, rdata, b);
		break;
	case DNS_TXT:
	case DNS_SPF:
		put_texts(rdata, b);
		break;
	case DNS_MX:
		put_numbers(&rdata, 1, 2, b);
		put_name(&rdata, a, b);
		break;
	case DNS_SRV:
		put_numbers(&rdata, 3, 2, b);
		put_name(&rdata, a, b);
		break;
	case DNS_TLSA:
		put_numbers(&rdata, 3, 1, b);
		buf_hex(b, rdata);
		break;
	case DNS_CAA:
		put_caa(rdata, b);
		break;
	default:
		put_name(&rdata, a, b);
	}
}

const char *trust_rdata_text(unsigned type, struct slice rdata, struct arena *a)
{
	BUF_LOCAL(b, 300000);
	put_rdata(type, rdata, a, &b);
	return arena_z(a, buf_slice(&b));
}

size_t trust_txt_parts(struct slice text, struct arena *a, char ***parts_out)
{
	size_t n = 0;
	*parts_out = arena_array(a, text.n / 255 + 1, sizeof **parts_out);
	do {
		struct slice part = slice_sub(text, 0, 255);
		if (*parts_out)
			(*parts_out)[n++] = arena_z(a, part);
		text = slice_sub(text, part.n, text.n);
	} while (text.n);
	return n;
}
