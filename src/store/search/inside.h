/* search_inside: a segment while it is read. Internal to search_segment.c, search_dictionary.c and search_match.c. */
#ifndef STORE_SEARCH_INSIDE_H
#define STORE_SEARCH_INSIDE_H

#include "store/search/page.h"
#include "store/search/places.h"
#include "store/search/segment.h"

#define SEARCH_PLACES_MOST ((uint32_t)1 << 26)      /* of a segment */
#define SEARCH_POSTINGS_MOST (SEARCH_PAGE_MOST * 4) /* octets, of one key */

struct search_segment {
	search_page_get *get;
	void *ctx;
	uint32_t n_docs, texts, dictionaries, postings; /* pages of each kind */
	struct search_doc *docs;
	uint64_t *from;      /* offset of each doc's text, and the end of the last */
	uint32_t *places;    /* the first place of each doc, and the end of the last */
	struct slice *first; /* key of each page of the dictionary; points into root */
	struct buf root;
	struct buf page[2];  /* the page of text and the page of postings read last */
	uint32_t which[2];   /* their numbers, 0: none */
	struct buf together; /* what lies in several pages */
	uint64_t text_costs; /* reading one doc, in places read */
};

enum { SEARCH_TEXTS, SEARCH_POSTINGS };

/* A page, unpacked. */
NODISCARD enum result search_segment_unpacked(struct search_segment *s, uint32_t number, struct buf *out);
/* A page of text or of postings, from memory when it was the last one; lives until the next one. */
NODISCARD enum result search_segment_page(
    struct search_segment *s, int kind, uint32_t number, struct slice *out);

/* ---- the dictionary ---- */

struct search_key {
	enum inspect_zone zone;
	size_t n;                /* octets of the term */
	uint32_t stands;         /* so often it stands there */
	bool bitmap;             /* of docs, before the places */
	uint64_t offset, length; /* of postings */
};
typedef enum result search_key_fn(void *ctx, const struct search_key *key);
/* Each key in these zones that has the part; goes on while `each` says OK. */
NODISCARD enum result search_dictionary_each(struct search_segment *s, const struct inspect_part *part,
    unsigned zones, search_key_fn *each, void *ctx);
/* What a key says: the docs, when it has a bitmap, and the places. Lives until the next one. */
struct search_posting {
	struct slice bitmap; /* of n_docs bits, from the lowest up; none: there is none */
	struct search_places places;
};
NODISCARD enum result search_dictionary_posting(
    struct search_segment *s, const struct search_key *key, struct search_posting *out);

#endif
