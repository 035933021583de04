/* check: is the tree a script? Every command and test against its line in the table of verbs. */
#include "sieve/inside.h"

static bool check_commands(struct sieve_compiler *c, struct sieve_node *first);

static const char *kind_of(const struct sieve_node *n)
{
	return n->verb->test ? "test" : "command";
}

static const char *arg_name(const struct sieve_arg *arg)
{
	static const char *const names[] = {"a string", "a string list", "a number", "a tag"};
	return names[arg->kind];
}

static const char *wanted_name(char kind)
{
	return kind == 's' ? "string" : kind == 'S' ? "string list" : "number";
}

static bool fits(const struct sieve_arg *arg, char kind)
{
	return kind == 'n'   ? arg->kind == SIEVE_NUMBER
	       : kind == 's' ? arg->kind == SIEVE_STRING
			     : arg->kind == SIEVE_STRING || arg->kind == SIEVE_LIST;
}

struct sieve_arg *sieve_tag_value(const struct sieve_node *n, enum sieve_tag tag)
{
	for (size_t i = 0; i < n->value_count; i++)
		if (n->values[i].tag == tag)
			return n->values[i].arg;
	return NULL;
}

static const struct sieve_tag_def *tag_def(const struct sieve_compiler *c, unsigned tag)
{
	if (tag < SIEVE_TAGS)
		return &sieve_tags[tag];
	const struct sieve_ext *more = c->how->more;
	return more && tag - SIEVE_TAGS < more->tag_count ? &more->tags[tag - SIEVE_TAGS] : NULL;
}

/* The tag of that name which this verb knows. */
static enum sieve_tag tag_find(const struct sieve_compiler *c, const struct sieve_verb *v, struct slice name)
{
	for (unsigned t = 0; t < SIEVE_TAGS_MOST; t++) {
		const struct sieve_tag_def *def = (v->tags >> t & 1) ? tag_def(c, t) : NULL;
		if (def && sieve_has(c->script, def->cap) && slice_ieq(name, slice_str(def->name)))
			return t;
	}
	return SIEVE_TAGS_MOST;
}

static bool tag_conflicts(
    struct sieve_compiler *c, const struct sieve_node *n, enum sieve_tag tag, const struct sieve_arg *arg)
{
	const struct sieve_tag_def *mine = tag_def(c, tag);
	for (unsigned t = 0; t < SIEVE_TAGS_MOST; t++) {
		const struct sieve_tag_def *other = (n->tags >> t & 1) ? tag_def(c, t) : NULL;
		if (!other || (t != tag && (mine->group == SIEVE_ALONE || other->group != mine->group)))
			continue;
		if (t == tag)
			sieve_say(c, arg->line, arg->column, "the tag :%s is given twice for the %s %s",
			    mine->name, n->verb->name, kind_of(n));
		else
			sieve_say(c, arg->line, arg->column,
			    "the tags :%s and :%s exclude each other in the %s %s", sieve_tags[t].name,
			    sieve_tags[tag].name, n->verb->name, kind_of(n));
		return true;
	}
	return false;
}

static bool take_value(
    struct sieve_compiler *c, struct sieve_node *n, enum sieve_tag tag, struct sieve_arg *arg)
{
	const struct sieve_tag_def *def = tag_def(c, tag);
	struct sieve_arg *value = arg->next;
	if (!value || !fits(value, def->value)) {
		sieve_say(c, arg->line, arg->column,
		    "the tag :%s of the %s %s expects a %s (%s), but %s was found", def->name, n->verb->name,
		    kind_of(n), wanted_name(def->value), def->meaning, value ? arg_name(value) : "nothing");
		return false;
	}
	if (!n->values)
		n->values = arena_array(c->a, 12, sizeof *n->values);
	if (!n->values || n->value_count == 12)
		return false;
	n->values[n->value_count].tag = tag;
	n->values[n->value_count++].arg = value;
	return true;
}

/* The tag at *arg, with its value; *arg moves on to the last one taken. */
static bool take_tag(struct sieve_compiler *c, struct sieve_node *n, struct sieve_arg **arg)
{
	enum sieve_tag tag = tag_find(c, n->verb, (*arg)->tag);
	if (tag == SIEVE_TAGS_MOST) {
		c->lost = true;
		sieve_say(c, (*arg)->line, (*arg)->column,
		    "unknown tagged argument ':" SLICE_FMT "' for the %s %s (or not required)",
		    SLICE_ARG((*arg)->tag), n->verb->name, kind_of(n));
		return false;
	}
	if (n->pos_count > 0) {
		sieve_say(c, (*arg)->line, (*arg)->column,
		    "unexpected tagged argument ':" SLICE_FMT "' behind the positional ones of the %s %s",
		    SLICE_ARG((*arg)->tag), n->verb->name, kind_of(n));
		return false;
	}
	if (tag_conflicts(c, n, tag, *arg))
		return false;
	n->tags |= SIEVE_BIT_OF(tag);
	if (!tag_def(c, tag)->value)
		return true;
	if (!take_value(c, n, tag, *arg))
		return false;
	*arg = (*arg)->next;
	return true;
}

/* One element of sieve_verb.args. */
struct wanted {
	bool optional; /* "?": the ones behind it move forward; "!": it is the last one */
	char kind;
	struct slice name;
};

static size_t wanted_list(const struct sieve_verb *v, struct wanted out[3])
{
	struct slice rest = slice_str(v->args ? v->args : "");
	size_t n = 0;
	while (rest.n && n < 3) {
		struct slice one = slice_split(&rest, ',');
		out[n].optional = one.p[0] == '?' || one.p[0] == '!';
		one = slice_sub(one, out[n].optional, one.n);
		out[n].kind = one.p[0];
		out[n++].name = slice_sub(one, 2, one.n);
	}
	return n;
}

static bool check_count(
    struct sieve_compiler *c, const struct sieve_node *n, const struct wanted *w, size_t most)
{
	size_t least = 0;
	for (size_t i = 0; i < most; i++)
		least += !w[i].optional;
	if (n->pos_count >= least || (n->verb->run && n->verb->tests == SIEVE_NO_TEST && n->tests))
		return true; /* or a test in its place, of which more is said */
	sieve_say(c, n->line, n->column, "the %s %s requires %zu positional argument%s, but %zu %s specified",
	    n->verb->name, kind_of(n), least, least == 1 ? "" : "s", n->pos_count,
	    n->pos_count == 1 ? "is" : "are");
	return false;
}

/* Optional arguments stand first: with fewer than all, the last ones are meant. */
static void shift_optional(struct sieve_node *n, const struct wanted *w, size_t most)
{
	if (most == 0 || n->pos_count == most || n->pos_count == 0 || !w[0].optional)
		return;
	for (size_t i = most; i-- > 1;)
		n->pos[i] = n->pos[i - 1];
	n->pos[0] = NULL;
}

static bool check_args(struct sieve_compiler *c, struct sieve_node *n)
{
	struct wanted w[3];
	size_t most = wanted_list(n->verb, w);
	for (struct sieve_arg *arg = n->args; arg; arg = arg->next) {
		if (arg->kind == SIEVE_TAG) {
			if (!take_tag(c, n, &arg))
				return false;
			continue;
		}
		if (n->pos_count == most) {
			sieve_say(c, arg->line, arg->column,
			    "unexpected %s: the %s %s takes %s positional argument%s", arg_name(arg) + 2,
			    n->verb->name, kind_of(n),
			    most == 0   ? "no"
			    : most == 1 ? "one"
			    : most == 2 ? "two"
					: "three",
			    most == 1 ? "" : "s");
			return false;
		}
		n->pos[n->pos_count++] = arg;
	}
	if (!check_count(c, n, w, most))
		return false;
	shift_optional(n, w, most);
	for (size_t i = 0; i < most; i++) {
		if (!n->pos[i] || fits(n->pos[i], w[i].kind))
			continue;
		sieve_say(c, n->pos[i]->line, n->pos[i]->column,
		    "the %s %s expects a %s as argument %zu (" SLICE_FMT "), but %s was found", n->verb->name,
		    kind_of(n), wanted_name(w[i].kind), i + 1, SLICE_ARG(w[i].name), arg_name(n->pos[i]));
		return false;
	}
	if (n->verb->needs && !(n->tags & n->verb->needs)) {
		BUF_LOCAL(names, 200);
		for (unsigned t = 0; t < SIEVE_TAGS_MOST; t++)
			if (n->verb->needs >> t & 1)
				buf_printf(&names, "%s:%s", names.n ? " or " : "", tag_def(c, t)->name);
		sieve_say(
		    c, n->line, n->column, "the %s %s needs %s", n->verb->name, kind_of(n), buf_z(&names));
		return false;
	}
	return true;
}

/* ---- tests and blocks ---- */

static bool check_one(struct sieve_compiler *c, struct sieve_node *n, bool test);

/* Spurious tests are often a forgotten semicolon or colon. */
static bool say_spurious_test(struct sieve_compiler *c, const struct sieve_node *n)
{
	const struct sieve_node *t = n->tests;
	if (!n->test_list && !n->verb->test && !sieve_verb_find(t->name, true)) {
		sieve_say(c, t->line, t->column,
		    "missing semicolon behind the %s command, before '" SLICE_FMT "'", n->verb->name,
		    SLICE_ARG(t->name));
	} else if (!n->test_list && n->verb->test && tag_find(c, n->verb, t->name) != SIEVE_TAGS_MOST) {
		sieve_say(c, t->line, t->column, "missing colon before '" SLICE_FMT "', a tag of the %s test",
		    SLICE_ARG(t->name), n->verb->name);
	} else {
		sieve_say(c, n->line, n->column, "the %s %s accepts no %s, but tests are specified",
		    n->verb->name, kind_of(n), n->verb->test ? "sub-tests" : "tests");
	}
	return false;
}

/* False when it is no use to look at the block; *good is false after any error. */
static bool check_tests(struct sieve_compiler *c, struct sieve_node *n, bool *good)
{
	enum sieve_tests want = n->verb->tests;
	*good = false;
	if (want == SIEVE_NO_TEST && n->tests)
		return say_spurious_test(c, n);
	if (want == SIEVE_ONE_TEST && (n->test_list || n->test_count != 1)) {
		sieve_say(c, n->line, n->column, "the %s %s requires one test, but %s", n->verb->name,
		    kind_of(n), n->test_list ? "a list of tests is specified" : "none is specified");
		return false;
	}
	if (want == SIEVE_MANY_TESTS && !n->test_list) {
		sieve_say(c, n->line, n->column, "the %s %s requires a list of tests in parentheses",
		    n->verb->name, kind_of(n));
		return false;
	}
	*good = true;
	for (struct sieve_node *t = n->tests; t; t = t->next)
		*good &= check_one(c, t, true);
	bool lost = c->lost;
	c->lost = false;
	return !lost;
}

static bool check_block(struct sieve_compiler *c, struct sieve_node *n)
{
	if (n->verb->block == n->has_block) {
		if (!n->has_block || n->dead)
			return true;
		return check_commands(c, n->block);
	}
	if (n->has_block)
		sieve_say(c, n->line, n->column, "the %s command accepts no block, but one is specified",
		    n->verb->name);
	else
		sieve_say(c, n->line, n->column, "the %s command requires a block", n->verb->name);
	return false;
}

static const struct sieve_verb *verb_find(struct sieve_compiler *c, struct slice name, bool test)
{
	const struct sieve_ext *more = c->how->more;
	const struct sieve_verb *v = sieve_verb_find(name, test);
	if (v && sieve_has(c->script, v->cap))
		return v;
	for (size_t i = 0; more && i < more->count; i++)
		if (slice_ieq(name, slice_str(more->verbs[i].name)) && (more->verbs[i].test != NULL) == test)
			return &more->verbs[i];
	return NULL;
}

static bool say_unknown(struct sieve_compiler *c, const struct sieve_node *n, bool test)
{
	const char *kind = test ? "test" : "command";
	const struct sieve_verb *v = sieve_verb_find(n->name, test);
	if (v)
		sieve_say(c, n->line, n->column, "the %s %s needs require \"%s\"", v->name, kind,
		    sieve_cap_name(v->cap));
	else if (verb_find(c, n->name, !test))
		sieve_say(c, n->line, n->column, "attempted to use %s '" SLICE_FMT "' as a %s",
		    test ? "command" : "test", SLICE_ARG(n->name), kind);
	else
		sieve_say(c, n->line, n->column,
		    "unknown %s '" SLICE_FMT "' (a capability that is not required?)", kind,
		    SLICE_ARG(n->name));
	return false;
}

static bool check_strings(struct sieve_compiler *c, struct sieve_node *n)
{
	bool good = true;
	for (struct sieve_arg *arg = n->args; arg; arg = arg->next)
		for (struct sieve_text *t = arg->texts; t; t = t->next)
			good &= sieve_text_check(c, t);
	return good;
}

static bool check_one(struct sieve_compiler *c, struct sieve_node *n, bool test)
{
	n->verb = verb_find(c, n->name, test);
	if (!n->verb)
		return say_unknown(c, n, test);
	bool good = check_strings(c, n) && check_args(c, n) && sieve_bind_match(c, n);
	bool lost = c->lost, tests, go_on = check_tests(c, n, &tests);
	c->lost = lost && test;
	good = good && tests && (!n->verb->check || n->verb->check(c, n));
	if (go_on && !test && !check_block(c, n))
		good = false;
	return good;
}

/* if, elsif and else stand in a row, RFC 5228 3.1. */
static bool check_row(struct sieve_compiler *c, const struct sieve_node *n, struct slice *before, bool *lost)
{
	bool follows = slice_ieq(n->name, SLICE("elsif")) || slice_ieq(n->name, SLICE("else"));
	bool good = true;
	if (follows && !*lost && !slice_ieq(*before, SLICE("if")) && !slice_ieq(*before, SLICE("elsif"))) {
		sieve_say(c, n->line, n->column,
		    "the " SLICE_FMT " command must follow an if or elsif command", SLICE_ARG(n->name));
		good = false;
	}
	*lost = follows && (*lost || !good); /* one error for the whole row */
	*before = n->name;
	return good;
}

static bool check_commands(struct sieve_compiler *c, struct sieve_node *first)
{
	bool good = true, lost = false;
	struct slice before = SLICE_NONE;
	for (struct sieve_node *n = first; n && !c->errors->cut; n = n->next) {
		bool require = slice_ieq(n->name, SLICE("require"));
		if (require && (c->requires_over || n->parent)) {
			sieve_say(c, n->line, n->column, "require must stand before all other commands");
			good = false;
			continue;
		}
		c->requires_over |= !require;
		bool row = check_row(c, n, &before, &lost);
		good &= row && check_one(c, n, false);
	}
	return good;
}

bool sieve_check(struct sieve_compiler *c)
{
	c->requires_over = false;
	return check_commands(c, c->script->commands);
}
