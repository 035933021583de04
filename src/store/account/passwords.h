/*
 * passwords: how old somebody's password may become.
 *
 * Without rules (as it is at first) it may become as old as it likes: NIST SP 800-63B-4 and IPA advise against
 * changes by the calendar. A password is outdated, and has to be changed before anything else (SESSION_CHANGE),
 * when it has become older than the least of the rules that are for its owner: an account, a group, a role,
 * everybody. A rule ends no password within PASSWORD_NOTICE_MS of when it was made; its owner is told 14, 7 and 1
 * days before. Passwords of applications have an end of their own and are not meant.
 *
 * keys knows when a password was made, and says so with each grant; the last that was seen is kept here, for the notices.
 */
#ifndef STORE_ACCOUNT_PASSWORDS_H
#define STORE_ACCOUNT_PASSWORDS_H

#include "store/inside.h"

#define PASSWORD_NOTICE_MS (14 * DAY_MS)
enum { PASSWORD_RULE_ROLE = 9 }; /* beside enum who_kind */

struct password_state {
	bool outdated;
	int64_t ends_ms; /* UTC; 0: it does not */
};
struct password_state password_state(struct db *db, int64_t account, int64_t made_ms, int64_t now_ms);

/* The password that an account has now; never waits. 0: not known. */
void password_note(struct store *s, int64_t account, int64_t made_ms);
/* In apply(): the same. */
void password_seen(struct db *db, int64_t account, int64_t made_ms);

/* Tells those whose password ends soon (people.h), once an hour. */
void passwords_round(struct store *s);

#endif
