/*
 * message: a message as its proofs see it: the fields by name, the body's hashes.
 *
 * Read once with mail/header.h's eyes (what the readers' programs take for a field is a field here), then used for every
 * signature. Everything lives in the arena; the message's octets must stay. One thread.
 */
#ifndef TRUST_MESSAGE_H
#define TRUST_MESSAGE_H

#include "trust/canon.h"

#define TRUST_DIGEST 32 /* SHA-256 */
#define TRUST_BODIES 8  /* different body hashes of one message that are remembered */

struct trust_field {
	struct mail_field field;
	uint32_t above; /* the next one of this name further up, plus 1; 0: none */
};

struct trust_name {
	struct slice name;
	uint32_t last;  /* the lowest field of this name, plus 1 */
	uint32_t count; /* fields of this name */
	uint32_t next;  /* with the same hash, plus 1 */
	uint32_t taken; /* of the signature in hand: its next field, plus 1; see trust_take_field */
	uint32_t turn;  /* the signature that `taken` belongs to */
};

struct trust_body {
	enum canon how;
	uint64_t most; /* octets of the canonical body that were hashed at most */
	uint64_t total;
	unsigned char digest[TRUST_DIGEST];
};

struct trust_message {
	struct slice all, body;
	struct arena *arena;
	size_t n;
	struct trust_field *fields; /* from top to bottom */
	size_t n_names;
	struct trust_name *names;
	uint32_t *buckets;
	uint32_t mask;
	uint32_t turn;
	const char
	    *unfit; /* why nothing about it can be proved: too many fields, too long a header. NULL: fit */
	size_t n_bodies;
	struct trust_body bodies[TRUST_BODIES];
};

/* FULL: the arena is. */
NODISCARD enum result trust_message_read(struct slice message, struct arena *a, struct trust_message *out);

/* How many fields of this name there are. */
size_t trust_count(const struct trust_message *m, struct slice name);
/* The lowest of this name; walk up by ->above. NULL: none. */
const struct trust_field *trust_lowest(const struct trust_message *m, struct slice name);
const struct trust_field *trust_above(const struct trust_message *m, const struct trust_field *f);

/*
 * A signature's way through the header, RFC 6376 5.4.2: each mention of a name takes the next field of that name from the
 * bottom. NULL: there is none left.
 */
void trust_take_start(struct trust_message *m);
const struct trust_field *trust_take_field(struct trust_message *m, struct slice name);
/* How many fields of this name the signature in hand has not taken. */
size_t trust_untaken(const struct trust_message *m, struct slice name);

/* A bare CR or LF somewhere: programs differ in what lines they see. Reads all of it. */
bool trust_has_bare_ends(const struct trust_message *m);

/* The hash of the canonical body's first `most` octets. The answer is valid until the next call. */
const struct trust_body *trust_body_hash(struct trust_message *m, enum canon how, uint64_t most);

#endif
