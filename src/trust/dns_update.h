/*
 * dns_update: dynamic updates of a zone (RFC 2136), signed with TSIG (RFC 8945, hmac-sha256).
 *
 * The octets are made and read here; whoever asks says by `door` how an HMAC is made (the key is in the role keys) and how
 * a message is sent (the resolver has the server's address). Additions and removals name whole records, so that what
 * others have published under the same name stays. Pure but for the door, and for the time.
 *
 *     struct dns_change c = {.name = "_acme-challenge.example.jp", .type = DNS_TXT, .rdata = ...};
 *     trust_dns_update(&door, "example.jp", &c, 1, arena, &why)
 */
#ifndef TRUST_DNS_UPDATE_H
#define TRUST_DNS_UPDATE_H

#include "ipc/dns.h"

#define DNS_MAC 32

struct dns_change {
	bool remove;
	const char *name; /* without final dot */
	unsigned type;
	uint32_t ttl;       /* of what is added */
	struct slice rdata; /* wire form */
};

/* What a server said; slices live in the arena. */
struct dns_update_answer {
	unsigned rcode; /* RFC 2136 2.2; 0: done */
	unsigned tsig_error;
	struct slice mac;   /* empty: the answer is not signed */
	struct slice input; /* what the mac has to be the HMAC of */
	uint64_t signed_s;  /* UTC seconds */
};

struct dns_update_door {
	const char *key; /* its name */
	enum result (*mac)(void *context, struct slice input, uint8_t out[DNS_MAC]);
	/* Sends the signed message; the answer as dns_update_read() has it. */
	enum result (*send)(void *context, struct slice message, uint16_t id, struct slice mac,
	    struct arena *a, struct dns_update_answer *out);
	void *context;
};

/*
 * Puts all changes or none. BAD: no such name, or more than LIMIT_DNS_CHANGES. DENY: the server refused. LATER: it did not
 * answer, or its answer cannot be believed. *why_out says why, in the arena.
 */
NODISCARD enum result trust_dns_update(const struct dns_update_door *door, const char *zone,
    const struct dns_change *changes, size_t n, struct arena *a, const char **why_out);

/* The same for one TXT record, such as an ACME challenge's. */
NODISCARD enum result trust_dns_update_txt(const struct dns_update_door *door, const char *zone,
    const char *name, struct slice text, bool remove, struct arena *a, const char **why_out);

/* A record as text (name, type, data as in a zone file; of TXT the text itself) to a change. BAD: it is none. */
NODISCARD enum result trust_dns_change(
    const char *name, unsigned type, const char *value, struct arena *a, struct dns_change *out);

/* The answer to the message with that id and mac. BAD: it is no answer to it. */
NODISCARD enum result trust_dns_update_read(struct slice answer, uint16_t id, const char *key,
    struct slice mac, struct arena *a, struct dns_update_answer *out);

/*
 * The zone that a name is in: the first name from it upwards that has an SOA of its own; NULL: none is seen. *secure_out
 * (may be NULL): DNSSEC proves it.
 */
const char *trust_dns_zone(struct dns *dns, struct slice name, struct arena *a, bool *secure_out);

const char *trust_dns_rcode(unsigned rcode); /* "REFUSED" */

#endif
