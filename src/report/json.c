/* json: reports for people and tests. */
#include "report/inner.h"
#include <jansson.h>

static json_t *time_json(int64_t s)
{
	return json_integer((json_int_t)s * SECOND_MS);
}

static json_t *texts_json(char *const *list, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, json_string(list[i]));
	return out;
}

static const char *disposition_name(Sekisho__TrustDmarc__Policy p)
{
	return p == SEKISHO__TRUST_DMARC__POLICY__REJECT       ? "reject"
	       : p == SEKISHO__TRUST_DMARC__POLICY__QUARANTINE ? "quarantine"
							       : "none";
}

static json_t *source_json(const Sekisho__DmarcSource *s)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:b,s:b,s:s,s:s,s:{s:s,s:s},s:{s:s,s:s,s:s}}", "ip", s->ip,
	    "host", s->host, "organisation", s->organisation, "header_from", s->header_from, "envelope_from",
	    s->envelope_from, "messages", (json_int_t)s->messages, "spf_aligned", s->spf_aligned,
	    "dkim_aligned", s->dkim_aligned, "disposition", disposition_name(s->disposition), "reason",
	    s->reason, "spf", "domain", s->spf_domain, "result", s->spf_result, "dkim", "domain",
	    s->dkim_domain, "selector", s->dkim_selector, "result", s->dkim_result);
}

static json_t *dmarc_json(const Sekisho__DmarcReport *d)
{
	json_t *sources = json_array();
	for (size_t i = 0; i < d->n_sources; i++)
		json_array_append_new(sources, source_json(d->sources[i]));
	json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:s,s:s,s:s}", "org", d->org, "email", d->email,
	    "contact", d->contact, "id", d->id, "begin_ms", time_json(d->begin_s), "end_ms",
	    time_json(d->end_s), "generator", d->generator, "error", d->error, "domain", d->domain);
	json_object_set_new(out, "policy",
	    json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "p", d->p, "sp", d->sp, "np", d->np, "adkim",
		d->adkim, "aspf", d->aspf, "fo", d->fo, "testing", d->testing, "discovery", d->discovery));
	json_object_set_new(out, "rows", json_integer((json_int_t)d->rows));
	json_object_set_new(out, "bad_rows", json_integer((json_int_t)d->bad_rows));
	json_object_set_new(out, "messages", json_integer((json_int_t)d->messages));
	json_object_set_new(out, "aligned", json_integer((json_int_t)d->aligned));
	json_object_set_new(out, "cut", json_boolean(d->cut));
	json_object_set_new(out, "sources", sources);
	return out;
}

static json_t *policy_json(const Sekisho__TlsPolicy *p)
{
	json_t *failures = json_array();
	for (size_t i = 0; i < p->n_failures; i++) {
		const Sekisho__TlsFailure *f = p->failures[i];
		json_array_append_new(failures,
		    json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s}", "result", f->result, "sending_ip",
			f->sending_ip, "host", f->mx, "helo", f->helo, "ip", f->receiving_ip, "sessions",
			(json_int_t)f->sessions, "more", f->more, "reason", f->reason));
	}
	return json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:o}", "type", p->type, "domain", p->domain, "text",
	    texts_json(p->text, p->n_text), "mx", texts_json(p->mx, p->n_mx), "good", (json_int_t)p->good,
	    "bad", (json_int_t)p->bad, "failures", failures);
}

static json_t *tls_json(const Sekisho__TlsReport *t)
{
	json_t *policies = json_array();
	for (size_t i = 0; i < t->n_policies; i++)
		json_array_append_new(policies, policy_json(t->policies[i]));
	return json_pack("{s:s,s:s,s:s,s:o,s:o,s:b,s:o}", "org", t->org, "contact", t->contact, "id", t->id,
	    "begin_ms", time_json(t->begin_s), "end_ms", time_json(t->end_s), "cut", t->cut, "policies",
	    policies);
}

static json_t *failure_json(const Sekisho__FailureReport *f)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "kind", f->kind, "agent", f->agent,
	    "domain", f->domain, "source_ip", f->source_ip, "failure", f->failure, "outcome", f->outcome,
	    "arrived", f->arrived, "dkim_domain", f->dkim_domain, "dkim_selector", f->dkim_selector,
	    "incidents", (json_int_t)f->incidents);
}

struct json_t *report_json(const Sekisho__Report *r)
{
	static const char *const kinds[] = {"none", "dmarc", "tls", "failure"};
	json_t *out = json_pack("{s:s,s:I}", "kind",
	    (unsigned)r->kind < COUNT(kinds) ? kinds[r->kind] : "none", "octets", (json_int_t)r->octets);
	if (r->kind == SEKISHO__REPORT__KIND__NONE)
		json_object_set_new(out, "why",
		    json_string(*r->why ? r->why : "there is nothing in it that looks like a report"));
	if (r->dmarc && r->kind == SEKISHO__REPORT__KIND__DMARC)
		json_object_set_new(out, "dmarc", dmarc_json(r->dmarc));
	if (r->tls && r->kind == SEKISHO__REPORT__KIND__TLS)
		json_object_set_new(out, "tls", tls_json(r->tls));
	if (r->failure && r->kind == SEKISHO__REPORT__KIND__FAILURE)
		json_object_set_new(out, "failure", failure_json(r->failure));
	return out;
}
