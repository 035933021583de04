/* An expression, a NUL and a text: the budget holds, groups lie inside the text. */
#include "sieve/regex.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of(data, n), expression = slice_split(&text, 0), groups[33];
	for (int fold = 0; fold <= SIEVE_FOLD_UNICODE; fold++) {
		ARENA_LOCAL(a, (size_t)32 << 20);
		struct sieve_regex *re;
		size_t count = COUNT(groups);
		uint64_t budget = 1000000;
		if (sieve_regex_compile(expression, (enum sieve_fold)fold, &a, &re))
			continue;
		if (sieve_regex_match(re, text, groups, &count, &budget) != SIEVE_REGEX_YES)
			continue;
		assert(count > 0);
		for (size_t i = 0; i < count; i++)
			assert(!groups[i].p ||
			       (groups[i].p >= groups[0].p && groups[i].p + groups[i].n <= text.p + text.n));
	}
	return 0;
}
