/*
 * signature: what DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common: their tags, their public keys, and the
 * arithmetic. Internal to the room.
 */
#ifndef TRUST_SIGNATURE_H
#define TRUST_SIGNATURE_H

#include "trust/dkim.h"
#include "trust/tags.h"
#include <openssl/evp.h>

enum signature_kind {
	SIGNATURE_DKIM, /* RFC 6376 3.5 */
	SIGNATURE_AMS,  /* RFC 8617 4.1.2 */
	SIGNATURE_SEAL, /* RFC 8617 4.1.3 */
};

struct signature {
	struct mail_field field;
	struct slice b;         /* in field.value, between the "=" and the ";" */
	struct slice algorithm; /* "rsa-sha256" */
	bool ed25519;
	enum canon header, body;
	struct slice domain, selector; /* A-labels, lower case */
	struct slice identity;         /* i= of DKIM; "@domain" when it has none */
	struct slice names;            /* h= */
	struct slice stated_hash;      /* bh= without white space */
	unsigned char body_hash[TRUST_DIGEST];
	struct slice signature;      /* b= decoded; empty only while it is being made */
	bool limited;                /* l= stands there */
	uint64_t most;               /* l=; UINT64_MAX without it */
	int64_t signed_s, expires_s; /* t=, x=; 0: none */
	unsigned instance;           /* i= of ARC */
	struct slice cv;             /* of a seal */
};

/* NULL, or a constant text of what is wrong with it. `making`: b= may be empty. */
const char *signature_parse(enum signature_kind kind, const struct mail_field *f, bool making,
    struct arena *a, struct signature *out);
/* What is signed besides the body: the fields of h= and the signature's own, canonical. */
void signature_header_input(struct trust_message *m, const struct signature *s, struct buf *out);
void signature_digest(struct slice input, unsigned char out[TRUST_DIGEST]);

struct signature_key {
	EVP_PKEY *key; /* ours to free */
	bool ed25519;
	unsigned bits;
	bool testing; /* t=y */
	bool strict;  /* t=s: i= must be of exactly d= */
};
/* A key record, RFC 6376 3.6.1. NULL, or a constant text of what is wrong with it. */
const char *signature_key_parse(struct slice record, struct signature_key *out);
void signature_key_free(struct signature_key *k);
/* A public key as p= has it; NULL: none that we know. */
EVP_PKEY *signature_key_read(bool ed25519, struct slice octets);

/* How a look-up and a check ended. */
struct signature_check {
	enum { SIGNATURE_RIGHT, SIGNATURE_WRONG, SIGNATURE_NO_KEY, SIGNATURE_LATER } outcome;
	const char *why;         /* constant; NULL when right */
	struct slice key_name;   /* where the key was looked for */
	struct slice key_record; /* the record that was used; empty: none */
	bool secure;             /* the answer was validated by DNSSEC */
	unsigned key_bits;
	bool testing;
};
/* Fetches the key and checks the signature over the digest. */
void signature_check(const struct signature *s, const unsigned char digest[TRUST_DIGEST],
    const struct trust_check *check, struct arena *a, struct signature_check *out);

/* ---- making one (sign.c) ---- */

/* Tags of a field in the making: lines end between tags, before column 76 where that is possible. */
struct signature_text {
	struct buf *out;
	size_t column;
	bool any; /* a tag stands there already */
};
void signature_text_start(struct signature_text *t, const char *field, struct buf *out);
void signature_text_tag(struct signature_text *t, const char *name, struct slice value);
void signature_text_time(struct signature_text *t, const char *name, int64_t seconds);
/* "bh=" of the whole body. */
void signature_text_body(struct signature_text *t, struct trust_message *m, enum canon how);
/* Reads the field that is being made (b= empty) and says what is to be signed; `seal_input` stands before it instead of the
 * fields of h=. BAD: it does not read. */
NODISCARD enum result signature_draft(enum signature_kind kind, struct trust_message *m, struct slice field,
    struct slice seal_input, struct trust_draft *out);

#endif
