/*
 * The operations of PATCH (RFC 7644 3.5.2). A value without a path is an object whose members are done one by one; their
 * names may be paths, too ("name.givenName"), as some clients write them. "op" is read in any case.
 */
#include "scim/scim.h"

#define MANY 16

enum op { OP_ADD, OP_REPLACE, OP_REMOVE };

struct patch {
	enum scim_schema kind;
	json_t *resource;
	struct arena *arena;
	struct scim_fault *fault;
	enum op op;
};

static json_t *member(const json_t *object, struct slice name)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		if (slice_ieq(slice_str(key), name))
			return v;
	}
	return NULL;
}

/* The object that holds the attribute; made when it is missing. */
static json_t *holder(struct patch *p, const struct scim_path *at)
{
	if (at->container != SCIM_ENTERPRISE)
		return p->resource;
	json_t *v = json_object_get(p->resource, SCIM_ENTERPRISE_URN);
	if (!v) {
		v = json_object();
		json_object_set_new(p->resource, SCIM_ENTERPRISE_URN, v);
	}
	return v;
}

/* Nothing empty stays. */
static void tidy(struct patch *p, json_t *in, const char *name)
{
	json_t *v = json_object_get(in, name);
	if ((json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v)))
		json_object_del(in, name);
	if (!json_object_size(json_object_get(p->resource, SCIM_ENTERPRISE_URN)))
		json_object_del(p->resource, SCIM_ENTERPRISE_URN);
}

/* ---- several values ---- */

static bool same_value(const json_t *a, const json_t *b)
{
	const json_t *x = json_object_get(a, "value"), *y = json_object_get(b, "value");
	return x && y ? json_equal(x, y) : json_equal(a, b);
}

static ptrdiff_t find_value(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (same_value(json_array_get(list, i), value))
			return (ptrdiff_t)i;
	return -1;
}

/* Only one value is the preferred one: the newest. */
static void keep_one_primary(json_t *list, const json_t *newest)
{
	size_t i;
	json_t *v;
	if (!json_is_true(json_object_get(newest, "primary")))
		return;
	json_array_foreach(list, i, v)
	{
		if (v != newest && json_is_true(json_object_get(v, "primary")))
			json_object_set_new(v, "primary", json_false());
	}
}

/* One more, unless it is there (`old`): then that takes on what is new. */
static void merge(json_t *list, json_t *old, json_t *value)
{
	if (old)
		json_object_update(old, value);
	else
		json_array_append(list, value);
	keep_one_primary(list, old ? old : value);
}

static void append(json_t *list, json_t *value)
{
	ptrdiff_t at = find_value(list, value);
	merge(list, at < 0 ? NULL : json_array_get(list, (size_t)at), value);
}

static const char *key_of(const json_t *value)
{
	return json_string_value(json_object_get(value, "value"));
}

/* Members of a group are many: when many come they are looked up, not searched for. */
static void append_many(json_t *list, const json_t *values)
{
	json_t *known = json_object(), *v;
	size_t i;
	json_array_foreach(list, i, v)
	{
		if (key_of(v))
			json_object_set(known, key_of(v), v);
	}
	json_array_foreach(values, i, v)
	{
		const char *key = key_of(v);
		if (!key) {
			append(list, v);
			continue;
		}
		merge(list, json_object_get(known, key), v);
		if (!json_object_get(known, key))
			json_object_set(known, key, v);
	}
	json_decref(known);
}

static void append_all(json_t *list, const json_t *values)
{
	size_t i;
	json_t *v;
	if (json_array_size(values) > MANY) {
		append_many(list, values);
		return;
	}
	json_array_foreach(values, i, v)
	{
		append(list, v);
	}
}

static json_t *list_of(json_t *in, const char *name)
{
	json_t *list = json_object_get(in, name);
	if (list)
		return list;
	list = json_array();
	json_object_set_new(in, name, list);
	return list;
}

/* Members of a group are many: what goes is looked up once for each that is there, by its value. */
static void take_out(json_t *list, const json_t *values)
{
	json_t *gone = json_object();
	size_t i;
	json_t *v;
	json_array_foreach(values, i, v)
	{
		if (key_of(v))
			json_object_set_new(gone, key_of(v), json_true());
	}
	for (i = json_array_size(list); i-- > 0;) {
		const char *key = key_of(json_array_get(list, i));
		if (key && json_object_get(gone, key))
			json_array_remove(list, i);
	}
	json_decref(gone);
}

/* ---- the values that brackets choose ---- */

/* What `type eq "work"` and the like say of a value that is to be made. False: it cannot be said so. */
static bool describe(const struct scim_filter *f, json_t *out)
{
	if (f->node == SCIM_AND)
		return describe(f->left, out) && describe(f->right, out);
	if (f->node != SCIM_TEST || f->op != SCIM_EQ || f->value == SCIM_NULL)
		return false;
	json_object_set_new(out, f->path.top->name,
	    f->value == SCIM_TRUTH ? json_boolean(f->truth) : json_stringn(f->text.p, f->text.n));
	return true;
}

static void set_in(json_t *one, const struct scim_path *at, enum op op, json_t *value)
{
	if (at->sub && op == OP_REMOVE)
		json_object_del(one, at->sub->name);
	else if (at->sub)
		json_object_set(one, at->sub->name, value);
	else if (op == OP_REPLACE)
		json_object_clear(one);
	if (!at->sub && json_is_object(value))
		json_object_update(one, value);
}

static enum result add_described(struct patch *p, json_t *list, const struct scim_path *at, json_t *value)
{
	json_t *one = json_object();
	enum result r = OK;
	if (at->which && !describe(at->which, one))
		r = scim_fail(p->fault, "noTarget", "no value of %s fits", at->top->name);
	if (r == OK) {
		set_in(one, at, OP_ADD, value);
		append(list, one);
	}
	json_decref(one);
	return r;
}

static enum result change_some(struct patch *p, json_t *in, const struct scim_path *at, json_t *value)
{
	json_t *list = list_of(in, at->top->name);
	size_t found = 0;
	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *one = json_array_get(list, i);
		if (at->which && !scim_matches(at->which, one))
			continue;
		found++;
		if (p->op == OP_REMOVE && !at->sub) {
			json_array_remove(list, i);
			continue;
		}
		set_in(one, at, p->op, value);
		if (!json_object_size(one))
			json_array_remove(list, i);
		else
			keep_one_primary(list, one);
	}
	enum result r = OK;
	if (!found && p->op == OP_ADD)
		r = add_described(p, list, at, value);
	else if (!found && at->which)
		r = scim_fail(p->fault, "noTarget", "no value of %s fits", at->top->name);
	tidy(p, in, at->top->name);
	return r;
}

/* ---- one operation ---- */

static enum result change_list(struct patch *p, json_t *in, const struct scim_path *at, json_t *value)
{
	const char *name = at->top->name;
	if (at->which || at->sub)
		return change_some(p, in, at, value);
	if (p->op == OP_REMOVE && value)
		take_out(json_object_get(in, name), value);
	else if (p->op == OP_REMOVE || (p->op == OP_REPLACE && !value))
		json_object_del(in, name);
	else if (p->op == OP_REPLACE)
		json_object_set(in, name, value);
	else if (value)
		append_all(list_of(in, name), value);
	tidy(p, in, name);
	if (json_array_size(json_object_get(in, name)) > scim_most(at->top))
		return scim_fail(p->fault, "tooMany", "%s has too many values", name);
	return OK;
}

static void change_one(struct patch *p, json_t *in, const struct scim_path *at, json_t *value)
{
	json_t *now = json_object_get(in, at->top->name);
	if (at->sub && (!value || p->op == OP_REMOVE)) {
		json_object_del(now, at->sub->name);
	} else if (at->sub) {
		if (!now)
			json_object_set_new(in, at->top->name, now = json_object());
		json_object_set(now, at->sub->name, value);
	} else if (!value || p->op == OP_REMOVE) {
		json_object_del(in, at->top->name);
	} else if (json_is_object(now) && json_is_object(value)) {
		json_object_update(now, value);
	} else {
		json_object_set(in, at->top->name, value);
	}
	tidy(p, in, at->top->name);
}

static enum result refuse_read_only(struct patch *p, const struct scim_path *at, const json_t *value)
{
	const struct scim_attribute *last = at->sub ? at->sub : at->top;
	bool whole = !at->sub && !at->which && !value;
	if ((at->top->flags | last->flags) & SCIM_READ_ONLY)
		return scim_fail(p->fault, "mutability", "%s may only be read", last->name);
	if (p->op == OP_REMOVE && whole && at->top->flags & SCIM_REQUIRED)
		return scim_fail(p->fault, "mutability", "%s has to be there", last->name);
	return OK;
}

static enum result change_all(struct patch *p, struct slice prefix, const json_t *value);

static enum result change_at(struct patch *p, const struct scim_path *at, const json_t *value)
{
	if (!at->top && p->op == OP_REMOVE) {
		json_object_del(p->resource, SCIM_ENTERPRISE_URN);
		return OK;
	}
	if (!at->top)
		return change_all(p, SLICE(SCIM_ENTERPRISE_URN ":"), value);
	enum result r = refuse_read_only(p, at, value);
	if (r != OK)
		return r;
	const struct scim_attribute *last = at->sub ? at->sub : at->top;
	if (!value && p->op != OP_REMOVE)
		return scim_fail(p->fault, "invalidValue", "%s: a value is missing", last->name);
	struct scim_attribute one = *last;
	if (at->which) /* one value of several */
		one.flags &= ~(unsigned)SCIM_MULTI;
	json_t *read = value ? scim_read_value(&one, value, p->fault) : NULL;
	if (p->fault->type)
		return BAD;
	json_t *in = holder(p, at);
	if (at->top->flags & SCIM_MULTI)
		r = change_list(p, in, at, read);
	else
		change_one(p, in, at, read);
	json_decref(read);
	return r;
}

static enum result change_member(struct patch *p, struct slice name, const json_t *value)
{
	struct scim_path at;
	struct scim_fault unknown;
	enum result r = scim_path_parse(p->kind, name, p->arena, &at, &unknown);
	if (r != OK && slice_ieq(name, SLICE("schemas")))
		return OK;
	if (r != OK || (at.top && (at.top->flags | (at.sub ? at.sub->flags : 0)) & SCIM_READ_ONLY))
		return OK;
	return change_at(p, &at, value);
}

static enum result change_all(struct patch *p, struct slice prefix, const json_t *value)
{
	const char *key;
	json_t *v;
	if (!json_is_object(value))
		return scim_fail(p->fault, "invalidValue", "the value is not an object");
	json_object_foreach((json_t *)(uintptr_t)value, key, v)
	{
		const char *name = arena_printf(p->arena, SLICE_FMT "%s", SLICE_ARG(prefix), key);
		enum result r = name ? change_member(p, slice_str(name), v)
				     : scim_fail(p->fault, "tooMany", "too many members");
		if (r != OK)
			return r;
	}
	return OK;
}

static enum result run(struct patch *p, const json_t *operation)
{
	static const char *const ops[] = {"add", "replace", "remove"};
	const json_t *op = member(operation, SLICE("op")), *path = member(operation, SLICE("path"));
	const json_t *value = member(operation, SLICE("value"));
	struct scim_path at;
	size_t i = 0;
	while (i < COUNT(ops) &&
	       !slice_ieq(slice_of(json_string_value(op), json_string_length(op)), slice_str(ops[i])))
		i++;
	if (i == COUNT(ops))
		return scim_fail(p->fault, "invalidSyntax", "op is add, replace or remove");
	p->op = (enum op)i;
	if (!path && p->op == OP_REMOVE)
		return scim_fail(p->fault, "noTarget", "remove what? path is missing");
	if (!path)
		return change_all(p, SLICE_NONE, value);
	if (!json_is_string(path))
		return scim_fail(p->fault, "invalidPath", "a path is a text");
	struct slice text = slice_of(json_string_value(path), json_string_length(path));
	enum result r = scim_path_parse(p->kind, text, p->arena, &at, p->fault);
	return r == OK ? change_at(p, &at, value) : r;
}

enum result scim_patch(
    enum scim_schema kind, json_t *resource, const json_t *body, struct arena *a, struct scim_fault *f)
{
	struct patch p = {.kind = kind, .resource = resource, .arena = a, .fault = f};
	const json_t *operations = member(body, SLICE("Operations"));
	size_t i;
	json_t *operation;
	*f = (struct scim_fault){0};
	if (!json_is_array(operations) || !json_array_size(operations))
		return scim_fail(f, "invalidSyntax", "Operations is a list of at least one");
	if (json_array_size(operations) > LIMIT_SCIM_OPERATIONS)
		return scim_fail(f, "tooMany", "more than %d operations", LIMIT_SCIM_OPERATIONS);
	json_array_foreach(operations, i, operation)
	{
		enum result r = run(&p, operation);
		if (r != OK)
			return r;
	}
	return OK;
}
