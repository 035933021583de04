/*
 * uidmap: which UID stands at which sequence number in the selected mailbox, as this session has told it.
 *
 * Kept as runs of consecutive UIDs (12 octets each), so that an untouched mailbox of any size costs one run. Memory
 * is the map's own (malloc); imap_uidmap_free ends it. Sequence numbers count from 1.
 */
#ifndef IMAP_UIDMAP_H
#define IMAP_UIDMAP_H

#include "runs.h"

struct uidmap_run {
	uint32_t uid; /* first of the run */
	uint32_t count;
	uint32_t seq; /* of the first */
};
struct uidmap {
	struct uidmap_run *v;
	uint32_t n, room;
	uint32_t messages;
};

void imap_uidmap_free(struct uidmap *m);
/* Adds UIDs above all that are there; false (and nothing done) when they are not. */
bool imap_uidmap_append(struct uidmap *m, uint32_t uid, uint32_t count);
uint32_t imap_uidmap_seq(const struct uidmap *m, uint32_t uid); /* 0: not there */
uint32_t imap_uidmap_uid(const struct uidmap *m, uint32_t seq); /* 0: not there */
uint32_t imap_uidmap_last(const struct uidmap *m);              /* the largest UID, 0: empty */
/* Index of the first run that ends at or after uid; m->n when none does. */
uint32_t imap_uidmap_run_at(const struct uidmap *m, uint32_t uid);
/* How many messages there are from one UID to another, both included. */
uint32_t imap_uidmap_count(const struct uidmap *m, uint32_t first, uint32_t last);
/* Removes what is there of a tidy set, in one pass. */
void imap_uidmap_remove(struct uidmap *m, const struct runs *set);
/*
 * What these sequence numbers (a tidy set) stand for, as ranges of UIDs for an ask: from the UID of each range's first
 * message to that of its last, gaps included, since what is not there is skipped by store anyway and what the client
 * has not been told of lies above. False when the arena is full.
 */
bool imap_uidmap_of_seqs(
    const struct uidmap *m, const struct runs *seqs, struct arena *a, struct runs *uids_out);
/* The same for UIDs (a tidy set): cut at the largest that was told, and without ranges that hold nothing. */
bool imap_uidmap_of_uids(
    const struct uidmap *m, const struct runs *set, struct arena *a, struct runs *uids_out);

/* Those of a tidy set that are there, run by run. False when the arena is full. */
bool imap_uidmap_known(const struct uidmap *m, const struct runs *set, struct arena *a, struct runs *out);

/* Walks over the messages of a set of UIDs (from imap_uidmap_of_...), some at a time. */
struct uidmap_walk {
	const struct uidmap *map;
	const struct runs *set;
	size_t index;
	uint32_t at; /* UID to go on from */
};
struct uidmap_walk imap_uidmap_walk(const struct uidmap *m, const struct runs *set);
/* The next ranges, with at most `most` messages that are there; none: *out is empty. False when the arena is full. */
bool imap_uidmap_next(struct uidmap_walk *w, uint32_t most, struct arena *a, struct runs *out);

#endif
