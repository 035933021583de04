/* mailbox: what STATUS and LIST RETURN (STATUS) can show. */
#ifndef IMAP_MAILBOX_H
#define IMAP_MAILBOX_H

#include "session.h"

/* Those of the bits that NOTIFY tells of. */
enum {
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_UIDNEXT = 4,
	IMAP_STATUS_UIDVALIDITY = 8,
	IMAP_STATUS_UNSEEN = 16,
	IMAP_STATUS_MODSEQ = 128,
};
/* "(" items ")" as bits for imap_put_status. */
unsigned imap_status_items(struct imap_args *p);
bool imap_status_wants_deleted_size(unsigned items);
void imap_put_status(
    struct imap *s, const Sekisho__Mailbox *mailbox, const Sekisho__MailboxStatus *status, unsigned items);
/* The same, not asked for just now: no command that enables CONDSTORE. */
void imap_put_status_news(
    struct imap *s, const Sekisho__Mailbox *mailbox, const Sekisho__MailboxStatus *status, unsigned items);

#endif
