/*
 * newcomers: the first sign-in with something, or from somewhere, where an account was not used before; its owner is told.
 *
 * What is notable of a sign-in (signins.h: a new country or network, a new client, a place where people are not)
 * makes a token of client and network; each token is told of once, in mail to the mailbox and to the second
 * address of the person, in his language, and of no more than LIMIT_NEWCOMERS a day. The very first sign-in of an
 * account is told of to nobody; nor is, from the organisation's own networks, a client that is new.
 */
#ifndef STORE_ACCOUNT_NEWCOMERS_H
#define STORE_ACCOUNT_NEWCOMERS_H

#include "store/account/signins.h"

/* In apply(), for a row of somebody who came in; before its day is added (signins_rows.c). */
void newcomer_seen(
    struct store *s, struct db *db, int64_t account, int64_t row, const struct signin_context *c, int64_t at);
/* In apply(): these were not the owner's; the next one like them is told of again. */
void newcomers_forget(struct db *db, int64_t account, int64_t since);
/* Writes the mail that is due (people.h). True: there is more. */
bool newcomers_round(struct store *s);

#endif
