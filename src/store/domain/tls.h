/*
 * tls: what TLS towards other domains has to be (the administrator's policies, policies of MTA-STS that relay fetched), and
 * what it was: for the report of domains reached in plaintext, and for TLS reports (RFC 8460).
 *
 * Nothing here reads what other domains wrote: relay has judged it, and its text is kept as it is.
 */
#ifndef STORE_DOMAIN_TLS_H
#define STORE_DOMAIN_TLS_H

#include "store/inside.h"

#define TLS_DAYS_KEPT 60

/* "plain", "tls", "named", "sts", "dane"; and a few words for people. */
const char *tls_secured_name(unsigned secured);
const char *tls_secured_text(const char *name, bool ja);

/* The administrator's policy for a job whose domain is not in ASCII. */
void tls_policy_fill(struct db *db, struct arena *a, Sekisho__Job *job);

/* What one report of the relay's adds up to, so that many messages cost one row. */
struct tls_tally {
	const Sekisho__ReportAsk *ask;
	struct arena *arena;
	struct tls_sent {
		struct slice domain;
		const Sekisho__Attempt *last;
		int64_t times;
	} * sent;
	size_t n;
};
/* Room in the arena; the ask must stay. */
void tls_tally_start(struct tls_tally *t, struct arena *a, const Sekisho__ReportAsk *ask);
void tls_tally_sent(struct tls_tally *t, struct slice domain, const Sekisho__Attempt *at);
/* In the transaction. */
void tls_tally_apply(const struct tls_tally *t, struct db *db);

/* Drops policies that have ended, and counts of days long ago. */
void tls_forget(struct store *s);

#endif
