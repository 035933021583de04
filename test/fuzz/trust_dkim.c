/*
 * trust_dkim: whole messages: their signatures and chains are judged with keys at hand, and what we would sign of them is
 * made, finished and read again.
 */
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <stdlib.h>

#define MOST 262144

static const char zone[] =
    "s._domainkey.a.b TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "test._domainkey.football.example.com TXT k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiG"
    "s5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
    "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5"
    "QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
    "dummy._domainkey.example.org CNAME test._domainkey.football.example.com\n"
    "brisbane._domainkey.football.example.com CNAME s._domainkey.a.b\n"
    "slow._domainkey.a.b TIMEOUT\n";

static struct dns *dns(void)
{
	static struct fixture *f;
	if (!f && fixture_parse(slice_str(zone), &f, NULL) != OK)
		abort();
	return fixture_dns(f);
}

/* What we make reads as one field and as a signature of the kind it is. */
static void check_draft(const struct trust_draft *d, const char *name)
{
	BUF_LOCAL(field, MOST);
	dkim_draft_put(d, SLICE("0123456789012345678901234567890123456789012345678901234567890123"), &field);
	struct mail_fields fields = mail_fields_of(buf_slice(&field));
	struct mail_field f;
	struct tags t;
	if (!mail_fields_next(&fields, &f) || !slice_eq(f.name, slice_str(name)) || fields.rest.n ||
	    tags_parse(f.value, &t) != OK || !tags_value(&t, "b").n)
		abort();
}

static void check_making(struct trust_message *m, const struct arc_chain *chain)
{
	struct dkim_signer s = {.domain = SLICE("a.b"),
	    .selector = SLICE("s"),
	    .algorithm = DKIM_RSA_SHA256,
	    .header = CANON_RELAXED,
	    .body = CANON_SIMPLE,
	    .now_s = 1};
	struct arc_sealer sealer = {
	    .domain = s.domain, .selector = s.selector, .algorithm = DKIM_RSA_SHA256, .now_s = 1};
	struct trust_draft d;
	struct arc_draft arc;
	BUF_LOCAL(results, LIMIT_HEADER_FIELD);
	BUF_LOCAL(signature, MOST);
	if (dkim_draft_make(m, &s, &d) == OK)
		check_draft(&d, "DKIM-Signature");
	arc_results_put(m, SLICE("a.b"), &results);
	if (buf_result(&results) != OK || arc_seal_start(m, chain, &sealer, buf_slice(&results), &arc) != OK)
		return;
	check_draft(&arc.signature, "ARC-Message-Signature");
	dkim_draft_put(&arc.signature, SLICE("abc"), &signature);
	if (arc_seal_end(m, chain, &sealer, arc.results, buf_slice(&signature), &d) == OK)
		check_draft(&d, "ARC-Seal");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct trust_message m;
	struct trust_check check = {.dns = dns(), .now_ms = 1700000000000, .explain = true};
	struct dkim_signatures found;
	struct arc_chain chain;
	if (size > MOST || trust_message_read(slice_of(data, size), &a, &m) != OK)
		return 0;
	dkim_verify(&m, &check, &found);
	for (size_t i = 0; i < found.n; i++)
		if (found.list[i].result == DKIM_NONE || !found.list[i].reason)
			abort();
	arc_verify(&m, &check, &chain);
	if (!chain.reason || chain.n > LIMIT_ARC_SETS ||
	    (chain.status == ARC_PASS && chain.n != chain.highest))
		abort();
	check_making(&m, &chain);
	return 0;
}
