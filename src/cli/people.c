/* Roles and people, where there is more to do than to ask the server. */
#include "cli/cli.h"
#include <stdio.h>

static bool may(const json_t *role, const char *verb)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(role, "verbs"), i, v)
	{
		if (strcmp(json_string_value(v), verb) == 0)
			return true;
	}
	return false;
}

static enum result put_matrix(const json_t *matrix, struct buf *b)
{
	size_t i, k;
	json_t *verb, *role;
	const json_t *roles = json_object_get(matrix, "roles");
	buf_puts(b, "verb");
	json_array_foreach(roles, k, role)
	{
		buf_printf(b, ",%s", json_string_value(json_object_get(role, "role")));
	}
	buf_puts(b, "\r\n");
	json_array_foreach(json_object_get(matrix, "verbs"), i, verb)
	{
		buf_puts(b, json_string_value(verb));
		json_array_foreach(roles, k, role)
		{
			buf_puts(b, may(role, json_string_value(verb)) ? ",1" : ",");
		}
		buf_puts(b, "\r\n");
	}
	return buf_result(b);
}

/* RFC 4180; names of roles and verbs need no quoting. */
int verb_role_matrix(struct cli *c)
{
	BUF_LOCAL(text, 1048576);
	json_t *answer = NULL;
	int code = cli_admin(c, "role.matrix", NULL, &answer);
	if (code == EX_OK && !cli_flag(c, "csv"))
		code = cli_print(c, answer);
	else if (code == EX_OK && (put_matrix(answer, &text) != OK || fputs(buf_z(&text), stdout) < 0))
		code = cli_fail(c, EX_IOERR, "%s", CLI_TEXT(c, "cannot write", "書き出せません"));
	json_decref(answer);
	return code;
}
