/* STORE_API: a verb for whoever holds a token. What the token may do is decided here, whatever the front thinks. */
#include "store/admin.h"
#include "store/audit.h"
#include "store/tokens.h"

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

static void run(struct ipc_turn *t, const struct token *token, const json_t *args)
{
	const Sekisho__ApiAsk *ask = t->ask;
	struct audit_actor actor = {
	    /* Names may be the same; numbers are not. */
	    .who = arena_printf(
		&t->arena, "token %lld " SLICE_FMT, (long long)token->id, SLICE_ARG(token->name)),
	    .role = arena_z(&t->arena, token->role),
	    .from = ask->client ? ask->client->ip : "",
	};
	struct admin a = {.store = store_of(t),
	    .arena = &t->arena,
	    .args = args,
	    .actor = &actor,
	    .powers = &token->powers};
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
	struct token token;
	enum result r = token_find(store_of(t), slice_of_octets(ask->token), &t->arena, &token);
	if (r == DENY) {
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__NO_TOKEN, r, "this token opens nothing");
		return;
	}
	json_t *args = r == OK ? admin_args(ask->args) : NULL;
	if (args)
		run(t, &token, args);
	else
		send_refusal(t, SEKISHO__API_ANSWER__OUTCOME__REFUSED, r == OK ? BAD : r, NULL);
	json_decref(args);
}

void ask_api(struct ipc_turn *t)
{
	const Sekisho__ApiAsk *ask = t->ask;
	admin_serve(t, ask->verb, serve_api);
}
