/*
 * courier: makes the notices that senders are owed (RFC 3461, RFC 3464), and delivers what filters send to our own
 * people (inward.h).
 *
 * Rows of `recipients` say what is owed; the courier's thread reads them, builds one message for a queued mail
 * (dsn.c), has scan look at it, and delivers it in the same transaction that clears the marks: whatever happens, the
 * sender gets each notice once.
 */
#ifndef STORE_QUEUE_COURIER_H
#define STORE_QUEUE_COURIER_H

#include "store/inside.h"

struct courier;
struct courier *courier_new(struct store *s);
void courier_free(struct courier *c);
/* This account is owed a warning about its limit (quota_warning.c). Likewise. */
void courier_wake_account(struct store *s, int64_t account);
/* This queued message has recipients to tell of. Any thread; more often than needed does no harm. */
void courier_wake(struct store *s, int64_t queued);

#endif
