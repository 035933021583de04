/* base64: what decodes encodes back to the same octets, and decoding never grows. */
#include "base/base.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of(data, n);
	BUF_LOCAL(decoded, n + 1);
	if (base64_decode(text, &decoded) != OK)
		return 0;
	BUF_LOCAL(again, n + 1);
	buf_base64(&again, buf_slice(&decoded));
	assert(buf_result(&again) == OK && slice_eq(buf_slice(&again), text));
	return 0;
}
