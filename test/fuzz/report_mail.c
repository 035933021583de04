/* Messages with reports, and those that only look so. */
#include "base/base.h"
#include "mail/facts.h"
#include "report/report.h"
#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct slice message = slice_of(data, size);
	Sekisho__Facts *facts;
	Sekisho__Report *r;
	if (mail_facts_extract(message, &a, &facts) != OK || report_read(message, facts, &a, &r) != OK)
		return 0;
	if (r->kind == SEKISHO__REPORT__KIND__FAILURE && !*r->failure->domain)
		abort();
	json_t *json = report_json(r);
	if (!json)
		abort();
	json_decref(json);
	return 0;
}
