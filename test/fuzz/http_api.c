/*
 * http_api: the first octet says which row of the API, the second how much of the rest is the query; what is left is the body.
 * What comes out as arguments has what the row demands, nothing the row does not name, and values of their types.
 */
#include "http/api.h"
#include "http/parse.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool names(const struct api_row *row, const char *name, struct api_arg *out)
{
	struct slice rest = slice_str(row->args);
	while (api_arg_next(&rest, out))
		if (slice_eq(out->name, slice_str(name)))
			return true;
	return false;
}

static void check_value(const struct api_arg *arg, const json_t *v)
{
	if (arg->many)
		assert(json_is_array(v));
	else if (arg->type == API_INTEGER)
		assert(json_integer_value(v) >= 0 && json_is_integer(v));
	else if (arg->type == API_BOOLEAN)
		assert(json_is_boolean(v));
	else
		assert(json_is_string(v));
}

static void check(const struct api_row *row, json_t *args)
{
	const char *name;
	json_t *value;
	struct api_arg arg;
	json_object_foreach(args, name, value)
	{
		assert(names(row, name, &arg));
		check_value(&arg, value);
	}
	struct slice rest = slice_str(row->args);
	while (api_arg_next(&rest, &arg)) {
		char key[64];
		assert(arg.name.n < sizeof key);
		memcpy(key, arg.name.p, arg.name.n);
		key[arg.name.n] = '\0';
		assert(arg.optional || json_object_get(args, key));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena arena = {.cap = (size_t)8 << 20};
	if (n < 2)
		return 0;
	const struct api_row *row = &api_rows[data[0] % api_row_count];
	struct slice rest = slice_of(data + 2, n - 2);
	bool in_body = row->method == HTTP_POST || row->method == HTTP_PUT;
	struct slice query = slice_sub(rest, 0, data[1]);
	struct http_request q = {.method = row->method,
	    .query = in_body ? SLICE_NONE : query,
	    .body = in_body ? rest : SLICE_NONE,
	    .body_fd = -1,
	    .arena = &arena};
	const char *why = NULL;
	json_t *args = api_args(&q, row, &why);
	assert(!args == (why != NULL));
	if (args)
		check(row, args);
	json_decref(args);
	arena_free(&arena);
	return 0;
}
