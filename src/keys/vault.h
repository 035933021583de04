/*
 * vault: the master key and what is sealed with it.
 *
 * Each use has its own key, derived from the master key by HKDF-SHA256 with the use's name; sealing is AES-256-GCM with
 * a random nonce, and the place where a row belongs is authenticated with it, so a row cannot be moved to another name.
 * Sealed: version octet, 12 octets nonce, text, 16 octets tag. A key seals far fewer than 2^32 texts.
 */
#ifndef KEYS_VAULT_H
#define KEYS_VAULT_H

#include "base/base.h"

#define SECRET_LOCAL(name, most) __attribute__((cleanup(buf_free_secret))) struct buf name = {.max = (most)}

#define VAULT_KEY 32
#define VAULT_MORE 29 /* octets that sealing adds */

enum vault_use {
	VAULT_ROWS,     /* login and certificate rows */
	VAULT_DATA_KEY, /* store's data keys */
	VAULT_SALT,     /* SCRAM salts of logins that do not exist */
	VAULT_STATE,    /* SCRAM states; a random key of this process */
	VAULT_DKIM,     /* private keys of DKIM, which store keeps */
	VAULT_CODES,    /* MACs of codes and of applications' passwords */
	VAULT_AUDIT,    /* the key that signs the audit (digest.h) */
	VAULT_OAUTH,    /* the key that signs identities (oauth.c) */
	VAULT_CACHE,    /* names of remembered verdicts; a random key of this process */
	VAULT_ATTEMPTS, /* names of what attempts.h keeps */
	VAULT_USES
};

struct vault {
	unsigned char key[VAULT_USES][VAULT_KEY];
};

/* Locked in memory and left out of core dumps where the system allows it. `master` has 32 octets. */
struct vault *vault_new(struct slice master);
void vault_free(struct vault *v);

/* `place` is what the sealed text belongs to. */
void vault_seal(
    const struct vault *v, enum vault_use use, struct slice place, struct slice text, struct buf *out);
/* DENY when it was not sealed by this vault for this use and place. */
NODISCARD enum result vault_unseal(
    const struct vault *v, enum vault_use use, struct slice place, struct slice sealed, struct buf *out);
/* HMAC-SHA256 by the use's key. */
void vault_mac(const struct vault *v, enum vault_use use, struct slice text, char out[32]);
/* n octets nobody can guess; aborts the role when the system has none. */
void vault_random(void *p, size_t n);

#endif
