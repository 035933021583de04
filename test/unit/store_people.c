/* Leaving, break-glass, who opened whose mailbox, and accounts that nobody uses. */
#include "store_help.h"
#include "store/mailbox/access.h"
#include "store/account/people.h"
#include "store/admin/posture.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t hana, taro, jiro, boss;

static int64_t add(const char *local)
{
	return store_kit_must(&kit, "account.add",
	    arena_printf(&mem, "{\"address\":\"%s@here.example\",\"name\":\"%s\"}", local, local));
}

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	boss = add("boss");
	hana = add("hana");
	taro = add("taro");
	jiro = add("jiro");
	return 0;
}

static int tear_down(void **state)
{
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

/* Runs a verb as an account of the server would (0: a token that is nobody's, with everything). */
static enum result as(int64_t account, const char *verb, const char *args, json_t **out)
{
	ARENA_LOCAL(a, (size_t)8 << 20);
	struct powers powers = powers_root();
	if (account) {
		READER r = reader_begin(kit.store);
		assert_int_equal(powers_of_account(r.db, account, &a, &powers), OK);
	}
	struct actor actor = {
	    .audit = {arena_printf(&a, "account %lld", (long long)account), "none", "127.0.0.1"},
	    .account = account};
	json_t *json = admin_args(args);
	struct admin admin = {
	    .store = kit.store, .arena = &a, .args = json, .actor = &actor, .powers = &powers};
	enum result r = admin_run(&admin, verb);
	json_decref(json);
	if (out)
		*out = admin.answer;
	else
		json_decref(admin.answer);
	return r;
}

static json_t *ask(const char *verb, const char *args)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	return v;
}

static void refused(const char *verb, const char *args)
{
	enum result r;
	json_decref(store_kit_admin(&kit, verb, args, &r));
	assert_int_not_equal(r, OK);
}

static void assert_text(const json_t *v, const char *member, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(v, member)), expected);
}

/* A person who has everything that can end. */
static void furnish(const char *local)
{
	store_kit_must(&kit, "group.add",
	    arena_printf(&mem,
		"{\"address\":\"all@here.example\",\"member\":[\"%s@here.example\",\"boss@here.example\"]}",
		local));
	store_kit_must(&kit, "alias.add",
	    arena_printf(&mem,
		"{\"address\":\"sales@here.example\",\"target\":[\"%s@here.example\",\"boss@here.example\"]}",
		local));
	store_kit_must(&kit, "alias.add",
	    arena_printf(&mem, "{\"address\":\"%s.own@here.example\",\"target\":[\"%s@here.example\"]}",
		local, local));
	store_kit_must(&kit, "role.give",
	    arena_printf(&mem, "{\"address\":\"%s@here.example\",\"role\":\"helpdesk\"}", local));
	store_kit_must(&kit, "mailbox.grant",
	    arena_printf(&mem,
		"{\"address\":\"boss@here.example\",\"mailbox\":\"INBOX\",\"who\":\"%s@here.example\","
		"\"rights\":\"read\"}",
		local));
	store_kit_must(&kit, "delegate.add",
	    arena_printf(&mem,
		"{\"address\":\"boss@here.example\",\"who\":\"%s@here.example\",\"mode\":\"as\"}", local));
	store_kit_must(&kit, "sieve.put",
	    arena_printf(&mem,
		"{\"address\":\"%s@here.example\",\"name\":\"mine\",\"text\":\"redirect "
		"\\\"x@out.example\\\";\"}",
		local));
	store_kit_must(&kit, "sieve.activate",
	    arena_printf(&mem, "{\"address\":\"%s@here.example\",\"name\":\"mine\"}", local));
}

static size_t members(const char *verb, const char *address, const char *who)
{
	json_t *v = ask(verb, arena_printf(&mem, "{\"address\":\"%s\"}", address));
	char *text = json_dumps(v, JSON_ENCODE_ANY);
	bool in = strstr(text, who) != NULL;
	free(text);
	json_decref(v);
	return in;
}

static void assert_left(int64_t account, const char *local)
{
	char *address = arena_printf(&mem, "{\"address\":\"%s@here.example\"}", local);
	char *at = arena_printf(&mem, "%s@here.example", local);
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "imap");
	assert_int_equal(c.fd, -1);
	json_t *v = ask("account.show", address);
	assert_text(v, "state", "left");
	assert_int_equal(json_array_size(json_object_get(v, "roles")), 0);
	json_decref(v);
	assert_false(members("group.show", "all@here.example", at));
	assert_false(members("mailbox.list", "boss@here.example", at));
	v = ask("delegate.list", "{}");
	assert_int_equal(json_array_size(v), 0);
	json_decref(v);
	v = ask("alias.list", "{}");
	char *text = json_dumps(v, 0);
	assert_non_null(strstr(text, ".own@here.example"));
	free(text);
	json_decref(v);
	v = ask("sieve.list", address);
	size_t i;
	json_t *script;
	json_array_foreach(v, i, script)
	{
		bool active = json_is_true(json_object_get(script, "active"));
		assert_int_equal(
		    active, strcmp(json_string_value(json_object_get(script, "name")), "left") == 0);
	}
	json_decref(v);
	/* Mail for them is still taken. */
	char *message = kit_message("to who has left", 300);
	assert_int_equal(deliver(&kit, "x@out.example", at, message), OK);
	free(message);
}

static void everything_ends_at_once(void **state)
{
	furnish("taro");
	struct ipc session = store_kit_login(&kit, (uint64_t)taro, "imap");
	assert_true(session.fd >= 0);
	refused("offboard.add", "{\"address\":\"taro@here.example\",\"to\":\"taro@here.example\"}");
	refused("offboard.add", "{\"address\":\"taro@here.example\",\"to\":\"nobody@here.example\"}");
	refused("offboard.add", "{\"address\":\"taro@here.example\",\"forward\":true}");
	json_t *v = ask("offboard.add", "{\"address\":\"taro@here.example\",\"to\":\"hana@here.example\","
					"\"successor\":\"hana@here.example\","
					"\"reply\":\"gone \\\"for good\\\" \\\\o/\"}");
	assert_text(v, "state", "left");
	assert_true(json_array_size(json_object_get(v, "steps")) >= 8);
	json_decref(v);
	assert_int_equal(do_name(&session, ASK_STORE_STATUS, "INBOX"), STOP);
	ipc_close(&session);
	assert_left(taro, "taro");
	assert_true(members("mailbox.list", "taro@here.example", "hana@here.example"));
	refused("offboard.add", "{\"address\":\"taro@here.example\"}");
	refused("offboard.cancel", "{\"address\":\"taro@here.example\"}");
	/* He comes back: nothing that ended comes back with him. */
	store_kit_must(&kit, "account.resume", "{\"address\":\"taro@here.example\"}");
	v = ask("account.show", "{\"address\":\"taro@here.example\"}");
	assert_text(v, "state", "active");
	json_decref(v);
	v = ask("sieve.list", "{\"address\":\"taro@here.example\"}");
	size_t i;
	json_t *script;
	json_array_foreach(v, i, script)
	{
		assert_false(json_is_true(json_object_get(script, "active")));
	}
	json_decref(v);
}

static void it_can_be_planned_and_called_off(void **state)
{
	int64_t later = clock_utc_ms() + 60 * MINUTE_MS;
	json_t *v = ask("offboard.add",
	    arena_printf(&mem, "{\"address\":\"jiro@here.example\",\"at_ms\":%lld,\"keep_days\":1}",
		(long long)later));
	assert_text(v, "state", "planned");
	json_decref(v);
	people_round(kit.store);
	v = ask("account.show", "{\"address\":\"jiro@here.example\"}");
	assert_text(v, "state", "active");
	json_decref(v);
	store_kit_must(&kit, "offboard.cancel", "{\"address\":\"jiro@here.example\"}");
	furnish("jiro");
	store_kit_must(&kit, "offboard.add",
	    arena_printf(&mem, "{\"address\":\"jiro@here.example\",\"at_ms\":%lld,\"keep_days\":1}",
		(long long)later));
	clock_shift(2 * 3600);
	people_round(kit.store);
	assert_left(jiro, "jiro");
	v = ask("audit.list", "{\"act\":\"offboard.run\"}");
	assert_int_equal(json_array_size(v), 1);
	assert_text(json_array_get(v, 0), "role", "schedule");
	assert_text(json_array_get(v, 0), "object", "jiro@here.example");
	json_decref(v);
	clock_shift(27 * 3600);
	people_round(kit.store);
	refused("account.show", "{\"address\":\"jiro@here.example\"}");
	v = ask("offboard.list", "{}");
	assert_text(json_array_get(v, 0), "state", "removed");
	json_decref(v);
	clock_shift(0);
}

static enum result read_mail(int64_t reader, const char *mailbox)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)reader, "imap");
	Sekisho__SelectAsk select = SEKISHO__SELECT_ASK__INIT;
	select.name = (char *)(uintptr_t)mailbox;
	assert_true(c.fd >= 0);
	enum result r = ASK(&c, SELECT, &select, NULL);
	ipc_close(&c);
	return r;
}

static json_int_t asked(int64_t who, const char *args, const char *state)
{
	json_t *v = NULL;
	assert_int_equal(as(who, "breakglass.ask", args, &v), OK);
	assert_text(v, "state", state);
	json_int_t id = json_integer_value(json_object_get(v, "id"));
	json_decref(v);
	return id;
}

static void nobody_reads_without_a_second_person(void **state)
{
	const char *of_taro = "Other Users/taro@here.example/INBOX";
	store_kit_must(&kit, "role.give", "{\"address\":\"boss@here.example\",\"role\":\"system\"}");
	store_kit_must(&kit, "role.give", "{\"address\":\"hana@here.example\",\"role\":\"auditor\"}");
	store_kit_must(&kit, "mailbox.revoke",
	    "{\"address\":\"taro@here.example\",\"mailbox\":\"INBOX\",\"who\":\"hana@here.example\"}");
	assert_int_equal(read_mail(boss, of_taro), GONE);
	assert_int_equal(as(boss, "breakglass.ask", "{\"address\":\"taro@here.example\"}", NULL), DENY);
	assert_int_equal(
	    as(boss, "breakglass.ask", "{\"address\":\"boss@here.example\",\"reason\":\"x\"}", NULL), DENY);
	assert_int_equal(
	    as(taro, "breakglass.ask", "{\"address\":\"boss@here.example\",\"reason\":\"x\"}", NULL), DENY);
	json_int_t id = asked(
	    boss, "{\"address\":\"taro@here.example\",\"reason\":\"a complaint\",\"minutes\":30}", "asked");
	char *it = arena_printf(&mem, "{\"id\":%lld}", (long long)id);
	assert_int_equal(read_mail(boss, of_taro), GONE);
	assert_int_equal(as(boss, "breakglass.consent", it, NULL), DENY);
	assert_int_equal(as(taro, "breakglass.consent", it, NULL), DENY);
	assert_int_equal(as(hana, "breakglass.consent", it, NULL), OK);
	assert_int_equal(read_mail(boss, of_taro), OK);
	assert_int_equal(read_mail(hana, of_taro), GONE);
	json_t *v = NULL;
	assert_int_equal(as(taro, "me.opened", "{}", &v), OK);
	assert_int_equal(json_array_size(v), 1);
	assert_text(json_array_get(v, 0), "who", "boss@here.example");
	assert_text(json_array_get(v, 0), "how", "breakglass");
	json_decref(v);
	v = ask("audit.list", "{\"act\":\"mailbox.open\"}");
	assert_int_equal(json_array_size(v), 1);
	assert_text(json_array_get(v, 0), "who", "boss@here.example");
	assert_text(json_array_get(v, 0), "object", "taro@here.example");
	json_decref(v);
	clock_shift(31 * 60);
	people_round(kit.store);
	assert_int_equal(read_mail(boss, of_taro), GONE);
	clock_shift(0);
	v = ask("breakglass.list", "{}");
	assert_text(json_array_get(v, 0), "state", "ended");
	json_decref(v);
}

/* A right he had before stays his; one that was refused or has lapsed never opens. */
static void what_was_his_stays_his(void **state)
{
	const char *of_taro = "Other Users/taro@here.example/INBOX";
	store_kit_must(&kit, "mailbox.grant",
	    "{\"address\":\"taro@here.example\",\"mailbox\":\"INBOX\",\"who\":\"boss@here.example\","
	    "\"rights\":\"read\"}");
	json_int_t id = asked(boss, "{\"address\":\"taro@here.example\",\"reason\":\"again\"}", "asked");
	char *it = arena_printf(&mem, "{\"id\":%lld}", (long long)id);
	assert_int_equal(as(hana, "breakglass.consent", it, NULL), OK);
	assert_int_equal(as(hana, "breakglass.consent", it, NULL), DENY);
	assert_int_equal(read_mail(boss, "Other Users/taro@here.example/Sent"), OK);
	assert_int_equal(as(hana, "breakglass.end", it, NULL), OK);
	assert_int_equal(read_mail(boss, "Other Users/taro@here.example/Sent"), GONE);
	assert_int_equal(read_mail(boss, of_taro), OK);
	id = asked(boss, "{\"address\":\"taro@here.example\",\"reason\":\"third\"}", "asked");
	assert_int_equal(
	    as(hana, "breakglass.refuse", arena_printf(&mem, "{\"id\":%lld}", (long long)id), NULL), OK);
	id = asked(boss, "{\"address\":\"taro@here.example\",\"reason\":\"fourth\"}", "asked");
	clock_shift(8 * 86400);
	people_round(kit.store);
	clock_shift(0);
	assert_int_equal(
	    as(hana, "breakglass.consent", arena_printf(&mem, "{\"id\":%lld}", (long long)id), NULL), DENY);
}

/* With nobody else to ask, the owner is told. */
static void where_nobody_else_is_the_owner_is_told(void **state)
{
	store_kit_must(&kit, "role.take", "{\"address\":\"hana@here.example\",\"role\":\"auditor\"}");
	asked(boss, "{\"address\":\"hana@here.example\",\"reason\":\"alone\"}", "open");
	struct ipc c = store_kit_login(&kit, (uint64_t)hana, "imap");
	Sekisho__SelectAnswer *box = do_select(&c, "INBOX");
	assert_true(box->status->messages >= 1);
	ipc_close(&c);
	assert_int_equal(read_mail(boss, "Other Users/hana@here.example/Sent"), OK);
}

static void who_uses_nothing_is_told(void **state)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)hana, "imap");
	ipc_close(&c);
	clock_shift(30 * 86400);
	json_t *v = ask("people.dormant", "{\"days\":29}");
	assert_true(json_array_size(v) >= 3);
	json_decref(v);
	c = store_kit_login(&kit, (uint64_t)hana, "imap");
	ipc_close(&c);
	for (unsigned i = 0; i < 100; i++) { /* it is written down by and by */
		v = ask("people.dormant", "{\"days\":29}");
		char *text = json_dumps(v, 0);
		bool there = strstr(text, "hana@here.example") != NULL;
		free(text);
		json_decref(v);
		if (!there)
			break;
		assert_true(i < 99);
		usleep(50000);
	}
	clock_shift(0);
}

/* The rules that are there from the first start keep their numbers, and new ones get others. */
static void rules_for_alerts_are_added_and_removed(void **state)
{
	json_t *v = ask("alert.rules", "{}");
	size_t first = json_array_size(v);
	json_decref(v);
	int64_t id = store_kit_must(&kit, "alert.add", "{\"name\":\"roles\",\"act\":\"role.*\"}");
	v = ask("alert.rules", "{}");
	assert_int_equal(json_array_size(v), first + 1);
	json_decref(v);
	json_decref(ask("alert.remove", arena_printf(&mem, "{\"id\":%lld}", (long long)id)));
	v = ask("alert.rules", "{}");
	assert_int_equal(json_array_size(v), first);
	json_decref(v);
}

static size_t open_alerts(void)
{
	json_t *v = ask("alert.list", "{\"open\":true}");
	size_t n = json_array_size(v);
	json_decref(v);
	return n;
}

/* Each act that matches raises one, each second one a rule that says twice; none the same row again. */
static void what_matches_a_rule_raises_an_alert(void **state)
{
	people_round(kit.store);
	size_t before = open_alerts();
	int64_t once =
	    store_kit_must(&kit, "alert.add", "{\"name\":\"quotas\",\"act\":\"quota.*\",\"result\":\"ok\"}");
	int64_t twice = store_kit_must(
	    &kit, "alert.add", "{\"name\":\"often\",\"act\":\"quota.set\",\"times\":2,\"minutes\":5}");
	int64_t nobody = store_kit_must(
	    &kit, "alert.add", "{\"name\":\"his\",\"act\":\"*\",\"who\":\"nobody@here.example\"}");
	refused("alert.add", "{\"name\":\"hours\",\"act\":\"*\",\"outside\":\"20-8\"}");
	json_decref(ask("quota.set", "{\"who\":\"jiro@here.example\",\"storage\":\"10M\"}"));
	people_round(kit.store);
	assert_int_equal(open_alerts(), before + 1);
	json_decref(ask("quota.set", "{\"who\":\"jiro@here.example\",\"storage\":\"20M\"}"));
	refused("quota.set", "{\"who\":\"nobody@here.example\",\"storage\":\"20M\"}");
	people_round(kit.store);
	people_round(kit.store);
	assert_int_equal(open_alerts(), before + 3);
	json_t *v = ask("alert.list", "{\"open\":true,\"limit\":1}");
	char *ack = arena_printf(&mem, "{\"id\":%lld,\"note\":\"planned\"}",
	    (long long)json_integer_value(json_object_get(json_array_get(v, 0), "id")));
	json_decref(v);
	json_decref(ask("alert.ack", ack));
	refused("alert.ack", ack);
	assert_int_equal(open_alerts(), before + 2);
	for (size_t i = 0; i < 3; i++)
		json_decref(ask("alert.remove",
		    arena_printf(&mem, "{\"id\":%lld}", (long long[]){once, twice, nobody}[i])));
}

/* ---- the personnel list ---- */

static json_t *import(const char *text, const char *more)
{
	return ask("people.import", arena_printf(&mem, "{\"text\":\"%s\"%s}", text, more));
}

static size_t number_of(const json_t *v, const char *list)
{
	return json_array_size(json_object_get(v, list));
}

static void a_list_is_applied_whole_or_not(void **state)
{
	const char *head = "employee,address,name,department,manager\\n"
			   "E2,saburo@here.example,\\\"Sato, Saburo\\\",Sales,shiro@here.example\\n";
	char *good = arena_printf(&mem, "%sE1,shiro@here.example,Shiro,Sales,\\n", head);
	json_t *v = import(good, ",\"dry_run\":true");
	assert_int_equal(number_of(v, "added"), 2);
	assert_false(json_is_true(json_object_get(v, "applied")));
	json_decref(v);
	refused("account.show", "{\"address\":\"shiro@here.example\"}");
	v = import(arena_printf(&mem, "%sE2,goro@here.example,Goro,,\\n,x@here.example,X,,\\n", good), "");
	assert_int_equal(number_of(v, "errors"), 2);
	assert_false(json_is_true(json_object_get(v, "applied")));
	json_decref(v);
	refused("account.show", "{\"address\":\"shiro@here.example\"}");
	v = import(good, "");
	assert_true(json_is_true(json_object_get(v, "applied")));
	json_decref(v);
	v = ask("person.show", "{\"address\":\"saburo@here.example\"}");
	assert_text(v, "name", "Sato, Saburo");
	assert_text(v, "manager", "shiro@here.example");
	json_decref(v);
	v = import(good, "");
	assert_int_equal(number_of(v, "added") + number_of(v, "changed") + number_of(v, "missing"), 0);
	json_decref(v);
	v = import(head, "");
	assert_int_equal(number_of(v, "missing"), 1);
	json_decref(v);
	refused("people.import", "{\"text\":\"employee,address,unheard\\n\"}");
	refused("people.import", "{\"text\":\"employee,address\\n\\\"E1,x\\n\"}");
	refused("people.import", "{\"text\":\"\"}");
}

/* ---- signed days ---- */

/* The tests before this one have been in other days. */
static void a_day_is_signed_once(void **state)
{
	json_t *v = ask("audit.digests", "{}");
	size_t before = json_array_size(v);
	json_decref(v);
	clock_shift(40 * 86400);
	people_round(kit.store);
	people_round(kit.store);
	v = ask("audit.digests", "{}");
	assert_int_equal(json_array_size(v), before + 1);
	json_decref(v);
	v = ask("audit.verify", "{}");
	assert_true(json_is_true(json_object_get(v, "whole")));
	assert_int_equal(json_integer_value(json_object_get(v, "signed_days")), before + 1);
	json_decref(v);
	v = ask("audit.key", "{}");
	assert_non_null(strstr(json_string_value(json_object_get(v, "pem")), "PUBLIC KEY"));
	json_decref(v);
	clock_shift(0);
}

/* ---- posture ---- */

static const char *posture_state(const char *code)
{
	static char state[20];
	json_t *v = ask("posture", "{}"), *row;
	size_t i;
	state[0] = 0;
	json_array_foreach(json_object_get(v, "checks"), i,
	    row) if (strcmp(json_string_value(json_object_get(row, "code")), code) == 0)
	    snprintf(state, sizeof state, "%s", json_string_value(json_object_get(row, "state")));
	json_decref(v);
	return state;
}

static size_t alarms_of(const char *kind)
{
	json_t *list = ask("alarm.list", "{}"), *row;
	size_t i, n = 0;
	json_array_foreach(list, i, row) n +=
	    strcmp(json_string_value(json_object_get(row, "kind")), kind) == 0;
	json_decref(list);
	return n;
}

/* It was looked at long ago, and all was well, or as bad as can be. */
static enum result apply_long_ago(struct job *j, struct db *db)
{
	(void)j;
	DB_RUN(db, NUMBER_SET, DZ("posture told"), DI(1));
	DB_RUN(db, NUMBER_SET, DZ("posture wrong"), DI(kit.settings.dkim_sign ? 0x7fff : 0));
	return OK;
}

static void worse_is_told_once(void **state)
{
	struct job j = {.store = kit.store, .apply = apply_long_ago};
	bool signs = kit.settings.dkim_sign;
	kit.settings.dkim_sign = true;
	assert_string_equal(posture_state("signing"), "ok");
	assert_string_equal(posture_state("relay"), "ok");
	assert_string_equal(posture_state("alarms"), "warning");
	assert_int_equal(writer_wait(kit.store->writer, &j), OK); /* nothing is worse than before */
	size_t before = alarms_of("posture.worse");
	posture_round(kit.store);
	assert_int_equal(alarms_of("posture.worse"), before);
	kit.settings.dkim_sign = false;
	assert_string_equal(posture_state("signing"), "wrong");
	posture_round(kit.store); /* an hour has not passed */
	assert_int_equal(alarms_of("posture.worse"), before);
	assert_int_equal(writer_wait(kit.store->writer, &j), OK);
	posture_round(kit.store);
	assert_int_equal(alarms_of("posture.worse"), before + 1);
	posture_round(kit.store);
	assert_int_equal(alarms_of("posture.worse"), before + 1);
	kit.settings.dkim_sign = signs;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_for_alerts_are_added_and_removed),
	    cmocka_unit_test(what_matches_a_rule_raises_an_alert),
	    cmocka_unit_test(everything_ends_at_once),
	    cmocka_unit_test(it_can_be_planned_and_called_off),
	    cmocka_unit_test(nobody_reads_without_a_second_person),
	    cmocka_unit_test(what_was_his_stays_his),
	    cmocka_unit_test(where_nobody_else_is_the_owner_is_told),
	    cmocka_unit_test(who_uses_nothing_is_told),
	    cmocka_unit_test(a_list_is_applied_whole_or_not),
	    cmocka_unit_test(a_day_is_signed_once),
	    cmocka_unit_test(worse_is_told_once),
	};
	return cmocka_run_group_tests_name("store_people", tests, set_up, tear_down);
}
