/*
 * signins: who signed in, or tried to, from where and with what; and how familiar that place is to the account.
 *
 * Every door (IMAP, POP3, submission, ManageSieve, console, API) does the same:
 *
 *     struct signin in = {.account = .., .credential = .., .door = DOOR_IMAP, .client = ..};
 *     signin_judge(s, &in);                     where it is, how familiar: in.context
 *     signin_record(s, &in, SIGNIN_IN);         the row; the front is answered without waiting for it
 *
 * A row stands for one attempt, or for several that are alike in everything (account, place, client, outcome) and lie
 * within SIGNIN_ALIKE_MS: `times` counts them. Rows are written by the writer with whatever else waits, never with a flush
 * of their own. They are kept for settings->signin_keep_ms, and never more than LIMIT_SIGNINS of them.
 *
 * Familiar means (all of the last 90 days, days before today): the network's AS number, or its prefix where no geo data is, and
 * the credential were each seen on three separate days, another country on fourteen; and a program that was never seen comes
 * from the same prefix as others did. Days of an incident are taken out of that memory (signins_forget).
 * In an account's first 14 days only networks are familiar that an administrator or a second factor confirmed.
 *
 * What is unusual about a sign-in that succeeded is told to contain.h, in the transaction of its row.
 *
 * Unknown login names are kept as keyed hashes only: people type passwords there. What a client says of itself is sealed.
 */
#ifndef STORE_ACCOUNT_SIGNINS_H
#define STORE_ACCOUNT_SIGNINS_H

#include "ipc/grant.h"
#include "policy/door.h"
#include "policy/points.h"
#include "store/inside.h"
#include "store/account/signin_context.h"

#define SIGNIN_ALIKE_MS HOUR_MS

enum signin_outcome {
#define X(name, number, good, word, en, ja) SIGNIN_##name = (number),
#include "store/account/signins.def"
#undef X
};

struct signin {
	/* From the caller. */
	int64_t account;    /* 0: not known */
	struct slice login; /* as typed; used when the account is not known */
	int64_t credential; /* 0: the main password */
	bool factor;        /* a second factor was shown: confirms the network */
	enum door door;
	const Sekisho__Client *client; /* NULL: nothing is known of it */
	uint32_t flags;                /* of the grant: enum grant_flag */
	/* Found out. */
	struct signin_context context;
	int64_t rule; /* the access rule that decided; 0: none, -1: the preset */
};

struct signins;
struct signins *signins_new(struct store *s);
void signins_free(struct signins *all);

/* Fills in the context. LATER: the database cannot be read. */
NODISCARD enum result signin_judge(struct store *s, struct signin *in);
/* By the access rules: DENY when they forbid it (in->rule says which; -1: the preset). After signin_judge. */
NODISCARD enum result signin_admit(struct store *s, struct signin *in);
/* Never waits. */
void signin_record(struct store *s, const struct signin *in, enum signin_outcome outcome);
/* A sign-in of a while ago is seen to have been a guess (ipc/grant.h). Never waits. */
void signin_suspect(struct store *s, int64_t account);
/*
 * What would outlast a stolen password (a filter, a factor, another credential) is not made from there. Who is new may: there
 * is no place yet where he always was.
 */
bool signin_is_strange(const struct signin_context *c);
/* A sign that shows outside of any transaction. Never waits. */
void signin_sign(struct store *s, int64_t account, enum points_signal signal);
/* The door of a Client.service; DOORS: none. */
enum door signin_door(const char *service);
/* What keys' verdict is called in the log. */
enum signin_outcome signin_outcome_of(const struct ipc_grant *g);
const char *signin_outcome_name(enum signin_outcome o);
const char *signin_familiarity_name(enum signin_familiarity f);

/*
 * Inside apply(): what an account did since then was not its owner: its days are no days of familiarity any more. Call
 * signins_unjudge once that is committed.
 */
void signins_forget(struct db *db, int64_t account, int64_t since_ms);
/* Inside apply(): a network of an account, confirmed by somebody who may. */
void signins_confirm(
    struct store *s, struct db *db, int64_t account, const struct ip_net *prefix, int64_t now_ms);
/* Contexts that were judged are judged anew. */
void signins_unjudge(struct store *s, int64_t account);

/* The keeper's, each second: writes what was counted meanwhile. */
void signins_tick(struct store *s);
/* The keeper's, each hour. */
void signins_prune(struct store *s);

#endif
