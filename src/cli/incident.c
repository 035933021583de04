/* The evidence of an incident, also as a table for a spreadsheet. */
#include "cli/cli.h"
#include <stdio.h>

/* RFC 4180; what a spreadsheet would take for a formula gets a quote before it. */
static void put_cell(struct buf *b, const json_t *v, bool first)
{
	struct slice s = slice_str(json_is_string(v) ? json_string_value(v) : "");
	if (!first)
		buf_putc(b, ',');
	buf_putc(b, '"');
	if (s.n && strchr("=+-@\t\r", s.p[0]))
		buf_putc(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_putc(b, '"');
		buf_putc(b, s.p[i]);
	}
	buf_putc(b, '"');
}

static void print_row(struct cli *c, const json_t *row)
{
	static const char *const cells[] = {"to", "state", "mail", "subject", "ip", "host", "reply"};
	BUF_LOCAL(b, 65536);
	json_t *at = json_string(cli_time(&c->arena, json_integer_value(json_object_get(row, "at_ms"))));
	put_cell(&b, at, true);
	json_decref(at);
	for (size_t i = 0; i < COUNT(cells); i++)
		put_cell(&b, json_object_get(row, cells[i]), false);
	printf(SLICE_FMT "\r\n", SLICE_ARG(buf_slice(&b)));
}

int verb_incident_evidence(struct cli *c)
{
	json_t *answer = NULL, *row;
	size_t i;
	int code = cli_admin(c, "incident.evidence", c->args, &answer);
	if (code == EX_OK && cli_flag(c, "csv")) {
		printf("at,to,state,mail,subject,ip,host,reply\r\n");
		json_array_foreach(json_object_get(answer, "recipients"), i, row) print_row(c, row);
	} else if (code == EX_OK) {
		code = cli_print(c, answer);
	}
	json_decref(answer);
	return code;
}
