/* sign: a digest under an RSA or Ed25519 key, as the role `keys` signs it. */
#ifndef KIT_SIGN_H
#define KIT_SIGN_H

#include "trust/trust.h"
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

static inline void kit_sign_digest(EVP_PKEY *k, const unsigned char digest[TRUST_DIGEST], struct buf *out)
{
	unsigned char octets[1024];
	size_t n = sizeof octets;
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(k, NULL);
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	bool done = EVP_PKEY_is_a(k, "RSA") ? EVP_PKEY_sign_init(x) == 1 &&
						  EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
						  EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()) == 1 &&
						  EVP_PKEY_sign(x, octets, &n, digest, TRUST_DIGEST) == 1
					    : EVP_DigestSignInit(m, NULL, NULL, NULL, k) == 1 &&
						  EVP_DigestSign(m, octets, &n, digest, TRUST_DIGEST) == 1;
	if (!done)
		abort();
	buf_put(out, slice_of(octets, n));
	EVP_PKEY_CTX_free(x);
	EVP_MD_CTX_free(m);
}

#endif
