#include "role/proxy.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define V1_MOST 107 /* with its CRLF */
#define V2_HEAD 16
#define AGAIN_US 5000

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_SIGNATURE (sizeof v2_signature - 1)

/* ---- version 1: a line ---- */

static enum result v1_address(struct slice line, bool v4, struct proxy_client *out)
{
	struct ip to;
	uint32_t port, to_port;
	struct slice from = slice_split(&line, ' '), destination = slice_split(&line, ' ');
	struct slice from_port = slice_split(&line, ' ');
	if (ip_read(from, &out->ip) != OK || ip_read(destination, &to) != OK || out->ip.v4 != v4 ||
	    num_u32(from_port, 65535, &port) != OK || num_u32(line, 65535, &to_port) != OK)
		return BAD;
	out->port = (uint16_t)port;
	return OK;
}

static enum result v1_parse(struct slice in, struct proxy_client *out, size_t *used_out)
{
	ptrdiff_t end = slice_search(slice_sub(in, 0, V1_MOST), SLICE("\r\n"));
	if (end < 0)
		return in.n < V1_MOST ? LATER : BAD;
	struct slice line = slice_sub(in, 6, (size_t)end - 6);
	*used_out = (size_t)end + 2;
	struct slice rest = line, family = slice_split(&rest, ' ');
	out->itself = slice_eq(family, SLICE("UNKNOWN"));
	if (out->itself)
		return OK;
	bool v4 = slice_eq(family, SLICE("TCP4"));
	return v4 || slice_eq(family, SLICE("TCP6")) ? v1_address(rest, v4, out) : BAD;
}

/* ---- version 2: octets ---- */

static unsigned octet(struct slice s, size_t at)
{
	return (unsigned char)s.p[at];
}

static unsigned pair(struct slice s, size_t at)
{
	return octet(s, at) << 8 | octet(s, at + 1);
}

static enum result v2_address(struct slice body, unsigned family, struct proxy_client *out)
{
	bool v4 = family == 0x11;
	size_t n = v4 ? 4 : 16;
	if ((!v4 && family != 0x21) || body.n < 2 * n + 4)
		return BAD;
	out->ip = (struct ip){.v4 = v4};
	memcpy(out->ip.octets, body.p, n);
	out->port = (uint16_t)pair(body, 2 * n);
	/* An IPv4 address in the form of IPv6 is the IPv4 address. */
	char z[IP_TEXT];
	return ip_read(slice_str(ip_text(&out->ip, z)), &out->ip);
}

static enum result v2_parse(struct slice in, struct proxy_client *out, size_t *used_out)
{
	if (in.n < V2_HEAD)
		return LATER;
	unsigned version = octet(in, 12), family = octet(in, 13);
	size_t n = pair(in, 14);
	if (n + V2_HEAD > LIMIT_PROXY_HEADER || (version != 0x20 && version != 0x21))
		return BAD;
	if (in.n < V2_HEAD + n)
		return LATER;
	*used_out = V2_HEAD + n;
	out->itself = version == 0x20 || family == 0;
	return out->itself ? OK : v2_address(slice_sub(in, V2_HEAD, n), family, out);
}

static bool begins(struct slice in, struct slice with)
{
	size_t n = MIN(in.n, with.n);
	return slice_eq(slice_sub(in, 0, n), slice_sub(with, 0, n));
}

enum result proxy_parse(struct slice in, struct proxy_client *out, size_t *used_out)
{
	static const struct slice v1 = {"PROXY ", 6};
	struct slice v2 = slice_of(v2_signature, V2_SIGNATURE);
	*out = (struct proxy_client){0};
	*used_out = 0;
	if (begins(in, v1))
		return in.n < v1.n ? LATER : v1_parse(in, out, used_out);
	if (begins(in, v2))
		return in.n < v2.n ? LATER : v2_parse(in, out, used_out);
	return BAD;
}

/* ---- from a socket ---- */

static enum result take(int fd, size_t n)
{
	char octets[LIMIT_PROXY_HEADER];
	return recv(fd, octets, n, MSG_DONTWAIT) == (ssize_t)n ? OK : BAD;
}

enum result proxy_read(int fd, int64_t ms, struct proxy_client *out)
{
	char octets[LIMIT_PROXY_HEADER];
	for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end; usleep(AGAIN_US)) {
		size_t used;
		ssize_t n = recv(fd, octets, sizeof octets, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return GONE;
		enum result r = n < 0 ? LATER : proxy_parse(slice_of(octets, (size_t)n), out, &used);
		if (r == OK)
			return take(fd, used);
		if (r != LATER)
			return r;
	}
	return LATER;
}
