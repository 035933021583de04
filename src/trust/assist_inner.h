/* assist_inner: what the files of the assistant share. */
#ifndef TRUST_ASSIST_INNER_H
#define TRUST_ASSIST_INNER_H

#include "trust/assist.h"

enum assist_code {
#define X(code, ...) ASSIST_##code,
#include "trust/assist_texts.def"
#undef X
	ASSIST_CODES
};

/* The questions, within the time there is for them. */
struct assist_dns {
	struct dns dns;
	struct dns *inner;
	int64_t until_ms; /* mono */
	unsigned timeouts;
};

struct assist {
	const Sekisho__AssistAsk *self;
	struct assist_dns dns;
	struct arena *arena;
	Sekisho__AssistAnswer *out;
	struct slice domain, host;
	struct dns_ip *ip; /* the server's, from self or from the DNS */
	size_t n_ip;
	bool dmarc_enforced;
};

/* What stands for {name}, {seen}, {want}, {n} in a finding. */
struct assist_words {
	const char *name, *seen, *want;
	uint64_t n;
};

/* A record to be published; `value` is of TXT the text, else the data as in a zone file. Never NULL. */
Sekisho__AssistRecord *assist_want(
    struct assist *a, const char *subject, const char *name, unsigned type, const char *value);
/* A finding; the record (may be NULL) takes over its state when that is worse. */
void assist_say(
    struct assist *a, enum assist_code code, Sekisho__AssistRecord *r, const struct assist_words *w);
#define ASSIST_SAY(a, code, record, ...)                                                                     \
	assist_say((a), ASSIST_##code, (record), &(const struct assist_words){__VA_ARGS__})

/*
 * Asks, and says when there was no answer, when what is there cannot be believed, or when it is remembered for too long.
 * False: nothing can be said about the name.
 */
bool assist_ask(struct assist *a, const char *name, unsigned type, struct dns_answer *out);
/* The same for the record's own name; what is there becomes its `seen`. */
bool assist_look(struct assist *a, Sekisho__AssistRecord *r, struct dns_answer *out);

/* The TXT records of an answer that begin with that (ASCII case aside), as texts. */
size_t assist_texts(struct assist *a, const struct dns_answer *answer, const char *begin, struct slice **out);
/* Is this address the server's? With none known every address is. */
bool assist_is_ours(const struct assist *a, const struct dns_ip *ip);
/* Does the name lead to the server: is it our host, or has only addresses of ours? *seen_out says where it leads. */
bool assist_leads_here(struct assist *a, const char *name, const char **seen_out);
/* What somebody else has published, as text that may be shown: octets that are not printable ASCII as \DDD. */
char *assist_safe(struct assist *a, struct slice s);
bool assist_same_name(struct slice x, struct slice y); /* case and final dot aside */
const char *assist_dotted(struct assist *a, const char *name);
const char *assist_below(struct assist *a, const char *label); /* label.domain */

void assist_mx(struct assist *a);
void assist_host(struct assist *a); /* fills a->ip */
void assist_ptr(struct assist *a);
void assist_spf(struct assist *a);
void assist_dkim(struct assist *a);
void assist_dmarc(struct assist *a);
void assist_bimi(struct assist *a);
void assist_sts(struct assist *a);
void assist_rpt(struct assist *a);
void assist_tlsa(struct assist *a);
void assist_caa(struct assist *a);
void assist_clients(struct assist *a);

#endif
