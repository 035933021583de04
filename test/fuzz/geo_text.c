/* Any text of networks is read or refused by its line, and what was read answers within its bounds. */
#include "geo/geo.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct geo_text *t;
	unsigned line;
	struct ip at = {.v4 = n & 1};
	struct geo_place p = {0};
	if (geo_text_read(slice_of(data, n), &t, &line) != OK) {
		assert(line >= 1);
		return 0;
	}
	for (size_t i = 0; i < n && i < sizeof at.octets; i++) {
		at.octets[i] = data[n - 1 - i];
		if (geo_text_find(t, &at, &p))
			assert(!*p.country || geo_is_country(slice_str(p.country)));
	}
	geo_text_free(t);
	return 0;
}
