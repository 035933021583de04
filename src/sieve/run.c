/* run: walking the tree. */
#include "sieve/inside.h"
#include <stdio.h>

struct slice sieve_decimal(uint64_t n, char digits[static 24])
{
	int length = snprintf(digits, 24, "%llu", (unsigned long long)n);
	return slice_of(digits, (size_t)length);
}

static void PRINTF(3, 0) say(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, va_list ap)
{
	BUF_LOCAL(text, 4096);
	buf_vprintf(&text, fmt, ap);
	sieve_errors_add(&r->out->errors, r->a,
	    &(struct sieve_error){.script = n ? n->script->name : SLICE_NONE,
		.line = n ? n->line : 0,
		.column = n ? n->column : 0,
		.text = arena_dup(r->a, buf_slice(&text))});
}

void sieve_complain(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(r, n, fmt, ap);
	va_end(ap);
}

enum sieve_flow sieve_fail(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(r, n, fmt, ap);
	va_end(ap);
	return SIEVE_FAIL;
}

bool sieve_step(struct sieve_runner *r, const struct sieve_node *n, size_t work)
{
	r->steps += work;
	if (r->steps <= r->env->limits.steps)
		return true;
	sieve_fail(r, n, "the script takes too much time (more than %llu steps)",
	    (unsigned long long)r->env->limits.steps);
	return false;
}

enum sieve_flow sieve_ask_world(
    struct sieve_runner *r, const struct sieve_question *q, bool *yes, struct slice *value)
{
	struct slice ignored = SLICE_NONE;
	enum sieve_known known =
	    r->env->ask ? r->env->ask(r->env->ask_ctx, q, value ? value : &ignored) : SIEVE_UNKNOWN;
	*yes = known == SIEVE_YES;
	if (known != SIEVE_UNKNOWN)
		return SIEVE_GO;
	r->out->question = *q;
	return SIEVE_ASKED;
}

static struct sieve_trace *trace_add(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_trace *t = r->env->trace ? arena_new(r->a, struct sieve_trace) : NULL;
	if (!t)
		return NULL;
	*t = (struct sieve_trace){
	    .script = n->script->name, .line = n->line, .verb = n->verb->name, .test = n->verb->test != NULL};
	*r->trace_end = t;
	r->trace_end = &t->next;
	return t;
}

enum sieve_flow sieve_eval(struct sieve_runner *r, const struct sieve_node *test, bool *yes)
{
	*yes = false;
	if (!sieve_step(r, test, 1))
		return SIEVE_FAIL;
	enum sieve_flow flow = test->verb->test(r, test, yes);
	struct sieve_trace *t = trace_add(r, test);
	if (t)
		t->yes = *yes;
	return flow;
}

/* One row of if, elsif, else; *next is what comes behind the row. */
static enum sieve_flow run_row(
    struct sieve_runner *r, const struct sieve_node *n, const struct sieve_node **next)
{
	enum sieve_flow flow = SIEVE_GO;
	bool done = false, first = true;
	for (; n && (first || n->verb->run == sieve_run_else); n = n->next, first = false) {
		if (done || flow != SIEVE_GO)
			continue;
		done = true;
		if (n->tests)
			flow = sieve_eval(r, n->tests, &done);
		if (flow == SIEVE_GO && done)
			flow = sieve_block(r, n->block);
	}
	*next = n;
	return flow;
}

enum sieve_flow sieve_block(struct sieve_runner *r, const struct sieve_node *first)
{
	enum sieve_flow flow = SIEVE_GO;
	for (const struct sieve_node *n = first; n && flow == SIEVE_GO;) {
		if (!sieve_step(r, n, 1))
			return SIEVE_FAIL;
		if (n->verb->run == sieve_run_if) {
			flow = run_row(r, n, &n);
			continue;
		}
		trace_add(r, n);
		flow = n->verb->run(r, n);
		n = n->next;
	}
	return flow;
}

/* Both are run_row's; nothing is left to do for the command itself. */
enum sieve_flow sieve_run_if(struct sieve_runner *r, const struct sieve_node *n)
{
	return sieve_block(r, n->block);
}

enum sieve_flow sieve_run_else(struct sieve_runner *r, const struct sieve_node *n)
{
	return sieve_block(r, n->block);
}

enum sieve_flow sieve_run_require(struct sieve_runner *r, const struct sieve_node *n)
{
	return r && n ? SIEVE_GO : SIEVE_FAIL;
}

enum sieve_flow sieve_run_stop(struct sieve_runner *r, const struct sieve_node *n)
{
	return r && n ? SIEVE_STOP : SIEVE_FAIL;
}

enum sieve_flow sieve_test_true(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = true;
	return r && n ? SIEVE_GO : SIEVE_FAIL;
}

enum sieve_flow sieve_test_false(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = false;
	return r && n ? SIEVE_GO : SIEVE_FAIL;
}

enum sieve_flow sieve_test_not(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	enum sieve_flow flow = sieve_eval(r, n->tests, yes);
	*yes = !*yes;
	return flow;
}

/* Tests behind the one that decides are not evaluated, RFC 5228 5.2. */
static enum sieve_flow until(struct sieve_runner *r, const struct sieve_node *n, bool decides, bool *yes)
{
	*yes = !decides;
	for (const struct sieve_node *t = n->tests; t && *yes != decides; t = t->next) {
		enum sieve_flow flow = sieve_eval(r, t, yes);
		if (flow != SIEVE_GO)
			return flow;
	}
	return SIEVE_GO;
}

enum sieve_flow sieve_test_allof(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return until(r, n, false, yes);
}

enum sieve_flow sieve_test_anyof(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return until(r, n, true, yes);
}

/* Runs a script in a frame of its own. */
enum sieve_flow sieve_frame_run(struct sieve_runner *r, const struct sieve_script *s)
{
	struct sieve_frame frame = {.script = s, .up = r->frame};
	frame.values = arena_array(r->a, s->name_count + 1, sizeof *frame.values);
	if (!frame.values)
		return SIEVE_FAIL;
	r->frame = &frame;
	enum sieve_flow flow = sieve_block(r, s->commands);
	r->frame = frame.up;
	return flow;
}

void sieve_runner_reset(struct sieve_runner *r)
{
	r->fields = NULL;
	r->part_fields = NULL;
	r->texts = NULL;
	r->part = NULL;
	r->ran = NULL;
	r->notifications = 0;
	sieve_flags_start(r);
	if (!sieve_fields_load(r))
		r->fields = NULL;
}

void sieve_run(const struct sieve_script *s, const struct sieve_message *m, const struct sieve_env *env,
    struct arena *a, struct sieve_result *out)
{
	sieve_run_with(s, m, env, a, out, NULL);
}

void sieve_run_with(const struct sieve_script *s, const struct sieve_message *m, const struct sieve_env *env,
    struct arena *a, struct sieve_result *out, void *ext_ctx)
{
	*out = (struct sieve_result){0};
	struct sieve_runner r = {.message = m, .env = env, .a = a, .out = out, .ext_ctx = ext_ctx};
	r.action_end = &out->actions;
	r.trace_end = &out->trace;
	sieve_flags_start(&r);
	enum sieve_flow flow = sieve_fields_load(&r) ? sieve_frame_run(&r, s) : SIEVE_FAIL;
	if (arena_full(a) && flow != SIEVE_ASKED) {
		sieve_fail(&r, NULL, "the script needs too much memory");
		flow = SIEVE_FAIL;
	}
	out->end = flow == SIEVE_FAIL ? SIEVE_FAILED : flow == SIEVE_ASKED ? SIEVE_ASKS : SIEVE_DONE;
	out->steps = r.steps;
	sieve_act_finish(&r);
}
