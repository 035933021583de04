#include "trust/arc.h"
#include "trust/signature.h"
#include <stdlib.h>

/* What is known of one instance while the chain is read. */
struct link {
	bool has_results, has_signature, has_seal;
	struct mail_field results_field;
	struct slice results;
	struct signature signature, seal;
	unsigned char seal_digest[TRUST_DIGEST];
};

struct chain {
	struct trust_message *m;
	const struct trust_check *check;
	struct arc_chain *out;
	struct link *links; /* [1..LIMIT_ARC_SETS] */
};

const char *arc_status_name(enum arc_status s)
{
	return s == ARC_PASS ? "pass" : s == ARC_FAIL ? "fail" : "none";
}

/* The first reason stays. */
static void fail(struct chain *c, const char *why)
{
	if (c->out->status == ARC_FAIL)
		return;
	c->out->status = ARC_FAIL;
	c->out->reason = why;
}

/* ---- reading ---- */

/* "i=N;" and what stands behind it. */
static bool read_results(struct slice value, unsigned *instance_out, struct slice *rest_out)
{
	struct slice rest = value;
	struct slice head = slice_split(&rest, ';');
	struct slice number = head;
	struct slice name = slice_split(&number, '=');
	uint32_t i;
	if (!slice_eq(slice_trim(name), SLICE("i")) || head.n == value.n ||
	    num_u32(slice_trim(number), LIMIT_ARC_SETS, &i) != OK || i == 0)
		return false;
	*instance_out = i;
	*rest_out = slice_trim(rest);
	return true;
}

/* The place for a part of this instance, unless there is one already. */
static struct link *take_place(struct chain *c, unsigned instance, bool *has, size_t offset)
{
	struct link *l = &c->links[instance];
	bool *mark = (bool *)((char *)l + offset);
	c->out->highest = MAX(c->out->highest, instance);
	*has = *mark;
	*mark = true;
	return l;
}

static void read_results_fields(struct chain *c)
{
	const struct trust_field *f = trust_lowest(c->m, SLICE("ARC-Authentication-Results"));
	for (; f; f = trust_above(c->m, f)) {
		unsigned instance;
		struct slice results;
		bool twice;
		if (!read_results(f->field.value, &instance, &results)) {
			fail(c, "ARC-Authentication-Results has no instance");
			continue;
		}
		struct link *l = take_place(c, instance, &twice, offsetof(struct link, has_results));
		if (twice)
			fail(c, "two ARC-Authentication-Results of one instance");
		l->results_field = f->field;
		l->results = results;
	}
}

static void read_signatures(struct chain *c)
{
	const struct trust_field *f = trust_lowest(c->m, SLICE("ARC-Message-Signature"));
	for (; f; f = trust_above(c->m, f)) {
		struct signature s;
		bool twice;
		const char *why = signature_parse(SIGNATURE_AMS, &f->field, false, c->m->arena, &s);
		if (why)
			fail(c, why);
		if (!s.instance)
			continue;
		struct link *l = take_place(c, s.instance, &twice, offsetof(struct link, has_signature));
		if (twice)
			fail(c, "two ARC-Message-Signatures of one instance");
		l->signature = s;
	}
}

static void read_seals(struct chain *c)
{
	const struct trust_field *f = trust_lowest(c->m, SLICE("ARC-Seal"));
	for (; f; f = trust_above(c->m, f)) {
		struct signature s;
		bool twice;
		const char *why = signature_parse(SIGNATURE_SEAL, &f->field, false, c->m->arena, &s);
		if (why)
			fail(c, why);
		c->out->closed |= slice_ieq(s.cv, SLICE("fail"));
		if (!s.instance)
			continue;
		struct link *l = take_place(c, s.instance, &twice, offsetof(struct link, has_seal));
		if (twice)
			fail(c, "two ARC-Seals of one instance");
		l->seal = s;
	}
}

static void keep_set(struct chain *c, unsigned instance)
{
	const struct link *l = &c->links[instance];
	c->out->sets[c->out->n++] = (struct arc_set){
	    .instance = instance,
	    .domain = l->seal.domain,
	    .selector = l->seal.selector,
	    .algorithm = l->seal.algorithm,
	    .signer = l->signature.domain,
	    .cv = l->seal.cv,
	    .results = l->results,
	    .seal = DKIM_NEUTRAL,
	    .signature = DKIM_NEUTRAL,
	    .results_field = l->results_field,
	    .signature_field = l->signature.field,
	    .seal_field = l->seal.field,
	};
}

/* RFC 8617 5.2, steps 2 and 3. */
static void check_structure(struct chain *c)
{
	bool whole = true;
	for (unsigned i = 1; i <= c->out->highest; i++) {
		const struct link *l = &c->links[i];
		if (!l->has_results || !l->has_signature || !l->has_seal) {
			whole = false;
			fail(c, "a set is not complete");
		} else if (whole) {
			keep_set(c, i);
		}
		if (l->has_seal && !slice_ieq(l->seal.cv, SLICE("fail")) &&
		    !slice_ieq(l->seal.cv, i == 1 ? SLICE("none") : SLICE("pass")))
			fail(c, "cv= of a seal does not fit its instance");
	}
	if (c->out->closed)
		fail(c, "a seal says that the chain has failed before");
}

/* ---- checking ---- */

static void put_set(const struct arc_set *s, struct buf *out)
{
	canon_field(CANON_RELAXED, &s->results_field, out);
	canon_field(CANON_RELAXED, &s->signature_field, out);
}

static void update(EVP_MD_CTX *md, struct slice s)
{
	if (EVP_DigestUpdate(md, s.p, s.n) != 1)
		abort();
}

/* Each seal covers all sets up to its own: one running hash, forked at each seal. */
static void hash_seals(struct chain *c)
{
	EVP_MD_CTX *all = EVP_MD_CTX_new(), *fork = EVP_MD_CTX_new();
	if (!all || !fork || EVP_DigestInit_ex(all, EVP_sha256(), NULL) != 1)
		abort();
	for (unsigned i = 1; i <= c->out->n; i++) {
		const struct arc_set *s = &c->out->sets[i - 1];
		struct link *l = &c->links[i];
		BUF_LOCAL(text, c->m->all.n + 4096);
		put_set(s, &text);
		update(all, buf_slice(&text));
		buf_clear(&text);
		canon_signature(CANON_RELAXED, &l->seal.field, l->seal.b, &text);
		if (EVP_MD_CTX_copy_ex(fork, all) != 1)
			abort();
		update(fork, buf_slice(&text));
		if (EVP_DigestFinal_ex(fork, l->seal_digest, NULL) != 1)
			abort();
		buf_clear(&text);
		canon_field(CANON_RELAXED, &s->seal_field, &text);
		update(all, buf_slice(&text));
	}
	EVP_MD_CTX_free(fork);
	EVP_MD_CTX_free(all);
}

static enum dkim_result outcome(const struct signature *s, const struct signature_check *k)
{
	switch (k->outcome) {
	case SIGNATURE_LATER:
		return DKIM_TEMPERROR;
	case SIGNATURE_NO_KEY:
		return DKIM_PERMERROR;
	case SIGNATURE_WRONG:
		return DKIM_FAIL;
	default:
		return s->ed25519 || k->key_bits >= 1024 ? DKIM_PASS : DKIM_POLICY;
	}
}

static const char *why_of(enum dkim_result r, const struct signature_check *k)
{
	return r == DKIM_POLICY ? "the key has less than 1024 bits (RFC 8301)" : k->why;
}

static enum dkim_result check_signature(struct chain *c, struct arc_set *set)
{
	const struct signature *s = &c->links[set->instance].signature;
	unsigned char digest[TRUST_DIGEST];
	struct signature_check k;
	const struct trust_body *body = trust_body_hash(c->m, s->body, s->most);
	if (memcmp(body->digest, s->body_hash, TRUST_DIGEST) != 0 || s->most < body->total) {
		set->why = "the body was changed";
		return set->signature = DKIM_FAIL;
	}
	BUF_LOCAL(input, c->m->all.n + 2 * LIMIT_HEADER_FIELD);
	signature_header_input(c->m, s, &input);
	signature_digest(buf_slice(&input), digest);
	signature_check(s, digest, c->check, c->m->arena, &k);
	set->signature = outcome(s, &k);
	set->why = why_of(set->signature, &k);
	return set->signature;
}

static enum dkim_result check_seal(struct chain *c, struct arc_set *set)
{
	const struct link *l = &c->links[set->instance];
	struct signature_check k;
	signature_check(&l->seal, l->seal_digest, c->check, c->m->arena, &k);
	set->key_bits = k.key_bits;
	set->seal = outcome(&l->seal, &k);
	set->why = why_of(set->seal, &k);
	return set->seal;
}

/* RFC 8617 5.2, steps 4 to 6: the last message signature, then all seals from the last to the first. */
static void check_sets(struct chain *c)
{
	struct arc_chain *out = c->out;
	struct arc_set *last = &out->sets[out->n - 1];
	enum dkim_result r = check_signature(c, last);
	const struct arc_set *at = last;
	if (r == DKIM_PASS)
		hash_seals(c);
	for (size_t i = out->n; i && r == DKIM_PASS; i--) {
		at = &out->sets[i - 1];
		r = check_seal(c, &out->sets[i - 1]);
	}
	if (r == DKIM_PASS) {
		out->status = ARC_PASS;
		return;
	}
	out->temporary = r == DKIM_TEMPERROR;
	fail(c, at->why);
}

static void find_oldest_pass(struct chain *c)
{
	struct arc_chain *out = c->out;
	out->oldest_pass = (unsigned)out->n;
	for (size_t i = out->n - 1; i && check_signature(c, &out->sets[i - 1]) == DKIM_PASS; i--)
		out->oldest_pass = (unsigned)i;
}

void arc_verify(struct trust_message *m, const struct trust_check *check, struct arc_chain *out)
{
	struct chain c = {.m = m, .check = check, .out = out};
	*out = (struct arc_chain){.status = ARC_NONE, .reason = ""};
	if (!trust_count(m, SLICE("ARC-Seal")) && !trust_count(m, SLICE("ARC-Message-Signature")) &&
	    !trust_count(m, SLICE("ARC-Authentication-Results")))
		return;
	c.links = arena_array(m->arena, LIMIT_ARC_SETS + 1, sizeof *c.links);
	out->sets = arena_array(m->arena, LIMIT_ARC_SETS, sizeof *out->sets);
	if (m->unfit || !c.links || !out->sets) {
		fail(&c, m->unfit ? m->unfit : "no memory");
		return;
	}
	read_results_fields(&c);
	read_signatures(&c);
	read_seals(&c);
	check_structure(&c);
	if (arena_full(m->arena))
		fail(&c, "no memory");
	if (out->status == ARC_NONE)
		check_sets(&c);
	if (out->status == ARC_PASS && check->explain)
		find_oldest_pass(&c);
}
