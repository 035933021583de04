/* A job from beginning to end: one host after the other, until every recipient is decided. */
#include "relay/inner.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 8        /* connections a job may open */
#define LINK_MAILS 100 /* messages over one connection */
#define SIGNATURE_TRIES 10
#define SIGNATURE_PAUSE_MS 500

void deliver_decide(struct delivery *d, struct rcpt *r, Sekisho__Attempt__Outcome kind, const struct why *why,
    const struct link *l)
{
	struct outcome *o = calloc(1, sizeof *o);
	if (!o)
		abort();
	r->state = RCPT_DONE;
	o->row = r->msg->row;
	o->kind = kind;
	o->why = *why;
	o->ms = clock_mono_ms() - d->job->begun_ms;
	if (l) {
		memcpy(o->host, l->host, sizeof o->host);
		memcpy(o->ip, l->ip, sizeof o->ip);
		memcpy(o->tls, l->tls, sizeof o->tls);
		o->secured = l->secured;
		o->remote_dsn = l->caps.dsn;
	}
	*d->outcomes_end = o;
	d->outcomes_end = &o->next;
	d->outcomes_n++;
}

void deliver_decide_open(struct delivery *d, const struct why *why, const struct link *l)
{
	for (size_t i = 0; i < d->job->rcpts_n; i++)
		if (d->job->rcpts[i].state != RCPT_DONE)
			deliver_decide(d, &d->job->rcpts[i],
			    why->permanent ? SEKISHO__ATTEMPT__OUTCOME__FAILED
					   : SEKISHO__ATTEMPT__OUTCOME__DEFERRED,
			    why, l);
}

bool deliver_has_open(const struct delivery *d)
{
	for (size_t i = 0; i < d->job->rcpts_n; i++)
		if (d->job->rcpts[i].state != RCPT_DONE)
			return true;
	return false;
}

/* Of several hosts' reasons a temporary one counts: that host may take the message another time. */
static void remember(struct delivery *d, const struct why *why)
{
	if (!d->why.status[0] || d->why.permanent)
		d->why = *why;
}

/* ---- connections ---- */

static bool link_usable(const struct link *l)
{
	unsigned most = l->caps.mailmax ? MIN(l->caps.mailmax, (uint32_t)LINK_MAILS) : LINK_MAILS;
	return !l->broken && l->mails < most;
}

static void keep_link(struct delivery *d, struct link *l)
{
	if (link_usable(l))
		d->link = l;
	else
		link_close(l);
}

static void give_back(struct delivery *d)
{
	struct link *l = d->link;
	d->link = NULL;
	if (l)
		pool_give(&d->relay->pool, l, d->settings->connections ? d->settings->connections : 200);
}

/* Sends over l and keeps it when it can be used again. True when another connection to this host is worth a try. */
static bool send_over(struct delivery *d, struct link *l)
{
	bool used = l->mails > 0;
	send_message(d, l);
	bool again = used && l->broken && deliver_has_open(d);
	keep_link(d, l);
	return again;
}

/* An open connection to that host, or NULL. */
static struct link *waiting_link(struct delivery *d, const char *key)
{
	if (d->link && strcmp(d->link->key, key) != 0)
		give_back(d);
	struct link *l = d->link;
	d->link = NULL;
	if (l && stream_wait(l->stream, 0) == LATER)
		return l;
	if (l) {
		l->broken = true;
		link_close(l);
	}
	return pool_take(&d->relay->pool, key);
}

/* Connects to one address; without TLS when TLS is only welcome and fails. *reached_out: it is a server, at least. */
static struct link *connect_one(struct delivery *d, const struct target *t, const struct dns_ip *ip,
    const struct guard *g, bool *reached_out)
{
	struct link *l;
	struct why why;
	struct trial trial;
	enum result r = link_open(d, t, ip, g, false, &l, &trial, &why);
	trial_count(d, g, t->host, ip, &trial);
	if (r == OK)
		return l;
	*reached_out |= trial.failed;
	if (trial.without && g->tls <= RELAY_TLS_MAY && !t->implicit_tls &&
	    link_open(d, t, ip, g, true, &l, &trial, &why) == OK) {
		snprintf(l->tls, sizeof l->tls, "none (the handshake failed)");
		return l;
	}
	remember(d, &why);
	return NULL;
}

static void link_key(const struct delivery *d, const struct target *t, char out[LINK_KEY])
{
	BUF_LOCAL(key, LINK_KEY);
	buf_printf(&key, "%s:%u", t->host, t->port);
	guard_class(d, &key);
	snprintf(out, LINK_KEY, "%s", buf_z(&key));
}

/* True when some connection was opened, or what was found there does not do for this message. */
static bool try_addresses(struct delivery *d, const struct target *t, const struct dns_ip_list *ips,
    const char *key, unsigned *tries)
{
	struct guard guard;
	struct why why;
	bool reached = false;
	if (guard_make(d, t, ips, &guard, &why) != OK) {
		remember(d, &why);
		return true;
	}
	for (size_t i = 0; i < ips->n && *tries < TRIES && deliver_has_open(d); i++) {
		++*tries;
		struct link *l = connect_one(d, t, &ips->ip[i], &guard, &reached);
		if (!l)
			continue;
		snprintf(l->key, sizeof l->key, "%s", key);
		(void)send_over(d, l);
		return true; /* its other addresses are the same server */
	}
	return reached;
}

/* As above. */
static bool try_host(struct delivery *d, const struct target *t, unsigned *tries)
{
	struct dns_ip_list ips;
	struct why why;
	char key[LINK_KEY];
	link_key(d, t, key);
	if (strcmp(key, d->tried) == 0)
		return true;
	struct link *l = waiting_link(d, key);
	bool waited = l != NULL;
	if (l && !send_over(d, l))
		return true;
	if (route_addresses(d->settings, t, &d->arena, &ips, &why) != OK) {
		remember(d, &why);
		return waited;
	}
	return try_addresses(d, t, &ips, key, tries) || waited;
}

/* ---- the whole ---- */

/* Nothing is begun with octets that no server may see. */
static bool data_is_clean(const Sekisho__Job *m)
{
	struct stuffing state = {0};
	return !m->has_data || m->body == 2 ||
	       (body_check(&state, slice_of(m->data.data, m->data.len)) == OK && !state.cr);
}

static enum result ask_signature(struct delivery *d)
{
	struct ipc *c = ipc_thread(d->settings->store);
	Sekisho__SignatureAsk ask = SEKISHO__SIGNATURE_ASK__INIT;
	Sekisho__SignatureAnswer *answer;
	ask.mail_id = d->job->msg->mail_id;
	enum result r = c ? ipc_call(c, ASK_STORE_SIGNATURE, &ask, NULL, &d->arena, &answer, NULL) : GONE;
	if (r == OK)
		d->signature = slice_of(answer->fields.data, answer->fields.len);
	return r;
}

/*
 * What store, scan and keys have to say before the message goes: without it nothing is sent, and not when store says no (it is
 * held since it was claimed). One of them may just be starting
 * again: that is worth some seconds, and not the wait of a whole retry.
 */
static bool take_signature(struct delivery *d)
{
	d->signature = SLICE_NONE;
	if (!d->job->msg->sign)
		return true;
	enum result r = ask_signature(d);
	for (unsigned i = 0; r != OK && r != DENY && i < SIGNATURE_TRIES; i++) {
		poll(NULL, 0, SIGNATURE_PAUSE_MS);
		r = ask_signature(d);
	}
	return r == OK;
}

static void try_hosts(struct delivery *d)
{
	unsigned tries = 0;
	bool reached = false;
	for (size_t i = 0; i < d->plan.n && tries < TRIES && deliver_has_open(d); i++)
		reached |= try_host(d, &d->plan.targets[i], &tries);
	d->unreachable = !reached && d->plan.n > 0 && !d->why.permanent;
}

static void decide_rest(struct delivery *d)
{
	if (!d->why.status[0])
		why_set(&d->why, false, "4.4.1", "no server could be asked");
	for (size_t i = 0; i < d->job->rcpts_n; i++) {
		struct rcpt *r = &d->job->rcpts[i];
		if (r->state == RCPT_DONE)
			continue;
		struct why why = r->why.status[0] ? r->why : d->why;
		/* What one host cannot do, a host that could not be reached might. */
		why.permanent = why.permanent && (r->why.status[0] == 0 || !d->unreachable);
		deliver_decide(d, r,
		    why.permanent ? SEKISHO__ATTEMPT__OUTCOME__FAILED : SEKISHO__ATTEMPT__OUTCOME__DEFERRED,
		    &why, NULL);
	}
}

static void look_up_sts(struct delivery *d)
{
	d->sts = (struct sts){0};
	if (!d->plan.domain || d->job->msg->tls_optional)
		return;
	sts_find(d, d->plan.domain, &d->sts);
	if (d->sts.problem) {
		struct guard g = {.policy = TLSRPT_STS};
		struct trial trial = {.tried = true, .failed = true, .result = d->sts.problem};
		snprintf(trial.reason, sizeof trial.reason, "%s", d->sts.reason);
		trial_count(d, &g, "", NULL, &trial);
	}
}

void deliver_job(struct delivery *d)
{
	arena_reset(&d->arena);
	d->why = (struct why){0};
	d->unreachable = false;
	d->tried[0] = '\0';
	d->job->begun_ms = clock_mono_ms();
	if (!data_is_clean(d->job->msg)) {
		why_set(&d->why, true, "5.6.0", "the message has a bare CR or LF");
		deliver_decide_open(d, &d->why, NULL);
		return;
	}
	if (!take_signature(d)) {
		why_set(&d->why, false, "4.3.0", "the message cannot be signed now");
		deliver_decide_open(d, &d->why, NULL);
		return;
	}
	/* The connection over which this destination's last message went is as good as any that a plan would find. */
	if (d->link && d->link->need == guard_need(d) && stream_wait(d->link->stream, 0) == LATER) {
		struct link *l = d->link;
		d->link = NULL;
		memcpy(d->tried, l->key, sizeof d->tried);
		if (send_over(d, l))
			d->tried[0] = '\0';
	}
	if (!deliver_has_open(d))
		return;
	if (route_plan(d->settings, slice_str(d->job->msg->domain), &d->arena, &d->plan, &d->why) != OK) {
		decide_rest(d);
		return;
	}
	d->why = (struct why){0};
	look_up_sts(d);
	try_hosts(d);
	decide_rest(d);
}
