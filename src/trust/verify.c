#include "trust/verify.h"
#include "mail/address.h"
#include "trust/name.h"
#include <sys/socket.h>

#define RECORD_MOST 1000
#define SETS_MOST 10

/* ---- somewhere to ask, with limits ---- */

struct asker {
	struct dns dns;
	struct dns *to;
	unsigned asked;
	int64_t until_ms;
	bool trouble; /* something had no answer */
};

static void ask_limited(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	struct asker *asker = (struct asker *)d;
	*out = (struct dns_answer){.status = DNS_TIMEOUT, .canonical = ""};
	if (asker->asked < LIMIT_TRUST_QUESTIONS && clock_mono_ms() < asker->until_ms) {
		asker->asked++;
		dns_ask(asker->to, name, type, a, out);
	}
	asker->trouble |= dns_is_temporary(out->status);
}

/* ---- texts ---- */

/* What strangers wrote must not break a packed string. */
static char *text_of(struct arena *a, struct slice s)
{
	char *z = arena_z(a, slice_sub(s, 0, RECORD_MOST));
	for (char *p = z; p && *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	return z ? z : "";
}

static char *const_text(const char *z)
{
	return (char *)(uintptr_t)(z ? z : "");
}

/* ---- the parts of the answer ---- */

static Sekisho__TrustSpf *spf_message(const struct spf *spf, struct arena *a)
{
	Sekisho__TrustSpf *m = arena_new(a, Sekisho__TrustSpf);
	if (!m)
		return NULL;
	sekisho__trust_spf__init(m);
	m->result = const_text(spf_result_name(spf->result));
	m->domain = text_of(a, spf->domain);
	m->mechanism = text_of(a, slice_sub(spf->mechanism, 0, 300));
	m->why = text_of(a, slice_str(spf->why));
	m->explanation = const_text(spf->explanation);
	return m;
}

static void put_dkim(const struct dkim_signatures *list, struct arena *a, Sekisho__Trust *t)
{
	t->dkim = arena_array(a, list->n + 1, sizeof *t->dkim);
	for (size_t i = 0; t->dkim && i < list->n; i++) {
		const struct dkim_signature *s = &list->list[i];
		Sekisho__TrustDkim *m = arena_new(a, Sekisho__TrustDkim);
		if (!m)
			return;
		sekisho__trust_dkim__init(m);
		m->result = const_text(dkim_result_name(s->result));
		m->domain = text_of(a, s->domain);
		m->selector = text_of(a, slice_sub(s->selector, 0, 255));
		m->algorithm = text_of(a, slice_sub(s->algorithm, 0, 40));
		m->why = const_text(s->reason);
		t->dkim[t->n_dkim++] = m;
	}
}

static bool is_author(const struct trust_authors *authors, struct slice domain)
{
	for (size_t i = 0; i < authors->n; i++)
		if (slice_ieq(authors->domain[i], domain))
			return true;
	return false;
}

/* Does this hop say that it saw the author proven? With several authors nobody can. */
static bool vouches(const struct arc_set *set, const struct trust_authors *authors, struct arena *a)
{
	struct authres r;
	if (authors->n != 1 || authors->cut || authres_parse(set->results, a, &r) != OK)
		return false;
	for (const struct authres_result *one = r.results; one; one = one->next) {
		bool dmarc = slice_ieq(one->method, SLICE("dmarc")),
		     dkim = slice_ieq(one->method, SLICE("dkim"));
		struct slice domain = authres_get(one, SLICE("header"), dmarc ? SLICE("from") : SLICE("d"));
		ptrdiff_t at = slice_rfind(domain, '@');
		if ((dmarc || dkim) && slice_ieq(one->result, SLICE("pass")) &&
		    is_author(authors, slice_sub(domain, (size_t)(at + 1), domain.n)))
			return true;
	}
	return false;
}

static void put_arc(const struct verify *v, struct arena *a, Sekisho__Trust *t)
{
	const struct arc_chain *chain = &v->arc;
	Sekisho__TrustArc *m = arena_new(a, Sekisho__TrustArc);
	if (!m)
		return;
	sekisho__trust_arc__init(m);
	t->arc = m;
	m->result = const_text(arc_status_name(chain->status));
	m->why = const_text(chain->reason);
	if (chain->status == ARC_FAIL && !chain->temporary)
		t->flags |= TRUST_ARC_BROKEN;
	size_t most = chain->status == ARC_PASS ? MIN(chain->n, (size_t)SETS_MOST) : 0;
	m->sets = arena_array(a, most + 1, sizeof *m->sets);
	for (size_t i = 0; m->sets && i < most; i++) {
		const struct arc_set *set = &chain->sets[chain->n - 1 - i];
		Sekisho__TrustArcSet *s = arena_new(a, Sekisho__TrustArcSet);
		if (!s)
			return;
		sekisho__trust_arc_set__init(s);
		s->domain = text_of(a, set->domain);
		s->vouches = vouches(set, &v->authors, a);
		m->sets[m->n_sets++] = s;
	}
}

static Sekisho__TrustDmarc *dmarc_message(const struct dmarc *d, struct arena *a)
{
	Sekisho__TrustDmarc *m = arena_new(a, Sekisho__TrustDmarc);
	if (!m)
		return NULL;
	sekisho__trust_dmarc__init(m);
	m->result = (Sekisho__TrustDmarc__Result)d->result;
	m->policy = (Sekisho__TrustDmarc__Policy)d->policy;
	m->tag = const_text(d->tag);
	m->author = text_of(a, d->author);
	m->policy_domain = text_of(a, d->policy_domain);
	m->record = text_of(a, d->record_text);
	m->spf_aligned = d->spf_aligned;
	m->dkim_aligned = d->dkim_aligned;
	m->why = const_text(d->why);
	m->testing = d->record.testing;
	return m;
}

/* ---- what was proven ---- */

/* Domains that answer for the message: SPF's when it passed, and those of signatures that did. */
struct proofs {
	struct slice spf, dkim[LIMIT_DKIM_SIGNATURES];
	size_t n;
};

static void collect(const struct verify *v, struct proofs *p)
{
	*p = (struct proofs){.spf = v->spf.result == SPF_PASS ? v->spf.domain : SLICE_NONE};
	for (size_t i = 0; i < v->dkim.n && p->n < COUNT(p->dkim); i++)
		if (v->dkim.list[i].result == DKIM_PASS)
			p->dkim[p->n++] = v->dkim.list[i].domain;
}

/* Without a record that says more: the same organisation by the public suffix list. */
static bool same_organisation(struct slice a, struct slice b)
{
	struct slice x = dmarc_listed_organisation(a), y = dmarc_listed_organisation(b);
	return slice_ieq(a, b) || (x.n && slice_ieq(x, y));
}

static bool is_proven(const struct verify *v, const struct proofs *p)
{
	bool all = v->authors.n > 0 && !v->authors.cut;
	if (v->dmarc.result == DMARC_PASS || v->dmarc.result == DMARC_FAIL)
		return v->dmarc.result == DMARC_PASS;
	for (size_t i = 0; i < v->authors.n && all; i++) {
		bool one = p->spf.n && same_organisation(v->authors.domain[i], p->spf);
		for (size_t j = 0; j < p->n; j++)
			one |= same_organisation(v->authors.domain[i], p->dkim[j]);
		all = one;
	}
	return all;
}

/* ---- the whole ---- */

static void check_spf(const struct verify_ask *ask, struct asker *asker, struct arena *a, struct verify *v)
{
	struct spf_ask spf = {.helo = slice_str(ask->helo),
	    .domain = slice_str(ask->helo),
	    .receiver = ask->hostname,
	    .now_s = ask->now_ms / SECOND_MS,
	    .explain = true,
	    .steps = ask->steps};
	v->null_sender = ask->domain.n == 0;
	v->spf.why = v->helo.why = "";
	if (dns_ip_read(slice_str(ask->ip), &spf.ip) != OK)
		return;
	spf_check(&spf, &asker->dns, a, &v->helo);
	v->spf = v->helo;
	if (!v->null_sender) {
		spf.local = ask->local;
		spf.domain = ask->domain;
		spf_check(&spf, &asker->dns, a, &v->spf);
	}
	v->iprev = iprev_check(&spf.ip, &asker->dns, a, &v->client_name);
}

static void put_authors(const struct verify *v, struct arena *a, Sekisho__Trust *t)
{
	t->flags = v->authors.flags;
	t->author = text_of(a, slice_sub(v->authors.address, 0, LIMIT_ADDRESS));
	t->looks_like = text_of(a, v->authors.looks_like);
	t->authors = arena_array(a, v->authors.n + 1, sizeof *t->authors);
	for (size_t i = 0; t->authors && i < v->authors.n; i++)
		t->authors[t->n_authors++] = text_of(a, v->authors.domain[i]);
}

static enum result put_answer(struct verify *v, struct arena *a)
{
	Sekisho__Trust *t = arena_new(a, Sekisho__Trust);
	if (!t)
		return FULL;
	sekisho__trust__init(t);
	v->trust = t;
	t->version = TRUST_VERSION;
	put_authors(v, a, t);
	t->spf = spf_message(&v->spf, a);
	t->helo = spf_message(&v->helo, a);
	put_dkim(&v->dkim, a, t);
	put_arc(v, a, t);
	t->dmarc = dmarc_message(&v->dmarc, a);
	t->iprev = const_text(iprev_result_name(v->iprev));
	t->client_name = text_of(a, slice_str(v->client_name));
	return OK;
}

enum result verify_message(const struct verify_ask *ask, struct arena *a, struct verify *out)
{
	int64_t began = clock_mono_ms();
	struct asker asker = {.dns.ask = ask_limited, .to = ask->dns, .until_ms = began + LIMIT_TRUST_MS};
	struct trust_check check = {
	    .dns = &asker.dns, .now_ms = ask->now_ms, .deadline_ms = asker.until_ms, .explain = ask->steps};
	struct trust_message message;
	struct proofs proofs;
	*out = (struct verify){.iprev = IPREV_PERMERROR};
	if (trust_message_read(ask->message, a, &message) != OK)
		return FULL;
	trust_authors_read(ask->message, a, &out->authors);
	check_spf(ask, &asker, a, out);
	dkim_verify(&message, &check, &out->dkim);
	arc_verify(&message, &check, &out->arc);
	collect(out, &proofs);
	struct dmarc_ask dmarc = {.authors = &out->authors,
	    .spf = proofs.spf,
	    .dkim = proofs.dkim,
	    .n_dkim = proofs.n,
	    .steps = ask->steps};
	dmarc_check(&dmarc, &asker.dns, a, &out->dmarc);
	if (put_answer(out, a) != OK || arena_full(a))
		return FULL;
	out->trust->proven = is_proven(out, &proofs);
	out->trust->questions = asker.asked;
	out->trust->temporary = asker.trouble;
	out->trust->ms = (uint32_t)(clock_mono_ms() - began);
	return OK;
}

/* ---- Authentication-Results ---- */

static void put_spf_results(struct authres_writer *w, const struct verify *v, const struct verify_ask *ask)
{
	if (!v->null_sender) {
		authres_method(w, "spf", spf_result_name(v->spf.result), v->spf.why);
		authres_address(w, "smtp", "mailfrom", ask->local, ask->domain);
	}
	authres_method(w, "spf", spf_result_name(v->helo.result), v->helo.why);
	authres_property(w, "smtp", "helo", slice_str(ask->helo));
}

static void put_dkim_results(struct authres_writer *w, const struct verify *v)
{
	for (size_t i = 0; i < v->dkim.n; i++) {
		const struct dkim_signature *s = &v->dkim.list[i];
		authres_method(w, "dkim", dkim_result_name(s->result), s->reason);
		authres_property(w, "header", "d", s->domain);
		authres_property(w, "header", "s", s->selector);
		authres_property(w, "header", "a", s->algorithm);
		authres_property(w, "header", "b", s->b);
	}
	if (v->dkim.n == 0)
		authres_method(w, "dkim", v->dkim.too_many ? "neutral" : "none",
		    v->dkim.too_many ? "too many signatures" : NULL);
}

void verify_put_results(const struct verify *v, const struct verify_ask *ask, struct buf *out)
{
	struct authres_writer w;
	char policy[40] = "";
	authres_begin(&w, out, ask->hostname);
	if (v->dmarc.policy_domain.n)
		snprintf(policy, sizeof policy, "%s=%s", v->dmarc.tag, dmarc_policy_name(v->dmarc.published));
	authres_method(&w, "dmarc", dmarc_result_name(v->dmarc.result), policy);
	authres_property(&w, "header", "from", v->dmarc.author);
	put_spf_results(&w, v, ask);
	put_dkim_results(&w, v);
	authres_method(&w, "arc", arc_status_name(v->arc.status), v->arc.reason);
	if (v->arc.status == ARC_PASS && v->arc.n)
		authres_property(&w, "header", "d", v->arc.sets[v->arc.n - 1].domain);
	authres_method(&w, "iprev", iprev_result_name(v->iprev), v->client_name);
	authres_property(&w, "policy", "iprev", slice_str(ask->ip));
	authres_end(&w);
}

enum result verify_pieces(struct slice message, const char *hostname, struct arena *a,
    struct verify_piece **pieces_out, size_t *n_out, unsigned *forged_out)
{
	struct mail_fields fields = mail_fields_of(message);
	struct mail_field field;
	size_t fields_n = 0, from = 0, n = 0;
	unsigned forged = 0;
	struct verify_piece *pieces = NULL;
	for (int pass = 0; pass < 2; pass++) {
		fields = mail_fields_of(message);
		while (mail_fields_next(&fields, &field)) {
			if (!slice_ieq(field.name, SLICE(AUTHRES_FIELD)) ||
			    !authres_claims(field.value, slice_str(hostname)))
				continue;
			size_t at = (size_t)(field.all.p - message.p);
			if (pass == 0) {
				fields_n++;
				continue;
			}
			pieces[n++] = (struct verify_piece){from, at - from};
			from = at + field.all.n;
			forged++;
		}
		if (pass == 0 && !(pieces = arena_array(a, fields_n + 1, sizeof *pieces)))
			return FULL;
	}
	pieces[n++] = (struct verify_piece){from, message.n - from};
	*pieces_out = pieces;
	*n_out = n;
	*forged_out = forged;
	return OK;
}
