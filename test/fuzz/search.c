/*
 * Docs, needles and their plans, and segments: a doc is in what its index finds exactly when it matches; pages that are
 * something else harm nobody.
 */
#include "store/search/inside.h"
#include <assert.h>
#include <stdlib.h>

static struct buf pages[64];

static void put(void *ctx, uint32_t page, struct slice plain)
{
	if (page >= COUNT(pages))
		abort();
	buf_init(&pages[page], SEARCH_PAGE_MOST);
	buf_put(&pages[page], plain);
}

static enum result get(void *ctx, uint32_t page, struct buf *out)
{
	const struct slice *one = ctx;
	if (one)
		buf_put(out, *one);
	else if (page < COUNT(pages))
		buf_put(out, buf_slice(&pages[page]));
	return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
static uint8_t hostile_worth[SEARCH_SEGMENT_DOCS][INSPECT_PARTS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice all = slice_of(data, MIN(n, (size_t)65536)), raw = slice_split(&all, '\n'), doc = all;
	BUF_LOCAL(text, (size_t)4 << 20);
	BUF_LOCAL(folded, (size_t)4 << 20);
	mail_text_fold(slice_sub(raw, 1, raw.n), &folded);
	struct inspect_needle needle = {
	    .where = raw.n ? (enum inspect_where)((unsigned char)raw.p[0] % 3) : INSPECT_IN_TEXT,
	    .field = SLICE("subject"),
	    .text = buf_slice(&folded)};
	/* Octets 1 to 5 stay: they begin the pieces, fields before the body; what is between is folded. */
	for (char least = INSPECT_FIELD; doc.n;) {
		char kind = (char)(1 + (unsigned char)doc.p[0] % 5);
		kind = kind < least ? least : kind;
		least = kind >= INSPECT_BODY ? INSPECT_BODY : INSPECT_FIELD;
		struct slice piece = slice_split(&doc, '\n');
		buf_putc(&text, kind);
		if (kind < INSPECT_BODY)
			buf_puts(&text, piece.n % 2 ? "subject: " : "x-a: ");
		mail_text_fold(piece, &text);
	}
	struct search_builder *b = search_builder_new(put, NULL);
	search_builder_add(b, &(struct search_doc){.email = 1}, buf_slice(&text));
	search_builder_finish(b);
	search_builder_free(b);
	struct search_segment *s;
	uint64_t set = 0;
	if (search_segment_open(get, NULL, &s) != OK)
		abort();
	s->text_costs = n % 2 ? s->text_costs : UINT32_MAX; /* places decide */
	if (search_segment_find(s, &needle, &set) != OK)
		abort();
	/* Trace pieces are no terms. */
	if (!memchr(text.p ? text.p : "", INSPECT_TRACE, text.n))
		assert((set & 1) == inspect_doc_match(buf_slice(&text), &needle));
	struct inspect_fuzzy plan;
	uint8_t worth[1][INSPECT_PARTS] = {0}, read[INSPECT_PARTS];
	inspect_fuzzy_make(&needle, &plan);
	inspect_fuzzy_read(buf_slice(&text), &needle, &plan, read);
	if (search_segment_weigh(s, &needle, &plan, worth) != OK)
		abort();
	assert(memcmp(worth[0], read, sizeof read) == 0);
	search_segment_free(s);
	for (size_t i = 0; i < COUNT(pages); i++)
		buf_free(&pages[i]);
	struct slice hostile = slice_of(data, n);
	uint64_t sets[SEARCH_WORDS(SEARCH_SEGMENT_DOCS)] = {0};
	if (search_segment_open(get, &hostile, &s) == OK) {
		result_ignore(search_segment_find(s, &needle, sets));
		result_ignore(search_segment_weigh(s, &needle, &plan, hostile_worth));
		search_segment_free(s);
	}
	return 0;
}
