#include "cli/cli.h"
#include <stdio.h>
#include <stdlib.h>

/* As every act, but a broken chain is no success. */
int verb_audit_verify(struct cli *c)
{
	json_t *answer = NULL;
	int code = cli_admin(c, "audit.verify", c->args, &answer);
	if (code == EX_OK)
		code = cli_print(c, answer);
	if (code == EX_OK && !json_is_true(json_object_get(answer, "whole")))
		code = cli_fail(c, EX_DATAERR,
		    CLI_TEXT(c, "the audit is not whole from row %lld on",
			"監査記録は %lld 行目から正しくありません"),
		    (long long)json_integer_value(json_object_get(answer, "wrong")));
	json_decref(answer);
	return code;
}

/* A page after that row; the number of its last, and whether more follow. */
static int export_page(struct cli *c, json_int_t *after, bool *more_out)
{
	json_t *args = json_pack("{s:I}", "after_number", *after), *answer = NULL, *row;
	size_t i;
	int code = cli_admin(c, "audit.export", args, &answer);
	json_array_foreach(json_object_get(answer, "rows"), i, row)
	{
		char *line = json_dumps(row, JSON_COMPACT);
		if (!line || puts(line) < 0)
			code = cli_fail(c, EX_IOERR, "%s", CLI_TEXT(c, "cannot write", "書き出せません"));
		free(line);
		*after = json_integer_value(json_object_get(row, "number"));
	}
	*more_out = json_is_true(json_object_get(answer, "more"));
	json_decref(answer);
	json_decref(args);
	return code;
}

int verb_audit_export(struct cli *c)
{
	json_int_t after = 0;
	bool more = true;
	int code = EX_OK;
	while (code == EX_OK && more)
		code = export_page(c, &after, &more);
	return code;
}
