/* notice: a message of ours to somebody here, from postmaster at our own host; it goes the way of any message. */
#ifndef STORE_QUEUE_NOTICE_H
#define STORE_QUEUE_NOTICE_H

#include "store/queue/deliver.h"

struct notice {
	struct slice local, domain; /* to whom; postmaster works in every domain */
	struct slice subject, text; /* UTF-8, lines with LF or CRLF */
	const char *service;        /* who says it, in the trace */
};

/*
 * Makes, scans and prepares it for a transaction; d->job.apply is the caller's to set. d and m live as long as the job.
 * LATER: cannot be now, or nobody is behind the address.
 */
NODISCARD enum result notice_prepare(struct store *s, struct db *db, struct arena *a, const struct notice *n,
    struct deliver *d, struct message *m);
/* The whole of it. Waits for the writer: not from its thread. */
NODISCARD enum result notice_send(struct store *s, const struct notice *n);

#endif
