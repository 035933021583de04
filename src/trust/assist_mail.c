/* Where mail comes in, and under which names this server goes. */
#include "assist_inner.h"
#include <arpa/inet.h>

/* ---- MX ---- */

static const char *mx_host(struct assist *a, struct slice rdata)
{
	struct slice rest = slice_sub(rdata, 2, rdata.n);
	const char *host = rdata.n < 3 ? NULL : dns_name_read(&rest, a->arena);
	return host;
}

static bool is_cname(struct assist *a, const char *host)
{
	struct dns_answer answer;
	return assist_ask(a, host, DNS_CNAME, &answer) && answer.status == DNS_FOUND;
}

/* What is wrong with one host that the domain names; true: it is this server. */
static bool check_exchanger(struct assist *a, Sekisho__AssistRecord *r, const char *host)
{
	struct dns_ip ip;
	struct dns_ip_list list;
	const char *where;
	if (dns_ip_read(slice_str(host), &ip) == OK) {
		ASSIST_SAY(a, MX_IP, r, .seen = host, .want = r->value);
		return false;
	}
	if (is_cname(a, host)) {
		ASSIST_SAY(a, MX_CNAME, r, .seen = host, .want = a->self->host);
		return assist_leads_here(a, host, &where);
	}
	dns_ips(&a->dns.dns, slice_str(host), a->arena, &list);
	if (!list.n && !dns_is_temporary(list.status))
		ASSIST_SAY(a, MX_NO_ADDRESS, r, .seen = host);
	return assist_leads_here(a, host, &where);
}

static void check_exchangers(struct assist *a, Sekisho__AssistRecord *r, const struct dns_answer *answer)
{
	const char *other = NULL;
	bool ours = false, null = false;
	for (size_t i = 0; i < answer->n; i++) {
		const char *host = mx_host(a, answer->rdata[i]);
		if (!host)
			continue;
		if (!*host)
			null = true;
		else if (check_exchanger(a, r, host))
			ours = true;
		else
			other = host;
	}
	if (null && answer->n > 1)
		ASSIST_SAY(a, MX_NULL_MIXED, r, .name = r->name);
	else if (null)
		ASSIST_SAY(a, MX_NULL, r, .name = r->name);
	else if (other && !ours)
		ASSIST_SAY(a, MX_NOT_OURS, r, .name = r->name, .seen = other);
	else if (other)
		ASSIST_SAY(a, MX_OTHERS, r, .name = r->name, .seen = other);
}

/* RFC 7505: nobody should even try. */
static void want_null(struct assist *a)
{
	struct dns_answer answer;
	Sekisho__AssistRecord *r = assist_want(a, "mx", a->self->domain, DNS_MX, "0 .");
	if (!assist_look(a, r, &answer))
		return;
	const char *host = answer.n ? mx_host(a, answer.rdata[0]) : NULL;
	r->optional = true;
	r->state =
	    answer.n == 1 && host && !*host ? SEKISHO__ASSIST_STATE__FINE : SEKISHO__ASSIST_STATE__HINT;
}

void assist_mx(struct assist *a)
{
	struct dns_answer answer;
	if (a->self->silent) {
		want_null(a);
		return;
	}
	Sekisho__AssistRecord *r =
	    assist_want(a, "mx", a->self->domain, DNS_MX, arena_printf(a->arena, "10 %s.", a->self->host));
	if (!assist_look(a, r, &answer))
		return;
	if (answer.n)
		check_exchangers(a, r, &answer);
	else
		ASSIST_SAY(a, MX_MISSING, r, .name = r->name);
}

/* ---- the host's addresses ---- */

static bool is_private(const struct dns_ip *ip)
{
	const unsigned char *o = ip->octets;
	if (ip->family == AF_INET)
		return o[0] == 10 || o[0] == 127 || o[0] == 0 || (o[0] == 172 && o[1] >= 16 && o[1] < 32) ||
		       (o[0] == 192 && o[1] == 168) || (o[0] == 169 && o[1] == 254) ||
		       (o[0] == 100 && o[1] >= 64 && o[1] < 128);
	bool local = (o[0] & 0xfe) == 0xfc || (o[0] == 0xfe && (o[1] & 0xc0) == 0x80);
	static const unsigned char loopback[16] = {[15] = 1};
	return local || memcmp(o, loopback, 16) == 0;
}

static const char *ip_text(struct assist *a, const struct dns_ip *ip)
{
	char text[DNS_IP_TEXT];
	return arena_z(a->arena, slice_str(dns_ip_text(ip, text)));
}

/* Every address that the DNS gives is one of ours and can be reached. */
static void check_addresses(struct assist *a, Sekisho__AssistRecord *r, const struct dns_ip_list *list)
{
	const char *want = a->n_ip ? ip_text(a, &a->ip[0]) : "";
	for (size_t i = 0; i < list->n; i++)
		if (is_private(&list->ip[i]) && !assist_is_ours(a, &list->ip[i]))
			ASSIST_SAY(
			    a, HOST_PRIVATE, r, .name = a->self->host, .seen = ip_text(a, &list->ip[i]));
		else if (!assist_is_ours(a, &list->ip[i]))
			ASSIST_SAY(a, HOST_OTHER, r, .name = a->self->host, .seen = ip_text(a, &list->ip[i]),
			    .want = want);
}

static bool has(const struct dns_ip_list *list, const struct dns_ip *ip)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->ip[i].family == ip->family && memcmp(list->ip[i].octets, ip->octets, 16) == 0)
			return true;
	return false;
}

static Sekisho__AssistRecord *want_address(struct assist *a, const struct dns_ip *ip)
{
	return assist_want(
	    a, "host", a->self->host, ip->family == AF_INET ? DNS_A : DNS_AAAA, ip_text(a, ip));
}

/* One record for each of the addresses that were configured. */
static void check_configured(struct assist *a, const struct dns_ip_list *list)
{
	Sekisho__AssistRecord *first = NULL;
	for (size_t i = 0; i < a->n_ip; i++) {
		struct dns_answer answer;
		Sekisho__AssistRecord *r = want_address(a, &a->ip[i]);
		first = first ? first : r;
		if (!assist_look(a, r, &answer) || !list->n)
			continue;
		if (!has(list, &a->ip[i]))
			ASSIST_SAY(a, HOST_LACKS, r, .name = a->self->host, .want = r->value);
	}
	if (!list->n)
		ASSIST_SAY(a, HOST_MISSING, first, .name = a->self->host);
	check_addresses(a, first, list);
}

/* None is configured: those that the DNS gives are taken for ours, unless they cannot be. */
static void take_given(struct assist *a, const struct dns_ip_list *list)
{
	Sekisho__AssistRecord *r = NULL;
	if (!list->n)
		ASSIST_SAY(a, HOST_MISSING, NULL, .name = a->self->host);
	struct dns_ip *ip = arena_array(a->arena, list->n + 1, sizeof *ip);
	for (size_t i = 0; ip && i < list->n; i++) {
		struct dns_answer answer;
		if (is_private(&list->ip[i])) {
			ASSIST_SAY(
			    a, HOST_PRIVATE, NULL, .name = a->self->host, .seen = ip_text(a, &list->ip[i]));
			continue;
		}
		r = want_address(a, &list->ip[i]);
		if (assist_look(a, r, &answer))
			ip[a->n_ip++] = list->ip[i];
	}
	a->ip = ip ? ip : a->ip;
}

static bool has_family(const struct dns_ip_list *list, int family)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->ip[i].family == family)
			return true;
	return false;
}

void assist_host(struct assist *a)
{
	struct dns_ip_list list;
	struct dns_answer alias;
	if (slice_find(a->host, '.') < 0) {
		ASSIST_SAY(a, HOST_NOT_WHOLE, NULL, .name = a->self->host, .seen = a->self->host,
		    .want = a->self->domain);
		return;
	}
	if (assist_ask(a, a->self->host, DNS_CNAME, &alias) && alias.n)
		ASSIST_SAY(a, HOST_CNAME, NULL, .name = a->self->host,
		    .seen = trust_rdata_text(DNS_CNAME, alias.rdata[0], a->arena));
	dns_ips(&a->dns.dns, a->host, a->arena, &list);
	if (dns_is_temporary(list.status)) {
		ASSIST_SAY(a, UNANSWERED, NULL, .name = a->self->host, .seen = dns_status_name(list.status));
		return;
	}
	if (a->n_ip)
		check_configured(a, &list);
	else
		take_given(a, &list);
	if (has_family(&list, AF_INET6) && !has_family(&list, AF_INET))
		ASSIST_SAY(a, HOST_NO_IPV4, NULL, .name = a->self->host);
	else if (list.n && !has_family(&list, AF_INET6))
		ASSIST_SAY(a, HOST_NO_AAAA, NULL, .name = a->self->host);
}

/* ---- reverse names: RFC 8501, RFC 1912 2.1 ---- */

static bool leads_back(struct assist *a, const char *name, const struct dns_ip *ip)
{
	struct dns_ip_list list;
	dns_ips(&a->dns.dns, slice_str(name), a->arena, &list);
	return has(&list, ip) || dns_is_temporary(list.status);
}

static void check_reverse(struct assist *a, const struct dns_ip *ip)
{
	struct dns_answer answer;
	BUF_LOCAL(reverse, 128);
	dns_ip_reverse(ip, &reverse);
	Sekisho__AssistRecord *r = assist_want(
	    a, "ptr", arena_z(a->arena, buf_slice(&reverse)), DNS_PTR, assist_dotted(a, a->self->host));
	if (!assist_look(a, r, &answer))
		return;
	const char *first = NULL, *ours = NULL;
	for (size_t i = 0; i < answer.n; i++) {
		struct slice rest = answer.rdata[i];
		const char *name = dns_name_read(&rest, a->arena);
		first = first ? first : name;
		if (name && assist_same_name(slice_str(name), a->host))
			ours = name;
	}
	if (!first)
		ASSIST_SAY(a, PTR_MISSING, r, .name = r->name, .seen = ip_text(a, ip), .want = a->self->host);
	else if (!leads_back(a, ours ? ours : first, ip))
		ASSIST_SAY(a, PTR_UNCONFIRMED, r, .name = r->name, .seen = ours ? ours : first,
		    .want = a->self->host);
	else if (!ours)
		ASSIST_SAY(a, PTR_OTHER, r, .name = r->name, .seen = first, .want = a->self->host);
	else if (answer.n > 1)
		ASSIST_SAY(a, PTR_MANY, r, .name = r->name, .n = answer.n, .want = a->self->host);
}

void assist_ptr(struct assist *a)
{
	for (size_t i = 0; i < a->n_ip; i++)
		check_reverse(a, &a->ip[i]);
}
