/* action: what a script wants done: keep, discard, redirect, fileinto (RFC 5228 4), copy (RFC 3894). */
#include "sieve/inside.h"

struct sieve_action *sieve_act_new(struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act)
{
	if (r->out->action_count == r->env->limits.actions) {
		sieve_fail(r, n, "total number of actions exceeds policy limit (more than %zu)",
		    r->env->limits.actions);
		return NULL;
	}
	struct sieve_action *x = arena_new(r->a, struct sieve_action);
	if (!x)
		return NULL;
	*x = (struct sieve_action){.act = act, .edits = r->out->edit_count};
	if (n) {
		x->script = n->script->name;
		x->line = n->line;
	}
	*r->action_end = x;
	r->action_end = &x->next;
	r->out->action_count++;
	return x;
}

static struct slice inbox_of(const struct sieve_env *env)
{
	return env->inbox.n ? env->inbox : SLICE("INBOX");
}

/* After an error, or with nothing that cancelled it, the message is kept as it would be without a script. */
void sieve_act_finish(struct sieve_runner *r)
{
	if (r->out->end == SIEVE_FAILED) {
		r->out->actions = NULL;
		r->out->action_count = 0;
		r->action_end = &r->out->actions;
		r->out->edits = NULL;
		r->out->edit_count = 0;
	} else if (r->out->end == SIEVE_ASKS || r->keep_cancelled) {
		return;
	}
	/* Not from the arena: it must not be missing when that is full. */
	r->out->keep = (struct sieve_action){
	    .act = SIEVE_KEEP, .implicit = true, .mailbox = inbox_of(r->env), .edits = r->out->edit_count};
	if (r->out->end != SIEVE_FAILED)
		result_ignore(sieve_act_flags(r, NULL, &r->out->keep) ? OK : FULL);
	*r->action_end = &r->out->keep;
	r->out->action_count++;
}

/* Goes with every other action. */
static bool goes_along(enum sieve_act act)
{
	return act == SIEVE_DISCARD || act == SIEVE_NOTIFY || act == SIEVE_DUPLICATE || act == SIEVE_REPORT;
}

/* Rejected mail is not kept and kept mail is not rejected, RFC 5429 2.4. */
bool sieve_act_allowed(struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act)
{
	bool rejects = act == SIEVE_REJECT || act == SIEVE_EREJECT;
	for (const struct sieve_action *x = r->out->actions; x; x = x->next) {
		bool rejected = x->act == SIEVE_REJECT || x->act == SIEVE_EREJECT;
		if (x->done || goes_along(x->act) || goes_along(act) || (!rejects && !rejected))
			continue;
		if (rejects && rejected)
			sieve_fail(r, n, "the message is rejected twice (first in line %u)", x->line);
		else
			sieve_fail(r, n, "%s conflicts with %s in line %u", sieve_act_name(act),
			    sieve_act_name(x->act), x->line);
		return false;
	}
	return true;
}

/* The message goes into a mailbox: once, whatever the number of actions that say so. */
static struct sieve_action *store_into(
    struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act, struct slice mailbox)
{
	if (!sieve_act_allowed(r, n, act))
		return NULL;
	struct sieve_action *x = r->out->actions;
	for (; x; x = x->next)
		if ((x->act == SIEVE_KEEP || x->act == SIEVE_FILEINTO) && slice_eq(x->mailbox, mailbox))
			break;
	if (x && act == SIEVE_KEEP)
		x->act = SIEVE_KEEP;
	if (x)
		return x;
	x = sieve_act_new(r, n, act);
	if (x)
		x->mailbox = mailbox;
	return x;
}

enum sieve_flow sieve_run_keep(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_action *x = store_into(r, n, SIEVE_KEEP, inbox_of(r->env));
	if (!x || !sieve_act_flags(r, n, x))
		return SIEVE_FAIL;
	r->keep_cancelled = true;
	return SIEVE_GO;
}

enum sieve_flow sieve_run_discard(struct sieve_runner *r, const struct sieve_node *n)
{
	r->keep_cancelled = true;
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_DISCARD)
			return SIEVE_GO;
	return sieve_act_new(r, n, SIEVE_DISCARD) ? SIEVE_GO : SIEVE_FAIL;
}

/* ---- fileinto ---- */

bool sieve_mailbox_valid(struct slice name)
{
	if (name.n == 0 || name.n > LIMIT_MAILBOX_NAME || !slice_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 32 || name.p[i] == 127)
			return false;
	return true;
}

bool sieve_check_fileinto(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_text *t = n->pos[0]->texts;
	if (t->pieces || sieve_mailbox_valid(t->text))
		return sieve_check_specialuse(c, n);
	sieve_say(c, t->line, t->column, "invalid folder name");
	return false;
}

enum sieve_flow sieve_run_fileinto(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice mailbox = sieve_arg_value(r, n->pos[0]);
	if (!sieve_mailbox_valid(mailbox))
		return sieve_fail(
		    r, n, "invalid folder name '" SLICE_FMT "'", SLICE_ARG(slice_sub(mailbox, 0, 80)));
	if (slice_ieq(mailbox, SLICE("INBOX")))
		mailbox = inbox_of(r->env);
	struct sieve_action where = {.mailbox = mailbox};
	enum sieve_flow flow = sieve_act_mailbox(r, n, &where);
	if (flow != SIEVE_GO)
		return flow;
	struct sieve_action *x = store_into(r, n, SIEVE_FILEINTO, where.mailbox);
	if (!x || !sieve_act_flags(r, n, x))
		return SIEVE_FAIL;
	x->mailbox_id = where.mailbox_id;
	x->special_use = where.special_use;
	x->create |= where.create;
	r->keep_cancelled |= !sieve_tagged(n, SIEVE_TAG_COPY);
	return SIEVE_GO;
}

/* ---- redirect ---- */

bool sieve_address_parse(struct slice text, struct arena *a, struct slice *out)
{
	struct mail_entries entries;
	mail_entries_parse(text, a, &entries);
	const struct mail_entry *e = entries.first;
	if (slice_find(text, '<') < 0 &&
	    slice_find(text, '"') < 0) { /* "more words @ example.com" is no address */
		struct slice local = slice_trim(slice_sub(text, 0, (size_t)MAX(slice_find(text, '@'), 0)));
		if (slice_find(local, ' ') >= 0)
			return false;
	}
	if (entries.count != 1 || e->kind != MAIL_ENTRY_MAILBOX || e->broken || !e->local.n || !e->domain.n)
		return false;
	BUF_LOCAL(flat, LIMIT_ADDRESS * 2);
	mail_addr_put(&flat, (struct mail_addr){e->local, e->domain});
	struct mail_addr addr;
	*out = arena_dup(a, buf_slice(&flat));
	return slice_is_ascii(*out) && mail_addr_parse(*out, a, &addr) == OK;
}

/* RFC 3461 4.1 and 4.3. */
static bool notify_valid(struct slice s)
{
	struct slice rest = s;
	if (slice_ieq(s, SLICE("NEVER")))
		return true;
	while (rest.n) {
		struct slice one = slice_split(&rest, ',');
		if (!slice_ieq(one, SLICE("SUCCESS")) && !slice_ieq(one, SLICE("FAILURE")) &&
		    !slice_ieq(one, SLICE("DELAY")))
			return false;
	}
	return s.n > 0;
}

static bool ret_valid(struct slice s)
{
	return slice_ieq(s, SLICE("FULL")) || slice_ieq(s, SLICE("HDRS"));
}

static bool check_dsn(struct sieve_compiler *c, const struct sieve_node *n)
{
	const struct sieve_arg *notify = sieve_tag_value(n, SIEVE_TAG_NOTIFY),
			       *ret = sieve_tag_value(n, SIEVE_TAG_RET);
	const struct sieve_text *bad = NULL;
	if (notify && !notify->texts->pieces && !notify_valid(notify->texts->text))
		bad = notify->texts;
	else if (ret && !ret->texts->pieces && !ret_valid(ret->texts->text))
		bad = ret->texts;
	if (bad)
		sieve_say(c, bad->line, bad->column, "'" SLICE_FMT "' is no value for %s",
		    SLICE_ARG(slice_sub(bad->text, 0, 80)),
		    bad == (ret ? ret->texts : NULL) ? ":ret" : ":notify");
	return !bad;
}

bool sieve_check_redirect(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_text *t = n->pos[0]->texts;
	struct slice address;
	if (!check_dsn(c, n))
		return false;
	if (sieve_tagged(n, SIEVE_TAG_LIST) && !t->pieces && c->how->ask) {
		struct sieve_question q = {.what = SIEVE_ASK_LIST_NAME, .a = sieve_list_name(c->a, t->text)};
		if (c->how->ask(c->how->ask_ctx, &q, &address) == SIEVE_NO) {
			sieve_say(c, t->line, t->column, "there is no external list '" SLICE_FMT "'",
			    SLICE_ARG(slice_sub(t->text, 0, 80)));
			return false;
		}
	}
	if (t->pieces || sieve_tagged(n, SIEVE_TAG_LIST) || sieve_address_parse(t->text, c->a, &address))
		return true;
	sieve_say(c, t->line, t->column, "'" SLICE_FMT "' is not a mail address",
	    SLICE_ARG(slice_sub(t->text, 0, 80)));
	return false;
}

static bool redirected(const struct sieve_runner *r, struct slice address)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_REDIRECT && slice_ieq(x->address, address))
			return true;
	return false;
}

/* Our mark is in the header, with an address of this user. */
static bool redirected_before(struct sieve_runner *r)
{
	for (size_t i = 0; i < r->fields->count; i++) {
		struct sieve_field *f = &r->fields->list[i];
		if (!slice_ieq(f->name, SLICE("x-sieve-redirected-from")))
			continue;
		struct slice who = sieve_field_text(r, f);
		if (slice_ieq(who, r->env->to))
			return true;
		for (size_t k = 0; k < r->env->own_count; k++)
			if (slice_ieq(who, r->env->own[k]))
				return true;
	}
	return false;
}

enum sieve_flow sieve_run_redirect(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice text = sieve_arg_value(r, n->pos[0]), address;
	bool list = sieve_tagged(n, SIEVE_TAG_LIST);
	if (list)
		address = sieve_list_name(r->a, text);
	else if (!sieve_address_parse(text, r->a, &address))
		return sieve_fail(
		    r, n, "'" SLICE_FMT "' is not a mail address", SLICE_ARG(slice_sub(text, 0, 80)));
	if (!sieve_act_allowed(r, n, SIEVE_REDIRECT))
		return SIEVE_FAIL;
	if (redirected_before(r)) { /* it comes round: whatever else happens, it is not lost */
		sieve_complain(r, n, "the message was redirected by this user before: it is kept");
		return SIEVE_GO;
	}
	r->keep_cancelled |= !sieve_tagged(n, SIEVE_TAG_COPY);
	if (redirected(r, address))
		return SIEVE_GO;
	if (r->redirects == r->env->limits.redirects)
		return sieve_fail(
		    r, n, "number of redirect actions exceeds policy limit (more than %zu)", r->redirects);
	struct sieve_action *x = sieve_act_new(r, n, SIEVE_REDIRECT);
	if (!x)
		return SIEVE_FAIL;
	r->redirects++;
	if (r->enclosed) /* RFC 5703 6 */
		x->edits = r->edits_unenclosed;
	x->address = address;
	x->list = list;
	x->copy = sieve_tagged(n, SIEVE_TAG_COPY);
	if (sieve_tagged(n, SIEVE_TAG_NOTIFY))
		x->notify = sieve_arg_value(r, sieve_tag_value(n, SIEVE_TAG_NOTIFY));
	if (sieve_tagged(n, SIEVE_TAG_RET))
		x->ret = sieve_arg_value(r, sieve_tag_value(n, SIEVE_TAG_RET));
	if ((x->notify.n && !notify_valid(x->notify)) || (x->ret.n && !ret_valid(x->ret)))
		return sieve_fail(r, n, "the :notify or :ret of redirect has no valid value");
	return SIEVE_GO;
}
