/* Accounts of machines: they write to many from their own networks, and are accounts like others from anywhere else. */
#include "store_help.h"
#include <stdio.h>

static struct store_kit kit;
static int64_t scanner, shop;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.budget = budget_rules_default();
	if (store_kit_begin(&kit) != OK)
		return 1;
	store_kit_must(&kit, "access.add", "{\"action\":\"allow\",\"services\":\"smtp-auth\"}");
	scanner = store_kit_account(&kit, "scanner@here.example");
	shop = store_kit_account(&kit, "shop@here.example");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

static enum result ask(const char *verb, const char *args)
{
	enum result r;
	json_decref(store_kit_admin(&kit, verb, args, &r));
	return r;
}

static json_int_t number(const char *verb, const char *args, const char *key)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	json_int_t n = json_integer_value(json_object_get(v, key));
	json_decref(v);
	return n;
}

static json_int_t held(const char *args)
{
	return number("budget.show", args, "held");
}

/* To n people nobody here ever wrote to, with one text, until the account is stopped. */
static void send_many(int64_t account, const char *name, const char *ip, unsigned n)
{
	static unsigned to_whom;
	kit.ip = ip;
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "submission");
	kit.ip = NULL;
	assert_true(c.fd >= 0);
	for (unsigned i = 0; i < n; i++) {
		char from[60], to[60], message[300];
		snprintf(from, sizeof from, "%s@here.example", name);
		snprintf(to, sizeof to, "someone%u@there.example", to_whom++);
		snprintf(message, sizeof message,
		    "From: <%s>\r\nMessage-ID: <scan%u@here.example>\r\nSubject: a "
		    "scan\r\n\r\n"
		    "A document was scanned for you. It lies beside the machine on the second floor.\r\n",
		    from, to_whom);
		enum result r =
		    kit_deliver_text(&kit, &c, &(struct kit_envelope){.from = from, .to = {to}}, message);
		if (r == STOP)
			break;
		assert_int_equal(r, OK);
	}
	ipc_close(&c);
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const wrong[] = {"\"network\":[\"here\"]", "\"network\":[\"0.0.0.0/0\"]",
	    "\"network\":[\"2000::/3\"]", "\"network\":[]", "\"network\":[\"192.0.2.0/24\",\"192.0.2\"]"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char args[200];
		snprintf(args, sizeof args,
		    "{\"address\":\"scanner@here.example\",\"hour\":300,\"day\":300,%s}", wrong[i]);
		assert_int_equal(ask("budget.set", args), DENY);
	}
	assert_int_equal(
	    ask("budget.set",
		"{\"address\":\"scanner@here.example\",\"hour\":0,\"day\":5,\"network\":[\"192.0.2.1\"]}"),
	    DENY);
	assert_int_equal(
	    ask("budget.set",
		"{\"address\":\"nobody@here.example\",\"hour\":1,\"day\":5,\"network\":[\"192.0.2.1\"]}"),
	    GONE);
}

static void a_machine_writes_to_many_from_its_own_network(void **state)
{
	store_kit_must(&kit, "budget.set",
	    "{\"address\":\"scanner@here.example\",\"hour\":300,\"day\":400,\"network\":[\"192.0.2.0/"
	    "24\",\"2001:db8::/48\"]}");
	send_many(scanner, "scanner", "192.0.2.7", 250);
	send_many(scanner, "scanner", "2001:db8::7", 50);
	assert_int_equal(held("{\"address\":\"scanner@here.example\"}"), 0);
	/* What it was not allowed is held, and what still waits with it. */
	send_many(scanner, "scanner", "192.0.2.7", 3);
	assert_int_equal(held("{\"address\":\"scanner@here.example\"}"), 303);
}

static void from_anywhere_else_it_is_an_account_like_others(void **state)
{
	store_kit_must(&kit, "budget.set",
	    "{\"address\":\"shop@here.example\",\"hour\":300,\"day\":400,\"network\":[\"192.0.2.0/24\"]}");
	send_many(shop, "shop", "198.51.100.7", 60);
	assert_true(held("{\"address\":\"shop@here.example\"}") >= 20);
	store_kit_must(&kit, "budget.reset", "{\"address\":\"shop@here.example\"}");
	enum result r;
	json_t *shown = store_kit_admin(&kit, "budget.show", "{\"address\":\"shop@here.example\"}", &r);
	assert_null(json_object_get(shown, "machine"));
	json_decref(shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_no_network_is_refused),
	    cmocka_unit_test(a_machine_writes_to_many_from_its_own_network),
	    cmocka_unit_test(from_anywhere_else_it_is_an_account_like_others),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
