/* STORE_TOKEN: a token at a door of mail becomes a grant; STORE_OAUTH: what programs ask of the web for their tokens. */
#include "ipc/grant.h"
#include "store/account/oauth.h"
#include "store/account/signins.h"
#include "store/handlers.h"
#include <jansson.h>
#include <stdlib.h>

#define CLAIMS_MOST 4096
#define ID_TOKEN_MS (10 * MINUTE_MS)

/* ---- at a door of mail ---- */

static const struct {
	const char *service;
	int64_t scope;
} services[] = {{"imap", OAUTH_IMAP}, {"imaps", OAUTH_IMAP}, {"pop3", OAUTH_POP}, {"pop3s", OAUTH_POP},
    {"submission", OAUTH_SMTP}, {"submissions", OAUTH_SMTP}, {"sieve", OAUTH_SIEVE}};

static int64_t scope_of(const char *service)
{
	for (size_t i = 0; i < COUNT(services); i++)
		if (strcmp(services[i].service, service) == 0)
			return services[i].scope;
	return 0;
}

struct shown {
	struct oauth_grant grant;
	struct slice address;
	struct signin in;
};

/* SIGNIN_IN: it opens this door, as far as token and account are concerned. */
static enum signin_outcome outcome_of(const struct shown *shown, const Sekisho__TokenAsk *ask)
{
	struct slice login = slice_str(ask->login);
	if (shown->grant.suspended)
		return SIGNIN_SUSPENDED;
	if (!oauth_stands(&shown->grant))
		return SIGNIN_CHANGE;
	if (login.n && !slice_ieq(login, shown->address))
		return SIGNIN_MALFORMED;
	return shown->grant.scopes & scope_of(ask->client->service) ? SIGNIN_IN : SIGNIN_NOT_ALLOWED;
}

static enum result find_token(struct ipc_turn *t, struct shown *shown)
{
	const Sekisho__TokenAsk *ask = t->ask;
	struct store *s = store_of(t);
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	enum result found = oauth_find_access(s, r.db, slice_of_octets(ask->token), &t->arena, &shown->grant);
	if (found != OK)
		return found;
	shown->address = slice_str(arena_printf(&t->arena, SLICE_FMT "@" SLICE_FMT,
	    SLICE_ARG(shown->grant.local), SLICE_ARG(shown->grant.domain)));
	shown->in = (struct signin){.account = shown->grant.account,
	    .login = shown->address,
	    .credential = OAUTH_CREDENTIAL + shown->grant.id,
	    .door = signin_door(ask->client->service),
	    .client = ask->client};
	return OK;
}

/* In the log, unless it may come in: that row is STORE_LOGIN's. */
static enum result judge_token(struct ipc_turn *t, struct shown *shown, enum signin_outcome *outcome_out)
{
	struct store *s = store_of(t);
	*outcome_out = outcome_of(shown, t->ask);
	enum result r = signin_judge(s, &shown->in);
	if (r == OK && *outcome_out == SIGNIN_IN) {
		r = signin_admit(s, &shown->in);
		*outcome_out = r == DENY ? SIGNIN_RULE : SIGNIN_IN;
	}
	if (r != OK && r != DENY)
		return r;
	if (*outcome_out == SIGNIN_IN)
		return OK;
	signin_record(s, &shown->in, *outcome_out);
	return DENY;
}

static enum result seal_grant(struct ipc_turn *t, const struct shown *shown, struct buf *out)
{
	const Sekisho__TokenAsk *ask = t->ask;
	struct ipc_grant g = {.account = (uint64_t)shown->grant.account,
	    .issued_ms = clock_utc_ms(),
	    .verdict = GRANT_RIGHT,
	    .login = shown->address,
	    .service = slice_str(ask->client->service),
	    .credential = (uint64_t)shown->in.credential,
	    .epoch = (uint64_t)shown->grant.epoch};
	return ipc_grant_seal(slice_of(store_of(t)->settings->login_grant, GRANT_KEY), &g, out);
}

void ask_token(struct ipc_turn *t)
{
	const Sekisho__TokenAsk *ask = t->ask;
	Sekisho__TokenAnswer answer = SEKISHO__TOKEN_ANSWER__INIT;
	struct shown shown;
	enum signin_outcome outcome = SIGNIN_GONE;
	BUF_LOCAL(sealed, GRANT_MOST);
	if (!ask->client || !scope_of(ask->client->service)) {
		refuse(t, BAD);
		return;
	}
	enum result r = find_token(t, &shown);
	bool found = r == OK;
	if (r == OK)
		r = judge_token(t, &shown, &outcome);
	if (r == OK)
		r = seal_grant(t, &shown, &sealed);
	if (r != OK && r != DENY) {
		refuse(t, r);
		return;
	}
	answer.result = r;
	answer.noted = found;
	answer.status =
	    (char *)(uintptr_t)(outcome == SIGNIN_NOT_ALLOWED ? "insufficient_scope" : "invalid_token");
	answer.grant = octets_of(buf_slice(&sealed));
	if (r == OK)
		answer.login = (char *)(uintptr_t)shown.address.p;
	ipc_answer(t, &answer, NULL);
}

/* ---- who somebody is ---- */

/* The same for all programs and for ever; it says nothing. */
static void put_subject(const struct store *s, int64_t account, struct buf *out)
{
	uint8_t mac[SEAL_MAC];
	BUF_LOCAL(b, 64);
	buf_printf(&b, "oauth subject:%lld", (long long)account);
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&b), mac);
	buf_hex(out, slice_of(mac, 16));
}

static json_t *text_json(struct slice s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n);
	return v ? v : json_string("");
}

static json_t *claims_of(const struct store *s, const struct oauth_grant *g)
{
	BUF_LOCAL(subject, 64);
	BUF_LOCAL(address, 1024);
	put_subject(s, g->account, &subject);
	json_t *v = json_pack("{s:s}", "sub", buf_z(&subject));
	buf_printf(&address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(g->local), SLICE_ARG(g->domain));
	if (g->scopes & OAUTH_EMAIL) {
		json_object_set_new(v, "email", text_json(buf_slice(&address)));
		json_object_set_new(v, "email_verified", json_true());
	}
	if (g->scopes & OAUTH_PROFILE) {
		json_object_set_new(v, "preferred_username", text_json(buf_slice(&address)));
		if (g->name.n)
			json_object_set_new(v, "name", text_json(g->name));
	}
	return v;
}

struct serving {
	struct job job;
	struct arena *arena;
	const Sekisho__OauthAsk *ask;
	struct oauth_client client;
	struct oauth_issued issued;
	Sekisho__OauthAnswer answer;
};

static void fail(struct serving *s, const char *error, const char *why)
{
	s->answer.error = (char *)(uintptr_t)error;
	s->answer.why = (char *)(uintptr_t)why;
}

/* In the arena. */
static struct slice dump(struct arena *a, json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	if (!text)
		abort();
	struct slice kept = slice_str(arena_z(a, slice_str(text)));
	free(text);
	json_decref(v);
	return kept;
}

/* The claims of an id_token (OpenID Connect Core 2), and the warrant to sign them. */
static void allow_id_token(struct store *s, struct serving *serving)
{
	const struct oauth_grant *g = &serving->issued.grant;
	struct ipc_warrant w = {.act = WARRANT_ID_TOKEN, .account = (uint64_t)g->account};
	uint8_t digest[32];
	int64_t now = clock_utc_ms();
	BUF_LOCAL(sealed, WARRANT_MOST);
	json_t *v = claims_of(s, g);
	json_object_set_new(v, "iss", json_string(s->settings->oauth_issuer));
	json_object_set_new(v, "aud", text_json(g->client));
	json_object_set_new(v, "iat", json_integer((json_int_t)(now / SECOND_MS)));
	json_object_set_new(v, "exp", json_integer((json_int_t)((now + ID_TOKEN_MS) / SECOND_MS)));
	json_object_set_new(v, "auth_time", json_integer((json_int_t)(g->auth / SECOND_MS)));
	if (g->nonce.n)
		json_object_set_new(v, "nonce", text_json(g->nonce));
	struct slice claims = dump(serving->arena, v);
	seal_sha256(claims, digest);
	w.text = slice_of(digest, sizeof digest);
	w.until_ms = now + MINUTE_MS;
	if (claims.n > CLAIMS_MOST ||
	    ipc_warrant_seal(slice_of(s->settings->login_grant, GRANT_KEY), &w, false, &sealed) != OK)
		return;
	serving->answer.claims = (char *)(uintptr_t)claims.p;
	serving->answer.warrant = octets_of(arena_dup(serving->arena, buf_slice(&sealed)));
}

/* ---- what is asked ---- */

static enum result take_client(struct store *store, struct serving *s)
{
	READER r = reader_begin(store);
	if (!r.db)
		return LATER;
	enum result found = oauth_client_find(r.db, slice_str(s->ask->client_id), s->arena, &s->client);
	if (found == GONE)
		fail(s, "invalid_client", "there is no such client");
	return found == GONE ? OK : found;
}

static void put_scope(struct serving *s, int64_t scopes)
{
	BUF_LOCAL(scope, 200);
	oauth_scopes_put(&scope, scopes);
	s->answer.scope = arena_z(s->arena, buf_slice(&scope));
}

/* Before anything is shown to anybody: where may the answer go, and is there anything to be asked for? */
static void check(struct serving *s)
{
	int64_t scopes = oauth_scopes_read(slice_str(s->ask->scope)) & s->client.scopes;
	if (!oauth_redirect_fits(s->client.redirects, slice_str(s->ask->redirect_uri)))
		fail(
		    s, "invalid_redirect_uri", "redirect_uri is not one that the client was registered with");
	else if (!scopes)
		fail(s, "invalid_scope", "nothing is asked for that this client may have");
	put_scope(s, scopes);
}

static enum result apply_serving(struct job *j, struct db *db)
{
	struct serving *s = (struct serving *)j;
	const char *why = NULL;
	enum result r = OK;
	if (s->ask->what == SEKISHO__OAUTH_ASK__WHAT__REVOKE)
		oauth_revoke(j->store, db, &s->client, slice_of_octets(s->ask->token));
	else if (s->ask->what == SEKISHO__OAUTH_ASK__WHAT__CODE)
		r = oauth_code(j->store, db, &s->client, s->ask, s->arena, &s->issued, &why);
	else
		r = oauth_refresh(
		    j->store, db, &s->client, slice_of_octets(s->ask->token), s->arena, &s->issued, &why);
	if (r == DENY)
		fail(s, "invalid_grant", why);
	return r == DENY ? OK : r;
}

static enum result change(struct store *store, struct serving *s)
{
	s->job = (struct job){.store = store, .apply = apply_serving, .durable = true};
	enum result r = writer_wait(store->writer, &s->job);
	if (r != OK || *s->answer.error || s->ask->what == SEKISHO__OAUTH_ASK__WHAT__REVOKE)
		return r;
	s->answer.access = octets_of(buf_slice(&s->issued.access));
	s->answer.refresh = octets_of(buf_slice(&s->issued.refresh));
	s->answer.seconds = OAUTH_ACCESS_MS / SECOND_MS;
	put_scope(s, s->issued.grant.scopes);
	if (s->ask->what == SEKISHO__OAUTH_ASK__WHAT__CODE && (s->issued.grant.scopes & OAUTH_OPENID))
		allow_id_token(store, s);
	return OK;
}

static enum result who(struct store *store, struct serving *s)
{
	struct oauth_grant g;
	READER r = reader_begin(store);
	if (!r.db)
		return LATER;
	enum result found = oauth_find_access(store, r.db, slice_of_octets(s->ask->token), s->arena, &g);
	if (found == DENY || (found == OK && !oauth_stands(&g)))
		fail(s, "invalid_token", "this token opens nothing");
	else if (found == OK && !(g.scopes & OAUTH_OPENID))
		fail(s, "insufficient_scope", "this token says nothing about anybody");
	else if (found == OK)
		s->answer.claims = (char *)(uintptr_t)dump(s->arena, claims_of(store, &g)).p;
	return found == DENY ? OK : found;
}

static enum result serve(struct store *store, struct serving *s)
{
	if (s->ask->what == SEKISHO__OAUTH_ASK__WHAT__WHO)
		return who(store, s);
	enum result r = take_client(store, s);
	if (r != OK || *s->answer.error)
		return r;
	if (s->ask->what == SEKISHO__OAUTH_ASK__WHAT__CHECK) {
		check(s);
		return OK;
	}
	if (!oauth_secret_is(store, &s->client, slice_of_octets(s->ask->secret))) {
		fail(s, "invalid_client", "the client's secret is missing or wrong");
		return OK;
	}
	return change(store, s);
}

static const char *const names[] = {"check", "code", "refresh", "revoke", "who"};

void ask_oauth(struct ipc_turn *t)
{
	const Sekisho__OauthAsk *ask = t->ask;
	struct serving s = {.arena = &t->arena, .ask = ask};
	sekisho__oauth_answer__init(&s.answer);
	enum result r = !store_of(t)->settings->oauth_issuer ? GONE
			: (size_t)ask->what < COUNT(names)   ? serve(store_of(t), &s)
							     : BAD;
	if (r == OK)
		EVENT(OAUTH, KZ("what", names[ask->what]), KZ("client", ask->client_id),
		    KZ("ip", ask->client ? ask->client->ip : ""), KZ("why", s.answer.error));
	if (r == OK)
		ipc_answer(t, &s.answer, NULL);
	else
		refuse(t, r);
	oauth_issued_free(&s.issued);
}
