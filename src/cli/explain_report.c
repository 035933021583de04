/* `explain report`: what a report about mail says: DMARC, TLS, failures. */
#include "cli/cli.h"
#include "mail/facts.h"
#include "report/report.h"
#include <jansson.h>

#define ARENA_MOST ((size_t)256 << 20)

/* A report itself rather than a message with one. */
static bool is_file(struct slice s)
{
	return slice_starts(s, SLICE("<")) || slice_starts(s, SLICE("{")) ||
	       slice_starts(s, SLICE("\x1f\x8b")) || slice_starts(s, SLICE("PK\3\4")) ||
	       slice_starts(s, SLICE("\xef\xbb\xbf"));
}

static enum result report_text_json(void *context, struct slice input, struct buf *out)
{
	ARENA_LOCAL(a, ARENA_MOST);
	Sekisho__Facts *facts;
	Sekisho__Report *report;
	enum result r = OK;
	if (is_file(slice_trim(input))) {
		r = report_read_file(input, &a, &report);
	} else {
		r = mail_facts_extract(input, &a, &facts);
		if (r == OK)
			r = report_read(input, facts, &a, &report);
	}
	if (r != OK)
		return r;
	json_t *json = report_json(report);
	char *text = json_dumps(json, JSON_COMPACT);
	buf_puts(out, text ? text : "{}");
	json_decref(json);
	free(text);
	return buf_result(out);
}

int verb_explain_report(struct cli *c)
{
	return cli_explain(c, report_text_json, NULL);
}
