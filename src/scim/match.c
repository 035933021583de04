#include "scim/scim.h"

static const json_t *container_of(const struct scim_path *p, const json_t *resource)
{
	return p->container == SCIM_ENTERPRISE && p->top && !*p->top->parent
		   ? json_object_get(resource, SCIM_ENTERPRISE_URN)
		   : resource;
}

static bool fold_eq(char a, char b, bool exact)
{
	return exact ? a == b : ascii_lower(a) == ascii_lower(b);
}

static bool equal_at(struct slice s, size_t from, struct slice part, bool exact)
{
	if (from > s.n || part.n > s.n - from)
		return false;
	for (size_t i = 0; i < part.n; i++)
		if (!fold_eq(s.p[from + i], part.p[i], exact))
			return false;
	return true;
}

static bool contains(struct slice s, struct slice part, bool exact)
{
	for (size_t i = 0; part.n <= s.n && i <= s.n - part.n; i++)
		if (equal_at(s, i, part, exact))
			return true;
	return false;
}

static int order(struct slice a, struct slice b, bool exact)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		unsigned char x = (unsigned char)(exact ? a.p[i] : ascii_lower(a.p[i]));
		unsigned char y = (unsigned char)(exact ? b.p[i] : ascii_lower(b.p[i]));
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a.n > b.n) - (a.n < b.n);
}

static bool holds(enum scim_op op, int order)
{
	switch (op) {
	case SCIM_EQ:
	case SCIM_NE: /* turned round by whoever asks */
		return order == 0;
	case SCIM_GT:
		return order > 0;
	case SCIM_LT:
		return order < 0;
	case SCIM_GE:
		return order >= 0;
	case SCIM_LE:
		return order <= 0;
	case SCIM_CO:
	case SCIM_SW:
	case SCIM_EW:
	case SCIM_PR:
		break;
	}
	return false;
}

static bool text_fits(const struct scim_filter *t, const struct scim_attribute *at, struct slice s)
{
	bool exact = at->flags & SCIM_EXACT;
	int64_t ms;
	if (t->op == SCIM_CO)
		return contains(s, t->text, exact);
	if (t->op == SCIM_SW)
		return equal_at(s, 0, t->text, exact);
	if (t->op == SCIM_EW)
		return s.n >= t->text.n && equal_at(s, s.n - t->text.n, t->text, exact);
	if (at->type == SCIM_TIME)
		return scim_time_read(s, &ms) && holds(t->op, (ms > t->ms) - (ms < t->ms));
	return holds(t->op, order(s, t->text, exact));
}

static bool value_fits(const struct scim_filter *t, const struct scim_attribute *at, const json_t *v)
{
	if (t->op == SCIM_PR || t->value == SCIM_NULL)
		return v != NULL; /* in their form resources have nothing empty */
	if (t->value == SCIM_TRUTH)
		return json_is_boolean(v) && json_is_true(v) == t->truth;
	return json_is_string(v) && text_fits(t, at, slice_of(json_string_value(v), json_string_length(v)));
}

static bool any_fits(const struct scim_filter *t, const json_t *resource)
{
	const struct scim_path *p = &t->path;
	const struct scim_attribute *at = p->sub ? p->sub : p->top;
	const json_t *v = json_object_get(container_of(p, resource), p->top->name);
	if (!json_is_array(v))
		return value_fits(t, at, p->sub ? json_object_get(v, p->sub->name) : v);
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i);
		if (value_fits(t, at, p->sub ? json_object_get(one, p->sub->name) : one))
			return true;
	}
	return false;
}

static bool test(const struct scim_filter *t, const json_t *resource)
{
	bool fits = any_fits(t, resource);
	if (t->value == SCIM_NULL && t->op != SCIM_PR) /* equal to nothing: there is none */
		fits = !fits;
	return t->op == SCIM_NE ? !fits : fits;
}

static bool within(const struct scim_filter *f, const json_t *resource)
{
	const json_t *values = json_object_get(container_of(&f->path, resource), f->path.top->name);
	for (size_t i = 0; i < json_array_size(values); i++)
		if (scim_matches(f->left, json_array_get(values, i)))
			return true;
	return false;
}

bool scim_matches(const struct scim_filter *f, const json_t *resource)
{
	switch (f->node) {
	case SCIM_AND:
		return scim_matches(f->left, resource) && scim_matches(f->right, resource);
	case SCIM_OR:
		return scim_matches(f->left, resource) || scim_matches(f->right, resource);
	case SCIM_NOT:
		return !scim_matches(f->left, resource);
	case SCIM_TEST:
		return test(f, resource);
	case SCIM_WITHIN:
		return within(f, resource);
	}
	return false;
}

struct slice scim_filter_wants(const struct scim_filter *f, const char *attribute)
{
	if (f->node == SCIM_AND) {
		struct slice left = scim_filter_wants(f->left, attribute);
		return left.n ? left : scim_filter_wants(f->right, attribute);
	}
	if (f->node == SCIM_TEST && f->op == SCIM_EQ && f->value == SCIM_TEXT && !f->path.sub &&
	    strcmp(f->path.top->name, attribute) == 0)
		return f->text;
	return SLICE_NONE;
}

bool scim_filter_names(const struct scim_filter *f, const char *attribute)
{
	if (f->node == SCIM_TEST || f->node == SCIM_WITHIN)
		return strcmp(f->path.top->name, attribute) == 0;
	return scim_filter_names(f->left, attribute) || (f->right && scim_filter_names(f->right, attribute));
}
