/* base/stream over DEFLATE: both directions, at rest, cut anywhere, and what a hostile peer may send. */
#include "base/base.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <zlib.h>

/* Octets that are allocated now; under a sanitizer malloc is not libc's. */
#if defined __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#define ALLOCATED __sanitizer_get_current_allocated_bytes()
#endif
#endif
#ifndef ALLOCATED
#define ALLOCATED mallinfo2().uordblks
#endif
static size_t allocated(void)
{
	return ALLOCATED;
}

/* The peer's compressor. */
static void squeeze(z_stream *z, struct slice text, int flush, struct buf *out)
{
	z->next_in = (unsigned char *)(uintptr_t)text.p;
	z->avail_in = (unsigned)text.n;
	do {
		char *room = buf_room(out, 4096);
		assert_non_null(room);
		z->next_out = (unsigned char *)room;
		z->avail_out = 4096;
		deflate(z, flush);
		buf_wrote(out, 4096 - z->avail_out);
	} while (!z->avail_out);
}

static void compressor(z_stream *z)
{
	*z = (z_stream){0};
	assert_int_equal(deflateInit2(z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
}

/* What we said, as the peer reads it. */
static void expand(struct slice in, struct buf *out)
{
	z_stream z = {0};
	assert_int_equal(inflateInit2(&z, -15), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)in.p;
	z.avail_in = (unsigned)in.n;
	int r = Z_OK;
	while (r == Z_OK && (z.avail_in || !z.avail_out)) {
		char *room = buf_room(out, 65536);
		z.next_out = (unsigned char *)room;
		z.avail_out = 65536;
		r = inflate(&z, Z_SYNC_FLUSH);
		buf_wrote(out, 65536 - z.avail_out);
	}
	inflateEnd(&z);
	assert_true(r == Z_OK || r == Z_BUF_ERROR);
}

/* A stream that is told "go", compresses from then on, and gets `said` in steps. */
static struct stream *opened(const struct slice parts[2], size_t step, struct buf *out)
{
	struct slice line;
	struct stream *s = stream_memory_parts(parts, 2, step, out);
	assert_int_equal(stream_line(s, 100, &line), OK);
	stream_puts(s, "plain\r\n");
	assert_int_equal(stream_deflate(s), OK);
	assert_true(stream_is_deflated(s));
	assert_int_equal(stream_deflate(s), BAD);
	return s;
}

static void lines_come_through(void **state)
{
	z_stream z;
	compressor(&z);
	BUF_LOCAL(said, 1 << 20);
	for (unsigned i = 0; i < 200; i++) {
		char line[64];
		int n = snprintf(line, sizeof line, "line %u of this conversation\r\n", i);
		squeeze(&z, slice_of(line, (size_t)n), i % 3 ? Z_SYNC_FLUSH : Z_NO_FLUSH, &said);
	}
	squeeze(&z, SLICE_NONE, Z_SYNC_FLUSH, &said);
	deflateEnd(&z);
	const struct slice parts[2] = {SLICE("go\r\n"), buf_slice(&said)};
	static const size_t steps[] = {0, 1, 7, 1000};
	for (size_t k = 0; k < COUNT(steps); k++)
		for (int resting = 0; resting < 2; resting++) {
			BUF_LOCAL(out, 1 << 20);
			BUF_LOCAL(clear, 1 << 20);
			BUF_LOCAL(want, 1 << 20);
			struct stream *s = opened(parts, steps[k], &out);
			for (unsigned i = 0; i < 200; i++) {
				struct slice line;
				assert_int_equal(stream_line(s, 100, &line), OK);
				buf_printf(&want, "heard " SLICE_FMT "\r\n", SLICE_ARG(line));
				stream_printf(s, "heard " SLICE_FMT "\r\n", SLICE_ARG(line));
				if (resting)
					assert_int_equal(stream_rest(s), OK);
			}
			assert_int_equal(stream_flush(s), OK);
			stream_close(s);
			assert_memory_equal(out.p, "plain\r\n", 7);
			expand(slice_sub(buf_slice(&out), 7, out.n), &clear);
			assert_int_equal(clear.n, want.n);
			assert_memory_equal(clear.p, want.p, want.n);
		}
}

static void large_output_is_whole(void **state)
{
	BUF_LOCAL(out, 8 << 20);
	BUF_LOCAL(clear, 8 << 20);
	BUF_LOCAL(text, 4 << 20);
	for (unsigned i = 0; text.n < 3000000; i++)
		buf_printf(&text, "%u %x ", i, i * 2654435761u);
	struct stream *s = opened((struct slice[]){SLICE("go\r\n"), SLICE("x")}, 0, &out);
	stream_put(s, buf_slice(&text));
	assert_int_equal(stream_flush(s), OK);
	size_t before = out.n;
	assert_int_equal(stream_flush(s), OK); /* nothing new: nothing is said */
	assert_int_equal(out.n, before);
	stream_close(s);
	expand(slice_sub(buf_slice(&out), 7, out.n), &clear);
	assert_int_equal(clear.n, text.n);
	assert_memory_equal(clear.p, text.p, text.n);
	assert_true(out.n < text.n * 2 / 3);
}

static void early_input_is_refused(void **state)
{
	struct slice line;
	BUF_LOCAL(out, 1000);
	struct stream *s = stream_memory(SLICE("go\r\nagain\r\n"), 0, &out);
	assert_int_equal(stream_line(s, 100, &line), OK);
	assert_int_equal(stream_deflate(s), BAD);
	stream_close(s);
}

static void junk_and_ends_are_the_end(void **state)
{
	z_stream z;
	compressor(&z);
	BUF_LOCAL(ended, 100000);
	squeeze(&z, SLICE("last\r\nhalf"), Z_FINISH, &ended);
	deflateEnd(&z);
	buf_puts(&ended, "more");
	struct slice line;
	{
		BUF_LOCAL(out, 1000);
		struct stream *s =
		    opened((struct slice[]){SLICE("go\r\n"), SLICE("\xff\xff\xff\xff not this")}, 0, &out);
		assert_int_equal(stream_line(s, 100, &line), GONE);
		stream_close(s);
	}
	BUF_LOCAL(out, 1000);
	struct stream *s = opened((struct slice[]){SLICE("go\r\n"), buf_slice(&ended)}, 0, &out);
	enum result r = stream_line(s, 100, &line);
	assert_true(r == OK || r == GONE);
	assert_int_equal(stream_line(s, 100, &line), GONE);
	stream_close(s);
}

/* A hundred million octets in a hundred thousand: the line's cap holds, and memory does not grow. */
static void a_bomb_needs_no_memory(void **state)
{
	static char zeros[100000];
	z_stream z;
	compressor(&z);
	BUF_LOCAL(bomb, 1 << 20);
	for (unsigned i = 0; i < 1000; i++)
		squeeze(&z, slice_of(zeros, sizeof zeros), Z_NO_FLUSH, &bomb);
	squeeze(&z, SLICE("\r\nafter\r\n"), Z_SYNC_FLUSH, &bomb);
	deflateEnd(&z);
	assert_true(bomb.n < 150000);
	BUF_LOCAL(out, 1000);
	struct stream *s = opened((struct slice[]){SLICE("go\r\n"), buf_slice(&bomb)}, 0, &out);
	struct slice line;
	size_t before = allocated();
	assert_int_equal(stream_line(s, 1000, &line), FULL);
	assert_int_equal(stream_line(s, 1000, &line), OK);
	assert_true(slice_eq(line, SLICE("after")));
	assert_true(allocated() < before + 200000);
	stream_close(s);
}

/* At rest only the window is kept. */
static void rest_gives_memory_back(void **state)
{
	z_stream z;
	compressor(&z);
	BUF_LOCAL(said, 100000);
	BUF_LOCAL(out, 100000);
	squeeze(&z, SLICE("a NOOP\r\n"), Z_SYNC_FLUSH, &said);
	deflateEnd(&z);
	size_t before = allocated();
	struct stream *s = opened((struct slice[]){SLICE("go\r\n"), buf_slice(&said)}, 0, &out);
	struct slice line;
	assert_int_equal(stream_line(s, 1000, &line), OK);
	stream_puts(s, "a OK\r\n");
	assert_int_equal(stream_flush(s), OK);
	assert_true(allocated() > before + 200000);
	assert_int_equal(stream_rest(s), OK);
	assert_true(allocated() < before + 4000);
	stream_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_come_through),
	    cmocka_unit_test(large_output_is_whole),
	    cmocka_unit_test(early_input_is_refused),
	    cmocka_unit_test(junk_and_ends_are_the_end),
	    cmocka_unit_test(a_bomb_needs_no_memory),
	    cmocka_unit_test(rest_gives_memory_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
