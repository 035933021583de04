/*
 * decoys: accounts that belong to nobody, and stand on old web pages and lists for whoever looks for accounts to try.
 *
 * A decoy is a shared account (nobody can sign in to it), marked in the table decoys. Whoever tries to sign in to
 * one, by whatever door and password, does what nobody who belongs here does: administrators are told (alarm.h),
 * his address is held back for every account at every door (keys' attempts.h; owners whom keys knows there still
 * come in), and accounts that were opened from that address, and are not at home there, get the sign SIGNAL_DECOY.
 * Mail to it is kept in its mailbox like any other.
 */
#ifndef STORE_ACCOUNT_DECOYS_H
#define STORE_ACCOUNT_DECOYS_H

#include "store/account/signins.h"

/* An attempt that failed, or would have: in->decoy becomes the account when it was one on a decoy. True: it was. */
bool decoy_look(struct store *s, struct signin *in);
/* In apply(), once for a row of the sign-in log. */
void decoy_tried(
    struct store *s, struct db *db, int64_t decoy, const struct signin_context *c, enum door door);
/* Has its address held back; never waits. */
void decoy_condemn(struct store *s, const struct ip *ip);

#endif
