#include "store/domain/dns_json.h"

const char *dns_state_name(Sekisho__AssistState s)
{
	static const char *const names[] = {"ok", "hint", "unknown", "warning", "missing", "wrong"};
	return (unsigned)s < COUNT(names) ? names[s] : "?";
}

static json_t *texts(char *const *list, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, json_string(list[i]));
	return out;
}

static json_t *record_json(const Sekisho__AssistRecord *r)
{
	json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:b,s:o,s:s}", "subject", r->subject, "state",
	    dns_state_name(r->state), "name", r->name, "host", r->label, "type", r->type, "value", r->value,
	    "ttl", (json_int_t)r->ttl, "optional", r->optional, "seen", texts(r->seen, r->n_seen), "line",
	    r->line);
	if (r->n_parts)
		json_object_set_new(out, "parts", texts(r->parts, r->n_parts));
	return out;
}

static json_t *finding_json(const Sekisho__AssistFinding *f)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "code", f->code, "subject", f->subject,
	    "state", dns_state_name(f->state), "name", f->name, "seen", f->seen, "en", f->en, "en_do",
	    f->en_do, "ja", f->ja, "ja_do", f->ja_do);
}

json_t *lookalike_json(const Sekisho__LookalikeSeen *s)
{
	static const char *const states[] = {"none", "unknown", "registered", "address", "mail"};
	return json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", s->name, "shown", s->shown, "kind", s->kind,
	    "state", (unsigned)s->state < COUNT(states) ? states[s->state] : "unknown", "seen", s->seen);
}

/* ---- by subject, and what providers ask for ---- */

/* The worst that is said of it. False: nothing of that subject was looked at. */
static bool subject_state(
    const Sekisho__AssistAnswer *answer, struct slice subject, Sekisho__AssistState *out)
{
	bool known = false;
	*out = SEKISHO__ASSIST_STATE__FINE;
	for (size_t i = 0; i < answer->n_records; i++)
		known = known || slice_eq(slice_str(answer->records[i]->subject), subject);
	for (size_t i = 0; i < answer->n_findings; i++)
		if (slice_eq(slice_str(answer->findings[i]->subject), subject)) {
			known = true;
			*out = MAX(*out, answer->findings[i]->state);
		}
	return known;
}

static json_t *subjects_json(const Sekisho__AssistAnswer *answer)
{
	static const char *const all[] = {"domain", "mx", "host", "ptr", "spf", "dkim", "dmarc", "mta-sts",
	    "tls-rpt", "tlsa", "clients", "caa", "bimi"};
	json_t *out = json_object();
	Sekisho__AssistState state;
	for (size_t i = 0; i < COUNT(all); i++)
		if (subject_state(answer, slice_str(all[i]), &state))
			json_object_set_new(out, all[i], json_string(dns_state_name(state)));
	return out;
}

static const struct {
	const char *provider, *item, *subjects;
	bool bulk;
	const char *en, *ja;
} rules[] = {
#define X(provider, item, subjects, bulk, en, ja) {provider, item, subjects, bulk, en, ja},
#include "store/domain/dns_rules.def"
#undef X
};

/* The best of the subjects. */
static Sekisho__AssistState rule_state(const Sekisho__AssistAnswer *answer, struct slice subjects)
{
	Sekisho__AssistState best = SEKISHO__ASSIST_STATE__WRONG, state;
	while (subjects.n)
		if (subject_state(answer, slice_split(&subjects, ' '), &state))
			best = MIN(best, state);
	return best;
}

static json_t *rules_json(const Sekisho__AssistAnswer *answer)
{
	json_t *out = json_array();
	for (size_t i = 0; i < COUNT(rules); i++) {
		Sekisho__AssistState state = rule_state(answer, slice_str(rules[i].subjects));
		json_array_append_new(out,
		    json_pack("{s:s,s:s,s:b,s:b,s:s,s:s,s:s}", "provider", rules[i].provider, "item",
			rules[i].item, "bulk", rules[i].bulk, "met", state <= SEKISHO__ASSIST_STATE__HINT,
			"state", dns_state_name(state), "en", rules[i].en, "ja", rules[i].ja));
	}
	return out;
}

json_t *dns_report_json(const char *domain, int64_t checked_ms, const Sekisho__AssistAnswer *answer)
{
	json_t *records = json_array(), *findings = json_array();
	for (size_t i = 0; i < answer->n_records; i++)
		json_array_append_new(records, record_json(answer->records[i]));
	for (size_t i = 0; i < answer->n_findings; i++)
		json_array_append_new(findings, finding_json(answer->findings[i]));
	return json_pack("{s:s,s:s,s:I,s:s,s:b,s:o,s:o,s:o,s:o}", "domain", domain, "state",
	    dns_state_name(answer->worst), "checked_at_ms", (json_int_t)checked_ms, "zone", answer->zone,
	    "dnssec", answer->dnssec, "records", records, "findings", findings, "subjects",
	    subjects_json(answer), "requirements", rules_json(answer));
}
