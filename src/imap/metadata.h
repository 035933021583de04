/* metadata: what LIST RETURN (METADATA ...) shares with GETMETADATA (RFC 5464, 9590). */
#ifndef IMAP_METADATA_H
#define IMAP_METADATA_H

#include "session.h"

#define METADATA_ASKED 32 /* entries that one command may name */

struct imap_entries {
	char *v[METADATA_ASKED];
	size_t n;
};
/* "(" entries ")", or one without parentheses. */
void imap_metadata_entries(struct imap_args *p, struct imap_entries *out);
/* The untagged answer about one mailbox, with NIL for what is not set. Not OK: the session must end. */
enum result imap_metadata_put(struct imap *s, struct slice mailbox, const struct imap_entries *entries);

/* The same of names only, unasked: they have changed. Empty mailbox: the server's. */
void imap_metadata_put_names(struct imap *s, struct slice mailbox, char *const *entries, size_t n);

#endif
