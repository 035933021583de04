/* search_build: makes a segment. Memory: about four times SEARCH_SEGMENT_TEXT at most. */
#include "store/search_page.h"
#include "store/search_segment.h"
#include <stdlib.h>

#define DICTIONARY_KEYS 32768 /* octets of keys in a page, about */
#define TERMS_MEMORY ((size_t)256 << 20)

struct term {
	struct slice key; /* zone, term, NUL */
	uint32_t last;    /* the doc that had it last, + 1 */
	uint32_t docs;
	uint64_t from; /* of its pairs, once they are sorted */
};

struct pair {
	uint32_t term, doc;
};

struct search_builder {
	search_page_put *put;
	void *ctx;
	uint32_t page; /* the next one */
	struct buf text;
	uint64_t octets;

	struct search_doc *docs;
	uint32_t n_docs;

	struct arena keys;
	struct term *terms;
	uint32_t n_terms, cap_terms;
	uint32_t *table; /* term + 1 by hash, 0: free */
	uint32_t mask;
	struct pair *pairs;
	size_t n_pairs, cap_pairs;
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
	free(b->pairs);
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
	return t->key.n == term.n + 2 && t->key.p[0] == (char)zone &&
	       memcmp(t->key.p + 1, term.p, term.n) == 0;
}

static uint32_t hash_of_key(struct slice key)
{
	return hash_of((enum inspect_zone)key.p[0], slice_sub(key, 1, key.n - 2));
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
	char *key = arena_alloc(&b->keys, term.n + 2);
	if (!key)
		abort();
	key[0] = (char)zone;
	memcpy(key + 1, term.p, term.n);
	b->terms[b->n_terms] = (struct term){.key = slice_of(key, term.n + 2)};
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

static void add_term(void *ctx, enum inspect_zone zone, struct slice term)
{
	struct search_builder *b = ctx;
	if (memchr(term.p, 0, term.n))
		return;
	uint32_t id = find_term(b, zone, term);
	if (b->terms[id].last == b->n_docs + 1)
		return;
	b->terms[id].last = b->n_docs + 1;
	b->terms[id].docs++;
	if (b->n_pairs == b->cap_pairs) {
		b->cap_pairs = b->cap_pairs ? b->cap_pairs * 2 : 65536;
		b->pairs = grown(b->pairs, b->cap_pairs, sizeof *b->pairs);
	}
	b->pairs[b->n_pairs++] = (struct pair){id, b->n_docs};
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
	inspect_terms_each(text, add_term, b);
	if (!(b->n_docs & (b->n_docs - 1)))
		b->docs = grown(b->docs, b->n_docs ? b->n_docs * 2 : 1, sizeof *b->docs);
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

/* Docs of each term together, in the order in which they came. */
static uint32_t *sort_pairs(struct search_builder *b)
{
	uint64_t at = 0;
	uint32_t *docs = grown(NULL, b->n_pairs + 1, sizeof *docs);
	for (uint32_t i = 0; i < b->n_terms; i++) {
		b->terms[i].from = at;
		at += b->terms[i].docs;
	}
	for (size_t i = 0; i < b->n_pairs; i++)
		docs[b->terms[b->pairs[i].term].from++] = b->pairs[i].doc;
	for (uint32_t i = 0; i < b->n_terms; i++)
		b->terms[i].from -= b->terms[i].docs;
	return docs;
}

/* Adds the postings in the shorter form; true: it is the bitmap. */
static bool put_postings(const uint32_t *docs, uint32_t n, uint32_t of, struct buf *out)
{
	size_t start = out->n, bitmap = (of + 7) / 8;
	for (uint32_t i = 0; i < n; i++)
		search_put_number(out, i ? docs[i] - docs[i - 1] - 1 : docs[i]);
	if (out->n - start <= bitmap)
		return false;
	out->n = start;
	char *p = buf_room(out, bitmap);
	if (!p)
		return true;
	memset(p, 0, bitmap);
	for (uint32_t i = 0; i < n; i++)
		p[docs[i] / 8] = (char)(p[docs[i] / 8] | 1 << docs[i] % 8);
	buf_wrote(out, bitmap);
	return true;
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
	search_put_number(&page, w->n);
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

static void put_term(struct writing *w, const struct term *t, const uint32_t *docs)
{
	if (w->keys.n >= DICTIONARY_KEYS)
		put_dictionary(w);
	if (!w->n) {
		search_put_number(&w->directory, t->key.n - 1);
		buf_put(&w->directory, slice_sub(t->key, 0, t->key.n - 1));
	}
	size_t before = w->postings.n;
	bool bitmap = put_postings(docs + t->from, t->docs, w->b->n_docs, &w->postings);
	size_t n = w->postings.n - before;
	buf_put(&w->keys, t->key);
	search_put_number(&w->places, (uint64_t)t->docs << 1 | bitmap);
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
	uint32_t *docs = sort_pairs(b);
	const struct term **order = grown(NULL, (size_t)b->n_terms + 1, sizeof *order);
	for (uint32_t i = 0; i < b->n_terms; i++)
		order[i] = &b->terms[i];
	if (b->n_terms)
		qsort(order, b->n_terms, sizeof *order, by_key);
	for (uint32_t i = 0; i < b->n_terms; i++)
		put_term(&w, order[i], docs);
	put_dictionary(&w);
	put_root(&w, texts, put_pages_of_postings(&w));
	free(order);
	free(docs);
	buf_free(&w.keys);
	buf_free(&w.places);
	buf_free(&w.postings);
	buf_free(&w.directory);
}
