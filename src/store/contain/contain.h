/*
 * contain: an account that somebody else uses is stopped, step by step, and a person lets it go again.
 *
 * Signs (policy/signals.def) are kept for each account; their points make its level (policy/points.h). With LEVEL_HOLD, or the
 * first message that is held for its recipients, an incident is opened. What follows is done in steps, each durable before the
 * next, by a thread of its own; a crash resumes it from the table:
 *
 *     HELD       what waits to first-time recipients (LEVEL_SUSPEND: everything) is held; every claim looks at the row again
 *     SUSPENDED  no login, every session ended, and its credential epoch goes on (epoch.h): no password, token or app password
 *                from before ever opens it again; mail for the account still comes in
 *     FROZEN     filters that were changed since it began do not run
 *     TOLD       alarms (alarm.h): administrators and the second address of the person, never the mailbox itself
 *
 * An incident that only holds goes from HELD to TOLD. It ends by a person's word (incident.restore, incident.false-alarm), or
 * by itself when its points have fallen and nothing is held any more.
 */
#ifndef STORE_CONTAIN_CONTAIN_H
#define STORE_CONTAIN_CONTAIN_H

#include "store/contain/spend.h"

enum contain_step { CONTAIN_OPEN, CONTAIN_HELD, CONTAIN_SUSPENDED, CONTAIN_FROZEN, CONTAIN_TOLD = 6 };
enum contain_outcome { CONTAIN_GOES_ON, CONTAIN_RESTORED, CONTAIN_FALSE_ALARM, CONTAIN_OVER };

/*
 * A sign that somebody else uses the account was seen; in apply() of whatever writes it down. `detail` is a word of it for
 * people (may be empty). What level it makes.
 */
enum points_level contain_signal(
    struct store *s, struct db *db, int64_t account, enum points_signal signal, struct slice detail);
/* A message of the account was held for its recipients; in apply(). */
void contain_held(struct store *s, struct db *db, int64_t account, enum hold_reason why);

/* The next steps are due, or may be: any thread; never waits. */
void contain_wake(struct store *s);
/* Closes what is over by itself. The containing thread's. */
void contain_cool(struct store *s);

/* Ends the open incident of an account, in apply(): its level and signs go with it. */
void contain_close(struct db *db, int64_t account, int64_t incident, enum contain_outcome outcome);
/* The name of the filter that ran, when the incident stopped one; in the arena. */
struct slice contain_frozen(struct store *s, struct slice sealed, struct arena *a);
/* An account that is gone. */
void contain_forget_account(struct db *db, int64_t account);

struct contain;
struct reading;
struct reading *contain_reading(const struct store *s); /* NULL: nothing is contained */
struct contain *contain_new(struct store *s);
void contain_free(struct contain *c);

#endif
