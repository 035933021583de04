/*
 * url: what an IMAP URL (RFC 5092) names on this server, for CATENATE.
 *
 * Absolute paths, "imap://[user@]host/..." of this very server and account, and what is relative to the selected mailbox.
 * A URL that only its bearer's token opens (URLAUTH) is not one of these.
 */
#ifndef IMAP_URL_H
#define IMAP_URL_H

#include "fetch.h"

struct imap_url {
	struct slice mailbox; /* empty: the selected one */
	uint32_t uidvalidity; /* 0: any */
	uint32_t uid;
	struct imap_section section; /* with the partial */
};
/* BAD: it is no URL of a message here. Values live in the arena. */
NODISCARD enum result imap_url_parse(
    struct slice text, struct slice host, struct slice user, struct arena *a, struct imap_url *out);

#endif
