/*
 * people: what happens by itself to people's accounts. Inside the room only.
 *
 * A thread of its own ends what has a time: accounts of those who leave (offboard.c), access by break-glass
 * (breakglass.c), and tells weekly which accounts nobody uses (people_report.c); it also looks after the audit:
 * alerts, and the day's signature. What it does stands in the audit in the name of whoever planned it.
 *
 *     offboard.c       leaving: everything of an account ends at a time, at once
 *     breakglass.c     reading somebody's mail for a reason, with a second person's consent
 *     opened.c         who opened whose mailbox, and when an account was used last
 *     people_import.c  the personnel list
 *     people_report.c  accounts that nobody uses, or that the personnel list does not know
 */
#ifndef STORE_ACCOUNT_PEOPLE_H
#define STORE_ACCOUNT_PEOPLE_H

#include "store/admin/admin.h"
#include "store/audit/audit.h"

struct people;
struct people *people_new(struct store *s);
void people_free(struct people *p); /* NULL is allowed */
/* One round: what that thread does every second. For tests. */
void people_round(struct store *s);

/* Their parts of a round. True: there is more to do at once. */
bool offboard_round(struct store *s);
bool breakglass_round(struct store *s);
void people_report_round(struct store *s);
/* Rows of the audit that came since are held against the rules (audit_alerts.c). */
bool audit_alerts_round(struct store *s);
/* The day before is signed, once (audit_digest.c). */
void audit_digest_round(struct store *s);

/* ---- in apply() ---- */

/* Every mailbox of an account can be read by the receiver, and nothing in it changed; how many. FULL: LIMIT_ACL. */
struct who;
NODISCARD enum result handover_mailboxes(
    struct db *db, int64_t account, const struct who *receiver, unsigned *n_out);
/* Nobody sends as an address of this account any more. */
void account_forget_delegates(struct db *db, int64_t account);
/* A suspended or gone account comes back: what was planned for it is off. */
void offboard_forget(struct db *db, int64_t account);
/* Every access by break-glass to or of an account ends. */
void breakglass_forget(struct store *s, struct db *db, int64_t account);

/* ---- opened.c ---- */

/*
 * A session opens a mailbox of somebody else: is written down before anything of it is told. By break-glass it
 * stands in the audit too. Waits for the writer.
 */
struct opener {
	int64_t account;
	const char *address;
	const char *by; /* "imap", "web" */
};
NODISCARD enum result opened_note(
    struct store *s, const struct opener *who, int64_t owner, struct slice mailbox);
/* The account was used; kept no finer than an hour. Does not wait. */
void account_note_use(struct store *s, int64_t account, const char *protocol);

#endif
