/* logo: whatever the file is, looking at it comes to an end, with a verdict. */
#include "inspect/logo.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	assert(inspect_logo(slice_of(data, n)) < 1u << LOGO_FAULTS);
	return 0;
}
