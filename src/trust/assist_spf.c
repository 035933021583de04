/* SPF: is there one record, may this server send by it, and does it stay within the limits? */
#include "assist_inner.h"
#include "trust/spf_inside.h"
#include <arpa/inet.h>

#define LOOKUPS_MOST 10 /* RFC 7208 4.6.4 */
#define LOOKUPS_NEAR 8
#define VOIDS_MOST 2

/* An address that no record allows by name: all terms are then looked at. RFC 5737. */
static const struct dns_ip nobody = {.family = AF_INET, .octets = {192, 0, 2, 255}};

static void evaluate(struct assist *a, const struct dns_ip *ip, struct spf *out)
{
	struct spf_ask ask = {.ip = *ip,
	    .helo = a->host,
	    .domain = a->domain,
	    .receiver = a->self->host,
	    .now_s = clock_utc_ms() / SECOND_MS};
	spf_check(&ask, &a->dns.dns, a->arena, out);
}

/* ---- what to publish ---- */

static bool has_term(const struct buf *b, struct slice term)
{
	struct slice rest = buf_slice(b);
	while (rest.n)
		if (slice_ieq(slice_split(&rest, ' '), term))
			return true;
	return false;
}

/* The terms of one record but its version, its `all` and what stands there already. */
static void merge_terms(struct slice text, struct buf *b, struct slice *all)
{
	slice_split(&text, ' ');
	while (text.n) {
		struct slice term = slice_split(&text, ' ');
		if (slice_iends(term, SLICE("all")) && term.n <= 4) {
			if (!all->n || *term.p == '-')
				*all = term;
		} else if (term.n && !has_term(b, term)) {
			buf_putc(b, ' ');
			buf_put(b, term);
		}
	}
}

static bool redirects(const struct buf *b)
{
	return slice_search(buf_slice(b), SLICE(" redirect=")) >= 0;
}

/* What the records say together, with this server in it. */
static const char *merged(struct assist *a, const struct slice *texts, size_t n, bool add_us)
{
	BUF_LOCAL(b, 65536);
	struct slice all = SLICE_NONE;
	buf_puts(&b, "v=spf1");
	if (add_us)
		buf_printf(&b, " a:%s", a->self->host);
	for (size_t i = 0; i < n; i++)
		merge_terms(texts[i], &b, &all);
	bool weak = all.n && (*all.p == '+' || *all.p == '?' || ascii_lower(*all.p) == 'a');
	if (!redirects(&b)) {
		buf_putc(&b, ' ');
		buf_put(&b, weak || !all.n ? SLICE("-all") : all);
	}
	return assist_safe(a, buf_slice(&b));
}

/* ---- what is there ---- */

static void check_all_term(struct assist *a, Sekisho__AssistRecord *r, const struct spf_record *parsed)
{
	const struct spf_term *all = NULL;
	for (size_t i = 0; i < parsed->n; i++) {
		if (parsed->terms[i].kind == SPF_KIND_ALL)
			all = &parsed->terms[i];
		if (parsed->terms[i].kind == SPF_KIND_PTR)
			ASSIST_SAY(a, SPF_PTR, r, .name = r->name);
	}
	if (!all && !parsed->redirect.n)
		ASSIST_SAY(a, SPF_NO_ALL, r, .name = r->name);
	else if (all && all->match == SPF_PASS)
		ASSIST_SAY(a, SPF_PLUS_ALL, r, .name = r->name);
	else if (all && all->match == SPF_NEUTRAL)
		ASSIST_SAY(a, SPF_NEUTRAL_ALL, r, .name = r->name);
	else if (all && all->match == SPF_SOFTFAIL && !a->self->silent)
		ASSIST_SAY(a, SPF_SOFT_ALL, r, .name = r->name);
}

/* All that the record asks for, as a stranger's mail would make servers ask. */
static bool check_cost(struct assist *a, Sekisho__AssistRecord *r)
{
	struct spf cost;
	evaluate(a, &nobody, &cost);
	if (cost.lookups > LOOKUPS_MOST)
		ASSIST_SAY(a, SPF_LOOKUPS, r, .name = r->name, .n = cost.lookups);
	else if (cost.voids > VOIDS_MOST)
		ASSIST_SAY(a, SPF_VOID, r, .name = r->name, .n = cost.voids);
	else if (cost.result == SPF_PERMERROR)
		ASSIST_SAY(a, SPF_BAD, r, .name = r->name, .seen = assist_safe(a, slice_str(cost.why)));
	else if (cost.lookups >= LOOKUPS_NEAR)
		ASSIST_SAY(a, SPF_LOOKUPS_NEAR, r, .name = r->name, .n = cost.lookups);
	else if (cost.voids)
		ASSIST_SAY(a, SPF_VOID, r, .name = r->name, .n = cost.voids);
	return cost.result != SPF_PERMERROR;
}

/* False: some address of ours may not send. */
static bool check_us(struct assist *a, Sekisho__AssistRecord *r)
{
	bool may = true;
	for (size_t i = 0; i < a->n_ip; i++) {
		struct spf s;
		char text[DNS_IP_TEXT];
		evaluate(a, &a->ip[i], &s);
		if (s.result == SPF_PASS || s.result == SPF_TEMPERROR)
			continue;
		may = false;
		ASSIST_SAY(a, SPF_NOT_US, r, .name = r->name,
		    .seen = arena_z(a->arena, slice_str(dns_ip_text(&a->ip[i], text))));
	}
	return may;
}

static void check_silent(struct assist *a, Sekisho__AssistRecord *r, const struct spf_record *parsed)
{
	bool nothing =
	    parsed->n == 1 && parsed->terms[0].kind == SPF_KIND_ALL && parsed->terms[0].match == SPF_FAIL;
	if (!nothing || parsed->redirect.n)
		ASSIST_SAY(a, SPF_SILENT, r, .name = r->name);
}

static void check_record(struct assist *a, Sekisho__AssistRecord *r, const struct slice *text)
{
	struct spf_record parsed;
	if (spf_record_parse(*text, a->arena, &parsed) != OK) {
		ASSIST_SAY(a, SPF_BAD, r, .name = r->name, .seen = assist_safe(a, parsed.wrong));
		return;
	}
	if (a->self->silent) {
		check_silent(a, r, &parsed);
		return;
	}
	check_all_term(a, r, &parsed);
	bool counts = check_cost(a, r);
	bool may = !counts || check_us(a, r);
	if (r->state <= SEKISHO__ASSIST_STATE__HINT)
		r->value = assist_safe(a, *text); /* theirs is as good as ours */
	else
		r->value = (char *)(uintptr_t)merged(a, text, 1, !may);
}

static size_t spf_texts(struct assist *a, const struct dns_answer *answer, struct slice **out)
{
	size_t kept = 0, n = assist_texts(a, answer, "v=spf1", out);
	for (size_t i = 0; i < n; i++)
		if (spf_is_record((*out)[i]))
			(*out)[kept++] = (*out)[i];
	return kept;
}

void assist_spf(struct assist *a)
{
	struct dns_answer answer;
	struct slice *texts;
	const char *fresh =
	    a->self->silent ? "v=spf1 -all" : arena_printf(a->arena, "v=spf1 a:%s -all", a->self->host);
	Sekisho__AssistRecord *r = assist_want(a, "spf", a->self->domain, DNS_TXT, fresh);
	if (!assist_look(a, r, &answer))
		return;
	size_t n = spf_texts(a, &answer, &texts);
	if (n == 0) {
		ASSIST_SAY(a, SPF_MISSING, r, .name = r->name);
	} else if (n > 1) {
		ASSIST_SAY(a, SPF_SEVERAL, r, .name = r->name, .n = n);
		if (!a->self->silent)
			r->value = (char *)(uintptr_t)merged(a, texts, n, true);
	} else {
		check_record(a, r, texts);
	}
}
