/* Any answer of a certificate authority is read within its bounds, and what is taken of it is clean. */
#include "relay/acme_read.h"
#include "https/https.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void clean(const char *z)
{
	assert(z);
	for (; *z; z++)
		assert(*z >= ' ' && *z <= '~' && *z != '"' && *z != '\\');
}

static void url(const char *z)
{
	struct https_url u;
	assert(z && (!*z || https_url_parse(slice_str(z), &u) == OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 22);
	BUF_LOCAL(chain, 65536);
	struct slice in = slice_of(data, n);
	struct acme_directory d;
	struct acme_problem p;
	struct acme_order o;
	struct acme_authorization z;
	struct acme_window w;
	if (relay_acme_read_directory(in, &a, &d) == OK) {
		url(d.new_nonce);
		url(d.renewal_info);
		clean(d.terms);
		clean(d.caa);
	}
	relay_acme_read_problem(in, &a, &p);
	clean(p.type);
	clean(p.text);
	if (relay_acme_read_order(in, &a, &o) == OK) {
		url(o.finalize);
		url(o.certificate);
		for (size_t i = 0; i < o.authorizations_n; i++)
			url(o.authorizations[i]);
	}
	if (relay_acme_read_authorization(in, "http-01", &a, &z) == OK) {
		clean(z.name);
		if (z.offered)
			url(z.challenge.url), clean(z.challenge.token);
	}
	if (relay_acme_read_window(in, &w) == OK)
		assert(w.from_ms < w.to_ms);
	result_ignore(relay_acme_read_chain(in, &chain));
	return 0;
}
