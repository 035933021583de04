/*
 * seal: what makes the data directory unreadable to whoever steals it.
 *
 * Every key comes from the organisation's data key (32 octets, opened by the keys role) by HMAC-SHA256 with a label.
 * Ciphertext is AES-256-GCM. No two pieces are ever sealed with the same key and nonce: each column value and each
 * blob has a random 16-octet id, its own key is HMAC(key, id), and the pieces under it count up from zero.
 *
 * A struct seal does not change after seal_new; all functions may be called by any thread.
 */
#ifndef STORE_BODY_SEAL_H
#define STORE_BODY_SEAL_H

#include "base/base.h"

#define SEAL_KEY 32
#define SEAL_ID 16
#define SEAL_TAG 16
#define SEAL_MAC 32
#define SEAL_OVERHEAD (SEAL_ID + SEAL_TAG) /* of a column value */

enum seal_use {
	SEAL_BLOBS,   /* keys of bodies */
	SEAL_COLUMNS, /* keys of column values */
	SEAL_DIGESTS, /* content hashes, so that a known message cannot be recognised */
	SEAL_TOKENS,  /* words to be found by */
	SEAL_SENDERS, /* rewritten sender addresses (srs.h) */
	SEAL_USES
};

struct seal;
struct seal *seal_new(const uint8_t data_key[SEAL_KEY]);
void seal_free(struct seal *s);

void seal_mac(const struct seal *s, enum seal_use use, struct slice data, uint8_t out[SEAL_MAC]);
/* A keyed 63-bit hash of a text of some kind, ASCII case folded. */
int64_t seal_token(const struct seal *s, const char *kind, struct slice text);

/* Adds the sealed form of plain to out. `bound` says where the value belongs; it must be the same when opened. */
void seal_put(const struct seal *s, struct slice plain, struct slice bound, struct buf *out);
/* Adds the plain form to out; BAD when it was changed or moved. */
NODISCARD enum result seal_get(
    const struct seal *s, struct slice sealed, struct slice bound, struct buf *out);

/* Pieces of a blob: `out` has room for the plain octets and SEAL_TAG more, or without the tag. */
void seal_blob_key(const struct seal *s, const uint8_t id[SEAL_ID], uint8_t key_out[SEAL_KEY]);
void seal_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice plain, char *out);
NODISCARD enum result seal_open_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice sealed, char *out);

void seal_random(void *p, size_t n);
/* HMAC-SHA256 with a key of the caller's, for what other roles sealed. */
void seal_hmac(const uint8_t key[SEAL_KEY], struct slice data, uint8_t out[SEAL_MAC]);
void seal_sha256(struct slice data, uint8_t out[32]);

#endif
