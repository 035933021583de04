/* lookalike: whatever a domain is, its look-alikes are names that can be asked for, each once, within their limit. */
#include "trust/lookalike.h"
#include "trust/name.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 8 << 20);
	struct lookalike *list;
	size_t count = trust_lookalikes(slice_of(data, n), &a, &list);
	assert(list || !count);
	assert(count <= LIMIT_LOOKALIKES);
	for (size_t i = 0; i < count; i++) {
		assert(trust_name_ok(slice_str(list[i].name)) && slice_is_utf8(slice_str(list[i].shown)));
		assert(*lookalike_word(list[i].kind) && *lookalike_text(list[i].kind, true));
	}
	return 0;
}
