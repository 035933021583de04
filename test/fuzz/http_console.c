/* console: a file of pages is taken or refused; what is taken lies inside the file, and is found by its path. */
#include "http/console.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void lies_inside(struct slice part, struct slice file)
{
	assert(!part.n || (part.p >= file.p && part.p + part.n <= file.p + file.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice file = slice_of(data, n);
	struct http_console *c = http_console_read(file);
	for (size_t i = 0; c && i < c->n; i++) {
		lies_inside(c->files[i].plain, file);
		lies_inside(c->files[i].gzip, file);
		lies_inside(c->files[i].brotli, file);
		assert(c->files[i].plain.n && http_console_find(c, c->files[i].path));
	}
	free(c);
	return 0;
}
