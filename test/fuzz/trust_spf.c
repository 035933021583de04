/* An SPF record of a domain, evaluated with names that answer anything: it ends, within the limits of RFC 7208. */
#include "resolver/fixture.h"
#include "trust/spf.h"
#include <assert.h>

struct echo {
	struct dns dns;
	struct slice record;
	unsigned asked;
};

/* Every name has this record, and an address. */
static void ask_echo(struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	struct echo *e = (struct echo *)d;
	BUF_LOCAL(rdata, 70000);
	e->asked++;
	assert(name.n && name.n <= 253);
	*out = (struct dns_answer){.status = DNS_FOUND, .canonical = ""};
	if (type == DNS_TXT) {
		for (size_t i = 0; i < e->record.n || i == 0; i += 255) {
			struct slice piece = slice_sub(e->record, i, 255);
			buf_putc(&rdata, (char)piece.n);
			buf_put(&rdata, piece);
		}
	} else if (type == DNS_A) {
		buf_put(&rdata, SLICE("\x0a\x00\x00\x01"));
	} else if (type == DNS_PTR) {
		buf_put(&rdata, SLICE("\x01\x61\x01\x62\x00"));
	} else if (type == DNS_MX) {
		buf_put(&rdata, SLICE("\x00\x0a\x01\x61\x01\x62\x00"));
	} else {
		out->status = DNS_NODATA;
		return;
	}
	out->rdata = arena_array(a, 1, sizeof *out->rdata);
	if (!out->rdata)
		return;
	out->rdata[0] = arena_dup(a, buf_slice(&rdata));
	out->n = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice record = slice_of(data, n);
	struct echo echo = {.dns.ask = ask_echo, .record = record};
	struct spf_ask ask = {.helo = SLICE("helo.example"),
	    .local = slice_sub(record, 0, 60),
	    .domain = SLICE("a.b.example"),
	    .receiver = "mx.example",
	    .explain = true,
	    .steps = true};
	struct spf spf;
	ARENA_LOCAL(a, (size_t)64 << 20);
	for (int family = 0; family < 2; family++) {
		assert(dns_ip_read(family ? SLICE("2001:db8::1") : SLICE("192.0.2.1"), &ask.ip) == OK);
		echo.asked = 0;
		spf_check(&ask, &echo.dns, &a, &spf);
		assert(spf.result <= SPF_PERMERROR && spf.why && spf.lookups <= 11 && spf.voids <= 3);
		assert(echo.asked <= 200);
		if (!spf_is_record(record))
			assert(spf.result == SPF_NONE);
	}
	return 0;
}
