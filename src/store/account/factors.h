/*
 * factors: who has to have a second factor, and by when.
 *
 * Administrators always; others by rules, each for an account, a group or everybody, with days of grace from when the rule was
 * made or the account was, whichever came later. What somebody has, keys knows (KEYS_CREDENTIALS).
 */
#ifndef STORE_ACCOUNT_FACTORS_H
#define STORE_ACCOUNT_FACTORS_H

#include "ipc/grant.h"
#include "store/inside.h"

/* UTC; 0: this account need not have one. */
int64_t factors_due(struct store *s, struct db *db, int64_t account);
/* Has it a role of any kind? Codes by mail or SMS alone are not enough for it. */
bool factors_administrator(struct db *db, int64_t account);

/* Second factors that cannot be read by whoever reads a mailbox, or takes a telephone number over. */
#define FACTORS_STRONG (FACTOR_TOTP | FACTOR_PASSKEY)
#define FACTORS_SENT (FACTOR_MAIL | FACTOR_SMS)
#define FACTORS_PROVING (FACTORS_STRONG | FACTORS_SENT) /* recovery codes alone are none */

#endif
