/* scram: any message is taken apart within its bounds; a nonce that comes out holds no comma. */
#include "keys/scram.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_LOCAL(login, SCRAM_MESSAGE);
	BUF_LOCAL(final, 128);
	struct slice nonce, in = slice_of(data, n);
	if (scram_bare_parse(in, &login, &nonce) == OK) {
		assert(login.n > 0 && nonce.n > 0);
		assert(slice_find(nonce, ',') < 0);
		assert(slice_eq(scram_nonce(slice_sub(in, (size_t)(nonce.p - in.p) - 2, n)), nonce));
	}
	struct scram_keys k = {0};
	assert(scram_finish(&k, in, in, &final) == DENY);
	return 0;
}
