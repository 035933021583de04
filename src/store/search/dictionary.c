/* search_dictionary: finding keys in a segment, and what they say. */
#include "store/search/inside.h"

struct looking {
	struct search_segment *s;
	const struct inspect_part *part;
	unsigned zones;
	search_key_fn *each;
	void *ctx;
};

/* ---- a page of keys ---- */

struct page_of_keys {
	struct slice keys;
	struct cursor places;
	uint64_t offset; /* of the postings of the key that begins at `seen` */
	size_t seen;
};

static bool is_zone(char c)
{
	return (unsigned char)c <= INSPECT_ZONE_LAST;
}

static enum result open_keys(struct slice page, struct page_of_keys *k)
{
	struct cursor c = cursor_of(page);
	*k = (struct page_of_keys){0};
	k->keys = cursor_bytes(&c, search_take_most(&c, SEARCH_PAGE_MOST));
	k->offset = search_take_number(&c);
	k->places = c;
	return c.err == OK && k->keys.n && is_zone(k->keys.p[k->keys.n - 1]) ? OK : BAD;
}

/* Moves on to the key that begins at `start`, and reads what follows it. */
static enum result take_key(struct page_of_keys *k, size_t start, struct search_key *out)
{
	uint64_t skip = 0;
	for (size_t i = k->seen; i < start; i++)
		skip += is_zone(k->keys.p[i]);
	for (uint64_t i = 0; i < skip; i++) {
		(void)search_take_number(&k->places);
		k->offset += search_take_number(&k->places);
	}
	k->seen = start;
	/* Read ahead, but stay before it: the next skip counts this key. */
	struct cursor c = k->places;
	uint64_t stands = search_take_most(&c, (uint64_t)SEARCH_PLACES_MOST << 1 | 1);
	out->stands = (uint32_t)(stands >> 1);
	out->bitmap = stands & 1;
	out->offset = k->offset;
	out->length = search_take_most(&c, SEARCH_POSTINGS_MOST);
	return c.err == OK && out->stands ? OK : BAD;
}

/* Whether a key has the part, found in it at `at`. */
static bool fits(const struct looking *l, struct slice keys, size_t start, size_t at, size_t end)
{
	bool from_start = l->part->how == INSPECT_EXACT || l->part->how == INSPECT_PREFIX;
	bool to_end = l->part->how == INSPECT_EXACT || l->part->how == INSPECT_SUFFIX;
	return l->zones >> (unsigned char)keys.p[end] & 1 && (!from_start || at == start) &&
	       (!to_end || at + l->part->term.n == end);
}

/* The next key of this page, at or behind *from, that has the part; false when there is none. */
static bool next_key(const struct looking *l, struct slice keys, size_t *from, size_t *start, size_t *end)
{
	while (*from < keys.n) {
		ptrdiff_t found = slice_search(slice_sub(keys, *from, keys.n), l->part->term);
		if (found < 0)
			return false;
		size_t at = *from + (size_t)found;
		for (*start = at; *start && !is_zone(keys.p[*start - 1]);)
			--*start;
		for (*end = at; !is_zone(keys.p[*end]);)
			++*end;
		if (fits(l, keys, *start, at, *end)) {
			*from = *end + 1;
			return true;
		}
		*from = at + 1;
	}
	return false;
}

static enum result look_at_page(const struct looking *l, uint32_t number)
{
	BUF_LOCAL(page, SEARCH_PAGE_MOST);
	struct page_of_keys k;
	enum result r = search_segment_unpacked(l->s, 1 + l->s->texts + number, &page);
	if (r == OK)
		r = open_keys(buf_slice(&page), &k);
	size_t from = 0, start, end;
	while (r == OK && next_key(l, k.keys, &from, &start, &end)) {
		struct search_key key;
		r = take_key(&k, start, &key);
		key.zone = (enum inspect_zone)k.keys.p[end];
		key.n = end - start;
		if (r == OK)
			r = l->each(l->ctx, &key);
	}
	return r;
}

/* ---- all pages ---- */

/* The page where a key is, or would be. */
static uint32_t page_of(const struct search_segment *s, struct slice key)
{
	uint32_t low = 0, high = s->dictionaries;
	while (low < high) {
		uint32_t mid = (low + high) / 2;
		if (slice_cmp(s->first[mid], key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

/* Those that may have keys which begin so. */
static enum result look_for_start(const struct looking *l)
{
	enum result r = OK;
	for (uint32_t i = page_of(l->s, l->part->term); r == OK && i < l->s->dictionaries; i++) {
		struct slice first = l->s->first[i], term = l->part->term;
		if (slice_cmp(first, term) > 0 && !slice_starts(first, term))
			return OK;
		if (l->part->how == INSPECT_EXACT && first.n > term.n && !is_zone(first.p[term.n]) &&
		    slice_starts(first, term))
			return OK;
		r = look_at_page(l, i);
	}
	return r;
}

enum result search_dictionary_each(
    struct search_segment *s, const struct inspect_part *part, unsigned zones, search_key_fn *each, void *ctx)
{
	struct looking l = {s, part, zones, each, ctx};
	enum result r = OK;
	if (part->how == INSPECT_EXACT || part->how == INSPECT_PREFIX)
		return look_for_start(&l);
	for (uint32_t i = 0; r == OK && i < s->dictionaries; i++)
		if (i + 1 == s->dictionaries || !inspect_part_cannot_be(part, s->first[i], s->first[i + 1]))
			r = look_at_page(&l, i);
	return r;
}

/* ---- postings ---- */

static enum result octets_of(struct search_segment *s, uint64_t offset, uint64_t length, struct slice *out)
{
	uint32_t first = 1 + s->texts + s->dictionaries;
	struct slice page;
	*out = SLICE_NONE;
	buf_clear(&s->together);
	while (length) {
		uint64_t number = offset / SEARCH_PAGE_POSTINGS;
		if (number >= s->postings)
			return BAD;
		enum result r = search_segment_page(s, SEARCH_POSTINGS, (uint32_t)(first + number), &page);
		if (r != OK)
			return r;
		struct slice some = slice_sub(page, offset % SEARCH_PAGE_POSTINGS, length);
		if (!some.n)
			return BAD;
		if (some.n == length && !s->together.n) {
			*out = some;
			return OK;
		}
		buf_put(&s->together, some);
		offset += some.n;
		length -= some.n;
	}
	*out = buf_slice(&s->together);
	return buf_result(&s->together);
}

enum result search_dictionary_posting(
    struct search_segment *s, const struct search_key *key, struct search_posting *out)
{
	struct slice octets;
	size_t bitmap = key->bitmap ? (s->n_docs + 7) / 8 : 0;
	enum result r = octets_of(s, key->offset, key->length, &octets);
	*out = (struct search_posting){0};
	if (r != OK)
		return r;
	if (octets.n < bitmap)
		return BAD;
	out->bitmap = slice_sub(octets, 0, bitmap);
	out->places =
	    search_places_of(slice_sub(octets, bitmap, octets.n), key->stands, s->places[s->n_docs]);
	return out->places.err;
}
