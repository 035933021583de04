#include "cli/cli.h"
#include "role/role.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct cli_verb cli_verbs[] = {
#define X(function, words, synopsis, english, japanese) {words, synopsis, function, english, japanese},
#include "cli/verbs.def"
#undef X
};
const size_t cli_verb_count = COUNT(cli_verbs);

/* LC_ALL, LC_MESSAGES, LANG, in the order of POSIX. */
static enum cli_lang language_of_environment(void)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
	for (size_t i = 0; i < COUNT(names); i++) {
		struct slice value = slice_str(getenv(names[i]));
		if (value.n)
			return slice_starts(value, SLICE("ja")) ? CLI_JAPANESE : CLI_ENGLISH;
	}
	return CLI_ENGLISH;
}

/* How many of argv's first words are this verb's; 0: they are not. */
static int verb_matches(const struct cli_verb *v, int argc, char *const argv[])
{
	struct slice words = slice_str(v->words);
	int n = 0;
	while (words.n) {
		struct slice word = slice_split(&words, ' ');
		if (n >= argc || !slice_eq(slice_str(argv[n]), word))
			return 0;
		n++;
	}
	return n;
}

/* The verb with the most words that argv begins with. */
static const struct cli_verb *find_verb(int argc, char *const argv[], int *words_out)
{
	const struct cli_verb *best = NULL;
	*words_out = 0;
	for (size_t i = 0; i < COUNT(cli_verbs); i++) {
		int n = verb_matches(&cli_verbs[i], argc, argv);
		if (n > *words_out) {
			*words_out = n;
			best = &cli_verbs[i];
		}
	}
	return best;
}

const char *cli_absolute(struct cli *c, const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	const char *whole =
	    here ? arena_printf(&c->arena, "%s/%s", here, path) : arena_z(&c->arena, slice_str(path));
	free(here);
	return whole;
}

/* The value of a global option at argv[*i], in either spelling; NULL when it is another word. */
static const char *global_value(int argc, char *const argv[], int *i, const char *name)
{
	struct slice value = slice_str(argv[*i]), key = slice_split(&value, '=');
	if (!slice_eq(key, slice_str(name)))
		return NULL;
	if (strchr(argv[*i], '='))
		return value.p;
	if (*i + 1 >= argc)
		return "";
	return argv[++*i];
}

/* Takes the options every verb has out of argv; the rest goes to rest[]. */
static int take_globals(struct cli *c, int argc, char *const argv[], char **rest, bool *help_out)
{
	int n = 0;
	for (int i = 1; i < argc; i++) {
		const char *value;
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			*help_out = true;
		else if (strcmp(argv[i], "--version") == 0)
			rest[n++] = "version";
		else if ((value = global_value(argc, argv, &i, "--data")))
			c->data = cli_absolute(c, value);
		else if ((value = global_value(argc, argv, &i, "--config")))
			c->config_path = cli_absolute(c, value);
		else if ((value = global_value(argc, argv, &i, "--lang")))
			c->lang = strcmp(value, "ja") == 0 ? CLI_JAPANESE : CLI_ENGLISH;
		else
			rest[n++] = argv[i];
	}
	return n;
}

static void show_verb(const struct cli *c, const struct cli_verb *v)
{
	cli_say(c, "  sekisho %s%s%s\n      %s\n", v->words, v->synopsis[0] ? " " : "", v->synopsis,
	    CLI_TEXT(c, v->english, v->japanese));
}

static void show_globals(const struct cli *c)
{
	cli_say(c, "%s",
	    CLI_TEXT(c,
		"\nEverywhere:\n"
		"  --json          print JSON\n"
		"  --lang en|ja    the language (default: that of the environment)\n"
		"  --data DIR      the server whose data is there (its configuration is DIR/sekisho.conf)\n"
		"  --config FILE   its configuration file (default: /etc/sekisho/sekisho.conf)\n",
		"\nどのコマンドでも:\n"
		"  --json          JSON で出力します\n"
		"  --lang en|ja    言語(既定は環境の言語)\n"
		"  --data DIR      そのデータを持つサーバー(設定は DIR/sekisho.conf)\n"
		"  --config FILE   設定ファイル(既定は /etc/sekisho/sekisho.conf)\n"));
}

static int list_as_json(const struct cli *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < COUNT(cli_verbs); i++)
		json_array_append_new(list,
		    json_pack("{s:s,s:s,s:s}", "verb", cli_verbs[i].words, "synopsis", cli_verbs[i].synopsis,
			"text", CLI_TEXT(c, cli_verbs[i].english, cli_verbs[i].japanese)));
	int code = cli_print(c, list);
	json_decref(list);
	return code;
}

int verb_help(struct cli *c)
{
	if (c->json)
		return list_as_json(c);
	BUF_LOCAL(words, 1024);
	size_t i;
	json_t *word;
	json_array_foreach(json_object_get(c->args, "verb"), i, word)
	    buf_printf(&words, "%s%s", i ? " " : "", json_string_value(word));
	size_t shown = 0;
	for (i = 0; i < COUNT(cli_verbs); i++)
		if (slice_starts(slice_str(cli_verbs[i].words), buf_slice(&words))) {
			show_verb(c, &cli_verbs[i]);
			shown++;
		}
	if (!shown)
		return cli_fail(c, EX_USAGE, "no such verb: %s", buf_z(&words));
	show_globals(c);
	return EX_OK;
}

int verb_version(struct cli *c)
{
	json_t *out = json_pack("{s:s}", "version", SEKISHO_VERSION);
	int code = c->json ? cli_print(c, out) : EX_OK;
	cli_say(c, "sekisho %s\n", SEKISHO_VERSION);
	json_decref(out);
	return code;
}

static int run_verb(struct cli *c, int argc, char *const argv[], bool help)
{
	int words;
	c->verb = find_verb(argc, argv, &words);
	if (help && c->verb) {
		show_verb(c, c->verb);
		show_globals(c);
		return EX_OK;
	}
	if (help || argc == 0)
		return verb_help(c);
	if (!c->verb)
		return cli_fail(c, EX_USAGE,
		    CLI_TEXT(c, "no such verb: %s; `sekisho help` lists them",
			"そのようなコマンドはありません: %s。`sekisho help` で一覧を示します"),
		    argv[0]);
	BUF_LOCAL(why, 4096);
	if (cli_args(c->verb->synopsis, argc - words, argv + words, &why, &c->args) != OK)
		return cli_fail(
		    c, EX_USAGE, "%s; sekisho %s %s", buf_z(&why), c->verb->words, c->verb->synopsis);
	return c->verb->run(c);
}

/* "sekisho role relay" is a part of the server; "sekisho role list" is about people's roles. */
static bool is_server_role(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "role") != 0)
		return false;
	for (enum role r = 0; r < ROLE_COUNT; r++)
		if (strcmp(argv[2], role_name(r)) == 0)
			return true;
	return false;
}

int cli_main(int argc, char **argv)
{
	if (is_server_role(argc, argv))
		return role_main(argc - 2, argv + 2);
	struct cli c = {.lang = language_of_environment()};
	arena_init(&c.arena, 64 * 1024 * 1024);
	bool help = false;
	char **rest = calloc((size_t)argc + 1, sizeof *rest);
	if (!rest)
		abort();
	int n = take_globals(&c, argc, argv, rest, &help);
	int code = run_verb(&c, n, rest, help);
	json_decref(c.args);
	config_free(c.config);
	arena_free(&c.arena);
	free(rest);
	return code;
}
