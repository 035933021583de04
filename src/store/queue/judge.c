#include "store/queue/judge.h"
#include "ipc/dns.h"
#include "store/queue/resolve.h"
#include <sys/socket.h>

#define FROM_FIELDS_FLAG (1u << 1) /* ipc/trust_flags.def */

/* ---- the administrator's list ---- */

struct network {
	struct dns_ip ip;
	uint32_t bits;
};

static bool network_read(struct slice text, struct network *out)
{
	struct slice address = slice_split(&text, '/');
	if (dns_ip_read(address, &out->ip) != OK)
		return false;
	out->bits = out->ip.family == AF_INET ? 32 : 128;
	return text.n == 0 || num_u32(text, out->bits, &out->bits) == OK;
}

/* The octets behind the mask become zero. */
static void network_mask(struct network *n)
{
	for (uint32_t i = 0; i < sizeof n->ip.octets; i++)
		if (i * 8 >= n->bits)
			n->ip.octets[i] = 0;
		else if (n->bits - i * 8 < 8)
			n->ip.octets[i] &= (unsigned char)(0xff00u >> (n->bits - i * 8));
}

struct slice judge_network(struct slice text, struct arena *a)
{
	struct network n;
	char z[DNS_IP_TEXT];
	if (!network_read(text, &n))
		return SLICE_NONE;
	network_mask(&n);
	return slice_str(arena_printf(a, "%s/%u", dns_ip_text(&n.ip, z), n.bits));
}

static bool network_has(struct slice text, const struct dns_ip *ip)
{
	struct network n, own = {.ip = *ip};
	if (!network_read(text, &n) || n.ip.family != ip->family)
		return false;
	own.bits = n.bits;
	network_mask(&own);
	return memcmp(own.ip.octets, n.ip.octets, sizeof own.ip.octets) == 0;
}

static bool is_listed(struct db *db, enum override_kind kind, struct slice name)
{
	return name.n && DB_NUMBER(db, 0, OVERRIDE_HAS, DI(kind), DT(name)) == 1;
}

/* The domain or one above it. */
static struct slice listed_domain(struct db *db, struct slice domain)
{
	while (domain.n) {
		if (is_listed(db, OVERRIDE_DOMAIN, domain))
			return domain;
		slice_split(&domain, '.');
	}
	return SLICE_NONE;
}

static struct slice lower(struct arena *a, struct slice s)
{
	char *z = arena_z(a, s);
	for (char *p = z; p && *p; p++)
		*p = ascii_lower(*p);
	return slice_str(z);
}

static struct slice listed_network(struct db *db, struct slice client, struct arena *a)
{
	struct dns_ip ip;
	if (dns_ip_read(client, &ip) != OK)
		return SLICE_NONE;
	DB_ROWS q = DB_QUERY0(db, OVERRIDE_NETWORKS);
	while (db_next(&q))
		if (network_has(db_octets(&q, 0), &ip))
			return arena_dup(a, db_octets(&q, 0));
	return SLICE_NONE;
}

/* What of this mail the list names; empty: nothing. */
static struct slice listed(struct db *db, const struct judge_ask *ask, struct arena *a)
{
	struct slice found = listed_network(db, ask->ip, a);
	struct slice sender = lower(a, slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT,
					   SLICE_ARG(ask->local), SLICE_ARG(ask->domain))));
	struct slice author = lower(a, slice_str(ask->trust->author));
	if (!found.n && is_listed(db, OVERRIDE_ADDRESS, sender))
		found = sender;
	if (!found.n && ask->trust->n_authors == 1 && is_listed(db, OVERRIDE_ADDRESS, author))
		found = author;
	if (!found.n && ask->trust->n_authors == 1)
		found = listed_domain(db, lower(a, slice_str(ask->trust->authors[0])));
	return found;
}

/* ---- forwarders ---- */

static bool is_trusted(struct slice trusted, struct slice domain)
{
	while (trusted.n) {
		struct slice one = slice_trim_blank(slice_split(&trusted, ' '));
		if (one.n && slice_ieq(one, domain))
			return true;
	}
	return false;
}

/* The forwarder who says that the author was proven, when all that came behind it are trusted too; NULL: nobody. */
static const char *voucher(const struct store *s, const Sekisho__Trust *t)
{
	for (size_t i = 0; t->arc && i < t->arc->n_sets; i++) {
		const Sekisho__TrustArcSet *set = t->arc->sets[i];
		if (!is_trusted(slice_str(s->settings->arc_trusted), slice_str(set->domain)))
			return NULL;
		if (set->vouches)
			return set->domain;
	}
	return NULL;
}

/* ---- the rules ---- */

static void rule_dmarc(
    const struct store *s, const struct judge_ask *ask, struct arena *a, struct judgement *j)
{
	const Sekisho__TrustDmarc *d = ask->trust->dmarc;
	if (!d || d->result != SEKISHO__TRUST_DMARC__RESULT__FAIL ||
	    d->policy == SEKISHO__TRUST_DMARC__POLICY__ACCEPT)
		return;
	bool reject = d->policy == SEKISHO__TRUST_DMARC__POLICY__REJECT;
	j->action = reject ? s->settings->dmarc_reject : s->settings->dmarc_quarantine;
	j->rule = "dmarc";
	j->why = arena_printf(a, "%s does not stand behind it (%s) and asks that such mail be %s", d->author,
	    d->why, reject ? "refused" : "set aside");
	j->reply = arena_printf(
	    a, "5.7.26 Mail from %s must pass its DMARC policy, and this did not: %s", d->author, d->why);
	if (j->action < (reject ? JUDGE_REFUSE : JUDGE_JUNK)) {
		j->spare = "option";
		j->spare_why = "the configuration is milder than the domain";
	}
}

/* An author of one of our domains, or of a name below one. */
static struct slice own_author(struct db *db, const Sekisho__Trust *t)
{
	for (size_t i = 0; i < t->n_authors; i++)
		for (struct slice d = slice_str(t->authors[i]); d.n; slice_split(&d, '.'))
			if (resolve_is_ours(db, d))
				return slice_str(t->authors[i]);
	return SLICE_NONE;
}

static void rule_own(
    const struct store *s, struct db *db, const struct judge_ask *ask, struct arena *a, struct judgement *j)
{
	enum store_judge action = s->settings->own_unproven;
	struct slice own =
	    ask->trust->proven || action <= j->action ? SLICE_NONE : own_author(db, ask->trust);
	if (!own.n)
		return;
	if (action == JUDGE_REFUSE && ask->trust->temporary)
		action = JUDGE_JUNK;
	if (action <= j->action)
		return;
	*j = (struct judgement){.action = action, .rule = "own-domain", .spare = "", .spare_why = ""};
	j->why = arena_printf(
	    a, "it claims to be from " SLICE_FMT ", which is ours, and nothing proves it", SLICE_ARG(own));
	j->reply = arena_printf(a,
	    "5.7.26 Mail from " SLICE_FMT " must prove that it is: by SPF, DKIM or a login", SLICE_ARG(own));
}

static void rule_fields(const struct judge_ask *ask, struct judgement *j)
{
	if (!(ask->trust->flags & FROM_FIELDS_FLAG))
		return;
	*j = (struct judgement){.action = JUDGE_REFUSE,
	    .rule = "from-fields",
	    .why = "it has several From fields: nobody could tell who sent it",
	    .reply = "5.6.0 A message has one From field (RFC 5322 3.6)",
	    .spare = "",
	    .spare_why = ""};
}

/* What would be done is not, for a reason that is said. */
static void spare(struct judgement *j, const char *rule, const char *why)
{
	j->action = JUDGE_ACCEPT;
	j->spare = rule;
	j->spare_why = why;
}

/* The domain is the signer's, or below it. */
static bool is_signed(const struct judge_ask *ask)
{
	for (size_t i = 0; i < ask->trust->n_dkim; i++) {
		const Sekisho__TrustDkim *d = ask->trust->dkim[i];
		for (struct slice name = ask->domain; name.n && strcmp(d->result, "pass") == 0;
		     slice_split(&name, '.'))
			if (slice_ieq(name, slice_str(d->domain)))
				return true;
	}
	return false;
}

/* SPF of the null sender is that of HELO, and nobody is answered anyway. */
static enum mail_origin origin_of(const struct judge_ask *ask, const struct judgement *j)
{
	const Sekisho__Trust *t = ask->trust;
	const char *spf = t->spf ? t->spf->result : "none";
	if (t->dmarc && t->dmarc->result == SEKISHO__TRUST_DMARC__RESULT__FAIL && !*j->spare)
		return ORIGIN_FALSE;
	if (strcmp(spf, "pass") == 0 || is_signed(ask))
		return ORIGIN_PROVEN;
	return strcmp(spf, "fail") == 0 ? ORIGIN_FALSE : ORIGIN_UNKNOWN;
}

enum result judge(
    struct store *s, struct db *db, const struct judge_ask *ask, struct arena *a, struct judgement *out)
{
	*out = (struct judgement){.rule = "", .why = "", .spare = "", .spare_why = "", .reply = ""};
	struct slice proven =
	    ask->trust->proven && ask->trust->n_authors == 1 ? slice_str(ask->trust->authors[0]) : SLICE_NONE;
	rule_dmarc(s, ask, a, out);
	rule_own(s, db, ask, a, out);
	if (out->action != JUDGE_ACCEPT) {
		struct slice name = listed(db, ask, a);
		const char *by = name.n ? NULL : voucher(s, ask->trust);
		if (name.n)
			spare(out, "override",
			    arena_printf(a, "the administrator's list has " SLICE_FMT, SLICE_ARG(name)));
		else if (by)
			spare(out, "arc", arena_printf(a, "%s, a trusted forwarder, found it proven", by));
	}
	rule_fields(ask, out);
	out->proven = proven;
	out->origin = origin_of(ask, out);
	return db_result(db) == OK && !arena_full(a) ? OK : LATER;
}
