/*
 * acme_read: what a certificate authority answers, from JSON to values (RFC 8555 6.7, 7.1; RFC 9773 4.2). Pure.
 *
 * BAD: not JSON, or something that must be there is missing, of another type, too long, or not an address of HTTPS (http
 * is left to the client's own judgement). FULL: more than LIMIT_ACME_URLS. Everything lives in the arena, NUL-terminated
 * and never NULL ("" where the authority said nothing); addresses are visible ASCII.
 */
#ifndef RELAY_ACME_READ_H
#define RELAY_ACME_READ_H

#include "base/base.h"

struct acme_directory {
	const char *new_nonce, *new_account, *new_order, *revoke, *key_change;
	const char *renewal_info; /* "": the authority has none */
	const char *terms;
	const char *caa; /* what a CAA record has to name, comma-separated */
	bool binding;
};
NODISCARD enum result relay_acme_read_directory(
    struct slice body, struct arena *a, struct acme_directory *out);

struct acme_problem {
	const char *type; /* behind "urn:ietf:params:acme:error:"; "" when it is none of those */
	const char *text; /* for people, printable */
};
/* Never fails: without a problem document both are "". */
void relay_acme_read_problem(struct slice body, struct arena *a, struct acme_problem *out);

enum acme_state { ACME_OTHER, ACME_PENDING, ACME_READY, ACME_PROCESSING, ACME_VALID, ACME_INVALID };

struct acme_order {
	enum acme_state state;
	const char **authorizations;
	size_t authorizations_n;
	const char *finalize;
	const char *certificate; /* "" until valid */
	struct acme_problem problem;
};
NODISCARD enum result relay_acme_read_order(struct slice body, struct arena *a, struct acme_order *out);

struct acme_challenge {
	const char *url, *token; /* token: base64url, at most LIMIT_ACME_TOKEN */
};
struct acme_authorization {
	enum acme_state state;
	const char *name;                /* a DNS name in lower case, without "*." */
	bool offered;                    /* a challenge of the wanted type is there */
	struct acme_challenge challenge; /* that one */
	struct acme_problem problem;     /* of whichever challenge failed */
};
/* type: "http-01" ... */
NODISCARD enum result relay_acme_read_authorization(
    struct slice body, const char *type, struct arena *a, struct acme_authorization *out);

struct acme_window {
	int64_t from_ms, to_ms; /* UTC */
};
NODISCARD enum result relay_acme_read_window(struct slice body, struct acme_window *out);

/* A chain in PEM, written anew from its certificates: 1 to 10, nothing else. BAD otherwise. */
NODISCARD enum result relay_acme_read_chain(struct slice body, struct buf *out);

#endif
