/* cli: arguments by synopsis, widths, and passwords. */
#include "cli/cli.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* words, divided by blanks, as the command line; gives the parsed JSON as text, or "!" and what is said. */
static void parse(const char *synopsis, const char *line, struct buf *out)
{
	char *argv[32];
	int argc = 0;
	ARENA_LOCAL(a, 65536);
	struct slice rest = slice_str(line);
	while (rest.n)
		argv[argc++] = arena_z(&a, slice_split(&rest, ' '));
	json_t *args = NULL;
	buf_clear(out);
	buf_putc(out, '!');
	if (cli_args(synopsis, argc, argv, out, &args) != OK)
		return;
	buf_clear(out);
	char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
	buf_puts(out, text);
	free(text);
	json_decref(args);
}

static void the_synopsis_is_the_parser(void **state)
{
	static const char account[] = "ADDRESS [--name NAME] [--limit N] [--password-stdin] [--route D=H]...";
	static const char *const cases[][3] = {
	    {account, "a@b", "{\"address\":\"a@b\"}"},
	    {account, "", "!ADDRESS is missing"},
	    {account, "a@b c@d", "!too many words: c@d"},
	    {account, "--name Hana a@b", "{\"address\":\"a@b\",\"name\":\"Hana\"}"},
	    {account, "a@b --name=Hana --password-stdin",
		"{\"address\":\"a@b\",\"name\":\"Hana\",\"password_stdin\":true}"},
	    {account, "a@b --name=", "{\"address\":\"a@b\",\"name\":\"\"}"},
	    {account, "a@b --name", "!--name needs NAME"},
	    {account, "a@b --nam x", "!unknown option --nam"},
	    {account, "a@b --password-stdin=yes", "!--password-stdin takes no value"},
	    {account, "a@b --name x --name y", "!--name is given twice or is not UTF-8"},
	    {account, "a@b --name \xff", "!--name is given twice or is not UTF-8"},
	    {account, "\xff", "!not UTF-8: \xff"},
	    {account, "a@b --limit -7", "{\"address\":\"a@b\",\"limit\":-7}"},
	    {account, "a@b --limit 7x", "!--limit needs a number"},
	    {account, "a@b --route x=1 --route y=2", "{\"address\":\"a@b\",\"route\":[\"x=1\",\"y=2\"]}"},
	    {account, "-- --name", "{\"address\":\"--name\"}"},
	    {"ALIAS TARGET...", "a b c", "{\"alias\":\"a\",\"target\":[\"b\",\"c\"]}"},
	    {"ALIAS TARGET...", "a", "!TARGET is missing"},
	    {"[MAIL...]", "", "{}"},
	    {"[MAIL...]", "a b", "{\"mail\":[\"a\",\"b\"]}"},
	    {"[DOMAIN]", "a", "{\"domain\":\"a\"}"},
	    {"CHAIN-FILE KEY-FILE", "a b", "{\"chain_file\":\"a\",\"key_file\":\"b\"}"},
	    {"", "x", "!too many words: x"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(out, 4096);
		parse(cases[i][0], cases[i][1], &out);
		assert_string_equal(buf_z(&out), cases[i][2]);
	}
}

static void wide_characters_take_two_columns(void **state)
{
	assert_int_equal(cli_width(SLICE("abc")), 3);
	assert_int_equal(cli_width(SLICE("関所")), 4);
	assert_int_equal(cli_width(SLICE("ｶﾅ")), 2);
	assert_int_equal(cli_width(SLICE("é")), 1);
}

static void made_passwords_differ_and_can_be_typed(void **state)
{
	BUF_LOCAL(a, 64);
	BUF_LOCAL(b, 64);
	cli_make_password(&a);
	cli_make_password(&b);
	assert_int_equal(a.n, 23);
	assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
	for (size_t i = 0; i < a.n; i++)
		assert_null(strchr("0O1lI ", a.p[i]));
}

static void results_have_codes(void **state)
{
	assert_int_equal(cli_exit_code(OK), EX_OK);
	assert_int_equal(cli_exit_code(BAD), EX_DATAERR);
	assert_int_equal(cli_exit_code(LATER), EX_TEMPFAIL);
	assert_int_equal(cli_exit_code(GONE), EX_NOINPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_synopsis_is_the_parser),
	    cmocka_unit_test(wide_characters_take_two_columns),
	    cmocka_unit_test(made_passwords_differ_and_can_be_typed),
	    cmocka_unit_test(results_have_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
