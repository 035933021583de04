/*
 * canon: the forms in which DKIM and ARC hash a message, RFC 6376 3.4.
 *
 * A line ends in CRLF; a bare CR or LF is an octet like any other.
 */
#ifndef TRUST_CANON_H
#define TRUST_CANON_H

#include "mail/header.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };
const char *canon_name(enum canon how); /* "simple", "relaxed" */

/* Adds one field with its line end. */
void canon_field(enum canon how, const struct mail_field *f, struct buf *out);
/*
 * Adds a signature's own field: without what its b= says (`b` is the part of f->value between the "=" and the ";"), and
 * without the line end.
 */
void canon_signature(enum canon how, const struct mail_field *f, struct slice b, struct buf *out);

/*
 * A body, in as many pieces as one likes; what comes out goes to the sink in pieces, most of them parts of the input.
 *
 *     struct canon_body c = {.how = how, .sink = sink, .context = context};
 *     canon_body_add(&c, piece); ...
 *     canon_body_end(&c);
 */
struct canon_body {
	enum canon how;
	void (*sink)(void *context, struct slice piece);
	void *context;
	uint64_t total; /* octets so far; all of them after canon_body_end */

	/* between two pieces */
	uint64_t line_ends; /* held back: at the end of the body they are left out */
	bool blank;         /* white space held back (relaxed) */
	bool cr;            /* the last octet was a CR */
};
void canon_body_add(struct canon_body *c, struct slice piece);
void canon_body_end(struct canon_body *c);

#endif
