/* csv: any text is a table or refused; fields lie in the arena, records end, lines ascend. */
#include "base/base.h"
#include "base/csv.h"
#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct csv c = csv_read(slice_of(data, n));
	struct slice fields[LIMIT_CSV_FIELDS];
	size_t count, octets = 0;
	unsigned line = 0;
	while (csv_next(&c, &a, fields, &count) == OK) {
		assert(count > 0 && count <= LIMIT_CSV_FIELDS && c.line > line);
		line = c.line;
		for (size_t i = 0; i < count; i++)
			octets += fields[i].n;
	}
	assert(octets <= n);
	return 0;
}
