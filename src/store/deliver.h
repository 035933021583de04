/*
 * deliver: one message on its way into mailboxes and the queue.
 *
 * Prepared by any thread: recipients resolved, body written to a segment, addresses sealed. Then one transaction writes
 * it all. Notices to senders (dsn.c) go the same way, with changes of their own before it.
 */
#ifndef STORE_DELIVER_H
#define STORE_DELIVER_H

#include "store/mailbox.h"
#include "store/resolve.h"
#include "store/trace.h"

/* What becomes of a queued recipient; columns `state` of recipients and queued. */
enum rcpt_state { RCPT_WAITING, RCPT_FAILED, RCPT_RELAYED, RCPT_DELIVERED, RCPT_EXPANDED };
enum mail_state { MAIL_GOING, MAIL_HELD, MAIL_QUARANTINED };
enum notify { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

struct envelope_rcpt {
	struct slice local, domain, orcpt;
	uint32_t notify;
};
struct envelope {
	struct slice mail;                    /* id */
	struct slice from_local, from_domain; /* both empty: null sender */
	const struct envelope_rcpt *rcpts;
	size_t n_rcpts;
	struct slice envid;
	uint32_t ret, strip;
	bool smtputf8;
};

struct deliver_local {
	int64_t account, inbox;
	struct slice address; /* the account's */
	uint32_t uid;         /* set by apply */
};
struct deliver_remote {
	int64_t row; /* set by apply */
	enum rcpt_state state;
	uint32_t notify;
	struct slice domain, sealed;
};

struct deliver {
	struct job job;
	struct arena *arena; /* everything that slices point to */
	struct slice mail;
	struct blob blob;
	uint64_t size;
	uint32_t strip, ret, body;
	bool smtputf8, quarantined;
	struct slice sealed; /* sender and envid */
	int64_t content;
	struct deliver_local *locals;
	struct deliver_remote *remotes;
	size_t n_locals, n_remotes;
	int64_t tokens[THREAD_TOKENS];
	size_t n_tokens;
	struct trace_row trace;
	int64_t now_ms, queued; /* queued: set by apply, 0 when nothing waits */
	bool added;             /* to the table of recent ids */
	struct ipc_turn *turn;  /* whose answer it is; NULL: none */
};

/* Writes the body and seals what the rows need. `t` has the facts' steps added. FULL: no room; LATER: failed. */
NODISCARD enum result deliver_prepare(struct deliver *d, struct store *s, struct db *reader,
    const struct envelope *e, const struct resolving *r, const struct message *m, struct trace *t);
NODISCARD enum result deliver_apply(struct deliver *d, struct db *db);
/* After the transaction, whatever its result: the queue hears of it. */
void deliver_finish(struct deliver *d, enum result r);

#endif
