/*
 * bounce: reports of other servers about mail in the name of one of our accounts.
 *
 * A report has an empty sender and brings the message that it is about. When that message came from the account, as the
 * trace knows, the report is its own, and goes to Junk only while an incident is open, with the others of its kind. When it
 * did not, somebody forged the address: the report goes to Junk past the filters, and the person gets one notice a day that
 * says so, instead of a heap.
 *
 * A complaint (RFC 5965) that comes to abuse@ or postmaster@ brings the message, too. Of mail that the account did send it is a
 * sign that somebody else uses it (contain.h).
 */
#ifndef STORE_QUEUE_BOUNCE_H
#define STORE_QUEUE_BOUNCE_H

#include "store/queue/judge.h"
#include "store/queue/resolve.h"

enum bounce_kind { BOUNCE_NONE, BOUNCE_OWN, BOUNCE_ABUSED, BOUNCE_FORGED };
struct bounce {
	enum bounce_kind kind;
	int64_t account; /* whose */
	int64_t now_ms;
	int64_t complained; /* about mail of this account; 0: nobody did */
};
/* Of a message with an empty sender; NONE for all else. */
void bounce_look(struct store *s, struct db *db, const struct resolving *to, const Sekisho__Facts *f,
    struct arena *a, struct bounce *out);
/* Of a message for abuse@ or postmaster@ whose sender is not false; sets out->complained only. */
struct envelope;
void bounce_complaint(struct store *s, struct db *db, const struct envelope *e, const Sekisho__Facts *f,
    struct arena *a, struct bounce *out);
/* What it makes of the judgement: Junk, unless it is worse already. */
void bounce_judge(const struct bounce *b, struct judgement *j);
/* In apply(). */
void bounce_apply(struct store *s, struct db *db, const struct bounce *b);
/* Sends the notices that are owed; the containing thread's. */
void bounce_tell_owed(struct store *s);

#endif
