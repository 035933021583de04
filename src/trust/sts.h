/*
 * sts: SMTP MTA Strict Transport Security (RFC 8461), its DNS record and its policy file. Pure.
 */
#ifndef TRUST_STS_H
#define TRUST_STS_H

#include "ipc/dns.h"

#define STS_ID 32             /* octets, RFC 8461 3.1 */
#define STS_MAX_AGE 31557600u /* seconds, 3.2 */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };
const char *sts_mode_name(enum sts_mode m); /* "none", "testing", "enforce" */

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age; /* seconds */
	size_t n;
	const char **mx; /* lower case, A-labels; "*.example.jp" stands for one label more */
};

/*
 * The id of the one STSv1 record among the TXT records of _mta-sts.DOMAIN (3.1). GONE: there is none, or more than one,
 * or it is malformed: the domain publishes no policy.
 */
NODISCARD enum result sts_record_find(const struct dns_text_list *texts, char id[STS_ID + 1]);
/* The text of a policy file (3.2). BAD: *why_out says what is wrong. Everything lives in the arena. */
NODISCARD enum result sts_policy_parse(
    struct slice text, struct arena *a, struct sts_policy *out, const char **why_out);
/* Does the policy name this host (4.1)? Lower case, no final dot. */
bool sts_names(const struct sts_policy *p, const char *host);

#endif
