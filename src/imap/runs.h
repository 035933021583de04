/*
 * runs: ascending sets of numbers (UIDs, sequence numbers) kept as runs, never as single numbers; and the sequence
 * set of RFC 3501's grammar, which becomes one.
 *
 * struct runs lives in an arena and is built once; `n` runs, none touching the next after imap_runs_tidy.
 */
#ifndef IMAP_RUNS_H
#define IMAP_RUNS_H

#include "base/base.h"

struct run {
	uint32_t first, last; /* both belong to it */
};
struct runs {
	struct run *v;
	size_t n, room;
};

/* Adds [first, last] at any place; false when the arena is full. */
bool imap_runs_add(struct runs *r, struct arena *a, uint32_t first, uint32_t last);
/* Sorts and joins: ascending, disjoint, not touching. */
void imap_runs_tidy(struct runs *r);
uint64_t imap_runs_count(const struct runs *r);
bool imap_runs_has(const struct runs *r, uint32_t number); /* of a tidy one */
/* Appends "1:3,5" to b. */
void imap_runs_put(const struct runs *r, struct buf *b);

/*
 * sequence-set as written: "*" is kept as IMAP_STAR until the largest number in use is known.
 * Takes from the cursor, which fails on bad grammar; ranges keep their order and may overlap.
 */
#define IMAP_STAR 0u
void imap_set_parse(struct cursor *c, struct arena *a, struct runs *set_out);
/* Replaces "*" by `largest` (of an empty mailbox: 0, and what refers to it goes away) and tidies. */
void imap_set_resolve(struct runs *set, uint32_t largest);

#endif
