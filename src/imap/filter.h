/* filter: mailboxes by what they are or how they are called (RFC 5465 section 6), for ESEARCH IN. */
#ifndef IMAP_FILTER_H
#define IMAP_FILTER_H

#include "session.h"

enum imap_filter_kind {
	IMAP_FILTER_SELECTED,
	IMAP_FILTER_INBOXES,  /* INBOX: where mail arrives that no rule of the user's own puts elsewhere */
	IMAP_FILTER_PERSONAL, /* the account's own */
	IMAP_FILTER_SUBSCRIBED,
	IMAP_FILTER_SUBTREE,     /* names, and all below them */
	IMAP_FILTER_SUBTREE_ONE, /* names, and one level below them */
	IMAP_FILTER_MAILBOXES,   /* names */
};
struct imap_filter {
	struct imap_filter *next;
	enum imap_filter_kind kind;
	struct slice *names;
	size_t n;
};

/* One filter with its names; fails on anything else. In the arguments' arena. */
struct imap_filter *imap_filter_parse(struct imap_args *p);
/* Whether one of a list means this mailbox. SELECTED is left to the caller. */
bool imap_filter_means(const struct imap_filter *list, const Sekisho__Mailbox *m);
/* Whether one of a list can mean a mailbox of somebody else. */
bool imap_filter_may_mean_others(const struct imap_filter *list);
bool imap_filter_has(const struct imap_filter *list, enum imap_filter_kind kind);

#endif
