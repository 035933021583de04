/*
 * factors: who has to have a second factor, and by when.
 *
 * Administrators always; others by rules, each for an account, a group or everybody, with days of grace from when the rule was
 * made or the account was, whichever came later. What somebody has, keys knows (KEYS_CREDENTIALS).
 */
#ifndef STORE_ACCOUNT_FACTORS_H
#define STORE_ACCOUNT_FACTORS_H

#include "store/inside.h"

/* UTC; 0: this account need not have one. */
int64_t factors_due(struct store *s, struct db *db, int64_t account);

#endif
