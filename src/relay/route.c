/* Whom a domain's mail goes to: configured routes, address literals, MX records (RFC 5321 5.1, RFC 7505). */
#include "relay/inner.h"
#include "https/https.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <netinet/in.h>

static const struct relay_route *route_of(const struct relay_settings *s, struct slice domain)
{
	for (size_t i = 0; i < s->routes_n; i++)
		if (!s->routes[i].domain || slice_ieq(slice_str(s->routes[i].domain), domain))
			return &s->routes[i];
	return NULL;
}

void route_key(const struct relay_settings *s, struct slice domain, struct buf *out)
{
	const struct relay_route *r = route_of(s, domain);
	if (r)
		buf_printf(out, "route:%s:%u", r->host, r->port);
	else
		buf_put(out, domain);
}

static bool is_us(const struct relay_settings *s, const char *host)
{
	if (strcasecmp(host, s->hostname) == 0)
		return true;
	for (size_t i = 0; i < s->self_n; i++)
		if (strcasecmp(host, s->self[i]) == 0)
			return true;
	return false;
}

static void add_target(const struct relay_settings *s, struct plan *p, const char *host)
{
	p->targets[p->n++] = (struct target){.host = host, .port = s->port ? s->port : 25, .tls = s->tls};
}

static enum result plan_route(const struct relay_route *r, struct arena *a, struct plan *out)
{
	out->targets = arena_new(a, struct target);
	out->n = 1;
	if (!out->targets)
		return LATER;
	*out->targets = (struct target){.host = r->host,
	    .port = r->port,
	    .implicit_tls = r->implicit_tls,
	    .routed = true,
	    .tls = r->tls,
	    .user = r->user,
	    .password = r->password};
	return OK;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static enum result plan_literal(
    const struct relay_settings *s, struct slice domain, struct arena *a, struct plan *out, struct why *why)
{
	struct slice text = slice_sub(domain, 1, domain.n - 2);
	struct dns_ip ip;
	if (slice_istarts(text, SLICE("IPv6:")))
		text = slice_sub(text, 5, text.n);
	if (domain.p[domain.n - 1] != ']' || dns_ip_read(text, &ip) != OK) {
		why_set(why, true, "5.1.2", "not an address: " SLICE_FMT, SLICE_ARG(domain));
		return DENY;
	}
	out->targets = arena_new(a, struct target);
	const char *host = arena_z(a, text);
	if (!out->targets || !host)
		return LATER;
	add_target(s, out, host);
	return OK;
}

static uint32_t dice(uint32_t most)
{
	uint32_t v;
	if (RAND_bytes((unsigned char *)&v, sizeof v) != 1)
		abort();
	return v % most;
}

/* RFC 5321 5.1: hosts of equal preference in random order. */
static void shuffle_equals(struct dns_mx *mx, size_t n)
{
	for (size_t from = 0; from < n;) {
		size_t to = from + 1;
		while (to < n && mx[to].preference == mx[from].preference)
			to++;
		for (size_t i = to - 1; i > from; i--) {
			size_t j = from + dice((uint32_t)(i - from + 1));
			struct dns_mx swap = mx[i];
			mx[i] = mx[j];
			mx[j] = swap;
		}
		from = to;
	}
}

static enum result plan_mx(const struct relay_settings *s, struct dns_mx_list *mx, struct arena *a,
    struct plan *out, struct why *why)
{
	if (mx->n == 1 && !*mx->mx[0].host) {
		why_set(why, true, "5.1.10", "the domain accepts no mail (null MX, RFC 7505)");
		return DENY;
	}
	/* If we are among them, we and all that are no better are not to be used: mail would come back to us. */
	size_t n = mx->n;
	for (size_t i = 0; i < mx->n; i++) {
		if (!is_us(s, mx->mx[i].host))
			continue;
		for (n = 0; mx->mx[n].preference < mx->mx[i].preference;)
			n++;
		break;
	}
	if (n == 0) {
		why_set(why, true, "5.4.6",
		    "this server is the domain's best MX, and it does not know the domain: a loop");
		return DENY;
	}
	shuffle_equals(mx->mx, n);
	out->targets = arena_array(a, n, sizeof *out->targets);
	out->secure = mx->secure;
	if (!out->targets)
		return LATER;
	for (size_t i = 0; i < n; i++)
		if (*mx->mx[i].host)
			add_target(s, out, mx->mx[i].host);
	return OK;
}

/* No MX: the domain itself (RFC 5321 5.1). */
static enum result plan_implicit(
    const struct relay_settings *s, struct slice domain, struct arena *a, struct plan *out, struct why *why)
{
	const char *host = arena_z(a, domain);
	out->targets = arena_new(a, struct target);
	if (!host || !out->targets)
		return LATER;
	if (is_us(s, host)) {
		why_set(
		    why, true, "5.4.6", "the domain leads to this server, which does not know it: a loop");
		return DENY;
	}
	add_target(s, out, host);
	return OK;
}

static enum result dns_failed(struct why *why, const char *what, struct slice name, enum dns_status status)
{
	why_set(why, false, "4.4.3", "DNS: %s of " SLICE_FMT ": %s", what, SLICE_ARG(name),
	    status == DNS_TIMEOUT ? "no answer in time"
	    : status == DNS_BOGUS ? "DNSSEC says the answer is forged"
				  : "the server failed");
	return LATER;
}

enum result route_plan(
    const struct relay_settings *s, struct slice domain, struct arena *a, struct plan *out, struct why *why)
{
	*out = (struct plan){0};
	why_set(why, false, "4.3.0", "not enough memory");
	const struct relay_route *route = route_of(s, domain);
	if (route)
		return plan_route(route, a, out);
	if (domain.n > 2 && domain.p[0] == '[')
		return plan_literal(s, domain, a, out, why);
	struct slice name;
	if (mail_domain_ascii(domain, a, &name) != OK || !(out->domain = arena_z(a, name))) {
		why_set(why, true, "5.1.2", "not a domain: " SLICE_FMT, SLICE_ARG(domain));
		return DENY;
	}
	struct dns_mx_list mx;
	dns_mx(s->dns, name, a, &mx);
	if (mx.status == DNS_NXDOMAIN) {
		why_set(why, true, "5.1.2", "there is no domain " SLICE_FMT, SLICE_ARG(name));
		return DENY;
	}
	if (mx.status == DNS_FOUND && mx.n)
		return plan_mx(s, &mx, a, out, why);
	out->secure = mx.secure;
	if (mx.status == DNS_FOUND || mx.status == DNS_NODATA)
		return plan_implicit(s, name, a, out, why);
	return dns_failed(why, "the MX", name, mx.status);
}

/* This machine, or nothing at all: never meant by anybody else's DNS. */
static bool is_nowhere(const struct dns_ip *ip)
{
	if (ip->family == AF_INET)
		return ip->octets[0] == 127 || ip->octets[0] == 0 || ip->octets[0] >= 224;
	struct in6_addr a;
	memcpy(&a, ip->octets, sizeof a);
	if (IN6_IS_ADDR_V4MAPPED(&a))
		return ip->octets[12] == 127 || ip->octets[12] == 0 || ip->octets[12] >= 224;
	return IN6_IS_ADDR_LOOPBACK(&a) || IN6_IS_ADDR_UNSPECIFIED(&a) || IN6_IS_ADDR_MULTICAST(&a);
}

bool route_may_reach(const struct relay_settings *s, const struct dns_ip *ip)
{
	return s->loopback || https_address_is_public(ip) || (s->private && !is_nowhere(ip));
}

enum result route_addresses(const struct relay_settings *s, const struct target *t, struct arena *a,
    struct dns_ip_list *out, struct why *why)
{
	struct slice host = slice_str(t->host);
	struct dns_ip literal;
	*out = (struct dns_ip_list){.status = DNS_FOUND, .n = 1, .ip = arena_new(a, struct dns_ip)};
	if (out->ip && dns_ip_read(host, &literal) == OK)
		*out->ip = literal;
	else
		dns_ips(s->dns, host, a, out);
	if (dns_is_temporary(out->status))
		return dns_failed(why, "the address", host, out->status);
	size_t n = 0;
	for (size_t i = 0; i < out->n; i++)
		if (t->routed || route_may_reach(s, &out->ip[i]))
			out->ip[n++] = out->ip[i];
	bool none = out->n == 0;
	out->n = n;
	if (n)
		return OK;
	why_set(why, !t->routed, none ? "5.1.2" : "5.4.4",
	    none ? "the host %s has no address" : "the address of %s is no mail server's", t->host);
	return t->routed ? LATER : DENY;
}
