/*
 * srs: sender addresses of forwarded mail (the Sender Rewriting Scheme).
 *
 * Who forwards a message may not speak for its sender's domain (SPF), so the sender becomes an address of ours which
 * holds the original one, a day and a keyed hash: SRS0=hash=day=domain=local@ours; of a sender that somebody else
 * rewrote before: SRS1=hash=their domain==their local part. What comes back to such an address within SRS_DAYS goes to
 * the original sender; a hash that is not ours makes it an address nobody has. The hash is over lower case, since some
 * servers change the case.
 */
#ifndef STORE_QUEUE_SRS_H
#define STORE_QUEUE_SRS_H

#include "store/body/seal.h"

#define SRS_DAYS 21
#define SRS_MOST 512 /* octets of a local part made here */

/* The local part that stands for local@domain. FULL: too long. */
NODISCARD enum result srs_forward(
    const struct seal *s, struct slice local, struct slice domain, int64_t now_ms, struct buf *local_out);
/* Whether a local part has the form at all. */
bool srs_is(struct slice local);
/* Back again; the texts are in `local`, or (SRS1) in the buf. DENY: not ours, or too old. */
NODISCARD enum result srs_reverse(const struct seal *s, struct slice local, int64_t now_ms, struct buf *room,
    struct slice *local_out, struct slice *domain_out);

#endif
