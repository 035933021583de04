/*
 * jose: what an ACME account signs (RFC 7515, 7517, 7638; RFC 8555 6.2), and who says who somebody is, with ES256 keys. Pure.
 *
 * Texts that go into JSON are checked here: visible ASCII without quotes and backslashes, or BAD.
 */
#ifndef KEYS_JOSE_H
#define KEYS_JOSE_H

#include "base/base.h"
#include <openssl/evp.h>

void jose_base64url(struct buf *out, struct slice s);
/* RFC 4648 5, without padding. */
NODISCARD enum result jose_base64url_read(struct slice s, struct buf *out);
bool jose_is_clean(struct slice s); /* may stand between quotes as it is */

EVP_PKEY *jose_key_new(void); /* ECDSA P-256 */
#define JOSE_SEED 64
/* The same key whenever it is made of the same JOSE_SEED octets, which nobody else knows (FIPS 186-5 A.2.1). */
EVP_PKEY *jose_key_derive(const unsigned char seed[JOSE_SEED]);
void jose_jwk_put(struct buf *out, EVP_PKEY *key); /* public half, in the form that is hashed */
void jose_thumbprint(EVP_PKEY *key, struct buf *out);

struct jose_head {
	struct slice url, nonce; /* nonce: none in an inner signature */
	struct slice account;    /* "kid"; empty: the key itself, "jwk" */
};
/* The flattened form. BAD: something is not clean. FULL: out is. */
NODISCARD enum result jose_sign(
    EVP_PKEY *key, const struct jose_head *head, struct slice payload, struct buf *out);
/* The compact form (RFC 7515 7.1) with a header of the caller's, which says ES256. FULL: out is. */
NODISCARD enum result jose_sign_compact(
    EVP_PKEY *key, struct slice header, struct slice payload, struct buf *out);
/* The same by HMAC-SHA256 (RFC 8555 7.3.4): key_id becomes "kid". */
NODISCARD enum result jose_bind(
    struct slice mac_key, struct slice key_id, struct slice url, struct slice payload, struct buf *out);

#endif
