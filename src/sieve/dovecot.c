/*
 * dovecot: commands that people who come from Dovecot have in their scripts: report (vnd.dovecot.report, draft-bosch-sieve-
 * report: what reply.c makes is RFC 5965) and debug_log (vnd.dovecot.debug). vnd.dovecot.environment is in misc.c.
 */
#include "mail/class.h"
#include "sieve/inside.h"

/* ---- report ---- */

/* A token of MIME, RFC 5965 3.1. */
static bool feedback_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!mail_is(s.p[i], MAIL_TOKEN) || (unsigned char)s.p[i] > 127)
			return false;
	return s.n > 0 && s.n <= LIMIT_SIEVE_NAME;
}

bool sieve_check_report(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_text *type = n->pos[0]->texts, *to = n->pos[2]->texts, *bad = NULL;
	struct slice address;
	if (!type->pieces && !feedback_valid(slice_trim(type->text)))
		bad = type;
	else if (!to->pieces && !sieve_address_parse(to->text, c->a, &address))
		bad = to;
	if (bad)
		sieve_say(c, bad->line, bad->column, "'" SLICE_FMT "' is not %s",
		    SLICE_ARG(slice_sub(bad->text, 0, 80)),
		    bad == type ? "a type of feedback" : "a mail address");
	return !bad;
}

/* Reports of one type to one place: one. */
static bool reported(const struct sieve_runner *r, struct slice type, struct slice to)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_REPORT && slice_ieq(x->feedback, type) && slice_ieq(x->address, to))
			return true;
	return false;
}

static const char *unwanted(struct sieve_runner *r, struct slice to)
{
	bool own = slice_ieq(to, r->env->to);
	for (size_t i = 0; i < r->env->own_count; i++)
		own |= slice_ieq(to, r->env->own[i]);
	if (own)
		return "the report would go to the user who reports";
	return sieve_automatic(r) ? "the message was sent automatically" : NULL;
}

/* What it sends goes to others, whole: it counts as a redirect. */
enum sieve_flow sieve_run_report(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice type = slice_trim(sieve_arg_value(r, n->pos[0])), text = sieve_arg_value(r, n->pos[1]);
	struct slice to = sieve_arg_value(r, n->pos[2]), address;
	if (!feedback_valid(type))
		return sieve_fail(
		    r, n, "'" SLICE_FMT "' is not a type of feedback", SLICE_ARG(slice_sub(type, 0, 80)));
	if (!sieve_address_parse(to, r->a, &address))
		return sieve_fail(
		    r, n, "'" SLICE_FMT "' is not a mail address", SLICE_ARG(slice_sub(to, 0, 80)));
	if (reported(r, type, address))
		return SIEVE_GO;
	if (r->redirects == r->env->limits.redirects)
		return sieve_fail(r, n,
		    "number of redirects and reports exceeds policy limit (more than %zu)", r->redirects);
	struct sieve_action *x = sieve_act_new(r, n, SIEVE_REPORT);
	if (!x)
		return SIEVE_FAIL;
	r->redirects++;
	x->address = address;
	x->feedback = type;
	x->reason = text;
	x->headers_only = sieve_tagged(n, SIEVE_TAG_HEADERS_ONLY);
	x->suppressed = slice_str(unwanted(r, address));
	return SIEVE_GO;
}

/* ---- debug_log ---- */

/* What is said beyond the limit is not heard: a script that talks must not cost the message its filter. */
enum sieve_flow sieve_run_debug_log(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_log **end = &r->out->logs;
	size_t count = 0;
	while (*end && ++count)
		end = &(*end)->next;
	if (count == LIMIT_SIEVE_LOGS)
		return SIEVE_GO;
	*end = arena_new(r->a, struct sieve_log);
	if (!*end)
		return SIEVE_FAIL;
	**end = (struct sieve_log){
	    .script = n->script->name, .line = n->line, .text = sieve_arg_value(r, n->pos[0])};
	return SIEVE_GO;
}
