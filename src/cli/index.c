#include "cli/cli.h"

/* As every act, but what is not all right is no success either. */
int verb_index_verify(struct cli *c)
{
	json_t *answer = NULL;
	int code = cli_admin(c, "index.verify", c->args, &answer);
	if (code == EX_OK)
		code = cli_print(c, answer);
	size_t i;
	json_t *account;
	json_array_foreach(
	    answer, i, account) if (code == EX_OK && !json_is_true(json_object_get(account, "ok"))) code =
	    cli_fail(c, EX_DATAERR,
		CLI_TEXT(c, "the index of %s is not whole: sekisho index rebuild %s",
		    "%s の索引が不完全です: sekisho index rebuild %s"),
		json_string_value(json_object_get(account, "address")),
		json_string_value(json_object_get(account, "address")));
	json_decref(answer);
	return code;
}
