/*
 * A world around the relay for tests: a store that hands out jobs and keeps reports, a DNS from a fixture, and mail servers
 * on 127.0.0.1 to 127.0.0.9 that play scripts. One script a connection, in order; a line of it is
 *
 *   > TEXT     say TEXT and CRLF              < TEXT     hear a line that begins with TEXT
 *   # TEXT     say TEXT as it is              .          hear a message up to its dot
 *   & TEXT     say TEXT and CRLF together with what is said next
 *   = N        hear N octets                  t          TLS handshake (t! : garbage in place of it)
 *   w MS       wait                           b          from now on say octet by octet
 *   i          put the connection to sleep until the relay ends it
 *
 * and at its end the connection is closed. What was heard is in w->heard, with "| " before each connection's part.
 */
#ifndef KIT_RELAY_WORLD_H
#define KIT_RELAY_WORLD_H

#include "relay/relay.h"
#include "resolver/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HOSTS 10
#define SCRIPTS 64
#define REPORTS 4096

struct report {
	uint64_t row;
	unsigned outcome, code, ms;
	char status[16], text[512], host[300], ip[64], tls[128];
	bool remote_dsn;
	unsigned secured;
};

struct world;
struct play {
	struct world *world;
	int listener;
	unsigned next, n;
	const char *scripts[SCRIPTS];
};

struct world {
	struct relay_settings settings;
	struct relay *relay;
	struct ipc_server *store;
	struct ipc_trunk *trunk;
	struct fixture *fixture;
	SSL_CTX *tls;
	struct play hosts[HOSTS];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct arena arena; /* of the jobs */
	Sekisho__Job *jobs[1024];
	size_t jobs_n, claims;
	struct report reports[REPORTS];
	size_t reports_n;
	unsigned report_failures; /* so many reports are refused first */
	struct slice body;        /* what OUTBODY serves */
	const char *seven; /* what a message is for servers without 8BITMIME; NULL: it cannot be put so */
	const char *sts;   /* the policy that store keeps for each domain, NULL: none */
	struct trial_report {
		char domain[64], text[512], mx[64], reason[128];
		unsigned policy, result, count;
	} trials[64];
	size_t trials_n;
	struct buf heard;
	char fault[512]; /* the first thing a script did not expect */
	bool careless;   /* a fault is no failure */
	unsigned connections;
};

struct world *world_new(const char *zone);
void world_start(struct world *w); /* after the settings were changed */
void world_end(struct world *w);
/* Another zone, or further lines behind it, before the start. */
void world_zone(struct world *w, const char *zone);
/* A context that takes the servers' certificate for an authority. */
SSL_CTX *world_trusts_itself(struct world *w);
/* The servers' certificate as the data of a TLSA record, "3 1 1 ..."; matching 0 to 2. */
void world_tlsa(struct world *w, unsigned usage, unsigned selector, unsigned matching, struct buf *out);
/* The scripts of 127.0.0.<host>, NULL-terminated. */
void world_host(struct world *w, unsigned host, ...);
/* A job for the domain: rows first, first + 1, ... with recipients r<row>@domain. To be changed, then given. */
Sekisho__Job *world_job(struct world *w, const char *domain, uint64_t first, size_t n, const char *data);
void world_give(struct world *w, Sekisho__Job *job);
const struct report *world_report(struct world *w, uint64_t row); /* waits; fails the test after 10 s */
unsigned world_outcomes(struct world *w, unsigned outcome);       /* reports with it so far */
bool world_heard(struct world *w, const char *text);
uint16_t world_port(void);

#endif
