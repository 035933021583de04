/*
 * arc: the Authenticated Received Chain, RFC 8617: what those who handed a message on have seen, sealed by each of them.
 *
 * Sealing is done in two rounds, because the seal covers the finished message signature and the keys are elsewhere:
 * arc_seal_start() gives the results field and the message signature to be signed, arc_seal_end() the seal to be signed
 * (both as in dkim.h). In the message the seal stands above the message signature, that above the results.
 */
#ifndef TRUST_ARC_H
#define TRUST_ARC_H

#include "trust/dkim.h"

enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL };
const char *arc_status_name(enum arc_status s); /* "none", "pass", "fail" */

struct arc_set {
	unsigned instance;
	struct slice domain, selector; /* of the seal: who answers for what the set says */
	struct slice algorithm;
	struct slice signer;  /* d= of the message signature */
	struct slice cv;      /* what the sealer said of the chain before */
	struct slice results; /* the results field behind its "i=N;": authserv-id and results, still folded */
	enum dkim_result seal, signature; /* DKIM_NEUTRAL: was not looked at; not needed */
	const char *why;                  /* of the two, what failed; NULL */
	unsigned key_bits;                /* of the seal's key */

	/* as they stand, for explain and for the next seal */
	struct mail_field results_field, signature_field, seal_field;
};

struct arc_chain {
	enum arc_status status;
	const char *reason; /* constant text in English; "" when passed or none */
	bool temporary;     /* failed because a key could not be asked for now */
	bool closed;        /* a seal says cv=fail: the chain has ended, nobody seals any more */
	unsigned highest;   /* the highest instance that was seen */
	size_t n;           /* complete sets, from instance 1 up; fewer than `highest` in a broken chain */
	struct arc_set *sets;
	unsigned
	    oldest_pass; /* with explain: the lowest instance from which on all message signatures are right; 0: none */
};

/* Everything lives in the message's arena. */
void arc_verify(struct trust_message *m, const struct trust_check *check, struct arc_chain *out);

/* ---- sealing ---- */

struct arc_sealer {
	struct slice domain, selector;
	enum dkim_algorithm algorithm;
	int64_t now_s;
	struct slice names; /* h= of the message signature; empty: what is right for the message */
};

/*
 * Adds "authserv-id; results" of all Authentication-Results fields of that authserv-id; "authserv-id; none" when there are
 * none.
 */
void arc_results_put(const struct trust_message *m, struct slice authserv, struct buf *out);

struct arc_draft {
	struct slice results;         /* the ARC-Authentication-Results field, finished */
	struct trust_draft signature; /* the ARC-Message-Signature to be signed */
};
/*
 * `results` as arc_results_put() has it, `chain` as arc_verify() found it. DENY: no seal is to be added (the chain is closed,
 * or has LIMIT_ARC_SETS). BAD: the message is unfit.
 */
NODISCARD enum result arc_seal_start(struct trust_message *m, const struct arc_chain *chain,
    const struct arc_sealer *s, struct slice results, struct arc_draft *out);
/* The seal over what was begun; `signature` is the finished ARC-Message-Signature. */
NODISCARD enum result arc_seal_end(struct trust_message *m, const struct arc_chain *chain,
    const struct arc_sealer *s, struct slice results_field, struct slice signature, struct trust_draft *out);

#endif
