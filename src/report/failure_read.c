/* failure_read: the fields of message/feedback-report, RFC 5965 and 6591. Only those that tell nothing of people. */
#include "report/inner.h"

struct field {
	struct slice name, value;
};

/* The next field, folded lines joined with what stands between them; false at the end. */
static bool next_field(struct slice *rest, struct field *out)
{
	while (rest->n) {
		struct slice from = *rest;
		size_t n = 0;
		do {
			slice_split(rest, '\n');
			n = from.n - rest->n;
		} while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'));
		out->value = slice_sub(from, 0, n);
		out->name = slice_trim(slice_split(&out->value, ':'));
		out->value = slice_trim(out->value);
		if (out->name.n && out->value.n)
			return true;
	}
	return false;
}

static void take(const struct field *f, struct arena *a, Sekisho__FailureReport *r)
{
	struct slice v = f->value;
	uint64_t n;
	if (slice_ieq(f->name, SLICE("Feedback-Type")))
		r->kind = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("User-Agent")))
		r->agent = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("Reported-Domain")))
		r->domain = report_domain(v, a);
	else if (slice_ieq(f->name, SLICE("Source-IP")))
		r->source_ip = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("Auth-Failure")))
		r->failure = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("Delivery-Result")))
		r->outcome = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("Arrival-Date")))
		r->arrived = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("DKIM-Domain")))
		r->dkim_domain = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("DKIM-Selector")))
		r->dkim_selector = report_text(v, a);
	else if (slice_ieq(f->name, SLICE("Incidents")) && num_u64(v, UINT32_MAX, &n) == OK)
		r->incidents = n;
}

enum result failure_report_read(
    struct slice fields, struct arena *a, Sekisho__FailureReport **out, const char **why)
{
	Sekisho__FailureReport *r = arena_new(a, Sekisho__FailureReport);
	struct field f;
	if (!r)
		return FULL;
	sekisho__failure_report__init(r);
	r->incidents = 1;
	while (next_field(&fields, &f))
		take(&f, a, r);
	if (arena_full(a))
		return FULL;
	*why = !slice_ieq(slice_str(r->kind), SLICE("auth-failure"))
		   ? "the feedback is not about a failed authentication"
	       : !*r->domain ? "the report does not say which domain it is about"
			     : NULL;
	*out = r;
	return *why ? BAD : OK;
}
