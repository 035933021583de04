/*
 * alarm: what somebody must hear of now, by ways that do not lead through the mailbox it is about: a webhook (posted by
 * relay), and mail to the second addresses of administrators (alarm_mail of the configuration; postmaster where there are
 * none) and of the person (column `second` of people).
 *
 * Written in the transaction of what it tells of, and sent until it is taken: mail by the queue, the webhook again and again
 * with longer waits, for a day.
 */
#ifndef STORE_CONTAIN_ALARM_H
#define STORE_CONTAIN_ALARM_H

#include "store/inside.h"
#include <jansson.h>

enum alarm_severity { ALARM_INFO, ALARM_WARNING, ALARM_CRITICAL };
const char *alarm_severity_name(enum alarm_severity s); /* "info" ... */

struct alarm {
	const char *kind; /* "account.suspended": a word for machines */
	enum alarm_severity severity;
	int64_t account;     /* whom it is about, 0: nobody */
	bool personal;       /* the person at the account is told too */
	struct slice en, ja; /* one line each, or more; the first is the subject */
};

/* In apply(). */
void alarm_put(struct store *s, struct db *db, const struct alarm *a);
/* The whole of it, from any thread that may wait for the writer. */
NODISCARD enum result alarm_raise(struct store *s, const struct alarm *a);

/* A JSON array, the newest first; the caller's. */
void alarm_list(struct store *s, struct db *db, int64_t since, int64_t most, struct arena *a, json_t **out);
/* Makes the mail of what waits; the containing thread's. */
void alarm_mail_waiting(struct store *s);
/* The keeper's: what is older than traces are kept goes. */
void alarm_forget(struct store *s);

#endif
