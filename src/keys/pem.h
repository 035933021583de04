/*
 * pem: certificates with their private keys: reading, checking, and the one private operation of a handshake.
 *
 * ECDSA over P-256 or P-384, and RSA of 2048 to 4096 bits: what mail clients accept.
 */
#ifndef KEYS_PEM_H
#define KEYS_PEM_H

#include "base/base.h"
#include <openssl/evp.h>

#define PEM_CHAIN 10     /* certificates */
#define PEM_OCTETS 65536 /* of a chain or a key; one chain fits one packet */
#define PEM_ID 32        /* hex digits of a key's name */
#define PEM_NAMES 100    /* DNS names of a certificate */

struct certificate {
	char id[PEM_ID + 1]; /* of the public key: a renewed certificate with the same key has the same id */
	int64_t place;
	EVP_PKEY *key;
	struct buf chain_pem; /* leaf first, nothing but certificates */
	char *names[PEM_NAMES];
	size_t names_n;
	unsigned alarm; /* of its end: how many steps of warning have been given */
};

/*
 * Reads and checks: the chain parses, each certificate is issued by the next, the leaf has names and is not expired
 * (unless `stored`), the key is of a kind we use and belongs to the leaf. DENY with a constant text in *why_out.
 * key: PEM, or with `stored` the DER of certificate_key_put().
 */
NODISCARD enum result certificate_read(
    struct slice chain_pem, struct slice key, bool stored, struct certificate **out, const char **why_out);
void certificate_free(struct certificate *c);
/* Not before and not after, UTC ms. */
void certificate_validity(const struct certificate *c, int64_t *from_out, int64_t *to_out);
/* DER of the first of the chain. */
void certificate_leaf_put(const struct certificate *c, struct buf *der);
/* RFC 9773 section 4.1; nothing when it names no issuer's key. */
void certificate_renewal_id(const struct certificate *c, struct buf *out);
void certificate_key_put(const struct certificate *c, struct buf *der);
/* The same kind of key and every name of `old`: it takes its place. */
bool certificate_replaces(const struct certificate *c, const struct certificate *old);
/* The same kind of key and a name in common: clients that ask for it get the one that stands first. */
bool certificate_overlaps(const struct certificate *c, const struct certificate *old);
/* ECDSA over a digest; adds the DER signature. */
NODISCARD enum result certificate_sign_ecdsa(
    const struct certificate *c, struct slice digest, struct buf *out);
/* Raw RSA over a block of the modulus' size. DENY for a block that is not a padded signature: never a decryption. */
NODISCARD enum result certificate_sign_rsa(const struct certificate *c, struct slice block, struct buf *out);

#endif
