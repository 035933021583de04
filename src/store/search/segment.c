#include "store/search/inside.h"
#include <stdlib.h>

#define TEXT_COSTS 30000

enum result search_segment_unpacked(struct search_segment *s, uint32_t number, struct buf *out)
{
	BUF_LOCAL(packed, SEARCH_PAGE_MOST * 2);
	enum result r = s->get(s->ctx, number, &packed);
	return r == OK ? search_page_unpack(buf_slice(&packed), out) : r;
}

enum result search_segment_page(struct search_segment *s, int kind, uint32_t number, struct slice *out)
{
	enum result r = OK;
	if (s->which[kind] != number) {
		buf_clear(&s->page[kind]);
		s->which[kind] = 0;
		r = kind == SEARCH_TEXTS ? search_segment_unpacked(s, number, &s->page[kind])
					 : s->get(s->ctx, number, &s->page[kind]);
		s->which[kind] = r == OK ? number : 0;
	}
	*out = buf_slice(&s->page[kind]);
	return r;
}

/* ---- the root ---- */

static void take_docs(struct search_segment *s, struct cursor *c)
{
	int64_t email = 0;
	for (uint32_t i = 0; i < s->n_docs; i++) {
		uint64_t step = search_take_number(c);
		email = (int64_t)((uint64_t)email + (step >> 1 ^ -(step & 1)));
		s->docs[i].email = email;
		s->docs[i].text = (uint32_t)search_take_most(c, LIMIT_SEARCH_TEXT);
		s->places[i + 1] =
		    s->places[i] + (uint32_t)search_take_most(c, SEARCH_PLACES_MOST - s->places[i]);
		s->docs[i].notes = (uint32_t)search_take_most(c, 255);
		s->from[i + 1] = s->from[i] + s->docs[i].text;
	}
}

static enum result take_root(struct search_segment *s, struct slice root)
{
	struct cursor c = cursor_of(root);
	uint64_t version = search_take_number(&c);
	s->n_docs = (uint32_t)search_take_most(&c, SEARCH_SEGMENT_DOCS);
	s->texts = (uint32_t)search_take_most(&c, 1 << 16);
	s->dictionaries = (uint32_t)search_take_most(&c, 1 << 16);
	s->postings = (uint32_t)search_take_most(&c, 1 << 16);
	if (c.err != OK || version != SEARCH_FORMAT)
		return BAD;
	s->docs = calloc((size_t)s->n_docs + 1, sizeof *s->docs);
	s->from = calloc((size_t)s->n_docs + 1, sizeof *s->from);
	s->places = calloc((size_t)s->n_docs + 1, sizeof *s->places);
	s->first = calloc((size_t)s->dictionaries + 1, sizeof *s->first);
	if (!s->docs || !s->from || !s->places || !s->first)
		abort();
	take_docs(s, &c);
	for (uint32_t i = 0; i < s->dictionaries; i++)
		s->first[i] = cursor_bytes(&c, search_take_most(&c, INSPECT_TERM + 1));
	if (s->from[s->n_docs] > (uint64_t)s->texts * SEARCH_PAGE_TEXT)
		return BAD;
	return cursor_done(&c);
}

enum result search_segment_open(search_page_get *get, void *ctx, struct search_segment **out)
{
	struct search_segment *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->get = get;
	s->ctx = ctx;
	s->text_costs = TEXT_COSTS;
	buf_init(&s->root, SEARCH_PAGE_MOST);
	buf_init(&s->page[SEARCH_TEXTS], SEARCH_PAGE_MOST);
	buf_init(&s->page[SEARCH_POSTINGS], SEARCH_PAGE_MOST);
	buf_init(&s->together, MAX(LIMIT_SEARCH_TEXT, SEARCH_POSTINGS_MOST));
	enum result r = search_segment_unpacked(s, 0, &s->root);
	if (r == OK)
		r = take_root(s, buf_slice(&s->root));
	if (r == OK)
		*out = s;
	else
		search_segment_free(s);
	return r;
}

void search_segment_free(struct search_segment *s)
{
	if (!s)
		return;
	buf_free(&s->root);
	buf_free(&s->page[SEARCH_TEXTS]);
	buf_free(&s->page[SEARCH_POSTINGS]);
	buf_free(&s->together);
	free(s->docs);
	free(s->from);
	free(s->places);
	free(s->first);
	free(s);
}

uint32_t search_segment_docs(const struct search_segment *s)
{
	return s->n_docs;
}

const struct search_doc *search_segment_doc(const struct search_segment *s, uint32_t n)
{
	return &s->docs[n];
}

enum result search_segment_text(struct search_segment *s, uint32_t n, struct slice *out)
{
	uint64_t at = s->from[n], end = s->from[n + 1];
	struct slice page;
	*out = SLICE_NONE;
	buf_clear(&s->together);
	for (bool whole = true; at < end; whole = false) {
		enum result r =
		    search_segment_page(s, SEARCH_TEXTS, (uint32_t)(1 + at / SEARCH_PAGE_TEXT), &page);
		if (r != OK)
			return r;
		struct slice some = slice_sub(page, at % SEARCH_PAGE_TEXT, end - at);
		if (!some.n)
			return BAD;
		at += some.n;
		if (whole && at == end) {
			*out = some;
			return OK;
		}
		buf_put(&s->together, some);
	}
	*out = buf_slice(&s->together);
	return buf_result(&s->together);
}
