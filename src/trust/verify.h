/*
 * verify: everything that can be said about who sent a message that has just come, in one go.
 *
 * Asks the DNS at most LIMIT_TRUST_QUESTIONS times and for LIMIT_TRUST_MS; what has no answer by then is a temporary error.
 * Nothing in a message makes it fail.
 */
#ifndef TRUST_VERIFY_H
#define TRUST_VERIFY_H

#include "ipc/trust.pb-c.h"
#include "trust/trust.h"

#define TRUST_VERSION 1

struct verify_ask {
	struct slice message; /* as it came, without what was put on top of it here */
	const char *ip, *helo;
	struct slice local, domain; /* of MAIL FROM; both empty: the null sender */
	const char *hostname;       /* ours: in whose name results are written */
	struct dns *dns;
	int64_t now_ms;
	bool steps; /* for explaining */
};

/* All of it, for those who want more than the answer. */
struct verify {
	Sekisho__Trust *trust;
	struct trust_authors authors;
	struct spf spf, helo;
	bool null_sender; /* spf is helo's */
	struct dkim_signatures dkim;
	struct arc_chain arc;
	struct dmarc dmarc;
	enum iprev_result iprev;
	const char *client_name;
};
/* FULL: the arena is. */
NODISCARD enum result verify_message(const struct verify_ask *ask, struct arena *a, struct verify *out);

/* The Authentication-Results field. */
void verify_put_results(const struct verify *v, const struct verify_ask *ask, struct buf *out);

/* A piece of a message that stays. */
struct verify_piece {
	size_t from, n;
};
/*
 * What stays of a message once the fields that speak in our name are taken out. FULL: the arena is. *forged_out: how many
 * were taken out.
 */
NODISCARD enum result verify_pieces(struct slice message, const char *hostname, struct arena *a,
    struct verify_piece **pieces_out, size_t *n_out, unsigned *forged_out);

#endif
