/*
 * quota: how much an account may keep, in octets and messages.
 *
 * What it keeps is the sum over its mailboxes' rows, whose counters every change of a message goes through: there is no
 * second count that could differ. The limit is the account's own, else the largest of the groups it is in, else the
 * configuration's; 0 is no limit. All that people and other servers put in must fit it; notices about the limit itself may go
 * LIMIT_QUOTA_GRACE above.
 *
 * When an account comes to 80, 90 or 95 % a warning is owed, once for each of these until it was below again; the
 * keeper finds what is owed and the courier writes it (quota_warning.c).
 */
#ifndef STORE_MAILBOX_QUOTA_H
#define STORE_MAILBOX_QUOTA_H

#include "store/inside.h"

struct quota {
	uint64_t storage, messages;           /* limits, 0: none */
	uint64_t used_storage, used_messages; /* not read when there is no limit, but for quota_show */
};

/* In any connection. Usage is read only if there is a limit. */
void quota_load(const struct store *s, struct db *db, int64_t account, struct quota *q);
void quota_show(const struct store *s, struct db *db, int64_t account, struct quota *q);
/* Whether so much more fits; FULL: it does not. */
NODISCARD enum result quota_fits(const struct quota *q, uint64_t octets, uint64_t messages);
/*
 * Takes room for what apply() is about to add, and notes which warnings are then owed. FULL when it does not fit and must
 * (`enforce`).
 */
NODISCARD enum result quota_take(
    const struct store *s, struct db *db, int64_t account, uint64_t octets, uint64_t messages, bool enforce);
/* The same with what is there now, before anything is asked of the writer. LATER: the database failed. */
NODISCARD enum result quota_room(
    const struct store *s, struct db *db, int64_t account, uint64_t octets, uint64_t messages);
/* After an account's messages became fewer, or its limits others, in apply(). */
void quota_settle(const struct store *s, struct db *db, int64_t account);
/* 0, 80, 90 or 95: the highest that is reached. */
unsigned quota_level(const struct quota *q);

/* The keeper's: hands accounts that are owed a warning to the courier. */
void quota_wake_owed(struct store *s);
/* Writes the warning that an account is owed, if any. Not OK: try again later. */
NODISCARD enum result quota_warn(struct store *s, int64_t account);

#endif
