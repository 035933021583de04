/* metadata: annotations of the server and of mailboxes (RFC 5464), as rows with sealed values. */
#ifndef STORE_MAILBOX_METADATA_H
#define STORE_MAILBOX_METADATA_H

#include "store/inside.h"

/*
 * One value, added to *value_out, which has room for LIMIT_METADATA_VALUE. mailbox 0: the server's. A private entry is that
 * of the account. GONE: there is none.
 */
NODISCARD enum result metadata_get(struct store *s, struct db *db, int64_t mailbox, int64_t account,
    struct slice entry, struct arena *a, struct buf *value_out);

#endif
