/* Scripts: what compiles is bounded, what does not has an error with a line. */
#include "sieve/sieve.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, (size_t)32 << 20);
	struct sieve_options how = {.limits = sieve_limits_default()};
	struct sieve_errors errors;
	struct sieve_script *script;
	enum result r = sieve_compile(slice_of(data, n), &how, &a, &errors, &script);
	assert((r == OK) == (script != NULL));
	assert(r != BAD || errors.count > 0);
	assert(errors.count <= LIMIT_SIEVE_ERRORS);
	for (const struct sieve_error *e = errors.first; e; e = e->next)
		assert(e->text.n > 0 && e->line <= n + 1);
	return 0;
}
