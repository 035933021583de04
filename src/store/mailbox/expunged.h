/*
 * expunged: which UIDs left a mailbox, and when, for QRESYNC (RFC 7162) and sessions that have it selected.
 *
 * A row is a run of UIDs with the modification sequence of its going. Of a mailbox with more than LIMIT_EXPUNGED rows the
 * older ones are forgotten down to half of that; a row without UIDs marks how far. Whoever asks from before the mark is
 * told of every UID that is not there: more than went since, never less (RFC 7162 3.2.5.1).
 */
#ifndef STORE_MAILBOX_EXPUNGED_H
#define STORE_MAILBOX_EXPUNGED_H

#include "store/db/db.h"
#include "store/runs.h"

struct store;

/* UIDs below `uidnext` that left after a modseq; in order, each once. */
void expunged_since(struct db *db, int64_t mailbox, uint64_t since, uint32_t uidnext, struct runs *out);
/*
 * The keeper's: forgets this many rows at most of one mailbox, begun with a zeroed `w`. True when there may be more to do;
 * to look for the first mailbox takes time.
 */
struct expunged_work {
	int64_t mailbox, mark; /* 0: to be looked for, to be set */
};
bool expunged_forget_some(struct store *s, struct expunged_work *w, unsigned most);

#endif
