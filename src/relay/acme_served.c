/*
 * Names in mail domains that clients and other servers look for over HTTPS. One that the DNS leads to this server, to an
 * address that its hostname has, gets a certificate: for any other the question would go elsewhere and the order fail.
 */
#include "relay/acme_inner.h"

static const char *const prefixes[] = {"mta-sts", "autoconfig", "autodiscover"};

static bool leads_here(struct dns *dns, struct slice name, const struct dns_ip_list *here)
{
	ARENA_LOCAL(a, 1 << 20);
	struct dns_ip_list list;
	dns_ips(dns, name, &a, &list);
	for (size_t i = 0; i < list.n; i++)
		for (size_t j = 0; j < here->n; j++)
			if (list.ip[i].family == here->ip[j].family &&
			    memcmp(list.ip[i].octets, here->ip[j].octets, sizeof list.ip[i].octets) == 0)
				return true;
	return false;
}

/* NULL: none of them leads here. */
static Sekisho__AcmeServed *names_in(
    struct dns *dns, char *domain, const struct dns_ip_list *here, struct arena *a)
{
	Sekisho__AcmeServed *one = arena_new(a, Sekisho__AcmeServed);
	if (!one)
		return NULL;
	*one = (Sekisho__AcmeServed)SEKISHO__ACME_SERVED__INIT;
	one->domain = domain;
	one->names = arena_array(a, COUNT(prefixes), sizeof *one->names);
	for (size_t i = 0; one->names && i < COUNT(prefixes); i++) {
		char *name = arena_printf(a, "%s.%s", prefixes[i], domain);
		if (name && leads_here(dns, slice_str(name), here))
			one->names[one->n_names++] = name;
	}
	return one->n_names ? one : NULL;
}

enum result relay_acme_served(const struct acme_settings *s, struct arena *a, Sekisho__AcmeNextAsk *out)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__DomainsAnswer *answer;
	struct dns_ip_list here;
	if (!s->domains)
		return OK;
	struct ipc *c = ipc_thread(s->store);
	if (!c || ipc_call(c, ASK_STORE_DOMAINS, &ask, NULL, a, &answer, NULL) != OK)
		return LATER;
	if (!answer->n_names)
		return LATER;
	dns_ips(s->dns, slice_str(s->hostname), a, &here);
	out->served = here.n ? arena_array(a, MAX(answer->n_names, 1), sizeof *out->served) : NULL;
	for (size_t i = 0; out->served && i < answer->n_names; i++) {
		Sekisho__AcmeServed *one = names_in(s->dns, answer->names[i], &here, a);
		if (one)
			out->served[out->n_served++] = one;
	}
	return OK;
}
