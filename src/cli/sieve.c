/* Filters: what needs more than an ask of the server. A script is checked here before it goes there. */
#include "cli/cli.h"
#include "sieve/sieve.h"
#include <stdio.h>
#include <unistd.h>

bool cli_read_stdin(struct buf *text)
{
	for (;;) {
		char *p = buf_room(text, 4096);
		ssize_t n = p ? read(STDIN_FILENO, p, 4096) : -1;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		buf_wrote(text, (size_t)n);
	}
}

static json_t *errors_json(const struct sieve_errors *errors)
{
	json_t *list = json_array();
	for (const struct sieve_error *e = errors->first; e; e = e->next)
		json_array_append_new(
		    list, json_pack("{s:I,s:I,s:b,s:s%}", "line", (json_int_t)e->line, "column",
			      (json_int_t)e->column, "warning", e->warning, "text", e->text.p, e->text.n));
	return list;
}

/* EX_OK: stdin holds a script, which is in *text. */
static int check(struct cli *c, struct buf *text, json_t **errors_out)
{
	struct sieve_options how = {.limits = sieve_limits_default()};
	struct sieve_errors errors = {0};
	struct sieve_script *script;
	if (!cli_read_stdin(text) || text->n > LIMIT_SCRIPT_SIZE)
		return cli_fail(
		    c, EX_DATAERR, CLI_TEXT(c, "the script is too large", "スクリプトが大きすぎます"));
	enum result r = sieve_compile(buf_slice(text), &how, &c->arena, &errors, &script);
	*errors_out = errors_json(&errors);
	return r == OK ? EX_OK : EX_DATAERR;
}

int verb_sieve_check(struct cli *c)
{
	BUF_LOCAL(text, LIMIT_SCRIPT_SIZE + 8192);
	json_t *errors = NULL;
	int code = check(c, &text, &errors);
	if (!errors)
		return code;
	if (json_array_size(errors) || c->json)
		cli_print(c, errors);
	else
		cli_say(c, CLI_TEXT(c, "The script is fine.\n", "スクリプトに問題はありません。\n"));
	json_decref(errors);
	return code;
}

int verb_sieve_put(struct cli *c)
{
	BUF_LOCAL(text, LIMIT_SCRIPT_SIZE + 8192);
	json_t *errors = NULL, *answer = NULL;
	int code = check(c, &text, &errors);
	if (code != EX_OK && errors)
		cli_print(c, errors);
	json_decref(errors);
	if (code != EX_OK)
		return code;
	json_t *script = json_stringn(text.p ? text.p : "", text.n);
	if (!script)
		return cli_fail(c, EX_DATAERR,
		    CLI_TEXT(c, "the script is not UTF-8", "スクリプトが UTF-8 ではありません"));
	json_object_set_new(c->args, "text", script);
	code = cli_admin(c, "sieve.put", c->args, &answer);
	json_decref(answer);
	return code;
}

int verb_sieve_show(struct cli *c)
{
	json_t *answer = NULL;
	int code = cli_admin(c, "sieve.show", c->args, &answer);
	if (code == EX_OK && c->json)
		code = cli_print(c, answer);
	else if (code == EX_OK)
		fputs(json_string_value(json_object_get(answer, "text")), stdout);
	json_decref(answer);
	return code;
}
