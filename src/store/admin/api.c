/* STORE_API: a verb for whoever holds a token. What the token may do is decided here, whatever the front thinks. */
#include "store/admin/admin.h"
#include "store/account/entry.h"
#include "store/account/signins.h"
#include "store/account/tokens.h"
#include "store/account/websession.h"

static void send_piece(struct ipc_turn *t, char *text, bool last)
{
	Sekisho__ApiAnswer answer = SEKISHO__API_ANSWER__INIT;
	answer.json = text;
	if (last)
		ipc_answer(t, &answer, NULL);
	else
		ipc_answer_part(t, &answer, NULL);
}

static void send_refusal(
    struct ipc_turn *t, Sekisho__ApiAnswer__Outcome outcome, enum result r, const char *why)
{
	Sekisho__ApiAnswer answer = SEKISHO__API_ANSWER__INIT;
	answer.outcome = outcome;
	answer.result = r;
	answer.why = (char *)(uintptr_t)(why ? why : result_name(r));
	ipc_answer(t, &answer, NULL);
}

static const char *ip_of(const Sekisho__ApiAsk *ask)
{
	return ask->client ? ask->client->ip : "";
}

/* For the sign-in log: a token of somebody, or of the server's owner; or what is none. */
static void record_token(struct ipc_turn *t, const struct token *token, enum signin_outcome outcome)
{
	const Sekisho__ApiAsk *ask = t->ask;
	struct store *s = store_of(t);
	Sekisho__Client nobody = SEKISHO__CLIENT__INIT, client = ask->client ? *ask->client : nobody;
	BUF_LOCAL(name, 64);
	buf_printf(&name, "token %lld", (long long)token->id);
	client.agent = arena_z(&t->arena, slice_sub(token->name, 0, LIMIT_SIGNIN_AGENT));
	struct signin in = {.account = token->powers.account,
	    .login = buf_slice(&name),
	    .credential = token->id,
	    .door = DOOR_API,
	    .client = &client};
	if (signin_judge(s, &in) == OK)
		signin_record(s, &in, outcome);
}

static enum result take_token(
    struct ipc_turn *t, struct actor *actor, struct powers *powers_out, struct token *token)
{
	const Sekisho__ApiAsk *ask = t->ask;
	enum result r = token_find(store_of(t), slice_of_octets(ask->token), &t->arena, token);
	if (r == DENY)
		record_token(t, &(struct token){0}, SIGNIN_NO_LOGIN);
	if (r != OK)
		return r;
	actor->audit = (struct audit_actor){
	    /* Names may be the same; numbers are not. */
	    .who = arena_printf(
		&t->arena, "token %lld " SLICE_FMT, (long long)token->id, SLICE_ARG(token->name)),
	    .role = arena_z(&t->arena, token->role),
	    .from = ip_of(ask),
	};
	*powers_out = token->powers;
	return OK;
}

/* A cookie comes by itself with whatever a browser is made to send; what changes something has to show more. */
static enum result take_cookie(
    struct ipc_turn *t, struct actor *actor, struct powers *powers_out, bool *forged_out)
{
	const Sekisho__ApiAsk *ask = t->ask;
	enum result r =
	    websession_find(store_of(t), slice_of_octets(ask->cookie), ip_of(ask), &t->arena, actor);
	if (r == OK) {
		READER reader = reader_begin(store_of(t));
		r = reader.db ? powers_of_account(reader.db, actor->account, &t->arena, powers_out) : LATER;
	}
	*forged_out = r == OK && (ask->changes || admin_changes(ask->verb)) &&
		      !slice_eq_secret(slice_of_octets(ask->csrf), slice_str(actor->csrf));
	return r;
}

/* By the access rules: tokens come by the door `api`, people by `web`; what is not one's own account is `admin` besides. */
static enum result admit(
    struct ipc_turn *t, const struct actor *actor, const struct powers *powers, bool token)
{
	const Sekisho__ApiAsk *ask = t->ask;
	struct entry_verdict v = {.allowed = true};
	struct ip ip;
	if (ip_read(slice_str(ip_of(ask)), &ip) != OK)
		return OK; /* a front that says nothing of its client is none of ours */
	int64_t account = actor->account ? actor->account : powers->account;
	enum result r = entry_judge(store_of(t), account, token ? DOOR_API : DOOR_WEB, &ip, &v);
	if (r == OK && v.allowed && !slice_starts(slice_str(ask->verb), SLICE("me.")))
		r = entry_judge(store_of(t), account, DOOR_ADMIN, &ip, &v);
	return r == OK && !v.allowed ? DENY : r;
}

static void run(
    struct ipc_turn *t, const struct actor *actor, const struct powers *powers, const json_t *args)
{
	const Sekisho__ApiAsk *ask = t->ask;
	struct admin a = {
	    .store = store_of(t), .arena = &t->arena, .args = args, .actor = actor, .powers = powers};
	enum result r = admin_run(&a, ask->verb);
	if (r == OK)
		admin_cut(t, a.answer, send_piece);
	else
		send_refusal(t,
		    a.forbidden ? SEKISHO__API_ANSWER__OUTCOME__NOT_ALLOWED
				: SEKISHO__API_ANSWER__OUTCOME__REFUSED,
		    r, a.why);
	json_decref(a.answer);
}

static void serve_api(struct ipc_turn *t)
{
	const Sekisho__ApiAsk *ask = t->ask;
	struct actor actor = {0};
	struct powers powers = {0};
	struct token token = {0};
	bool forged = false;
	enum result r = ask->token.len ? take_token(t, &actor, &powers, &token)
				       : take_cookie(t, &actor, &powers, &forged);
	if (r == DENY) {
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__NO_TOKEN, r,
		    ask->token.len ? "this token opens nothing" : "the session has ended");
		return;
	}
	if (forged) {
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__NOT_ALLOWED, DENY,
		    "X-Sekisho-CSRF is missing or not this session's");
		return;
	}
	bool admitted = r != OK || admit(t, &actor, &powers, ask->token.len != 0) != DENY;
	if (r == OK && token.id)
		record_token(t, &token, admitted ? SIGNIN_IN : SIGNIN_RULE);
	if (!admitted) {
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__NOT_ALLOWED, DENY, "not from here");
		return;
	}
	json_t *args = r == OK ? admin_args_of(t, ask->args) : NULL;
	if (args)
		run(t, &actor, &powers, args);
	else
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__REFUSED, r == OK ? BAD : r, NULL);
	json_decref(args);
}

void ask_api(struct ipc_turn *t)
{
	const Sekisho__ApiAsk *ask = t->ask;
	admin_serve(t, ask->verb, serve_api);
}
