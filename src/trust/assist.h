/*
 * assist: what a domain should publish in the DNS, what it does publish, and what is wrong with it.
 *
 * Pure but for the questions to a struct dns. The ask says what we know of ourselves (names, addresses, public keys), the
 * answer holds the records to publish, each with what the world sees in its place, and findings in English and Japanese
 * (assist_texts.def). Nothing is changed anywhere. Everything returned lives in the arena.
 *
 *   assist_mail.c     MX, the host's addresses, reverse names       assist_spf.c   SPF
 *   assist_auth.c     DKIM, DMARC, BIMI                             assist_tls.c   MTA-STS, TLS-RPT, TLSA, CAA
 *   assist_clients.c  what mail programs look for                   assist_show.c  record data as text
 *   own_sts.h         the MTA-STS policy that we give out
 */
#ifndef TRUST_ASSIST_H
#define TRUST_ASSIST_H

#include "ipc/dns.h"

/*
 * At most ms are spent on questions; those left over then, and all after three that timed out, count as not answered. NULL
 * when the arena is full.
 */
Sekisho__AssistAnswer *trust_assist(
    const Sekisho__AssistAsk *self, struct dns *dns, int64_t ms, struct arena *a);

/* Record data as a zone file has it; TXT as the text itself. Octets that are not printable ASCII as \DDD. */
const char *trust_rdata_text(unsigned type, struct slice rdata, struct arena *a);
/* The strings of a TXT record, 255 octets at most each. */
size_t trust_txt_parts(struct slice text, struct arena *a, char ***parts_out);

#endif
