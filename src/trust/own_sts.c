#include "trust/own_sts.h"
#include <openssl/sha.h>

void trust_own_sts_put(const struct own_sts *s, struct buf *out)
{
	buf_printf(out, "version: STSv1\r\nmode: %s\r\n", s->mode);
	buf_printf(out, "mx: %s\r\nmax_age: %lld\r\n", s->host, (long long)(s->max_age_ms / SECOND_MS));
}

void trust_own_sts_id(const struct own_sts *s, char out[static OWN_STS_ID + 1])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(policy, 4096);
	BUF_LOCAL(hex, 2 * sizeof digest);
	trust_own_sts_put(s, &policy);
	SHA256((const unsigned char *)policy.p, policy.n, digest);
	buf_hex(&hex, slice_of(digest, sizeof digest));
	memcpy(out, hex.p, OWN_STS_ID);
	out[OWN_STS_ID] = 0;
}
