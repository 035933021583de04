/* scim: filters, paths, changes and what is shown, as RFC 7643 and 7644 have them and as Entra ID and Okta write them. */
#include "scim/scim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct arena mem = {.cap = (size_t)32 << 20};
static struct scim_fault fault;

static const char user_text[] =
    "{\"id\":\"7\",\"userName\":\"Hana@here.example\",\"externalId\":\"aB\",\"active\":true,"
    "\"name\":{\"familyName\":\"山田\",\"givenName\":\"花子\"},"
    "\"emails\":[{\"value\":\"hana@here.example\",\"type\":\"work\",\"primary\":true},"
    "{\"value\":\"hana@home.example\",\"type\":\"home\"}],"
    "\"meta\":{\"created\":\"2026-11-22T09:00:00.000Z\"},"
    "\"" SCIM_ENTERPRISE_URN "\":{\"department\":\"Sales\",\"manager\":{\"value\":\"3\"}}}";

static json_t *user(void)
{
	json_t *v = json_loads(user_text, 0, NULL);
	assert_non_null(v);
	return v;
}

static int free_memory(void **state)
{
	arena_free(&mem);
	return 0;
}

/* ---- filters ---- */

static bool fits(const char *text)
{
	const struct scim_filter *f;
	json_t *v = user();
	enum result r = scim_filter_parse(SCIM_USER, slice_str(text), &mem, &f, &fault);
	if (r != OK)
		fail_msg("%s: %s", text, fault.why);
	bool is = scim_matches(f, v);
	json_decref(v);
	return is;
}

static void filters_choose(void **state)
{
	static const struct {
		const char *text;
		bool fits;
	} cases[] = {
	    {"userName eq \"hana@HERE.example\"", true},
	    {"userName Eq \"hana\"", false},
	    {"externalId eq \"ab\"", false}, /* the case counts */
	    {"externalId eq \"aB\"", true},
	    {"userName co \"@\"", true},
	    {"userName sw \"HANA\" and userName ew \".example\"", true},
	    {"urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"h\"", true},
	    {"name.familyName eq \"山田\"", true},
	    {"name.familyName eq \"\\u5c71\\u7530\"", true},
	    {"title pr", false},
	    {"emails pr", true},
	    {"not (title pr)", true},
	    {"title eq null", true},
	    {"title ne null", false},
	    {"active eq true", true},
	    {"active eq \"True\"", true},
	    {"active ne true", false},
	    {"emails eq \"hana@home.example\"", true},
	    {"emails.type eq \"home\"", true},
	    {"emails[type eq \"work\" and value co \"home\"]", false},
	    {"emails[type eq \"home\" and value co \"home\"]", true},
	    {"emails[not (primary eq true)]", true},
	    {"department eq \"sales\"", true},
	    {SCIM_ENTERPRISE_URN ":manager.value eq \"3\"", true},
	    {"manager eq \"4\"", false},
	    {"meta.created gt \"2026-11-22T17:59:59+09:00\"", true},
	    {"meta.created gt \"2026-11-22T09:00:00Z\"", false},
	    {"meta.created ge \"2026-11-22T09:00:00Z\"", true},
	    {"meta.created lt \"2027-01-01T00:00:00.5Z\"", true},
	    /* "and" binds closer than "or" */
	    {"userName pr or title pr and title pr", true},
	    {"(userName pr or title pr) and title pr", false},
	    {"userName gt \"a\" and userName le \"z\"", true},
	    {"userName ne \"x\"", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		if (fits(cases[i].text) != cases[i].fits)
			fail_msg("%s", cases[i].text);
}

static void what_is_no_filter(void **state)
{
	static const char *const cases[] = {"", "userName", "userName eq", "userName eq x", "userName eq \"x",
	    "userName xx \"x\"", "nothing eq \"x\"", "name.nothing pr", "(userName pr", "userName pr)",
	    "userName pr and", "not userName pr", "active gt true", "active eq \"maybe\"", "userName eq true",
	    "emails[type eq \"work\"", "emails[nothing pr]", "userName[value pr]", "emails.type[value pr]",
	    "emails[emails[type pr]]", "meta.created gt \"yesterday\"", "userName co null", "name eq \"x\"",
	    "urn:none:userName pr", "userName eq \"\\x\"", "addresses eq \"x\""};
	const struct scim_filter *f;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (scim_filter_parse(SCIM_USER, slice_str(cases[i]), &mem, &f, &fault) == OK)
			fail_msg("%s", cases[i]);
		assert_string_equal(fault.type, "invalidFilter");
	}
}

static void filters_have_limits(void **state)
{
	const struct scim_filter *f;
	BUF_LOCAL(deep, 100000);
	BUF_LOCAL(wide, 100000);
	for (int i = 0; i < LIMIT_SCIM_DEPTH; i++)
		buf_puts(&deep, "(");
	buf_puts(&deep, "title pr");
	for (int i = 0; i < LIMIT_SCIM_DEPTH; i++)
		buf_puts(&deep, ")");
	assert_int_equal(scim_filter_parse(SCIM_USER, buf_slice(&deep), &mem, &f, &fault), BAD);
	for (int i = 0; i < LIMIT_SCIM_NODES; i++)
		buf_puts(&wide, i ? " or title pr" : "title pr");
	assert_int_equal(scim_filter_parse(SCIM_USER, buf_slice(&wide), &mem, &f, &fault), BAD);
}

static void what_only_one_can_be(void **state)
{
	const struct scim_filter *f;
	assert_int_equal(
	    scim_filter_parse(SCIM_USER, SLICE("active eq true and userName eq \"x\""), &mem, &f, &fault),
	    OK);
	assert_true(slice_eq(scim_filter_wants(f, "userName"), SLICE("x")));
	assert_int_equal(
	    scim_filter_parse(SCIM_USER, SLICE("userName eq \"x\" or title pr"), &mem, &f, &fault), OK);
	assert_int_equal(scim_filter_wants(f, "userName").n, 0);
}

/* ---- changes ---- */

/* The user after these operations, as text; NULL: refused. */
static char *changed(const char *operations)
{
	json_t *v = user();
	json_t *body = json_loads(arena_printf(&mem, "{\"Operations\":[%s]}", operations), 0, NULL);
	assert_non_null(body);
	enum result r = scim_patch(SCIM_USER, v, body, &mem, &fault);
	json_t *form = r == OK ? scim_read(SCIM_USER, v, &fault) : NULL;
	char *text = form ? json_dumps(form, JSON_COMPACT) : NULL;
	json_decref(form);
	json_decref(body);
	json_decref(v);
	return text;
}

static void has(const char *operations, const char *part, bool wanted)
{
	char *text = changed(operations);
	if (!text)
		fail_msg("%s: %s", operations, fault.why);
	if ((strstr(text, part) != NULL) != wanted)
		fail_msg("%s -> %s", operations, text);
	free(text);
}

static void refused(const char *operations, const char *type)
{
	char *text = changed(operations);
	if (text)
		fail_msg("%s -> %s", operations, text);
	assert_string_equal(fault.type, type);
}

static void changes_as_the_standard_has_them(void **state)
{
	has("{\"op\":\"replace\",\"path\":\"title\",\"value\":\"x\"}", "\"title\":\"x\"", true);
	has("{\"op\":\"add\",\"path\":\"name.givenName\",\"value\":\"x\"}", "\"givenName\":\"x\"", true);
	has("{\"op\":\"remove\",\"path\":\"name.givenName\"}", "givenName", false);
	has("{\"op\":\"remove\",\"path\":\"name\"}", "familyName", false);
	has("{\"op\":\"replace\",\"path\":\"name\",\"value\":{\"givenName\":\"x\"}}", "familyName", true);
	has("{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"value\":\"n@x.example\",\"primary\":true}]}",
	    "\"type\":\"work\",\"primary\":false", true);
	has("{\"op\":\"add\",\"path\":\"emails\",\"value\":[{\"value\":\"hana@home.example\"}]}",
	    "home.example\",\"type\":\"home\"},{", false);
	has("{\"op\":\"remove\",\"path\":\"emails[type eq \\\"home\\\"]\"}", "home.example", false);
	has("{\"op\":\"replace\",\"path\":\"emails[type eq \\\"home\\\"].value\",\"value\":\"z@z.example\"}",
	    "z@z.example", true);
	has("{\"op\":\"add\",\"path\":\"emails[type eq \\\"other\\\"].value\",\"value\":\"o@o.example\"}",
	    "{\"type\":\"other\",\"value\":\"o@o.example\"}", true);
	has("{\"op\":\"replace\",\"value\":{\"title\":\"x\",\"nothing\":1,\"id\":\"9\"}}", "\"title\":\"x\"",
	    true);
	has("{\"op\":\"replace\",\"path\":\"" SCIM_ENTERPRISE_URN ":department\",\"value\":\"HR\"}",
	    "\"department\":\"HR\"", true);
	has("{\"op\":\"remove\",\"path\":\"" SCIM_ENTERPRISE_URN "\"}", "Sales", false);
	has("{\"op\":\"replace\",\"path\":\"title\",\"value\":\"x\"},{\"op\":\"remove\",\"path\":\"title\"}",
	    "title", false);
}

static void changes_as_clients_write_them(void **state)
{
	/* Entra ID: capitals, texts for truth, paths as members, a manager's bare id */
	has("{\"op\":\"Replace\",\"path\":\"active\",\"value\":\"False\"}", "\"active\":false", true);
	has("{\"op\":\"Add\",\"value\":{\"name.givenName\":\"x\",\"" SCIM_ENTERPRISE_URN
	    ":employeeNumber\":\"12\"}}",
	    "\"employeeNumber\":\"12\"", true);
	has("{\"op\":\"Add\",\"path\":\"" SCIM_ENTERPRISE_URN ":manager\",\"value\":\"5\"}",
	    "\"manager\":{\"value\":\"5\"}", true);
	has("{\"op\":\"Remove\",\"path\":\"emails\",\"value\":[{\"value\":\"hana@home.example\"}]}",
	    "home.example", false);
	/* Okta: no path */
	has("{\"op\":\"replace\",\"value\":{\"active\":false}}", "\"active\":false", true);
}

static void many_members_come_once_each(void **state)
{
	json_t *group =
	    json_loads("{\"displayName\":\"g\",\"members\":[{\"value\":\"0\"},{\"value\":\"39\"}]}", 0, NULL);
	json_t *values = json_array(), *members;
	for (int i = 0; i < 80; i++)
		json_array_append_new(
		    values, json_pack("{s:o,s:s}", "value", json_sprintf("%d", i % 40), "type", "User"));
	json_t *body =
	    json_pack("{s:[{s:s,s:s,s:o}]}", "Operations", "op", "add", "path", "members", "value", values);
	assert_int_equal(scim_patch(SCIM_GROUP, group, body, &mem, &fault), OK);
	members = json_object_get(group, "members");
	assert_int_equal(json_array_size(members), 40);
	assert_string_equal(json_string_value(json_object_get(json_array_get(members, 1), "type")), "User");
	json_decref(body);
	json_decref(group);
}

static void changes_that_are_refused(void **state)
{
	refused("{\"op\":\"move\",\"path\":\"title\"}", "invalidSyntax");
	refused("{\"op\":\"remove\"}", "noTarget");
	refused("{\"op\":\"replace\",\"path\":\"id\",\"value\":\"9\"}", "mutability");
	refused("{\"op\":\"remove\",\"path\":\"userName\"}", "mutability");
	refused("{\"op\":\"add\",\"path\":\"groups\",\"value\":[{\"value\":\"9\"}]}", "mutability");
	refused("{\"op\":\"replace\",\"path\":\"nothing\",\"value\":\"9\"}", "invalidPath");
	refused("{\"op\":\"replace\",\"path\":\"emails[type eq\",\"value\":\"9\"}", "invalidPath");
	refused("{\"op\":\"replace\",\"path\":\"emails[type eq \\\"other\\\"].value\",\"value\":\"9\"}",
	    "noTarget");
	refused("{\"op\":\"replace\",\"path\":\"title\",\"value\":[\"x\"]}", "invalidValue");
	refused("{\"op\":\"replace\",\"path\":\"active\",\"value\":\"perhaps\"}", "invalidValue");
	refused("{\"op\":\"add\",\"path\":\"title\"}", "invalidValue");
	refused("{\"op\":\"replace\",\"value\":\"x\"}", "invalidValue");
}

static void values_have_their_form(void **state)
{
	json_t *in = json_loads("{\"USERNAME\":\"u\",\"password\":\"x\",\"Emails\":{\"Value\":\"a@b."
				"example\"},\"id\":\"4\",\"title\":\"\","
				"\"active\":\"TRUE\",\"urn:IETF:params:scim:schemas:extension:enterprise:2.0:"
				"user\":{\"Department\":\"D\"}}",
	    0, NULL);
	json_t *v = scim_read(SCIM_USER, in, &fault);
	char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text,
	    "{\"active\":true,\"emails\":[{\"value\":\"a@b.example\"}],\"" SCIM_ENTERPRISE_URN
	    "\":{\"department\":\"D\"},\"userName\":\"u\"}");
	free(text);
	json_decref(v);
	json_decref(in);
}

static void selected(const char *attributes, const char *excluded, const char *expected)
{
	json_t *v = user();
	scim_select(SCIM_USER, v, slice_str(attributes), slice_str(excluded), &mem);
	char *text = json_dumps(v, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(v);
}

static void attributes_are_chosen(void **state)
{
	selected("userName", "", "{\"id\":\"7\",\"userName\":\"Hana@here.example\"}");
	selected("EMAILS.type, department", "",
	    "{\"id\":\"7\",\"emails\":[{\"type\":\"work\"},{\"type\":\"home\"}],\"" SCIM_ENTERPRISE_URN
	    "\":{\"department\":\"Sales\"}}");
	selected("", "emails,meta,name.givenName,id,active,externalId,manager",
	    "{\"id\":\"7\",\"userName\":\"Hana@here.example\",\"name\":{\"familyName\":\"山田\"},"
	    "\"" SCIM_ENTERPRISE_URN "\":{\"department\":\"Sales\"}}");
}

static void refusals_pass_as_text(void **state)
{
	const char *why;
	result_ignore(scim_fail(&fault, "uniqueness", "taken: %s", "x"));
	assert_string_equal(scim_fault_read(scim_fault_text(&fault, &mem), &why), "uniqueness");
	assert_string_equal(why, "taken: x");
	assert_null(scim_fault_read("the disk: full", &why));
	assert_string_equal(why, "the disk: full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filters_choose),
	    cmocka_unit_test(what_is_no_filter),
	    cmocka_unit_test(filters_have_limits),
	    cmocka_unit_test(what_only_one_can_be),
	    cmocka_unit_test(changes_as_the_standard_has_them),
	    cmocka_unit_test(changes_as_clients_write_them),
	    cmocka_unit_test(many_members_come_once_each),
	    cmocka_unit_test(changes_that_are_refused),
	    cmocka_unit_test(values_have_their_form),
	    cmocka_unit_test(attributes_are_chosen),
	    cmocka_unit_test(refusals_pass_as_text),
	};
	return cmocka_run_group_tests(tests, NULL, free_memory);
}
