/* A script, a NUL and a message: whatever both are, the run ends, and the message is kept or something was done with it. */
#include "sieve/sieve.h"
#include <assert.h>

static enum sieve_known ask(void *ctx, const struct sieve_question *q, struct slice *value_out)
{
	*value_out = q->what == SIEVE_ASK_INCLUDE ? SLICE("keep;") : SLICE("value");
	return *(const unsigned *)ctx & 1u << q->what ? SIEVE_YES : SIEVE_NO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice message = slice_of(data, n), script_text = slice_split(&message, 0);
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct sieve_options how = {.limits = sieve_limits_default()};
	struct sieve_errors errors;
	struct sieve_script *script;
	struct sieve_result result;
	Sekisho__Facts *facts;
	unsigned answers = (unsigned)n * 2654435761u >> 20;
	struct slice own = SLICE("me@example.com");
	if (sieve_compile(script_text, &how, &a, &errors, &script) != OK ||
	    mail_facts_extract(message, &a, &facts) != OK)
		return 0;
	struct sieve_env env = {.has_envelope = true,
	    .from = SLICE("a@x.example"),
	    .to = own,
	    .own = &own,
	    .own_count = 1,
	    .limits = how.limits,
	    .ask = ask,
	    .ask_ctx = &answers};
	env.limits.steps = 200000;
	struct sieve_message m = {message, facts};
	sieve_run(script, &m, &env, &a, &result);
	assert(result.end != SIEVE_ASKS);
	assert(result.end == SIEVE_DONE ||
	       (result.action_count == 1 && result.actions->implicit && result.errors.count));
	for (const struct sieve_action *x = result.actions; x; x = x->next) {
		BUF_LOCAL(text, (size_t)16 << 20);
		struct sieve_mail mail;
		result_ignore(sieve_mail_make(&m, &env, result.edits, x, &a, &text, &mail));
		buf_clear(&text);
		sieve_message_put(&m, result.edits, x->edits, &text);
	}
	return 0;
}
