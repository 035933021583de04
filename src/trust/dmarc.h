/*
 * dmarc: does the domain of a message's author stand behind it, and what does it want done if not? RFC 9989.
 *
 * The policy and the organisation of a domain are found by walking up the DNS, eight questions at most for a domain. The
 * public suffix list has two says where no record uses psd=: names that it parts are never of one organisation, whatever
 * a suffix publishes, and names that it joins are, as RFC 7489 had it when those records were written. pct= is gone, but
 * pct=0 is read as t=y. Records are read leniently, RFC 9989 4.7: what is wrong in one tag costs that tag (unlike tags.h).
 * Where several domains may be the author's (author.h), all must be proven, and the strictest policy counts.
 */
#ifndef TRUST_DMARC_H
#define TRUST_DMARC_H

#include "ipc/dns.h"
#include "trust/author.h"

enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };
const char *dmarc_result_name(enum dmarc_result r);
enum dmarc_policy { DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };
const char *dmarc_policy_name(enum dmarc_policy p);

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* sp, np: what counts when they are not given */
	bool has_p, has_sp, has_np;
	bool wrong;                   /* p, sp or np says what it must not */
	bool strict_dkim, strict_spf; /* adkim=s, aspf=s */
	char psd;                     /* 'y', 'n', 'u' */
	bool testing;                 /* t=y */
	struct slice rua, ruf, fo;    /* as they stand there */
	bool reports;                 /* rua holds an address */
};
/* GONE: not a record of this version. What is wrong inside gets its default. Slices of `text`. */
NODISCARD enum result dmarc_record_parse(struct slice text, struct dmarc_record *out);
/* The first "mailto:" address of a list of report URIs, cut off; its size limit is dropped. False: no more. */
bool dmarc_uri_next(struct slice *rest, struct slice *address_out);

struct dmarc_step {
	struct dmarc_step *next;
	const char *text;
};

struct dmarc_ask {
	const struct trust_authors *authors;
	struct slice spf;         /* the domain SPF passed for; empty: none */
	const struct slice *dkim; /* the domains of signatures that passed */
	size_t n_dkim;
	bool steps;
};

/* About the author's domain that counts: the one with the strictest outcome. */
struct dmarc {
	enum dmarc_result result;
	enum dmarc_policy policy;    /* what to do on fail: after sp, np and t */
	enum dmarc_policy published; /* what its record says for it, before t */
	const char *tag;             /* "p", "sp", "np": where that stands; "": there is no record */
	struct slice author;         /* the domain; empty: none */
	struct slice policy_domain;  /* whose record; empty: none */
	struct slice organisation;   /* of the author; empty: not asked for */
	struct slice record_text;    /* as published */
	struct dmarc_record record;
	bool spf_aligned, dkim_aligned;
	struct slice dkim; /* of those that align, the first */
	const char *why;   /* never NULL */
	struct dmarc_step *steps;
};

void dmarc_check(const struct dmarc_ask *ask, struct dns *dns, struct arena *a, struct dmarc *out);

/* The registrable part of a name by the public suffix list; empty: the name is a public suffix itself, or none. */
struct slice dmarc_listed_organisation(struct slice domain);

#endif
