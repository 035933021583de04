/*
 * uid_cache: which UIDs a mailbox has, kept for mailboxes that were selected lately.
 *
 * An entry is good for the modification sequence it was made at; an older one is brought up to date by what was added
 * and expunged since, so that selecting a mailbox of a million messages again costs what happened to it meanwhile.
 */
#ifndef STORE_MAILBOX_UID_CACHE_H
#define STORE_MAILBOX_UID_CACHE_H

#include "store/mailbox/mailbox.h"

struct uid_cache;
struct uid_cache *uid_cache_new(void);
void uid_cache_free(struct uid_cache *c);
/* All UIDs of the mailbox in this connection's view, b being its row in the same view. */
void uid_cache_get(struct uid_cache *c, struct db *db, const struct box *b, struct runs *out);

#endif
