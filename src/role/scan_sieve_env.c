/* scan_sieve_env: what scripts are told of the delivery, and what they need not ask again. */
#include "role/scan_sieve.h"
#include <time.h>

_Static_assert((int)SIEVE_ASK_MAILBOX == (int)SEKISHO__SIEVE_KNOWN__WHAT__MAILBOX &&
		   (int)SIEVE_ASK_LIST_NAME == (int)SEKISHO__SIEVE_KNOWN__WHAT__LIST_NAME,
    "the questions are the same in sieve.h and in sieve.proto");

static enum sieve_known ask(void *ctx, const struct sieve_question *q, struct slice *value_out)
{
	const struct scan_run *r = ctx;
	for (size_t i = 0; i < r->job->n_known; i++) {
		const Sekisho__SieveKnown *k = r->job->known[i];
		if ((int)k->what != (int)q->what || !slice_eq(scan_octets(k->a), q->a) ||
		    !slice_eq(scan_octets(k->b), q->b) || k->global != q->global)
			continue;
		*value_out = scan_octets(k->value);
		return k->yes ? SIEVE_YES : SIEVE_NO;
	}
	return SIEVE_UNKNOWN;
}

static int zone_now(int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;
	return localtime_r(&seconds, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
}

/* An address of the user's, with a detail or without. */
static bool is_users(const struct sieve_env *env, struct slice address)
{
	struct slice domain = address, local = slice_split(&domain, '@');
	size_t user = local.n ? 1 : 0;
	while (user < local.n && slice_find(env->delimiters, local.p[user]) < 0)
		user++;
	for (size_t i = 0; i < env->own_count; i++) {
		struct slice own_domain = env->own[i], own = slice_split(&own_domain, '@');
		if (slice_ieq(own_domain, domain) &&
		    (slice_ieq(own, local) || slice_ieq(own, slice_sub(local, 0, user))))
			return true;
	}
	return false;
}

/* Others wrote these fields, and it is for the administrator to say whom they can be believed. */
static void read_scores(struct scan_run *r)
{
	const Sekisho__Scores *s = r->job->scores;
	if (!s)
		return;
	const struct sieve_scores how = {.spam_field = slice_str(s->spam_field),
	    .spam_full = MAX(s->spam_full, 1u),
	    .virus_field = slice_str(s->virus_field),
	    .virus_words = slice_str(s->virus_words)};
	sieve_scores_read(&r->base, &how, r->arena, &r->env);
}

static void fill_items(struct scan_run *r)
{
	const Sekisho__SieveJob *j = r->job;
	struct slice(*items)[2] = arena_array(r->arena, j->n_items + 1, sizeof *items);
	for (size_t i = 0; items && i < j->n_items; i++) {
		items[i][0] = slice_str(arena_printf(r->arena, "vnd.dovecot.config.%s", j->items[i]->name));
		items[i][1] = slice_str(j->items[i]->value);
	}
	r->env.environment = (const struct slice(*)[2])items;
	r->env.environment_count = items ? j->n_items : 0;
}

/* Where mail has been is not for scripts to remove: they would send it in a circle. */
static const struct slice kept_fields[] = {
    {"Delivered-To", 12}, {"X-Sieve-Redirected-From", 23}, {"Return-Path", 11}};

void scan_sieve_env(struct scan_run *r)
{
	const Sekisho__SieveJob *j = r->job;
	struct slice *own = arena_array(r->arena, j->n_own + 1, sizeof *own);
	for (size_t i = 0; own && i < j->n_own; i++)
		own[i] = scan_octets(j->own[i]);
	r->env = (struct sieve_env){.has_envelope = true,
	    .from = scan_octets(j->from),
	    .to = scan_octets(j->to),
	    .orig_to = scan_octets(j->to),
	    .envid = slice_str(j->envid),
	    .orcpt = slice_str(j->notify_orcpt),
	    .notify = slice_str(j->notify),
	    .ret = slice_str(j->ret),
	    .own = own,
	    .own_count = own ? j->n_own : 0,
	    .user_name = slice_str(j->user_name),
	    .now_ms = clock_utc_ms(),
	    .domain = slice_str(j->domain),
	    .host = slice_str(j->host),
	    .location = SLICE("MDA"),
	    .phase = SLICE("during"),
	    .delimiters = j->delimiters.len ? scan_octets(j->delimiters) : SLICE(""),
	    .postmaster = slice_str(arena_printf(r->arena, "MAILER-DAEMON@%s", j->domain)),
	    .limits = sieve_limits_default(),
	    .ask = ask,
	    .ask_ctx = r};
	if (j->client)
		r->env.remote_ip = slice_str(j->client->ip);
	r->env.report_from = r->env.own_count ? own[0] : SLICE_NONE;
	fill_items(r);
	r->env.to_shared = !is_users(&r->env, r->env.to);
	r->env.protected = kept_fields;
	r->env.protected_count = COUNT(kept_fields);
	read_scores(r);
	r->env.zone = zone_now(r->env.now_ms);
	r->env.limits.redirects = MIN(r->env.limits.redirects, (size_t)j->redirects);
}

/* Mail that passed this account before goes in a circle; what passed very many may do so too. */
const char *scan_sieve_no_forward(const struct scan_run *r)
{
	const Sekisho__Part *root = r->base.facts->root;
	unsigned hops = 0;
	for (size_t i = 0; i < root->n_fields; i++) {
		const Sekisho__Field *f = root->fields[i];
		if (!slice_ieq(slice_str(f->name), SLICE("Delivered-To")))
			continue;
		struct slice value = slice_sub(r->base.octets, f->offset, f->length);
		slice_split(&value, ':');
		if (++hops > LIMIT_FILTER_HOPS)
			return "it was forwarded too often";
		if (r->job->n_own && slice_ieq(slice_trim(value), scan_octets(r->job->own[0])))
			return "it came back from where it was forwarded to";
	}
	return "";
}
