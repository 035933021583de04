/*
 * dkim: DomainKeys Identified Mail, RFC 6376 with 8301 (what is too weak), 8463 (Ed25519) and 8616 (UTF-8).
 *
 * Verifying: trust_message_read() once, then dkim_verify(): one entry for each DKIM-Signature, from top to bottom. A pass says
 * that the domain answers for what is covered; what lets a reader see something else is never a plain pass: DKIM_POLICY with
 * the reason. Keys are asked for one after the other; the call waits for the DNS.
 *
 * Signing in two steps, because the keys are elsewhere: dkim_draft_make() where the message may be read gives the field
 * without its signature and the digest to be signed; whoever has the key signs that digest (RSASSA-PKCS1-v1_5 with SHA-256,
 * or Ed25519 over the 32 octets, RFC 8463 3); dkim_draft_put() puts the field together.
 */
#ifndef TRUST_DKIM_H
#define TRUST_DKIM_H

#include "ipc/dns.h"
#include "trust/message.h"

/* RFC 8601 2.7.1 */
enum dkim_result {
	DKIM_NONE,
	DKIM_PASS,
	DKIM_FAIL,      /* the message, or the signature, was changed */
	DKIM_POLICY,    /* verified, but proves too little: see the reason */
	DKIM_NEUTRAL,   /* not looked at */
	DKIM_TEMPERROR, /* the key could not be asked for now */
	DKIM_PERMERROR  /* malformed, forbidden, or no usable key */
};
const char *dkim_result_name(enum dkim_result r); /* "pass" ... */

struct trust_check {
	struct dns *dns;
	int64_t now_ms;      /* for x=; 0: times are not looked at */
	int64_t deadline_ms; /* by clock_mono_ms(): no key is asked for after it; 0: none */
	bool explain;        /* keep every step, and do those that no longer matter */
};

struct dkim_signature {
	enum dkim_result result;
	const char *reason;            /* constant text in English; "" for a pass */
	struct slice domain, selector; /* A-labels, lower case; empty when the signature is malformed */
	struct slice identity;         /* i=, "@domain" when it has none */
	struct slice algorithm;        /* "rsa-sha256" */
	struct slice b;    /* the first 8 octets of b=, for header.b of Authentication-Results (RFC 6008) */
	unsigned key_bits; /* 0: no key was seen */
	bool key_secure;   /* the key came validated by DNSSEC */
	bool testing;      /* the key says t=y */
	enum canon header, body;
	size_t n_covered;
	struct slice *covered; /* names in h=, as written */
	size_t n_added;
	struct slice
	    *added;   /* fields that readers look at, of which more stand in the message than are covered */
	bool limited; /* l= */
	uint64_t body_covered, body_total; /* octets of the canonical body; both 0 when it was not hashed */
	int64_t signed_s, expires_s;       /* t= and x=, 0: none */

	/* with explain */
	struct slice field; /* the signature as it stands */
	struct slice key_name, key_record;
	struct slice header_input; /* what was hashed */
	struct slice stated_hash;  /* bh= */
	unsigned char body_hash[TRUST_DIGEST];
};

struct dkim_signatures {
	size_t n; /* at most LIMIT_DKIM_SIGNATURES; with more in the message none is looked at */
	struct dkim_signature *list;
	bool too_many;
};

/* Everything lives in the message's arena. When that is full the signatures it has no room for are temporary errors. */
void dkim_verify(struct trust_message *m, const struct trust_check *check, struct dkim_signatures *out);

/* ---- signing ---- */

enum dkim_algorithm { DKIM_RSA_SHA256 = 1, DKIM_ED25519_SHA256 = 2 };
const char *dkim_algorithm_name(enum dkim_algorithm a);

struct dkim_signer {
	struct slice domain, selector;
	enum dkim_algorithm algorithm;
	enum canon header, body;
	int64_t now_s, expires_s; /* expires_s 0: never */
	/* h=; empty: what dkim_names_put() finds right for the message */
	struct slice names;
};

/* The text of a key's TXT record at SELECTOR._domainkey.DOMAIN. `octets`: SubjectPublicKeyInfo, or the 32 of Ed25519. */
void dkim_record_put(enum dkim_algorithm a, struct slice octets, struct buf *out);
/* What the DNS has there now. */
enum dkim_seen {
	DKIM_UNKNOWN, /* it does not answer */
	DKIM_SEEN,
	DKIM_ABSENT,
	DKIM_OTHER /* another key, or a record that nobody can use */
};
enum dkim_seen dkim_key_seen(struct dns *dns, struct slice domain, struct slice selector,
    enum dkim_algorithm a, struct slice octets, struct arena *arena);

/* A field that waits for its signature: head, base64, tail. */
struct trust_draft {
	struct slice head; /* up to "b=" */
	struct slice tail; /* what follows, with the line end */
	unsigned char digest[TRUST_DIGEST];
};

/* BAD: the message is unfit to be signed (m->unfit, no From), or the names are. FULL: the arena. */
NODISCARD enum result dkim_draft_make(
    struct trust_message *m, const struct dkim_signer *s, struct trust_draft *out);
/* The same for a field of one's own making with an empty "b=". BAD: it is no signature field. */
NODISCARD enum result dkim_draft_of(struct trust_message *m, struct slice field, struct trust_draft *out);
/* The finished field. Pure; needs no message. */
void dkim_draft_put(const struct trust_draft *d, struct slice signature, struct buf *out);

/*
 * The fields to be covered, for h=: whatever readers see or programs act on, one mention more than there are of those that
 * must stand once (so none can be added), never what changes on the way or says who else got it (Bcc).
 */
void dkim_names_put(const struct trust_message *m, struct buf *out);

#endif
