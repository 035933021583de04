/* From fields: no reading is lost: a domain that the lenient parser sees is among the authors, or they are too many. */
#include "mail/address.h"
#include "trust/author.h"
#include "trust/name.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n), domain;
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct trust_authors whole, field = {0};
	struct mail_entries list;
	trust_authors_read(in, &a, &whole);
	assert(whole.n <= LIMIT_DMARC_AUTHORS);
	for (size_t i = 0; i < whole.n; i++)
		assert(trust_name_ok(whole.domain[i]));
	(void)trust_field_domains(in, &a, &field);
	mail_entries_parse(in, &a, &list);
	for (const struct mail_entry *e = list.first; e && !field.cut; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX || !e->domain.n ||
		    mail_domain_ascii(e->domain, &a, &domain) != OK)
			continue;
		bool there = !trust_name_ok(domain);
		for (size_t i = 0; i < field.n; i++)
			there |= slice_ieq(field.domain[i], domain);
		assert(there || arena_full(&a));
	}
	return 0;
}
