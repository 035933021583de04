/*
 * inward: what filters send to our own people.
 *
 * A forward, an answer or a note for an address of ours is a queue row in the state RCPT_INWARD, which never leaves: the
 * courier delivers it here, with the recipient's own filter run, in the transaction that takes the row away.
 */
#ifndef STORE_QUEUE_INWARD_H
#define STORE_QUEUE_INWARD_H

#include "store/inside.h"

/* OK: done, or there is nothing of this kind. Anything else: try again later. */
NODISCARD enum result inward_make(struct store *s, int64_t queued);

#endif
