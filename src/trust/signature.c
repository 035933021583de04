#include "trust/signature.h"
#include "mail/address.h"

/* ---- the tags of a signature ---- */

struct reading {
	enum signature_kind kind;
	bool making;
	struct tags tags;
	struct arena *arena;
	struct signature *s;
};

/* A-labels in lower case; empty: it is no name of the DNS. */
static struct slice host_name(struct slice name, struct arena *a)
{
	struct slice ascii = name;
	BUF_LOCAL(wire, LIMIT_DNS_NAME + 1);
	if (!slice_is_ascii(name) && mail_domain_ascii(name, a, &ascii) != OK)
		return SLICE_NONE;
	if (ascii.n == 0 || dns_name_put(ascii, &wire) != OK)
		return SLICE_NONE;
	char *z = arena_z(a, ascii);
	for (char *p = z; p && *p; p++)
		*p = ascii_lower(*p);
	return slice_str(z);
}

static const char *read_algorithm(struct reading *r)
{
	r->s->algorithm = tags_value(&r->tags, "a");
	r->s->ed25519 = slice_ieq(r->s->algorithm, SLICE("ed25519-sha256"));
	if (r->s->algorithm.n == 0)
		return "a= is missing";
	if (slice_ieq(r->s->algorithm, SLICE("rsa-sha1")))
		return "rsa-sha1 proves nothing any more (RFC 8301)";
	if (!r->s->ed25519 && !slice_ieq(r->s->algorithm, SLICE("rsa-sha256")))
		return "the algorithm is unknown";
	return NULL;
}

static const char *read_signature(struct reading *r)
{
	const struct tag *b = tags_find(&r->tags, "b");
	BUF_LOCAL(octets, LIMIT_SIGNATURE_OCTETS);
	if (!b)
		return "b= is missing";
	r->s->b = b->raw;
	if (r->making && b->value.n == 0)
		return NULL;
	if (tag_base64(b->value, &octets) != OK || buf_result(&octets) != OK || octets.n == 0)
		return "b= is not base64";
	r->s->signature = arena_dup(r->arena, buf_slice(&octets));
	return NULL;
}

static const char *read_names(struct reading *r)
{
	r->s->domain = host_name(tags_value(&r->tags, "d"), r->arena);
	if (r->s->domain.n == 0 || !mail_host_valid(r->s->domain))
		return "d= is no domain";
	r->s->selector = host_name(tags_value(&r->tags, "s"), r->arena);
	if (r->s->selector.n == 0)
		return "s= is no selector";
	return NULL;
}

static bool read_canon(struct slice word, enum canon *out)
{
	*out = slice_ieq(word, SLICE("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
	return *out == CANON_RELAXED || slice_ieq(word, SLICE("simple"));
}

static const char *read_canons(struct reading *r)
{
	const struct tag *c = tags_find(&r->tags, "c");
	struct slice body = c ? c->value : SLICE_NONE;
	struct slice header = slice_split(&body, '/');
	if (c && slice_find(c->value, '/') < 0)
		body = SLICE("simple");
	r->s->header = r->s->body = CANON_SIMPLE;
	if (c && (!read_canon(header, &r->s->header) || !read_canon(body, &r->s->body)))
		return "the canonicalisation is unknown";
	return NULL;
}

static const char *read_times(struct reading *r)
{
	const struct tag *t = tags_find(&r->tags, "t"), *x = tags_find(&r->tags, "x");
	uint64_t value;
	if (t && num_u64(t->value, (uint64_t)1 << 40, &value) != OK)
		return "t= is no time";
	r->s->signed_s = t ? (int64_t)value : 0;
	if (r->kind == SIGNATURE_SEAL || !x)
		return NULL;
	if (num_u64(x->value, (uint64_t)1 << 40, &value) != OK)
		return "x= is no time";
	r->s->expires_s = (int64_t)value;
	return t && r->s->expires_s < r->s->signed_s ? "x= is before t=" : NULL;
}

static const char *read_body_hash(struct reading *r)
{
	const struct tag *bh = tags_find(&r->tags, "bh"), *l = tags_find(&r->tags, "l");
	BUF_LOCAL(octets, LIMIT_SIGNATURE_OCTETS);
	if (!bh)
		return "bh= is missing";
	if (tag_base64(bh->value, &octets) != OK || octets.n != TRUST_DIGEST)
		return "bh= is no SHA-256 hash";
	memcpy(r->s->body_hash, octets.p, TRUST_DIGEST);
	r->s->stated_hash = tag_squeezed(bh->value, 4 * TRUST_DIGEST, r->arena);
	r->s->limited = l != NULL;
	r->s->most = UINT64_MAX;
	if (l && num_u64(l->value, UINT64_MAX - 1, &r->s->most) != OK)
		return "l= is no length";
	return NULL;
}

static bool is_field_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return false;
	return true;
}

static const char *read_covered(struct reading *r)
{
	const struct tag *h = tags_find(&r->tags, "h");
	bool from = false;
	size_t n = 0;
	struct slice name;
	if (!h)
		return "h= is missing";
	r->s->names = h->value;
	for (struct tag_list l = {.rest = h->value}; tag_list_next(&l, &name); n++) {
		if (!is_field_name(name) || (r->kind == SIGNATURE_DKIM && name.n == 0))
			return "h= names no field";
		if (r->kind == SIGNATURE_AMS && slice_ieq(name, SLICE("arc-seal")))
			return "h= covers ARC-Seal";
		from |= slice_ieq(name, SLICE("from"));
	}
	if (n > LIMIT_SIGNATURE_NAMES)
		return "h= names too many fields";
	return r->kind == SIGNATURE_DKIM && !from ? "From is not signed" : NULL;
}

/* Whether `domain` is `of` or below it. */
static bool is_under(struct slice domain, struct slice of)
{
	return slice_eq(domain, of) ||
	       (slice_iends(domain, of) && domain.n > of.n && domain.p[domain.n - of.n - 1] == '.');
}

static const char *read_identity(struct reading *r)
{
	const struct tag *i = tags_find(&r->tags, "i");
	if (!i) {
		r->s->identity = slice_str(arena_printf(r->arena, "@" SLICE_FMT, SLICE_ARG(r->s->domain)));
		return NULL;
	}
	ptrdiff_t at = slice_rfind(i->value, '@');
	r->s->identity = i->value;
	struct slice domain =
	    at < 0 ? SLICE_NONE : host_name(slice_sub(i->value, (size_t)at + 1, i->value.n), r->arena);
	return domain.n && is_under(domain, r->s->domain) ? NULL : "i= is not of d=";
}

static const char *read_version(struct reading *r)
{
	const struct tag *v = tags_find(&r->tags, "v"), *q = tags_find(&r->tags, "q");
	if (!v || !slice_eq(v->value, SLICE("1")))
		return "v= is not 1";
	if (q && !tag_list_has(q->value, SLICE("dns/txt")) && !tag_list_has(q->value, SLICE("dns")))
		return "q= asks for what is unknown";
	return NULL;
}

static const char *read_instance(struct reading *r)
{
	uint32_t i;
	if (num_u32(tags_value(&r->tags, "i"), LIMIT_ARC_SETS, &i) != OK || i == 0)
		return "i= is no instance";
	r->s->instance = i;
	return NULL;
}

static const char *read_seal(struct reading *r)
{
	r->s->cv = tags_value(&r->tags, "cv");
	r->s->header = CANON_RELAXED;
	if (tags_find(&r->tags, "h") || tags_find(&r->tags, "bh"))
		return "a seal has no h= and no bh=";
	if (!slice_ieq(r->s->cv, SLICE("none")) && !slice_ieq(r->s->cv, SLICE("pass")) &&
	    !slice_ieq(r->s->cv, SLICE("fail")))
		return "cv= is none of none, pass and fail";
	return NULL;
}

const char *signature_parse(
    enum signature_kind kind, const struct mail_field *f, bool making, struct arena *a, struct signature *out)
{
	struct reading r = {.kind = kind, .making = making, .arena = a, .s = out};
	*out = (struct signature){.field = *f, .most = UINT64_MAX};
	if (f->value.n > LIMIT_HEADER_FIELD)
		return "the signature is too long";
	if (tags_parse(f->value, &r.tags) != OK)
		return "it is no tag list";
	const char *why = read_names(&r);
	if (!why && kind == SIGNATURE_DKIM)
		why = read_version(&r);
	if (!why)
		why = kind == SIGNATURE_DKIM ? read_identity(&r) : read_instance(&r);
	if (!why)
		why = read_algorithm(&r);
	if (!why)
		why = read_signature(&r);
	if (!why)
		why = read_times(&r);
	if (!why && kind == SIGNATURE_SEAL)
		return read_seal(&r);
	if (!why)
		why = read_canons(&r);
	if (!why)
		why = read_body_hash(&r);
	return why ? why : read_covered(&r);
}

/* ---- what is signed ---- */

void signature_header_input(struct trust_message *m, const struct signature *s, struct buf *out)
{
	struct slice name;
	trust_take_start(m);
	for (struct tag_list l = {.rest = s->names}; tag_list_next(&l, &name);) {
		const struct trust_field *f = trust_take_field(m, name);
		if (f && f->field.all.p == s->field.all.p) /* it was not there when it was made */
			f = trust_take_field(m, name);
		if (f)
			canon_field(s->header, &f->field, out);
	}
	canon_signature(s->header, &s->field, s->b, out);
}

void signature_digest(struct slice input, unsigned char out[TRUST_DIGEST])
{
	if (EVP_Digest(input.n ? input.p : "", input.n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}
