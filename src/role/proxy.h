/*
 * proxy: the PROXY protocol (versions 1 and 2, as HAProxy describes it), by which a load balancer in front of this server says
 * who its client is.
 *
 * Only from the addresses of proxy_networks: there a connection has to begin with the header; from others a header is nothing
 * but a client's mistake. Inside the room only.
 */
#ifndef ROLE_PROXY_H
#define ROLE_PROXY_H

#include "base/base.h"
#include "base/ip.h"

struct proxy_client {
	bool
	    itself; /* the proxy speaks for itself (a health check, or it does not say): its own address counts */
	struct ip ip;
	uint16_t port;
};

/* OK with the octets that the header takes; LATER: more has to come; BAD: no header, or of more than LIMIT_PROXY_HEADER. */
NODISCARD enum result proxy_parse(struct slice in, struct proxy_client *out, size_t *used_out);
/* Takes exactly the header off a connected socket. LATER: it did not come within ms. */
NODISCARD enum result proxy_read(int fd, int64_t ms, struct proxy_client *out);

#endif
