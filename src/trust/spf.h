/*
 * spf: may this client send in the name of that domain? RFC 7208, RFC 8616 for internationalised mail.
 *
 * Asks the DNS for TXT records only. Limits as in RFC 7208 4.6.4: 10 terms that ask, 2 answers without anything, 10 names
 * of an MX, the first 10 of a PTR; what is beyond is a permerror (of a PTR: not looked at). Everything in `out` lives in
 * the arena or is the asker's. Pure but for the questions; never waits longer than they do.
 */
#ifndef TRUST_SPF_H
#define TRUST_SPF_H

#include "ipc/dns.h"

enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
};
const char *spf_result_name(enum spf_result r); /* "none", "pass" ... as in RFC 7208 8 */

/* Who is asked about. The HELO identity: local empty, domain the name after HELO. */
struct spf_ask {
	struct dns_ip ip;
	struct slice helo;          /* as the client said it: the macro h */
	struct slice local, domain; /* the sender; an empty local part means postmaster */
	const char *receiver;       /* our own name: the macro r */
	int64_t now_s;              /* UTC seconds: the macro t */
	bool explain;               /* the domain's own explanation of a fail is wanted */
	bool steps;                 /* every step is noted */
};

struct spf_step {
	struct spf_step *next;
	unsigned depth;      /* of include and redirect */
	struct slice domain; /* whose record */
	struct slice term;   /* as it stands there; empty: about the record as a whole */
	const char *outcome;
};

struct spf {
	enum spf_result result;
	struct slice domain;     /* the one asked about, in A-labels; empty: it was none */
	struct slice mechanism;  /* that gave the result, as it stands in its record; empty: none did */
	const char *why;         /* in words; never NULL */
	const char *explanation; /* of a fail, by the domain; NULL: none. Printable ASCII */
	unsigned lookups, voids; /* terms that asked; answers without anything */
	struct spf_step *steps;
};

void spf_check(const struct spf_ask *ask, struct dns *dns, struct arena *a, struct spf *out);

/* Is it a record of this version? RFC 7208 4.5 */
bool spf_is_record(struct slice text);

#endif
