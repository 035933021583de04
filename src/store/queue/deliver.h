/*
 * deliver: one message on its way into mailboxes and the queue.
 *
 * Prepared by any thread: recipients resolved, their filters run (filter.h), bodies written to segments, addresses sealed.
 * Then one transaction writes it all. Notices to senders (dsn.c) and what filters send to our own people (inward.c) go the
 * same way, with changes of their own before it.
 */
#ifndef STORE_QUEUE_DELIVER_H
#define STORE_QUEUE_DELIVER_H

#include "store/queue/bounce.h"
#include "store/mailbox/mailbox.h"
#include "store/queue/resolve.h"
#include "store/contain/spend.h"
#include "store/queue/trace.h"

/* What becomes of a queued recipient; columns `state` of recipients and queued. INWARD: for one of ours, by inward.c. */
enum rcpt_state { RCPT_WAITING, RCPT_FAILED, RCPT_RELAYED, RCPT_DELIVERED, RCPT_EXPANDED, RCPT_INWARD };
enum mail_state { MAIL_GOING, MAIL_HELD, MAIL_QUARANTINED };
enum notify { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

/* What the sender says of TLS, RFC 8689; column `tls` of queued. */
enum mail_tls { MAIL_TLS_USUAL, MAIL_TLS_REQUIRED, MAIL_TLS_OPTIONAL };

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
	enum mail_origin origin;
	bool require_tls;               /* REQUIRETLS */
	bool unfiltered;                /* about what the recipient's filter did: it goes past it */
	bool answered;                  /* somebody waits who can be told that nobody wants it */
	const struct judgement *judged; /* what is thought of its sender; NULL: it is one of ours */
	const Sekisho__Client *client;  /* NULL: made here */
};

/* A message that is kept: [0] is the one that came, others are what filters made of it. */
struct deliver_body {
	struct blob blob;
	uint64_t size;
	uint32_t kind; /* 0 7BIT, 1 8BITMIME, 2 BINARYMIME */
	bool smtputf8;
	int64_t id; /* set by apply */
	unsigned refs;
};
#define DELIVER_BODIES 64

struct deliver_sent;
struct deliver_local {
	struct deliver_local *next;
	int64_t account, inbox;
	struct slice address; /* the account's */
	struct slice mailbox; /* its name; empty: INBOX */
	bool create;
	bool
	    spread; /* one of several behind a recipient: a full mailbox must not cost the others their mail */
	uint32_t flags;
	char **keywords;
	size_t n_keywords;
	unsigned body;
	const struct deliver_sent *with; /* a copy of what is sent: only when it is; may be NULL */
	uint32_t uid;                    /* set by apply */
};
struct deliver_remote {
	int64_t row; /* set by apply */
	enum rcpt_state state;
	uint32_t notify;
	struct slice domain, sealed;
	struct slice reply; /* sealed; of RCPT_FAILED */
};

/* What an account has seen or done, so that it is not done again until a time. */
struct deliver_mark {
	struct deliver_mark *next;
	int64_t account, token, until;
	int kind; /* enum filter_mark, 0: none */
};
/* A message of its own that a filter sends: a queue row for one recipient. */
struct deliver_sent {
	struct deliver_sent *next;
	int64_t account; /* whose filter */
	struct slice mail, sealed, reason;
	struct deliver_remote to;
	unsigned body;
	uint32_t strip, ret;
	struct deliver_mark once; /* it goes only when this mark is not there */
	struct spend_one cost;
	struct trace_row trace;
	bool skipped; /* set by apply, as is: */
	int64_t queued;
};

struct deliver {
	struct job job;
	struct arena *arena; /* everything that slices point to */
	struct slice mail;
	struct deliver_body bodies[DELIVER_BODIES];
	unsigned n_bodies;
	uint32_t strip, ret;
	enum mail_tls tls;
	bool quarantined;
	bool over_quota;     /* about the limit itself: goes in all the same */
	bool full;           /* set by apply: somebody's mailbox is */
	struct slice sealed; /* sender and envid */
	int64_t content;
	struct deliver_local *locals, **last_local;
	struct deliver_sent *sents, **last_sent;
	struct deliver_mark *marks; /* set when all else is done */
	struct deliver_remote *remotes;
	size_t n_remotes;
	int64_t tokens[THREAD_TOKENS];
	size_t n_tokens;
	struct trace_row trace;
	struct judge_count count;
	struct slice report; /* sealed row of report_mail (reports.h); empty: it is none */
	struct bounce bounce;
	struct spending spend;
	int64_t now_ms, queued; /* queued: set by apply, 0 when nothing waits */
	bool added;             /* to the table of recent ids */
	const char *why;        /* it was refused by every recipient */
	struct ipc_turn *turn;  /* whose answer it is; NULL: none */
};

/*
 * Writes the bodies and seals what the rows need. `t` has the facts' steps added. DENY: nobody wants it, d->why says so;
 * FULL: no room; LATER: failed. Whatever it says, deliver_finish follows.
 */
NODISCARD enum result deliver_prepare(struct deliver *d, struct store *s, struct db *reader,
    const struct envelope *e, const struct resolving *r, const struct message *m, struct trace *t);
NODISCARD enum result deliver_apply(struct deliver *d, struct db *db);
/* After the transaction, whatever its result, and when there is none: the queue hears of it. */
void deliver_finish(struct deliver *d, enum result r);

/* In apply(): the message's row of the queue, and one for each of these. */
void deliver_put_queue(
    struct deliver *d, struct db *db, enum mail_state state, struct deliver_remote *rows, size_t n);

/* A new mail id, in the arena. */
struct slice deliver_mail_id(struct arena *a);
/* Adds a recipient who is queued or is told about. */
struct deliver_remote *deliver_add_row(struct deliver *d, enum rcpt_state state, uint32_t notify,
    struct slice local, struct slice domain, struct slice orcpt);
/* Adds a placement into the INBOX of an account; the caller changes it. NULL: no memory. */
struct deliver_local *deliver_add_local(struct deliver *d, const struct target *to);
struct deliver_sent *deliver_add_sent(struct deliver *d);

#endif
