/*
 * What TLS towards one host has to be. In this order (RFC 8461 2): what DNSSEC vouches for (DANE, RFC 7672), then the
 * domain's MTA-STS policy, and beside both what the administrator and the message (REQUIRETLS, RFC 8689) want.
 */
#include "relay/inner.h"
#include <stdio.h>

/* ---- what the message and the administrator want ---- */

static enum relay_tls wanted(const struct delivery *d, const struct target *t)
{
	static const enum relay_tls levels[] = {[SEKISHO__JOB__TLS__OPPORTUNISTIC] = RELAY_TLS_MAY,
	    [SEKISHO__JOB__TLS__ENCRYPTED] = RELAY_TLS_MUST,
	    [SEKISHO__JOB__TLS__VERIFIED] = RELAY_TLS_VERIFIED};
	unsigned tls = (unsigned)d->job->msg->tls;
	if (tls == SEKISHO__JOB__TLS__DEFAULT || tls >= COUNT(levels))
		return t->tls;
	return t->routed ? MAX(t->tls, levels[tls]) : levels[tls];
}

/* RFC 8689 4.2.2: a notice about such a message goes on where REQUIRETLS is not known. */
static bool is_notice(const struct delivery *d)
{
	const Sekisho__Addr *sender = d->job->msg->sender;
	return !sender || sender->local.len == 0;
}

static bool requires_tls(const struct delivery *d)
{
	return d->job->msg->require_tls && !is_notice(d);
}

static uint64_t mix(uint64_t h, const char *z)
{
	for (; *z; z++)
		h = (h ^ (unsigned char)*z) * 0x100000001b3u;
	return h;
}

uint64_t guard_need(const struct delivery *d)
{
	const Sekisho__Job *m = d->job->msg;
	uint64_t h = mix(0xcbf29ce484222325u, m->tls_names);
	return (h & ~(uint64_t)0xff) | (uint64_t)(m->tls & 15) << 2 | (uint64_t)requires_tls(d) << 1 |
	       (uint64_t)m->tls_optional;
}

void guard_class(const struct delivery *d, struct buf *out)
{
	const struct plan *p = &d->plan;
	buf_printf(out, "#%llx", (unsigned long long)guard_need(d));
	if (d->sts.found && p->domain)
		buf_printf(out, "#%s", sts_mode_name(d->sts.policy.mode));
	/* With DANE a certificate may be for the domain, so that connections of several are not the same. */
	if (p->domain && p->secure)
		buf_printf(out, "#%s", p->domain);
}

/* ---- DANE ---- */

static bool asks_temporary(enum dns_status s, const char *host, struct why *why)
{
	if (!dns_is_temporary(s))
		return false;
	why_set(why, false, "4.7.5", "the TLSA records of %s cannot be looked up: %s", host,
	    s == DNS_BOGUS ? "DNSSEC says the answer is forged" : dns_status_name(s));
	return true;
}

/* RFC 7672 2.2.2: where an alias leads out of DNSSEC, it may itself be inside of it. */
static bool alias_is_secure(struct delivery *d, const char *host)
{
	struct dns_answer alias;
	dns_ask(d->settings->dns, slice_str(host), DNS_CNAME, &d->arena, &alias);
	return alias.status == DNS_FOUND && alias.secure;
}

/* OK: out has the validated records of the host, n == 0 where there are none, and *base_out says under which name. */
static enum result find_tlsa(struct delivery *d, const struct target *t, const struct dns_ip_list *ips,
    struct dns_tlsa_list *out, const char **base_out, struct why *why)
{
	const char *bases[2];
	size_t n = 0;
	bool alias = ips->canonical && strcasecmp(ips->canonical, t->host) != 0;
	if (ips->secure && alias)
		bases[n++] = ips->canonical;
	if (ips->secure || (alias && alias_is_secure(d, t->host)))
		bases[n++] = t->host;
	*out = (struct dns_tlsa_list){0};
	for (size_t i = 0; i < n; i++) {
		BUF_LOCAL(name, LIMIT_DNS_NAME + 32);
		buf_printf(&name, "_%u._tcp.%s", t->port, bases[i]);
		dns_tlsa(d->settings->dns, buf_slice(&name), &d->arena, out);
		if (asks_temporary(out->status, t->host, why)) {
			struct guard g = {.policy = TLSRPT_TLSA};
			struct trial trial = {.tried = true, .failed = true, .result = TLSRPT_DNSSEC_INVALID};
			if (out->status == DNS_BOGUS)
				trial_count(d, &g, t->host, NULL, &trial);
			return LATER;
		}
		*base_out = bases[i];
		if (out->status == DNS_FOUND && out->secure && out->n)
			return OK;
		out->n = 0;
	}
	return OK;
}

/* OK: g says what follows of the TLSA records; nothing where there are none. */
static enum result guard_by_dane(struct delivery *d, const struct target *t, const struct dns_ip_list *ips,
    struct guard *g, struct why *why)
{
	struct dns_tlsa_list found;
	const char *base = t->host;
	if (!d->plan.secure)
		return OK;
	enum result r = find_tlsa(d, t, ips, &found, &base, why);
	if (r != OK || !found.n)
		return r;
	g->policy = TLSRPT_TLSA;
	g->who = "DANE (RFC 7672)";
	g->tlsa_n = dane_pick(found.tlsa, found.n);
	g->tlsa = found.tlsa;
	g->tls = g->tlsa_n ? RELAY_TLS_DANE : MAX(g->tls, RELAY_TLS_MUST);
	if (!g->tlsa_n)
		return OK;
	g->name = base;
	/* RFC 7672 3.2.2 */
	g->names[g->names_n++] = d->plan.domain;
	if (strcasecmp(base, t->host) != 0)
		g->names[g->names_n++] = t->host;
	return OK;
}

/* ---- MTA-STS ---- */

/* OK: g says what follows of the domain's policy. */
static enum result guard_by_sts(struct delivery *d, const struct target *t, struct guard *g, struct why *why)
{
	const struct sts *s = &d->sts;
	if (!s->found || s->policy.mode == STS_NONE)
		return OK;
	bool named = sts_names(&s->policy, t->host);
	g->policy = TLSRPT_STS;
	g->test = s->policy.mode == STS_TESTING;
	struct trial trial = {.tried = true,
	    .failed = !named,
	    .result = TLSRPT_VALIDATION_FAILURE,
	    .reason = "the policy does not name the host"};
	if (!named)
		trial_count(d, g, t->host, NULL, &trial);
	if (g->test) {
		g->test = named; /* one failure is enough */
		return OK;
	}
	g->who = "MTA-STS (RFC 8461)";
	if (!named) {
		why_set(why, false, "4.7.5", "the MTA-STS policy of %s does not name its MX %s",
		    d->plan.domain, t->host);
		return LATER;
	}
	g->tls = RELAY_TLS_VERIFIED;
	g->names[g->names_n++] = t->host;
	return OK;
}

/* ---- authorities ---- */

static bool is_below(const char *host, const char *domain)
{
	struct slice h = slice_str(host), d = slice_str(domain);
	return slice_ieq(h, d) || (h.n > d.n && slice_iends(h, d) && h.p[h.n - d.n - 1] == '.');
}

/* The administrator's names for a destination. */
static void take_names(struct delivery *d, struct guard *g)
{
	struct slice rest = slice_str(d->job->msg->tls_names);
	while (rest.n && g->names_n < GUARD_NAMES) {
		struct slice name = slice_trim_blank(slice_split(&rest, ' '));
		const char *z = name.n ? arena_z(&d->arena, name) : NULL;
		if (z)
			g->names[g->names_n++] = z;
	}
}

/*
 * A good certificate of a host proves nothing while anybody can say which host it is: it must be named by DNSSEC, by the
 * configuration, by the administrator, or lie in the domain itself (which does not do for REQUIRETLS, RFC 8689 4.2.1).
 */
static enum result guard_by_authorities(
    struct delivery *d, const struct target *t, struct guard *g, struct why *why)
{
	g->names_n = 0;
	take_names(d, g);
	bool own = d->plan.domain && !g->require && is_below(t->host, d->plan.domain);
	if (!g->names_n && (!d->plan.domain || d->plan.secure || own || g->test))
		g->names[g->names_n++] = t->host;
	g->tls = RELAY_TLS_VERIFIED;
	if (g->names_n)
		return OK;
	why_set(why, false, "4.7.5",
	    "%s must be verified, and nobody to trust says that %s is its mail server (no DNSSEC, no "
	    "MTA-STS)",
	    d->plan.domain, t->host);
	return LATER;
}

/* ---- the whole ---- */

static void set_key(struct guard *g)
{
	uint64_t h = mix(mix(0xcbf29ce484222325u, g->name), g->who);
	for (size_t i = 0; i < g->names_n; i++)
		h = mix(h * 31, g->names[i]);
	for (size_t i = 0; i < g->tlsa_n; i++) {
		BUF_LOCAL(text, LIMIT_IPC_PACKET * 3);
		dane_put(&g->tlsa[i], &text);
		h = mix(h * 31, buf_z(&text));
	}
	snprintf(g->key, sizeof g->key, "#%d#%016llx", g->tls, (unsigned long long)h);
}

enum result guard_make(struct delivery *d, const struct target *t, const struct dns_ip_list *ips,
    struct guard *g, struct why *why)
{
	*g = (struct guard){.tls = wanted(d, t), .name = t->host, .require = requires_tls(d)};
	g->who = g->require                 ? "the sender (REQUIRETLS)"
		 : d->job->msg->tls         ? "the administrator's policy"
		 : g->tls >= RELAY_TLS_MUST ? "the configuration"
					    : "";
	enum result r = OK;
	if (d->plan.domain && !d->job->msg->tls_optional)
		r = guard_by_dane(d, t, ips, g, why);
	if (r == OK && d->plan.domain && !g->policy && !d->job->msg->tls_optional)
		r = guard_by_sts(d, t, g, why);
	bool decided = g->tls == RELAY_TLS_DANE || (g->policy == TLSRPT_STS && g->names_n);
	if (r == OK && !decided && (g->tls == RELAY_TLS_VERIFIED || g->require))
		r = guard_by_authorities(d, t, g, why);
	set_key(g);
	return r;
}
