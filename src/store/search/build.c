/* search_build: makes a segment. Memory: twelve octets each time a term stands in the text, which is six
   times the text at most, and the dictionary. */
#include "store/search/page.h"
#include "store/search/places.h"
#include "store/search/segment.h"
#include <stdlib.h>

#define DICTIONARY_KEYS 32768 /* octets of keys in a page, about */
#define TERMS_MEMORY ((size_t)256 << 20)

struct term {
	struct slice key; /* term, zone */
	uint32_t n;       /* so often it stands there */
	uint32_t from;    /* of its places, once they are sorted */
};

struct stand {
	uint32_t term, place;
};

struct search_builder {
	search_page_put *put;
	void *ctx;
	uint32_t page; /* the next one */
	struct buf text;
	uint64_t octets;

	struct search_doc *docs;
	uint32_t *from; /* the first place of each doc, and the end */
	uint32_t n_docs;

	struct arena keys;
	struct term *terms;
	uint32_t n_terms, cap_terms;
	uint32_t *table; /* term + 1 by hash, 0: free */
	uint32_t mask;
	struct stand *stands; /* in the order of their places */
	size_t n_stands, cap_stands;
};

static void *grown(void *p, size_t n, size_t size)
{
	size_t octets;
	p = mul_ok(n, size, &octets) ? realloc(p, octets) : NULL;
	if (!p)
		abort();
	return p;
}

struct search_builder *search_builder_new(search_page_put *put, void *ctx)
{
	struct search_builder *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	b->put = put;
	b->ctx = ctx;
	b->page = 1;
	buf_init(&b->text, SEARCH_PAGE_TEXT);
	arena_init(&b->keys, TERMS_MEMORY);
	b->mask = 4095;
	b->table = calloc(b->mask + 1, sizeof *b->table);
	if (!b->table)
		abort();
	return b;
}

void search_builder_free(struct search_builder *b)
{
	if (!b)
		return;
	buf_free(&b->text);
	arena_free(&b->keys);
	free(b->docs);
	free(b->terms);
	free(b->table);
	free(b->from);
	free(b->stands);
	free(b);
}

bool search_builder_full(const struct search_builder *b)
{
	return b->octets >= SEARCH_SEGMENT_TEXT || b->n_docs >= SEARCH_SEGMENT_DOCS;
}

uint32_t search_builder_docs(const struct search_builder *b)
{
	return b->n_docs;
}

uint64_t search_builder_text(const struct search_builder *b)
{
	return b->octets;
}

/* ---- terms ---- */

static uint32_t hash_of(enum inspect_zone zone, struct slice term)
{
	uint64_t h = 1469598103934665603u ^ zone;
	for (size_t i = 0; i < term.n; i++)
		h = (h ^ (unsigned char)term.p[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32);
}

static bool is_key(const struct term *t, enum inspect_zone zone, struct slice term)
{
	return t->key.n == term.n + 1 && t->key.p[term.n] == (char)zone &&
	       memcmp(t->key.p, term.p, term.n) == 0;
}

static uint32_t hash_of_key(struct slice key)
{
	return hash_of((enum inspect_zone)key.p[key.n - 1], slice_sub(key, 0, key.n - 1));
}

static void widen(struct search_builder *b)
{
	b->mask = b->mask * 2 + 1;
	free(b->table);
	b->table = calloc((size_t)b->mask + 1, sizeof *b->table);
	if (!b->table)
		abort();
	for (uint32_t i = 0; i < b->n_terms; i++) {
		uint32_t at = hash_of_key(b->terms[i].key) & b->mask;
		while (b->table[at])
			at = (at + 1) & b->mask;
		b->table[at] = i + 1;
	}
}

static uint32_t new_term(struct search_builder *b, enum inspect_zone zone, struct slice term)
{
	if (b->n_terms == b->cap_terms) {
		b->cap_terms = b->cap_terms ? b->cap_terms * 2 : 4096;
		b->terms = grown(b->terms, b->cap_terms, sizeof *b->terms);
	}
	char *key = arena_alloc(&b->keys, term.n + 1);
	if (!key)
		abort();
	memcpy(key, term.p, term.n);
	key[term.n] = (char)zone;
	b->terms[b->n_terms] = (struct term){.key = slice_of(key, term.n + 1)};
	return b->n_terms++;
}

static uint32_t find_term(struct search_builder *b, enum inspect_zone zone, struct slice term)
{
	if (b->n_terms > b->mask / 2)
		widen(b);
	uint32_t at = hash_of(zone, term) & b->mask;
	for (; b->table[at]; at = (at + 1) & b->mask)
		if (is_key(&b->terms[b->table[at] - 1], zone, term))
			return b->table[at] - 1;
	uint32_t made = new_term(b, zone, term);
	b->table[at] = made + 1;
	return made;
}

/* What ends a key in a page: no text that was folded has such an octet, but who knows what scan sends. */
static bool has_zone(struct slice term)
{
	for (size_t i = 0; i < term.n; i++)
		if ((unsigned char)term.p[i] <= INSPECT_ZONE_LAST)
			return true;
	return false;
}

static void add_term(void *ctx, enum inspect_zone zone, struct slice term, uint32_t at)
{
	struct search_builder *b = ctx;
	if (has_zone(term))
		return;
	if (b->n_stands == b->cap_stands) {
		b->cap_stands = b->cap_stands ? b->cap_stands * 2 : 65536;
		b->stands = grown(b->stands, b->cap_stands, sizeof *b->stands);
	}
	uint32_t id = find_term(b, zone, term);
	b->terms[id].n++;
	b->stands[b->n_stands++] = (struct stand){id, b->from[b->n_docs] + at};
}

/* ---- text ---- */

static void put_packed(struct search_builder *b, uint32_t page, struct slice plain)
{
	BUF_LOCAL(packed, SEARCH_PAGE_MOST * 2);
	search_page_pack(plain, &packed);
	b->put(b->ctx, page, buf_slice(&packed));
}

static void flush_text(struct search_builder *b)
{
	if (!b->text.n)
		return;
	put_packed(b, b->page++, buf_slice(&b->text));
	buf_clear(&b->text);
}

void search_builder_add(struct search_builder *b, const struct search_doc *d, struct slice text)
{
	if (!(b->n_docs & (b->n_docs - 1))) {
		size_t cap = b->n_docs ? (size_t)b->n_docs * 2 : 1;
		b->docs = grown(b->docs, cap, sizeof *b->docs);
		b->from = grown(b->from, cap + 1, sizeof *b->from);
	}
	if (!b->n_docs)
		b->from[0] = 0;
	b->from[b->n_docs + 1] = b->from[b->n_docs] + inspect_terms_each(text, add_term, b);
	b->docs[b->n_docs] = *d;
	b->docs[b->n_docs++].text = (uint32_t)text.n;
	b->octets += text.n;
	while (text.n) {
		struct slice some = slice_sub(text, 0, SEARCH_PAGE_TEXT - b->text.n);
		buf_put(&b->text, some);
		text = slice_sub(text, some.n, text.n);
		if (b->text.n == SEARCH_PAGE_TEXT)
			flush_text(b);
	}
}

/* ---- the end ---- */

static int by_key(const void *x, const void *y)
{
	const struct term *a = *(const struct term *const *)x, *b = *(const struct term *const *)y;
	int c = memcmp(a->key.p, b->key.p, MIN(a->key.n, b->key.n));
	return c ? c : (a->key.n > b->key.n) - (a->key.n < b->key.n);
}

/* The places of each term together, ascending. */
static uint32_t *sort_stands(struct search_builder *b)
{
	uint32_t at = 0;
	uint32_t *places = grown(NULL, b->n_stands + 1, sizeof *places);
	for (uint32_t i = 0; i < b->n_terms; i++) {
		b->terms[i].from = at;
		at += b->terms[i].n;
	}
	for (size_t i = 0; i < b->n_stands; i++)
		places[b->terms[b->stands[i].term].from++] = b->stands[i].place;
	for (uint32_t i = 0; i < b->n_terms; i++)
		b->terms[i].from -= b->terms[i].n;
	return places;
}

/* Adds a bitmap of the docs when many have it. */
static bool put_bitmap(const struct search_builder *b, const uint32_t *v, uint32_t n, struct buf *out)
{
	size_t octets = (b->n_docs + 7) / 8, start = out->n;
	uint32_t doc = 0, docs = 0;
	if (n < octets)
		return false;
	char *p = buf_room(out, octets);
	if (!p)
		return false;
	memset(p, 0, octets);
	for (uint32_t i = 0; i < n; i++) {
		if (docs && v[i] < b->from[doc + 1])
			continue;
		while (v[i] >= b->from[doc + 1])
			doc++;
		docs++;
		p[doc / 8] = (char)(p[doc / 8] | 1 << doc % 8);
	}
	out->n = start + (docs >= octets ? octets : 0);
	return docs >= octets;
}

struct writing {
	struct search_builder *b;
	struct buf keys, places, postings, directory;
	uint32_t n;         /* keys in the page at hand */
	uint64_t base, end; /* offsets of the postings of its first and its next key */
	uint32_t pages;
};

static void put_dictionary(struct writing *w)
{
	BUF_LOCAL(page, SEARCH_PAGE_MOST);
	if (!w->n)
		return;
	search_put_number(&page, w->keys.n);
	buf_put(&page, buf_slice(&w->keys));
	search_put_number(&page, w->base);
	buf_put(&page, buf_slice(&w->places));
	put_packed(w->b, w->b->page++, buf_slice(&page));
	buf_clear(&w->keys);
	buf_clear(&w->places);
	w->n = 0;
	w->base = w->end;
	w->pages++;
}

static void put_term(struct writing *w, const struct term *t, const uint32_t *places)
{
	if (w->keys.n >= DICTIONARY_KEYS)
		put_dictionary(w);
	if (!w->n) {
		search_put_number(&w->directory, t->key.n);
		buf_put(&w->directory, t->key);
	}
	size_t before = w->postings.n;
	bool bitmap = put_bitmap(w->b, places + t->from, t->n, &w->postings);
	search_places_put(places + t->from, t->n, w->b->from[w->b->n_docs], &w->postings);
	size_t n = w->postings.n - before;
	buf_put(&w->keys, t->key);
	search_put_number(&w->places, (uint64_t)t->n << 1 | bitmap);
	search_put_number(&w->places, n);
	w->end += n;
	w->n++;
}

static uint32_t put_pages_of_postings(struct writing *w)
{
	uint32_t pages = 0;
	for (size_t at = 0; at < w->postings.n; at += SEARCH_PAGE_POSTINGS) {
		struct slice page = slice_sub(buf_slice(&w->postings), at, SEARCH_PAGE_POSTINGS);
		w->b->put(w->b->ctx, w->b->page++, page);
		pages++;
	}
	return pages;
}

static void put_root(struct writing *w, uint32_t texts, uint32_t postings)
{
	struct search_builder *b = w->b;
	BUF_LOCAL(root, SEARCH_PAGE_MOST);
	int64_t last = 0;
	search_put_number(&root, SEARCH_FORMAT);
	search_put_number(&root, b->n_docs);
	search_put_number(&root, texts);
	search_put_number(&root, w->pages);
	search_put_number(&root, postings);
	for (uint32_t i = 0; i < b->n_docs; i++) {
		int64_t step = b->docs[i].email - last;
		search_put_number(&root, (uint64_t)step << 1 ^ (uint64_t)(step >> 63));
		search_put_number(&root, b->docs[i].text);
		search_put_number(&root, b->from[i + 1] - b->from[i]);
		search_put_number(&root, b->docs[i].notes);
		last = b->docs[i].email;
	}
	buf_put(&root, buf_slice(&w->directory));
	put_packed(b, 0, buf_slice(&root));
}

void search_builder_finish(struct search_builder *b)
{
	flush_text(b);
	struct writing w = {.b = b};
	uint32_t texts = b->page - 1;
	buf_init(&w.keys, SEARCH_PAGE_MOST);
	buf_init(&w.places, SEARCH_PAGE_MOST);
	buf_init(&w.postings, (size_t)1 << 30);
	buf_init(&w.directory, SEARCH_PAGE_MOST);
	uint32_t *places = sort_stands(b);
	const struct term **order = grown(NULL, (size_t)b->n_terms + 1, sizeof *order);
	for (uint32_t i = 0; i < b->n_terms; i++)
		order[i] = &b->terms[i];
	if (b->n_terms)
		qsort(order, b->n_terms, sizeof *order, by_key);
	for (uint32_t i = 0; i < b->n_terms; i++)
		put_term(&w, order[i], places);
	put_dictionary(&w);
	put_root(&w, texts, put_pages_of_postings(&w));
	free(order);
	free(places);
	buf_free(&w.keys);
	buf_free(&w.places);
	buf_free(&w.postings);
	buf_free(&w.directory);
}
