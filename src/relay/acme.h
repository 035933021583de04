/*
 * acme: the hands of keys at a certificate authority (RFC 8555, RFC 8737, RFC 9773). What is to be done is asked of keys,
 * so is the body of every request that is signed; what the authority answers is read here, where nothing can be stolen.
 *
 *   acme.c        asks for a task, does it, reports        acme_order.c  an order from its beginning to its certificate
 *   acme_served.c names of mail domains that lead here
 *   acme_post.c   requests, nonces, problems               acme_read.h   the authority's answers
 */
#ifndef RELAY_ACME_H
#define RELAY_ACME_H

#include "https/https.h"

/* Who publishes the TXT records of dns-01. set: OK once they are told to the zone's server. */
struct acme_records {
	NODISCARD enum result (*set)(struct acme_records *r, const char *name, const char *value);
	void (*remove)(struct acme_records *r, const char *name, const char *value);
};

struct acme_settings {
	struct ipc_trunk *keys, *store;
	const char *hostname;
	bool domains; /* also certificates for the names that are served in mail domains */
	struct dns *dns;
	struct https *https;
	struct acme_records *records; /* NULL: the administrator does it by hand */
};

/* Starts the one thread that does all of it. The settings must stay. */
void relay_acme_start(const struct acme_settings *settings);

#endif
