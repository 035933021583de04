/* append: an APPEND or REPLACE under way, shared between append.c and catenate.c. */
#ifndef IMAP_APPEND_H
#define IMAP_APPEND_H

#include "draft.h"

/*
 * The steps below return false once the command was answered; `reply` is what that gave. `args` holds what is left of the
 * line in hand: literals of messages are read as they come, each followed by a new line.
 */
struct imap_append {
	struct imap *s;
	struct imap_args *args;
	struct slice mailbox;
	struct imap_flags flags;
	int64_t internal_ms;
	struct imap_draft draft; /* the message in hand */
	unsigned lines;
	unsigned staged;  /* messages before it, which store holds */
	uint64_t octets;  /* of these */
	uint32_t replace; /* UID of the message that goes, 0: none */
	bool checked;     /* the mailbox is known to be there */
	enum result reply;
};

bool imap_append_stop(struct imap_append *a, enum result reply);
bool imap_append_bad(struct imap_append *a, const char *why);
/* The literal announced at the end of the line becomes a part of the message. */
bool imap_append_literal(struct imap_append *a);
/* The same for an argument, or what stands in the line: an astring. */
bool imap_append_astring(struct imap_append *a, struct slice *out);
/* catenate.c: what stands behind "CATENATE (", up to and with the closing parenthesis. */
bool imap_append_catenate(struct imap_append *a);

#endif
