/* tls_write: the JSON of a TLS report, RFC 8460 4.4. */
#include "report/inner.h"
#include <jansson.h>
#include <time.h>

static json_t *text(struct slice s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n);
	return v ? v : json_string("");
}

static json_t *time_text(int64_t s)
{
	char out[32];
	time_t at = (time_t)s;
	struct tm t;
	gmtime_r(&at, &t);
	strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &t);
	return json_string(out);
}

struct json_t *report_tls_begin(const struct report_about *about)
{
	return json_pack("{s:o,s:{s:o,s:o},s:o,s:o,s:[]}", "organization-name", text(about->org),
	    "date-range", "start-datetime", time_text(about->begin_s), "end-datetime",
	    time_text(about->end_s), "contact-info", text(about->email), "report-id", text(about->id),
	    "policies");
}

static void put_lines(json_t *policy, struct slice lines)
{
	json_t *strings = json_array(), *mx = json_array();
	while (lines.n) {
		struct slice line = slice_trim(slice_split(&lines, '\n'));
		if (!line.n)
			continue;
		json_array_append_new(strings, text(line));
		struct slice value = line, name = slice_split(&value, ':');
		if (slice_ieq(slice_trim(name), SLICE("mx")))
			json_array_append_new(mx, text(slice_trim(value)));
	}
	if (json_array_size(strings))
		json_object_set(policy, "policy-string", strings);
	if (json_array_size(mx))
		json_object_set(policy, "mx-host", mx);
	json_decref(strings);
	json_decref(mx);
}

struct json_t *report_tls_policy(struct json_t *report, const struct report_tls_policy *p)
{
	json_t *policy = json_pack("{s:s,s:o}", "policy-type", p->type, "policy-domain", text(p->domain));
	put_lines(policy, p->text);
	json_t *out =
	    json_pack("{s:o,s:{s:I,s:I}}", "policy", policy, "summary", "total-successful-session-count",
		(json_int_t)p->good, "total-failure-session-count", (json_int_t)p->bad);
	json_array_append_new(json_object_get(report, "policies"), out);
	return out;
}

static void set_text(json_t *in, const char *key, struct slice s)
{
	if (s.n)
		json_object_set_new(in, key, text(s));
}

void report_tls_failure(struct json_t *policy, const struct report_tls_failure *f)
{
	json_t *list = json_object_get(policy, "failure-details");
	if (!list) {
		list = json_array();
		json_object_set_new(policy, "failure-details", list);
	}
	json_t *out =
	    json_pack("{s:s,s:I}", "result-type", f->result, "failed-session-count", (json_int_t)f->sessions);
	set_text(out, "receiving-mx-hostname", f->mx);
	set_text(out, "receiving-mx-helo", f->helo);
	set_text(out, "receiving-ip", f->ip);
	set_text(out, "failure-reason-code", f->reason);
	json_array_append_new(list, out);
}
