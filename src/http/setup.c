#include "setup.h"

#define SIGNED_MOST 262144

/* ---- is the domain ours? ---- */

/* The store's answer, in the request's arena; NULL: refused, and p says why. */
static const Sekisho__SetupAnswer *find(struct http_request *q, struct http_response *p, struct slice domain)
{
	const struct http_setup *s = q->service->setup;
	Sekisho__SetupAsk ask = SEKISHO__SETUP_ASK__INIT;
	Sekisho__SetupAnswer *answer = NULL;
	struct ipc *c = s ? ipc_thread(s->store) : NULL;
	if (!s || !domain.n || domain.n > LIMIT_DNS_NAME || !slice_is_utf8(domain)) {
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
		return NULL;
	}
	ask.domain = arena_z(q->arena, domain);
	if (!c || !ask.domain || ipc_call(c, ASK_STORE_SETUP, &ask, NULL, q->arena, &answer, NULL) != OK) {
		http_refuse(p, HTTP_STATUS_UNAVAILABLE, NULL);
		return NULL;
	}
	if (!answer->ours) {
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
		return NULL;
	}
	return answer;
}

/* The value of the first parameter of that name (any case). */
static struct slice parameter(const struct http_request *q, struct slice want)
{
	struct slice name, value;
	for (struct http_query it = http_query_of(q); http_query_next(&it, &name, &value);)
		if (slice_ieq(name, want))
			return value;
	return SLICE_NONE;
}

/* ---- the handlers ---- */

void setup_get_autoconfig(struct http_request *q, struct http_response *p)
{
	struct slice address = parameter(q, SLICE("emailaddress"));
	struct slice domain = setup_domain_of(address);
	const Sekisho__SetupAnswer *found =
	    find(q, p, domain.n ? domain : setup_domain_at(q->host, "autoconfig."));
	if (!found)
		return;
	struct setup_for f = {q->service->setup, found->domain, address};
	p->type = "text/xml; charset=utf-8";
	setup_put_autoconfig(&p->body, &f);
}

void setup_post_autodiscover(struct http_request *q, struct http_response *p)
{
	struct slice address;
	if (setup_read_autodiscover(q->body, q->arena, &address) != OK) {
		http_refuse(p, HTTP_STATUS_BAD_REQUEST, "an EMailAddress is asked for");
		return;
	}
	const Sekisho__SetupAnswer *found = find(q, p, setup_domain_of(address));
	if (!found)
		return;
	struct setup_for f = {q->service->setup, found->domain, address};
	p->type = "text/xml; charset=utf-8";
	setup_put_autodiscover(&p->body, &f);
}

/* Version 2 tells only where the answer in XML is. */
void setup_get_autodiscover_json(struct http_request *q, struct http_response *p)
{
	struct slice address = http_param(q, SLICE("address"));
	if (!address.n)
		address = parameter(q, SLICE("email"));
	if (!find(q, p, setup_domain_of(address)))
		return;
	p->type = "application/json";
	if (!slice_ieq(parameter(q, SLICE("protocol")), SLICE("autodiscoverv1"))) {
		p->status = HTTP_STATUS_BAD_REQUEST;
		buf_puts(&p->body, "{\"ErrorCode\":\"InvalidProtocol\",\"ErrorMessage\":\"The supported "
				   "protocol is 'AutodiscoverV1'.\"}\n");
		return;
	}
	const struct http_setup *s = q->service->setup;
	BUF_LOCAL(url, 1024);
	buf_printf(&url, "https://%s", s->hostname);
	if (s->https != 443)
		buf_printf(&url, ":%u", s->https);
	buf_puts(&url, "/autodiscover/autodiscover.xml");
	buf_puts(&p->body, "{\"Protocol\":\"AutodiscoverV1\",\"Url\":");
	http_put_json(&p->body, buf_slice(&url));
	buf_puts(&p->body, "}\n");
}

void setup_get_mobileconfig(struct http_request *q, struct http_response *p)
{
	struct slice address = parameter(q, SLICE("emailaddress"));
	const Sekisho__SetupAnswer *found = find(q, p, setup_domain_of(address));
	if (!found)
		return;
	const struct http_setup *s = q->service->setup;
	struct setup_for f = {s, found->domain, address};
	BUF_LOCAL(profile, SIGNED_MOST);
	setup_put_mobileconfig(&profile, &f);
	p->type = "application/x-apple-aspen-config";
	http_put_header(p, "Content-Disposition", SLICE("attachment; filename=\"mail.mobileconfig\""));
	/* Without a signature the device asks its owner once more, that is all. */
	if (!s->sign || !s->sign(s->sign_context, buf_slice(&profile), &p->body)) {
		buf_clear(&p->body);
		buf_put(&p->body, buf_slice(&profile));
	}
}

/* RFC 8461 3.2, 3.3: at mta-sts.DOMAIN only. */
void setup_get_sts(struct http_request *q, struct http_response *p)
{
	if (!slice_istarts(q->host, SLICE("mta-sts."))) {
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
		return;
	}
	const Sekisho__SetupAnswer *found = find(q, p, setup_domain_at(q->host, "mta-sts."));
	if (found && !*found->sts_policy)
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
	if (!found || !*found->sts_policy)
		return;
	p->type = "text/plain; charset=utf-8";
	buf_puts(&p->body, found->sts_policy);
}
