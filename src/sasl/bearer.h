/* bearer: the messages of OAUTHBEARER (RFC 7628) and XOAUTH2. Pure. Internal to the room. */
#ifndef SASL_BEARER_H
#define SASL_BEARER_H

#include "base/base.h"

struct bearer {
	struct slice login; /* in the arena; empty: the client names nobody */
	struct slice token; /* a part of the message */
};

/* gs2-header, then key=value pairs with ^A behind each, of which auth=Bearer ... is needed. BAD: not that. */
NODISCARD enum result bearer_parse(struct slice message, struct arena *a, struct bearer *out);
/* "user=" login ^A "auth=Bearer " token ^A ^A. */
NODISCARD enum result bearer_parse_xoauth2(struct slice message, struct arena *a, struct bearer *out);

#endif
