/*
 * filter: what users' Sieve scripts make of a delivery.
 *
 * For each account among the recipients of a message, the organisation's script before, the user's active one and the
 * organisation's script behind are run by scan, one after the other as long as a keep is left, and what they want becomes
 * placements, queue rows and marks of the delivery's one transaction. A script that fails keeps the message, says so in
 * the trace and to its owner, once a day; a script that scan dies of does not run again until it is changed.
 *
 *     filter.c        which scripts, and what becomes of their actions
 *     filter_ask.c    the conversation with scan
 *     filter_know.c   what it asks, answered from the tables
 *     filter_send.c   messages that filters send, and how many
 *     filter_tell.c   the note to the owner of a script that failed
 */
#ifndef STORE_QUEUE_FILTER_H
#define STORE_QUEUE_FILTER_H

#include "mail/address.h"
#include "store/queue/deliver.h"
#include "store/queue/scripts.h"

enum filter_mark { FILTER_NONE, FILTER_VACATION, FILTER_DUPLICATE, FILTER_TOLD };

/* One delivery's filtering; the scripts of the organisation are read once. */
struct filtering {
	struct deliver *d;
	struct store *store;
	struct db *db;
	const struct envelope *e;
	const struct message *m;
	struct trace *trace;
	struct script before, behind; /* without a name: none */
	unsigned total;               /* people and addresses behind the recipients */
	unsigned targets, refusing;   /* accounts seen, and those that want none of it */
	struct slice reason;          /* of the first that refuses */
};

void filter_start(struct filtering *f, struct deliver *d, struct db *reader, const struct envelope *e,
    const struct message *m, struct trace *t);
/*
 * One account among the recipients. GONE: it has no filter, the message is to be kept as it is. OK: done. LATER: scan or
 * the database cannot now.
 */
NODISCARD enum result filter_target(struct filtering *f, const struct target *to);
/*
 * The sender that mail from elsewhere gets when it goes on to elsewhere: one of `ours` (when that is a domain of ours)
 * which leads back to it (srs.h). Where nothing proves the sender, what comes back would go to somebody who may never have
 * written: then it is keeper@ours, who has it sent on. Unchanged when it is empty or ours already. `room` holds what *local
 * points to.
 */
void filter_sender(struct store *s, struct db *db, enum mail_origin origin, struct slice keeper,
    struct slice ours, struct buf *room, struct slice *local, struct slice *domain);
/* Scripts and all that was kept of their doings. */
void filter_remove_account(struct db *db, int64_t account);
/* Removes marks and counts that are over, up to `most`; false when none was left. The keeper's. */
bool filter_forget_some(struct store *s, unsigned most);

/* ---- between the files of filters ---- */

/* One account's run. */
struct filter_run {
	struct filtering *f;
	const struct target *to;
	struct script scripts[3];
	unsigned n_scripts;
	struct slice *own; /* the account's addresses, the primary one first */
	size_t n_own;
	const char *name; /* of its person */
	Sekisho__SieveRunAnswer *answer;
	struct slice bulk; /* what the answer's bodies lie in; mapped */
	unsigned *bodies;  /* of the delivery, by number of the answer's; 0: not taken in yet */
	unsigned placed, forwarded, skipped, refused; /* skipped: forwards */
};

/*
 * Runs the scripts. OK: run->answer says what came of it, and run->bulk is mapped. DENY: scan died of it; FULL: it cannot
 * be worked through; LATER: scan is not there.
 */
NODISCARD enum result filter_ask(struct filter_run *run);
/* Takes in one of the answer's bodies. */
NODISCARD enum result filter_body(struct filter_run *run, uint32_t number, unsigned *body_out);
/* Puts a message that is not from the answer among the delivery's bodies. */
NODISCARD enum result filter_keep_body(struct filtering *f, const struct message *m, unsigned *body_out);
/* REDIRECT, VACATION, NOTIFY, REPORT, REJECT with a message: queued, or left out with a reason in the trace. */
NODISCARD enum result filter_send(struct filter_run *run, const Sekisho__SieveAction *a);
/* Tells the owner that the script failed, unless it was told today. */
void filter_tell(struct filter_run *run, struct slice script, struct slice why);
/* A step about this account and action. */
void filter_step(const struct filter_run *run, enum trace_step step, const Sekisho__SieveAction *a);
const char *filter_act_name(const Sekisho__SieveAction *a);
/* The name of the mailbox an action means; empty: INBOX. False: there is none of it. */
bool filter_mailbox(const struct filter_run *run, const Sekisho__SieveAction *a, struct slice *name_out);
void filter_flags(struct filter_run *run, struct deliver_local *l, const Sekisho__SieveAction *a);
/* Answers a question of the run: mailboxes, annotations, lists, scripts, what was seen. */
void filter_know(struct filter_run *run, Sekisho__SieveKnown *k);
/* NULL, or why the account may send no more for now. */
const char *filter_too_many(const struct filter_run *run);
/* Where mail for all of a list goes; false: it cannot. */
bool filter_list_address(struct filter_run *run, struct slice name, struct mail_addr *out);
/* NOTIFY as SMTP writes it, RFC 3461 4.1. */
void filter_put_notify(uint32_t notify, struct buf *out);
enum { FILTER_RET_FULL = 1, FILTER_RET_HDRS = 2 };

#endif
