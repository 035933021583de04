/*
 * ip: addresses and networks as text and back, and which lies in which.
 *
 * An IPv4 address that comes mapped into IPv6 (::ffff:a.b.c.d) is the IPv4 address. Not part of base.h: those who need it
 * include it.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "buf.h"
#include "result.h"
#include "slice.h"

struct ip {
	unsigned char octets[16]; /* IPv4: the first four */
	bool v4;
};
struct ip_net {
	struct ip ip;  /* what stands behind the mask is zero */
	unsigned bits; /* of the mask: 32 or 128 at most */
};

#define IP_TEXT 46
#define IP_NET_TEXT 50

NODISCARD enum result ip_read(struct slice text, struct ip *out);
const char *ip_text(const struct ip *ip, char out[IP_TEXT]);
/* "192.0.2.0/24", "2001:db8::/32", an address alone. Octets behind the mask are made zero. */
NODISCARD enum result ip_net_read(struct slice text, struct ip_net *out);
const char *ip_net_text(const struct ip_net *net, char out[IP_NET_TEXT]);
struct ip_net ip_net_of(const struct ip *ip, unsigned bits);
bool ip_net_has(const struct ip_net *net, const struct ip *ip);
/* The network by which a client is counted beside its address: /24, IPv6 /48. */
struct ip_net ip_prefix(const struct ip *ip);
/* The client itself: the IPv4 address, the /64 of an IPv6 one. */
struct ip_net ip_source(const struct ip *ip);

/* Cuts the next word off a list with commas or blanks between; empty at its end. */
struct slice ip_list_word(struct slice *rest);
/* Networks separated by commas or blanks. Owned by the list, up to `most` of them. */
struct ip_nets {
	struct ip_net *at;
	size_t n;
};
/* BAD: *wrong_out is the first that is none. FULL: more than most. The caller frees out->at. */
NODISCARD enum result ip_nets_read(
    struct slice text, size_t most, struct ip_nets *out, struct slice *wrong_out);
bool ip_nets_have(const struct ip_nets *nets, const struct ip *ip);

#endif
