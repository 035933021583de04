/* How sessions of TLS ended, added up by kind until the next report to store (RFC 8460). */
#include "relay/inner.h"
#include <stdio.h>
#include <stdlib.h>

#define KINDS 1000       /* that wait; further ones are not counted */
#define POLICY_TEXT 2000 /* octets of a policy in a report */

void session_free(struct session_count *s)
{
	free(s->domain);
	free(s->text);
	free(s->host);
	free(s);
}

/* The policy as RFC 8460 4.4 wants it: TLSA records, or the lines of the file. */
static void put_policy(const struct delivery *d, const struct guard *g, struct buf *out)
{
	for (size_t i = 0; g->policy == TLSRPT_TLSA && i < g->tlsa_n; i++) {
		if (i)
			buf_putc(out, '\n');
		dane_put(&g->tlsa[i], out);
	}
	struct slice text = g->policy == TLSRPT_STS ? d->sts.text : SLICE_NONE;
	while (text.n) {
		struct slice line = slice_trim(slice_split(&text, '\n'));
		if (line.n && out->n)
			buf_putc(out, '\n');
		buf_put(out, line);
	}
}

static bool same(const struct session_count *a, const struct session_count *b)
{
	return a->policy == b->policy && a->result == b->result && strcmp(a->domain, b->domain) == 0 &&
	       strcmp(a->host, b->host) == 0 && strcmp(a->ip, b->ip) == 0 && strcmp(a->text, b->text) == 0;
}

/* Takes s. */
static void add(struct relay *r, struct session_count *s)
{
	pthread_mutex_lock(&r->trials.lock);
	struct session_count *at = r->trials.first;
	while (at && !same(at, s))
		at = at->next;
	bool room = !at && r->trials.n < KINDS;
	if (at) {
		at->times++;
	} else if (room) {
		s->next = r->trials.first;
		r->trials.first = s;
		r->trials.n++;
	}
	pthread_mutex_unlock(&r->trials.lock);
	if (!room)
		session_free(s);
}

void trial_count(struct delivery *d, const struct guard *g, const char *host, const struct dns_ip *ip,
    const struct trial *t)
{
	BUF_LOCAL(text, POLICY_TEXT);
	if (!d->plan.domain || !t->tried)
		return;
	put_policy(d, g, &text);
	struct session_count *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->policy = g->policy;
	s->result = t->failed ? t->result : TLSRPT_OK;
	s->times = 1;
	s->domain = strdup(d->plan.domain);
	s->text = strdup(buf_z(&text));
	s->host = strdup(host);
	if (!s->domain || !s->text || !s->host)
		abort();
	if (ip)
		(void)dns_ip_text(ip, s->ip);
	snprintf(s->helo, sizeof s->helo, "%s", t->helo);
	snprintf(s->reason, sizeof s->reason, "%s", t->failed ? t->reason : "");
	add(d->relay, s);
}

struct session_count *trials_take(struct relay *r, size_t most)
{
	pthread_mutex_lock(&r->trials.lock);
	struct session_count *first = r->trials.first, **at = &r->trials.first;
	for (size_t i = 0; i < most && *at; i++) {
		at = &(*at)->next;
		r->trials.n--;
	}
	r->trials.first = *at;
	if (first)
		*at = NULL;
	pthread_mutex_unlock(&r->trials.lock);
	return first;
}
