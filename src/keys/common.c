/* The list of common and leaked passwords, as sorted hashes that were made when this was built (gen_common.c). */
#include "keys/common_passwords.h"
#include "keys/common_hash.h"
#include "keys/strength.h"
#include <assert.h>

static_assert(COUNT(common_hashes) > 100000, "the list is as long as it is said to be");

size_t common_count(void)
{
	return COUNT(common_hashes);
}

bool common_has(struct slice lower)
{
	uint64_t hash = common_hash(lower.p, lower.n);
	size_t low = 0, high = COUNT(common_hashes);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (common_hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < COUNT(common_hashes) && common_hashes[low] == hash;
}
