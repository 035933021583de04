/* parse: tokens to a tree, RFC 5228 8.2. After an error it goes on with the next command, to find the others too. */
#include "sieve/inside.h"

static struct sieve_node *commands(struct sieve_compiler *c, struct sieve_node *parent);

static bool at_mark(const struct sieve_compiler *c, char mark)
{
	return c->lex.token == SIEVE_T_MARK && c->lex.mark == mark;
}

static bool take_mark(struct sieve_compiler *c, char mark)
{
	if (!at_mark(c, mark))
		return false;
	sieve_lex_next(&c->lex);
	return true;
}

static void say_here(struct sieve_compiler *c, const char *wanted)
{
	const struct sieve_lexer *l = &c->lex;
	char mark[] = {'\'', l->mark, '\'', 0};
	const char *found[] = {"the end of the script", "an identifier", "a tag", "a number", "a string",
	    mark, "something unreadable"};
	sieve_say(c, l->token_line, l->token_column, "expected %s, but found %s", wanted, found[l->token]);
}

/* Passes over what cannot be understood: up to and with the next ';' or block of this level. */
static void recover(struct sieve_compiler *c)
{
	size_t depth = 0;
	while (c->lex.token != SIEVE_T_END) {
		if (depth == 0 && at_mark(c, '}') && c->depth > 0)
			return;
		bool end = depth == 0 && at_mark(c, ';');
		if (at_mark(c, '{')) {
			depth++;
		} else if (at_mark(c, '}')) {
			depth -= depth > 0;
			end = depth == 0;
		}
		sieve_lex_next(&c->lex);
		if (end)
			return;
	}
}

static struct sieve_text *text(struct sieve_compiler *c)
{
	struct sieve_text *t = arena_new(c->a, struct sieve_text);
	if (t)
		*t = (struct sieve_text){
		    .text = c->lex.string, .line = c->lex.token_line, .column = c->lex.token_column};
	sieve_lex_next(&c->lex);
	return t;
}

static bool list(struct sieve_compiler *c, struct sieve_arg *arg)
{
	struct sieve_text **end = &arg->texts;
	arg->kind = SIEVE_LIST;
	if (take_mark(c, ']'))
		return true;
	do {
		if (c->lex.token != SIEVE_T_STRING) {
			say_here(c, "a string in the list");
			return false;
		}
		struct sieve_text *t = text(c);
		if (!t)
			return false;
		*end = t;
		end = &t->next;
		if (++arg->count > LIMIT_SIEVE_LIST) {
			sieve_say(c, arg->line, arg->column, "this list has more than %d strings",
			    LIMIT_SIEVE_LIST);
			return false;
		}
	} while (take_mark(c, ','));
	if (take_mark(c, ']'))
		return true;
	say_here(c, "',' or the end of the list ']'");
	return false;
}

/* The argument in hand; false: an error was said. */
static bool argument(struct sieve_compiler *c, struct sieve_arg *arg)
{
	arg->line = c->lex.token_line;
	arg->column = c->lex.token_column;
	switch (c->lex.token) {
	case SIEVE_T_STRING:
		arg->kind = SIEVE_STRING;
		arg->count = 1;
		arg->texts = text(c);
		return arg->texts != NULL;
	case SIEVE_T_NUMBER:
		arg->kind = SIEVE_NUMBER;
		arg->number = c->lex.number;
		break;
	case SIEVE_T_TAG:
		arg->kind = SIEVE_TAG;
		arg->tag = c->lex.string;
		break;
	default:
		sieve_lex_next(&c->lex);
		return list(c, arg);
	}
	sieve_lex_next(&c->lex);
	return true;
}

static bool arguments(struct sieve_compiler *c, struct sieve_node *n)
{
	struct sieve_arg **end = &n->args;
	for (size_t count = 0;; count++) {
		enum sieve_token t = c->lex.token;
		if (t != SIEVE_T_STRING && t != SIEVE_T_NUMBER && t != SIEVE_T_TAG && !at_mark(c, '['))
			return true;
		if (count == LIMIT_SIEVE_ARGUMENTS) {
			sieve_say(c, n->line, n->column, "'" SLICE_FMT "' has more than %d arguments",
			    SLICE_ARG(n->name), LIMIT_SIEVE_ARGUMENTS);
			return false;
		}
		struct sieve_arg *arg = arena_new(c->a, struct sieve_arg);
		if (!arg || !argument(c, arg))
			return false;
		*end = arg;
		end = &arg->next;
	}
}

static struct sieve_node *node(struct sieve_compiler *c, struct sieve_node *parent)
{
	struct sieve_node *n = arena_new(c->a, struct sieve_node);
	if (!n)
		return NULL;
	n->name = c->lex.string;
	n->line = c->lex.token_line;
	n->column = c->lex.token_column;
	n->parent = parent;
	n->script = c->script;
	sieve_lex_next(&c->lex);
	return n;
}

static bool tests(struct sieve_compiler *c, struct sieve_node *parent);

static bool test(struct sieve_compiler *c, struct sieve_node *parent, struct sieve_node ***end)
{
	if (c->lex.token != SIEVE_T_NAME) {
		say_here(c, "a test");
		return false;
	}
	struct sieve_node *n = node(c, parent);
	if (!n)
		return false;
	**end = n;
	*end = &n->next;
	parent->test_count++;
	return arguments(c, n) && tests(c, n);
}

/* The test or the list of tests behind a command or test, if there is one. */
static bool tests(struct sieve_compiler *c, struct sieve_node *parent)
{
	struct sieve_node **end = &parent->tests;
	if (c->lex.token != SIEVE_T_NAME && !at_mark(c, '('))
		return true;
	if (++c->test_depth + c->depth > LIMIT_SIEVE_NESTING) {
		sieve_say(c, c->lex.token_line, c->lex.token_column, "tests are nested deeper than %d levels",
		    LIMIT_SIEVE_NESTING);
		return false;
	}
	bool good;
	if (take_mark(c, '(')) {
		parent->test_list = true;
		do
			good = test(c, parent, &end);
		while (good && take_mark(c, ','));
		if (good && !take_mark(c, ')')) {
			say_here(c, "',' or the end of the list of tests ')'");
			good = false;
		}
	} else {
		good = test(c, parent, &end);
	}
	c->test_depth--;
	return good;
}

static bool block(struct sieve_compiler *c, struct sieve_node *n)
{
	n->has_block = true;
	if (c->depth == LIMIT_SIEVE_NESTING) {
		sieve_say(c, c->lex.token_line, c->lex.token_column,
		    "blocks are nested deeper than %d levels", LIMIT_SIEVE_NESTING);
		return false;
	}
	sieve_lex_next(&c->lex);
	c->depth++;
	n->block = commands(c, n);
	c->depth--;
	if (take_mark(c, '}'))
		return true;
	say_here(c, "the end of the block '}'");
	return false;
}

static struct sieve_node *command(struct sieve_compiler *c, struct sieve_node *parent)
{
	if (c->lex.token != SIEVE_T_NAME) {
		say_here(c, "a command");
		return NULL;
	}
	struct sieve_node *n = node(c, parent);
	if (!n || !arguments(c, n) || !tests(c, n))
		return NULL;
	if (at_mark(c, '{'))
		return block(c, n) ? n : NULL;
	if (take_mark(c, ';'))
		return n;
	say_here(c, "the end of the command ';' or a block '{'");
	return NULL;
}

static struct sieve_node *commands(struct sieve_compiler *c, struct sieve_node *parent)
{
	struct sieve_node *first = NULL, **end = &first;
	while (c->lex.token != SIEVE_T_END && !c->errors->cut && !arena_full(c->a)) {
		if (at_mark(c, '}') && parent)
			break;
		struct sieve_node *n = command(c, parent);
		if (n) {
			*end = n;
			end = &n->next;
		} else {
			c->test_depth = 0;
			recover(c);
		}
	}
	return first;
}

void sieve_parse(struct sieve_compiler *c)
{
	c->lex = (struct sieve_lexer){.c = c, .text = c->script->text, .line = 1};
	sieve_lex_next(&c->lex);
	c->script->commands = commands(c, NULL);
}
