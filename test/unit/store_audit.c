/* Who did what: one row for every act, refused or not, and no row can be changed, taken out or put in unseen. */
#include "store_help.h"
#include "store/audit/audit.h"
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;

static const struct {
	const char *name, *args;
	bool recorded;
} verbs[] = {
#define LOOK false
#define READ true
#define WRITE true
#define WAIT true
#define ACT true
#define SEEK true
#define X(verb, function, kind, args, en, ja) {verb, args, kind},
#include "store/admin/admin.def"
#undef X
#undef LOOK
#undef READ
#undef WRITE
#undef WAIT
#undef ACT
#undef SEEK
};

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\",\"name\":\"Taro\"}");
	return 0;
}

static int tear_down(void **state)
{
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

/* Changes the database as whoever holds it could. */
static void tamper(const char *sql)
{
	if (test_database_is_server()) {
		test_database_sql(&kit.database, sql);
		return;
	}
	char path[96];
	sqlite3 *db;
	snprintf(path, sizeof path, "%s/db", kit.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static json_t *ask(const char *verb, const char *args)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	return v;
}

/* The newest row. The caller frees it. */
static json_t *newest(void)
{
	json_t *list = ask("audit.list", "{\"limit\":2}");
	/* The newest of all may be an earlier reading of this list. */
	size_t at = 0;
	while (
	    strcmp(json_string_value(json_object_get(json_array_get(list, at), "act")), "audit.list") == 0 &&
	    at + 1 < json_array_size(list))
		at++;
	json_t *row = json_incref(json_array_get(list, at));
	json_decref(list);
	return row;
}

static json_int_t rows(void)
{
	json_t *v = ask("audit.verify", "{}");
	assert_true(json_is_true(json_object_get(v, "whole")));
	json_int_t n = json_integer_value(json_object_get(v, "rows"));
	json_decref(v);
	return n;
}

static void assert_text(const json_t *row, const char *member, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(row, member)), expected);
}

/* A refusal leaves a row whatever the verb: the command is nobody's session. */
static int recorded(const char *verb, int by_itself)
{
	return strncmp(verb, "me.", 3) == 0 ? 1 : by_itself;
}

/* audit.verify counts what was there before it was recorded itself. */
static void every_verb_leaves_one_row(void **state)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		json_int_t before = rows();
		enum result r;
		json_decref(
		    store_kit_admin(&kit, verbs[i].name, "{\"address\":\"nobody@here.example\"}", &r));
		json_int_t after = rows();
		if (after != before + 1 + recorded(verbs[i].name, verbs[i].recorded))
			print_error("%s: %lld rows\n", verbs[i].name, (long long)(after - before - 1));
		assert_int_equal(after, before + 1 + recorded(verbs[i].name, verbs[i].recorded));
	}
}

static void a_row_tells_what_was_done(void **state)
{
	char uid[40];
	snprintf(uid, sizeof uid, "uid %u", (unsigned)getuid());
	json_decref(ask("quota.set", "{\"who\":\"taro@here.example\",\"storage\":\"10M\"}"));
	json_t *row = newest();
	assert_text(row, "act", "quota.set");
	assert_text(row, "object", "taro@here.example");
	assert_text(row, "who", uid);
	assert_text(row, "role", "system");
	assert_text(row, "from", "command");
	assert_text(row, "result", "ok");
	assert_text(json_object_get(row, "args"), "storage", "10M");
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(row, "after"), "octets_limit")), 10 << 20);
	assert_null(json_object_get(row, "reason"));
	json_decref(row);
	json_decref(ask("account.suspend", "{\"address\":\"taro@here.example\"}"));
	row = newest();
	assert_text(json_object_get(row, "before"), "state", "active");
	assert_text(json_object_get(row, "after"), "state", "suspended");
	json_decref(row);
	json_decref(ask("account.resume", "{\"address\":\"taro@here.example\"}"));
}

static void what_is_refused_is_told_with_its_reason(void **state)
{
	enum result r;
	json_decref(store_kit_admin(&kit, "account.remove", "{\"address\":\"nobody@here.example\"}", &r));
	assert_int_equal(r, GONE);
	json_t *row = newest();
	assert_text(row, "act", "account.remove");
	assert_text(row, "result", result_name(GONE));
	assert_non_null(strstr(json_string_value(json_object_get(row, "reason")), "nobody@here.example"));
	json_decref(row);
}

static void secrets_are_left_out(void **state)
{
	enum result r;
	json_decref(store_kit_admin(
	    &kit, "account.show", "{\"address\":\"taro@here.example\",\"password\":\"correct horse\"}", &r));
	json_t *row = newest();
	char *text = json_dumps(row, 0);
	assert_null(strstr(text, "correct horse"));
	free(text);
	json_decref(row);
}

static void rows_are_found(void **state)
{
	json_decref(ask("account.add", "{\"address\":\"hana@here.example\"}"));
	json_decref(ask("account.suspend", "{\"address\":\"hana@here.example\"}"));
	json_t *list = ask("audit.list", "{\"object\":\"hana@here.example\"}");
	assert_int_equal(json_array_size(list), 2);
	assert_text(json_array_get(list, 0), "act", "account.suspend");
	json_decref(list);
	list = ask("audit.list", "{\"object\":\"hana@here.example\",\"act\":\"account.add\"}");
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	list = ask("audit.list", "{\"who\":\"uid 4294967294\"}");
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

/* Whoever has the export alone comes to the same links. */
static void an_export_can_be_followed(void **state)
{
	uint8_t link[AUDIT_LINK] = {0};
	json_t *page = ask("audit.export", "{}"), *row;
	size_t i;
	assert_true(json_array_size(json_object_get(page, "rows")) > 5);
	json_array_foreach(json_object_get(page, "rows"), i, row)
	{
		BUF_LOCAL(hex, 100);
		audit_link(link, slice_str(json_string_value(json_object_get(row, "text"))), link);
		for (size_t k = 0; k < sizeof link; k++)
			buf_printf(&hex, "%02x", link[k]);
		assert_string_equal(json_string_value(json_object_get(row, "link")), buf_z(&hex));
	}
	json_decref(page);
}

static void assert_wrong(json_int_t number, const char *why)
{
	json_t *v = ask("audit.verify", "{}");
	assert_true(json_is_false(json_object_get(v, "whole")));
	assert_int_equal(json_integer_value(json_object_get(v, "wrong")), number);
	assert_text(v, "why", why);
	json_decref(v);
}

static void whatever_is_changed_is_seen(void **state)
{
	rows();
	tamper("UPDATE audit SET at = at + 1 WHERE number = 2");
	assert_wrong(2, "a row was changed");
	tamper("UPDATE audit SET at = at - 1 WHERE number = 2");
	rows();
	tamper("UPDATE audit SET act = 'status' WHERE number = 3");
	assert_wrong(3, "a row was changed");
	tamper("DELETE FROM audit WHERE number = 3");
	assert_wrong(3, "a row is missing");
	tamper("UPDATE audit SET number = 3 WHERE number = 4");
	assert_wrong(3, "a row was changed");
	tamper("DELETE FROM audit WHERE number < 4");
	assert_wrong(1, "a row is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_row_tells_what_was_done),
	    cmocka_unit_test(what_is_refused_is_told_with_its_reason),
	    cmocka_unit_test(secrets_are_left_out),
	    cmocka_unit_test(rows_are_found),
	    cmocka_unit_test(every_verb_leaves_one_row),
	    cmocka_unit_test(an_export_can_be_followed),
	    cmocka_unit_test(whatever_is_changed_is_seen),
	};
	return cmocka_run_group_tests_name("store_audit", tests, set_up, tear_down);
}
