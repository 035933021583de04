/* Access rules: the first that fits decides, and says so. */
#include "policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static bool is_sales(void *context, enum access_who who, struct slice name)
{
	return who == ACCESS_GROUP && slice_eq(name, SLICE("sales@here.example"));
}

static bool is_nobody(void *context, enum access_who who, struct slice name)
{
	return false;
}

static struct access_rule rule(
    enum access_action action, const char *doors, const char *who, const char *place)
{
	struct access_rule r = {.action = action};
	struct slice wrong;
	assert_int_equal(doors_read(slice_str(doors), &r.doors), OK);
	assert_int_equal(access_who_read(slice_str(who), &r.who, &r.name), OK);
	assert_int_equal(access_place_read(slice_str(place), &r, &wrong), OK);
	return r;
}

static struct access_ask from(enum door door, const char *ip, const char *country)
{
	struct access_ask a = {.door = door, .country = country, .is = is_nobody};
	assert_int_equal(ip_read(slice_str(ip), &a.ip), OK);
	return a;
}

static bool allowed(const struct access_rules *rules, struct access_ask ask)
{
	struct access_verdict v;
	access_judge(rules, &ask, &v);
	return v.allowed;
}

static void the_first_rule_that_fits_decides(void **state)
{
	struct access_rule at[] = {rule(ACCESS_ALLOW, "imap,pop3", "group:sales@here.example", "any"),
	    rule(ACCESS_DENY, "imap", "everybody", "!JP"),
	    rule(ACCESS_DENY, "pop3", "everybody", "198.51.100.0/24, KR")};
	struct access_rules rules = {.at = at, .n = COUNT(at), .home_country = ""};
	assert_true(allowed(&rules, from(DOOR_IMAP, "192.0.2.1", "JP")));
	assert_false(allowed(&rules, from(DOOR_IMAP, "192.0.2.1", "US")));
	assert_false(allowed(&rules, from(DOOR_IMAP, "192.0.2.1", ""))); /* nobody knows where: not Japan */
	assert_true(allowed(&rules, from(DOOR_WEB, "192.0.2.1", "US")));
	assert_false(allowed(&rules, from(DOOR_POP3, "198.51.100.9", "JP")));
	assert_false(allowed(&rules, from(DOOR_POP3, "192.0.2.1", "KR")));
	assert_true(allowed(&rules, from(DOOR_POP3, "192.0.2.1", "")));
	struct access_ask sales = from(DOOR_IMAP, "192.0.2.1", "US");
	struct access_verdict v;
	sales.is = is_sales;
	access_judge(&rules, &sales, &v);
	assert_true(v.allowed);
	assert_ptr_equal(v.rule, &at[0]);
	assert_int_equal(access_try(&at[0], &sales), STEP_FITS);
	sales.is = is_nobody;
	assert_int_equal(access_try(&at[0], &sales), STEP_WHO);
	assert_int_equal(access_try(&at[2], &sales), STEP_DOOR);
	for (size_t i = 0; i < COUNT(at); i++)
		access_rule_free(&at[i]);
}

static void mail_programs_send_from_the_home_country(void **state)
{
	struct access_rules rules = {.home_country = "JP", .geo = true};
	struct access_ask office = from(DOOR_SMTP_AUTH, "10.0.0.1", "");
	office.home = true;
	assert_true(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "JP")));
	assert_false(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "US")));
	assert_false(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "")));
	assert_true(allowed(&rules, from(DOOR_IMAP, "192.0.2.1", "US")));
	assert_true(allowed(&rules, office));
	rules.geo = false;
	assert_true(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "")));
	/* A rule goes before the preset. */
	struct access_rule travel = rule(ACCESS_ALLOW, "smtp-auth", "everybody", "US");
	rules = (struct access_rules){.at = &travel, .n = 1, .home_country = "JP", .geo = true};
	assert_true(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "US")));
	assert_false(allowed(&rules, from(DOOR_SMTP_AUTH, "192.0.2.1", "KR")));
	access_rule_free(&travel);
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const places[] = {
	    "", "Japan", "jp", "!", "!192.0.2.0/24", "192.0.2.0/33", "JP,,x", "any JP"};
	static const char *const whom[] = {
	    "", "everybody:x", "group", "group:", "user:a@b.example", "account"};
	static const char *const doors[] = {"", "smtp", "imap,", "imap,ftp", ","};
	for (size_t i = 0; i < COUNT(places); i++) {
		struct access_rule r = {0};
		struct slice wrong;
		assert_int_equal(access_place_read(slice_str(places[i]), &r, &wrong), BAD);
		access_rule_free(&r);
	}
	for (size_t i = 0; i < COUNT(whom); i++) {
		enum access_who who;
		struct slice name;
		assert_int_equal(access_who_read(slice_str(whom[i]), &who, &name), BAD);
	}
	for (size_t i = 0; i < COUNT(doors); i++) {
		unsigned bits;
		if (strcmp(doors[i], "imap,") != 0)
			assert_int_equal(doors_read(slice_str(doors[i]), &bits), BAD);
	}
	BUF_LOCAL(b, 200);
	doors_put(DOOR_ALL, &b);
	doors_put(DOOR_BIT(DOOR_IMAP) | DOOR_BIT(DOOR_ADMIN), &b);
	assert_true(slice_eq(buf_slice(&b), SLICE("allimap,admin")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_rule_that_fits_decides),
	    cmocka_unit_test(mail_programs_send_from_the_home_country),
	    cmocka_unit_test(what_is_no_rule_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
