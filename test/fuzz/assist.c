/*
 * assist: whatever a domain publishes, the assistant comes to an end with texts that are UTF-8 and records that can be
 * turned into changes or are said to be none. The input is a DNS fixture for example.jp.
 */
#include "resolver/fixture.h"
#include "trust/assist.h"
#include "trust/dns_update.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const Sekisho__AssistAnswer *answer, struct arena *a)
{
	struct dns_change change;
	for (size_t i = 0; i < answer->n_findings; i++) {
		const Sekisho__AssistFinding *f = answer->findings[i];
		assert(*f->code && *f->en && *f->ja && slice_is_utf8(slice_str(f->ja)));
		assert(f->state <= answer->worst);
	}
	for (size_t i = 0; i < answer->n_records; i++) {
		const Sekisho__AssistRecord *r = answer->records[i];
		assert(*r->line && *r->label && slice_is_utf8(slice_str(r->line)));
		for (size_t j = 0; j < r->n_parts; j++)
			assert(strlen(r->parts[j]) <= 255);
		if (trust_dns_change(r->name, dns_type_read(slice_str(r->type)), r->value, a, &change) == OK)
			assert(change.rdata.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static Sekisho__AssistKey key = SEKISHO__ASSIST_KEY__INIT, *keys[] = {&key};
	static uint8_t digest[32];
	ProtobufCBinaryData tlsa = {sizeof digest, digest};
	Sekisho__AssistAsk ask = SEKISHO__ASSIST_ASK__INIT;
	struct fixture *f;
	if (fixture_parse(slice_of(data, n), &f, NULL) != OK)
		return 0;
	ARENA_LOCAL(a, 4 << 20);
	key.selector = "k1";
	key.value = "v=DKIM1; p=";
	ask.domain = "example.jp";
	ask.host = "mail.example.jp";
	ask.silent = n % 7 == 0;
	ask.dkim = keys;
	ask.n_dkim = 1;
	ask.tlsa = &tlsa;
	ask.n_tlsa = 1;
	ask.sts_id = "x";
	ask.ca = "ca.test";
	ask.reports = "postmaster@example.jp";
	Sekisho__AssistAnswer *answer = trust_assist(&ask, fixture_dns(f), 10000, &a);
	if (answer)
		check(answer, &a);
	fixture_free(f);
	return 0;
}
