/*
 * passkey: what an authenticator signed (W3C Web Authentication, level 2), verified without parsing: the client's data by
 * the "limited verification algorithm" of section 5.8.1.2, which compares octets, and the authenticator's at fixed places.
 * What has to be parsed (CBOR, JSON) is taken apart by web, which holds no secret.
 *
 * Kept as the secret of a credential: algorithm, length and octets of the id, octets of the public key. Pure.
 */
#ifndef KEYS_PASSKEY_H
#define KEYS_PASSKEY_H

#include "base/base.h"

#define PASSKEY_ID 1023 /* octets, section 4 */

/* Algorithms of COSE (RFC 9053) that are taken. */
enum passkey_algorithm { PASSKEY_ES256 = -7, PASSKEY_EDDSA = -8, PASSKEY_RS256 = -257 };

struct passkey {
	int32_t algorithm;
	struct slice id;
	struct slice
	    key; /* x and y of P-256; the key of Ed25519; or modulus and exponent (the last 3 octets) of RSA */
};

void passkey_put(const struct passkey *p, struct buf *out);
NODISCARD enum result passkey_read(struct slice secret, struct passkey *out);
/* Can anything be verified by it? DENY: an algorithm that is not taken, or no such key. */
NODISCARD enum result passkey_check(const struct passkey *p);

/* The client's data are of this type ("webauthn.get"), this challenge and a page of this host, by https. */
NODISCARD enum result passkey_client(
    struct slice data, const char *type, struct slice challenge, struct slice host);
/* The authenticator speaks for this host, and somebody was there. `counter_out`: of its signatures. */
NODISCARD enum result passkey_authenticator(struct slice data, struct slice host, uint32_t *counter_out);
NODISCARD enum result passkey_verify(
    const struct passkey *p, struct slice authenticator, struct slice client, struct slice signature);

#endif
