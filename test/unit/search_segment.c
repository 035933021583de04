/* The index finds what reading every doc finds: random docs of all scripts, random needles, and the pages compared. */
#include "mail/utf8.h"
#include "store/search/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define PAGES 4096
#define DOCS 400

static struct buf pages[PAGES];
static unsigned highest;

static void put(void *ctx, uint32_t page, struct slice plain)
{
	assert_true(page < PAGES);
	buf_free(&pages[page]);
	buf_init(&pages[page], SEARCH_PAGE_MOST);
	buf_put(&pages[page], plain);
	highest = MAX(highest, page);
}

static enum result get(void *ctx, uint32_t page, struct buf *out)
{
	if (page >= PAGES)
		return BAD;
	buf_put(out, buf_slice(&pages[page]));
	return OK;
}

static void forget(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		buf_free(&pages[i]);
	highest = 0;
}

static uint64_t seed = 1;
static unsigned any(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static const char *const words[] = {"invoice", "in", "voice", "the", "a", "meeting", "東京", "都", "関所",
    "見積書", "さーば", "ntt東日本", "日本", "本", "会議", "の", "привет", "мир", "fuß", "x", "20261122", "👍",
    "mail@example.com", "한국어", "a.b.c", "c++", "naïve", "สวัสดีครับ",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
    "zzzzzzzzzzz",
    "zzzzzzzzzzzzyzzzzzzzzzzzzzzzzzzzzzzzzzzzéééééééééééééééééééééééééééééééééé", "e", "ー", "々", "佐々木"};

/* One of so many that the dictionary has several pages of each kind. */
static void put_rare(struct buf *b)
{
	unsigned v = any(30000), kind = any(3);
	BUF_LOCAL(raw, 100);
	for (unsigned i = 0; i < 3; i++, v /= 31)
		if (kind == 0)
			mail_utf8_put(&raw, 0x4e00 + v % 31 * 97 + i);
		else
			buf_putc(&raw, (char)((kind == 1 ? 'a' : '!') + v % (kind == 1 ? 26 : 15)));
	mail_text_fold(buf_slice(&raw), b);
}

static void put_text(struct buf *b, unsigned most)
{
	static const char *const gaps[] = {" ", "", " ", ", ", "。", "-"};
	for (unsigned n = any(most) + 1; n; n--) {
		if (any(3))
			mail_text_fold(slice_str(words[any(COUNT(words))]), b);
		else
			put_rare(b);
		buf_puts(b, gaps[any(COUNT(gaps))]);
	}
}

static void make_doc(struct buf *b)
{
	static const char *const names[] = {"subject", "from", "to", "cc", "x-mailer", "message-id", "bcc"};
	for (unsigned n = any(6); n; n--) {
		buf_putc(b, any(5) ? INSPECT_FIELD : INSPECT_ADDRESS);
		buf_printf(b, "%s: ", names[any(COUNT(names))]);
		put_text(b, 4);
	}
	for (unsigned n = any(4); n; n--) {
		buf_putc(b, any(3) ? INSPECT_BODY : INSPECT_FILE);
		put_text(b, any(20) ? 30 : 20000);
	}
}

/* A part of some doc, cut anywhere between characters, or words put together anew. */
static void make_needle(const struct buf *docs, struct buf *text, struct inspect_needle *n)
{
	static const char *const fields[] = {"subject", "from", "to", "cc", "bcc", "x-mailer", "none"};
	struct slice doc = buf_slice(&docs[any(DOCS)]);
	buf_clear(text);
	if (doc.n && any(4)) {
		struct slice s = slice_sub(doc, any((unsigned)doc.n), 1 + any(any(3) ? 12 : 60));
		while (s.n && ((unsigned char)s.p[0] & 0xc0) == 0x80)
			s = slice_sub(s, 1, s.n);
		while (s.n && s.p + s.n < doc.p + doc.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] >= ' ')
				buf_putc(text, s.p[i]);
	} else {
		put_text(text, any(3) ? 2 : 6);
	}
	*n = (struct inspect_needle){
	    .where = any(3), .field = slice_str(fields[any(COUNT(fields))]), .text = buf_slice(text)};
}

static void compare(
    struct search_segment *s, const struct buf *docs, const struct inspect_needle *n, unsigned *hits)
{
	uint64_t set[SEARCH_WORDS(DOCS)] = {0};
	assert_int_equal(search_segment_find(s, n, set), OK);
	for (unsigned i = 0; i < DOCS; i++) {
		bool want = inspect_doc_match(buf_slice(&docs[i]), n);
		if (want != (set[i / 64] >> i % 64 & 1))
			fail_msg("doc %u, where %d, field %.*s, needle '%.*s': %s", i, n->where,
			    SLICE_ARG(n->field), SLICE_ARG(n->text), want ? "missed" : "found wrongly");
		*hits += want;
	}
}

/* Fuzzy: the dictionary weighs as reading does; where it does not decide, docs that lack a part have no worth. */
static void compare_worth(
    struct search_segment *s, const struct buf *docs, const struct inspect_needle *n, unsigned *hits)
{
	static uint8_t worth[DOCS][INSPECT_PARTS];
	struct inspect_fuzzy plan;
	memset(worth, 0, sizeof worth);
	inspect_fuzzy_make(n, &plan);
	assert_int_equal(search_segment_weigh(s, n, &plan, worth), OK);
	for (unsigned i = 0; i < DOCS; i++) {
		uint8_t want[INSPECT_PARTS];
		inspect_fuzzy_read(buf_slice(&docs[i]), n, &plan, want);
		bool whole = inspect_fuzzy_whole(&plan, want);
		if (whole || !plan.of_field)
			assert_memory_equal(worth[i], want, sizeof want);
		else
			assert_false(inspect_fuzzy_whole(&plan, worth[i]));
		*hits += whole && plan.n;
	}
}

static void index_is_reading(void **state)
{
	static struct buf docs[DOCS];
	unsigned hits = 0, fuzzy = 0;
	for (unsigned round = 0; round < 2; round++) {
		struct search_builder *b = search_builder_new(put, NULL);
		for (unsigned i = 0; i < DOCS; i++) {
			buf_init(&docs[i], LIMIT_SEARCH_TEXT);
			make_doc(&docs[i]);
			search_builder_add(
			    b, &(struct search_doc){.email = (int64_t)(i * 7 % DOCS)}, buf_slice(&docs[i]));
		}
		search_builder_finish(b);
		search_builder_free(b);
		struct search_segment *s;
		assert_int_equal(search_segment_open(get, NULL, &s), OK);
		assert_int_equal(search_segment_docs(s), DOCS);
		print_message("%u pages of keys\n", s->dictionaries);
		assert_true(s->dictionaries > 5);
		for (unsigned i = 0; i < DOCS; i++) {
			struct slice text;
			assert_int_equal(search_segment_doc(s, i)->email, i * 7 % DOCS);
			assert_int_equal(search_segment_text(s, i, &text), OK);
			assert_true(slice_eq(text, buf_slice(&docs[i])));
		}
		BUF_LOCAL(text, 1 << 20);
		struct inspect_needle n;
		for (unsigned i = 0; i < 1500; i++) {
			make_needle(docs, &text, &n);
			s->text_costs = any(2) ? UINT32_MAX : any(40000);
			compare(s, docs, &n, &hits);
			if (i % 60 == 0)
				compare_worth(s, docs, &n, &fuzzy);
		}
		search_segment_free(s);
		for (unsigned i = 0; i < DOCS; i++)
			buf_free(&docs[i]);
		forget();
	}
	print_message("%u needles found\n", hits);
	assert_true(hits > 5000);
	assert_true(fuzzy > 100);
}

/*
 * Few characters of each kind in every order: what stands side by side and what nearly does. Only the places decide, or the
 * texts, or both as in earnest.
 */
static void side_by_side(void **state)
{
	static const char *const bits[] = {
	    "a", "b", "a", "関", "所", "関", " ", " ", " ", ",", ", ", "-", "のの", "bb"};
	static struct buf docs[DOCS];
	struct search_builder *b = search_builder_new(put, NULL);
	for (unsigned i = 0; i < DOCS; i++) {
		BUF_LOCAL(raw, 1000);
		buf_init(&docs[i], LIMIT_SEARCH_TEXT);
		for (unsigned piece = 0; piece < 3; piece++) {
			buf_clear(&raw);
			for (unsigned n = any(any(9) ? 12 : 120); n; n--)
				buf_puts(&raw, bits[any(COUNT(bits))]);
			buf_putc(&docs[i], piece ? INSPECT_BODY : INSPECT_FIELD);
			buf_puts(&docs[i], piece ? "" : any(2) ? "subject: " : "a-b: ");
			mail_text_fold(buf_slice(&raw), &docs[i]);
		}
		search_builder_add(b, &(struct search_doc){.email = i}, buf_slice(&docs[i]));
	}
	search_builder_finish(b);
	search_builder_free(b);
	struct search_segment *s;
	unsigned hits = 0;
	assert_int_equal(search_segment_open(get, NULL, &s), OK);
	for (unsigned i = 0; i < 20000; i++) {
		static const uint64_t costs[] = {UINT32_MAX, UINT32_MAX, 1, 0};
		BUF_LOCAL(raw, 1000);
		BUF_LOCAL(text, 1000);
		for (unsigned n = any(8) + 1; n; n--)
			buf_puts(&raw, bits[any(COUNT(bits))]);
		mail_text_fold(buf_slice(&raw), &text);
		s->text_costs = costs[any(COUNT(costs))];
		compare(s, docs,
		    &(struct inspect_needle){.where = any(3),
			.field = any(2) ? SLICE("subject") : SLICE("a-b"),
			.text = buf_slice(&text)},
		    &hits);
	}
	print_message("%u needles found\n", hits);
	assert_true(hits > 20000);
	search_segment_free(s);
	for (unsigned i = 0; i < DOCS; i++)
		buf_free(&docs[i]);
	forget();
}

static void nothing_in_it(void **state)
{
	struct search_builder *b = search_builder_new(put, NULL);
	search_builder_add(b, &(struct search_doc){.email = 5, .notes = SEARCH_REDUCED}, SLICE_NONE);
	search_builder_finish(b);
	search_builder_free(b);
	struct search_segment *s;
	struct slice text;
	uint64_t set[1] = {0};
	assert_int_equal(search_segment_open(get, NULL, &s), OK);
	assert_int_equal(search_segment_doc(s, 0)->notes, SEARCH_REDUCED);
	assert_int_equal(search_segment_text(s, 0, &text), OK);
	assert_int_equal(text.n, 0);
	assert_int_equal(search_segment_find(s, &(struct inspect_needle){.text = SLICE("x")}, set), OK);
	assert_int_equal(set[0], 0);
	assert_int_equal(search_segment_find(s, &(struct inspect_needle){.text = SLICE_NONE}, set), OK);
	assert_int_equal(set[0], 1);
	search_segment_free(s);
	forget();
}

/* A page that was changed is noticed or does no harm; it never finds nothing silently when it cannot be unpacked. */
static void broken_pages(void **state)
{
	BUF_LOCAL(doc, 100000);
	struct search_builder *b = search_builder_new(put, NULL);
	for (unsigned i = 0; i < 50; i++) {
		buf_clear(&doc);
		make_doc(&doc);
		search_builder_add(b, &(struct search_doc){.email = i}, buf_slice(&doc));
	}
	search_builder_finish(b);
	search_builder_free(b);
	for (unsigned i = 0; i < 4000; i++) {
		struct buf *page = &pages[any(highest + 1)];
		size_t at = page->n ? any((unsigned)page->n) : 0;
		char was = page->n ? page->p[at] : 0;
		if (page->n)
			page->p[at] = (char)any(256);
		struct search_segment *s = NULL;
		uint64_t set[SEARCH_WORDS(SEARCH_SEGMENT_DOCS)] = {0};
		if (search_segment_open(get, NULL, &s) == OK) {
			result_ignore(
			    search_segment_find(s, &(struct inspect_needle){.text = SLICE("in")}, set));
			result_ignore(
			    search_segment_find(s, &(struct inspect_needle){.text = SLICE("見積書")}, set));
		}
		search_segment_free(s);
		if (page->n)
			page->p[at] = was;
	}
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(index_is_reading), cmocka_unit_test(side_by_side),
	    cmocka_unit_test(nothing_in_it), cmocka_unit_test(broken_pages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
