/* What is open, weak or due, in words; what is in order after it, one line each. */
#include "cli/cli.h"

static const char *member(const struct cli *c, const json_t *check, const char *english, const char *japanese)
{
	const char *z = json_string_value(json_object_get(check, CLI_TEXT(c, english, japanese)));
	return z ? z : "";
}

static void say_details(const struct cli *c, const json_t *details)
{
	size_t i;
	json_t *one;
	json_array_foreach(details, i, one)
	{
		BUF_LOCAL(safe, 2000);
		cli_put_safe(&safe, slice_str(json_string_value(one)));
		cli_say(c, "      - %s\n", buf_z(&safe));
	}
}

static void say_check(const struct cli *c, const json_t *check, const char *state)
{
	static const struct {
		const char *name, *english, *japanese;
	} words[] = {{"wrong", "OPEN", "問題あり"}, {"warning", "WEAK", "要対処"},
	    {"unknown", "NOT KNOWN", "不明"}, {"ok", "ok", "問題なし"}};
	for (size_t i = 0; i < COUNT(words); i++)
		if (strcmp(words[i].name, state) == 0)
			cli_say(c, "%s: %s\n", CLI_TEXT(c, words[i].english, words[i].japanese),
			    member(c, check, "en", "ja"));
	if (strcmp(state, "ok") == 0)
		return;
	say_details(c, json_object_get(check, "details"));
	cli_say(c, "      %s\n", member(c, check, "do_en", "do_ja"));
}

int verb_posture(struct cli *c)
{
	static const char *const order[] = {"wrong", "warning", "unknown", "ok"};
	json_t *answer = NULL, *check;
	size_t i;
	int code = cli_admin(c, "posture", c->args, &answer);
	if (code == EX_OK && c->json)
		code = cli_print(c, answer);
	for (size_t o = 0; code == EX_OK && !c->json && o < COUNT(order); o++)
		json_array_foreach(json_object_get(answer, "checks"), i, check)
		{
			const char *state = json_string_value(json_object_get(check, "state"));
			if (state && strcmp(state, order[o]) == 0)
				say_check(c, check, state);
		}
	json_decref(answer);
	return code;
}
