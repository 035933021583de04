/* Encrypted ways to this server: MTA-STS, TLS-RPT, DANE, and who may issue certificates. */
#include "assist_inner.h"
#include "trust/tags.h"

/* A version-tagged TXT record of which there may be one (RFC 8461 3.1, RFC 8460 3); false: said what is wrong. */
static bool only_one(struct assist *a, Sekisho__AssistRecord *r, const char *version,
    const enum assist_code codes[3], struct tags *out)
{
	struct dns_answer answer;
	struct slice *texts;
	if (!assist_look(a, r, &answer))
		return false;
	size_t n = assist_texts(a, &answer, version, &texts);
	struct assist_words words = {.name = r->name, .n = n, .seen = r->n_seen ? r->seen[0] : ""};
	if (n == 1 && tags_parse(texts[0], out) == OK)
		return true;
	assist_say(a, codes[n == 0 ? 0 : n == 1 ? 2 : 1], r, &words);
	return false;
}

/* ---- MTA-STS ---- */

static void check_policy_host(struct assist *a, bool published)
{
	const char *seen;
	struct dns_answer answer;
	Sekisho__AssistRecord *r =
	    assist_want(a, "mta-sts", assist_below(a, "mta-sts"), DNS_CNAME, assist_dotted(a, a->self->host));
	if (!assist_look(a, r, &answer) || assist_leads_here(a, r->name, &seen))
		return;
	if (published)
		ASSIST_SAY(a, STS_HOST, r, .name = r->name);
	else
		r->state = SEKISHO__ASSIST_STATE__WARNING; /* said with the record that is missing */
}

void assist_sts(struct assist *a)
{
	static const enum assist_code codes[] = {ASSIST_STS_MISSING, ASSIST_STS_SEVERAL, ASSIST_STS_BAD};
	struct tags t;
	if (!*a->self->sts_id)
		return;
	Sekisho__AssistRecord *r = assist_want(a, "mta-sts", assist_below(a, "_mta-sts"), DNS_TXT,
	    arena_printf(a->arena, "v=STSv1; id=%s", a->self->sts_id));
	bool published = only_one(a, r, "v=STSv1", codes, &t);
	if (published && !slice_eq(tags_value(&t, "id"), slice_str(a->self->sts_id)))
		ASSIST_SAY(a, STS_ID, r, .name = r->name, .seen = assist_safe(a, tags_value(&t, "id")));
	else if (published && a->self->sts_testing)
		ASSIST_SAY(a, STS_TESTING, r, .name = r->name);
	check_policy_host(a, published);
}

/* ---- TLS-RPT ---- */

void assist_rpt(struct assist *a)
{
	static const enum assist_code codes[] = {ASSIST_RPT_MISSING, ASSIST_RPT_SEVERAL, ASSIST_RPT_BAD};
	struct tags t;
	Sekisho__AssistRecord *r = assist_want(a, "tls-rpt", assist_below(a, "_smtp._tls"), DNS_TXT,
	    arena_printf(a->arena, "v=TLSRPTv1; rua=mailto:%s", a->self->tls_reports));
	if (!only_one(a, r, "v=TLSRPTv1", codes, &t))
		return;
	if (tags_value(&t, "rua").n)
		r->value = r->seen[0];
	else
		ASSIST_SAY(a, RPT_BAD, r, .name = r->name, .seen = r->seen[0]);
}

/* ---- TLSA: RFC 7672 3.1, usage 3 selector 1 matching 1 ---- */

static bool names_key(const struct dns_tlsa_list *list, struct slice digest)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct dns_tlsa *t = &list->tlsa[i];
		if (t->usage == 3 && t->selector == 1 && t->matching == 1 && slice_eq(t->data, digest))
			return true;
	}
	return false;
}

/* What cannot be compared here (other usages, selectors) may be right. */
static bool all_comparable(const struct dns_tlsa_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->tlsa[i].usage != 3 || list->tlsa[i].selector != 1 || list->tlsa[i].matching != 1)
			return false;
	return list->n > 0;
}

static Sekisho__AssistRecord *want_key(struct assist *a, const char *name, ProtobufCBinaryData digest)
{
	BUF_LOCAL(value, 256);
	buf_puts(&value, "3 1 1 ");
	buf_hex(&value, slice_of(digest.data, digest.len));
	return assist_want(a, "tlsa", name, DNS_TLSA, arena_z(a->arena, buf_slice(&value)));
}

static bool host_is_signed(struct assist *a)
{
	struct dns_answer answer;
	dns_ask(&a->dns.dns, a->host, DNS_A, a->arena, &answer);
	return answer.secure;
}

void assist_tlsa(struct assist *a)
{
	struct dns_tlsa_list list;
	struct dns_answer answer;
	const char *name = arena_printf(a->arena, "_25._tcp.%s", a->self->host);
	bool secure = host_is_signed(a);
	if (!a->self->n_tlsa)
		ASSIST_SAY(a, TLSA_NO_KEY, NULL, .name = name);
	dns_tlsa(&a->dns.dns, slice_str(name), a->arena, &list);
	for (size_t i = 0; i < a->self->n_tlsa; i++) {
		ProtobufCBinaryData key = a->self->tlsa[i];
		Sekisho__AssistRecord *r = want_key(a, name, key);
		r->optional = true;
		if (!assist_look(a, r, &answer) || names_key(&list, slice_of(key.data, key.len)))
			continue;
		if (i > 0 && list.n)
			ASSIST_SAY(a, TLSA_NEXT, r, .name = name);
		else if (i == 0 && all_comparable(&list))
			ASSIST_SAY(a, TLSA_WRONG, r, .name = name);
		else if (i == 0 && !list.n && secure)
			ASSIST_SAY(a, TLSA_MISSING, r, .name = name);
		else if (i == 0 && !list.n)
			ASSIST_SAY(a, TLSA_UNSIGNED, r, .name = a->self->host);
	}
}

/* ---- CAA: RFC 8659 ---- */

/* The authority that a record of the tag "issue" names; false: it is another tag. */
static bool issuer(struct slice rdata, struct slice *out)
{
	if (rdata.n < 2)
		return false;
	size_t tag = (unsigned char)rdata.p[1];
	if (!slice_ieq(slice_sub(rdata, 2, tag), SLICE("issue")))
		return false;
	struct slice value = slice_sub(rdata, 2 + tag, rdata.n);
	*out = slice_trim(slice_split(&value, ';'));
	return true;
}

/* The records that hold for the name: its own, or those of the nearest name above it. */
static bool find_caa(struct assist *a, struct slice name, struct dns_answer *out)
{
	for (; slice_find(name, '.') >= 0; slice_split(&name, '.')) {
		if (!assist_ask(a, arena_z(a->arena, name), DNS_CAA, out))
			return false;
		if (out->n)
			return true;
	}
	out->n = 0;
	return true;
}

void assist_caa(struct assist *a)
{
	struct dns_answer answer;
	bool limits = false, allowed = false;
	if (!*a->self->ca)
		return;
	Sekisho__AssistRecord *r = assist_want(
	    a, "caa", a->self->domain, DNS_CAA, arena_printf(a->arena, "0 issue \"%s\"", a->self->ca));
	r->optional = true;
	if (!find_caa(a, a->domain, &answer))
		return;
	r->seen = arena_array(a->arena, answer.n + 1, sizeof *r->seen);
	for (size_t i = 0; r->seen && i < answer.n; i++) {
		struct slice who;
		r->seen[r->n_seen++] =
		    (char *)(uintptr_t)trust_rdata_text(DNS_CAA, answer.rdata[i], a->arena);
		if (!issuer(answer.rdata[i], &who))
			continue;
		limits = true;
		allowed = allowed || slice_ieq(who, slice_str(a->self->ca));
	}
	if (limits && !allowed && r->n_seen)
		ASSIST_SAY(a, CAA_FORBIDS, r, .name = r->name, .seen = r->seen[0], .want = a->self->ca);
	else if (!answer.n)
		ASSIST_SAY(a, CAA_MISSING, r, .name = r->name);
}
