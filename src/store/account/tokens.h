/*
 * tokens: what opens the API: 32 random octets as text, shown once. Kept is a keyed hash, so that a stolen database opens
 * nothing; the role says what the holder may do.
 */
#ifndef STORE_ACCOUNT_TOKENS_H
#define STORE_ACCOUNT_TOKENS_H

#include "store/account/roles.h"

#define TOKEN_BEGIN "skt_" /* so that people and scanners of secrets know one when they see it */
#define TOKEN_NAME 100     /* octets */

struct token {
	int64_t id;
	struct slice name, role; /* in the arena */
	struct powers powers;
};

/* A new one's text, and what is kept of it. */
void token_make(const struct store *s, struct buf *text, uint8_t mac[SEAL_MAC]);
/* DENY: it opens nothing (never did, was taken back, is too old). LATER: the database failed. */
NODISCARD enum result token_find(struct store *s, struct slice text, struct arena *a, struct token *out);

#endif
