#include "cli/cli.h"
#include "sieve/sieve.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A Sieve filter tried on a message: the very functions that run at delivery, in a world made of options. */

#define MESSAGE_MOST ((size_t)512 * 1024 * 1024)

struct world {
	struct cli *c;
	const json_t *mailboxes, *lists, *annotations;
	const char *include; /* a folder */
	bool any_mailbox;    /* none were named: all exist */
};

static bool read_script(struct cli *c, const char *path, struct slice *out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > LIMIT_SIEVE_SCRIPT + 1)
		return false;
	char *p = arena_alloc(&c->arena, (size_t)st.st_size + 1);
	if (!p || fd_pread_all(fd, p, (size_t)st.st_size, 0) != OK)
		return false;
	*out = slice_of(p, (size_t)st.st_size);
	return true;
}

static enum sieve_known ask_mailbox(const struct world *w, struct slice name)
{
	size_t i;
	json_t *one;
	if (w->any_mailbox || slice_ieq(name, SLICE("INBOX")))
		return SIEVE_YES;
	json_array_foreach(
	    w->mailboxes, i, one) if (slice_eq(name, slice_str(json_string_value(one)))) return SIEVE_YES;
	return SIEVE_NO;
}

static enum sieve_known ask_include(const struct world *w, struct slice name, struct slice *out)
{
	if (!w->include || slice_find(name, '/') >= 0)
		return SIEVE_NO;
	const char *path = arena_printf(&w->c->arena, "%s/" SLICE_FMT ".sieve", w->include, SLICE_ARG(name));
	return path && read_script(w->c, path, out) ? SIEVE_YES : SIEVE_NO;
}

/* --list NAME=ADDRESS; without a question for members: is there a list of this name? */
static enum sieve_known ask_list(
    const struct world *w, struct slice name, const struct slice *members, struct slice *out)
{
	size_t i;
	json_t *one;
	json_array_foreach(w->lists, i, one)
	{
		struct slice value = slice_str(json_string_value(one)), list = slice_split(&value, '=');
		struct slice rest = members ? *members : SLICE_NONE;
		if (!slice_eq(list, name))
			continue;
		if (!members)
			return SIEVE_YES;
		while (rest.n) {
			*out = slice_split(&rest, '\0');
			if (slice_ieq(*out, value))
				return SIEVE_YES;
		}
	}
	return SIEVE_NO;
}

/* --annotation MAILBOX/private/name=VALUE, the server's without a mailbox */
static enum sieve_known ask_annotation(
    const struct world *w, struct slice mailbox, struct slice name, struct slice *out)
{
	size_t i;
	json_t *one;
	json_array_foreach(w->annotations, i, one)
	{
		struct slice value = slice_str(json_string_value(one)), key = slice_split(&value, '=');
		if (key.n != mailbox.n + name.n || !slice_starts(key, mailbox) ||
		    !slice_ieq(slice_sub(key, mailbox.n, key.n), name))
			continue;
		*out = value;
		return SIEVE_YES;
	}
	return SIEVE_NO;
}

static enum sieve_known ask(void *ctx, const struct sieve_question *q, struct slice *value_out)
{
	const struct world *w = ctx;
	switch (q->what) {
	case SIEVE_ASK_MAILBOX:
		return ask_mailbox(w, q->a);
	case SIEVE_ASK_INCLUDE:
		return ask_include(w, q->a, value_out);
	case SIEVE_ASK_LIST:
		return ask_list(w, q->a, &q->b, value_out);
	case SIEVE_ASK_LIST_NAME:
		return ask_list(w, q->a, NULL, value_out);
	case SIEVE_ASK_METADATA:
		return ask_annotation(w, q->a, q->b, value_out);
	case SIEVE_ASK_SERVER_METADATA:
		return ask_annotation(w, SLICE_NONE, q->a, value_out);
	default:
		return SIEVE_NO;
	}
}

/* ---- options ---- */

static bool env_number(struct slice value, int64_t least, int64_t most, int64_t *out)
{
	bool minus = value.n && value.p[0] == '-';
	uint64_t n;
	if (num_u64(slice_sub(value, minus, value.n), INT64_MAX, &n) != OK)
		return false;
	*out = minus ? -(int64_t)n : (int64_t)n;
	return *out >= least && *out <= most;
}

struct items {
	struct sieve_env *env;
	struct slice own[64];
	struct slice more[64][2];
};

static bool env_text(struct sieve_env *env, struct slice name, struct slice value)
{
	struct {
		const char *name;
		struct slice *to;
	} texts[] = {{"from", &env->from}, {"to", &env->to}, {"orig_to", &env->orig_to}, {"auth", &env->auth},
	    {"notify", &env->notify}, {"ret", &env->ret}, {"envid", &env->envid}, {"orcpt", &env->orcpt},
	    {"user", &env->user_name}, {"domain", &env->domain}, {"host", &env->host},
	    {"remote-host", &env->remote_host}, {"remote-ip", &env->remote_ip}, {"location", &env->location},
	    {"phase", &env->phase}, {"delimiters", &env->delimiters}, {"inbox", &env->inbox}};
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (!slice_eq(name, slice_str(texts[i].name)))
			continue;
		*texts[i].to = value;
		env->has_envelope |= i < 4;
		return true;
	}
	return false;
}

static bool env_set(struct items *it, struct slice name, struct slice value)
{
	struct sieve_env *env = it->env;
	int64_t n;
	if (env_text(env, name, value))
		return true;
	if (slice_eq(name, SLICE("address"))) {
		if (env->own_count == COUNT(it->own))
			return false;
		it->own[env->own_count++] = value;
	} else if (slice_eq(name, SLICE("now"))) {
		if (!env_number(value, 0, INT64_MAX / 1000, &n))
			return false;
		env->now_ms = n * 1000;
	} else if (slice_eq(name, SLICE("zone"))) {
		if (!env_number(value, -1439, 1439, &n))
			return false;
		env->zone = (int)n;
	} else if (slice_eq(name, SLICE("spam")) || slice_eq(name, SLICE("virus"))) {
		bool spam = value.n && name.n == 4;
		if (!env_number(value, 0, spam ? 100 : 5, &n))
			return false;
		*(spam ? &env->spam_percent : &env->virus) = (int)n;
		env->has_spam |= spam;
	} else {
		if (env->environment_count == COUNT(it->more))
			return false;
		it->more[env->environment_count][0] = name;
		it->more[env->environment_count++][1] = value;
	}
	return true;
}

static int read_env(struct cli *c, struct items *it)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(c->args, "env"), i, one)
	{
		struct slice value = slice_str(json_string_value(one)), name = slice_split(&value, '=');
		if (!env_set(it, name, value))
			return cli_fail(c, EX_USAGE,
			    CLI_TEXT(c, "--env: not understood: %s", "--env: 解釈できません: %s"),
			    json_string_value(one));
	}
	return EX_OK;
}

/* ---- what came out ---- */

static void put_text(json_t *o, const char *key, struct slice s)
{
	if (s.n == 0)
		return;
	BUF_LOCAL(clean, s.n * 3 + 8);
	mail_utf8_decode(s, &clean);
	json_object_set_new(o, key, json_stringn(clean.p, clean.n));
}

static void put_list(json_t *o, const char *key, const struct slice *list, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++) {
		BUF_LOCAL(clean, list[i].n * 3 + 8);
		mail_utf8_decode(list[i], &clean);
		json_array_append_new(out, json_stringn(clean.n ? clean.p : "", clean.n));
	}
	json_object_set_new(o, key, out);
}

static json_t *action_json(const struct sieve_action *x)
{
	json_t *o = json_object();
	json_object_set_new(o, "action", json_string(sieve_act_name(x->act)));
	put_text(o, "mailbox", x->mailbox);
	put_text(o, "address", x->address);
	put_text(o, "special_use", x->special_use);
	put_text(o, "mailbox_id", x->mailbox_id);
	if (x->flags_set)
		put_list(o, "flags", x->flags, x->flag_count);
	put_text(o, "feedback", x->feedback);
	put_text(o, "subject", x->subject);
	put_text(o, "from", x->from);
	put_text(o, "suppressed", x->suppressed);
	put_text(o, "reason", x->reason);
	put_text(o, "notify", x->notify);
	put_text(o, "ret", x->ret);
	put_text(o, "key", x->key);
	if (x->list_count)
		put_list(o, x->act == SIEVE_NOTIFY ? "options" : "addresses", x->list_items, x->list_count);
	if (x->seconds)
		json_object_set_new(o, "seconds", json_integer((json_int_t)x->seconds));
	if (x->importance)
		json_object_set_new(o, "importance", json_integer(x->importance));
	const struct {
		const char *name;
		bool set;
	} marks[] = {{"copy", x->copy}, {"create", x->create}, {"mime", x->mime}, {"list", x->list},
	    {"headers_only", x->headers_only}, {"implicit", x->implicit}};
	for (size_t i = 0; i < COUNT(marks); i++)
		if (marks[i].set)
			json_object_set_new(o, marks[i].name, json_true());
	if (x->edits)
		json_object_set_new(o, "edits", json_integer((json_int_t)x->edits));
	put_text(o, "script", x->script);
	if (x->line)
		json_object_set_new(o, "line", json_integer(x->line));
	return o;
}

static json_t *errors_json(const struct sieve_errors *errors, bool warnings)
{
	json_t *out = json_array();
	for (const struct sieve_error *e = errors->first; e; e = e->next) {
		if (e->warning != warnings)
			continue;
		json_t *o = json_object();
		put_text(o, "script", e->script);
		json_object_set_new(o, "line", json_integer(e->line));
		json_object_set_new(o, "column", json_integer(e->column));
		put_text(o, "text", e->text);
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *edits_json(const struct sieve_edit *e)
{
	static const char *const names[] = {"add first", "add last", "delete", "replace part", "new message"};
	json_t *out = json_array();
	for (; e; e = e->next) {
		json_t *o = json_object();
		json_object_set_new(o, "edit", json_string(names[e->what]));
		put_text(o, "name", e->name);
		put_text(o, "value", e->message ? e->message->octets : e->value);
		if (e->what == SIEVE_EDIT_DELETE)
			json_object_set_new(o, "field", json_integer((json_int_t)e->field));
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *logs_json(const struct sieve_log *l)
{
	json_t *out = json_array();
	for (; l; l = l->next) {
		json_t *o = json_object();
		put_text(o, "script", l->script);
		json_object_set_new(o, "line", json_integer(l->line));
		put_text(o, "text", l->text);
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *trace_json(const struct sieve_trace *t)
{
	json_t *out = json_array();
	for (; t; t = t->next) {
		json_t *o = json_object();
		put_text(o, "script", t->script);
		json_object_set_new(o, "line", json_integer(t->line));
		json_object_set_new(o, t->test ? "test" : "command", json_string(t->verb));
		if (t->test)
			json_object_set_new(o, "outcome", json_boolean(t->yes));
		put_text(o, "text", t->text);
		json_array_append_new(out, o);
	}
	return out;
}

static json_t *result_json(const struct sieve_errors *compiled, const struct sieve_result *result)
{
	json_t *out = json_object(), *actions = json_array();
	for (const struct sieve_action *x = result->actions; x; x = x->next)
		json_array_append_new(actions, action_json(x));
	json_object_set_new(out, "actions", actions);
	json_object_set_new(out, "errors", errors_json(compiled->count ? compiled : &result->errors, false));
	json_object_set_new(out, "warnings", errors_json(compiled, true));
	if (result->edits)
		json_object_set_new(out, "edits", edits_json(result->edits));
	if (result->logs)
		json_object_set_new(out, "logs", logs_json(result->logs));
	json_object_set_new(out, "trace", trace_json(result->trace));
	json_object_set_new(out, "steps", json_integer((json_int_t)result->steps));
	return out;
}

static int run(struct cli *c, struct world *w, struct slice text, struct sieve_env *env)
{
	struct sieve_options how = {.limits = env->limits, .ask = w->include ? ask : NULL, .ask_ctx = w};
	struct sieve_errors errors;
	struct sieve_script *script;
	struct sieve_result result = {0};
	BUF_LOCAL(message, MESSAGE_MOST);
	enum result r = sieve_compile(text, &how, &c->arena, &errors, &script);
	if (r == OK) {
		struct sieve_message m = {0};
		Sekisho__Facts *facts;
		int failed = cli_read_message(c, STDIN_FILENO, NULL, &message);
		if (failed)
			return failed;
		m.octets = buf_slice(&message);
		if (mail_facts_extract(m.octets, &c->arena, &facts) != OK)
			return cli_fail(c, EX_DATAERR, "stdin: full");
		m.facts = facts;
		sieve_run(script, &m, env, &c->arena, &result);
	}
	json_t *out = result_json(&errors, &result);
	json_dumpf(out, stdout, c->json ? JSON_COMPACT : JSON_INDENT(2));
	putchar('\n');
	json_decref(out);
	return r == OK && result.end == SIEVE_DONE ? EX_OK : EX_DATAERR;
}

int verb_explain_sieve(struct cli *c)
{
	struct sieve_env env = {.limits = sieve_limits_default(), .now_ms = clock_utc_ms(), .ask = ask};
	struct items it = {.env = &env};
	struct world w = {.c = c,
	    .mailboxes = json_object_get(c->args, "mailbox"),
	    .lists = json_object_get(c->args, "list"),
	    .annotations = json_object_get(c->args, "annotation"),
	    .include = cli_arg(c, "include")};
	const char *path = cli_arg(c, "script");
	struct slice text;
	w.any_mailbox = w.mailboxes == NULL;
	env.ask_ctx = &w;
	env.own = it.own;
	env.environment = (const struct slice(*)[2])it.more;
	env.trace = true;
	if (!path)
		return cli_fail(c, EX_USAGE, CLI_TEXT(c, "--script is missing", "--script がありません"));
	if (!read_script(c, path, &text))
		return cli_fail(c, EX_NOINPUT, CLI_TEXT(c, "%s: cannot be read", "%s: 読めません"), path);
	int failed = read_env(c, &it);
	return failed ? failed : run(c, &w, text, &env);
}
