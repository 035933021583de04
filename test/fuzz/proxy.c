/* Any first octets of a proxy: a header of so many octets, more of one, or none; never more than there are. */
#include "role/proxy.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxy_client c, again;
	size_t used, same;
	enum result r = proxy_parse(slice_of(data, n), &c, &used);
	assert(r == OK || r == LATER || r == BAD);
	assert(used <= n || r != OK);
	if (r != OK)
		return 0;
	assert(used > 0 && used <= LIMIT_PROXY_HEADER);
	assert(proxy_parse(slice_of(data, used), &again, &same) == OK && same == used);
	for (size_t i = 0; i < used; i++)
		assert(proxy_parse(slice_of(data, i), &again, &same) == LATER);
	return 0;
}
