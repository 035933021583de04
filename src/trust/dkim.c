#include "trust/dkim.h"
#include "trust/signature.h"

/* clang-format off */
static const char *const result_names[] = {
	[DKIM_NONE] = "none", [DKIM_PASS] = "pass", [DKIM_FAIL] = "fail", [DKIM_POLICY] = "policy",
	[DKIM_NEUTRAL] = "neutral", [DKIM_TEMPERROR] = "temperror", [DKIM_PERMERROR] = "permerror",
};
/* What stands once in a message (RFC 5322 3.6, RFC 2045): a second one may be what a reader's program shows. */
static const struct slice single[] = {
	SLICE("From"), SLICE("Sender"), SLICE("Reply-To"), SLICE("To"), SLICE("Cc"), SLICE("Subject"), SLICE("Date"),
	SLICE("Message-ID"), SLICE("In-Reply-To"), SLICE("References"), SLICE("MIME-Version"), SLICE("Content-Type"),
	SLICE("Content-Transfer-Encoding"), SLICE("Content-Disposition"), SLICE("List-Unsubscribe"),
	SLICE("List-Unsubscribe-Post"),
};
/* clang-format on */

const char *dkim_result_name(enum dkim_result r)
{
	return result_names[r];
}

static void end(struct dkim_signature *out, enum dkim_result result, const char *reason)
{
	out->result = result;
	out->reason = reason;
}

static void keep_names(struct slice names, struct arena *a, struct dkim_signature *out)
{
	size_t most = 1;
	for (size_t i = 0; i < names.n; i++)
		most += names.p[i] == ':';
	out->covered = arena_array(a, most, sizeof *out->covered);
	struct tag_list l = {.rest = names};
	struct slice name;
	while (out->covered && tag_list_next(&l, &name))
		out->covered[out->n_covered++] = name;
}

static void keep_tags(const struct signature *s, struct arena *a, struct dkim_signature *out)
{
	out->domain = s->domain;
	out->selector = s->selector;
	out->identity = s->identity;
	out->algorithm = s->algorithm;
	out->header = s->header;
	out->body = s->body;
	out->limited = s->limited;
	out->signed_s = s->signed_s;
	out->expires_s = s->expires_s;
	out->stated_hash = s->stated_hash;
	if (s->b.p)
		out->b = tag_squeezed(s->b, 8, a);
	if (s->names.p)
		keep_names(s->names, a, out);
}

/* Names of which the signature in hand left some out, From first. */
static void keep_added(const struct trust_message *m, const struct signature *s, struct dkim_signature *out)
{
	out->added = arena_array(m->arena, COUNT(single), sizeof *out->added);
	for (size_t i = 0; out->added && i < COUNT(single); i++)
		if (trust_count(m, single[i]) > 1 && tag_list_has(s->names, single[i]) &&
		    trust_untaken(m, single[i]))
			out->added[out->n_added++] = single[i];
}

static bool hash_matches(struct trust_message *m, const struct signature *s, struct dkim_signature *out)
{
	const struct trust_body *b = trust_body_hash(m, s->body, s->most);
	out->body_total = b->total;
	out->body_covered = MIN(b->total, s->most);
	memcpy(out->body_hash, b->digest, TRUST_DIGEST);
	return memcmp(b->digest, s->body_hash, TRUST_DIGEST) == 0;
}

/* What a right signature still does not prove; NULL: nothing. */
static const char *proves_too_little(
    const struct trust_message *m, const struct signature *s, const struct dkim_signature *d, int64_t now_ms)
{
	if (!s->ed25519 && d->key_bits < 1024)
		return "the key has less than 1024 bits (RFC 8301)";
	if (d->body_covered < d->body_total)
		return "l= leaves a part of the body uncovered";
	if (s->expires_s && now_ms && now_ms / SECOND_MS > s->expires_s)
		return "the signature has expired";
	if (d->n_added && slice_eq(d->added[0], single[0]))
		return "a From field is not covered";
	if (trust_has_bare_ends(m))
		return "bare CR or LF in the message";
	return NULL;
}

static void conclude(struct trust_message *m, const struct signature *s, const struct signature_check *k,
    bool body, int64_t now_ms, struct dkim_signature *out)
{
	if (k->outcome == SIGNATURE_LATER) {
		end(out, DKIM_TEMPERROR, k->why);
	} else if (k->outcome == SIGNATURE_NO_KEY) {
		end(out, DKIM_PERMERROR, k->why);
	} else if (s->limited && s->most > out->body_total) {
		end(out, DKIM_PERMERROR, "l= is more than there is");
	} else if (!body) {
		end(out, DKIM_FAIL, "the body was changed");
	} else if (k->outcome == SIGNATURE_WRONG) {
		end(out, DKIM_FAIL, k->why);
	} else {
		const char *why = proves_too_little(m, s, out, now_ms);
		end(out, why ? DKIM_POLICY : DKIM_PASS, why ? why : "");
	}
}

static void verify_parsed(struct trust_message *m, const struct trust_check *check, const struct signature *s,
    struct dkim_signature *out)
{
	unsigned char digest[TRUST_DIGEST];
	struct signature_check k;
	BUF_LOCAL(input, m->all.n + 2 * LIMIT_HEADER_FIELD);
	signature_header_input(m, s, &input);
	keep_added(m, s, out);
	signature_digest(buf_slice(&input), digest);
	signature_check(s, digest, check, m->arena, &k);
	bool body = (k.outcome != SIGNATURE_LATER && k.outcome != SIGNATURE_NO_KEY) || check->explain
			? hash_matches(m, s, out)
			: false;
	out->key_bits = k.key_bits;
	out->key_secure = k.secure;
	out->testing = k.testing;
	out->key_name = k.key_name;
	out->key_record = k.key_record;
	if (check->explain)
		out->header_input = arena_dup(m->arena, buf_slice(&input));
	conclude(m, s, &k, body, check->now_ms, out);
}

static void verify_one(struct trust_message *m, const struct trust_check *check, const struct mail_field *f,
    bool too_many, struct dkim_signature *out)
{
	struct signature s;
	const char *why = signature_parse(SIGNATURE_DKIM, f, false, m->arena, &s);
	out->field = f->all;
	keep_tags(&s, m->arena, out);
	if (too_many)
		end(out, DKIM_NEUTRAL, "too many signatures");
	else if (m->unfit)
		end(out, DKIM_NEUTRAL, m->unfit);
	else if (why)
		end(out, DKIM_PERMERROR, why);
	else
		verify_parsed(m, check, &s, out);
	if (arena_full(m->arena))
		end(out, DKIM_TEMPERROR, "no memory");
}

void dkim_verify(struct trust_message *m, const struct trust_check *check, struct dkim_signatures *out)
{
	static const struct slice name = SLICE("DKIM-Signature");
	size_t n = trust_count(m, name);
	*out = (struct dkim_signatures){.too_many = n > LIMIT_DKIM_SIGNATURES};
	n = MIN(n, (size_t)LIMIT_DKIM_SIGNATURES);
	out->list = arena_array(m->arena, n + 1, sizeof *out->list);
	if (!out->list)
		return;
	out->n = n;
	const struct trust_field *f = trust_lowest(m, name);
	for (size_t left = trust_count(m, name); f; f = trust_above(m, f))
		if (left-- <= n)
			verify_one(m, check, &f->field, out->too_many, &out->list[left]);
}
