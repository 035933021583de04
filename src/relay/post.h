/*
 * post: what goes to other servers by https: TLS reports that others want so (RFC 8460 5.4), alarms for the
 * webhook of the configuration, and short messages for its gateway. store gives them out one by one, hears what
 * became of each, and decides when it is tried again.
 */
#ifndef RELAY_POST_H
#define RELAY_POST_H

#include "https/https.h"

struct post_settings {
	struct ipc_trunk *store;
	struct https *reports; /* NULL: there is none */
	struct https *alarms;  /* the same; to this address: */
	const char *webhook;
	struct https *sms; /* to the gateway for short messages (sms.h), with these of the configuration: */
	const char *sms_url, *sms_body, *sms_type, *sms_authorization;
	const char *sms_secret; /* "": none */
};

/* Starts a thread for each of the three. The settings must stay. */
void relay_post_start(const struct post_settings *settings);

#endif
