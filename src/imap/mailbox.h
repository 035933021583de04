/* mailbox: what STATUS and LIST RETURN (STATUS) can show. */
#ifndef IMAP_MAILBOX_H
#define IMAP_MAILBOX_H

#include "session.h"

/* "(" items ")" as bits for imap_put_status. */
unsigned imap_status_items(struct imap_args *p);
bool imap_status_wants_deleted_size(unsigned items);
void imap_put_status(
    struct imap *s, const Sekisho__Mailbox *mailbox, const Sekisho__MailboxStatus *status, unsigned items);

#endif
