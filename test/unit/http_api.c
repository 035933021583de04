/* The API's table against the store's: the same verbs with the same arguments; and its document against the table. */
#include "http/api.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
	const char *verb, *args;
} verbs[] = {
#define X(verb, function, kind, args, en, ja) {verb, args},
#include "store/admin/admin.def"
#undef X
};

/* Is `name` among the words of `args`, which may stand in brackets and have dots after them? */
static bool takes(const char *args, struct slice name)
{
	struct slice rest = slice_str(args);
	while (rest.n) {
		struct slice word = slice_split(&rest, ' ');
		if (slice_starts(word, SLICE("[")))
			word = slice_sub(word, 1, word.n - 2);
		if (slice_iends(word, SLICE("...")))
			word.n -= 3;
		if (slice_eq(word, name))
			return true;
	}
	return false;
}

static const char *args_of(const char *verb)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return verbs[i].args;
	fail_msg("the store has no verb %s", verb);
	return NULL;
}

static void assert_taken(const struct api_row *row, struct slice name)
{
	if (!takes(args_of(row->verb), name))
		fail_msg("%s: the verb %s takes no " SLICE_FMT, row->path, row->verb, SLICE_ARG(name));
}

static void the_store_knows_every_row(void **state)
{
	for (size_t i = 0; i < api_row_count; i++) {
		if (strncmp(api_rows[i].verb, "session.", 8) == 0)
			continue; /* web does these itself */
		struct slice rest = slice_str(api_rows[i].args);
		struct api_arg arg;
		while (api_arg_next(&rest, &arg))
			assert_taken(&api_rows[i], arg.name);
		rest = slice_str(api_rows[i].path);
		while (rest.n) {
			struct slice segment = slice_split(&rest, '/');
			if (slice_starts(segment, SLICE("{")))
				assert_taken(&api_rows[i], slice_sub(segment, 1, segment.n - 2));
		}
	}
}

static void the_document_has_every_row(void **state)
{
	static const char *const keys[] = {
	    [HTTP_GET] = "get", [HTTP_POST] = "post", [HTTP_PUT] = "put", [HTTP_DELETE] = "delete"};
	json_t *document = api_document();
	assert_non_null(document);
	size_t found = 0;
	for (size_t i = 0; i < api_row_count; i++) {
		const json_t *path = json_object_get(json_object_get(document, "paths"), api_rows[i].path);
		const json_t *op = json_object_get(path, keys[api_rows[i].method]);
		assert_string_equal(json_string_value(json_object_get(op, "operationId")), api_rows[i].verb);
		found++;
	}
	assert_int_equal(found, api_row_count);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_store_knows_every_row),
	    cmocka_unit_test(the_document_has_every_row),
	};
	return cmocka_run_group_tests_name("http_api", tests, NULL, NULL);
}
