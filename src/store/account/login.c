/* STORE_LOGIN: a grant becomes a channel that is bound to its account. */
#include "ipc/grant.h"
#include "store/handlers.h"
#include "store/account/people.h"
#include "store/queue/resolve.h"
#include "store/account/decoys.h"
#include "store/account/passwords.h"
#include "store/account/signins.h"

static const struct service {
	const char *name;
	enum ipc_peer peer;
	enum protocol protocol;
} services[] = {
    {"imap", PEER_IMAP, PROTOCOL_IMAP},
    {"imaps", PEER_IMAP, PROTOCOL_IMAP},
    {"pop3", PEER_POP3, PROTOCOL_POP3},
    {"pop3s", PEER_POP3, PROTOCOL_POP3},
    {"sieve", PEER_SIEVE, PROTOCOL_ALL},
    {"submission", PEER_SUBMISSION, PROTOCOL_SUBMISSION},
    {"submissions", PEER_SUBMISSION, PROTOCOL_SUBMISSION},
};

static const struct service *find_service(struct slice name)
{
	for (size_t i = 0; i < COUNT(services); i++)
		if (slice_eq(name, slice_str(services[i].name)))
			return &services[i];
	return NULL;
}

struct account {
	struct slice address, name;
	bool suspended;
	int64_t protocols, epoch;
	bool outdated; /* the password it was opened with */
	bool blocked;  /* the program it was opened with */
};

/* made_ms: of the password, -1: it was none. */
static enum result load_account(
    struct store *s, int64_t id, int64_t made_ms, struct arena *a, struct account *out)
{
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, ACCOUNT_LOGIN, DI(id));
	if (!db_next(&q))
		return db_result(r.db) == OK ? DENY : LATER;
	struct slice local = db_octets(&q, 0), domain = db_octets(&q, 1);
	*out = (struct account){
	    .address =
		slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain))),
	    .name = slice_str(arena_z(a, db_octets(&q, 2))),
	    .suspended = db_int(&q, 3) != 0,
	    .protocols = db_int(&q, 4),
	    .epoch = db_int(&q, 5),
	};
	db_end(&q);
	out->outdated = made_ms >= 0 && password_state(r.db, id, made_ms, clock_utc_ms()).outdated;
	return db_result(r.db) == OK ? OK : LATER;
}

static enum result open_grant(struct ipc_turn *t, struct ipc_grant *g, const struct service **service_out)
{
	const Sekisho__LoginAsk *ask = t->ask;
	struct store *s = store_of(t);
	enum result r = ipc_grant_verify(
	    slice_of(s->settings->login_grant, GRANT_KEY), slice_of_octets(ask->grant), clock_utc_ms(), g);
	if (r != OK)
		return r;
	*service_out = find_service(g->service);
	return *service_out && t->fds.n == 1 && g->verdict == GRANT_RIGHT ? OK : BAD;
}

/* What was committed while the session was being made did not see it. */
static bool ended_meanwhile(struct store *s, struct arena *a, int64_t id, int64_t epoch)
{
	struct account now = {0};
	if (load_account(s, id, -1, a, &now) == OK && !now.suspended && now.epoch == epoch)
		return false;
	sessions_end_account(s->sessions, id);
	return true;
}

/* SIGNIN_IN: it may come in, as far as the account is concerned. */
static enum signin_outcome outcome_of(
    const struct account *account, const struct service *service, const struct ipc_grant *g)
{
	if (!account->address.n)
		return SIGNIN_GONE;
	if (account->suspended)
		return SIGNIN_SUSPENDED;
	if (!(account->protocols & service->protocol))
		return SIGNIN_NOT_ALLOWED;
	if (account->blocked)
		return SIGNIN_DEVICE;
	if ((int64_t)g->epoch != account->epoch || g->change || account->outdated)
		return SIGNIN_CHANGE;
	return SIGNIN_IN;
}

static enum result begin_session(
    struct ipc_turn *t, const struct service *service, const struct account *account, const struct signin *in)
{
	struct store *s = store_of(t);
	if (!s->server)
		return LATER;
	int fd = t->fds.fd[0];
	t->fds.fd[0] = -1;
	return sessions_add(s->sessions, s->server, fd, service->peer, in->account, account->address,
	    (uint64_t)in->credential, &in->context);
}

/* A program that its owner has shut out. */
static enum result device_blocked(struct store *s, const struct signin *in, bool *out)
{
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	*out = DB_NUMBER(r.db, 0, DEVICE_BLOCKED, DI(in->account), DI(in->context.device)) != 0;
	return db_result(r.db) == OK ? OK : LATER;
}

/* What the account says, where the client is, and a session. DENY: *outcome_out says why. */
static enum result come_in(struct ipc_turn *t, const struct service *service, const struct ipc_grant *g,
    struct signin *in, struct account *account, enum signin_outcome *outcome_out)
{
	struct store *s = store_of(t);
	enum result r = load_account(s, in->account, g->credential ? -1 : g->made_ms, &t->arena, account);
	if (r == OK || r == DENY)
		r = signin_judge(s, in);
	if (r == OK)
		r = device_blocked(s, in, &account->blocked);
	if (r != OK)
		return r;
	*outcome_out = outcome_of(account, service, g);
	if (*outcome_out != SIGNIN_IN)
		return DENY;
	r = signin_admit(s, in);
	if (r == DENY)
		*outcome_out = SIGNIN_RULE;
	if (r != OK)
		return r;
	r = begin_session(t, service, account, in);
	if (r == FULL)
		*outcome_out = SIGNIN_FULL;
	if (r == OK && ended_meanwhile(s, &t->arena, in->account, account->epoch)) {
		*outcome_out = SIGNIN_SUSPENDED;
		return DENY;
	}
	return r;
}

/*
 * The same words for all but too many sessions: who holds a password that opens nothing shall not learn that it is right.
 * The log says why.
 */
static void refuse_login(struct ipc_turn *t, enum result r)
{
	if (r == FULL)
		ipc_refuse(t, FULL, "Too many sessions of this account");
	else if (r == DENY)
		ipc_refuse(t, DENY, "Login refused");
	else
		refuse(t, r);
}

void ask_login(struct ipc_turn *t)
{
	const Sekisho__LoginAsk *ask = t->ask;
	struct ipc_grant g;
	struct account account = {0};
	const struct service *service = NULL;
	enum signin_outcome outcome = SIGNIN_GONE;
	enum result r = open_grant(t, &g, &service);
	if (r != OK) {
		refuse(t, r);
		return;
	}
	struct signin in = {.account = (int64_t)g.account,
	    .login = g.login,
	    .credential = (int64_t)g.credential,
	    .factor = g.proven,
	    .door = signin_door(service->name),
	    .client = ask->client,
	    .flags = g.flags};
	r = come_in(t, service, &g, &in, &account, &outcome);
	if (r == DENY && decoy_look(store_of(t), &in))
		outcome = SIGNIN_DECOY;
	if (r == OK || r == DENY || r == FULL)
		signin_record(store_of(t), &in, outcome);
	if (r != OK) {
		refuse_login(t, r);
		return;
	}
	account_note_use(store_of(t), (int64_t)g.account, service->name);
	if (!g.credential)
		password_note(store_of(t), (int64_t)g.account, g.made_ms);
	Sekisho__LoginAnswer answer = SEKISHO__LOGIN_ANSWER__INIT;
	answer.account = g.account;
	answer.address = (char *)(uintptr_t)account.address.p;
	answer.name = (char *)(uintptr_t)account.name.p;
	ipc_answer(t, &answer, NULL);
}

/* ---- attempts that failed ---- */

/* keys named an account that may have been removed, or a login that is none. */
static enum result take_refusal(
    struct ipc_turn *t, struct signin *in, int64_t *suspect_out, enum signin_outcome *outcome_out)
{
	const Sekisho__RefusedAsk *ask = t->ask;
	struct ipc_grant g;
	in->client = ask->client;
	in->door = signin_door(ask->client ? ask->client->service : "");
	in->login = slice_str(ask->login);
	*outcome_out = ask->why == SEKISHO__REFUSED_ASK__WHY__BINDING ? SIGNIN_BINDING : SIGNIN_MALFORMED;
	if (ask->why != SEKISHO__REFUSED_ASK__WHY__GRANT)
		return in->door < DOORS ? OK : BAD;
	enum result r = ipc_grant_verify(slice_of(store_of(t)->settings->login_grant, GRANT_KEY),
	    slice_of_octets(ask->grant), clock_utc_ms(), &g);
	if (r != OK)
		return r;
	in->account = (int64_t)g.account;
	in->login = g.login;
	in->flags = g.flags;
	*suspect_out = (int64_t)g.suspect;
	*outcome_out = signin_outcome_of(&g);
	return g.verdict != GRANT_RIGHT && in->door < DOORS ? OK : BAD;
}

void ask_refused(struct ipc_turn *t)
{
	struct signin in = {0};
	enum signin_outcome outcome;
	int64_t suspect = 0;
	enum result r = take_refusal(t, &in, &suspect, &outcome);
	if (r == OK)
		r = signin_judge(store_of(t), &in);
	if (r != OK) {
		refuse(t, r);
		return;
	}
	if (decoy_look(store_of(t), &in))
		outcome = SIGNIN_DECOY;
	signin_record(store_of(t), &in, outcome);
	if (suspect)
		signin_suspect(store_of(t), suspect);
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	ipc_answer(t, &empty, NULL);
}
