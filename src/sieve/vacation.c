/* vacation: who gets an automatic reply (RFC 5230, 6131), and refusing (RFC 5429). */
#include "sieve/inside.h"

static bool address_good(struct sieve_compiler *c, const struct sieve_arg *arg)
{
	struct slice ignored;
	if (!arg || arg->texts->pieces || sieve_address_parse(arg->texts->text, c->a, &ignored))
		return true;
	sieve_say(c, arg->line, arg->column, "'" SLICE_FMT "' is not a mail address",
	    SLICE_ARG(slice_sub(arg->texts->text, 0, 80)));
	return false;
}

bool sieve_check_vacation(struct sieve_compiler *c, struct sieve_node *n)
{
	if (sieve_tagged(n, SIEVE_TAG_SECONDS) && !sieve_has(c->script, SIEVE_CAP_VACATION_SECONDS)) {
		sieve_say(
		    c, n->line, n->column, "the tag :seconds of vacation needs require \"vacation-seconds\"");
		return false;
	}
	return address_good(c, sieve_tag_value(n, SIEVE_TAG_FROM)) && sieve_check_fcc(c, n);
}

/* ---- is this a message that people wrote to this user? ---- */

static bool each(struct sieve_runner *r, const char *name, sieve_field_fn *f, void *ctx)
{
	struct slice wanted = slice_str(name);
	for (size_t i = 0; i < r->fields->count; i++)
		if (slice_ieq(r->fields->list[i].name, wanted) && f(ctx, &r->fields->list[i]))
			return true;
	return false;
}

struct seeking {
	struct sieve_runner *r;
	const struct slice *words;
	size_t count;
	struct slice found;
};

/* Is the first word one of those? */
static bool says(void *ctx, struct sieve_field *f)
{
	struct seeking *s = ctx;
	struct slice rest = sieve_field_text(s->r, f);
	while (rest.n) {
		struct slice one = slice_trim(slice_split(&rest, ','));
		one = slice_trim(slice_split(&one, ';'));
		for (size_t i = 0; i < s->count; i++)
			if (slice_ieq(one, s->words[i]))
				return true;
	}
	return false;
}

static bool says_not_no(void *ctx, struct sieve_field *f)
{
	struct seeking *s = ctx;
	struct slice rest = sieve_field_text(s->r, f);
	struct slice word = slice_trim(slice_split(&rest, ';'));
	return !slice_ieq(word, SLICE("no"));
}

bool sieve_automatic(struct sieve_runner *r)
{
	struct seeking s = {.r = r};
	return each(r, "auto-submitted", says_not_no, &s);
}

static bool any_field(void *ctx, struct sieve_field *f)
{
	return ctx && f;
}

static bool from_list(struct sieve_runner *r)
{
	static const char *const fields[] = {"list-id", "list-owner", "list-subscribe", "list-post",
	    "list-unsubscribe", "list-archive", "list-help", "mailing-list", "x-mailing-list"};
	const struct slice bulk[] = {SLICE("bulk"), SLICE("junk"), SLICE("list"), SLICE("auto_reply")};
	const struct slice suppress[] = {SLICE("all"), SLICE("oof"), SLICE("autoreply")};
	struct seeking s = {.r = r, .words = bulk, .count = COUNT(bulk)};
	for (size_t i = 0; i < COUNT(fields); i++)
		if (each(r, fields[i], any_field, r))
			return true;
	if (each(r, "precedence", says, &s))
		return true;
	s.words = suppress;
	s.count = COUNT(suppress);
	return each(r, "x-auto-response-suppress", says, &s);
}

/* Addresses behind which no people are, RFC 5230 4.6. */
static bool system_address(struct slice address)
{
	struct slice local = slice_sub(address, 0, (size_t)MAX(slice_rfind(address, '@'), 0));
	const struct slice names[] = {SLICE("mailer-daemon"), SLICE("listserv"), SLICE("majordomo"),
	    SLICE("noreply"), SLICE("no-reply"), SLICE("donotreply"), SLICE("bounce"), SLICE("bounces"),
	    SLICE("postmaster")};
	for (size_t i = 0; i < COUNT(names); i++)
		if (slice_ieq(local, names[i]))
			return true;
	return slice_istarts(local, SLICE("owner-")) || slice_iends(local, SLICE("-request")) ||
	       slice_iends(local, SLICE("-owner")) || slice_istarts(local, SLICE("bounce-"));
}

static struct slice canonical(struct sieve_runner *r, struct slice local, struct slice domain)
{
	BUF_LOCAL(out, local.n * 2 + domain.n + 8);
	mail_addr_put(&out, (struct mail_addr){local, domain});
	return arena_dup(r->a, buf_slice(&out));
}

static bool names_user(void *ctx, struct sieve_field *f)
{
	struct seeking *s = ctx;
	const struct mail_entries *entries = sieve_field_entries(s->r, f);
	for (const struct mail_entry *e = entries ? entries->first : NULL; e; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX || !e->domain.n)
			continue;
		s->found = canonical(s->r, e->local, e->domain);
		for (size_t i = 0; i < s->count; i++)
			if (slice_ieq(s->found, s->words[i]))
				return true;
	}
	return false;
}

/* The address by which the message names the user, of those that are his. */
static bool addressed(struct sieve_runner *r, const struct slice *mine, size_t n, struct slice *out)
{
	static const char *const fields[] = {"to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"};
	struct seeking s = {.r = r, .words = mine, .count = n};
	for (size_t i = 0; i < COUNT(fields); i++) {
		if (!each(r, fields[i], names_user, &s))
			continue;
		*out = s.found;
		return true;
	}
	return false;
}

static bool contains(const struct slice *list, size_t n, struct slice s)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(list[i], s))
			return true;
	return false;
}

/* Why no reply is to be sent, or NULL. */
static const char *unwanted(
    struct sieve_runner *r, const struct slice *mine, size_t n, struct sieve_action *x)
{
	const struct sieve_env *env = r->env;
	struct mail_addr addr;
	struct slice by = SLICE_NONE;
	if (!env->from.n)
		return "the message has no sender to reply to";
	if (mail_addr_parse(env->from, r->a, &addr) != OK)
		return "the sender's address is broken";
	if (contains(mine, n, env->from) || (env->orig_to.n && slice_ieq(env->orig_to, env->from)))
		return "the sender is the user";
	if (system_address(env->from))
		return "the sender is a program";
	if (sieve_automatic(r))
		return "the message was sent automatically";
	if (from_list(r))
		return "the message came by a list or asks for no replies";
	if (!addressed(r, mine, n, &by)) {
		if (!env->vacation_unnamed)
			return "the message does not name the user as a recipient";
		by = n ? mine[0] : SLICE_NONE;
	}
	if (!x->from.n)
		x->from = by;
	return NULL;
}

/* ---- the commands ---- */

static uint64_t seconds_of(const struct sieve_env *env, const struct sieve_node *n)
{
	const struct sieve_arg *days = sieve_tag_value(n, SIEVE_TAG_DAYS),
			       *seconds = sieve_tag_value(n, SIEVE_TAG_SECONDS);
	uint64_t least = env->vacation_least ? env->vacation_least : seconds ? 60 : 86400;
	uint64_t most = env->vacation_most ? env->vacation_most : LIMIT_SIEVE_VACATION_SECONDS;
	uint64_t wanted = env->vacation_default ? env->vacation_default : (uint64_t)7 * 86400;
	if (seconds)
		wanted = seconds->number;
	else if (days)
		wanted = days->number < 100000 ? days->number * 86400 : most;
	return MAX(least, MIN(most, wanted));
}

static struct slice tag_text(struct sieve_runner *r, const struct sieve_node *n, enum sieve_tag tag)
{
	const struct sieve_arg *arg = sieve_tag_value(n, tag);
	return arg ? sieve_arg_value(r, arg) : SLICE_NONE;
}

/* The user's addresses: as the server knows them, as the message was sent to, and :addresses. */
static struct slice *addresses(
    struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x, size_t *count)
{
	const struct sieve_arg *more = sieve_tag_value(n, SIEVE_TAG_ADDRESSES);
	size_t room = r->env->own_count + 1 + (more ? more->count : 0);
	struct slice *out = arena_array(r->a, room, sizeof *out);
	*count = 0;
	if (!out)
		return NULL;
	if (r->env->to.n && !r->env->to_shared)
		out[(*count)++] = r->env->to;
	for (size_t i = 0; i < r->env->own_count; i++)
		out[(*count)++] = r->env->own[i];
	x->list_items = out + *count;
	for (const struct sieve_text *t = more ? more->texts : NULL; t; t = t->next) {
		struct slice one = sieve_value(r, t), parsed;
		out[*count] = sieve_address_parse(one, r->a, &parsed) ? parsed : one;
		(*count)++;
		x->list_count++;
	}
	return out;
}

enum sieve_flow sieve_run_vacation(struct sieve_runner *r, const struct sieve_node *n)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_VACATION)
			return sieve_fail(r, n, "vacation is used twice (first in line %u)", x->line);
	if (!sieve_act_allowed(r, n, SIEVE_VACATION))
		return SIEVE_FAIL;
	struct sieve_action *x = sieve_act_new(r, n, SIEVE_VACATION);
	if (!x)
		return SIEVE_FAIL;
	size_t count;
	struct slice *mine = addresses(r, n, x, &count), from = tag_text(r, n, SIEVE_TAG_FROM), ignored;
	if (from.n && !sieve_address_parse(from, r->a, &ignored))
		return sieve_fail(
		    r, n, "'" SLICE_FMT "' is not a mail address", SLICE_ARG(slice_sub(from, 0, 80)));
	x->reason = sieve_arg_value(r, n->pos[0]);
	x->subject = tag_text(r, n, SIEVE_TAG_SUBJECT);
	x->from = from;
	x->mime = sieve_tagged(n, SIEVE_TAG_MIME);
	x->seconds = seconds_of(r->env, n);
	x->address = r->env->from;
	struct slice handle = tag_text(r, n, SIEVE_TAG_HANDLE);
	if (handle.n)
		x->key = sieve_key(r, "handle", &handle, 1);
	else
		x->key = sieve_key(r, "vacation",
		    (struct slice[]){x->reason, x->subject, from, x->mime ? SLICE("m") : SLICE("t")}, 4);
	x->suppressed = slice_str(unwanted(r, mine, count, x));
	return mine ? sieve_act_fcc(r, n, x) : SIEVE_FAIL;
}

static enum sieve_flow refuse(struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->done && (x->act == SIEVE_REJECT || x->act == SIEVE_EREJECT))
			return SIEVE_GO; /* an earlier script did */
	if (!sieve_act_allowed(r, n, act))
		return SIEVE_FAIL;
	struct sieve_action *x = sieve_act_new(r, n, act);
	if (!x)
		return SIEVE_FAIL;
	r->keep_cancelled = true;
	x->reason = sieve_arg_value(r, n->pos[0]);
	x->address = r->env->from;
	if (!r->env->from.n)
		x->suppressed = SLICE("the message has no sender to tell");
	return SIEVE_GO;
}

enum sieve_flow sieve_run_reject(struct sieve_runner *r, const struct sieve_node *n)
{
	return refuse(r, n, SIEVE_REJECT);
}

enum sieve_flow sieve_run_ereject(struct sieve_runner *r, const struct sieve_node *n)
{
	return refuse(r, n, SIEVE_EREJECT);
}
