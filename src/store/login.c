/* STORE_LOGIN: a grant becomes a channel that is bound to its account. */
#include "ipc/grant.h"
#include "store/handlers.h"
#include "store/resolve.h"

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
};

static enum result load_account(struct store *s, int64_t id, struct arena *a, struct account *out)
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
	return OK;
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
	return *service_out && t->fds.n == 1 ? OK : BAD;
}

/* What was committed while the session was being made did not see it. */
static bool ended_meanwhile(struct store *s, struct arena *a, int64_t id, int64_t epoch)
{
	struct account now = {0};
	if (load_account(s, id, a, &now) == OK && !now.suspended && now.epoch == epoch)
		return false;
	sessions_end_account(s->sessions, id);
	return true;
}

/* NULL: it may come in. */
static const char *refusal_of(
    const struct account *account, const struct service *service, const struct ipc_grant *g)
{
	if (account->suspended)
		return "The account is suspended";
	if (!(account->protocols & service->protocol))
		return "The account may not use this service";
	if ((int64_t)g->epoch != account->epoch || g->change)
		return "The password has to be changed first";
	return NULL;
}

void ask_login(struct ipc_turn *t)
{
	struct store *s = store_of(t);
	struct ipc_grant g;
	struct account account = {0};
	const struct service *service = NULL;
	enum result r = open_grant(t, &g, &service);
	if (r == OK)
		r = load_account(s, (int64_t)g.account, &t->arena, &account);
	const char *why = r == OK ? refusal_of(&account, service, &g) : NULL;
	if (why) {
		ipc_refuse(t, DENY, "%s", why);
		return;
	}
	if (r == OK && !s->server)
		r = LATER;
	if (r == OK) {
		int fd = t->fds.fd[0];
		t->fds.fd[0] = -1;
		r = sessions_add(s->sessions, s->server, fd, service->peer, (int64_t)g.account,
		    account.address, g.credential);
		if (r == FULL) {
			ipc_refuse(t, FULL, "Too many sessions of this account");
			return;
		}
		if (r == OK && ended_meanwhile(s, &t->arena, (int64_t)g.account, account.epoch))
			r = DENY;
	}
	if (r != OK) {
		refuse(t, r);
		return;
	}
	Sekisho__LoginAnswer answer = SEKISHO__LOGIN_ANSWER__INIT;
	answer.account = g.account;
	answer.address = (char *)(uintptr_t)account.address.p;
	answer.name = (char *)(uintptr_t)account.name.p;
	ipc_answer(t, &answer, NULL);
}
