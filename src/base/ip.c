#include "ip.h"
#include "num.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum result ip_read(struct slice text, struct ip *out)
{
	char z[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	*out = (struct ip){0};
	if (!text.n || text.n >= sizeof z || memchr(text.p, '\0', text.n))
		return BAD;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	out->v4 = inet_pton(AF_INET, z, out->octets) == 1;
	if (out->v4)
		return OK;
	if (inet_pton(AF_INET6, z, &v6) != 1)
		return BAD;
	out->v4 = IN6_IS_ADDR_V4MAPPED(&v6);
	if (out->v4)
		memcpy(out->octets, &v6.s6_addr[12], 4);
	else
		memcpy(out->octets, v6.s6_addr, 16);
	return OK;
}

const char *ip_text(const struct ip *ip, char out[IP_TEXT])
{
	return inet_ntop(ip->v4 ? AF_INET : AF_INET6, ip->octets, out, IP_TEXT);
}

struct ip_net ip_net_of(const struct ip *ip, unsigned bits)
{
	struct ip_net net = {*ip, MIN(bits, ip->v4 ? 32u : 128u)};
	for (unsigned i = 0; i < sizeof net.ip.octets; i++) {
		unsigned kept = net.bits > i * 8 ? MIN(net.bits - i * 8, 8u) : 0;
		net.ip.octets[i] &= (unsigned char)(0xff00u >> kept);
	}
	return net;
}

enum result ip_net_read(struct slice text, struct ip_net *out)
{
	bool masked = slice_find(text, '/') >= 0;
	struct slice address = slice_split(&text, '/');
	struct ip ip;
	uint32_t bits = 128;
	if (ip_read(address, &ip) != OK || (masked && num_u32(text, ip.v4 ? 32 : 128, &bits) != OK))
		return BAD;
	*out = ip_net_of(&ip, bits);
	return OK;
}

const char *ip_net_text(const struct ip_net *net, char out[IP_NET_TEXT])
{
	char z[IP_TEXT];
	if (net->bits == (net->ip.v4 ? 32u : 128u))
		snprintf(out, IP_NET_TEXT, "%s", ip_text(&net->ip, z));
	else
		snprintf(out, IP_NET_TEXT, "%s/%u", ip_text(&net->ip, z), net->bits);
	return out;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
	if (net->ip.v4 != ip->v4)
		return false;
	struct ip_net own = ip_net_of(ip, net->bits);
	return memcmp(own.ip.octets, net->ip.octets, sizeof own.ip.octets) == 0;
}

struct ip_net ip_prefix(const struct ip *ip)
{
	return ip_net_of(ip, ip->v4 ? 24 : 48);
}

struct ip_net ip_source(const struct ip *ip)
{
	return ip_net_of(ip, ip->v4 ? 32 : 64);
}

struct slice ip_list_word(struct slice *rest)
{
	size_t from = 0, to;
	while (from < rest->n && (rest->p[from] == ',' || rest->p[from] == ' ' || rest->p[from] == '\t'))
		from++;
	for (to = from; to < rest->n && rest->p[to] != ',' && rest->p[to] != ' ' && rest->p[to] != '\t'; to++)
		;
	struct slice word = slice_sub(*rest, from, to - from);
	*rest = slice_sub(*rest, to, rest->n);
	return word;
}

enum result ip_nets_read(struct slice text, size_t most, struct ip_nets *out, struct slice *wrong_out)
{
	*out = (struct ip_nets){0};
	*wrong_out = SLICE_NONE;
	enum result r = OK;
	struct slice word;
	while (r == OK && (word = ip_list_word(&text)).n) {
		struct ip_net net;
		r = ip_net_read(word, &net);
		*wrong_out = r == OK ? SLICE_NONE : word;
		if (r == OK && out->n == most)
			r = FULL;
		if (r != OK)
			break;
		struct ip_net *more = reallocarray(out->at, out->n + 1, sizeof *more);
		if (!more)
			abort();
		out->at = more;
		out->at[out->n++] = net;
	}
	if (r != OK) {
		free(out->at);
		*out = (struct ip_nets){0};
	}
	return r;
}

bool ip_nets_have(const struct ip_nets *nets, const struct ip *ip)
{
	for (size_t i = 0; i < nets->n; i++)
		if (ip_net_has(&nets->at[i], ip))
			return true;
	return false;
}
