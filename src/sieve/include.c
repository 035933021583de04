/* include: scripts in scripts, and variables they share; RFC 6609. */
#include "mail/utf8.h"
#include "sieve/inside.h"

/* What an include command refers to, once it is known. */
struct link {
	struct sieve_script *script; /* NULL: not compiled along; asked for by the run */
};

/* RFC 6609 3.2 and RFC 5804 1.6: no control characters, no line separators; and no paths. */
static bool name_valid(struct slice name)
{
	struct slice rest = name;
	bool ok = slice_is_utf8(name) && name.n > 0 && name.n <= LIMIT_SIEVE_SCRIPT_NAME;
	while (ok && rest.n) {
		uint32_t c = mail_utf8_take(&rest, &ok);
		ok = ok && c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0x2028 && c != 0x2029 && c != '/' &&
		     c != '\\';
	}
	return ok;
}

static bool is_global(const struct sieve_node *n)
{
	return sieve_tagged(n, SIEVE_TAG_GLOBAL);
}

/* Whether the script is one of those that are being compiled. */
static bool circular(const struct sieve_compiler *c, struct slice name, bool global)
{
	for (const struct sieve_compiler *up = c; up; up = up->up)
		if (up->up && slice_eq(up->script->name, name) && up->global == global)
			return true;
	return false;
}

static struct sieve_script *find(const struct sieve_included *list, struct slice name, bool global)
{
	for (; list; list = list->next)
		if (slice_eq(list->script->name, name) && list->global == global)
			return list->script;
	return NULL;
}

/* Compiles the text as an included script. Errors go to c->errors. */
static struct sieve_script *compile(struct sieve_compiler *c, const struct sieve_node *n, struct slice text)
{
	struct sieve_options how = *c->how;
	struct sieve_compiler inner = {.a = c->a,
	    .how = &how,
	    .errors = c->errors,
	    .include_depth = c->include_depth + 1,
	    .includes = c->includes,
	    .up = c,
	    .global = is_global(n)};
	how.name = n->pos[0]->texts->text;
	if (sieve_compile_one(&inner, text) != OK)
		return NULL;
	struct sieve_included *known = arena_new(c->a, struct sieve_included);
	if (!known)
		return NULL;
	*known =
	    (struct sieve_included){.next = *c->includes, .script = inner.script, .global = is_global(n)};
	*c->includes = known;
	return inner.script;
}

static size_t count(const struct sieve_included *list)
{
	size_t n = 0;
	for (; list; list = list->next)
		n++;
	return n;
}

static bool say(struct sieve_compiler *c, const struct sieve_node *n, const char *why)
{
	sieve_say(c, n->line, n->column, "included script '" SLICE_FMT "': %s",
	    SLICE_ARG(slice_sub(n->pos[0]->texts->text, 0, 80)), why);
	return false;
}

bool sieve_check_include(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_text *t = n->pos[0]->texts;
	struct link *link = arena_new(c->a, struct link);
	struct slice text = SLICE_NONE;
	n->own = link;
	if (t->pieces || !name_valid(t->text))
		return say(c, n, "the name must be constant and without control characters and slashes");
	if (!link || !c->how->ask)
		return link != NULL;
	if (circular(c, t->text, is_global(n))) {
		if (sieve_tagged(n, SIEVE_TAG_ONCE))
			return true; /* its turn has been, whenever this is reached */
		return say(c, n, "it includes itself");
	}
	link->script = find(*c->includes, t->text, is_global(n));
	if (link->script)
		return true;
	struct sieve_question q = {.what = SIEVE_ASK_INCLUDE, .a = t->text, .global = is_global(n)};
	enum sieve_known known = c->how->ask(c->how->ask_ctx, &q, &text);
	if (known == SIEVE_UNKNOWN)
		return true;
	if (known == SIEVE_NO)
		return sieve_tagged(n, SIEVE_TAG_OPTIONAL) || say(c, n, "there is no such script");
	if (c->include_depth >= c->how->limits.include_depth)
		return say(c, n, "scripts are included in too many levels");
	if (count(*c->includes) >= c->how->limits.includes)
		return say(c, n, "too many scripts are included");
	link->script = compile(c, n, text);
	return link->script || say(c, n, "it has errors");
}

/* Asks for the script now. Its errors become errors of the run. */
static enum sieve_flow fetch(struct sieve_runner *r, const struct sieve_node *n, struct sieve_script **out)
{
	struct sieve_question q = {
	    .what = SIEVE_ASK_INCLUDE, .a = n->pos[0]->texts->text, .global = is_global(n)};
	struct slice text = SLICE_NONE;
	bool yes;
	*out = find(r->included, q.a, q.global);
	if (*out)
		return SIEVE_GO;
	enum sieve_flow flow = sieve_ask_world(r, &q, &yes, &text);
	if (flow != SIEVE_GO)
		return flow;
	if (!yes) {
		if (sieve_tagged(n, SIEVE_TAG_OPTIONAL))
			return SIEVE_GO;
		return sieve_fail(r, n, "included script '" SLICE_FMT "': there is no such script",
		    SLICE_ARG(slice_sub(q.a, 0, 80)));
	}
	if (count(r->included) >= r->env->limits.includes)
		return sieve_fail(r, n, "too many scripts are included");
	struct sieve_options how = {.limits = r->env->limits, .header_most = r->env->header_most};
	struct sieve_compiler c = {
	    .a = r->a, .how = &how, .errors = &r->out->errors, .includes = &r->included, .script = NULL};
	struct sieve_compiler outer = c;
	outer.script = &(struct sieve_script){0};
	*out = compile(&outer, n, text);
	return *out ? SIEVE_GO
		    : sieve_fail(r, n, "included script '" SLICE_FMT "': it has errors",
			  SLICE_ARG(slice_sub(q.a, 0, 80)));
}

static bool ran_before(const struct sieve_runner *r, struct slice name, bool global)
{
	for (const struct sieve_ran *x = r->ran; x; x = x->next)
		if (x->global == global && slice_eq(x->name, name))
			return true;
	return false;
}

enum sieve_flow sieve_run_include(struct sieve_runner *r, const struct sieve_node *n)
{
	const struct link *link = n->own;
	struct sieve_script *s = link->script;
	struct slice name = n->pos[0]->texts->text;
	size_t depth = 0;
	if (sieve_tagged(n, SIEVE_TAG_ONCE) && ran_before(r, name, is_global(n)))
		return SIEVE_GO;
	enum sieve_flow flow = s ? SIEVE_GO : fetch(r, n, &s);
	if (flow != SIEVE_GO || !s)
		return flow;
	for (const struct sieve_frame *f = r->frame; f; f = f->up, depth++)
		if (f->script == s)
			return sieve_fail(
			    r, n, "included script '" SLICE_FMT "': it includes itself", SLICE_ARG(s->name));
	if (depth > r->env->limits.include_depth)
		return sieve_fail(r, n, "scripts are included in too many levels");
	struct sieve_ran *ran = arena_new(r->a, struct sieve_ran);
	if (!ran)
		return SIEVE_FAIL;
	*ran = (struct sieve_ran){.next = r->ran, .name = name, .global = is_global(n)};
	r->ran = ran;
	flow = sieve_frame_run(r, s);
	return flow == SIEVE_RETURN ? SIEVE_GO : flow;
}

enum sieve_flow sieve_run_return(struct sieve_runner *r, const struct sieve_node *n)
{
	return r && n ? SIEVE_RETURN : SIEVE_FAIL;
}

bool sieve_check_global(struct sieve_compiler *c, struct sieve_node *n)
{
	if (!sieve_has(c->script, SIEVE_CAP_VARIABLES)) {
		sieve_say(c, n->line, n->column, "global needs require \"variables\"");
		return false;
	}
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		unsigned before = c->script->name_count;
		struct sieve_piece target;
		if (!sieve_variable_target(c, t, &target))
			return false;
		if (target.kind != SIEVE_NAME ||
		    (c->script->name_count == before && !c->script->names[target.index].global)) {
			sieve_say(c, t->line, t->column,
			    "'" SLICE_FMT "' was used before as a variable of this script alone",
			    SLICE_ARG(t->text));
			return false;
		}
		c->script->names[target.index].global = true;
	}
	return true;
}

enum sieve_flow sieve_run_global(struct sieve_runner *r, const struct sieve_node *n)
{
	return r && n ? SIEVE_GO : SIEVE_FAIL;
}
