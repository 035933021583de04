/*
 * dns: questions to the DNS, and what their answers mean.
 *
 * A `struct dns` is somewhere to ask: the resolver role over a trunk (dns_trunk), or a fixture in tests and offline
 * tools (resolver/fixture.h). Answers are never refused: what went wrong is a status. Everything returned lives in the
 * caller's arena. Host names come back in lower case, without a final dot; "" is the root. Names with octets that no
 * host name has are left out. Any thread.
 */
#ifndef IPC_DNS_H
#define IPC_DNS_H

#include "ipc/ipc.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52,
	DNS_SPF = 99,
	DNS_CAA = 257,
};

enum dns_status {
	DNS_FOUND,
	DNS_NODATA,   /* the name exists, not with this type */
	DNS_NXDOMAIN, /* no such name */
	DNS_SERVFAIL, /* also: our resolver is down */
	DNS_TIMEOUT,
	DNS_BOGUS /* DNSSEC says that somebody changed the answer */
};
/* "found", "nodata" ... for logs. */
const char *dns_status_name(enum dns_status s);
/* Asking again later may help. */
static inline bool dns_is_temporary(enum dns_status s)
{
	return s >= DNS_SERVFAIL;
}
/* "MX" -> DNS_MX, any case; 0: not one of ours. */
unsigned dns_type_read(struct slice name);
const char *dns_type_name(unsigned type); /* "TYPE" when unknown */

struct dns_answer {
	enum dns_status status;
	bool secure; /* validated by DNSSEC */
	uint32_t ttl;
	size_t n;
	struct slice *rdata;   /* wire form, names uncompressed */
	const char *canonical; /* the name after CNAMEs; the question's when there were none */
};

struct dns {
	void (*ask)(struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out);
};

/* The resolver role. */
struct dns_trunk {
	struct dns dns;
	struct ipc_trunk *resolver;
	int64_t
	    until_ms; /* by clock_mono_ms(): later than that the answer is TIMEOUT; 0: as long as the resolver takes */
};
void dns_trunk_init(struct dns_trunk *t, struct ipc_trunk *resolver);

static inline void dns_ask(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	d->ask(d, name, type, a, out);
}

/* ---- typed answers ---- */

struct dns_mx {
	uint16_t preference;
	const char *host; /* "": the null MX of RFC 7505 */
};
struct dns_mx_list {
	enum dns_status status;
	bool secure;
	size_t n;
	struct dns_mx *mx; /* ascending by preference */
};
void dns_mx(struct dns *d, struct slice domain, struct arena *a, struct dns_mx_list *out);

struct dns_ip {
	int family; /* AF_INET, AF_INET6 */
	unsigned char octets[16];
};
struct dns_ip_list {
	enum dns_status
	    status; /* FOUND when either family has any; temporary when one failed and the other has none */
	bool secure;
	const char *canonical; /* the name after CNAMEs */
	size_t n;
	struct dns_ip *ip; /* IPv6 first, RFC 6724 */
};
void dns_ips(struct dns *d, struct slice host, struct arena *a, struct dns_ip_list *out);

struct dns_text_list {
	enum dns_status status;
	bool secure;
	size_t n;
	struct slice *text; /* the strings of a record joined without a space, RFC 7208 3.3 */
};
void dns_txt(struct dns *d, struct slice name, struct arena *a, struct dns_text_list *out);

struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct slice data;
};
struct dns_tlsa_list {
	enum dns_status status;
	bool secure;
	size_t n;
	struct dns_tlsa *tlsa;
};
void dns_tlsa(struct dns *d, struct slice name, struct arena *a, struct dns_tlsa_list *out);

struct dns_name_list {
	enum dns_status status;
	bool secure;
	size_t n;
	const char **name;
};
void dns_ptr(struct dns *d, const struct dns_ip *ip, struct arena *a, struct dns_name_list *out);

/* ---- names and addresses ---- */

/* A wire name at the start of *rest, which is cut; NULL: malformed, or no host name. */
const char *dns_name_read(struct slice *rest, struct arena *a);
/* Text to wire form; BAD for empty labels, labels over 63 octets, names over LIMIT_DNS_NAME, backslashes. */
NODISCARD enum result dns_name_put(struct slice name, struct buf *out);
NODISCARD enum result dns_ip_read(struct slice text, struct dns_ip *out);
#define DNS_IP_TEXT 46
const char *dns_ip_text(const struct dns_ip *ip, char out[DNS_IP_TEXT]);
/* "4.3.2.1.in-addr.arpa", "....ip6.arpa" */
void dns_ip_reverse(const struct dns_ip *ip, struct buf *out);

#endif
