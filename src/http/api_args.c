/* From a request to the arguments of a verb. Strict: what the row does not name is refused, not skipped. */
#include "api.h"

bool api_arg_next(struct slice *rest, struct api_arg *out)
{
	*out = (struct api_arg){0};
	struct slice type = slice_split(rest, ' ');
	out->name = slice_split(&type, ':');
	out->many = slice_iends(out->name, SLICE("..."));
	if (out->many)
		out->name.n -= 3;
	out->optional = slice_iends(out->name, SLICE("?"));
	if (out->optional)
		out->name.n--;
	if (slice_eq(type, SLICE("integer")))
		out->type = API_INTEGER;
	else if (slice_eq(type, SLICE("boolean")))
		out->type = API_BOOLEAN;
	else if (slice_eq(type, SLICE("object")))
		out->type = API_OBJECT;
	return out->name.n > 0;
}

static bool find_arg(const struct api_row *row, struct slice name, struct api_arg *out)
{
	struct slice rest = slice_str(row->args);
	while (api_arg_next(&rest, out))
		if (slice_eq(out->name, name))
			return true;
	return false;
}

static const char *about(const struct http_request *q, struct slice name, const char *what)
{
	BUF_LOCAL(b, 256);
	http_put_json(&b, slice_sub(name, 0, 60));
	return arena_printf(q->arena, SLICE_FMT " %s", SLICE_ARG(buf_slice(&b)), what);
}

/* A text from path or query as the argument's type; NULL when it is not of it. */
static json_t *value_of(const struct api_arg *arg, struct slice text)
{
	uint64_t n;
	if (arg->type == API_INTEGER)
		return num_u64(text, INT64_MAX, &n) == OK ? json_integer((json_int_t)n) : NULL;
	if (arg->type == API_BOOLEAN)
		return slice_eq(text, SLICE("true"))    ? json_true()
		       : slice_eq(text, SLICE("false")) ? json_false()
							: NULL;
	return json_stringn(text.p ? text.p : "", text.n);
}

static const char *take_query(const struct http_request *q, const struct api_row *row, json_t *args)
{
	struct http_query it = http_query_of(q);
	struct slice name, text;
	while (http_query_next(&it, &name, &text)) {
		struct api_arg arg;
		if (!find_arg(row, name, &arg))
			return about(q, name, "is not an argument of this");
		const char *key = arena_z(q->arena, name);
		json_t *list = json_object_get(args, key), *value = value_of(&arg, text);
		if (!value || (list && !arg.many)) {
			json_decref(value);
			return about(q, name, value ? "is there twice" : "has a wrong value");
		}
		if (!arg.many) {
			json_object_set_new(args, key, value);
			continue;
		}
		if (!list)
			json_object_set_new(args, key, list = json_array());
		json_array_append_new(list, value);
	}
	return NULL;
}

static bool fits(const struct api_arg *arg, const json_t *v)
{
	switch (arg->type) {
	case API_INTEGER:
		return json_is_integer(v) && json_integer_value(v) >= 0;
	case API_BOOLEAN:
		return json_is_boolean(v);
	case API_OBJECT:
		return json_is_object(v);
	case API_TEXT:
		break;
	}
	return json_is_string(v);
}

static bool all_fit(const struct api_arg *arg, const json_t *v)
{
	size_t i;
	const json_t *item;
	if (!arg->many)
		return fits(arg, v);
	json_array_foreach(v, i, item) if (!fits(arg, item)) return false;
	return json_is_array(v);
}

static const char *take_object(
    const struct http_request *q, const struct api_row *row, json_t *body, json_t *args)
{
	const char *name;
	json_t *value;
	json_object_foreach(body, name, value)
	{
		struct api_arg arg;
		if (!find_arg(row, slice_str(name), &arg))
			return about(q, slice_str(name), "is not an argument of this");
		if (!all_fit(&arg, value))
			return about(q, slice_str(name), "has a wrong value");
		json_object_set(args, name, value);
	}
	return NULL;
}

static const char *take_body(const struct http_request *q, const struct api_row *row, json_t *args)
{
	json_error_t error;
	if (!q->body.n)
		return NULL;
	json_t *body = json_loadb(q->body.p, q->body.n, JSON_REJECT_DUPLICATES, &error);
	const char *why =
	    json_is_object(body) ? take_object(q, row, body, args) : "the body is not a JSON object";
	json_decref(body);
	return why;
}

static const char *find_missing(const struct http_request *q, const struct api_row *row, const json_t *args)
{
	struct slice rest = slice_str(row->args);
	struct api_arg arg;
	while (api_arg_next(&rest, &arg))
		if (!arg.optional && !json_object_get(args, arena_z(q->arena, arg.name)))
			return about(q, arg.name, "is missing");
	return NULL;
}

static const char *take_path(const struct http_request *q, json_t *args)
{
	for (size_t i = 0; i < q->param_n; i++) {
		json_t *v = json_stringn(q->params[i].value.p, q->params[i].value.n);
		if (!v)
			return about(q, q->params[i].name, "is not UTF-8");
		json_object_set_new(args, arena_z(q->arena, q->params[i].name), v);
	}
	return NULL;
}

json_t *api_args(const struct http_request *q, const struct api_row *row, const char **why)
{
	json_t *args = json_object();
	bool in_body = row->method == HTTP_POST || row->method == HTTP_PUT;
	*why = in_body && q->query.n ? "arguments belong into the body"
	       : in_body             ? take_body(q, row, args)
				     : take_query(q, row, args);
	if (!*why && !in_body && q->body.n)
		*why = "arguments belong into the query";
	if (!*why)
		*why = take_path(q, args);
	if (!*why)
		*why = find_missing(q, row, args);
	if (!*why)
		return args;
	json_decref(args);
	return NULL;
}
