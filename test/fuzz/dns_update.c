/* dns_update: any answer of a name server is refused or read; what is read stays within the answer. */
#include "trust/dns_update.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct dns_update_answer out;
	struct slice answer = slice_of(data, n), mac = SLICE("0123456789abcdef0123456789abcdef");
	uint16_t id = n > 1 ? (uint16_t)(data[0] << 8 | data[1]) : 0;
	if (trust_dns_update_read(answer, id, "ours.", mac, &a, &out) != OK)
		return 0;
	assert(out.rcode < 16 && out.mac.n < n);
	assert(!out.mac.n || out.input.n > mac.n);
	assert(*trust_dns_rcode(out.rcode));
	return 0;
}
