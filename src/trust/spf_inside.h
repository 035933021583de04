/* spf_inside: what the files of SPF share. */
#ifndef TRUST_SPF_INSIDE_H
#define TRUST_SPF_INSIDE_H

#include "trust/spf.h"

enum spf_kind {
	SPF_KIND_ALL,
	SPF_KIND_INCLUDE,
	SPF_KIND_A,
	SPF_KIND_MX,
	SPF_KIND_PTR,
	SPF_KIND_IP4,
	SPF_KIND_IP6,
	SPF_KIND_EXISTS,
};

/* A directive, RFC 7208 4.6.1. */
struct spf_term {
	enum spf_kind kind;
	enum spf_result match; /* by its qualifier */
	struct slice text;     /* the whole of it */
	struct slice spec;     /* domain-spec; empty: the current domain */
	unsigned cidr4, cidr6;
	struct dns_ip ip; /* of ip4 and ip6 */
};

struct spf_record {
	struct spf_term *terms;
	size_t n;
	struct slice redirect, exp; /* domain-specs; empty: none */
	struct slice wrong;         /* the term that does not follow the grammar */
};

/* BAD: r->wrong is not in the grammar; FULL: no memory. `text` is a record (spf_is_record). */
NODISCARD enum result spf_record_parse(struct slice text, struct arena *a, struct spf_record *r);

/* Is it a macro-string of RFC 7208 7.1 (with `spaces`: an explain-string, where the letters c, r, t may stand)? */
bool spf_macro_valid(struct slice s, bool explanation);
/* ... that ends as a domain-spec must? */
bool spf_domain_spec_valid(struct slice s);

/* One evaluation: what its terms share. */
struct spf_run {
	const struct spf_ask *ask;
	struct dns *dns;
	struct arena *arena;
	struct spf *out;
	struct spf_step **last_step;
	struct slice local, sender_domain; /* for macros */
	struct dns_name_list *names;       /* of the client, once asked; NULL: not yet */
};

/*
 * Expands a valid macro-string, for the DNS or as an explanation. GONE: it holds a local part that no name can be made
 * of (RFC 8616 4); FULL: longer than may be.
 */
NODISCARD enum result spf_macro_expand(
    struct spf_run *run, struct slice domain, struct slice s, bool explanation, struct buf *out);
/* The names of the client, the first 10 of them; asked for once. */
const struct dns_name_list *spf_names(struct spf_run *run);
/* Does this name lead back to the client? */
bool spf_name_leads_here(struct spf_run *run, const char *name);

#endif
