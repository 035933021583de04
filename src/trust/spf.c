/* spf: check_host(), RFC 7208 4 and 5. */
#include "trust/spf.h"
#include "mail/address.h"
#include "trust/name.h"
#include "trust/spf_inside.h"
#include <sys/socket.h>

#define LOOKUPS_MOST 10
#define VOIDS_MOST 2
#define MX_MOST 10
#define NAME_ROOM 4096
#define EXPLANATION_MOST 500

const char *spf_result_name(enum spf_result r)
{
	static const char *const names[] = {
	    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};
	return (unsigned)r < COUNT(names) ? names[r] : "?";
}

/* What a mechanism says. WRONG and TEMPORARY end the evaluation. */
enum match { MATCH_NOT, MATCH, MATCH_TEMPORARY, MATCH_WRONG };

/* One record being worked through. */
struct frame {
	struct slice domain;
	unsigned depth;
};

static enum spf_result check(struct spf_run *run, struct slice domain, unsigned depth, bool outermost);

static void step(struct spf_run *run, const struct frame *f, struct slice term, const char *outcome)
{
	struct spf_step *s = run->ask->steps ? arena_new(run->arena, struct spf_step) : NULL;
	if (!s)
		return;
	*s = (struct spf_step){.depth = f->depth, .domain = f->domain, .term = term, .outcome = outcome};
	*run->last_step = s;
	run->last_step = &s->next;
}

/* In words, for whoever reads the result: the innermost reason counts. */
static enum spf_result because(struct spf_run *run, enum spf_result r, const char *why)
{
	run->out->why = why ? why : "";
	return r;
}

/* ---- questions ---- */

/* A term that asks; false when there were too many. */
static bool count_lookup(struct spf_run *run)
{
	if (++run->out->lookups <= LOOKUPS_MOST)
		return true;
	run->out->why = "more than 10 terms ask the DNS";
	return false;
}

/* An answer to a mechanism. MATCH: go on with what it holds. */
static enum match judge_answer(struct spf_run *run, enum dns_status status, size_t n, const char *name)
{
	if (dns_is_temporary(status)) {
		run->out->why = arena_printf(run->arena, "the DNS gives no answer for %s", name);
		return MATCH_TEMPORARY;
	}
	if (n)
		return MATCH;
	if (++run->out->voids <= VOIDS_MOST)
		return MATCH_NOT;
	run->out->why = "more than 2 answers of the DNS were empty";
	return MATCH_WRONG;
}

/* The name a term speaks of. MATCH_NOT: there can be no such name. */
static enum match target(struct spf_run *run, const struct frame *f, struct slice spec, const char **name_out)
{
	BUF_LOCAL(name, NAME_ROOM);
	enum result r = OK;
	if (spec.n)
		r = spf_macro_expand(run, f->domain, spec, false, &name);
	else
		buf_put(&name, f->domain);
	struct slice bare = trust_name_bare(buf_slice(&name));
	*name_out = r == OK && trust_name_ok(bare) ? arena_z(run->arena, bare) : NULL;
	return *name_out ? MATCH : MATCH_NOT;
}

/* ---- mechanisms ---- */

static bool same_network(const struct dns_ip *a, const struct dns_ip *b, unsigned bits)
{
	size_t whole = bits / 8;
	unsigned rest = bits % 8, mask = (0xff00u >> rest) & 0xffu;
	if (a->family != b->family || memcmp(a->octets, b->octets, whole) != 0)
		return false;
	return !rest || ((a->octets[whole] ^ b->octets[whole]) & mask) == 0;
}

static bool in_network(const struct spf_run *run, const struct dns_ip *ip, const struct spf_term *t)
{
	return same_network(&run->ask->ip, ip, ip->family == AF_INET ? t->cidr4 : t->cidr6);
}

/* Addresses of a name, of the client's family. */
static enum match match_addresses(struct spf_run *run, const char *name, const struct spf_term *t)
{
	struct dns_answer answer;
	bool four = run->ask->ip.family == AF_INET;
	dns_ask(run->dns, slice_str(name), four ? DNS_A : DNS_AAAA, run->arena, &answer);
	enum match m = judge_answer(run, answer.status, answer.n, name);
	if (m != MATCH)
		return m;
	for (size_t i = 0; i < answer.n; i++) {
		struct dns_ip ip = {.family = run->ask->ip.family};
		if (answer.rdata[i].n != (four ? 4 : 16))
			continue;
		memcpy(ip.octets, answer.rdata[i].p, answer.rdata[i].n);
		if (in_network(run, &ip, t))
			return MATCH;
	}
	return MATCH_NOT;
}

static enum match match_mx(struct spf_run *run, const char *name, const struct spf_term *t)
{
	struct dns_mx_list list;
	dns_mx(run->dns, slice_str(name), run->arena, &list);
	enum match m = judge_answer(run, list.status, list.n, name);
	if (m != MATCH)
		return m;
	if (list.n > MX_MOST) {
		run->out->why = arena_printf(run->arena, "%s has more than 10 MX", name);
		return MATCH_WRONG;
	}
	m = MATCH_NOT;
	for (size_t i = 0; i < list.n && m == MATCH_NOT; i++)
		if (trust_name_ok(slice_str(list.mx[i].host)))
			m = match_addresses(run, list.mx[i].host, t);
	return m;
}

static enum match match_ptr(struct spf_run *run, const char *name)
{
	const struct dns_name_list *names = spf_names(run);
	if (dns_is_temporary(names->status))
		return MATCH_NOT; /* RFC 7208 5.5 */
	if (names->n == 0)
		return judge_answer(run, DNS_NODATA, 0, name);
	for (size_t i = 0; i < names->n; i++)
		if (trust_name_within(slice_str(names->name[i]), slice_str(name)) &&
		    spf_name_leads_here(run, names->name[i]))
			return MATCH;
	return MATCH_NOT;
}

static enum match match_exists(struct spf_run *run, const char *name)
{
	struct dns_answer answer;
	dns_ask(run->dns, slice_str(name), DNS_A, run->arena, &answer);
	return judge_answer(run, answer.status, answer.n, name);
}

/* RFC 7208 5.2 */
static enum match match_include(struct spf_run *run, const struct frame *f, const char *name)
{
	switch (check(run, slice_str(name), f->depth + 1, false)) {
	case SPF_PASS:
		return MATCH;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		return MATCH_NOT;
	case SPF_TEMPERROR:
		return MATCH_TEMPORARY;
	case SPF_NONE:
		run->out->why = arena_printf(run->arena, "%s is included and has no SPF record", name);
		return MATCH_WRONG;
	case SPF_PERMERROR:
		break;
	}
	return MATCH_WRONG;
}

static enum match match_named(struct spf_run *run, const struct frame *f, const struct spf_term *t)
{
	const char *name;
	if (!count_lookup(run))
		return MATCH_WRONG;
	enum match m = target(run, f, t->spec, &name);
	if (m != MATCH && t->kind == SPF_KIND_INCLUDE) {
		run->out->why = "what is included is not a domain name";
		return MATCH_WRONG;
	}
	if (m != MATCH)
		return m;
	switch (t->kind) {
	case SPF_KIND_INCLUDE:
		return match_include(run, f, name);
	case SPF_KIND_A:
		return match_addresses(run, name, t);
	case SPF_KIND_MX:
		return match_mx(run, name, t);
	case SPF_KIND_PTR:
		return match_ptr(run, name);
	case SPF_KIND_EXISTS:
		return match_exists(run, name);
	default:
		return MATCH_NOT;
	}
}

static enum match match_term(struct spf_run *run, const struct frame *f, const struct spf_term *t)
{
	if (arena_full(run->arena))
		return MATCH_TEMPORARY;
	if (t->kind == SPF_KIND_ALL)
		return MATCH;
	if (t->kind == SPF_KIND_IP4 || t->kind == SPF_KIND_IP6)
		return in_network(run, &t->ip, t) ? MATCH : MATCH_NOT;
	return match_named(run, f, t);
}

/* ---- the explanation of a fail, RFC 7208 6.2 ---- */

static void explain(struct spf_run *run, const struct frame *f, struct slice spec)
{
	const char *name;
	struct dns_text_list list;
	BUF_LOCAL(text, EXPLANATION_MOST);
	if (!run->ask->explain || spec.n == 0 || target(run, f, spec, &name) != MATCH)
		return;
	dns_txt(run->dns, slice_str(name), run->arena, &list);
	if (list.status != DNS_FOUND || list.n != 1 || !spf_macro_valid(list.text[0], true) ||
	    spf_macro_expand(run, f->domain, list.text[0], true, &text) != OK)
		return;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return;
	run->out->explanation = arena_z(run->arena, buf_slice(&text));
}

/* ---- records ---- */

/* NONE: there is one, in *out. */
static enum spf_result find_record(struct spf_run *run, const struct frame *f, struct slice *out)
{
	struct dns_text_list list;
	unsigned found = 0;
	dns_txt(run->dns, f->domain, run->arena, &list);
	if (dns_is_temporary(list.status)) {
		step(run, f, SLICE_NONE, "the DNS gives no answer");
		return because(run, SPF_TEMPERROR,
		    arena_printf(run->arena, "the DNS gives no answer for " SLICE_FMT, SLICE_ARG(f->domain)));
	}
	for (size_t i = 0; i < list.n; i++) {
		if (!spf_is_record(list.text[i]))
			continue;
		*out = list.text[i];
		found++;
	}
	if (found == 1)
		return SPF_PASS;
	step(run, f, SLICE_NONE, found ? "several SPF records" : "no SPF record");
	return because(run, found ? SPF_PERMERROR : SPF_NONE,
	    arena_printf(run->arena, SLICE_FMT " has %s", SLICE_ARG(f->domain),
		found ? "several SPF records" : "no SPF record"));
}

static enum spf_result follow_redirect(
    struct spf_run *run, const struct frame *f, struct slice spec, bool outermost)
{
	const char *name;
	if (!count_lookup(run))
		return SPF_PERMERROR;
	if (target(run, f, spec, &name) != MATCH)
		return because(run, SPF_PERMERROR, "redirect leads to no domain name");
	enum spf_result r = check(run, slice_str(name), f->depth + 1, outermost);
	return r == SPF_NONE ? SPF_PERMERROR : r;
}

static enum spf_result matched(struct spf_run *run, const struct frame *f, const struct spf_term *t,
    const struct spf_record *record, bool outermost)
{
	if (!outermost)
		return t->match;
	run->out->mechanism = t->text;
	if (t->match == SPF_FAIL)
		explain(run, f, record->exp);
	return because(run, t->match,
	    arena_printf(run->arena, "the record of " SLICE_FMT " says " SLICE_FMT, SLICE_ARG(f->domain),
		SLICE_ARG(t->text)));
}

static enum spf_result evaluate(
    struct spf_run *run, const struct frame *f, const struct spf_record *record, bool outermost)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct spf_term *t = &record->terms[i];
		switch (match_term(run, f, t)) {
		case MATCH:
			step(run, f, t->text, "matches");
			return matched(run, f, t, record, outermost);
		case MATCH_NOT:
			step(run, f, t->text, "does not match");
			break;
		case MATCH_TEMPORARY:
			step(run, f, t->text, "temporary error");
			return SPF_TEMPERROR;
		case MATCH_WRONG:
			step(run, f, t->text, "permanent error");
			return SPF_PERMERROR;
		}
	}
	if (record->redirect.n)
		return follow_redirect(run, f, record->redirect, outermost);
	return because(run, SPF_NEUTRAL,
	    arena_printf(run->arena, "nothing in the record of " SLICE_FMT " matches", SLICE_ARG(f->domain)));
}

/* `outermost`: what it says is the result, not that of an include. */
static enum spf_result check(struct spf_run *run, struct slice domain, unsigned depth, bool outermost)
{
	struct frame f = {domain, depth};
	struct slice text;
	struct spf_record record;
	enum spf_result r = find_record(run, &f, &text);
	if (r != SPF_PASS)
		return r;
	step(run, &f, text, "the record");
	enum result parsed = spf_record_parse(text, run->arena, &record);
	if (parsed == OK)
		return evaluate(run, &f, &record, outermost);
	if (parsed == FULL)
		return because(run, SPF_TEMPERROR, "no memory");
	step(run, &f, record.wrong, "not in the grammar");
	return because(run, SPF_PERMERROR,
	    arena_printf(run->arena, "the record of " SLICE_FMT " is malformed at \"" SLICE_FMT "\"",
		SLICE_ARG(domain), SLICE_ARG(slice_sub(record.wrong, 0, 100))));
}

/* RFC 7208 4.3: a name of several labels, in A-labels. */
static bool take_domain(struct slice domain, struct arena *a, struct slice *out)
{
	domain = trust_name_bare(domain);
	if (slice_is_ascii(domain))
		*out = arena_dup(a, domain);
	else if (mail_domain_ascii(domain, a, out) != OK)
		return false;
	return trust_name_ok(*out) && slice_find(*out, '.') >= 0 && out->p[0] != '[';
}

void spf_check(const struct spf_ask *ask, struct dns *dns, struct arena *a, struct spf *out)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct spf_ask own = *ask;
	struct spf_run run = {.ask = &own,
	    .dns = dns,
	    .arena = a,
	    .out = out,
	    .last_step = &out->steps,
	    .local = ask->local.n ? ask->local : SLICE("postmaster")};
	*out = (struct spf){.why = ""};
	if (own.ip.family == AF_INET6 && memcmp(own.ip.octets, mapped, sizeof mapped) == 0) {
		memmove(own.ip.octets, own.ip.octets + 12, 4);
		own.ip.family = AF_INET;
	}
	if (!take_domain(ask->domain, a, &out->domain)) {
		out->domain = SLICE_NONE;
		out->why = "not a domain name that could have a record";
		return;
	}
	run.sender_domain = out->domain;
	out->result = check(&run, out->domain, 0, true);
	if (arena_full(a))
		out->result = SPF_TEMPERROR;
	if (!out->why)
		out->why = "";
}
