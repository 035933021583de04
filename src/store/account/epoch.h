/*
 * epoch: the end of everything that opens an account.
 *
 * An account has a number that counts up. Sessions of the web, its password, the passwords of its applications and what
 * else opens it each remember the number they were made under, and open nothing under another. So one step ends all of
 * them, of every protocol and on every node, with the transaction that takes it; nothing has to be found and removed. It
 * cannot be taken back: an administrator sets a new password.
 */
#ifndef STORE_ACCOUNT_EPOCH_H
#define STORE_ACCOUNT_EPOCH_H

#include "store/inside.h"

/* Inside apply(). Sessions that are open end once the transaction is committed. */
void epoch_bump(struct writer *w, struct db *db, int64_t account);
/* Only the sessions, of mail and of the web but for `but` (0: all): whoever has a password comes in again. */
void epoch_end_sessions(struct writer *w, struct db *db, int64_t account, int64_t but);

#endif
