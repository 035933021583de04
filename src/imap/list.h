/* list: the matching of LIST patterns (RFC 3501 6.3.8), and the names that an account sees. */
#ifndef IMAP_LIST_H
#define IMAP_LIST_H

#include "session.h"

/* "*" stands for anything, "%" for anything without '/'. The levels INBOX match in any case. Time: the product of n. */
bool imap_list_matches(struct slice pattern, struct slice name);

struct imap_name {
	struct slice name;
	const Sekisho__Mailbox *mailbox; /* NULL: does not exist, but is subscribed to or above such a name */
	const Sekisho__MailboxStatus *status;
	bool subscribed;
	bool matches; /* LIST's */
};
struct imap_names {
	struct imap_name *v; /* what lies below a name follows it at once */
	size_t n, room;
};

/* All of them, in the command's arena. */
NODISCARD enum result imap_names_ask(
    struct imap *s, const Sekisho__MailboxesAsk *ask, struct imap_names *all);
/* NULL: there is none. */
const struct imap_name *imap_names_find(const struct imap_names *all, struct slice name);
/* "* LIST (...) "/" name" without the end of the line; `show`: bits of attributes that LIST does not always have. */
enum { IMAP_SHOW_SUBSCRIBED = 1, IMAP_SHOW_NO_ACCESS = 2 };
void imap_names_put(struct imap *s, const struct imap_names *all, const struct imap_name *e, unsigned show);

#endif
