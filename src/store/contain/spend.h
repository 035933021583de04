/*
 * spend: what a mail costs the account that sends it (policy/budget.h), at every door: a session's mail (front_asks.c) and
 * what its filter sends (filter_send.c).
 *
 * Who is written to for the first time is found out while the message is prepared; what was spent already is read, judged and
 * written in the transaction that queues it, so nothing can be spent twice. A message over budget is accepted and held as a
 * whole: one row of the queue, with the account, the reason, and how many it was that are new. Signs of an abuse that show
 * here (too many, too fast, one text to all) are told to contain.h in the same transaction.
 *
 * Known is who the account wrote to by mail that went out, and whose mail it answers: a message in References that came from
 * them to this server (as the trace has it). An address of ours that leads to people elsewhere is they.
 */
#ifndef STORE_CONTAIN_SPEND_H
#define STORE_CONTAIN_SPEND_H

#include "policy/policy.h"
#include "store/queue/trace.h"

struct deliver;
struct deliver_remote;
struct deliver_sent;
struct envelope;
struct message;
struct resolving;

/* What a sign-in's familiarity allows. */
enum context_kind spend_context(const struct signin_context *c);

/* Why a message is held; column `why` of queued. */
enum hold_reason {
	HOLD_ADMIN, /* by an administrator */
	HOLD_ABROAD,
	HOLD_NETWORK,
	HOLD_HOUR,
	HOLD_DAY,
	HOLD_RATE,
	HOLD_SUSPECT,   /* signs of abuse: LEVEL_HOLD */
	HOLD_SUSPENDED, /* LEVEL_SUSPEND, or an administrator's word */
	HOLD_REASONS
};
/* A word, and a sentence in either language. NULL texts: there is no such reason. */
struct hold_text {
	const char *name, *en, *ja;
};
struct hold_text hold_text(int64_t why);

struct spending {
	int64_t account; /* 0: nobody's of ours, nothing is asked */
	enum context_kind from;
	struct ip ip;              /* from where it was sent */
	struct budget_rules rules; /* that hold for it */
	bool allowed;              /* they are an administrator's, for a machine (budget.h) */
	int64_t *fresh;            /* tokens of first-time recipients, in the arena */
	size_t n_fresh, n_known;
	uint64_t halves; /* what they cost */
	uint64_t own;    /* recipients that are the account itself: they cost nothing */
	int64_t shingle; /* 0: none */
	bool learn;      /* what it is used to was worked out anew: */
	struct baseline used_to;
	int64_t today;

	/* How it is queued when it is held: a row for each recipient of the envelope, and the beginning of its trace. */
	struct deliver_remote *rows;
	size_t n_rows;
	struct trace_row trace;

	/* Set by apply. */
	enum hold_reason why;
	bool held, full, alarmed;
	int64_t wait_ms; /* it is put off so long */
};

/*
 * Prepares d->spend for an account's own message. `first` is how much of the trace speaks of its arrival alone. LATER: no
 * memory, or the database failed.
 */
NODISCARD enum result spend_plan(struct deliver *d, struct db *db, const struct envelope *e,
    const struct resolving *r, const struct message *m, const struct trace *t, size_t first);
/* In apply(): decides. FULL with d->spend.full: so much is held that no more is taken. */
NODISCARD enum result spend_apply(struct deliver *d, struct db *db);
/* The rows of a message that is held; in apply(), in place of everything else. */
NODISCARD enum result spend_put_held(struct deliver *d, struct db *db);

/*
 * For one message of a filter; `token` of its recipient. An answer by itself (`answers`) goes to whoever has just written and
 * costs nothing: else anybody outside could use up what the person may send. Their number is limited otherwise
 * (sieve_sends_per_hour).
 */
struct spend_one {
	int64_t token;
	uint64_t halves; /* 0: it is known, or answered by itself */
	enum hold_reason why;
	bool held;
};
void spend_plan_one(struct store *s, struct db *db, int64_t account, struct slice local, struct slice domain,
    bool answers, struct spend_one *out);
void spend_apply_one(struct store *s, struct db *db, int64_t account, int64_t now_ms, struct spend_one *one);

/*
 * What an account is allowed as a machine, and from where: networks separated by blanks, in the arena. False: it is none.
 */
bool spend_allowance(
    struct db *db, int64_t account, struct arena *a, struct allowance *out, struct slice *networks_out);

int64_t spend_token(const struct store *s, struct slice local, struct slice domain);
/* Answers of other servers that an address does not exist, about mail of this account; in apply(). */
void spend_invalid(struct store *s, struct db *db, int64_t account, unsigned n);

/* What is left, for somebody who asks. */
struct spend_state {
	struct baseline used_to;
	struct spent spent;
	enum points_level level;
	uint64_t held, held_octets;
};
void spend_look(struct store *s, struct db *db, int64_t account, struct spend_state *out);
/* Forgets old slots. The keeper's. */
void spend_forget(struct store *s);

#endif
