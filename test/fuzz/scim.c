/*
 * scim: a filter or a path is read or refused and can be held against any resource; a PATCH body is done or refused,
 * and what is left reads back as it is. First line: a filter and a path; the rest: the body.
 */
#include "scim/scim.h"
#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char resource[] =
    "{\"userName\":\"u\",\"name\":{\"givenName\":\"g\"},\"active\":true,\"emails\":[{\"value\":\"a@b\","
    "\"type\":"
    "\"work\"},{\"value\":\"c\"}],\"" SCIM_ENTERPRISE_URN "\":{\"manager\":{\"value\":\"1\"}}}";

static void change(enum scim_schema kind, struct slice text, struct arena *a)
{
	struct scim_fault f;
	json_t *body = json_loadb(text.p ? text.p : "", text.n, 0, NULL);
	json_t *v = json_loads(resource, 0, NULL);
	if (json_is_object(body) && scim_patch(kind, v, body, a, &f) == OK) {
		json_t *once = scim_read(kind, v, &f);
		json_t *twice = once ? scim_read(kind, once, &f) : NULL;
		assert(!once || json_equal(once, twice));
		json_decref(once);
		json_decref(twice);
	}
	json_decref(v);
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice rest = slice_of(data, n), line = slice_split(&rest, '\n');
	const struct scim_filter *filter;
	struct scim_path path;
	struct scim_fault f;
	json_t *v = json_loads(resource, 0, NULL);
	for (int i = 0; i < 2; i++) {
		enum scim_schema kind = i ? SCIM_GROUP : SCIM_USER;
		if (scim_filter_parse(kind, line, &a, &filter, &f) == OK) {
			(void)scim_matches(filter, v);
			(void)scim_filter_wants(filter, "userName");
		}
		if (scim_path_parse(kind, line, &a, &path, &f) == OK && path.which)
			(void)scim_matches(path.which, v);
		scim_select(kind, v, line, SLICE_NONE, &a);
		change(kind, rest, &a);
	}
	json_decref(v);
	return 0;
}
