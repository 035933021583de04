/*
 * scram: SCRAM-SHA-256, the arithmetic and the messages (RFC 5802, RFC 7677). Pure.
 *
 * The front keeps what belongs to the connection (GS2 header, channel binding); here are the salted keys, the server's
 * first message, the proof and the server's signature.
 */
#ifndef KEYS_SCRAM_H
#define KEYS_SCRAM_H

#include "base/base.h"

#define SCRAM_SALT 16
#define SCRAM_KEY 32
#define SCRAM_ITERATIONS 10000
#define SCRAM_MESSAGE 1024 /* octets of any one message */

struct scram_keys {
	char salt[SCRAM_SALT];
	uint32_t iterations;
	char stored[SCRAM_KEY];
	char server[SCRAM_KEY];
};

/* Fills stored and server from a prepared password, salt and iterations. */
void scram_derive(struct slice password, struct slice salt, struct scram_keys *k);
/* client-first-message-bare: BAD for anything but n=, r= and extensions (m= included). The name is decoded into login. */
NODISCARD enum result scram_bare_parse(struct slice bare, struct buf *login, struct slice *nonce_out);
/* server-first-message, with our part of the nonce behind the client's. */
void scram_server_first(struct slice client_nonce, struct slice our_nonce, struct slice salt,
    uint32_t iterations, struct buf *out);
/* The nonce of a client-final-message-without-proof or of a server-first-message; empty when there is none. */
struct slice scram_nonce(struct slice message);
/* DENY when the proof is not of the stored key. Otherwise adds the server's last message, "v=...". */
NODISCARD enum result scram_finish(
    const struct scram_keys *k, struct slice auth_message, struct slice proof, struct buf *final_out);

#endif
