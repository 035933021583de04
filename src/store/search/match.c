/*
 * search_match: which docs of a segment hold a needle, and how well.
 *
 * A needle of one part is what the dictionary says of it. One of several stands where the places of all, each moved back by
 * its own distance, meet: they are bits of a set of all places of the segment, filled by the rarest part and sifted by the
 * others. When the parts that are left would cost more than the texts that are left, these are read instead.
 */
#include "store/search/inside.h"
#include <stdlib.h>

#define DICTIONARY_COSTS 20000u /* looking through a page of keys, in places read */

static uint64_t *new_set(size_t bits)
{
	uint64_t *set = calloc(bits / 64 + 1, sizeof *set);
	if (!set)
		abort();
	return set;
}

/* The number of the next bit from `at` on that is set, or n. */
static uint32_t next_bit(const uint64_t *set, uint32_t at, uint32_t n)
{
	if (at >= n)
		return n;
	size_t w = at / 64;
	uint64_t bits = set[w] >> at % 64 << at % 64;
	while (!bits) {
		if (++w > n / 64)
			return n;
		bits = set[w];
	}
	return MIN((uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits), n);
}

/* The doc of a place, not before `doc`. */
static uint32_t doc_of(const struct search_segment *s, uint32_t place, uint32_t doc)
{
	uint32_t high = s->n_docs;
	if (place < s->places[doc + 1])
		return doc;
	while (doc + 1 < high) {
		uint32_t mid = doc + (high - doc) / 2;
		if (s->places[mid] <= place)
			doc = mid;
		else
			high = mid;
	}
	return doc;
}

static void take_bitmap(const struct search_segment *s, struct slice bitmap, uint64_t *docs)
{
	for (size_t i = 0; i < bitmap.n; i++)
		docs[i / 8] |= (uint64_t)(unsigned char)bitmap.p[i] << i % 8 * 8;
	if (s->n_docs % 64)
		docs[s->n_docs / 64] &= ((uint64_t)1 << s->n_docs % 64) - 1;
}

/* The docs in which any of these places is. */
static void docs_of_places(const struct search_segment *s, const uint64_t *places, uint64_t *docs)
{
	uint32_t all = s->places[s->n_docs], doc = 0;
	for (uint32_t at = next_bit(places, 0, all); at < all;
	     at = next_bit(places, s->places[doc + 1], all)) {
		doc = doc_of(s, at, doc);
		docs[doc / 64] |= (uint64_t)1 << doc % 64;
	}
}

/* ---- one part ---- */

struct marking {
	struct search_segment *s;
	uint64_t *docs, *places;
};

static enum result mark(void *ctx, const struct search_key *key)
{
	struct marking *m = ctx;
	struct search_posting p;
	enum result r = search_dictionary_posting(m->s, key, &p);
	if (r != OK)
		return r;
	if (p.bitmap.n) {
		take_bitmap(m->s, p.bitmap, m->docs);
		return OK;
	}
	for (uint32_t at; search_places_next(&p.places, &at);)
		m->places[at / 64] |= (uint64_t)1 << at % 64;
	return p.places.err;
}

/* Sets the docs that have a part anywhere. */
static enum result docs_with(
    struct search_segment *s, const struct inspect_part *part, unsigned zones, uint64_t *docs)
{
	struct marking m = {s, docs, new_set(s->places[s->n_docs])};
	enum result r = search_dictionary_each(s, part, zones, mark, &m);
	if (r == OK)
		docs_of_places(s, m.places, docs);
	free(m.places);
	return r;
}

/* ---- several parts side by side ---- */

struct member {
	const struct inspect_part *part;
	uint64_t costs;
	struct search_key *keys; /* known at once, but for a part that any page of keys may have */
	size_t n, cap;
	bool looked;
};

struct sifting {
	struct search_segment *s;
	unsigned zones;
	struct member members[INSPECT_STEPS];
	unsigned n;
	uint64_t *set, *next; /* where a needle may begin, before and behind this part */
	uint64_t left;
	const struct inspect_part *part;
	bool first;
};

static enum result note_key(void *ctx, const struct search_key *key)
{
	struct member *m = ctx;
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->keys = realloc(m->keys, m->cap * sizeof *m->keys);
		if (!m->keys)
			abort();
	}
	m->keys[m->n++] = *key;
	m->costs += key->stands;
	return OK;
}

static enum result sift_key(void *ctx, const struct search_key *key)
{
	struct sifting *f = ctx;
	struct search_posting p;
	enum result r = search_dictionary_posting(f->s, key, &p);
	if (r != OK)
		return r;
	uint32_t back = f->part->at;
	for (uint32_t at; search_places_next(&p.places, &at);) {
		if (at < back)
			continue;
		at -= back;
		uint64_t bit = (uint64_t)1 << at % 64;
		if (f->first || f->set[at / 64] & bit) {
			f->next[at / 64] |= bit;
			f->left++;
		}
	}
	return p.places.err;
}

static enum result sift(struct sifting *f, const struct member *m)
{
	enum result r = OK;
	f->part = m->part;
	f->left = 0;
	if (m->looked)
		for (size_t i = 0; r == OK && i < m->n; i++)
			r = sift_key(f, &m->keys[i]);
	else
		r = search_dictionary_each(f->s, m->part, f->zones, sift_key, f);
	uint64_t *was = f->set;
	f->set = f->next;
	f->next = was;
	memset(was, 0, (f->s->places[f->s->n_docs] / 64 + 1) * sizeof *was);
	f->first = false;
	return r;
}

static int by_costs(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	return (a->costs > b->costs) - (a->costs < b->costs);
}

static enum result gather(struct sifting *f, const struct inspect_plan *plan)
{
	enum result r = OK;
	for (unsigned i = 0; r == OK && i < plan->n; i++) {
		struct member *m = &f->members[f->n];
		*m = (struct member){.part = &plan->parts[i]};
		if (m->part->how == INSPECT_CONTAINS)
			continue;
		f->n++;
		m->looked = m->part->how != INSPECT_SUFFIX;
		if (m->looked)
			r = search_dictionary_each(f->s, m->part, f->zones, note_key, m);
		else
			m->costs = (uint64_t)DICTIONARY_COSTS * f->s->dictionaries;
	}
	if (f->n)
		qsort(f->members, f->n, sizeof *f->members, by_costs);
	return r;
}

/* Takes from the set the docs that cannot have these parts side by side. *decided: those that are left have them. */
static enum result side_by_side(
    struct search_segment *s, const struct inspect_plan *plan, uint64_t *docs, bool *decided)
{
	struct sifting f = {.s = s, .zones = plan->zones, .first = true};
	uint64_t rest = 0, *one = new_set(s->n_docs);
	enum result r = gather(&f, plan);
	f.set = new_set(s->places[s->n_docs]);
	f.next = new_set(s->places[s->n_docs]);
	for (unsigned i = 0; i < f.n; i++)
		rest += f.members[i].costs;
	for (unsigned i = 0; r == OK && i < f.n; i++) {
		if (!f.first && (!f.left || f.left * s->text_costs < rest)) {
			*decided &= !f.left;
			break;
		}
		rest -= f.members[i].costs;
		r = sift(&f, &f.members[i]);
	}
	if (r == OK && f.n) {
		docs_of_places(s, f.set, one);
		for (size_t w = 0; w < SEARCH_WORDS(s->n_docs); w++)
			docs[w] &= one[w];
	}
	for (unsigned i = 0; i < f.n; i++)
		free(f.members[i].keys);
	free(f.set);
	free(f.next);
	free(one);
	return r;
}

/* ---- finding ---- */

static enum result candidates(
    struct search_segment *s, const struct inspect_plan *plan, uint64_t *set, bool *decided)
{
	enum result r = OK;
	*decided = plan->decided;
	if (plan->n == 1)
		return docs_with(s, &plan->parts[0], plan->zones, set);
	for (uint32_t i = 0; i < s->n_docs; i++)
		set[i / 64] |= (uint64_t)1 << i % 64;
	for (unsigned i = 0; r == OK && i < plan->n; i++) {
		if (plan->parts[i].how != INSPECT_CONTAINS)
			continue;
		uint64_t *one = new_set(s->n_docs);
		r = docs_with(s, &plan->parts[i], plan->zones, one);
		for (size_t w = 0; w < SEARCH_WORDS(s->n_docs); w++)
			set[w] &= one[w];
		free(one);
	}
	return r == OK && plan->n ? side_by_side(s, plan, set, decided) : r;
}

enum result search_segment_find(struct search_segment *s, const struct inspect_needle *n, uint64_t *set)
{
	struct inspect_plan plan;
	bool decided;
	inspect_plan_make(n, &plan);
	enum result r = candidates(s, &plan, set, &decided);
	for (uint32_t i = 0; r == OK && !decided && i < s->n_docs; i++) {
		struct slice text;
		if (!(set[i / 64] >> i % 64 & 1))
			continue;
		r = search_segment_text(s, i, &text);
		if (r == OK && !inspect_doc_match(text, n))
			set[i / 64] &= ~((uint64_t)1 << i % 64);
	}
	return r;
}

/* ---- weighing ---- */

struct weighing {
	struct search_segment *s;
	const struct inspect_part *part;
	unsigned which;
	uint8_t (*worth)[INSPECT_PARTS];
};

static enum result weigh(void *ctx, const struct search_key *key)
{
	struct weighing *w = ctx;
	struct search_posting p;
	uint8_t worth = inspect_fuzzy_worth(key->zone, key->n == w->part->term.n);
	enum result r = search_dictionary_posting(w->s, key, &p);
	if (r != OK)
		return r;
	if (p.bitmap.n) {
		for (uint32_t doc = 0; doc < w->s->n_docs; doc++)
			if ((unsigned char)p.bitmap.p[doc / 8] >> doc % 8 & 1)
				w->worth[doc][w->which] = MAX(w->worth[doc][w->which], worth);
		return OK;
	}
	for (uint32_t at, doc = 0; search_places_next(&p.places, &at);) {
		doc = doc_of(w->s, at, doc);
		w->worth[doc][w->which] = MAX(w->worth[doc][w->which], worth);
	}
	return p.places.err;
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
	enum result r = OK;
	for (unsigned i = 0; r == OK && i < f->n; i++) {
		struct weighing w = {s, &f->parts[i], i, worth};
		r = search_dictionary_each(s, w.part, f->zones, weigh, &w);
	}
	return r == OK && f->of_field ? weigh_by_reading(s, n, f, worth) : r;
}
