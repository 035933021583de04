/* Who may do what, for whom: the table, scopes, what excludes what, people and departments. */
#include "store_help.h"
#include "store/admin/admin.h"
#include "store/audit/audit.h"
#include <stdio.h>

static struct store_kit kit;

static int64_t add(const char *local, const char *domain)
{
	return store_kit_must(
	    &kit, "account.add", arena_printf(&mem, "{\"address\":\"%s@%s\"}", local, domain));
}

static int64_t root_id, hana, taro, jiro, other;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	store_kit_must(&kit, "domain.add", "{\"domain\":\"there.example\"}");
	root_id = add("root", "here.example");
	hana = add("hana", "here.example");
	taro = add("taro", "here.example");
	jiro = add("jiro", "here.example");
	other = add("other", "there.example");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"team@here.example\",\"member\":[\"jiro@here.example\"]}");
	store_kit_must(&kit, "department.add", "{\"name\":\"Sales\"}");
	store_kit_must(&kit, "department.add", "{\"name\":\"East\",\"parent\":\"Sales\"}");
	store_kit_must(&kit, "department.add", "{\"name\":\"Works\"}");
	store_kit_must(&kit, "person.set", "{\"address\":\"taro@here.example\",\"department\":\"East\"}");
	store_kit_must(&kit, "role.give", "{\"address\":\"root@here.example\",\"role\":\"system\"}");
	return 0;
}

static int tear_down(void **state)
{
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

/* Runs a verb as an account of the server would. The caller frees the answer. */
static enum result as(int64_t account, const char *verb, const char *args, json_t **out, bool *forbidden)
{
	ARENA_LOCAL(a, (size_t)8 << 20);
	struct powers powers;
	{
		READER r = reader_begin(kit.store);
		assert_non_null(r.db);
		assert_int_equal(powers_of_account(r.db, account, &a, &powers), OK);
	}
	struct actor actor = {
	    .audit = {arena_printf(&a, "account %lld", (long long)account), "none", "127.0.0.1"}};
	json_t *json = admin_args(args);
	struct admin admin = {
	    .store = kit.store, .arena = &a, .args = json, .actor = &actor, .powers = &powers};
	enum result r = admin_run(&admin, verb);
	json_decref(json);
	if (forbidden)
		*forbidden = admin.forbidden;
	if (out)
		*out = admin.answer;
	else
		json_decref(admin.answer);
	return r;
}

static void assert_may(int64_t account, const char *verb, const char *args)
{
	enum result r = as(account, verb, args, NULL, NULL);
	if (r != OK)
		print_error("%s %s: %s\n", verb, args, result_name(r));
	assert_int_equal(r, OK);
}

static void assert_may_not(int64_t account, const char *verb, const char *args)
{
	bool forbidden = false;
	assert_int_equal(as(account, verb, args, NULL, &forbidden), DENY);
	assert_true(forbidden);
}

static void give(const char *address, const char *role, const char *scope)
{
	store_kit_must(&kit, "role.give",
	    arena_printf(
		&mem, "{\"address\":\"%s\",\"role\":\"%s\",\"scope\":\"%s\"}", address, role, scope));
}

static void take(const char *address, const char *role, const char *scope)
{
	store_kit_must(&kit, "role.take",
	    arena_printf(
		&mem, "{\"address\":\"%s\",\"role\":\"%s\",\"scope\":\"%s\"}", address, role, scope));
}

static void refused(const char *verb, const char *args)
{
	enum result r;
	json_decref(store_kit_admin(&kit, verb, args, &r));
	assert_int_not_equal(r, OK);
}

static const struct {
	const char *verbs;
} rows[] = {
#define ROLE(name, verbs, gives, en, ja) {verbs},
#include "store/account/roles.def"
};
static const struct {
	const char *verb, *args, *member;
} confined[] = {
#define CONFINED(verb, args, member) {verb, args, member},
#include "store/account/roles.def"
};

static bool is_verb(struct slice pattern)
{
	size_t n;
	const struct admin_verb_row *verbs = admin_verb_rows(&n);
	bool all = slice_iends(pattern, SLICE("*"));
	for (size_t i = 0; i < n; i++)
		if (all ? slice_starts(slice_str(verbs[i].name), slice_sub(pattern, 0, pattern.n - 1))
			: slice_eq(pattern, slice_str(verbs[i].name)))
			return true;
	return false;
}

/* "me.*" may be there before its first verb is. */
static void the_table_names_verbs_that_are(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice rest = slice_str(rows[i].verbs);
		while (rest.n) {
			struct slice pattern = slice_split(&rest, ' ');
			if (!is_verb(pattern) && !slice_eq(pattern, SLICE("me.*")))
				fail_msg("no verb: " SLICE_FMT, SLICE_ARG(pattern));
		}
	}
	size_t n;
	const struct admin_verb_row *verbs = admin_verb_rows(&n);
	for (size_t i = 0; i < COUNT(confined); i++) {
		struct slice verb = slice_str(confined[i].verb), rest = slice_str(confined[i].args),
			     args = SLICE_NONE;
		for (size_t k = 0; k < n; k++)
			if (slice_eq(verb, slice_str(verbs[k].name)))
				args = slice_str(verbs[k].args);
		assert_true(is_verb(verb));
		while (rest.n) {
			struct slice name = slice_split(&rest, ' ');
			name.n -= slice_iends(name, SLICE("?"));
			assert_true(slice_search(args, name) >= 0);
		}
	}
}

/* Nobody but a system administrator does what no row names. */
static void whoever_has_no_role_does_nothing(void **state)
{
	size_t n;
	const struct admin_verb_row *verbs = admin_verb_rows(&n);
	for (size_t i = 0; i < n; i++)
		if (strncmp(verbs[i].name, "me.", 3) != 0)
			assert_may_not(hana, verbs[i].name, "{\"address\":\"taro@here.example\"}");
}

static void a_role_is_for_its_scope(void **state)
{
	give("hana@here.example", "user-admin", "domain:here.example");
	assert_may(hana, "account.show", "{\"address\":\"taro@here.example\"}");
	assert_may(hana, "account.add", "{\"address\":\"new@here.example\"}");
	assert_may_not(hana, "account.add", "{\"address\":\"new@there.example\"}");
	assert_may_not(hana, "account.show", "{\"address\":\"other@there.example\"}");
	assert_may_not(hana, "account.show", "{\"address\":\"OTHER@THERE.example\"}");
	assert_may_not(hana, "account.show", "{}");
	assert_may_not(hana, "domain.add", "{\"domain\":\"x.example\"}");
	assert_may_not(hana, "role.give", "{\"address\":\"taro@here.example\",\"role\":\"helpdesk\"}");
	take("hana@here.example", "user-admin", "domain:here.example");
	give("hana@here.example", "user-admin", "department:Sales");
	assert_may(hana, "account.show", "{\"address\":\"taro@here.example\"}");
	assert_may_not(hana, "account.show", "{\"address\":\"jiro@here.example\"}");
	assert_may_not(hana, "account.show", "{\"address\":\"nobody@here.example\"}");
	take("hana@here.example", "user-admin", "department:Sales");
	give("hana@here.example", "list-manager", "group:team@here.example");
	assert_may(hana, "group.member.add",
	    "{\"address\":\"team@here.example\",\"member\":[\"taro@here.example\"]}");
	assert_may(hana, "group.show", "{\"address\":\"team@here.example\"}");
	assert_may_not(hana, "group.show", "{\"address\":\"none@here.example\"}");
	take("hana@here.example", "list-manager", "group:team@here.example");
	assert_may_not(hana, "group.show", "{\"address\":\"team@here.example\"}");
}

static size_t listed(int64_t account, const char *verb, const char *args)
{
	json_t *list = NULL;
	assert_int_equal(as(account, verb, args, &list, NULL), OK);
	size_t n = json_array_size(list);
	json_decref(list);
	return n;
}

static void lists_tell_what_lies_inside(void **state)
{
	size_t all = listed(root_id, "account.list", "{}");
	give("hana@here.example", "helpdesk", "domain:here.example");
	assert_int_equal(listed(hana, "account.list", "{}"), all - 1);
	assert_int_equal(listed(hana, "account.list", "{\"domain\":\"there.example\"}"), 0);
	give("hana@here.example", "helpdesk", "domain:there.example");
	assert_int_equal(listed(hana, "account.list", "{}"), all);
	take("hana@here.example", "helpdesk", "domain:here.example");
	take("hana@here.example", "helpdesk", "domain:there.example");
	give("hana@here.example", "helpdesk", "department:Sales");
	assert_int_equal(listed(hana, "person.list", "{}"), 1);
	/* What cannot be kept within a scope is not told at all. */
	assert_may_not(hana, "queue.list", "{}");
	assert_may_not(hana, "trace", "{}");
	take("hana@here.example", "helpdesk", "department:Sales");
}

static void nobody_gives_himself_a_role(void **state)
{
	assert_int_equal(as(root_id, "role.give",
			     "{\"address\":\"root@here.example\",\"role\":\"domain-admin\"}", NULL, NULL),
	    DENY);
	assert_int_equal(
	    as(root_id, "role.take", "{\"address\":\"root@here.example\",\"role\":\"system\"}", NULL, NULL),
	    DENY);
	give("hana@here.example", "domain-admin", "domain:here.example");
	assert_may(hana, "role.give",
	    "{\"address\":\"taro@here.example\",\"role\":\"helpdesk\",\"scope\":\"domain:here.example\"}");
	assert_may_not(hana, "role.give", "{\"address\":\"taro@here.example\",\"role\":\"helpdesk\"}");
	assert_may_not(hana, "role.give",
	    "{\"address\":\"taro@here.example\",\"role\":\"system\",\"scope\":\"domain:here.example\"}");
	assert_may(hana, "role.take",
	    "{\"address\":\"taro@here.example\",\"role\":\"helpdesk\",\"scope\":\"domain:here.example\"}");
	take("hana@here.example", "domain-admin", "domain:here.example");
}

static void some_roles_exclude_each_other(void **state)
{
	give("taro@here.example", "auditor", "");
	refused("role.give", "{\"address\":\"taro@here.example\",\"role\":\"user-admin\"}");
	take("taro@here.example", "auditor", "");
	give("taro@here.example", "user-admin", "");
	refused("role.give", "{\"address\":\"taro@here.example\",\"role\":\"auditor\"}");
	take("taro@here.example", "user-admin", "");
	refused("role.give", "{\"address\":\"taro@here.example\",\"role\":\"everyone\"}");
	refused("role.give", "{\"address\":\"taro@here.example\",\"role\":\"emperor\"}");
	refused("role.give", "{\"address\":\"taro@here.example\",\"role\":\"auditor\",\"scope\":\"moon\"}");
}

static void the_last_administrator_stays(void **state)
{
	refused("role.take", "{\"address\":\"root@here.example\",\"role\":\"system\"}");
	refused("account.suspend", "{\"address\":\"root@here.example\"}");
	give("taro@here.example", "system", "");
	assert_int_equal(
	    as(taro, "account.remove", "{\"address\":\"taro@here.example\"}", NULL, NULL) == OK, true);
	taro = add("taro", "here.example");
	store_kit_must(&kit, "person.set", "{\"address\":\"taro@here.example\",\"department\":\"East\"}");
	json_t *list = NULL;
	assert_int_equal(as(root_id, "role.list", "{\"address\":\"taro@here.example\"}", &list, NULL), OK);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void nobody_opens_mail_to_himself(void **state)
{
	give("hana@here.example", "domain-admin", "");
	assert_int_equal(
	    as(hana, "mailbox.grant",
		"{\"address\":\"taro@here.example\",\"mailbox\":\"INBOX\",\"who\":\"hana@here.example\","
		"\"rights\":\"read\"}",
		NULL, NULL),
	    DENY);
	assert_int_equal(as(hana, "mailbox.grant",
			     "{\"address\":\"taro@here.example\",\"mailbox\":\"INBOX\",\"who\":\"anyone\","
			     "\"rights\":\"read\"}",
			     NULL, NULL),
	    DENY);
	assert_int_equal(as(hana, "account.handover",
			     "{\"address\":\"taro@here.example\",\"to\":\"hana@here.example\"}", NULL, NULL),
	    DENY);
	assert_may(hana, "mailbox.grant",
	    "{\"address\":\"taro@here.example\",\"mailbox\":\"INBOX\",\"who\":\"jiro@here.example\","
	    "\"rights\":\"read\"}");
	take("hana@here.example", "domain-admin", "");
}

static void people_have_managers_and_numbers(void **state)
{
	store_kit_must(&kit, "person.set",
	    "{\"address\":\"taro@here.example\",\"manager\":\"hana@here.example\",\"employee\":\"E1\","
	    "\"language\":\"ja\",\"second\":\"taro@home.example\",\"name\":\"太郎\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"manager\":\"taro@here.example\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"manager\":\"hana@here.example\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"employee\":\"E1\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"language\":\"tlh\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"second\":\"no address\"}");
	refused("person.set", "{\"address\":\"hana@here.example\",\"department\":\"Moon\"}");
	enum result r;
	json_t *v = store_kit_admin(&kit, "person.show", "{\"address\":\"taro@here.example\"}", &r);
	assert_int_equal(r, OK);
	assert_string_equal(json_string_value(json_object_get(v, "manager")), "hana@here.example");
	assert_string_equal(json_string_value(json_object_get(v, "department")), "East");
	assert_string_equal(json_string_value(json_object_get(v, "name")), "太郎");
	json_decref(v);
	store_kit_must(&kit, "person.set", "{\"address\":\"taro@here.example\",\"manager\":\"\"}");
	store_kit_must(
	    &kit, "person.set", "{\"address\":\"hana@here.example\",\"manager\":\"taro@here.example\"}");
	store_kit_must(&kit, "person.set", "{\"address\":\"hana@here.example\",\"manager\":\"\"}");
}

static void departments_are_a_tree(void **state)
{
	refused("department.add", "{\"name\":\"Sales\"}");
	refused("department.add", "{\"name\":\"\"}");
	refused("department.add", "{\"name\":\"X\",\"parent\":\"Moon\"}");
	refused("department.change", "{\"name\":\"Sales\",\"parent\":\"East\"}");
	refused("department.change", "{\"name\":\"Sales\",\"parent\":\"Sales\"}");
	refused("department.change", "{\"name\":\"Moon\",\"rename\":\"Mars\"}");
	refused("department.remove", "{\"name\":\"East\"}");
	refused("department.remove", "{\"name\":\"Sales\"}");
	store_kit_must(
	    &kit, "department.change", "{\"name\":\"Works\",\"rename\":\"工場\",\"parent\":\"Sales\"}");
	give("hana@here.example", "helpdesk", "department:工場");
	refused("department.remove", "{\"name\":\"工場\"}");
	take("hana@here.example", "helpdesk", "department:工場");
	store_kit_must(&kit, "department.remove", "{\"name\":\"工場\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_table_names_verbs_that_are),
	    cmocka_unit_test(whoever_has_no_role_does_nothing),
	    cmocka_unit_test(a_role_is_for_its_scope),
	    cmocka_unit_test(lists_tell_what_lies_inside),
	    cmocka_unit_test(nobody_gives_himself_a_role),
	    cmocka_unit_test(some_roles_exclude_each_other),
	    cmocka_unit_test(the_last_administrator_stays),
	    cmocka_unit_test(nobody_opens_mail_to_himself),
	    cmocka_unit_test(people_have_managers_and_numbers),
	    cmocka_unit_test(departments_are_a_tree),
	};
	return cmocka_run_group_tests_name("store_roles", tests, set_up, tear_down);
}
