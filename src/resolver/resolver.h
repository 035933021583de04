/*
 * resolver: the role that asks the DNS for all others. The one door of the room.
 *
 *   fixture.h   a small DNS from a file, for demos, tests and offline tools
 *   cache.h     answers of the last minutes
 *   send.h      messages that others made, to one configured server (dynamic updates)
 *
 * libunbound does the work in one thread of its own: it validates with the root's trust anchor, keeps a cache, and asks
 * either the authoritative servers or forwarders. Many questions are under way at a time; no thread waits for any of them.
 * A question without an answer after 20 s ends as TIMEOUT. Forwarders that do not pass on DNSSEC would make every answer
 * bogus: that is noticed at the start, logged (DNS_INSECURE), and answers then come without validation.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include "ipc/dns.h"

struct resolver_settings {
	/* Instead of the network; p == NULL: none. In a text of no octets no name exists. */
	struct slice fixture;
	/* Forwarders, "192.0.2.1" or "192.0.2.1@5353"; none: the name servers of resolv_conf, none there: the root's. */
	const char *const *servers;
	size_t servers_n;
	struct slice resolv_conf; /* the text of a resolv.conf(5); may be empty */
	struct slice anchor;      /* the root's DNSKEYs or DSs, a record a line; empty: no validation */
	bool loopback;            /* forwarders on loopback may be asked */
	/* Where messages of DNS_SEND go; NULL or "": nowhere. Port 0: 53. */
	const char *update_address;
	uint16_t update_port;
};

#define RESOLVER_ANCHOR "/usr/share/dns/root.key"
#define RESOLVER_CONF "/etc/resolv.conf"

struct resolver;

/*
 * For the life of the process. Starts threads but opens no file, so it belongs after the jail. BAD: the fixture, the
 * anchor or a server's address is wrong, `why` says so. LATER: libunbound cannot be started.
 */
NODISCARD enum result resolver_open(
    const struct resolver_settings *settings, struct resolver **out, struct buf *why);

/* For ipc_server_new() with the struct resolver as context. */
extern ipc_handler *const resolver_handlers[ASK_MAX];

#endif
