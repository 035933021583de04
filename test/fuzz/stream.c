/*
 * stream: lines come out the same whether the octets arrive at once or in pieces (the first octet says how large), no
 * line holds a CR or an LF, and none is longer than asked for.
 */
#include "base/base.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define LINE_MOST 100

/* Writes what each stream_line() gave to b: the result's name, the line, a newline. */
static void read_all(struct slice in, size_t step, struct buf *b)
{
	BUF_LOCAL(said, 16);
	struct stream *s = stream_memory(in, step, &said);
	for (enum result r = OK; r != GONE && r != LATER;) {
		struct slice line = SLICE_NONE;
		r = stream_line(s, LINE_MOST, &line);
		if (r == OK) {
			assert(line.n <= LINE_MOST);
			assert(slice_find(line, '\r') < 0 && slice_find(line, '\n') < 0);
			buf_put(b, line);
		}
		buf_printf(b, " %s\n", result_name(r));
	}
	stream_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 4096)
		return 0;
	struct slice in = slice_of(data + 1, n - 1);
	BUF_LOCAL(whole, 65536);
	BUF_LOCAL(pieces, 65536);
	read_all(in, 0, &whole);
	read_all(in, (size_t)data[0] % 16 + 1, &pieces);
	assert(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	return 0;
}
