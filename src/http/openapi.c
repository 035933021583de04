/* The OpenAPI 3.1 document, made of the very table that requests are read by. */
#include "api.h"

static json_t *schema_of(const struct api_arg *arg)
{
	static const char *const types[] = {[API_TEXT] = "string",
	    [API_INTEGER] = "integer",
	    [API_BOOLEAN] = "boolean",
	    [API_OBJECT] = "object"};
	json_t *one = json_pack("{s:s}", "type", types[arg->type]);
	if (arg->type == API_INTEGER)
		json_object_set_new(one, "minimum", json_integer(0));
	return arg->many ? json_pack("{s:s,s:o}", "type", "array", "items", one) : one;
}

static json_t *parameter(struct slice name, const char *in, bool required, json_t *schema)
{
	return json_pack(
	    "{s:s%,s:s,s:b,s:o}", "name", name.p, name.n, "in", in, "required", required, "schema", schema);
}

static void add_path_parameters(json_t *list, const char *path)
{
	struct slice rest = slice_str(path);
	while (rest.n) {
		struct slice segment = slice_split(&rest, '/');
		if (slice_starts(segment, SLICE("{")))
			json_array_append_new(
			    list, parameter(slice_sub(segment, 1, segment.n - 2), "path", true,
				      json_pack("{s:s,s:i}", "type", "string", "minLength", 1)));
	}
}

static void add_query_parameters(json_t *list, const char *args)
{
	struct slice rest = slice_str(args);
	struct api_arg arg;
	while (api_arg_next(&rest, &arg))
		json_array_append_new(list, parameter(arg.name, "query", !arg.optional, schema_of(&arg)));
}

static json_t *body_schema(const char *args)
{
	json_t *properties = json_object(), *required = json_array();
	struct slice rest = slice_str(args);
	struct api_arg arg;
	while (api_arg_next(&rest, &arg)) {
		json_object_setn_new(properties, arg.name.p, arg.name.n, schema_of(&arg));
		if (!arg.optional)
			json_array_append_new(required, json_stringn(arg.name.p, arg.name.n));
	}
	return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required",
	    required, "additionalProperties", 0);
}

static bool any_required(const char *args)
{
	struct slice rest = slice_str(args);
	struct api_arg arg;
	while (api_arg_next(&rest, &arg))
		if (!arg.optional)
			return true;
	return false;
}

static json_t *answers(void)
{
	static const struct {
		const char *code, *what;
	} problems[] = {
	    {"400", "The request is malformed; in plain text when it is no request at all."},
	    {"401", "There is no token, or it opens nothing."},
	    {"403", "The token may not do this."},
	    {"404", "There is no such thing."},
	    {"409", "Something is full."},
	    {"422", "The request is understood and refused; the detail says why."},
	    {"429", "There were too many tries; later."},
	    {"503", "The store does not answer now."},
	};
	json_t *v = json_pack(
	    "{s:{s:s,s:{s:{s:{}}}}}", "200", "description", "Done.", "content", "application/json", "schema");
	for (size_t i = 0; i < COUNT(problems); i++)
		json_object_set_new(v, problems[i].code,
		    json_pack("{s:s,s:{s:{s:{s:s}}}}", "description", problems[i].what, "content",
			"application/problem+json", "schema", "$ref", "#/components/schemas/Problem"));
	json_object_set_new(json_object_get(json_object_get(v, "400"), "content"), "text/plain",
	    json_pack("{s:{s:s}}", "schema", "type", "string"));
	return v;
}

static json_t *operation(const struct api_row *row)
{
	json_t *parameters = json_array();
	bool in_body = row->method == HTTP_POST || row->method == HTTP_PUT;
	add_path_parameters(parameters, row->path);
	if (!in_body)
		add_query_parameters(parameters, row->args);
	json_t *v = json_pack("{s:s,s:s,s:s,s:o,s:o}", "operationId", row->verb, "summary", row->en,
	    "x-summary-ja", row->ja, "parameters", parameters, "responses", answers());
	if (in_body && *row->args)
		json_object_set_new(v, "requestBody",
		    json_pack("{s:b,s:{s:{s:o}}}", "required", any_required(row->args), "content",
			"application/json", "schema", body_schema(row->args)));
	return v;
}

static const char *method_key(enum http_method m)
{
	switch (m) {
	case HTTP_POST:
		return "post";
	case HTTP_PUT:
		return "put";
	case HTTP_DELETE:
		return "delete";
	default:
		return "get";
	}
}

json_t *api_document(void)
{
	json_t *paths = json_object();
	for (size_t i = 0; i < api_row_count; i++) {
		json_t *item = json_object_get(paths, api_rows[i].path);
		if (!item)
			json_object_set_new(paths, api_rows[i].path, item = json_object());
		json_object_set_new(item, method_key(api_rows[i].method), operation(&api_rows[i]));
	}
	return json_pack("{s:s,s:{s:s,s:s},s:[{s:s}],s:[{s:[]}],s:o,s:{s:{s:{s:s,s:s}},s:{s:{s:s,s:[s,s,s],s:"
			 "{s:{s:s},s:{s:s},s:{s:s}}}}}}",
	    "openapi", "3.1.0", "info", "title", "Sekisho", "version", "1", "servers", "url", API_ROOT,
	    "security", "token", "paths", paths, "components", "securitySchemes", "token", "type", "http",
	    "scheme", "bearer", "schemas", "Problem", "type", "object", "required", "title", "status",
	    "detail", "properties", "title", "type", "string", "status", "type", "integer", "detail", "type",
	    "string");
}
