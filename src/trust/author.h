/*
 * author: the domains in whose name a message speaks: those of its From field.
 *
 * What matters is not what the grammar says but what any reader's program might show. A From field that is exactly
 * RFC 5322 (RFC 6854 groups included, source routes not) names the domains of its mailboxes. Of any other, and when there
 * are several fields, every domain that stands behind an "@" anywhere in it, encoded words decoded, is taken for an author:
 * all of them must be proven then.
 */
#ifndef TRUST_AUTHOR_H
#define TRUST_AUTHOR_H

#include "base/base.h"

enum trust_flag {
#define X(name, bit, word, english, japanese) TRUST_##name = 1 << (bit),
#include "ipc/trust_flags.def"
#undef X
};
/* The word of a single flag; NULL: none of ours. */
const char *trust_flag_name(uint32_t flag);

struct trust_authors {
	size_t n;
	struct slice domain[LIMIT_DMARC_AUTHORS]; /* A-labels, lower case, each once */
	bool cut;                                 /* there are more: they can't be proven */
	uint32_t flags;                           /* of enum trust_flag, those about the header */
	struct slice address;                     /* of the first author, for people; empty: none */
	struct slice looks_like;                  /* what a homograph wants to be taken for */
};

/* `message` starts with its header. Everything lives in the arena. */
void trust_authors_read(struct slice message, struct arena *a, struct trust_authors *out);
/* What an address field names, read in the same way; false when it can be read in several ways. */
bool trust_field_domains(struct slice value, struct arena *a, struct trust_authors *out);

#endif
