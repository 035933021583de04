#include "trust/dmarc.h"
#include "trust/name.h"
#include <libpsl.h>

#define WALK_LABELS 8 /* RFC 9989 4.10 */
#define RECORD_STEP 300

/* What stands at _dmarc. of a name; asked for once a message. */
struct found {
	struct found *next;
	struct slice name;
	enum { FOUND_NOTHING, FOUND_RECORD, FOUND_TROUBLE } what;
	struct slice text;
	struct dmarc_record record;
};

struct run {
	const struct dmarc_ask *ask;
	struct dns *dns;
	struct arena *arena;
	struct found *known;
	struct dmarc *out; /* of the author in hand */
	struct dmarc_step *steps, **last_step;
};

/* What a walk from a domain upwards gave. */
struct walk {
	struct slice organisation;
	const struct found *policy; /* of the organisation, or of the public suffix above it; NULL: none */
	bool trouble;               /* a question got no answer */
	bool told;                  /* a record said with psd= where the organisation ends */
};

#define STEP(run, ...)                                                                                       \
	do {                                                                                                 \
		if ((run)->ask->steps)                                                                       \
			step_add(run, arena_printf((run)->arena, __VA_ARGS__));                              \
	} while (0)

static void step_add(struct run *run, const char *text)
{
	struct dmarc_step *s = text ? arena_new(run->arena, struct dmarc_step) : NULL;
	if (!s)
		return;
	s->text = text;
	*run->last_step = s;
	run->last_step = &s->next;
}

/* ---- the public suffix list ---- */

static bool is_public_suffix(struct slice name)
{
	char z[LIMIT_DNS_NAME + 1] = "";
	if (name.n >= sizeof z)
		return false;
	for (size_t i = 0; i < name.n; i++)
		z[i] = ascii_lower(name.p[i]);
	return psl_is_public_suffix(psl_builtin(), z);
}

struct slice dmarc_listed_organisation(struct slice domain)
{
	char z[LIMIT_DNS_NAME + 1] = "";
	if (domain.n == 0 || domain.n >= sizeof z || domain.p[0] == '.' || slice_find(domain, '\0') >= 0)
		return SLICE_NONE;
	for (size_t i = 0; i < domain.n; i++)
		z[i] = ascii_lower(domain.p[i]);
	const char *part = psl_registrable_domain(psl_builtin(), z);
	return part ? slice_sub(domain, (size_t)(part - z), domain.n) : SLICE_NONE;
}

/* ---- records ---- */

static void read_records(struct run *run, struct found *f, const struct dns_text_list *list)
{
	unsigned n = 0;
	for (size_t i = 0; i < list->n; i++) {
		struct dmarc_record record;
		if (dmarc_record_parse(list->text[i], &record) != OK)
			continue;
		f->record = record;
		f->text = list->text[i];
		n++;
	}
	if (n == 1)
		f->what = FOUND_RECORD;
	if (n > 1)
		STEP(run, "_dmarc." SLICE_FMT ": several records, none counts", SLICE_ARG(f->name));
	else if (n)
		STEP(run, "_dmarc." SLICE_FMT ": " SLICE_FMT, SLICE_ARG(f->name),
		    SLICE_ARG(slice_sub(f->text, 0, RECORD_STEP)));
	else
		STEP(run, "_dmarc." SLICE_FMT ": no record", SLICE_ARG(f->name));
}

/* NULL: no memory. */
static const struct found *find(struct run *run, struct slice name)
{
	for (struct found *f = run->known; f; f = f->next)
		if (slice_ieq(f->name, name))
			return f;
	struct found *f = arena_new(run->arena, struct found);
	const char *at = arena_printf(run->arena, "_dmarc." SLICE_FMT, SLICE_ARG(name));
	if (!f || !at)
		return NULL;
	*f = (struct found){.name = name, .next = run->known};
	run->known = f;
	if (!trust_name_ok(slice_str(at)))
		return f;
	struct dns_text_list list;
	dns_txt(run->dns, slice_str(at), run->arena, &list);
	if (dns_is_temporary(list.status)) {
		f->what = FOUND_TROUBLE;
		STEP(run, "%s: the DNS gives no answer (%s)", at, dns_status_name(list.status));
	} else {
		read_records(run, f, &list);
	}
	return f;
}

/* ---- the walk, RFC 9989 4.10 and 4.10.2 ---- */

/* The organisation ends at a public suffix: the name one label below it, towards where the walk started. */
static struct slice below(struct slice domain, struct slice suffix)
{
	return trust_name_last(domain, trust_name_labels(suffix) + 1);
}

/* By its own word, or by the list when it says nothing. */
static bool is_suffix(struct run *run, const struct found *f)
{
	if (f->record.psd != 'u' || !is_public_suffix(f->name))
		return f->record.psd == 'y';
	STEP(run, SLICE_FMT " is a public suffix by the list", SLICE_ARG(f->name));
	return true;
}

static void walk_up(struct run *run, struct slice domain, struct walk *w)
{
	size_t labels = trust_name_labels(domain);
	*w = (struct walk){.organisation = domain};
	for (size_t n = labels; n > 0; n = n >= WALK_LABELS ? WALK_LABELS - 1 : n - 1) {
		const struct found *f = find(run, trust_name_last(domain, n));
		w->trouble = !f || f->what == FOUND_TROUBLE;
		if (w->trouble)
			return;
		if (f->what != FOUND_RECORD)
			continue;
		w->told |= f->record.psd != 'u';
		if (n < labels && is_suffix(run, f)) {
			w->organisation = below(domain, f->name);
			w->policy = w->policy ? w->policy : f;
			return;
		}
		w->organisation = f->name;
		w->policy = f;
		if (f->record.psd != 'u')
			return;
	}
}

/* ---- alignment, RFC 9989 4.4 ---- */

static size_t labels_in_common(struct slice a, struct slice b)
{
	size_t n = 0, most = MIN(trust_name_labels(a), trust_name_labels(b));
	while (n < most && slice_ieq(trust_name_last(a, n + 1), trust_name_last(b, n + 1)))
		n++;
	return n;
}

/* RFC 7489 3.2, by which those published who say nothing with psd=. */
static bool same_by_list(struct run *run, struct slice id)
{
	struct slice its = dmarc_listed_organisation(id), own = dmarc_listed_organisation(run->out->author);
	bool same = own.n && slice_ieq(its, own);
	if (same)
		STEP(run, "both are of " SLICE_FMT " by the public suffix list", SLICE_ARG(own));
	return same;
}

/* LATER: the DNS did not say. */
static enum result aligns(struct run *run, const char *what, struct slice id, bool strict)
{
	struct dmarc *d = run->out;
	struct walk own, its;
	id = trust_name_bare(id);
	if (slice_ieq(id, d->author)) {
		STEP(run, "%s " SLICE_FMT " is the author's domain", what, SLICE_ARG(id));
		return OK;
	}
	if (strict || labels_in_common(id, d->author) < 2) {
		STEP(run, "%s " SLICE_FMT " is not the author's domain%s", what, SLICE_ARG(id),
		    strict ? " (strict)" : "");
		return DENY;
	}
	walk_up(run, d->author, &own);
	d->organisation = own.organisation;
	if (own.trouble)
		return LATER;
	walk_up(run, id, &its);
	if (its.trouble)
		return LATER;
	bool same = slice_ieq(its.organisation, own.organisation);
	STEP(run, "%s " SLICE_FMT " is of the organisation " SLICE_FMT ", the author of " SLICE_FMT, what,
	    SLICE_ARG(id), SLICE_ARG(its.organisation), SLICE_ARG(own.organisation));
	if (same || own.told || its.told)
		return same ? OK : DENY;
	return same_by_list(run, id) ? OK : DENY;
}

/* PASS, FAIL or TEMPERROR. */
static enum dmarc_result judge_alignment(struct run *run)
{
	struct dmarc *d = run->out;
	bool unknown = false;
	if (run->ask->spf.n) {
		enum result r = aligns(run, "SPF's domain", run->ask->spf, d->record.strict_spf);
		d->spf_aligned = r == OK;
		unknown |= r == LATER;
	}
	for (size_t i = 0; i < run->ask->n_dkim; i++) {
		enum result r = aligns(run, "DKIM's domain", run->ask->dkim[i], d->record.strict_dkim);
		if (r == OK && !d->dkim_aligned)
			d->dkim = run->ask->dkim[i];
		d->dkim_aligned |= r == OK;
		unknown |= r == LATER;
	}
	if (d->spf_aligned || d->dkim_aligned)
		return DMARC_PASS;
	return unknown ? DMARC_TEMPERROR : DMARC_FAIL;
}

/* ---- the policy, RFC 9989 4.10.1 ---- */

/* np= is for names that do not exist, RFC 9989 3.2.13. */
static bool exists(struct run *run, struct slice domain)
{
	struct dns_answer answer;
	dns_ask(run->dns, domain, DNS_A, run->arena, &answer);
	STEP(run, SLICE_FMT " %s", SLICE_ARG(domain),
	    answer.status == DNS_NXDOMAIN ? "does not exist" : "exists, as far as is known");
	return answer.status != DNS_NXDOMAIN;
}

static void choose_policy(struct run *run, bool inherited)
{
	struct dmarc *d = run->out;
	const struct dmarc_record *r = &d->record;
	d->tag = "p";
	d->published = r->p;
	if (inherited && r->has_np && !exists(run, d->author)) {
		d->tag = "np";
		d->published = r->np;
	} else if (inherited) {
		d->tag = r->has_sp ? "sp" : "p";
		d->published = r->sp;
	}
	if (r->wrong) {
		STEP(run, "a policy in it is malformed: it counts as p=none because it asks for reports");
		d->published = DMARC_POLICY_NONE;
	}
	d->policy = d->published;
	if (r->testing && d->policy != DMARC_POLICY_NONE) {
		STEP(run, "the domain is testing: one step milder");
		d->policy--;
	}
}

/* NONE: there is no policy; PASS: there is, in run->out. */
static enum dmarc_result find_policy(struct run *run)
{
	struct dmarc *d = run->out;
	const struct found *f = find(run, d->author);
	struct walk w = {.trouble = !f || f->what == FOUND_TROUBLE};
	bool inherited = f && f->what == FOUND_NOTHING;
	if (inherited) {
		walk_up(run, d->author, &w);
		d->organisation = w.organisation;
		f = w.policy;
	}
	if (w.trouble) {
		d->why = "the DNS does not say whether there is a policy";
		return DMARC_TEMPERROR;
	}
	if (!f) {
		d->why = "the domain has no DMARC policy";
		return DMARC_NONE;
	}
	d->policy_domain = f->name;
	d->record = f->record;
	d->record_text = f->text;
	if (f->record.wrong && !f->record.reports) {
		d->why = "the domain's DMARC record is malformed";
		return DMARC_PERMERROR;
	}
	choose_policy(run, inherited);
	return DMARC_PASS;
}

static void check_author(struct run *run, struct slice author, struct dmarc *out)
{
	*out = (struct dmarc){.author = author, .tag = "", .why = ""};
	run->out = out;
	STEP(run, "the author's domain is " SLICE_FMT, SLICE_ARG(author));
	out->result = find_policy(run);
	if (out->result != DMARC_PASS)
		return;
	out->result = judge_alignment(run);
	out->why = out->result == DMARC_PASS
		       ? out->dkim_aligned ? "an aligned DKIM signature passed" : "aligned SPF passed"
		   : out->result == DMARC_FAIL ? "neither SPF nor DKIM passed for the author's domain"
					       : "the DNS does not say whether the domains belong together";
}

/* Which of two counts: a message is proven only when every author is. */
static unsigned gravity(const struct dmarc *d)
{
	static const unsigned of[] = {[DMARC_PASS] = 0,
	    [DMARC_NONE] = 1,
	    [DMARC_PERMERROR] = 2,
	    [DMARC_TEMPERROR] = 3,
	    [DMARC_FAIL] = 4};
	return of[d->result] * 4 + (d->result == DMARC_FAIL ? d->policy : 0);
}

void dmarc_check(const struct dmarc_ask *ask, struct dns *dns, struct arena *a, struct dmarc *out)
{
	struct run run = {.ask = ask, .dns = dns, .arena = a};
	run.last_step = &run.steps;
	*out = (struct dmarc){.tag = "", .why = "the message names no author"};
	for (size_t i = 0; i < ask->authors->n; i++) {
		struct dmarc one;
		check_author(&run, ask->authors->domain[i], &one);
		if (i == 0 || gravity(&one) > gravity(out))
			*out = one;
	}
	if (ask->authors->cut && out->result == DMARC_PASS) {
		out->result = DMARC_FAIL;
		out->why = "the message names more authors than are looked at";
	}
	if (arena_full(a) && out->result != DMARC_FAIL) {
		out->result = DMARC_TEMPERROR;
		out->why = "no memory";
	}
	out->steps = run.steps;
}
