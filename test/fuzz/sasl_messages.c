/* SCRAM messages; what was taken apart are pieces of the message. */
#include "sasl/scram.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inside(struct slice part, struct slice all)
{
	if (part.n && (part.p < all.p || part.p + part.n > all.p + all.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice message = slice_of(data, n);
	struct scram_first first;
	struct scram_final final;
	if (scram_first_parse(message, &a, &first) == OK) {
		inside(first.bare, message);
		inside(first.gs2, message);
		if (first.gs2.n + first.bare.n != n || !first.user.n || !first.nonce.n || first.user.n > n)
			abort();
	}
	if (scram_final_parse(message, &final) == OK) {
		inside(final.without_proof, message);
		if (final.without_proof.n + 3 + final.proof.n != n || !final.nonce.n)
			abort();
	}
	return 0;
}
