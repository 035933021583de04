/*
 * search_segment: an immutable piece of a full-text index: some messages' docs (inspect/doc.h), and which terms are in
 * which of them. Pure: it makes and reads numbered pages, whose keeping and sealing is the caller's.
 *
 *   page 0      the root: the docs' ids, lengths and numbers of places, and the first key of each page of the dictionary
 *   text        the docs one after another, SEARCH_PAGE_TEXT octets a page
 *   dictionary  keys (a term, and its zone in one octet below any of a term's) in ascending order, with what follows
 *   postings    for each key its places, those of the docs counted one after another (search_places.h), and before them a
 *               bitmap of the docs when an eighth of them has it
 *
 * Pages but those of postings are compressed. A segment is found in by asking the dictionary for what the needle's plan
 * (inspect/terms.h) needs, comparing places, and, where that does not decide or is dearer, reading the docs that are left:
 * what is found is what inspect_doc_match() says of each doc. The same docs in the same order always give the same pages.
 *
 *   search_segment.c     the root, pages, texts        search_build.c      making
 *   search_dictionary.c  keys                          search_match.c      finding and weighing
 */
#ifndef STORE_SEARCH_SEGMENT_H
#define STORE_SEARCH_SEGMENT_H

#include "base/base.h"
#include "inspect/terms.h"

/* Of docs and pages. Another number goes with a step of schema.def that takes older indexes away. */
#define SEARCH_FORMAT 3
#define SEARCH_SEGMENT_TEXT ((size_t)16 << 20) /* a segment with so much text gets no further doc */
#define SEARCH_SEGMENT_DOCS 16384u
#define SEARCH_PAGE_TEXT 65536u
#define SEARCH_PAGE_POSTINGS 32768u
#define SEARCH_PAGE_MOST                                                                                     \
	((size_t)4 << 20) /* of one page, unpacked: a root of SEARCH_SEGMENT_DOCS docs needs less */

struct search_doc {
	int64_t email;
	uint32_t text;  /* octets */
	uint32_t notes; /* bits of enum inspect_note, and SEARCH_REDUCED */
};
#define SEARCH_REDUCED                                                                                       \
	128u /* scan died of it: header and text of the message only, or no more than its facts say */

/* ---- making ---- */

typedef void search_page_put(void *ctx, uint32_t page, struct slice plain);
struct search_builder;
/* Pages come to `put` as they are full, the root at the end; `plain` is gone when put returns. */
struct search_builder *search_builder_new(search_page_put *put, void *ctx);
void search_builder_free(struct search_builder *b);
void search_builder_add(struct search_builder *b, const struct search_doc *d, struct slice text);
bool search_builder_full(const struct search_builder *b);
uint32_t search_builder_docs(const struct search_builder *b);
uint64_t search_builder_text(const struct search_builder *b);
/* Nothing can be added afterwards. */
void search_builder_finish(struct search_builder *b);

/* ---- reading ---- */

/* Adds the page to out. LATER: it cannot be read. */
typedef enum result search_page_get(void *ctx, uint32_t page, struct buf *out);
struct search_segment;
/* BAD: the root is none; otherwise what `get` said. */
NODISCARD enum result search_segment_open(search_page_get *get, void *ctx, struct search_segment **out);
void search_segment_free(struct search_segment *s);
uint32_t search_segment_docs(const struct search_segment *s);
const struct search_doc *search_segment_doc(const struct search_segment *s, uint32_t n);
/* The text of doc n; lives until the next call on this segment. */
NODISCARD enum result search_segment_text(struct search_segment *s, uint32_t n, struct slice *out);

#define SEARCH_WORDS(docs) (((size_t)(docs) + 63) / 64)
/* Sets the bits of the docs that hold the needle. `set` has SEARCH_WORDS words, all zero. */
NODISCARD enum result search_segment_find(
    struct search_segment *s, const struct inspect_needle *n, uint64_t *set);
/*
 * For each doc how well it has each part, as inspect_fuzzy_read() says; worth[docs][INSPECT_PARTS], all zero. Where only
 * reading decides, docs that lack a part have no worth at all.
 */
NODISCARD enum result search_segment_weigh(struct search_segment *s, const struct inspect_needle *n,
    const struct inspect_fuzzy *f, uint8_t (*worth)[INSPECT_PARTS]);

#endif
