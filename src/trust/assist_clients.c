/* What mail programs look for: RFC 6186, RFC 8314 5, RFC 5804 1.8, and the names that Thunderbird and Outlook ask at. */
#include "assist_inner.h"

static void check_service(struct assist *a, const Sekisho__AssistService *s)
{
	struct dns_answer answer;
	const char *value = arena_printf(a->arena, "0 1 %u %s.", s->port, a->self->host);
	Sekisho__AssistRecord *r = assist_want(a, "clients", assist_below(a, s->name), DNS_SRV, value);
	bool ours = false;
	r->optional = true;
	if (!assist_look(a, r, &answer))
		return;
	for (size_t i = 0; i < answer.n; i++) {
		struct slice d = answer.rdata[i], rest = slice_sub(d, 6, d.n);
		const char *host = d.n > 6 ? dns_name_read(&rest, a->arena) : NULL;
		unsigned port = d.n > 6 ? (unsigned)(unsigned char)d.p[4] << 8 | (unsigned char)d.p[5] : 0;
		ours = ours || (host && port == s->port && assist_same_name(slice_str(host), a->host));
	}
	if (!answer.n)
		ASSIST_SAY(a, SRV_MISSING, r, .name = r->name);
	else if (!ours && r->n_seen)
		ASSIST_SAY(a, SRV_OTHER, r, .name = r->name, .seen = r->seen[0]);
}

static void check_name(struct assist *a, const char *label)
{
	struct dns_answer answer;
	const char *seen;
	Sekisho__AssistRecord *r =
	    assist_want(a, "clients", assist_below(a, label), DNS_CNAME, assist_dotted(a, a->self->host));
	r->optional = true;
	if (!assist_look(a, r, &answer) || assist_leads_here(a, r->name, &seen))
		return;
	if (seen == r->name)
		ASSIST_SAY(a, AUTO_MISSING, r, .name = r->name);
	else
		ASSIST_SAY(a, AUTO_OTHER, r, .name = r->name, .seen = seen);
}

void assist_clients(struct assist *a)
{
	for (size_t i = 0; i < a->self->n_services; i++)
		check_service(a, a->self->services[i]);
	check_name(a, "autoconfig");
	check_name(a, "autodiscover");
}
