/* tls_read: TLS reports, RFC 8460 4.4. */
#include "report/inner.h"
#include "mail/date.h"
#include <jansson.h>

#define POLICIES_MOST ((size_t)100)
#define FAILURES_MOST ((size_t)1000) /* of all policies */
#define LINES_MOST ((size_t)100)
#define SESSIONS_MOST ((uint64_t)1 << 40)

struct reader {
	struct arena *arena;
	Sekisho__TlsReport *report;
	size_t failures;
};

static char *text_of(struct reader *r, const json_t *in, const char *key)
{
	const char *z = json_string_value(json_object_get(in, key));
	return report_text(slice_str(z), r->arena);
}

static uint64_t count_of(const json_t *in, const char *key)
{
	const json_t *v = json_object_get(in, key);
	json_int_t n = json_is_real(v) ? (json_int_t)MIN(json_real_value(v), (double)SESSIONS_MOST)
				       : json_integer_value(v);
	return n > 0 ? MIN((uint64_t)n, SESSIONS_MOST) : 0;
}

/* "2016-04-01T00:00:00Z", as seconds; 0: it is none. The zone is taken for UTC: days are what counts. */
static int64_t time_of(const json_t *in, const char *key)
{
	struct slice s = slice_str(json_string_value(json_object_get(in, key)));
	static const size_t at[] = {0, 5, 8, 11, 14, 17}, n[] = {4, 2, 2, 2, 2, 2};
	uint32_t v[6];
	for (size_t i = 0; i < COUNT(at); i++)
		if (num_u32(slice_sub(s, at[i], n[i]), 9999, &v[i]) != OK)
			return 0;
	struct tm t = {.tm_year = (int)v[0] - 1900,
	    .tm_mon = (int)v[1] - 1,
	    .tm_mday = (int)v[2],
	    .tm_hour = (int)v[3],
	    .tm_min = (int)v[4],
	    .tm_sec = (int)v[5]};
	return v[1] >= 1 && v[1] <= 12 && v[2] >= 1 && v[2] <= 31 ? timegm(&t) : 0;
}

/* A list of texts, or one text. */
static char **texts_of(struct reader *r, const json_t *in, const char *key, size_t *n_out)
{
	const json_t *v = json_object_get(in, key);
	size_t n = json_is_array(v) ? MIN(json_array_size(v), LINES_MOST) : json_is_string(v);
	char **out = arena_array(r->arena, n + 1, sizeof *out);
	*n_out = 0;
	for (size_t i = 0; out && i < n; i++) {
		const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
		char *text = report_text(slice_str(json_string_value(one)), r->arena);
		if (text)
			out[(*n_out)++] = text;
	}
	return out;
}

static Sekisho__TlsFailure *read_failure(struct reader *r, const json_t *in)
{
	Sekisho__TlsFailure *f = arena_new(r->arena, Sekisho__TlsFailure);
	if (!f)
		return NULL;
	sekisho__tls_failure__init(f);
	f->result = text_of(r, in, "result-type");
	f->sending_ip = text_of(r, in, "sending-mta-ip");
	f->mx = text_of(r, in, "receiving-mx-hostname");
	f->helo = text_of(r, in, "receiving-mx-helo");
	f->receiving_ip = text_of(r, in, "receiving-ip");
	f->sessions = count_of(in, "failed-session-count");
	f->more = text_of(r, in, "additional-information");
	f->reason = text_of(r, in, "failure-reason-code");
	return f;
}

static void read_failures(struct reader *r, const json_t *in, Sekisho__TlsPolicy *p)
{
	size_t n = MIN(json_array_size(in), FAILURES_MOST - r->failures);
	r->report->cut |= json_array_size(in) > n;
	p->failures = arena_array(r->arena, n + 1, sizeof *p->failures);
	for (size_t i = 0; p->failures && i < n; i++) {
		p->failures[p->n_failures] = read_failure(r, json_array_get(in, i));
		p->n_failures += p->failures[p->n_failures] != NULL;
	}
	r->failures += n;
}

static Sekisho__TlsPolicy *read_policy(struct reader *r, const json_t *in)
{
	Sekisho__TlsPolicy *p = arena_new(r->arena, Sekisho__TlsPolicy);
	const json_t *policy = json_object_get(in, "policy"), *sum = json_object_get(in, "summary");
	if (!p)
		return NULL;
	sekisho__tls_policy__init(p);
	p->type = text_of(r, policy, "policy-type");
	p->domain =
	    report_domain(slice_str(json_string_value(json_object_get(policy, "policy-domain"))), r->arena);
	p->text = texts_of(r, policy, "policy-string", &p->n_text);
	p->mx = texts_of(r, policy, "mx-host", &p->n_mx);
	p->good = count_of(sum, "total-successful-session-count");
	p->bad = count_of(sum, "total-failure-session-count");
	read_failures(r, json_object_get(in, "failure-details"), p);
	return p;
}

static void read_policies(struct reader *r, const json_t *in)
{
	Sekisho__TlsReport *t = r->report;
	size_t n = MIN(json_array_size(in), POLICIES_MOST);
	t->cut |= json_array_size(in) > n;
	t->policies = arena_array(r->arena, n + 1, sizeof *t->policies);
	for (size_t i = 0; t->policies && i < n; i++) {
		t->policies[t->n_policies] = read_policy(r, json_array_get(in, i));
		t->n_policies += t->policies[t->n_policies] != NULL;
	}
}

static enum result read_report(struct reader *r, const json_t *in, const char **why)
{
	Sekisho__TlsReport *t = r->report;
	const json_t *range = json_object_get(in, "date-range");
	t->org = text_of(r, in, "organization-name");
	t->contact = text_of(r, in, "contact-info");
	t->id = text_of(r, in, "report-id");
	t->begin_s = time_of(range, "start-datetime");
	t->end_s = time_of(range, "end-datetime");
	read_policies(r, json_object_get(in, "policies"));
	if (arena_full(r->arena))
		return FULL;
	*why = !t->n_policies                             ? "the JSON is no TLS report"
	       : t->begin_s <= 0 || t->end_s < t->begin_s ? "the report does not say of which time it is"
							  : NULL;
	return *why ? BAD : OK;
}

enum result tls_report_read(struct slice json, struct arena *a, Sekisho__TlsReport **out, const char **why)
{
	struct reader r = {.arena = a, .report = arena_new(a, Sekisho__TlsReport)};
	if (!r.report)
		return FULL;
	sekisho__tls_report__init(r.report);
	json_t *in = json_loadb(json.p, json.n, JSON_DISABLE_EOF_CHECK, NULL);
	if (!json_is_object(in)) {
		json_decref(in);
		*why = "the JSON is malformed";
		return BAD;
	}
	enum result done = read_report(&r, in, why);
	json_decref(in);
	*out = r.report;
	return done;
}
