/*
 * thread: trees of messages for THREAD (RFC 5256 section 3).
 *
 * Nodes are numbered; 0 is the root, which is no message. Trees are walked without recursion, since who writes messages
 * decides how deep they are, and everything is linear but for sorting siblings.
 */
#ifndef IMAP_THREAD_H
#define IMAP_THREAD_H

#include "base/base.h"

#define IMAP_THREAD_NONE UINT32_MAX

enum imap_thread_how { IMAP_THREAD_SUBJECTS, IMAP_THREAD_REFERENCES, IMAP_THREAD_REFS };

/* What threading wants to know of one message; `number` is what the answer calls it, and orders equals. */
struct imap_thread_message {
	uint32_t number;
	bool reply;
	int64_t sent_ms, arrived_ms;
	uint64_t id, subject;    /* hashes, 0: none */
	size_t references, refs; /* first and count, in the list of all references */
};

struct imap_thread_node {
	uint32_t parent, child, next; /* IMAP_THREAD_NONE: none */
	uint32_t message;             /* IMAP_THREAD_NONE: a message that is not there */
	int64_t when;                 /* by what it is sorted */
};

struct imap_threads {
	struct imap_thread_message *messages; /* in ascending order of their numbers */
	uint32_t n, room;
	uint64_t *references;
	size_t references_n, references_room;
	struct imap_thread_node *nodes;
	uint32_t nodes_n, nodes_room;
};

void imap_threads_free(struct imap_threads *t);
/* Makes the tree below node 0. FULL: too many. */
NODISCARD enum result imap_threads_build(struct imap_threads *t, enum imap_thread_how how);
/* "(1)(2 (3)(4))" */
void imap_threads_put(const struct imap_threads *t, struct stream *out);

#endif
