/* Records and policies of MTA-STS and TLS reporting, and TLSA records, as strangers publish them. */
#include "base/base.h"
#include "trust/trust.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken is within its limits, and says the same once more. */
static void policy(struct slice text)
{
	ARENA_LOCAL(a, 1 << 20);
	struct sts_policy p, again;
	const char *why;
	if (sts_policy_parse(text, &a, &p, &why) != OK)
		return;
	if (p.n > LIMIT_STS_MX || p.max_age > STS_MAX_AGE || (p.mode != STS_NONE && !p.n))
		abort();
	BUF_LOCAL(canonical, 1 << 20);
	buf_printf(&canonical, "version: STSv1\nmode: %s\nmax_age: %u\n", sts_mode_name(p.mode), p.max_age);
	for (size_t i = 0; i < p.n; i++) {
		buf_printf(&canonical, "mx: %s\n", p.mx[i]);
		if (p.mx[i][0] != '*' && !sts_names(&p, p.mx[i]))
			abort();
	}
	bool fits = canonical.n <= LIMIT_STS_POLICY;
	if (fits && (sts_policy_parse(buf_slice(&canonical), &a, &again, &why) != OK || again.n != p.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), list[2];
	char id[STS_ID + 1];
	struct tlsrpt_record record;
	BUF_LOCAL(shown, 1 << 20);
	policy(text);
	list[1] = text;
	list[0] = slice_split(&list[1], '\0');
	struct dns_text_list texts = {.n = 2, .text = list};
	if (sts_record_find(&texts, id) == OK && (strlen(id) == 0 || strlen(id) > STS_ID))
		abort();
	if (tlsrpt_record_find(&texts, &record) == OK && (record.n == 0 || record.n > LIMIT_TLSRPT_URIS))
		abort();
	if (size < 3)
		return 0;
	struct dns_tlsa t = {data[0] % 5, data[1] % 4, data[2] % 4, slice_sub(text, 3, size)};
	if (dane_pick(&t, 1) && t.usage < 2)
		abort();
	dane_put(&t, &shown);
	return 0;
}
