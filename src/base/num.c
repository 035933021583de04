#include "num.h"

enum result num_u64(struct slice s, uint64_t max, uint64_t *out)
{
	if (s.n == 0)
		return BAD;
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]))
			return BAD;
		if (!mul_ok(v, (uint64_t)10, &v) || !add_ok(v, (uint64_t)(s.p[i] - '0'), &v) || v > max)
			return FULL;
	}
	*out = v;
	return OK;
}

enum result num_u32(struct slice s, uint32_t max, uint32_t *out)
{
	uint64_t v;
	enum result r = num_u64(s, max, &v);
	if (r == OK)
		*out = (uint32_t)v;
	return r;
}
