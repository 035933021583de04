/* STORE_SIGNIN: a grant becomes a session of the web, or takes one further; STORE_RECEIPT: what was done under a warrant. */
#include "ipc/grant.h"
#include "store/account/browsers.h"
#include "store/account/decoys.h"
#include "store/account/epoch.h"
#include "store/account/factors.h"
#include "store/account/oauth.h"
#include "store/handlers.h"
#include "store/account/passwords.h"
#include "store/account/people.h"
#include "store/account/signins.h"
#include "store/account/websession.h"

static const char refused[] = "login name or password is wrong";

struct entering {
	struct job job;
	const struct ipc_grant *grant;
	int64_t step; /* the session that the grant takes further; 0: a new one */
	const char *ip, *agent;
	enum session_state state;
	int64_t ends_ms, enrol_by_ms;
	struct buf *cookie;
	bool strange;       /* where it comes from (signins.h) */
	struct slice shown; /* the cookie of a browser that is known, or not */
	struct buf *fresh;  /* a new one */
	bool outdated;      /* the password */
};

/* What stands between a password, or both factors, and the account. */
static enum session_state state_of(const struct entering *s, int64_t now)
{
	const struct ipc_grant *g = s->grant;
	if (!g->proven && (g->factors & FACTORS_PROVING))
		return SESSION_FACTOR;
	if (s->enrol_by_ms && now >= s->enrol_by_ms)
		return SESSION_ENROL;
	return g->change || s->outdated ? SESSION_CHANGE : SESSION_IN;
}

/* A code that was sent is no second factor for whoever has power over others. */
static bool is_proven(const struct ipc_grant *g, struct db *db)
{
	return g->proven &&
	       ((g->factors & FACTORS_STRONG) || !factors_administrator(db, (int64_t)g->account));
}

static enum result apply_signin(struct job *j, struct db *db)
{
	struct entering *s = (struct entering *)j;
	int64_t account = (int64_t)s->grant->account, now = clock_utc_ms(), epoch;
	{
		DB_ROWS q = DB_QUERY(db, ACCOUNT_SIGNIN, DI(account));
		if (!db_next(&q) || db_int(&q, 0) || db_int(&q, 6))
			return DENY;
		epoch = db_int(&q, 1);
	}
	if ((int64_t)s->grant->epoch != epoch)
		return DENY;
	password_seen(db, account, s->grant->made_ms);
	s->outdated = password_state(db, account, s->grant->made_ms, now).outdated;
	if (!is_proven(s->grant, db))
		s->enrol_by_ms = factors_due(j->store, db, account);
	s->state = state_of(s, now);
	if (s->step)
		DB_RUN(db, WEB_END, DI(s->step), DI(account));
	if (s->step && !db_changed(db))
		return DENY;
	struct websession_new n = {.account = account,
	    .epoch = epoch,
	    .state = s->state,
	    .factor = s->grant->proven,
	    .ip = s->ip,
	    .agent = s->agent,
	    .strange = s->strange,
	    .password_ms = s->grant->made_ms};
	if (s->state == SESSION_IN)
		n.browser = browser_used(j->store, db,
		    &(struct browser_use){account, s->shown, s->ip, s->agent, s->grant->proven}, s->fresh);
	websession_add(j->store, db, &n, s->cookie, &s->ends_ms);
	return OK;
}

/* A proof of a second factor is good for the session that asked for it only. */
static enum result check_step(struct ipc_turn *t, const struct ipc_grant *g, int64_t *step_out)
{
	const Sekisho__SigninAsk *ask = t->ask;
	struct actor actor;
	*step_out = (int64_t)g->session;
	if (!g->session)
		return g->proven ? DENY : OK;
	enum result r = websession_find(store_of(t), slice_of_octets(ask->cookie), "", &t->arena, &actor);
	if (r != OK)
		return r;
	bool right = g->proven && actor.session == *step_out && actor.account == (int64_t)g->account &&
		     actor.state == SESSION_FACTOR;
	return right ? OK : DENY;
}

static enum result take_grant(struct ipc_turn *t, struct ipc_grant *g)
{
	const Sekisho__SigninAsk *ask = t->ask;
	enum result r = ipc_grant_verify(slice_of(store_of(t)->settings->login_grant, GRANT_KEY),
	    slice_of_octets(ask->grant), clock_utc_ms(), g);
	bool right = g->verdict == GRANT_RIGHT && slice_eq(g->service, SLICE("web")) && g->credential == 0;
	return r == OK && !right ? DENY : r;
}

/* One row for a sign-in by password, and one for its second factor. */
static enum result come_in(struct ipc_turn *t, const struct ipc_grant *g, struct entering *s)
{
	const Sekisho__SigninAsk *ask = t->ask;
	struct store *store = store_of(t);
	Sekisho__Client nobody = SEKISHO__CLIENT__INIT, client = ask->client ? *ask->client : nobody;
	client.agent = ask->agent;
	struct signin in = {.account = (int64_t)g->account,
	    .login = g->login,
	    .factor = g->proven,
	    .door = DOOR_WEB,
	    .client = &client,
	    .flags = g->flags};
	enum signin_outcome outcome = SIGNIN_RULE;
	struct browser browser;
	enum result r = browser_find(store, in.account, s->shown, clock_utc_ms(), &browser);
	in.browser = browser.id;
	in.trusted = browser.trusted;
	if (r == OK)
		r = signin_judge(store, &in);
	s->strange = signin_is_strange(&in.context);
	if (r == OK)
		r = signin_admit(store, &in);
	if (r == OK) {
		r = writer_wait(store->writer, &s->job);
		outcome = r == OK ? s->state == SESSION_FACTOR ? SIGNIN_FACTOR : SIGNIN_IN : SIGNIN_SUSPENDED;
	}
	if (r == DENY && decoy_look(store, &in))
		outcome = SIGNIN_DECOY;
	if (r == OK || r == DENY)
		signin_record(store, &in, outcome);
	if (outcome == SIGNIN_IN)
		account_note_use(store, in.account, "web");
	return r;
}

void ask_signin(struct ipc_turn *t)
{
	const Sekisho__SigninAsk *ask = t->ask;
	struct ipc_grant g;
	BUF_LOCAL(cookie, COOKIE_TEXT);
	BUF_LOCAL(fresh, BROWSER_COOKIE);
	struct entering s = {.job = {.store = store_of(t), .apply = apply_signin, .durable = true},
	    .grant = &g,
	    .ip = ask->client ? ask->client->ip : "",
	    .agent = ask->agent,
	    .cookie = &cookie,
	    .shown = slice_of_octets(ask->device),
	    .fresh = &fresh};
	enum result r = take_grant(t, &g);
	if (r == OK)
		r = check_step(t, &g, &s.step);
	if (r == OK)
		r = come_in(t, &g, &s);
	if (r == DENY || r == BAD) {
		ipc_refuse(t, DENY, "%s", refused);
		return;
	}
	if (r != OK) {
		refuse(t, r);
		return;
	}
	Sekisho__SigninAnswer answer = SEKISHO__SIGNIN_ANSWER__INIT;
	answer.state = s.state;
	answer.cookie = octets_of(buf_slice(&cookie));
	answer.device = octets_of(buf_slice(&fresh));
	answer.factors = g.factors;
	answer.ends_ms = s.ends_ms;
	answer.enrol_by_ms = s.enrol_by_ms;
	ipc_answer(t, &answer, NULL);
}

/* ---- receipts ---- */

struct receipt {
	struct job job;
	struct ipc_warrant warrant;
};

/* Who showed a new factor, or set the password that was due, is a step further. */
static void step(struct store *s, struct db *db, const struct ipc_warrant *w)
{
	bool factor = w->act != WARRANT_PASSWORD_SET;
	int64_t now = clock_utc_ms();
	if (!w->session)
		return;
	if (!factor)
		DB_RUN(db, WEB_PASSWORD, DI(w->session), DI(now));
	int64_t made = DB_NUMBER(db, 0, WEB_PASSWORD_MADE, DI(w->session));
	bool change = factor && (w->bits || password_state(db, (int64_t)w->account, made, now).outdated);
	DB_RUN(db, WEB_STEP, DI(w->session), DI(change ? SESSION_CHANGE : SESSION_IN), DI(factor),
	    DI(now + s->settings->session_most_ms));
}

static enum result apply_receipt(struct job *j, struct db *db)
{
	const struct ipc_warrant *w = &((const struct receipt *)j)->warrant;
	struct writer *writer = j->store->writer;
	switch (w->act) {
	case WARRANT_PASSWORD_SET:
		password_seen(db, (int64_t)w->account, clock_utc_ms());
		/* fall through */
	case WARRANT_TOTP_CONFIRM:
	case WARRANT_PASSKEY_ADD:
	case WARRANT_CODE_CONFIRM:
		step(j->store, db, w);
		epoch_end_sessions(writer, db, (int64_t)w->account, (int64_t)w->session);
		return OK;
	case WARRANT_PASSWORD_RESET:
		password_seen(db, (int64_t)w->account, clock_utc_ms());
		oauth_forget(db, (int64_t)w->account);
		epoch_end_sessions(writer, db, (int64_t)w->account, 0);
		return OK;
	default:
		return OK;
	}
}

void ask_receipt(struct ipc_turn *t)
{
	const Sekisho__ReceiptAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct receipt receipt = {.job = {.store = s, .apply = apply_receipt, .durable = true}};
	enum result r = ipc_warrant_verify(slice_of(s->settings->login_grant, GRANT_KEY),
	    slice_of_octets(ask->receipt), true, clock_utc_ms(), &receipt.warrant);
	if (r == OK)
		r = writer_wait(s->writer, &receipt.job);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		refuse(t, r);
}
