/*
 * relay: the role that hands mail to other servers (RFC 5321, client side). The one door of the room.
 *
 *   claim.c    jobs from store, in batches           queue.c    jobs by destination, worker threads
 *   route.c    whom a domain's mail goes to          host.c     one host after the other, until all is decided
 *   link.c     connecting: EHLO, STARTTLS, AUTH      pool.c     connections kept for the next message
 *   send.c     one message over one connection       body.c     its octets
 *   reply.c    replies and capabilities              report.c   outcomes to store, in batches
 *   guard.c    what TLS towards one host has to be   sts.c      policies of MTA-STS: found, fetched, kept
 *   trials.c   how TLS went, for the reports about it
 *   post.c     such reports, to those who want them by https
 *
 * A job is one message for one destination. Jobs of a destination are worked on by a bounded number of threads, each with a
 * connection; a thread that has finished one takes the destination's next over the same connection. That number grows with
 * each success and halves with each failure to connect. Each recipient gets an outcome: sent, deferred, or failed. When a
 * connection is lost before the end of the data was sent, the next host is tried; after it the outcome is not known, and the
 * message is deferred: the same message, with the same Message-ID, is offered again.
 *
 * No file is touched; certificates of authorities are in the TLS contexts already.
 */
#ifndef RELAY_H
#define RELAY_H

#include "ipc/dns.h"
#include "tls/tls.h"

/* From little to much. What a destination publishes (DANE, MTA-STS) and the administrator's policy for it raise it. */
enum relay_tls {
	RELAY_TLS_NEVER = -1,
	RELAY_TLS_MAY,  /* when the server offers it and it works; no verification (RFC 7435) */
	RELAY_TLS_MUST, /* not without; no verification */
	RELAY_TLS_VERIFIED, /* not without; the certificate must be the host's, and the host be named by somebody to trust */
	RELAY_TLS_DANE /* not without; the certificate must be one that DNSSEC vouches for; never configured */
};

struct relay_route {
	const char
	    *domain; /* lower case, A-labels; NULL: every domain without a route of its own (a smart host) */
	const char *host; /* name or address; the name's MX records do not matter */
	uint16_t port;
	bool implicit_tls; /* TLS from the first octet (RFC 8314) */
	enum relay_tls tls;
	const char *user, *password; /* AUTH, only over TLS; NULL: none */
};

/* In milliseconds; 0: the default, RFC 5321 section 4.5.3.2. */
struct relay_times {
	int64_t connect;  /* 30 s */
	int64_t greeting; /* 5 min; also EHLO, MAIL and RCPT */
	int64_t data;     /* 3 min: DATA's reply, each block */
	int64_t end;      /* 10 min: the reply to the end of data */
	int64_t idle;     /* 3 s: how long a connection waits for another message */
	int64_t
	    dead; /* 30 s: how long a destination is left alone after none of its hosts could be reached */
};

struct relay_settings {
	struct ipc_trunk *store;
	struct dns *dns;
	const char *hostname;    /* in EHLO; an MX record with it, or with one of `self`, is us */
	const char *const *self; /* further names of this server */
	size_t self_n;
	const struct relay_route *routes; /* the first that fits */
	size_t routes_n;
	enum relay_tls tls;       /* towards servers found by MX */
	SSL_CTX *unverified;      /* tls_client_context(TLS_UNVERIFIED, ..) */
	SSL_CTX *verified;        /* NULL: what must be verified by authorities is deferred */
	SSL_CTX *dane;            /* tls_client_context(TLS_BY_CALLER, ..), dane_prepare(); NULL: likewise */
	unsigned connections;     /* at the same time; 0: 200 */
	unsigned per_destination; /* of these; 0: 20 */
	uint16_t port;            /* of servers found by MX; 0: 25 */
	bool loopback;            /* an MX may lead to this machine, or a private address: demos and tests */
	bool private;             /* an MX may lead to a private address */
	struct https *https; /* fetches policies of MTA-STS; NULL: only those that store keeps are known */
	struct relay_times times;
};

struct relay;

/* Starts the threads. The settings and what they point to must stay. */
struct relay *relay_start(const struct relay_settings *settings);
/*
 * Claims nothing more, waits up to ms for the messages in hand, reports, closes connections. What was claimed and not begun
 * is reported as RELEASED. True when everything ended in time, and then the relay is freed; otherwise it stays.
 */
bool relay_stop(struct relay *r, int64_t ms);

#endif
