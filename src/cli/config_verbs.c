#include "cli/cli.h"
#include <stdio.h>

static json_t *option_json(const struct cli *c, const struct config_option *o, bool explain)
{
	json_t *out = json_pack("{s:s}", "name", o->name);
	if (c->config) {
		BUF_LOCAL(value, 65536);
		config_put_value(&value, c->config, o);
		json_object_set_new(out, "value", json_string(buf_z(&value)));
	}
	if (explain) {
		BUF_LOCAL(range, 1024);
		config_put_range(&range, o);
		json_object_set_new(out, "type", json_string(config_type_name(o->type)));
		json_object_set_new(out, "default", json_string(o->standard));
		json_object_set_new(out, "range", json_string(buf_z(&range)));
		json_object_set_new(out, "demo_only", json_boolean(o->demo_only));
		json_object_set_new(out, "text", json_string(CLI_TEXT(c, o->english, o->japanese)));
	}
	return out;
}

/* Breaks text at blanks (Japanese: anywhere) so that lines have at most 100 columns. */
static void put_wrapped(struct buf *b, struct slice text, const char *indent)
{
	size_t column = 0, start = 0, blank = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ' ')
			blank = i;
		bool boundary = ((unsigned char)text.p[i] & 0xc0) != 0x80;
		column = cli_width(slice_sub(text, start, i - start));
		if (column < 96 || !boundary)
			continue;
		size_t end = blank > start ? blank : i;
		buf_printf(b, "%s" SLICE_FMT "\n", indent, SLICE_ARG(slice_sub(text, start, end - start)));
		start = blank > start ? blank + 1 : i;
	}
	buf_printf(b, "%s" SLICE_FMT "\n", indent, SLICE_ARG(slice_sub(text, start, text.n)));
}

static void explain(const struct cli *c, const struct config_option *o)
{
	BUF_LOCAL(b, 65536);
	buf_printf(&b, "%s (%s)\n", o->name, config_type_name(o->type));
	put_wrapped(&b, slice_str(CLI_TEXT(c, o->english, o->japanese)), "    ");
	BUF_LOCAL(range, 1024);
	config_put_range(&range, o);
	if (range.n)
		buf_printf(&b, "    %s: %s\n", CLI_TEXT(c, "allowed", "範囲"), buf_z(&range));
	buf_printf(&b, "    %s: %s\n", CLI_TEXT(c, "default", "既定"), o->standard[0] ? o->standard : "-");
	cli_say(c, "%s\n", buf_z(&b));
}

static int unknown_option(struct cli *c, const char *key)
{
	const struct config_option *near = config_nearest(slice_str(key));
	return cli_fail(c, EX_USAGE,
	    CLI_TEXT(c, "no such option: %s%s%s", "そのような設定はありません: %s%s%s"), key,
	    near ? CLI_TEXT(c, "; did you mean ", "。もしかして: ") : "", near ? near->name : "");
}

/* What the options mean needs no configuration file; what they are does. */
int verb_config(struct cli *c)
{
	bool meaning = cli_flag(c, "explain");
	const char *key = cli_arg(c, "key");
	const struct config_option *only = key ? config_option(slice_str(key)) : NULL;
	if (key && !only)
		return unknown_option(c, key);
	int code = meaning ? EX_OK : cli_config(c);
	json_t *list = json_array();
	for (size_t i = 0; i < config_option_count && code == EX_OK; i++) {
		const struct config_option *o = &config_options[i];
		if (only && o != only)
			continue;
		if (meaning && !c->json)
			explain(c, o);
		else
			json_array_append_new(list, option_json(c, o, meaning));
	}
	if (code == EX_OK && json_array_size(list))
		code = cli_print(c, key ? json_array_get(list, 0) : list);
	json_decref(list);
	return code;
}

int verb_config_check(struct cli *c)
{
	const char *file = cli_arg(c, "file");
	if (file)
		c->config_path = file;
	int code = cli_config(c);
	if (code != EX_OK)
		return code;
	json_t *out = json_pack("{s:s,s:b}", "file", c->config_path, "good", 1);
	code = cli_print(c, out);
	json_decref(out);
	return code;
}
