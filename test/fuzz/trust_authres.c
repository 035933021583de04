/* Authentication-Results: what was read is written and read again as the same; what is ours stays ours. */
#include "trust/authres.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct authres r, again;
	enum result parsed = authres_parse(in, &a, &r);
	bool ours = authres_claims(in, SLICE("mx.here.example"));
	if (parsed == OK && slice_ieq(r.id, SLICE("mx.here.example")))
		assert(ours);
	/* any octets as a property's value come back as one value of one result */
	BUF_LOCAL(b, 65536);
	struct authres_writer w;
	authres_begin(&w, &b, "mx.here.example");
	authres_method(&w, "spf", "pass", arena_z(&a, in));
	authres_property(&w, "smtp", "mailfrom", slice_sub(in, 0, 300));
	authres_address(&w, "smtp", "rcpt", slice_sub(in, 0, n / 2), slice_sub(in, n / 2, n));
	authres_end(&w);
	struct slice field = buf_slice(&b);
	slice_split(&field, ':');
	assert(authres_parse(field, &a, &again) == OK);
	assert(again.results && !again.results->next && slice_eq(again.results->result, SLICE("pass")));
	assert(authres_claims(field, SLICE("MX.here.example")));
	return 0;
}
