/* search_look: sealed pages, and finding in all segments of an index. */
#include "store/search/search.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- lists ---- */

void search_list_add(struct search_list *l, int64_t v)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = realloc(l->v, l->cap * sizeof *l->v);
		if (!l->v)
			abort();
	}
	l->v[l->n++] = v;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void search_list_sort(struct search_list *l)
{
	bool sorted = true;
	for (size_t i = 1; i < l->n && sorted; i++)
		sorted = l->v[i - 1] < l->v[i];
	if (sorted)
		return;
	size_t n = 0;
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_value);
	for (size_t i = 0; i < l->n; i++)
		if (!n || l->v[n - 1] != l->v[i])
			l->v[n++] = l->v[i];
	l->n = n;
}

bool search_list_has(const struct search_list *l, int64_t v)
{
	return l->n && bsearch(&v, l->v, l->n, sizeof *l->v, by_value);
}

void search_list_free(struct search_list *l)
{
	free(l->v);
	*l = (struct search_list){0};
}

/* ---- pages ---- */

struct slice search_page_bound(int64_t segment, uint32_t page, char room[64])
{
	int n = snprintf(room, 64, "search %lld %u", (long long)segment, page);
	return slice_of(room, (size_t)n);
}

enum result search_page(struct store *s, struct db *db, int64_t segment, uint32_t page, struct buf *out)
{
	char room[64];
	enum result r = LATER;
	DB_ROWS q = DB_QUERY(db, SEARCH_PAGE, DI(segment * SEARCH_PAGES_A_SEGMENT + page));
	if (db_next(&q))
		r = seal_get(s->seal, db_octets(&q, 0), search_page_bound(segment, page, room), out);
	else if (db_result(db) == OK)
		r = BAD;
	if (r == BAD) {
		search_why = "a page of the index is missing or was changed";
		EVENT(STORE_ERROR, KZ("what", "search index"), KZ("why", "a page is missing or was changed"));
	}
	return r == OK ? OK : LATER;
}

static enum result get_page(void *ctx, uint32_t page, struct buf *out)
{
	struct search_open *o = ctx;
	return page < SEARCH_PAGES_A_SEGMENT ? search_page(o->store, o->db, o->id, page, out) : BAD;
}

enum result search_open(struct store *s, struct db *db, int64_t id, struct search_open *o)
{
	*o = (struct search_open){.store = s, .db = db, .id = id};
	enum result r = search_segment_open(get_page, o, &o->segment);
	return r == BAD ? LATER : r;
}

void search_close(struct search_open *o)
{
	search_segment_free(o->segment);
	o->segment = NULL;
}

/* ---- segments ---- */

void search_parts_free(struct search_parts *p)
{
	free(p->v);
	*p = (struct search_parts){0};
}

void search_parts_of(struct db *db, int64_t index, struct search_parts *out)
{
	size_t cap = 0;
	*out = (struct search_parts){0};
	DB_ROWS q = DB_QUERY(db, SEARCH_SEGMENTS, DI(index));
	while (db_next(&q)) {
		if (out->n == cap) {
			cap = cap ? cap * 2 : 16;
			out->v = realloc(out->v, cap * sizeof *out->v);
			if (!out->v)
				abort();
		}
		out->v[out->n++] = (struct search_part){
		    .id = db_int(&q, 0),
		    .docs = (uint32_t)db_int(&q, 1),
		    .text = (uint64_t)db_int(&q, 2),
		    .octets = (uint64_t)db_int(&q, 3),
		    .highest = db_int(&q, 4),
		    .cut = (uint32_t)db_int(&q, 5),
		    .unreadable = (uint32_t)db_int(&q, 6),
		    .reduced = (uint32_t)db_int(&q, 7),
		};
	}
}

enum result search_emails(struct store *s, struct db *db, int64_t index, struct search_list *out)
{
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	search_parts_of(db, index, &parts);
	enum result r = db_result(db);
	for (size_t i = 0; r == OK && i < parts.n; i++) {
		struct search_open o;
		r = search_open(s, db, parts.v[i].id, &o);
		for (uint32_t n = 0; r == OK && n < search_segment_docs(o.segment); n++)
			search_list_add(out, search_segment_doc(o.segment, n)->email);
		search_close(&o);
	}
	search_list_sort(out);
	return r;
}

static enum result find_in(struct search_open *o, const struct inspect_needle *n, struct search_list *hits)
{
	uint32_t docs = search_segment_docs(o->segment);
	uint64_t *set = calloc(SEARCH_WORDS(docs) + 1, sizeof *set);
	if (!set)
		abort();
	enum result r = search_segment_find(o->segment, n, set);
	for (size_t w = 0; r == OK && w < SEARCH_WORDS(docs); w++)
		for (uint64_t bits = set[w]; bits; bits &= bits - 1) {
			uint32_t doc = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
			if (doc < docs)
				search_list_add(hits, search_segment_doc(o->segment, doc)->email);
		}
	free(set);
	return r == BAD ? LATER : r;
}

enum result search_find(struct store *s, struct db *db, int64_t index, const struct inspect_needle *needles,
    unsigned n, struct search_list *hits)
{
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	search_parts_of(db, index, &parts);
	enum result r = db_result(db);
	for (size_t i = 0; r == OK && i < parts.n; i++) {
		struct search_open o;
		r = search_open(s, db, parts.v[i].id, &o);
		for (unsigned k = 0; r == OK && k < n; k++)
			r = find_in(&o, &needles[k], &hits[k]);
		search_close(&o);
	}
	for (unsigned k = 0; k < n; k++)
		search_list_sort(&hits[k]);
	return r;
}
