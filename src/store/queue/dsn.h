/* dsn: one notice to the sender of a queued message, built, looked at and delivered. */
#ifndef STORE_QUEUE_DSN_H
#define STORE_QUEUE_DSN_H

#include "store/inside.h"

/*
 * Tells the sender what is owed for this message. OK: done, or nothing is owed. Anything else: try again later (scan or
 * the disk cannot now).
 */
NODISCARD enum result dsn_make(struct store *s, int64_t queued);

#endif
