/*
 * Filters and paths from text (RFC 7644 3.4.2.2, 3.5.2): recursive descent over a cursor, as deep and as large as the limits
 * say. "and" binds closer than "or".
 */
#include "scim/scim.h"
#include <stdio.h>
#include <time.h>

struct reading {
	struct cursor c;
	enum scim_schema kind;
	const struct scim_attribute *inside; /* whose brackets these are */
	struct arena *arena;
	struct scim_fault *fault;
	const char *type; /* of its faults */
	unsigned depth, nodes;
};

static enum result fail(struct reading *r, const char *why)
{
	cursor_fail(&r->c);
	return r->fault->type ? BAD : scim_fail(r->fault, r->type, "%s", why);
}

static bool is_name(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-' || c == '.' || c == ':' || c == '$';
}

static void skip_blanks(struct reading *r)
{
	cursor_blanks(&r->c);
}

/* A word in any case that ends where it ends. */
static bool try_keyword(struct reading *r, struct slice word)
{
	struct cursor at = r->c;
	if (!slice_ieq(cursor_while(&at, is_name), word))
		return false;
	r->c = at;
	return true;
}

/* ---- attributes ---- */

static bool is_urn_of(enum scim_schema kind, struct slice urn, enum scim_schema *out)
{
	for (enum scim_schema s = SCIM_USER; s < SCIM_SCHEMAS; s++)
		if ((s == kind || (s == SCIM_ENTERPRISE && kind == SCIM_USER)) &&
		    slice_ieq(urn, slice_str(scim_urn(s)))) {
			*out = s;
			return true;
		}
	return false;
}

static enum result find_top(struct reading *r, struct slice name, struct scim_path *out)
{
	struct slice urn = SLICE_NONE;
	enum scim_schema schema = r->kind;
	if (slice_istarts(name, SLICE("urn:"))) {
		ptrdiff_t colon = slice_rfind(name, ':');
		urn = slice_sub(name, 0, (size_t)colon);
		name = slice_sub(name, (size_t)colon + 1, name.n);
		if (!is_urn_of(r->kind, urn, &schema))
			return fail(r, "a schema that is not known here");
	}
	struct slice rest = name, top = slice_split(&rest, '.');
	out->top =
	    urn.n && schema == SCIM_ENTERPRISE ? scim_find(schema, NULL, top) : scim_find_any(r->kind, top);
	if (out->top && rest.n)
		out->sub = scim_find(out->top->schema, out->top, rest);
	if (!out->top || (!out->sub && top.n != name.n))
		return fail(r, "an attribute that is not known here");
	out->container = out->top->schema;
	return OK;
}

/* Inside of brackets names are those of sub-attributes. */
static enum result read_attribute(struct reading *r, struct scim_path *out)
{
	struct slice name = cursor_while1(&r->c, is_name);
	*out = (struct scim_path){0};
	if (!name.n)
		return fail(r, "an attribute's name is missing");
	if (!r->inside)
		return find_top(r, name, out);
	out->top = scim_find(r->inside->schema, r->inside, name);
	out->container = r->inside->schema;
	return out->top ? OK : fail(r, "a sub-attribute that is not known here");
}

/* ---- values ---- */

/* A JSON string, to its octets. */
static enum result read_string(struct reading *r, struct slice *out)
{
	size_t n = 1;
	struct slice rest = r->c.rest;
	while (n < rest.n && rest.p[n] != '"')
		n += rest.p[n] == '\\' ? 2 : 1;
	if (n >= rest.n)
		return fail(r, "a text without an end");
	json_t *v = json_loadb(rest.p, n + 1, JSON_DECODE_ANY, NULL);
	if (!json_is_string(v)) {
		json_decref(v);
		return fail(r, "not a text as JSON has them");
	}
	*out = arena_dup(r->arena, slice_of(json_string_value(v), json_string_length(v)));
	json_decref(v);
	r->c.rest = slice_sub(rest, n + 1, rest.n);
	return OK;
}

/* Which comparisons an attribute knows; a complex one is compared by its value. */
static enum result check_test(struct reading *r, struct scim_filter *t)
{
	const struct scim_attribute *at = t->path.sub ? t->path.sub : t->path.top;
	if (t->op == SCIM_PR)
		return OK;
	if (at->type == SCIM_COMPLEX) {
		t->path.sub = scim_find(at->schema, at, SLICE("value"));
		if (!t->path.sub || t->path.sub == at)
			return fail(r, "which part of the attribute?");
		at = t->path.sub;
	}
	if (t->value == SCIM_NULL)
		return t->op == SCIM_EQ || t->op == SCIM_NE ? OK : fail(r, "null is only equal, or not");
	if (at->type == SCIM_BOOLEAN && t->value == SCIM_TEXT) {
		t->truth = slice_ieq(t->text, SLICE("true"));
		t->value = t->truth || slice_ieq(t->text, SLICE("false")) ? SCIM_TRUTH : SCIM_TEXT;
	}
	if ((at->type == SCIM_BOOLEAN) != (t->value == SCIM_TRUTH))
		return fail(r, "a value of another type than the attribute's");
	if (at->type == SCIM_BOOLEAN && t->op > SCIM_NE)
		return fail(r, "true and false are only equal, or not");
	if (at->type == SCIM_TIME && !scim_time_read(t->text, &t->ms))
		return fail(r, "not a date and time");
	return OK;
}

static enum result read_value(struct reading *r, struct scim_filter *t)
{
	if (cursor_peek(&r->c) == '"') {
		t->value = SCIM_TEXT;
		return read_string(r, &t->text);
	}
	t->truth = try_keyword(r, SLICE("true"));
	t->value = t->truth || try_keyword(r, SLICE("false")) ? SCIM_TRUTH : SCIM_NULL;
	if (t->value == SCIM_TRUTH || try_keyword(r, SLICE("null")))
		return OK;
	return fail(r, "a value is missing: \"text\", true, false or null");
}

static enum result read_test(struct reading *r, struct scim_filter *t)
{
	static const char *const ops[] = {"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "pr"};
	size_t op = 0;
	skip_blanks(r);
	while (op < COUNT(ops) && !try_keyword(r, slice_str(ops[op])))
		op++;
	if (op == COUNT(ops))
		return fail(r, "a comparison is missing: eq ne co sw ew gt lt ge le pr");
	t->node = SCIM_TEST;
	t->op = (enum scim_op)op;
	skip_blanks(r);
	enum result done = t->op == SCIM_PR ? OK : read_value(r, t);
	return done == OK ? check_test(r, t) : done;
}

/* ---- the grammar ---- */

static enum result read_or(struct reading *r, const struct scim_filter **out);

static struct scim_filter *node_of(struct reading *r, enum scim_node node)
{
	struct scim_filter *f =
	    ++r->nodes > LIMIT_SCIM_NODES ? NULL : arena_new(r->arena, struct scim_filter);
	if (f)
		f->node = node;
	else
		result_ignore(fail(r, "too much of it"));
	return f;
}

static enum result read_brackets(
    struct reading *r, const struct scim_attribute *top, const struct scim_filter **out)
{
	if (r->inside || !(top->flags & SCIM_MULTI) || top->type != SCIM_COMPLEX)
		return fail(r, "no brackets here");
	r->inside = top;
	cursor_need(&r->c, '[');
	enum result done = read_or(r, out);
	r->inside = NULL;
	skip_blanks(r);
	if (done == OK && !cursor_try(&r->c, ']'))
		done = fail(r, "] is missing");
	return done;
}

static enum result read_group(struct reading *r, const struct scim_filter **out)
{
	if (!cursor_try(&r->c, '('))
		return fail(r, "( is missing");
	enum result done = read_or(r, out);
	skip_blanks(r);
	if (done == OK && !cursor_try(&r->c, ')'))
		done = fail(r, ") is missing");
	return done;
}

static enum result read_term(struct reading *r, const struct scim_filter **out)
{
	skip_blanks(r);
	if (cursor_peek(&r->c) == '(')
		return read_group(r, out);
	struct scim_filter *f = node_of(r, SCIM_TEST);
	if (!f)
		return BAD;
	*out = f;
	if (try_keyword(r, SLICE("not"))) {
		skip_blanks(r);
		f->node = SCIM_NOT;
		return read_group(r, &f->left);
	}
	enum result done = read_attribute(r, &f->path);
	if (done != OK)
		return done;
	if (cursor_peek(&r->c) != '[')
		return read_test(r, f);
	f->node = SCIM_WITHIN;
	return f->path.sub ? fail(r, "no brackets here") : read_brackets(r, f->path.top, &f->left);
}

/* term *(word term), as a chain to the left. */
static enum result read_chain(struct reading *r, struct slice word, enum scim_node node,
    enum result (*part)(struct reading *, const struct scim_filter **), const struct scim_filter **out)
{
	enum result done = part(r, out);
	while (done == OK) {
		skip_blanks(r);
		if (!try_keyword(r, word))
			break;
		struct scim_filter *f = node_of(r, node);
		if (!f)
			return BAD;
		f->left = *out;
		done = part(r, &f->right);
		*out = f;
	}
	return done;
}

static enum result read_and(struct reading *r, const struct scim_filter **out)
{
	return read_chain(r, SLICE("and"), SCIM_AND, read_term, out);
}

static enum result read_or(struct reading *r, const struct scim_filter **out)
{
	if (++r->depth > LIMIT_SCIM_DEPTH)
		return fail(r, "nested too deeply");
	enum result done = read_chain(r, SLICE("or"), SCIM_OR, read_and, out);
	r->depth--;
	return done;
}

enum result scim_filter_parse(enum scim_schema kind, struct slice text, struct arena *a,
    const struct scim_filter **out, struct scim_fault *f)
{
	struct reading r = {
	    .c = cursor_of(text), .kind = kind, .arena = a, .fault = f, .type = "invalidFilter"};
	*f = (struct scim_fault){0};
	*out = NULL;
	enum result done = read_or(&r, out);
	skip_blanks(&r);
	if (done == OK && !cursor_end(&r.c))
		done = fail(&r, "something is left over");
	return done;
}

enum result scim_path_parse(
    enum scim_schema kind, struct slice text, struct arena *a, struct scim_path *out, struct scim_fault *f)
{
	struct reading r = {
	    .c = cursor_of(text), .kind = kind, .arena = a, .fault = f, .type = "invalidPath"};
	*f = (struct scim_fault){0};
	*out = (struct scim_path){.container = SCIM_ENTERPRISE};
	if (kind == SCIM_USER && slice_ieq(text, SLICE(SCIM_ENTERPRISE_URN)))
		return OK;
	enum result done = read_attribute(&r, out);
	if (done == OK && cursor_peek(&r.c) == '[') {
		done = out->sub ? fail(&r, "no brackets here") : read_brackets(&r, out->top, &out->which);
		if (done == OK && cursor_try(&r.c, '.')) {
			out->sub = scim_find(out->top->schema, out->top, cursor_while(&r.c, is_name));
			done = out->sub ? OK : fail(&r, "a sub-attribute that is not known here");
		}
	}
	if (done == OK && !cursor_end(&r.c))
		done = fail(&r, "something is left over");
	return done;
}

/* ---- times ---- */

static bool read_digits(struct cursor *c, size_t n, int *out)
{
	uint64_t v = 0;
	bool good = num_u64(cursor_bytes(c, n), 9999, &v) == OK;
	*out = (int)v;
	return good && c->err == OK;
}

/* "Z" or "+09:00", in minutes. */
static bool read_zone(struct cursor *c, int *minutes_out)
{
	int hours, minutes;
	*minutes_out = 0;
	if (cursor_try(c, 'Z') || cursor_try(c, 'z') || cursor_end(c))
		return true;
	int sign = cursor_try(c, '-') ? -1 : 1;
	if (sign > 0)
		cursor_need(c, '+');
	if (!read_digits(c, 2, &hours) || !cursor_try(c, ':') || !read_digits(c, 2, &minutes))
		return false;
	*minutes_out = sign * (hours * 60 + minutes);
	return true;
}

bool scim_time_read(struct slice text, int64_t *ms_out)
{
	struct cursor c = cursor_of(text);
	struct tm tm = {0};
	int *const parts[] = {&tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec};
	int zone, fraction = 0;
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (i && cursor_take(&c) != "--T::"[i - 1])
			return false;
		if (!read_digits(&c, i ? 2 : 4, parts[i]))
			return false;
	}
	if (cursor_try(&c, '.'))
		for (int scale = 100; cursor_peek(&c) >= '0' && cursor_peek(&c) <= '9'; scale /= 10)
			fraction += (cursor_take(&c) - '0') * scale;
	if (!read_zone(&c, &zone) || cursor_done(&c) != OK)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms_out = (int64_t)timegm(&tm) * 1000 + fraction - zone * MINUTE_MS;
	return true;
}

void scim_time_put(struct buf *b, int64_t ms)
{
	struct tm tm;
	char text[40];
	time_t s = (time_t)(ms / 1000);
	if (gmtime_r(&s, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
		buf_printf(b, "%s.%03dZ", text, (int)(ms % 1000));
}
