/* base: slices, buffers, cursors, numbers, arenas and memory streams. */
#include "base/base.h"
#include "base/csv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void slices(void **state)
{
	assert_true(slice_ieq(SLICE("HeLo"), SLICE("hElO")));
	assert_false(slice_ieq(SLICE("HeLo"), SLICE("hEl")));
	assert_int_equal(slice_search(SLICE("abcabd"), SLICE("abd")), 3);
	struct slice rest = SLICE("a,b,");
	assert_true(slice_eq(slice_split(&rest, ','), SLICE("a")));
	assert_true(slice_eq(slice_split(&rest, ','), SLICE("b")));
	assert_int_equal(rest.n, 0);
	assert_int_equal(slice_sub(SLICE("abc"), 9, 9).n, 0);
	assert_true(slice_is_utf8(SLICE("関所")));
	assert_false(slice_is_utf8(SLICE("\xc0\xaf")));
	assert_false(slice_is_utf8(SLICE("\xed\xa0\x80")));
	assert_false(slice_is_utf8(SLICE("\xf4\x90\x80\x80")));
}

static void buffers_keep_their_maximum(void **state)
{
	BUF_LOCAL(b, 10);
	buf_puts(&b, "12345");
	buf_puts(&b, "678901");
	assert_int_equal(buf_result(&b), FULL);
	assert_int_equal(b.n, 5);
	buf_clear(&b);
	buf_puts(&b, "1234567890");
	assert_int_equal(buf_result(&b), OK);
	assert_string_equal(buf_z(&b), "1234567890");
}

static void no_room_is_asked_for_and_given(void **state)
{
	BUF_LOCAL(b, 10);
	assert_non_null(buf_room(&b, 0));
	assert_null(buf_room(&b, 11));
	BUF_LOCAL(none, 0);
	assert_non_null(buf_room(&none, 0));
	assert_int_equal(buf_result(&none), OK);
}

static void base64_is_strict(void **state)
{
	const char *good[][2] = {
	    {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYmFy", "foobar"}};
	for (size_t i = 0; i < COUNT(good); i++) {
		BUF_LOCAL(b, 100);
		assert_int_equal(base64_decode(slice_str(good[i][0]), &b), OK);
		assert_true(slice_eq(buf_slice(&b), slice_str(good[i][1])));
		BUF_LOCAL(e, 100);
		buf_base64(&e, slice_str(good[i][1]));
		assert_true(slice_eq(buf_slice(&e), slice_str(good[i][0])));
	}
	const char *bad[] = {"Zg=", "Z===", "Zg==Zg==", "Zm9 ", "====", "Zm9v\n", "Zh==", "Zm9="};
	for (size_t i = 0; i < COUNT(bad); i++) {
		BUF_LOCAL(b, 100);
		assert_int_equal(base64_decode(slice_str(bad[i]), &b), BAD);
	}
}

static void numbers_take_all_or_nothing(void **state)
{
	uint64_t v = 7;
	assert_int_equal(num_u64(SLICE("18446744073709551615"), UINT64_MAX, &v), OK);
	assert_true(v == UINT64_MAX);
	assert_int_equal(num_u64(SLICE("18446744073709551616"), UINT64_MAX, &v), FULL);
	assert_int_equal(num_u64(SLICE("+1"), 10, &v), BAD);
	assert_int_equal(num_u64(SLICE("1 "), 10, &v), BAD);
	assert_int_equal(num_u64(SLICE(""), 10, &v), BAD);
	assert_int_equal(num_u64(SLICE("11"), 10, &v), FULL);
}

static void cursors_stick(void **state)
{
	struct cursor c = cursor_of(SLICE("SIZE=123 x"));
	assert_true(cursor_try_word(&c, SLICE("size=")));
	assert_int_equal(cursor_u64(&c, 1000), 123);
	cursor_need(&c, ' ');
	cursor_need(&c, 'y');
	cursor_need(&c, 'x');
	assert_int_equal(cursor_done(&c), BAD);
}

static void arenas_have_a_cap(void **state)
{
	ARENA_LOCAL(a, 100000);
	char *p = arena_z(&a, SLICE("hello"));
	assert_string_equal(p, "hello");
	assert_non_null(arena_alloc(&a, 50000));
	assert_null(arena_alloc(&a, 60000));
	assert_true(arena_full(&a));
	assert_null(arena_array(&a, SIZE_MAX / 2, 4));
	arena_reset(&a);
	assert_false(arena_full(&a));
	assert_non_null(arena_alloc(&a, 60000));
}

static void lines_at_every_cut(void **state)
{
	struct slice in = SLICE("EHLO a\r\nbare\nNOOP\r\ncr\rin\r\nQUIT\r\n");
	for (size_t step = 1; step <= in.n; step++) {
		BUF_LOCAL(out, 100);
		struct stream *s = stream_memory(in, step, &out);
		struct slice l;
		assert_int_equal(stream_line(s, 100, &l), OK);
		assert_true(slice_eq(l, SLICE("EHLO a")));
		assert_int_equal(stream_line(s, 100, &l), BAD);
		assert_int_equal(stream_line(s, 100, &l), OK);
		assert_true(slice_eq(l, SLICE("NOOP")));
		assert_int_equal(stream_line(s, 100, &l), BAD);
		assert_int_equal(stream_line(s, 100, &l), OK);
		assert_true(slice_eq(l, SLICE("QUIT")));
		assert_int_equal(stream_line(s, 100, &l), GONE);
		stream_close(s);
	}
}

static void overlong_lines_are_skipped(void **state)
{
	BUF_LOCAL(in, 100000);
	for (int i = 0; i < 40000; i++)
		buf_putc(&in, 'a');
	buf_puts(&in, "\r\nNOOP\r\n");
	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		BUF_LOCAL(out, 100);
		struct stream *s = stream_memory(buf_slice(&in), step, &out);
		struct slice l;
		assert_int_equal(stream_line(s, 512, &l), FULL);
		assert_int_equal(stream_line(s, 512, &l), OK);
		assert_true(slice_eq(l, SLICE("NOOP")));
		stream_close(s);
	}
}

static void long_and_broken_lines_are_told_apart_at_every_cut(void **state)
{
	struct slice in = SLICE("a\rb too long\r\n12345\n1234\r\n12345\r\n");
	const enum result want[] = {FULL, BAD, OK, FULL, GONE};
	for (size_t step = 0; step <= in.n; step++) {
		BUF_LOCAL(out, 100);
		struct stream *s = stream_memory(in, step, &out);
		for (size_t i = 0; i < COUNT(want); i++) {
			struct slice l;
			assert_int_equal(stream_line(s, 4, &l), want[i]);
		}
		stream_close(s);
	}
}

static void output_is_collected(void **state)
{
	BUF_LOCAL(out, 100);
	struct stream *s = stream_memory(SLICE(""), 0, &out);
	stream_puts(s, "250 ");
	stream_printf(s, "%s\r\n", "ok");
	assert_int_equal(out.n, 0);
	assert_int_equal(stream_flush(s), OK);
	assert_true(slice_eq(buf_slice(&out), SLICE("250 ok\r\n")));
	stream_close(s);
}

/* ---- csv ---- */

static void assert_record(struct csv *c, struct arena *a, unsigned line, const char *joined)
{
	struct slice fields[LIMIT_CSV_FIELDS];
	size_t n;
	BUF_LOCAL(b, 1000);
	assert_int_equal(csv_next(c, a, fields, &n), OK);
	assert_int_equal(c->line, line);
	for (size_t i = 0; i < n; i++) {
		buf_puts(&b, i ? "|" : "");
		buf_put(&b, fields[i]);
	}
	assert_string_equal(buf_z(&b), joined);
}

static void csv_reads_tables(void **state)
{
	ARENA_LOCAL(a, 65536);
	struct slice fields[LIMIT_CSV_FIELDS];
	size_t n;
	struct csv c = csv_read(SLICE("\xef\xbb\xbf"
				      "a,b\r\n\n\"x, \"\"y\"\"\",\"two\nlines\"\n,\nlast"));
	assert_record(&c, &a, 1, "a|b");
	assert_record(&c, &a, 3, "x, \"y\"|two\nlines");
	assert_record(&c, &a, 5, "|");
	assert_record(&c, &a, 6, "last");
	assert_int_equal(csv_next(&c, &a, fields, &n), GONE);
	static const char *const wrong[] = {"\"open", "a\"b", "\"a\"b", "a,\"", "\"\"\""};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		c = csv_read(slice_str(wrong[i]));
		assert_int_equal(csv_next(&c, &a, fields, &n), BAD);
	}
	BUF_LOCAL(many, 1000);
	for (unsigned i = 0; i < LIMIT_CSV_FIELDS; i++)
		buf_puts(&many, ",");
	c = csv_read(buf_slice(&many));
	assert_int_equal(csv_next(&c, &a, fields, &n), FULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(csv_reads_tables),
	    cmocka_unit_test(slices),
	    cmocka_unit_test(buffers_keep_their_maximum),
	    cmocka_unit_test(no_room_is_asked_for_and_given),
	    cmocka_unit_test(base64_is_strict),
	    cmocka_unit_test(numbers_take_all_or_nothing),
	    cmocka_unit_test(cursors_stick),
	    cmocka_unit_test(arenas_have_a_cap),
	    cmocka_unit_test(lines_at_every_cut),
	    cmocka_unit_test(overlong_lines_are_skipped),
	    cmocka_unit_test(long_and_broken_lines_are_told_apart_at_every_cut),
	    cmocka_unit_test(output_is_collected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
