#include "https/https.h"

static bool is_label_octet(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static bool is_path_octet(char c)
{
	return c > ' ' && c <= '~' && !strchr("\"<>\\^`{|}#", c);
}

/* A name; or an IPv4 address when its last label is a number, as any other reader would take it. */
static bool is_host(struct slice host)
{
	struct slice rest = host, label = SLICE_NONE;
	struct dns_ip ip;
	if (host.n == 0 || host.n > 253 || host.p[host.n - 1] == '.')
		return false;
	while (rest.n) {
		label = slice_split(&rest, '.');
		if (label.n == 0 || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_label_octet(label.p[i]))
				return false;
	}
	bool number = true, hex = slice_istarts(label, SLICE("0x"));
	for (size_t i = 0; i < label.n; i++)
		number = number && ascii_digit(label.p[i]);
	return number ? dns_ip_read(host, &ip) == OK : !hex;
}

static enum result read_port(struct slice text, struct https_url *out)
{
	uint32_t port;
	if (text.n == 0)
		return OK;
	text = slice_sub(text, 1, text.n);
	if (num_u32(text, UINT16_MAX, &port) != OK || !port)
		return BAD;
	out->port = (uint16_t)port;
	return OK;
}

static enum result read_authority(struct slice text, struct https_url *out)
{
	struct dns_ip ip;
	if (slice_starts(text, SLICE("["))) {
		text = slice_sub(text, 1, text.n);
		ptrdiff_t end = slice_find(text, ']');
		if (end < 0)
			return BAD;
		out->host = slice_sub(text, 0, (size_t)end);
		text = slice_sub(text, (size_t)end + 1, text.n);
		if (slice_find(out->host, ':') < 0 || dns_ip_read(out->host, &ip) != OK ||
		    (text.n && text.p[0] != ':'))
			return BAD;
		return read_port(text, out);
	}
	ptrdiff_t colon = slice_find(text, ':');
	out->host = colon < 0 ? text : slice_sub(text, 0, (size_t)colon);
	if (!is_host(out->host))
		return BAD;
	return read_port(slice_sub(text, out->host.n, text.n), out);
}

enum result https_url_parse(struct slice text, struct https_url *out)
{
	*out = (struct https_url){.tls = slice_istarts(text, SLICE("https://"))};
	if (text.n > LIMIT_HTTPS_URL || (!out->tls && !slice_istarts(text, SLICE("http://"))))
		return BAD;
	out->port = out->tls ? 443 : 80;
	struct slice rest = slice_sub(text, out->tls ? 8 : 7, text.n);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	out->path = slice_sub(rest, n, rest.n);
	for (size_t i = 0; i < out->path.n; i++)
		if (!is_path_octet(out->path.p[i]))
			return BAD;
	return read_authority(slice_sub(rest, 0, n), out);
}

bool https_url_same_origin(const struct https_url *a, const struct https_url *b)
{
	return a->tls == b->tls && a->port == b->port && slice_ieq(a->host, b->host);
}
