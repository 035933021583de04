/*
 * https: a client of HTTPS servers (libcurl). The one door of the room.
 *
 *   url.c       addresses (URLs) taken apart, strictly: what libcurl gets is written anew from the parts
 *   address.c   which IP addresses may be connected to
 *   https.c     one call, one request
 *
 * A call sends one request and reads one answer; it blocks, within its deadline. Nothing is followed (no redirect, no
 * alternative service), nothing is unpacked (no Content-Encoding is asked for, and one that comes is left as it is),
 * nothing is kept (no cookie, no HSTS), no proxy, HTTP/1.1 only, TLS 1.2 or later. The certificate must be the host's and
 * lead to an authority of `trust`. Names are asked of `struct dns` only, and every address is judged when it is connected
 * to, so a name that changes its mind between question and connection gains nothing.
 *
 * After https_new() no file is touched: call that before the jail, the role needs JAIL_CONNECT only.
 */
#ifndef HTTPS_H
#define HTTPS_H

#include "ipc/dns.h"
#include <openssl/x509.h>

/* ---- addresses ---- */

struct https_url {
	bool tls; /* https: */
	struct slice
	    host; /* as written, without brackets: a name of letters, digits, hyphens, or an IP address */
	uint16_t port;     /* the scheme's own when none stands there */
	struct slice path; /* with the query; "/..." or empty */
};
/*
 * RFC 3986 and narrower: http or https, no user, no fragment, visible ASCII without quotes, backslashes and angles. What ends
 * in a number must be a whole IPv4 address. BAD otherwise. Views into text.
 */
NODISCARD enum result https_url_parse(struct slice text, struct https_url *out);
/* Same scheme, host (any case) and port. */
bool https_url_same_origin(const struct https_url *a, const struct https_url *b);
/* Not this machine, not a private, shared, link-local, documentation, benchmark, multicast or reserved network (RFC 6890). */
bool https_address_is_public(const struct dns_ip *ip);

/* ---- the client ---- */

struct https;

/* Kept as it is, not copied. */
struct https_settings {
	struct dns *dns; /* where names are asked; NULL: only addresses, and what `resolve` has */
	const char
	    *resolve; /* libcurl's "host:port:address,address": nothing is asked for that host; NULL: none */
	X509_STORE *trust;      /* https_trust(), or an SSL_CTX's; the caller's */
	const char *user_agent; /* NULL: none is told */
	bool
	    inside; /* also addresses that are not public, and http: to this machine: what the administrator configured */
	unsigned keep; /* connections kept for the next request; 0: each closes at its end */
};

/* Authorities from PEM; an empty one: the system's bundle (a file: before the jail). NULL: there is none in it. */
X509_STORE *https_trust(struct slice ca_pem);

/* Any thread may use it. The settings must stay. */
struct https *https_new(const struct https_settings *settings);
void https_free(struct https *h); /* no request may be in hand */

struct https_field {
	struct slice name, value; /* value without blanks around */
};

struct https_request {
	const char *method; /* "GET", "HEAD", "POST", "PUT", "DELETE" */
	struct slice url;
	const struct https_field *fields; /* beside Host and Content-Length; names and values are checked */
	size_t fields_n;
	struct slice body; /* POST and PUT */
	int64_t
	    deadline_ms; /* of everything, 0: 30 s; also slower than 1,000 octets a second for 10 s is too slow */
	int64_t connect_ms; /* of the connection, 0: 10 s */
};

/* Why there is no answer. */
enum https_failure {
	HTTPS_NONE,
	HTTPS_URL,     /* not an address we go to */
	HTTPS_DNS,     /* the name has no address, or its servers do not answer */
	HTTPS_ADDRESS, /* the name leads to addresses that are not public */
	HTTPS_CONNECT, /* no connection, or it was lost */
	HTTPS_TLS,     /* no handshake */
	HTTPS_PEER,    /* the certificate is not to be trusted, or another's */
	HTTPS_TIME,    /* the deadline, or too slow */
	HTTPS_SIZE,    /* more than was allowed */
	HTTPS_PROTOCOL /* this is not HTTP */
};
const char *https_failure_name(enum https_failure f); /* "dns", "peer" ... for logs */

struct https_answer {
	unsigned status;            /* 200..599 */
	struct https_field *fields; /* of the last head, in order, at most LIMIT_HTTPS_FIELDS; in the arena */
	size_t fields_n;
	enum https_failure failure; /* when the result is not OK */
	char why[256];              /* and in words, printable; "" when it is */
};

/*
 * OK: the server answered, whatever its status; the body was added to `body` (its maximum is the most that is taken; what
 * came of a failed answer is removed again). BAD: HTTPS_PROTOCOL. FULL: HTTPS_SIZE, also of a head above
 * LIMIT_HTTPS_HEADER. DENY: HTTPS_URL, HTTPS_ADDRESS, HTTPS_PEER. LATER: everything else.
 */
NODISCARD enum result https_ask(struct https *h, const struct https_request *q, struct arena *a,
    struct buf *body, struct https_answer *out);
/* The value of the first field of that name (any case); p is NULL when there is none. */
struct slice https_field(const struct https_answer *answer, struct slice name);
/*
 * Retry-After (RFC 9110 10.2.3), seconds or a date, as milliseconds from now: least when there is none or it is less, most
 * when it is more.
 */
int64_t https_retry_after(const struct https_answer *answer, int64_t least, int64_t most);

#endif
