/* A DMARC record: read without surprise, and its report addresses. The input also stands in a zone that is walked. */
#include "resolver/fixture.h"
#include "trust/dmarc.h"
#include <assert.h>

static void walk(struct slice in)
{
	struct fixture *f;
	struct dmarc d;
	ARENA_LOCAL(a, (size_t)16 << 20);
	BUF_LOCAL(zone, 65536);
	buf_puts(&zone, "_dmarc.x.example TXT \"");
	for (size_t i = 0; i < in.n && i < 4000; i++)
		buf_printf(&zone, "\\%03u%s", (unsigned char)in.p[i], i % 200 == 199 ? "\" \"" : "");
	buf_puts(&zone, "\"\n_dmarc.example TXT v=DMARC1; p=reject; psd=y\n");
	if (fixture_parse(buf_slice(&zone), &f, NULL) != OK)
		return;
	struct trust_authors authors = {.n = 1, .domain = {SLICE("a.b.x.example")}};
	struct dmarc_ask ask = {.authors = &authors, .spf = SLICE("evil.example"), .steps = true};
	dmarc_check(&ask, fixture_dns(f), &a, &d);
	assert(d.result != DMARC_PASS);
	fixture_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n), address;
	struct dmarc_record r;
	if (dmarc_record_parse(in, &r) == OK) {
		assert(
		    r.p <= DMARC_POLICY_REJECT && r.sp <= DMARC_POLICY_REJECT && r.np <= DMARC_POLICY_REJECT);
		assert(r.psd == 'y' || r.psd == 'n' || r.psd == 'u');
		while (dmarc_uri_next(&r.rua, &address))
			assert(slice_find(address, '@') > 0);
	}
	dmarc_listed_organisation(in);
	walk(in);
	return 0;
}
