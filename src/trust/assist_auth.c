/* DKIM keys, the DMARC policy, the logo. */
#include "assist_inner.h"
#include "trust/name.h"
#include "trust/tags.h"
#include <openssl/evp.h>
#include <openssl/x509.h>

/* ---- DKIM: RFC 6376 3.6.1 ---- */

#define KEY_MOST 4096
#define BITS_COUNT 1024 /* RFC 8301 3.2: below it a signature does not count */
#define BITS_GOOD 2048

/* Bits of an RSA key; 0: another kind, or none that can be read. */
static unsigned rsa_bits(const struct tags *t)
{
	struct slice kind = tags_value(t, "k");
	BUF_LOCAL(der, KEY_MOST);
	if ((kind.n && !slice_eq(kind, SLICE("rsa"))) || tag_base64(tags_value(t, "p"), &der) != OK)
		return 0;
	const unsigned char *p = (const unsigned char *)der.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.n);
	unsigned bits = key ? (unsigned)EVP_PKEY_get_bits(key) : 0;
	EVP_PKEY_free(key);
	return bits;
}

static bool same_key(struct assist *a, const struct tags *x, const struct tags *y)
{
	struct slice one = tag_squeezed(tags_value(x, "p"), KEY_MOST, a->arena);
	struct slice two = tag_squeezed(tags_value(y, "p"), KEY_MOST, a->arena);
	struct slice k = tags_value(x, "k"), l = tags_value(y, "k");
	return slice_eq(one, two) && slice_eq(k.n ? k : SLICE("rsa"), l.n ? l : SLICE("rsa"));
}

static void check_published(struct assist *a, Sekisho__AssistRecord *r, struct slice text)
{
	struct tags theirs, ours;
	if (tags_parse(text, &theirs) != OK || tags_parse(slice_str(r->value), &ours) != OK) {
		ASSIST_SAY(a, DKIM_OTHER, r, .name = r->name);
		return;
	}
	unsigned bits = rsa_bits(&theirs);
	if (tags_find(&theirs, "p") && !tags_value(&theirs, "p").n)
		ASSIST_SAY(a, DKIM_REVOKED, r, .name = r->name);
	else if (!same_key(a, &theirs, &ours))
		ASSIST_SAY(a, DKIM_OTHER, r, .name = r->name);
	if (bits && bits < BITS_COUNT)
		ASSIST_SAY(a, DKIM_SHORT, r, .name = r->name, .n = bits);
	else if (bits && bits < BITS_GOOD)
		ASSIST_SAY(a, DKIM_WEAK, r, .name = r->name, .n = bits);
	if (tag_list_has(tags_value(&theirs, "t"), SLICE("y")))
		ASSIST_SAY(a, DKIM_TESTING, r, .name = r->name);
}

static void check_key(struct assist *a, const Sekisho__AssistKey *key)
{
	struct dns_answer answer;
	struct slice *texts;
	const char *name = arena_printf(a->arena, "%s._domainkey.%s", key->selector, a->self->domain);
	Sekisho__AssistRecord *r = assist_want(a, "dkim", name, DNS_TXT, key->value);
	if (!assist_look(a, r, &answer))
		return;
	size_t n = assist_texts(a, &answer, "", &texts);
	if (n == 0)
		ASSIST_SAY(a, DKIM_MISSING, r, .name = r->name);
	else if (n > 1)
		ASSIST_SAY(a, DKIM_SEVERAL, r, .name = r->name, .n = n);
	else
		check_published(a, r, texts[0]);
}

/* RFC 6376 6.1.2 with the wildcard that takes back all keys of a domain. */
static void want_no_keys(struct assist *a)
{
	struct dns_answer answer;
	Sekisho__AssistRecord *r =
	    assist_want(a, "dkim", assist_below(a, "*._domainkey"), DNS_TXT, "v=DKIM1; p=");
	r->optional = true;
	if (assist_look(a, r, &answer) && !answer.n)
		r->state = SEKISHO__ASSIST_STATE__HINT;
}

void assist_dkim(struct assist *a)
{
	if (a->self->silent) {
		want_no_keys(a);
		return;
	}
	for (size_t i = 0; i < a->self->n_dkim; i++)
		check_key(a, a->self->dkim[i]);
	if (!a->self->n_dkim)
		ASSIST_SAY(a, DKIM_NO_KEY, NULL, .name = a->self->domain);
}

/* ---- DMARC: RFC 7489 6.3, RFC 9989 ---- */

enum policy { POLICY_BAD, POLICY_NONE, POLICY_QUARANTINE, POLICY_REJECT };

static enum policy policy_read(struct slice s)
{
	if (slice_ieq(s, SLICE("none")))
		return POLICY_NONE;
	if (slice_ieq(s, SLICE("quarantine")))
		return POLICY_QUARANTINE;
	return slice_ieq(s, SLICE("reject")) ? POLICY_REJECT : POLICY_BAD;
}

/* The domain of the first address of a list of URIs; empty: there is none. */
static struct slice report_domain(struct slice uris)
{
	struct slice first = slice_trim(slice_split(&uris, ','));
	if (!slice_istarts(first, SLICE("mailto:")))
		return SLICE_NONE;
	first = slice_split(&first, '!');
	ptrdiff_t at = slice_rfind(first, '@');
	struct slice domain = slice_sub(first, (size_t)(at + 1), first.n);
	return at >= 0 && trust_name_ok(domain) ? domain : SLICE_NONE;
}

/* Reports to another domain are sent only with its consent: RFC 7489 7.1. */
static void check_consent(struct assist *a, Sekisho__AssistRecord *r, struct slice domain)
{
	struct dns_answer answer;
	struct slice *texts, apex = slice_str(*a->out->zone ? a->out->zone : a->self->domain);
	bool below = domain.n > apex.n && slice_iends(domain, apex) && domain.p[domain.n - apex.n - 1] == '.';
	if (slice_ieq(domain, apex) || below)
		return;
	const char *name =
	    arena_printf(a->arena, "%s._report._dmarc." SLICE_FMT, a->self->domain, SLICE_ARG(domain));
	if (assist_ask(a, name, DNS_TXT, &answer) && !assist_texts(a, &answer, "v=DMARC1", &texts))
		ASSIST_SAY(a, DMARC_RUA_ELSEWHERE, r, .name = name, .seen = assist_safe(a, domain));
}

static void check_details(struct assist *a, Sekisho__AssistRecord *r, const struct tags *t, enum policy p)
{
	struct slice sub = tags_value(t, "sp"), rua = tags_value(t, "rua"), pct = tags_value(t, "pct");
	uint32_t part = 100;
	if (sub.n && policy_read(sub) < p)
		ASSIST_SAY(a, DMARC_SUB_WEAKER, r, .name = r->name, .seen = assist_safe(a, sub));
	if (pct.n && num_u32(pct, 100, &part) == OK && part < 100)
		ASSIST_SAY(a, DMARC_PART, r, .name = r->name, .n = part);
	a->dmarc_enforced =
	    p >= POLICY_QUARANTINE && part == 100 && (!sub.n || policy_read(sub) >= POLICY_QUARANTINE);
	if (report_domain(rua).n)
		check_consent(a, r, report_domain(rua));
	else
		ASSIST_SAY(a, DMARC_NO_RUA, r, .name = r->name, .want = a->self->reports);
}

static void check_policy(struct assist *a, Sekisho__AssistRecord *r, struct slice text)
{
	struct tags t;
	enum policy p = tags_parse(text, &t) == OK ? policy_read(tags_value(&t, "p")) : POLICY_BAD;
	if (p == POLICY_BAD) {
		ASSIST_SAY(
		    a, DMARC_BAD, r, .name = r->name, .seen = r->n_seen ? r->seen[0] : assist_safe(a, text));
		return;
	}
	if (a->self->silent && p != POLICY_REJECT)
		ASSIST_SAY(a, DMARC_SILENT, r, .name = r->name);
	else if (p == POLICY_NONE)
		ASSIST_SAY(a, DMARC_NONE, r, .name = a->self->domain);
	else if (p == POLICY_QUARANTINE)
		ASSIST_SAY(a, DMARC_QUARANTINE, r, .name = a->self->domain);
	check_details(a, r, &t, p);
	if (r->state <= SEKISHO__ASSIST_STATE__HINT)
		r->value = assist_safe(a, text); /* theirs is as good as ours */
}

void assist_dmarc(struct assist *a)
{
	struct dns_answer answer;
	struct slice *texts;
	const char *value = arena_printf(
	    a->arena, "v=DMARC1; p=%s; rua=mailto:%s", a->self->silent ? "reject" : "none", a->self->reports);
	Sekisho__AssistRecord *r = assist_want(a, "dmarc", assist_below(a, "_dmarc"), DNS_TXT, value);
	if (!assist_look(a, r, &answer))
		return;
	size_t n = assist_texts(a, &answer, "v=DMARC1", &texts);
	if (n == 0)
		ASSIST_SAY(a, DMARC_MISSING, r, .name = r->name);
	else if (n > 1)
		ASSIST_SAY(a, DMARC_SEVERAL, r, .name = r->name, .n = n);
	else
		check_policy(a, r, texts[0]);
}

/* ---- BIMI: only looked at where it is in use; without it nothing is missing ---- */

/* Nothing, or a file of that kind by https. */
static bool bimi_place_ok(struct slice place, struct slice ending)
{
	struct slice path = slice_split(&place, '?');
	return !path.n || (slice_istarts(path, SLICE("https://")) && slice_iends(path, ending));
}

void assist_bimi(struct assist *a)
{
	struct dns_answer answer;
	struct slice *texts;
	struct tags t;
	const char *name = assist_below(a, "default._bimi");
	dns_ask(&a->dns.dns, slice_str(name), DNS_TXT, a->arena, &answer);
	size_t n = answer.status == DNS_FOUND ? assist_texts(a, &answer, "v=BIMI1", &texts) : 0;
	if (!n)
		return;
	Sekisho__AssistRecord *r = assist_want(a, "bimi", name, DNS_TXT, assist_safe(a, texts[0]));
	r->optional = true;
	if (!assist_look(a, r, &answer))
		return;
	bool good = tags_parse(texts[0], &t) == OK && bimi_place_ok(tags_value(&t, "l"), SLICE(".svg")) &&
		    bimi_place_ok(tags_value(&t, "a"), SLICE(".pem"));
	if (n > 1)
		ASSIST_SAY(a, BIMI_SEVERAL, r, .name = name, .n = n);
	else if (!good)
		ASSIST_SAY(a, BIMI_BAD, r, .name = name, .seen = r->n_seen ? r->seen[0] : "");
	else if (!tags_value(&t, "l").n)
		return; /* no logo is wanted */
	else if (!a->dmarc_enforced)
		ASSIST_SAY(a, BIMI_EARLY, r, .name = name);
	else if (!tags_value(&t, "a").n)
		ASSIST_SAY(a, BIMI_NO_MARK, r, .name = name);
}
