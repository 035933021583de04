/*
 * acme: the hands of keys at a certificate authority (RFC 8555, RFC 8737, RFC 9773). What is to be done is asked of keys,
 * so is the body of every request that is signed; what the authority answers is read here, where nothing can be stolen.
 *
 *   acme.c        asks for a task, does it, reports        acme_order.c  an order from its beginning to its certificate
 *   acme_served.c names of mail domains that lead here  acme_record.c dns-01's records by dynamic update
 *   acme_post.c   requests, nonces, problems               acme_read.h   the authority's answers
 */
#ifndef RELAY_ACME_H
#define RELAY_ACME_H

#include "https/https.h"

struct acme_settings {
	struct ipc_trunk *keys, *store;
	const char *hostname;
	bool domains; /* also certificates for the names that are served in mail domains */
	struct dns *dns;
	struct https *https;
	struct ipc_trunk *resolver;
	const char *
	    update_key; /* name of the TSIG key for the records of dns-01; NULL: the administrator publishes them */
	int64_t update_wait_ms; /* until all servers of the zone have them */
};

/* Starts the one thread that does all of it. The settings must stay. */
void relay_acme_start(const struct acme_settings *settings);

#endif
