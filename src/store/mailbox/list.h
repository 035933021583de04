/* mailbox_list: a mailbox and its status as messages to a front. */
#ifndef STORE_MAILBOX_LIST_H
#define STORE_MAILBOX_LIST_H

#include "store/mailbox/access.h"

/* From a row of MAILBOX_LIST's columns; NULL at the arena's cap. */
Sekisho__Mailbox *mailbox_message(const struct db_rows *q, struct arena *a);
Sekisho__MailboxStatus *status_message(const struct db_rows *q, struct arena *a);
/* Both of one mailbox as `account` sees it, with the first unseen and its rights; false when there is none. */
bool mailbox_messages(struct db *db, int64_t account, const struct access *x, struct arena *a,
    Sekisho__Mailbox **mailbox_out, Sekisho__MailboxStatus **status_out);
void mailbox_rights(Sekisho__Mailbox *m, unsigned rights, struct arena *a);

#endif
