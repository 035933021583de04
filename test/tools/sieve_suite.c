/*
 * sieve_suite: runs scripts of the capability vnd.dovecot.testsuite (*.svtest) against the room `sieve`. The language
 * exists in this program only: commands and tests are handed to the compiler as an extension.
 *
 *     sieve_suite [-v] FILE.svtest...      prints each failed test, and "N passed, M failed" at the end
 */
#include "sieve_world.h"
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUITE_MAILBOX = SIEVE_TAGS, SUITE_APPEND_RESULT, SUITE_EXTENSION, SUITE_SMTP, SUITE_FOLDER };
#define BIT(tag) SIEVE_BIT_OF(SUITE_##tag)
static const struct sieve_tag_def tags[] = {{"mailbox", SIEVE_CAP_CORE, SIEVE_ALONE, 's', "mailbox"},
    {"append_result", SIEVE_CAP_CORE, SIEVE_ALONE, 0, ""},
    {"extension", SIEVE_CAP_CORE, SIEVE_ALONE, 's', "capability"},
    {"smtp", SIEVE_CAP_CORE, SIEVE_GROUP_A, 0, ""},
    {"folder", SIEVE_CAP_CORE, SIEVE_GROUP_A, 's', "mailbox"}};

static const struct sieve_ext suite;

static struct world *world_of(struct sieve_runner *r)
{
	return r->ext_ctx;
}

static struct slice keep(struct world *w, struct slice s)
{
	return arena_dup(&w->a, s);
}

/* ---- test, test_fail ---- */

static enum sieve_flow run_test(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	w->test = sieve_arg_value(r, n->pos[0]);
	w->test_failed = false;
	r->out->end = SIEVE_DONE;
	enum sieve_flow flow = sieve_block(r, n->block);
	if (flow == SIEVE_FAIL && !w->test_failed) {
		w->test_failed = true;
		struct slice why = r->out->errors.last ? r->out->errors.last->text : SLICE("?");
		printf("    " SLICE_FMT ": stopped: " SLICE_FMT "\n", SLICE_ARG(w->test), SLICE_ARG(why));
	}
	w->passed += !w->test_failed;
	w->failed += w->test_failed;
	if (w->talk)
		printf("    %s " SLICE_FMT "\n", w->test_failed ? "FAIL" : "pass", SLICE_ARG(w->test));
	return flow == SIEVE_STOP || flow == SIEVE_FAIL ? SIEVE_GO : flow;
}

static enum sieve_flow run_fail(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	struct slice why = sieve_arg_value(r, n->pos[0]);
	w->test_failed = true;
	printf("    %s:%u: " SLICE_FMT ": " SLICE_FMT "\n", w->folder, n->line, SLICE_ARG(w->test),
	    SLICE_ARG(why));
	for (const struct sieve_error *e = w->errors.first; e; e = e->next)
		printf("        %s%u: " SLICE_FMT "\n", e->warning ? "warning " : "", e->line,
		    SLICE_ARG(e->text));
	return SIEVE_STOP;
}

/* ---- test_set and friends ---- */

static struct slice without_brackets(struct slice s)
{
	return s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? slice_sub(s, 1, s.n - 2) : s;
}

/* The fields are read again, because there is another message now. */
static void message_changed(struct sieve_runner *r)
{
	world_spam(world_of(r));
	r->fields = NULL;
	r->part_fields = NULL;
	r->texts = NULL;
	r->out->edits = NULL;
	r->out->edit_count = 0;
	result_ignore(sieve_fields_load(r) ? OK : FULL);
}

static enum sieve_flow run_set(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	struct slice name = sieve_arg_value(r, n->pos[0]), value = keep(w, sieve_arg_value(r, n->pos[1]));
	struct slice path = without_brackets(value);
	if (slice_eq(name, SLICE("message"))) {
		world_message(w, value);
		message_changed(r);
		sieve_flags_start(r);
	} else if (slice_eq(name, SLICE("envelope.from"))) {
		w->env.from = path;
	} else if (slice_eq(name, SLICE("envelope.to"))) {
		w->env.to = path;
	} else if (slice_eq(name, SLICE("envelope.orig_to"))) {
		w->env.orig_to = path;
	} else if (slice_eq(name, SLICE("envelope.auth"))) {
		w->env.auth = value;
	} else {
		return sieve_fail(r, n, "test_set: no such thing");
	}
	return SIEVE_GO;
}

static enum sieve_flow run_config_set(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	struct slice key = keep(w, sieve_arg_value(r, n->pos[0])),
		     value = keep(w, sieve_arg_value(r, n->pos[1]));
	size_t i = 0;
	while (i < w->setting_count && !slice_eq(w->settings[i].key, key))
		i++;
	if (i == COUNT(w->settings))
		return sieve_fail(r, n, "too many settings");
	w->setting_count = MAX(w->setting_count, i + 1);
	w->settings[i] = (struct setting){key, value};
	world_settings(w);
	return SIEVE_GO;
}

static enum sieve_flow run_config_unset(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	struct slice key = sieve_arg_value(r, n->pos[0]);
	for (size_t i = 0; i < w->setting_count; i++)
		if (slice_eq(w->settings[i].key, key))
			w->settings[i].value = SLICE_NONE;
	world_settings(w);
	return SIEVE_GO;
}

static enum sieve_flow run_nothing(struct sieve_runner *r, const struct sieve_node *n)
{
	world_settings(world_of(r));
	world_spam(world_of(r));
	return n ? SIEVE_GO : SIEVE_FAIL;
}

static enum sieve_flow run_mailbox(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	world_box(w, keep(w, sieve_arg_value(r, n->pos[0])), true);
	return SIEVE_GO;
}

static enum sieve_flow run_metadata(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	const struct sieve_arg *box = sieve_tag_value(n, (enum sieve_tag)SUITE_MAILBOX);
	if (w->note_count == COUNT(w->notes))
		return sieve_fail(r, n, "too many annotations");
	w->notes[w->note_count++] =
	    (struct note){.mailbox = box ? keep(w, sieve_arg_value(r, box)) : SLICE_NONE,
		.name = keep(w, sieve_arg_value(r, n->pos[0])),
		.value = keep(w, sieve_arg_value(r, n->pos[1]))};
	return SIEVE_GO;
}

/* ---- scripts ---- */

static bool compile(struct world *w, struct slice path, struct sieve_script **out)
{
	const char *file = arena_printf(&w->a, "%s/" SLICE_FMT "%s", w->folder, SLICE_ARG(path),
	    slice_iends(path, SLICE(".sieve")) ? "" : ".sieve");
	struct slice text;
	struct sieve_options how = {.limits = w->env.limits,
	    .ask = world_ask,
	    .ask_ctx = w,
	    .header_most = w->env.header_most,
	    .more = &suite};
	w->errors = (struct sieve_errors){0};
	if (!world_read(w, file, &text)) {
		world_error(w, "%s cannot be read", file);
		return false;
	}
	enum result r = sieve_compile(text, &how, &w->a, &w->errors, out);
	if (r != OK)
		world_error(w,
		    "the script does not compile"); /* Pigeonhole says so in a line of its own, which is counted */
	return r == OK;
}

static enum sieve_flow test_compile(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct world *w = world_of(r);
	*yes = compile(w, sieve_arg_value(r, n->pos[0]), &w->script);
	return SIEVE_GO;
}

static void result_reset(struct sieve_runner *r)
{
	*r->out = (struct sieve_result){0};
	r->action_end = &r->out->actions;
	r->keep_cancelled = false;
	r->redirects = 0;
	sieve_runner_reset(r);
}

/* Runs a script as part of the result of the one that runs. */
static bool run_nested(struct sieve_runner *r, const struct sieve_script *s)
{
	struct world *w = world_of(r);
	struct sieve_frame *up = r->frame;
	struct sieve_global *globals = r->globals;
	const Sekisho__Part *part = r->part;
	uint64_t steps = r->steps;
	w->errors = (struct sieve_errors){0};
	r->frame = NULL;
	r->globals = NULL;
	r->part = NULL;
	r->ran = NULL;
	r->steps = 0;
	r->out->errors = (struct sieve_errors){0};
	enum sieve_flow flow = sieve_frame_run(r, s);
	r->frame = up;
	r->globals = globals;
	r->part = part;
	r->steps = steps;
	w->errors = r->out->errors;
	r->out->errors = (struct sieve_errors){0};
	return flow != SIEVE_FAIL;
}

static enum sieve_flow test_run(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct world *w = world_of(r);
	*yes = false;
	if (!w->script)
		return sieve_fail(r, n, "no script was compiled");
	if (!sieve_tagged(n, (enum sieve_tag)SUITE_APPEND_RESULT))
		result_reset(r);
	*yes = run_nested(r, w->script);
	return SIEVE_GO;
}

static bool kept(const struct sieve_runner *r)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_KEEP)
			return true;
	return false;
}

/* Carries out the result, with the implicit keep when nothing cancelled it. What was done is not done again. */
static bool execute(struct sieve_runner *r)
{
	struct world *w = world_of(r);
	struct sieve_result with_keep = *r->out;
	struct sieve_action **end = &with_keep.actions, *first = r->out->actions;
	while (*end)
		end = &(*end)->next;
	w->errors = (struct sieve_errors){0};
	with_keep.keep = (struct sieve_action){
	    .act = SIEVE_KEEP, .implicit = true, .mailbox = SLICE("INBOX"), .edits = r->out->edit_count};
	if (!sieve_act_flags(r, NULL, &with_keep.keep))
		return false;
	if (!r->keep_cancelled)
		*end = &with_keep.keep;
	bool good = world_execute(w, &with_keep);
	*end = NULL;
	for (struct sieve_action *x = first; x; x = x->next)
		x->done = true;
	return good;
}

static enum sieve_flow test_multiscript(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct world *w = world_of(r);
	*yes = true;
	result_reset(r);
	for (const struct sieve_text *t = n->pos[0]->texts; t && *yes; t = t->next) {
		struct sieve_script *s;
		bool cancelled = r->keep_cancelled;
		r->keep_cancelled = false;
		*yes = compile(w, sieve_value(r, t), &s) && run_nested(r, s);
		if (r->keep_cancelled &&
		    !kept(r)) /* the next script runs only when this one keeps the message */
			break;
		r->keep_cancelled = cancelled;
	}
	*yes = execute(r) && *yes;
	return SIEVE_GO;
}

/* ---- results ---- */

static enum sieve_flow run_reset(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	result_reset(r);
	w->sent_count = 0;
	return n ? SIEVE_GO : SIEVE_FAIL;
}

static enum sieve_flow test_execute(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = execute(r);
	return n ? SIEVE_GO : SIEVE_FAIL;
}

/* What Pigeonhole calls an action. */
static const char *suite_name(const struct sieve_action *x)
{
	return x->act == SIEVE_FILEINTO ? "store" : sieve_act_name(x->act);
}

static size_t index_of(const struct sieve_node *n)
{
	const struct sieve_arg *index = sieve_tag_value(n, SIEVE_TAG_INDEX);
	return index ? (size_t)index->number : 0;
}

static enum sieve_flow test_action(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_match m;
	size_t at = 0, index = index_of(n);
	sieve_match_start(&m, r, n, n->pos[0]);
	for (const struct sieve_action *x = r->out->actions; x; x = x->next) {
		if (x->act == SIEVE_DUPLICATE || x->act == SIEVE_DISCARD)
			continue;
		at++;
		if ((!index || at == index) && sieve_match_value(&m, slice_str(suite_name(x))))
			break;
	}
	return sieve_match_end(&m, yes);
}

static enum sieve_flow test_error(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct world *w = world_of(r);
	struct sieve_match m;
	size_t at = 0, index = index_of(n);
	sieve_match_start(&m, r, n, n->pos[0]);
	for (const struct sieve_error *e = w->errors.first; e; e = e->next) {
		if (e->warning)
			continue;
		at++;
		if ((!index || at == index) && sieve_match_value(&m, e->text))
			break;
	}
	return sieve_match_end(&m, yes);
}

/* ---- test_message ---- */

static bool choose_message(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	size_t index = (size_t)n->pos[0]->number;
	const struct sieve_arg *folder = sieve_tag_value(n, (enum sieve_tag)SUITE_FOLDER);
	if (!folder) {
		if (index >= w->sent_count)
			return false;
		world_message(w, w->sent[index].octets);
		w->env.from = w->sent[index].from;
		w->env.to = w->sent[index].to;
		message_changed(r);
		return true;
	}
	struct box *box = world_box(w, sieve_arg_value(r, folder), false);
	if (!box || index >= box->count)
		return false;
	world_message(w, box->messages[index].octets);
	w->env.flags = box->messages[index].flags;
	w->env.flag_count = box->messages[index].flag_count;
	message_changed(r);
	sieve_runner_reset(r);
	return true;
}

static enum sieve_flow run_message(struct sieve_runner *r, const struct sieve_node *n)
{
	struct world *w = world_of(r);
	if (choose_message(r, n))
		return SIEVE_GO;
	w->test_failed = true;
	printf("    " SLICE_FMT ": line %u: no such message\n", SLICE_ARG(w->test), n->line);
	return SIEVE_STOP;
}

static enum sieve_flow test_message(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = choose_message(r, n);
	return SIEVE_GO;
}

#define MATCHING (SIEVE_MATCHING | SIEVE_BIT(INDEX))
#define WHERE (BIT(SMTP) | BIT(FOLDER))
#define COMMAND(name, block, args, tags, needs, run)                                                         \
	{                                                                                                    \
		name, SIEVE_CAP_CORE, SIEVE_NO_TEST, block, args, tags, needs, NULL, run, NULL               \
	}
#define TEST(name, args, tags, needs, test)                                                                  \
	{                                                                                                    \
		name, SIEVE_CAP_CORE, SIEVE_NO_TEST, false, args, tags, needs, NULL, NULL, test              \
	}
static const struct sieve_verb verbs[] = {
    COMMAND("test", true, "s:name", 0, 0, run_test),
    COMMAND("test_fail", false, "s:reason", 0, 0, run_fail),
    COMMAND("test_set", false, "s:name,s:value", 0, 0, run_set),
    COMMAND("test_config_set", false, "s:key,s:value", 0, 0, run_config_set),
    COMMAND("test_config_unset", false, "s:key", 0, 0, run_config_unset),
    COMMAND("test_config_reload", false, NULL, BIT(EXTENSION), 0, run_nothing),
    COMMAND("test_binary_load", false, "s:name", 0, 0, run_nothing),
    COMMAND("test_binary_save", false, "s:name", 0, 0, run_nothing),
    COMMAND("test_result_print", false, NULL, 0, 0, run_nothing),
    COMMAND("test_message_print", false, NULL, 0, 0, run_nothing),
    COMMAND("test_mailbox_create", false, "s:name", 0, 0, run_mailbox),
    COMMAND("test_imap_metadata_set", false, "s:name,s:value", BIT(MAILBOX), 0, run_metadata),
    COMMAND("test_result_reset", false, NULL, 0, 0, run_reset),
    COMMAND("test_message", false, "n:index", WHERE, WHERE, run_message),
    TEST("test_script_compile", "s:path", 0, 0, test_compile),
    TEST("test_script_run", NULL, BIT(APPEND_RESULT), 0, test_run),
    TEST("test_multiscript", "S:paths", 0, 0, test_multiscript),
    TEST("test_error", "S:keys", MATCHING, 0, test_error),
    TEST("test_result_action", "S:keys", MATCHING, 0, test_action),
    TEST("test_result_execute", NULL, 0, 0, test_execute),
    TEST("test_message", "n:index", WHERE, WHERE, test_message),
};

static const struct sieve_ext suite = {
    verbs, COUNT(verbs), "vnd.dovecot.testsuite", "tst", tags, COUNT(tags)};

/* ---- files ---- */

static bool suite_file(const char *path, bool talk, size_t *passed, size_t *failed)
{
	char copy[4096];
	struct world *w = calloc(1, sizeof *w);
	struct slice text;
	if (!w)
		abort();
	snprintf(copy, sizeof copy, "%s", path);
	world_init(w, dirname(copy));
	w->talk = talk;
	if (!world_read(w, path, &text)) {
		printf("%s cannot be read\n", path);
		exit(2);
	}
	struct sieve_options how = {.limits = w->env.limits, .ask = world_ask, .ask_ctx = w, .more = &suite};
	struct sieve_errors errors;
	struct sieve_script *script;
	printf("%s\n", path);
	bool compiled = sieve_compile(text, &how, &w->a, &errors, &script) == OK;
	if (compiled) {
		struct sieve_result result;
		sieve_run_with(script, &w->message, &w->env, &w->a, &result, w);
		for (const struct sieve_error *e = result.errors.first; e; e = e->next)
			printf("    %u: " SLICE_FMT "\n", e->line, SLICE_ARG(e->text));
		*passed += w->passed;
		*failed += w->failed;
	} else {
		for (const struct sieve_error *e = errors.first; e; e = e->next)
			printf("    does not compile: %u: " SLICE_FMT "\n", e->line, SLICE_ARG(e->text));
	}
	arena_free(&w->a);
	free(w);
	return compiled;
}

int main(int argc, char **argv)
{
	size_t passed = 0, failed = 0, refused = 0;
	bool talk = argc > 1 && strcmp(argv[1], "-v") == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1 + talk; i < argc; i++)
		refused += !suite_file(argv[i], talk, &passed, &failed);
	printf("%zu passed, %zu failed, %zu files that do not compile\n", passed, failed, refused);
	return failed > 0;
}
