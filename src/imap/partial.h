/* partial: a page of results, counted from the first or from the last (RFC 9394). */
#ifndef IMAP_PARTIAL_H
#define IMAP_PARTIAL_H

#include "args.h"

struct imap_partial {
	uint32_t first, last; /* counted from 1; first <= last */
	bool backwards;
};

/* "1:100", "-1:-100" */
void imap_partial_parse(struct imap_args *p, struct imap_partial *out);
/* Of n results: [*from, *from + *count) counted from 0, none when the page lies outside. */
void imap_partial_cut(const struct imap_partial *q, size_t n, size_t *from, size_t *count);
/* The same of a tidy set. False when the arena is full. */
bool imap_partial_runs(
    const struct imap_partial *q, const struct runs *all, struct arena *a, struct runs *out);
/* " PARTIAL (1:100 " */
void imap_put_partial(struct stream *out, const struct imap_partial *q);

#endif
