/*
 * delegate: who may send for an address that is not his own.
 *
 * An address's own account, and those an alias of it leads to, send as it. Others do when they, or a group they are in,
 * were named for it: as it, so that others see only that address, or on its behalf, so that the message says who sent it
 * (Sender, RFC 5322 3.6.2). Either way the trace tells who it was.
 */
#ifndef STORE_MAILBOX_DELEGATE_H
#define STORE_MAILBOX_DELEGATE_H

#include "store/inside.h"

enum sending { SENDING_NOT, SENDING_OWN, SENDING_AS, SENDING_BEHALF };
enum sending delegate_sending(struct store *store, struct db *db, int64_t account, struct slice local,
    struct slice domain, struct arena *a);

#endif
