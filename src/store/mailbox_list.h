/* mailbox_list: a mailbox and its status as messages to a front. */
#ifndef STORE_MAILBOX_LIST_H
#define STORE_MAILBOX_LIST_H

#include "store/mailbox.h"

/* From a row of MAILBOX_LIST's columns; NULL at the arena's cap. */
Sekisho__Mailbox *mailbox_message(const struct db_rows *q, struct arena *a);
Sekisho__MailboxStatus *status_message(const struct db_rows *q, struct arena *a);
/* Both of one mailbox, with the first unseen; false when there is none. */
bool mailbox_messages(struct db *db, int64_t mailbox, struct arena *a, Sekisho__Mailbox **mailbox_out,
    Sekisho__MailboxStatus **status_out);

#endif
