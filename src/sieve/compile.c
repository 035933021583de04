/* compile: a script's text to a checked tree, and what is said about it. */
#include "sieve/inside.h"
#include <stdio.h>

void sieve_errors_add(struct sieve_errors *errors, struct arena *a, const struct sieve_error *e)
{
	if (errors->cut)
		return;
	if (!e->warning && errors->count == LIMIT_SIEVE_ERRORS) {
		errors->cut = true;
		return;
	}
	struct sieve_error *copy = arena_new(a, struct sieve_error);
	if (!copy) {
		errors->cut = true;
		return;
	}
	*copy = *e;
	copy->next = NULL;
	*(errors->last ? &errors->last->next : &errors->first) = copy;
	errors->last = copy;
	errors->count += !e->warning;
}

static void PRINTF(5, 0)
    say(struct sieve_compiler *c, bool warning, uint32_t line, uint32_t column, const char *fmt, va_list ap)
{
	BUF_LOCAL(text, 4096);
	buf_vprintf(&text, fmt, ap);
	sieve_errors_add(c->errors, c->a,
	    &(struct sieve_error){.warning = warning,
		.script = c->script ? c->script->name : c->how->name,
		.line = line,
		.column = column,
		.text = arena_dup(c->a, buf_slice(&text))});
}

void sieve_say(struct sieve_compiler *c, uint32_t line, uint32_t column, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(c, false, line, column, fmt, ap);
	va_end(ap);
}

void sieve_warn(struct sieve_compiler *c, uint32_t line, uint32_t column, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(c, true, line, column, fmt, ap);
	va_end(ap);
}

struct sieve_limits sieve_limits_default(void)
{
	return (struct sieve_limits){
	    .actions = LIMIT_SIEVE_ACTIONS,
	    .redirects = LIMIT_SIEVE_REDIRECTS,
	    .notifications = LIMIT_SIEVE_NOTIFICATIONS,
	    .includes = LIMIT_SIEVE_INCLUDES,
	    .include_depth = LIMIT_SIEVE_INCLUDE_DEPTH,
	    .variable = LIMIT_SIEVE_VARIABLE,
	    .variables = LIMIT_SIEVE_VARIABLES,
	    .steps = LIMIT_SIEVE_STEPS,
	};
}

enum result sieve_compile_one(struct sieve_compiler *c, struct slice text)
{
	struct sieve_script *s = arena_new(c->a, struct sieve_script);
	if (!s)
		return FULL;
	s->name = c->how->name;
	s->text = text;
	s->caps = (uint64_t)1 << SIEVE_CAP_CORE | (uint64_t)1 << SIEVE_CAP_COMPARATOR_OCTET |
		  (uint64_t)1 << SIEVE_CAP_COMPARATOR_CASEMAP | (uint64_t)1 << SIEVE_CAP_COMPARATOR_UNICODE;
	c->script = s;
	if (text.n > LIMIT_SIEVE_SCRIPT) {
		sieve_say(c, 0, 0, "the script is larger than %d octets", LIMIT_SIEVE_SCRIPT);
		return BAD;
	}
	size_t before = c->errors->count;
	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		s->text = slice_sub(text, 3, text.n);
	sieve_parse(c);
	if (c->errors->count == before && !arena_full(c->a))
		sieve_check(c);
	if (sieve_has(s, SIEVE_CAP_EXTRACTTEXT) && !sieve_has(s, SIEVE_CAP_FOREVERYPART)) /* RFC 5703 7 */
		sieve_say(c, 1, 1, "extracttext needs require \"foreverypart\"");
	if (arena_full(c->a))
		return FULL;
	return c->errors->count > before || c->errors->cut ? BAD : OK;
}

enum result sieve_compile(struct slice text, const struct sieve_options *how, struct arena *a,
    struct sieve_errors *errors, struct sieve_script **out)
{
	*errors = (struct sieve_errors){0};
	struct sieve_compiler c = {.a = a, .how = how, .errors = errors};
	struct sieve_included *includes = NULL;
	c.includes = &includes;
	enum result r = sieve_compile_one(&c, text);
	*out = r == OK ? c.script : NULL;
	return r;
}
