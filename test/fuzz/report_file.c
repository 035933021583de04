/* Reports as strangers write them: XML, JSON, gzip, zip. What is read keeps its limits and can be shown. */
#include "base/base.h"
#include "report/report.h"
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void dmarc(const Sekisho__DmarcReport *d)
{
	uint64_t sum = 0, aligned = 0;
	for (size_t i = 0; i < d->n_sources; i++) {
		sum += d->sources[i]->messages;
		if (d->sources[i]->spf_aligned || d->sources[i]->dkim_aligned)
			aligned += d->sources[i]->messages;
	}
	if (sum != d->messages || aligned != d->aligned || d->n_sources > LIMIT_REPORT_SOURCES + 2 ||
	    !*d->domain || d->end_s < d->begin_s)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__Report *r;
	if (report_read_file(slice_of(data, size), &a, &r) != OK)
		return 0;
	if (r->kind == SEKISHO__REPORT__KIND__DMARC)
		dmarc(r->dmarc);
	if (r->kind == SEKISHO__REPORT__KIND__TLS && !r->tls->n_policies)
		abort();
	json_t *json = report_json(r);
	char *text = json ? json_dumps(json, 0) : NULL;
	if (!text)
		abort();
	free(text);
	json_decref(json);
	return 0;
}
