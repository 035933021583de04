#include "store/search_segment.h"
#include "store/search_page.h"
#include <stdlib.h>

struct first_key {
	struct slice key; /* zone and term */
};

struct search_segment {
	search_page_get *get;
	void *ctx;
	uint32_t n_docs, texts, dictionaries, postings; /* pages of each kind */
	struct search_doc *docs;
	uint64_t *from; /* offset of each doc's text, and the end of the last */
	struct first_key *first;
	struct buf root;     /* `first` points into it */
	struct buf page[2];  /* the page of text and the page of postings read last */
	uint32_t which[2];   /* their numbers, 0: none */
	struct buf together; /* a doc of several pages */
};

enum { TEXT, POSTINGS };

static enum result read_packed(struct search_segment *s, uint32_t number, struct buf *out)
{
	BUF_LOCAL(packed, SEARCH_PAGE_MOST * 2);
	enum result r = s->get(s->ctx, number, &packed);
	return r == OK ? search_page_unpack(buf_slice(&packed), out) : r;
}

/* A page of text or of postings, from memory when it was the last one. */
static enum result read_again(struct search_segment *s, int kind, uint32_t number, struct slice *out)
{
	enum result r = OK;
	if (s->which[kind] != number) {
		buf_clear(&s->page[kind]);
		s->which[kind] = 0;
		r = kind == TEXT ? read_packed(s, number, &s->page[kind])
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
	s->first = calloc((size_t)s->dictionaries + 1, sizeof *s->first);
	if (!s->docs || !s->from || !s->first)
		abort();
	take_docs(s, &c);
	for (uint32_t i = 0; i < s->dictionaries; i++)
		s->first[i].key = cursor_bytes(&c, search_take_most(&c, INSPECT_TERM + 1));
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
	buf_init(&s->root, SEARCH_PAGE_MOST);
	buf_init(&s->page[TEXT], SEARCH_PAGE_MOST);
	buf_init(&s->page[POSTINGS], SEARCH_PAGE_MOST);
	buf_init(&s->together, LIMIT_SEARCH_TEXT);
	enum result r = read_packed(s, 0, &s->root);
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
	buf_free(&s->page[TEXT]);
	buf_free(&s->page[POSTINGS]);
	buf_free(&s->together);
	free(s->docs);
	free(s->from);
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
		enum result r = read_again(s, TEXT, (uint32_t)(1 + at / SEARCH_PAGE_TEXT), &page);
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

/* ---- the dictionary ---- */

struct looking {
	struct search_segment *s;
	const struct inspect_part *part;
	unsigned zones;
	uint64_t *set;
	uint8_t (
	    *worth)[INSPECT_PARTS]; /* of each doc, instead of the set: its part `which`; NULL: the set */
	unsigned which;
};

static enum result take_postings(struct search_segment *s, struct slice octets, uint64_t docs, uint64_t *set)
{
	bool bitmap = docs & 1;
	docs >>= 1;
	if (bitmap) {
		if (octets.n != (s->n_docs + 7) / 8)
			return BAD;
		for (size_t i = 0; i < octets.n; i++)
			set[i / 8] |= (uint64_t)(unsigned char)octets.p[i] << i % 8 * 8;
		return OK;
	}
	struct cursor c = cursor_of(octets);
	uint64_t at = 0;
	for (uint64_t i = 0; i < docs; i++, at++) {
		at += search_take_most(&c, s->n_docs);
		if (c.err != OK || at >= s->n_docs)
			return BAD;
		set[at / 64] |= (uint64_t)1 << at % 64;
	}
	return cursor_done(&c);
}

static enum result read_postings(
    struct search_segment *s, uint64_t offset, uint64_t length, uint64_t docs, uint64_t *set)
{
	BUF_LOCAL(joined, SEARCH_PAGE_MOST);
	uint32_t first = 1 + s->texts + s->dictionaries;
	struct slice page, octets = SLICE_NONE;
	if (length > SEARCH_PAGE_MOST)
		return BAD;
	while (length) {
		uint64_t number = offset / SEARCH_PAGE_POSTINGS;
		if (number >= s->postings)
			return BAD;
		enum result r = read_again(s, POSTINGS, (uint32_t)(first + number), &page);
		if (r != OK)
			return r;
		struct slice some = slice_sub(page, offset % SEARCH_PAGE_POSTINGS, length);
		if (!some.n)
			return BAD;
		if (some.n == length && !joined.n) {
			octets = some;
			break;
		}
		buf_put(&joined, some);
		octets = buf_slice(&joined);
		offset += some.n;
		length -= some.n;
	}
	return take_postings(s, octets, docs, set);
}

struct page_of_keys {
	struct slice keys;
	struct cursor places;
	uint64_t offset; /* of the postings of key number `at` */
	uint64_t n, at;
	size_t seen; /* octets of keys that `at` counts */
};

static enum result open_keys(struct slice page, struct page_of_keys *k)
{
	struct cursor c = cursor_of(page);
	*k = (struct page_of_keys){0};
	k->n = search_take_number(&c);
	k->keys = cursor_bytes(&c, search_take_most(&c, SEARCH_PAGE_MOST));
	k->offset = search_take_number(&c);
	k->places = c;
	return c.err == OK && k->keys.n && k->keys.p[k->keys.n - 1] == 0 ? OK : BAD;
}

/* Moves on to the key that begins at `start`, and reads its place. */
static enum result place_of(struct page_of_keys *k, size_t start, uint64_t *docs, uint64_t *length)
{
	uint64_t skip = 0;
	for (size_t i = k->seen; i < start; i++)
		skip += k->keys.p[i] == 0;
	for (uint64_t i = 0; i < skip; i++) {
		(void)search_take_number(&k->places);
		k->offset += search_take_number(&k->places);
	}
	k->seen = start;
	/* Read ahead, but stay before it: the next skip counts this key. */
	struct cursor c = k->places;
	*docs = search_take_number(&c);
	*length = search_take_number(&c);
	return c.err;
}

/* Where a key of this page begins that has the part in it, at or behind *from; false when there is none. */
static bool next_key(
    const struct looking *l, struct slice keys, struct slice pattern, size_t *from, size_t *start)
{
	bool at_start = l->part->how == INSPECT_EXACT || l->part->how == INSPECT_PREFIX;
	while (*from < keys.n) {
		ptrdiff_t found = slice_search(slice_sub(keys, *from, keys.n), pattern);
		if (found < 0)
			return false;
		size_t at = *from + (size_t)found;
		const char *before = at ? memrchr(keys.p, 0, at) : NULL;
		const char *end = memchr(keys.p + at, 0, keys.n - at);
		*start = before ? (size_t)(before - keys.p) + 1 : 0;
		*from = (size_t)(end - keys.p) + 1;
		unsigned zone = (unsigned char)keys.p[*start];
		if ((!at_start || at == *start) && zone < 32 && l->zones >> zone & 1)
			return true;
		if (at_start && at != *start)
			*from = at + 1;
	}
	return false;
}

/* Docs of the set, which is emptied, have this key. */
static void weigh_key(const struct looking *l, struct slice key)
{
	uint8_t worth = inspect_fuzzy_worth((enum inspect_zone)key.p[0], key.n == l->part->term.n + 1);
	for (size_t w = 0; w < SEARCH_WORDS(l->s->n_docs); w++) {
		for (uint64_t bits = l->set[w]; bits; bits &= bits - 1) {
			size_t doc = w * 64 + (size_t)__builtin_ctzll(bits);
			if (doc < l->s->n_docs)
				l->worth[doc][l->which] = MAX(l->worth[doc][l->which], worth);
		}
		l->set[w] = 0;
	}
}

static enum result look_at_page(const struct looking *l, uint32_t number, struct slice pattern)
{
	BUF_LOCAL(page, SEARCH_PAGE_MOST);
	struct page_of_keys k;
	enum result r = read_packed(l->s, 1 + l->s->texts + number, &page);
	if (r == OK)
		r = open_keys(buf_slice(&page), &k);
	size_t from = 0, start;
	while (r == OK && next_key(l, k.keys, pattern, &from, &start)) {
		uint64_t docs, length;
		r = place_of(&k, start, &docs, &length);
		if (r == OK)
			r = read_postings(l->s, k.offset, length, docs, l->set);
		if (r == OK && l->worth)
			weigh_key(l, slice_sub(k.keys, start, from - start - 1));
	}
	return r;
}

/* The page where a key is, or would be. */
static uint32_t page_of(const struct search_segment *s, struct slice key)
{
	uint32_t low = 0, high = s->dictionaries;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (slice_cmp(s->first[mid].key, key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

/* All pages that may have keys which begin so. */
static enum result look_from(const struct looking *l, struct slice key, struct slice pattern)
{
	enum result r = OK;
	for (uint32_t i = page_of(l->s, key); r == OK && i < l->s->dictionaries; i++) {
		struct slice first = l->s->first[i].key;
		if (slice_cmp(first, key) > 0 && !slice_starts(first, key))
			return OK;
		r = look_at_page(l, i, pattern);
	}
	return r;
}

static enum result look_for_start(struct looking *l)
{
	enum result r = OK;
	unsigned zones = l->zones;
	for (unsigned z = INSPECT_ZONE_SUBJECT; r == OK && z <= INSPECT_ZONE_LAST; z++) {
		BUF_LOCAL(pattern, INSPECT_TERM + 2);
		if (!(zones >> z & 1))
			continue;
		buf_putc(&pattern, (char)z);
		buf_put(&pattern, l->part->term);
		struct slice key = buf_slice(&pattern);
		if (l->part->how == INSPECT_EXACT)
			buf_putc(&pattern, 0);
		l->zones = 1u << z;
		r = look_from(l, slice_sub(buf_slice(&pattern), 0, key.n), buf_slice(&pattern));
	}
	l->zones = zones;
	return r;
}

static enum result look_inside(struct looking *l)
{
	BUF_LOCAL(pattern, INSPECT_TERM + 2);
	buf_put(&pattern, l->part->term);
	if (l->part->how == INSPECT_SUFFIX)
		buf_putc(&pattern, 0);
	enum result r = OK;
	for (uint32_t i = 0; r == OK && i < l->s->dictionaries; i++) {
		/* A page whose keys, and those of all before the next page, are of other zones. */
		unsigned first = (unsigned char)l->s->first[i].key.p[0];
		unsigned last = i + 1 < l->s->dictionaries ? (unsigned char)l->s->first[i + 1].key.p[0]
							   : INSPECT_ZONE_LAST;
		unsigned between = (2u << last) - (1u << first);
		if (l->zones & between)
			r = look_at_page(l, i, buf_slice(&pattern));
	}
	return r;
}

/* ---- finding ---- */

static enum result candidates(struct search_segment *s, const struct inspect_plan *plan, uint64_t *set)
{
	size_t words = SEARCH_WORDS(s->n_docs);
	uint64_t *one = calloc(words + 1, sizeof *one);
	if (!one)
		abort();
	for (uint32_t i = 0; i < s->n_docs; i++)
		set[i / 64] |= (uint64_t)1 << i % 64;
	enum result r = OK;
	for (unsigned i = 0; r == OK && i < plan->n; i++) {
		struct looking l = {s, &plan->parts[i], plan->zones, one, NULL, 0};
		uint64_t any = 0;
		memset(one, 0, words * sizeof *one);
		r = l.part->how == INSPECT_EXACT || l.part->how == INSPECT_PREFIX ? look_for_start(&l)
										  : look_inside(&l);
		for (size_t w = 0; w < words; w++)
			any |= set[w] &= one[w];
		if (!any)
			break;
	}
	free(one);
	return r;
}

enum result search_segment_find(struct search_segment *s, const struct inspect_needle *n, uint64_t *set)
{
	struct inspect_plan plan;
	inspect_plan_make(n, &plan);
	enum result r = candidates(s, &plan, set);
	if (plan.decided)
		return r;
	for (uint32_t i = 0; r == OK && i < s->n_docs; i++) {
		struct slice text;
		if (!(set[i / 64] >> i % 64 & 1))
			continue;
		r = search_segment_text(s, i, &text);
		if (r == OK && !inspect_doc_match(text, n))
			set[i / 64] &= ~((uint64_t)1 << i % 64);
	}
	return r;
}

static enum result weigh_by_reading(struct search_segment *s, const struct inspect_needle *n,
    const struct inspect_fuzzy *f, uint8_t (*worth)[INSPECT_PARTS])
{
	enum result r = OK;
	for (uint32_t i = 0; r == OK && i < s->n_docs; i++) {
		struct slice text;
		if (!inspect_fuzzy_whole(f, worth[i])) {
			memset(worth[i], 0, sizeof worth[i]);
			continue;
		}
		r = search_segment_text(s, i, &text);
		if (r == OK)
			inspect_fuzzy_read(text, n, f, worth[i]);
	}
	return r;
}

enum result search_segment_weigh(struct search_segment *s, const struct inspect_needle *n,
    const struct inspect_fuzzy *f, uint8_t (*worth)[INSPECT_PARTS])
{
	uint64_t *set = calloc(SEARCH_WORDS(s->n_docs) + 1, sizeof *set);
	if (!set)
		abort();
	enum result r = OK;
	for (unsigned i = 0; r == OK && i < f->n; i++) {
		struct looking l = {s, &f->parts[i], f->zones, set, worth, i};
		r = look_for_start(&l);
	}
	free(set);
	return r == OK && f->of_field ? weigh_by_reading(s, n, f, worth) : r;
}
