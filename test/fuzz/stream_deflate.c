/* A stream whose peer compresses: first octet the step, the second when to rest, then DEFLATE. What comes out is said back. */
#include "base/base.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	BUF_LOCAL(out, 16 << 20);
	const struct slice parts[2] = {SLICE("go\r\n"), slice_of(data + 2, n - 2)};
	struct stream *s = stream_memory_parts(parts, 2, data[0], &out);
	struct slice line;
	if (stream_line(s, 100, &line) != OK || stream_deflate(s) != OK)
		abort();
	for (unsigned i = 0; i < 10000; i++) {
		enum result r = stream_line(s, 1000, &line);
		if (r == GONE)
			break;
		if (r == OK)
			stream_put(s, line);
		if (data[1] && i % data[1] == 0)
			result_ignore(stream_rest(s));
	}
	result_ignore(stream_flush(s));
	stream_close(s);
	return 0;
}
