/* smtp/text: every short input, cut in every way, against a model that knows no cuts. */
#include "smtp/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static void collect(void *to, struct slice run)
{
	buf_put(to, run);
}

/*
 * The model, from the text of RFC 5321: the message is what stands before the first CRLF.CRLF (or before .CRLF at the very
 * start), each line without its leading dot. Returns where the input goes on; -1 when the message has not ended.
 */
static ptrdiff_t model_end(struct slice in)
{
	if (slice_starts(in, SLICE(".\r\n")))
		return 3;
	ptrdiff_t at = slice_search(in, SLICE("\r\n.\r\n"));
	return at < 0 ? -1 : at + 5;
}

static enum smtp_reply model_message(struct slice in, struct buf *out)
{
	ptrdiff_t end = model_end(in);
	struct slice text = slice_sub(in, 0, (size_t)end - 3);
	bool start = true;
	for (size_t i = 0; i < text.n; i++) {
		bool cr = text.p[i] == '\r', lf = text.p[i] == '\n';
		bool crlf = cr && i + 1 < in.n && in.p[i + 1] == '\n';
		if ((cr && !crlf) || (lf && !(i && text.p[i - 1] == '\r')))
			return REPLY_BARE_LINE_END;
		if (!(start && text.p[i] == '.'))
			buf_putc(out, text.p[i]);
		start = lf;
	}
	return REPLY_NONE;
}

/* Feeds `in` in pieces: a bit of `cuts` is set where one ends. */
static size_t feed(struct smtp_text *t, struct slice in, unsigned cuts)
{
	size_t from = 0, taken = 0;
	for (size_t i = 1; i <= in.n && !smtp_text_ended(t); i++) {
		if (i < in.n && !(cuts >> (i - 1) & 1))
			continue;
		taken += smtp_text_take(t, slice_sub(in, from, i - from));
		from = i;
	}
	return taken;
}

static void check_data(struct slice in, unsigned cuts)
{
	BUF_LOCAL(got, 1000);
	BUF_LOCAL(expected, 1000);
	struct smtp_text t = {.mode = TEXT_DATA, .put = collect, .to = &got};
	size_t taken = feed(&t, in, cuts);
	ptrdiff_t end = model_end(in);
	assert_int_equal(smtp_text_ended(&t), end >= 0);
	assert_int_equal(taken, end >= 0 ? (size_t)end : in.n);
	if (end < 0)
		return;
	enum smtp_reply flaw = model_message(in, &expected);
	assert_int_equal(t.flaw, flaw);
	if (flaw == REPLY_NONE)
		assert_true(slice_eq(buf_slice(&got), buf_slice(&expected)));
}

static void every_short_input(void **state)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a'};
	unsigned total = 1;
	for (size_t n = 1; n <= 8; n++) {
		total *= COUNT(alphabet);
		for (unsigned word = 0; word < total; word++) {
			char in[16];
			unsigned w = word;
			for (size_t i = 0; i < n; i++, w /= COUNT(alphabet))
				in[i] = alphabet[w % COUNT(alphabet)];
			check_data(slice_of(in, n), 0);
			check_data(slice_of(in, n), ~0u);
			check_data(slice_of(in, n), word * 2654435761u >> 7);
		}
	}
}

static void every_cut_of_what_is_tricky(void **state)
{
	static const char *const inputs[] = {".\r\n", "a\r\n.\r\n", "\r\n.\r\nQUIT\r\n", "..\r\n.\r\nx",
	    ".a\r\n.\r\n", "a\r\r\n.\r\n", "a\n.\r\n\r\n.\r\n", "\r\n.\r\r\n.\r\n", "\r.\r\n.\n\r\n.\r\n",
	    "\r\n..\r\n.\r\n"};
	for (size_t i = 0; i < COUNT(inputs); i++) {
		struct slice in = slice_str(inputs[i]);
		for (unsigned cuts = 0; cuts < 1u << (in.n - 1); cuts++)
			check_data(in, cuts);
	}
}

static void nul_and_long_lines_are_flaws(void **state)
{
	BUF_LOCAL(got, 1000);
	struct smtp_text t = {.mode = TEXT_DATA, .put = collect, .to = &got};
	assert_int_equal(smtp_text_take(&t, SLICE("a\0b\r\n.\r\n")), 8);
	assert_int_equal(t.flaw, REPLY_NUL);
	struct smtp_text after = {.mode = TEXT_DATA, .put = collect, .to = &got};
	assert_int_equal(smtp_text_take(&after, SLICE("a\r\n.\r\n\0")), 6);
	assert_int_equal(after.flaw, REPLY_NONE); /* not of this message */
	struct smtp_text l = {
	    .mode = TEXT_DATA, .put = collect, .to = &got, .line = LIMIT_SMTP_TEXT_LINE, .at = AT_TEXT};
	smtp_text_take(&l, SLICE("a"));
	assert_int_equal(l.flaw, REPLY_TEXT_LINE_LONG);
}

static void chunks(void **state)
{
	static const struct {
		enum smtp_text_mode mode;
		struct slice in, out;
		enum smtp_reply flaw;
	} cases[] = {
	    {TEXT_CHUNKS, SLICE(""), SLICE(""), REPLY_NONE},
	    {TEXT_CHUNKS, SLICE("a"), SLICE("a\r\n"), REPLY_NONE},
	    {TEXT_CHUNKS, SLICE(".\r\n.\r\n..\r\n"), SLICE(".\r\n.\r\n..\r\n"), REPLY_NONE},
	    {TEXT_CHUNKS, SLICE("a\r"), SLICE(""), REPLY_BARE_LINE_END},
	    {TEXT_CHUNKS, SLICE("\n"), SLICE(""), REPLY_BARE_LINE_END},
	    {TEXT_CHUNKS, SLICE("a\rb\r\n"), SLICE(""), REPLY_BARE_LINE_END},
	    {TEXT_CHUNKS, SLICE("\0"), SLICE(""), REPLY_NUL},
	    {TEXT_BINARY, SLICE("a\rb\nc\0\r"), SLICE("a\rb\nc\0\r"), REPLY_NONE},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned cuts = 0; cuts < 1u << cases[i].in.n; cuts++) {
			BUF_LOCAL(got, 1000);
			struct smtp_text t = {.mode = cases[i].mode, .put = collect, .to = &got};
			assert_int_equal(feed(&t, cases[i].in, cuts), cases[i].in.n);
			smtp_text_finish(&t);
			assert_int_equal(t.flaw, cases[i].flaw);
			if (t.flaw == REPLY_NONE)
				assert_true(slice_eq(buf_slice(&got), cases[i].out));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_short_input),
	    cmocka_unit_test(every_cut_of_what_is_tricky),
	    cmocka_unit_test(nul_and_long_lines_are_flaws),
	    cmocka_unit_test(chunks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
