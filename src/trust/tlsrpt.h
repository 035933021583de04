/*
 * tlsrpt: SMTP TLS reporting (RFC 8460): the record that asks for reports, and the words of a report. Pure.
 */
#ifndef TRUST_TLSRPT_H
#define TRUST_TLSRPT_H

#include "ipc/dns.h"

enum tlsrpt_result {
#define X(name, number, text) TLSRPT_##name = number,
#include "trust/tlsrpt.def"
#undef X
	TLSRPT_RESULTS
};
const char *tlsrpt_result_name(enum tlsrpt_result r); /* "" for a success */

/* By which policy a session was judged (4.2, 4.4). Numbers are kept. */
enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_STS, TLSRPT_TLSA };
const char *tlsrpt_policy_name(enum tlsrpt_policy p); /* "no-policy-found", "sts", "tlsa" */

/* Where the reports are to go: "mailto:..." and "https:..." URIs, as they were written. */
struct tlsrpt_record {
	size_t n;
	struct slice uri[LIMIT_TLSRPT_URIS]; /* views into the texts */
};
/*
 * The one TLSRPTv1 record among the TXT records of _smtp._tls.DOMAIN (3). GONE: none, several, malformed, or without a URI
 * of a kind that is known here.
 */
NODISCARD enum result tlsrpt_record_find(const struct dns_text_list *texts, struct tlsrpt_record *out);

#endif
