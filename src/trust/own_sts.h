/* own_sts: the MTA-STS policy that we give out for our domains (RFC 8461 3.2), and its id. */
#ifndef TRUST_OWN_STS_H
#define TRUST_OWN_STS_H

#include "base/base.h"

struct own_sts {
	const char *mode; /* "testing", "enforce" or "none" */
	const char *host; /* the MX */
	int64_t max_age_ms;
};
void trust_own_sts_put(const struct own_sts *s, struct buf *out);
/* Follows the content: another policy, another id. */
#define OWN_STS_ID 20
void trust_own_sts_id(const struct own_sts *s, char out[static OWN_STS_ID + 1]);

#endif
