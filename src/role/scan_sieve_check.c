/* Is this a Sieve script? Asked for PUTSCRIPT and CHECKSCRIPT. */
#include "role/scan.h"
#include "sieve/sieve.h"

#define ERRORS_MOST 8192 /* octets of text */

static void put_errors(const struct sieve_errors *errors, struct buf *out)
{
	for (const struct sieve_error *e = errors->first; e; e = e->next) {
		if (out->n)
			buf_puts(out, "\r\n");
		if (e->line)
			buf_printf(out, "line %u: ", e->line);
		if (e->warning)
			buf_puts(out, "warning: ");
		buf_put(out, e->text);
	}
}

void scan_sieve_check(struct ipc_turn *t)
{
	const Sekisho__SieveCheckAsk *ask = t->ask;
	struct sieve_options how = {.limits = sieve_limits_default()};
	struct sieve_errors errors = {0};
	struct sieve_script *script;
	BUF_LOCAL(text, ERRORS_MOST);
	scan_hand_take();
	enum result r =
	    sieve_compile(slice_of(ask->text.data, ask->text.len), &how, &t->arena, &errors, &script);
	scan_hand_give();
	if (r != OK && r != BAD) {
		ipc_refuse(t, r, "the script cannot be worked through");
		return;
	}
	put_errors(&errors, &text);
	Sekisho__SieveCheckAnswer answer = SEKISHO__SIEVE_CHECK_ANSWER__INIT;
	answer.ok = r == OK;
	answer.errors = arena_z(&t->arena, buf_slice(&text));
	ipc_answer(t, &answer, NULL);
}
