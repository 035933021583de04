/* Accounts and groups as an identity provider keeps them, in the store: on both engines, and for the sanitizers. */
#include "store_help.h"
#include <jansson.h>

static struct store_kit kit;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

static json_t *ask(const char *verb, const char *args)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, verb, args, &r);
	if (r != OK)
		fail_msg("%s %s: %s", verb, args, result_name(r));
	return v;
}

static void refused(const char *verb, const char *args)
{
	enum result r;
	json_decref(store_kit_admin(&kit, verb, args, &r));
	assert_int_not_equal(r, OK);
}

static const char *text(const json_t *v, const char *key)
{
	const char *z = json_string_value(json_object_get(v, key));
	return z ? z : "";
}

/* The id of what was made. */
static const char *made(const char *verb, const char *args)
{
	json_t *v = ask(verb, args);
	const char *id = arena_printf(&mem, "%s", text(v, "id"));
	json_decref(v);
	return id;
}

static const char *state_of(const char *address)
{
	json_t *v = ask("account.show", arena_printf(&mem, "{\"address\":\"%s\"}", address));
	const char *state = arena_printf(&mem, "%s", text(v, "state"));
	json_decref(v);
	return state;
}

static void operate(const char *kind, const char *id, const char *operation)
{
	json_decref(ask(arena_printf(&mem, "scim.%s.patch", kind),
	    arena_printf(&mem, "{\"id\":\"%s\",\"change\":{\"Operations\":[%s]}}", id, operation)));
}

static json_int_t found(const char *verb, const char *filter)
{
	json_t *v = ask(verb, arena_printf(&mem, "{\"filter\":\"%s\"}", filter));
	json_int_t n = json_integer_value(json_object_get(v, "totalResults"));
	json_decref(v);
	return n;
}

static void a_user_comes_changes_and_leaves(void **state)
{
	const char *boss = made("scim.user.add", "{\"resource\":{\"userName\":\"boss\"}}");
	const char *id =
	    made("scim.user.add", arena_printf(&mem,
				      "{\"resource\":{\"userName\":\"hana@here.example\",\"externalId\":"
				      "\"x1\",\"title\":\"T\",\"emails\":[{\"value\":"
				      "\"h@out.example\"},{\"value\":\"hana.2@here.example\"},{\"value\":"
				      "\"hana@here.example\",\"type\":\"work\"}],"
				      "\"name\":{\"familyName\":\"山田\",\"givenName\":\"花子\"},\"urn:ietf:"
				      "params:scim:schemas:extension:enterprise:2.0:User\":"
				      "{\"department\":\"D\",\"employeeNumber\":\"7\",\"costCenter\":\"c\","
				      "\"manager\":{\"value\":\"%s\"}}}}",
				      boss));
	json_t *person = ask("person.show", "{\"address\":\"hana@here.example\"}");
	assert_string_equal(text(person, "name"), "山田 花子");
	assert_string_equal(text(person, "manager"), "boss@here.example");
	json_decref(person);
	assert_int_equal(found("scim.user.list", "externalId eq \\\"x1\\\""), 1);
	assert_int_equal(found("scim.user.list", "userName eq \\\"BOSS\\\""), 1);
	assert_int_equal(found("scim.user.list", "emails.value co \\\"out.example\\\""), 1);
	refused("scim.user.add", "{\"resource\":{\"userName\":\"HANA@here.example\"}}");
	refused("scim.user.list", "{\"filter\":\"userName\"}");
	operate("user", id, "{\"op\":\"replace\",\"path\":\"active\",\"value\":false}");
	assert_string_equal(state_of("hana@here.example"), "suspended");
	operate("user", id,
	    "{\"op\":\"replace\",\"path\":\"active\",\"value\":true},{\"op\":\"remove\",\"path\":\"emails["
	    "value sw \\\"hana.2\\\"]\"}");
	assert_string_equal(state_of("hana@here.example"), "active");
	refused("account.show", "{\"address\":\"hana.2@here.example\"}");
	refused("scim.user.patch",
	    arena_printf(
		&mem, "{\"id\":\"%s\",\"change\":{\"Operations\":[{\"op\":\"add\",\"path\":\"x\"}]}}", id));
	json_decref(ask("scim.user.remove", arena_printf(&mem, "{\"id\":\"%s\"}", id)));
	assert_string_equal(state_of("hana@here.example"), "left");
	refused("scim.user.show", arena_printf(&mem, "{\"id\":\"%s\"}", id));
	assert_string_equal(made("scim.user.add",
				"{\"resource\":{\"userName\":\"hana@here.example\",\"externalId\":\"x1\"}}"),
	    id);
	assert_string_equal(state_of("hana@here.example"), "active");
}

static void a_group_keeps_whom_nobody_shows(void **state)
{
	const char *one = made("scim.user.add", "{\"resource\":{\"userName\":\"one\"}}");
	const char *id = made("scim.group.add",
	    arena_printf(&mem,
		"{\"resource\":{\"displayName\":\"All of us\",\"members\":[{\"value\":\"%s\"}]}}", one));
	assert_string_equal(id, "all-of-us@here.example");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"all-of-us@here.example\",\"member\":[\"x@out.example\"]}");
	json_decref(ask(
	    "scim.group.put", "{\"id\":\"all-of-us@here.example\",\"resource\":{\"displayName\":\"We\"}}"));
	json_t *group = ask("group.show", "{\"address\":\"all-of-us@here.example\"}");
	assert_int_equal(json_array_size(json_object_get(group, "member")), 1);
	json_decref(group);
	assert_int_equal(found("scim.group.list", "displayName eq \\\"we\\\""), 1);
	refused("scim.group.add", "{\"resource\":{\"displayName\":\"we\"}}");
	refused("scim.group.put",
	    "{\"id\":\"all-of-us@here.example\",\"version\":\"x\",\"resource\":{\"displayName\":\"V\"}}");
	json_decref(ask("scim.group.remove", "{\"id\":\"all-of-us@here.example\"}"));
	refused("scim.group.show", "{\"id\":\"all-of-us@here.example\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_user_comes_changes_and_leaves, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_group_keeps_whom_nobody_shows, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
