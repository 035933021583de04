#include "trust/message.h"
#include <openssl/evp.h>
#include <stdlib.h>

/* ---- names ---- */

static uint32_t hash_name(struct slice name)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (uint8_t)ascii_lower(name.p[i])) * 16777619u;
	return h ^ h >> 15;
}

static struct trust_name *find_name(const struct trust_message *m, struct slice name)
{
	if (!m->buckets)
		return NULL;
	for (uint32_t at = m->buckets[hash_name(name) & m->mask]; at; at = m->names[at - 1].next)
		if (slice_ieq(m->names[at - 1].name, name))
			return &m->names[at - 1];
	return NULL;
}

static struct trust_name *name_of(struct trust_message *m, struct slice name)
{
	struct trust_name *known = find_name(m, name);
	if (known)
		return known;
	uint32_t *bucket = &m->buckets[hash_name(name) & m->mask];
	struct trust_name *n = &m->names[m->n_names++];
	*n = (struct trust_name){.name = name, .next = *bucket};
	*bucket = (uint32_t)m->n_names;
	return n;
}

/* ---- reading ---- */

static size_t count_fields(struct slice message)
{
	struct mail_fields fields = mail_fields_of(message);
	struct mail_field f;
	size_t n = 0;
	while (n <= LIMIT_HEADER_FIELDS && mail_fields_next(&fields, &f))
		n++;
	return n;
}

static void add_field(struct trust_message *m, const struct mail_field *f)
{
	struct trust_field *t = &m->fields[m->n++];
	struct trust_name *name = name_of(m, f->name);
	t->field = *f;
	t->above = name->last;
	name->last = (uint32_t)m->n;
	name->count++;
}

enum result trust_message_read(struct slice message, struct arena *a, struct trust_message *out)
{
	size_t most = MIN(count_fields(message), (size_t)LIMIT_HEADER_FIELDS);
	uint32_t buckets = 16;
	while (buckets < most)
		buckets *= 2;
	*out = (struct trust_message){.all = message, .arena = a, .mask = buckets - 1};
	out->fields = arena_array(a, most + 1, sizeof *out->fields);
	out->names = arena_array(a, most + 1, sizeof *out->names);
	out->buckets = arena_array(a, buckets, sizeof *out->buckets);
	if (!out->fields || !out->names || !out->buckets)
		return FULL;
	struct mail_fields fields = mail_fields_of(message);
	struct mail_field f;
	while (mail_fields_next(&fields, &f)) {
		if (out->n == most)
			out->unfit = "the header has too many fields";
		else if (f.name.n) /* otherwise a line that is no field */
			add_field(out, &f);
	}
	if (fields.defects & MAIL_DEFECT_BIT(MAIL_DEFECT_header_too_big))
		out->unfit = "the header is too long";
	out->body = fields.rest;
	return OK;
}

size_t trust_count(const struct trust_message *m, struct slice name)
{
	const struct trust_name *n = find_name(m, name);
	return n ? n->count : 0;
}

const struct trust_field *trust_lowest(const struct trust_message *m, struct slice name)
{
	const struct trust_name *n = find_name(m, name);
	return n ? &m->fields[n->last - 1] : NULL;
}

const struct trust_field *trust_above(const struct trust_message *m, const struct trust_field *f)
{
	return f->above ? &m->fields[f->above - 1] : NULL;
}

/* ---- what a signature covers ---- */

void trust_take_start(struct trust_message *m)
{
	m->turn++;
}

const struct trust_field *trust_take_field(struct trust_message *m, struct slice name)
{
	struct trust_name *n = find_name(m, name);
	if (!n)
		return NULL;
	if (n->turn != m->turn) {
		n->turn = m->turn;
		n->taken = n->last;
	}
	if (!n->taken)
		return NULL;
	const struct trust_field *f = &m->fields[n->taken - 1];
	n->taken = f->above;
	return f;
}

size_t trust_untaken(const struct trust_message *m, struct slice name)
{
	const struct trust_name *n = find_name(m, name);
	size_t left = 0;
	if (!n || n->turn != m->turn)
		return n ? n->count : 0;
	for (uint32_t at = n->taken; at; at = m->fields[at - 1].above)
		left++;
	return left;
}

/* ---- the body ---- */

bool trust_has_bare_ends(const struct trust_message *m)
{
	const char *p = m->all.p, *end = p + m->all.n;
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *cr = memchr(p, '\r', (size_t)((lf ? lf : end) - p));
		if (!lf)
			return cr != NULL;
		if (!cr || cr + 1 != lf)
			return true;
		p = lf + 1;
	}
	return false;
}

struct hashing {
	EVP_MD_CTX *md;
	uint64_t left;
};

static void hash_piece(void *context, struct slice piece)
{
	struct hashing *h = context;
	size_t n = (size_t)MIN((uint64_t)piece.n, h->left);
	h->left -= n;
	if (n && EVP_DigestUpdate(h->md, piece.p, n) != 1)
		abort();
}

static void hash_body(const struct trust_message *m, struct trust_body *b)
{
	struct hashing h = {.md = EVP_MD_CTX_new(), .left = b->most};
	struct canon_body c = {.how = b->how, .sink = hash_piece, .context = &h};
	if (!h.md || EVP_DigestInit_ex(h.md, EVP_sha256(), NULL) != 1)
		abort();
	canon_body_add(&c, m->body);
	canon_body_end(&c);
	if (EVP_DigestFinal_ex(h.md, b->digest, NULL) != 1)
		abort();
	EVP_MD_CTX_free(h.md);
	b->total = c.total;
}

const struct trust_body *trust_body_hash(struct trust_message *m, enum canon how, uint64_t most)
{
	for (size_t i = 0; i < m->n_bodies; i++) {
		struct trust_body *b = &m->bodies[i];
		if (b->how == how && (b->most == most || (b->most >= b->total && most >= b->total)))
			return b;
	}
	struct trust_body *b = &m->bodies[m->n_bodies < TRUST_BODIES ? m->n_bodies++ : TRUST_BODIES - 1];
	*b = (struct trust_body){.how = how, .most = most};
	hash_body(m, b);
	return b;
}
