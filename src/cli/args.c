#include "cli/cli.h"
#include <ctype.h>

#define WORDS_MOST 32

/* One element of a synopsis. */
struct element {
	struct slice name;  /* "NAME", or "--option" */
	struct slice value; /* of an option: what its value is called; none: a flag */
	bool optional, many;
};

/* Cuts the next element off; false at the end. Elements are divided by blanks outside of brackets. */
static bool next_element(struct slice *rest, struct element *out)
{
	*rest = slice_trim_blank(*rest);
	if (!rest->n)
		return false;
	*out = (struct element){0};
	struct slice text;
	if (rest->p[0] == '[') {
		text = slice_split(rest, ']');
		text = slice_sub(text, 1, text.n);
		struct slice tail = slice_split(rest, ' ');
		out->optional = true;
		out->many = slice_eq(tail, SLICE("..."));
	} else {
		text = slice_split(rest, ' ');
	}
	if (slice_iends(text, SLICE("..."))) {
		out->many = true;
		text.n -= 3;
	}
	out->value = text;
	out->name = slice_split(&out->value, ' ');
	return true;
}

static bool is_option(const struct element *e)
{
	return slice_starts(e->name, SLICE("--"));
}

static const char *key_of(const struct element *e, char key[64])
{
	struct slice name = is_option(e) ? slice_sub(e->name, 2, 60) : slice_sub(e->name, 0, 60);
	for (size_t i = 0; i < name.n; i++)
		key[i] = name.p[i] == '-' ? '_' : ascii_lower(name.p[i]);
	key[name.n] = 0;
	return key;
}

static bool find_option(const char *synopsis, struct slice name, struct element *out)
{
	struct slice rest = slice_str(synopsis);
	while (next_element(&rest, out))
		if (is_option(out) && slice_eq(out->name, name))
			return true;
	return false;
}

/* The index-th element that is not an option; the last one takes all further words when it is `many`. */
static bool find_word(const char *synopsis, size_t index, struct element *out)
{
	struct slice rest = slice_str(synopsis);
	struct element e;
	for (size_t i = 0; next_element(&rest, &e);) {
		if (is_option(&e))
			continue;
		*out = e;
		if (i == index || e.many)
			return true;
		i++;
	}
	return false;
}

/* Takes value; false when there is none, or when the one before it stays. */
static bool store(json_t *args, const struct element *e, json_t *value)
{
	char key[64];
	key_of(e, key);
	if (!e->many && json_object_get(args, key)) {
		json_decref(value);
		return false;
	}
	if (!e->many)
		return json_object_set_new(args, key, value) == 0;
	json_t *list = json_object_get(args, key);
	if (!list) {
		list = json_array();
		json_object_set_new(args, key, list);
	}
	return json_array_append_new(list, value) == 0;
}

/* Puts an option of the command line; *used says whether the next word was its value. */
static enum result take_option(
    const char *synopsis, struct slice word, const char *next, struct buf *why, json_t *args, bool *used)
{
	struct slice value = word, name = slice_split(&value, '=');
	bool has_value = name.n < word.n;
	struct element e;
	*used = false;
	if (!find_option(synopsis, name, &e)) {
		buf_printf(why, "unknown option " SLICE_FMT, SLICE_ARG(name));
		return BAD;
	}
	if (!e.value.n && has_value) {
		buf_printf(why, SLICE_FMT " takes no value", SLICE_ARG(name));
		return BAD;
	}
	if (e.value.n && !has_value) {
		if (!next) {
			buf_printf(why, SLICE_FMT " needs " SLICE_FMT, SLICE_ARG(name), SLICE_ARG(e.value));
			return BAD;
		}
		value = slice_str(next);
		*used = true;
	}
	json_t *json = !e.value.n ? json_true() : json_stringn(value.p ? value.p : "", value.n);
	if (slice_eq(e.value, SLICE("N"))) {
		bool minus = value.n && value.p[0] == '-';
		uint64_t n;
		if (num_u64(slice_sub(value, minus, value.n), INT64_MAX, &n) != OK) {
			buf_printf(why, SLICE_FMT " needs a number", SLICE_ARG(name));
			json_decref(json);
			return BAD;
		}
		json_decref(json);
		json = json_integer(minus ? -(json_int_t)n : (json_int_t)n);
	}
	if (!store(args, &e, json)) {
		buf_printf(why, SLICE_FMT " is given twice or is not UTF-8", SLICE_ARG(name));
		return BAD;
	}
	return OK;
}

static enum result take_word(
    const char *synopsis, size_t index, struct slice word, struct buf *why, json_t *args)
{
	struct element e;
	if (!find_word(synopsis, index, &e)) {
		buf_printf(why, "too many words: " SLICE_FMT, SLICE_ARG(word));
		return BAD;
	}
	json_t *json = json_stringn(word.p, word.n);
	if (!store(args, &e, json)) {
		buf_printf(why, "not UTF-8: " SLICE_FMT, SLICE_ARG(word));
		return BAD;
	}
	return OK;
}

static enum result check_complete(const char *synopsis, struct buf *why, const json_t *args)
{
	struct slice rest = slice_str(synopsis);
	struct element e;
	char key[64];
	while (next_element(&rest, &e))
		if (!e.optional && !json_object_get(args, key_of(&e, key))) {
			buf_printf(why, SLICE_FMT " is missing", SLICE_ARG(e.name));
			return BAD;
		}
	return OK;
}

enum result cli_args(const char *synopsis, int argc, char *const argv[], struct buf *why, json_t **out)
{
	json_t *args = json_object();
	size_t words = 0;
	bool only_words = false;
	enum result r = OK;
	for (int i = 0; i < argc && r == OK; i++) {
		struct slice word = slice_str(argv[i]);
		bool used = false;
		if (!only_words && slice_eq(word, SLICE("--")))
			only_words = true;
		else if (!only_words && slice_starts(word, SLICE("--")))
			r = take_option(synopsis, word, i + 1 < argc ? argv[i + 1] : NULL, why, args, &used);
		else
			r = take_word(synopsis, words++, word, why, args);
		i += used;
	}
	if (r == OK)
		r = check_complete(synopsis, why, args);
	if (r != OK) {
		json_decref(args);
		return r;
	}
	*out = args;
	return OK;
}

const char *cli_arg(const struct cli *c, const char *key)
{
	return json_string_value(json_object_get(c->args, key));
}

bool cli_flag(const struct cli *c, const char *key)
{
	return json_is_true(json_object_get(c->args, key));
}
