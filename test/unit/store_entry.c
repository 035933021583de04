/* Access rules as they are kept: in order, explained, and taken back when they shut people out and nobody confirms. */
#include "store_help.h"
#include "store/account/entry.h"
#include "store/account/signins.h"
#include <stdio.h>

static struct store_kit kit;
static int64_t taro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.access_confirm_ms = 5 * MINUTE_MS;
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
	store_kit_must(&kit, "account.add", "{\"address\":\"hana@here.example\"}");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"sales@here.example\",\"member\":[\"taro@here.example\"]}");
	return 0;
}

static int tear_down(void **state)
{
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	clock_shift(0);
	return 0;
}

static json_t *verb(const char *name, const char *args, enum result expected)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, name, args, &r);
	if (r != expected)
		print_error("%s %s\n", name, args);
	assert_int_equal(r, expected);
	return v;
}

static json_int_t add(const char *args)
{
	json_t *v = verb("access.add", args, OK);
	json_int_t id = json_integer_value(json_object_get(v, "id"));
	json_decref(v);
	return id;
}

static void remove_rule(json_int_t id)
{
	char args[60];
	snprintf(args, sizeof args, "{\"id\":%lld}", (long long)id);
	json_decref(verb("access.remove", args, OK));
}

static bool comes_in(int64_t account, enum door door, const char *at)
{
	struct entry_verdict v;
	struct ip ip;
	assert_int_equal(ip_read(slice_str(at), &ip), OK);
	assert_int_equal(entry_judge(kit.store, account, door, &ip, &v), OK);
	return v.allowed;
}

static size_t rules(void)
{
	json_t *v = verb("access.list", "{}", OK);
	size_t n = json_array_size(json_object_get(v, "rules"));
	json_decref(v);
	return n;
}

static void rules_are_in_force_at_once_and_in_order(void **state)
{
	json_int_t deny = add("{\"action\":\"deny\",\"services\":\"imap\",\"from\":\"203.0.113.0/24\"}");
	assert_false(comes_in(taro, DOOR_IMAP, "203.0.113.9"));
	assert_true(comes_in(taro, DOOR_POP3, "203.0.113.9"));
	char args[200];
	snprintf(args, sizeof args,
	    "{\"action\":\"allow\",\"services\":\"imap\",\"who\":\"group:sales@here.example\",\"before\":%"
	    "lld}",
	    (long long)deny);
	json_int_t allow = add(args);
	assert_true(comes_in(taro, DOOR_IMAP, "203.0.113.9"));
	assert_false(comes_in(taro + 1, DOOR_IMAP, "203.0.113.9"));
	json_t *v = verb("access.explain",
	    "{\"ip\":\"203.0.113.9\",\"service\":\"imap\",\"address\":\"hana@here.example\"}", OK);
	assert_string_equal(json_string_value(json_object_get(v, "verdict")), "refused");
	assert_int_equal(json_integer_value(json_object_get(v, "rule")), deny);
	json_t *steps = json_object_get(v, "steps");
	assert_int_equal(json_array_size(steps), 2);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(steps, 0), "outcome")), "somebody else");
	json_decref(v);
	/* Behind the other it decides nothing. */
	snprintf(args, sizeof args, "{\"id\":%lld}", (long long)allow);
	json_decref(verb("access.move", args, OK));
	assert_false(comes_in(taro, DOOR_IMAP, "203.0.113.9"));
	remove_rule(allow);
	remove_rule(deny);
	assert_int_equal(rules(), 0);
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const bad[] = {"{}", "{\"action\":\"maybe\",\"services\":\"imap\"}",
	    "{\"action\":\"deny\",\"services\":\"ftp\"}",
	    "{\"action\":\"deny\",\"services\":\"imap\",\"from\":\"Japan\"}",
	    "{\"action\":\"deny\",\"services\":\"imap\",\"who\":\"taro\"}"};
	for (size_t i = 0; i < COUNT(bad); i++)
		json_decref(verb("access.add", bad[i], DENY));
	json_decref(verb("access.remove", "{\"id\":12345}", GONE));
	json_decref(verb("access.move", "{\"id\":12345}", GONE));
	json_decref(verb("access.confirm", "{}", GONE));
}

/* He was seen at the console from one network, which a rule shuts out: it ends by itself unless somebody confirms. */
static void shutting_out_every_administrator_has_to_be_confirmed(void **state)
{
	Sekisho__Client c;
	struct signin in = {.account = taro, .door = DOOR_WEB, .client = &c};
	json_decref(verb("role.give", "{\"address\":\"taro@here.example\",\"role\":\"system\"}", OK));
	sekisho__client__init(&c);
	c.ip = (char *)(uintptr_t) "198.51.100.7";
	assert_int_equal(signin_judge(kit.store, &in), OK);
	signin_record(kit.store, &in, SIGNIN_IN);
	/* One that leaves him in needs no confirmation. */
	json_t *v =
	    verb("access.add", "{\"action\":\"deny\",\"services\":\"web\",\"from\":\"203.0.113.0/24\"}", OK);
	assert_null(json_object_get(v, "confirm_by_ms"));
	json_decref(v);
	v = verb("access.add",
	    "{\"action\":\"deny\",\"services\":\"web,admin\",\"from\":\"198.51.100.0/24\"}", OK);
	assert_string_equal(json_string_value(json_object_get(v, "shuts_out")), "every administrator");
	json_decref(v);
	assert_false(comes_in(taro, DOOR_WEB, "198.51.100.7"));
	json_decref(
	    verb("access.add", "{\"action\":\"deny\",\"services\":\"pop3\"}", DENY)); /* one at a time */
	clock_shift(clock_shifted() + 299);
	entry_tick(kit.store);
	assert_int_equal(rules(), 2);
	clock_shift(clock_shifted() + 2);
	entry_tick(kit.store);
	assert_int_equal(rules(), 1);
	assert_true(comes_in(taro, DOOR_WEB, "198.51.100.7"));
	v = verb("audit.list", "{\"act\":\"access.rollback\"}", OK);
	assert_int_equal(json_array_size(v), 1);
	json_decref(v);
	/* Confirmed it stays. */
	json_decref(verb(
	    "access.add", "{\"action\":\"deny\",\"services\":\"web\",\"from\":\"198.51.100.0/24\"}", OK));
	json_decref(verb("access.confirm", "{}", OK));
	clock_shift(clock_shifted() + 600);
	entry_tick(kit.store);
	assert_int_equal(rules(), 2);
	assert_false(comes_in(taro, DOOR_WEB, "198.51.100.7"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_are_in_force_at_once_and_in_order),
	    cmocka_unit_test(what_is_no_rule_is_refused),
	    cmocka_unit_test(shutting_out_every_administrator_has_to_be_confirmed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
