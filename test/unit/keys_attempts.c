/* Guessing is slow, spraying is found out, owners get in meanwhile; and what matters outlives a restart. */
#include "ipc/grant.h"
#include "keys/attempts.h"
#include "keys/keys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/keys-attempts-XXXXXX";
static struct vault *vault;
static struct book *book;
static struct attempts *all;
static struct ip_nets office;
static int64_t now;

static void open_all(void)
{
	assert_int_equal(book_open(dir, &book), OK);
	assert_int_equal(attempts_open(vault, book, &office, &all), OK);
}

static void close_all(void)
{
	attempts_close(all);
	book_close(book);
}

static void remove_book(void)
{
	static const char *const names[] = {"keys.db", "keys.db-wal", "keys.db-shm"};
	for (size_t i = 0; i < COUNT(names); i++) {
		char path[100];
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static int set_up(void **state)
{
	static const char master[KEYS_MASTER] = "the master key of these tests...";
	struct slice bad;
	if (!vault)
		vault = vault_new(slice_of(master, sizeof master));
	if (!office.n && ip_nets_read(SLICE("192.0.2.0/24"), 10, &office, &bad) != OK)
		return 1;
	remove_book();
	now = clock_utc_ms();
	open_all();
	return 0;
}

static int tear_down(void **state)
{
	close_all();
	return 0;
}

static struct attempt attempt(const char *login, const char *ip, const char *password)
{
	return (struct attempt){
	    .login = slice_str(login), .account = 1, .ip = ip, .password = slice_str(password)};
}

static struct attempt_view look(const char *login, const char *ip)
{
	struct attempt a = attempt(login, ip, "");
	struct attempt_view v;
	attempts_look(all, &a, now, &v);
	return v;
}

static struct attempt_view wrong(const char *login, const char *ip, const char *password)
{
	struct attempt a = attempt(login, ip, password);
	struct attempt_view v;
	attempts_failed(all, &a, now, &v);
	return v;
}

static struct attempt_view right(const char *login, const char *ip, const char *password)
{
	struct attempt a = attempt(login, ip, password);
	struct attempt_view v;
	attempts_right(all, &a, now, &v);
	return v;
}

static void wrong_many(const char *login, const char *ip, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		char password[30];
		snprintf(password, sizeof password, "guess %u", i);
		(void)wrong(login, ip, password);
	}
}

static void guesses_wait_longer_and_longer(void **state)
{
	wrong_many("a@here.example", "2001:db8::1", 40);
	assert_int_equal(look("a@here.example", "2001:db8::2").wait_ms, 15 * MINUTE_MS); /* the same /64 */
	assert_int_equal(
	    look("b@here.example", "2001:db8::2").wait_ms, 15 * MINUTE_MS); /* another login from it */
	assert_int_equal(look("b@here.example", "2001:db8:1::2").wait_ms, 0);
	assert_int_equal(look("a@here.example", "2001:db8:1::2").wait_ms, 5 * MINUTE_MS);
	now += 5 * MINUTE_MS;
	assert_int_equal(look("a@here.example", "2001:db8:1::2").wait_ms, 0);
	now += DAY_MS;
	assert_int_equal(look("a@here.example", "2001:db8::2").wait_ms, 0);
}

static void a_clock_set_back_locks_nobody_out(void **state)
{
	wrong_many("a@here.example", "198.51.100.1", 40);
	now -= 30 * DAY_MS;
	assert_in_range(look("a@here.example", "198.51.100.1").wait_ms, 0, 15 * MINUTE_MS);
}

static void owners_get_in_where_they_always_do(void **state)
{
	(void)right("a@here.example", "::ffff:198.51.100.7", "secret");
	wrong_many("a@here.example", "203.0.113.9", 200);
	assert_int_equal(look("a@here.example", "198.51.100.7").wait_ms, 0);
	assert_true(look("a@here.example", "198.51.100.7").flags & GRANT_KNOWN);
	assert_int_not_equal(look("a@here.example", "198.51.100.8").wait_ms, 0);
	wrong_many("a@here.example", "198.51.100.7", 200);
	assert_in_range(look("a@here.example", "198.51.100.7").wait_ms, 1, 5 * SECOND_MS);
}

static void an_old_password_counts_once_in_a_day(void **state)
{
	for (int i = 0; i < 1000; i++)
		(void)wrong("a@here.example", "198.51.100.7", "the former password");
	assert_int_equal(look("a@here.example", "198.51.100.7").wait_ms, 0);
	assert_int_equal(right("a@here.example", "198.51.100.7", "secret").flags, 0);
}

static void ten_different_guesses_make_a_right_one_suspect(void **state)
{
	wrong_many("a@here.example", "198.51.100.7", 9);
	assert_int_equal(right("a@here.example", "198.51.100.7", "nine").flags & GRANT_GUESSED, 0);
	wrong_many("b@here.example", "198.51.100.8", 10);
	assert_int_not_equal(right("b@here.example", "198.51.100.8", "ten").flags & GRANT_GUESSED, 0);
	/* Strangers' guesses are no sign against the owner at home. */
	(void)right("c@here.example", "198.51.100.9", "home");
	wrong_many("c@here.example", "203.0.113.77", 50);
	assert_int_equal(right("c@here.example", "198.51.100.9", "home").flags & GRANT_GUESSED, 0);
	now += 2 * DAY_MS;
	assert_int_equal(right("b@here.example", "198.51.100.80", "ten").flags & GRANT_GUESSED, 0);
}

static struct attempt_view wrong_login(unsigned login, const char *ip, const char *password)
{
	char name[60];
	snprintf(name, sizeof name, "user%u@here.example", login);
	return wrong(name, ip, password);
}

static void a_prefix_that_tries_five_accounts_is_blocked(void **state)
{
	(void)right("known@here.example", "203.0.113.5", "x");
	for (unsigned i = 0; i < 4; i++)
		assert_false(wrong_login(i, "203.0.113.10", "autumn").flags & GRANT_SPRAYING);
	assert_true(wrong_login(4, "203.0.113.200", "winter").flags & GRANT_SPRAYING);
	assert_true(look("anybody@here.example", "203.0.113.77").blocked);
	assert_false(look("anybody@here.example", "203.0.114.77").blocked);
	assert_false(look("known@here.example", "203.0.113.5").blocked); /* its owner */
	struct sentence list[10];
	assert_int_equal(attempts_sentences(all, now, list, 10), 1);
	assert_int_equal(list[0].until_ms, now + DAY_MS);
	/* It doubles. */
	now += DAY_MS + HOUR_MS;
	assert_false(look("anybody@here.example", "203.0.113.77").blocked);
	for (unsigned i = 10; i < 15; i++)
		(void)wrong_login(i, "203.0.113.10", "");
	assert_int_equal(attempts_sentences(all, now, list, 10), 1);
	assert_int_equal(list[0].until_ms, now + 2 * DAY_MS);
	struct ip_net net;
	assert_int_equal(ip_net_read(SLICE("203.0.113.0/24"), &net), OK);
	assert_true(attempts_pardon(all, &net, SLICE_NONE));
	assert_false(look("anybody@here.example", "203.0.113.77").blocked);
	assert_int_equal(attempts_sentences(all, now, list, 10), 0);
}

static void slow_spraying_is_found_within_the_day(void **state)
{
	for (unsigned i = 0; i < 14; i++, now += HOUR_MS)
		assert_false(wrong_login(i, "203.0.113.10", "").flags &
			     GRANT_SPRAYING); /* SCRAM: no password is seen */
	assert_true(wrong_login(14, "203.0.113.10", "").flags & GRANT_SPRAYING);
}

static void an_own_network_may_do_three_times_as_much(void **state)
{
	for (unsigned i = 0; i < 14; i++)
		assert_false(wrong_login(i, "192.0.2.10", "").flags & GRANT_SPRAYING);
	assert_true(wrong_login(14, "192.0.2.10", "").flags & GRANT_SPRAYING);
}

static const char *address(unsigned i)
{
	static char text[40];
	snprintf(text, sizeof text, "10.%u.%u.7", i / 200, i % 200);
	return text;
}

/* V11: one password on 50 accounts from 500 sources, one of which is right; owners sign in all the while. */
static void one_password_on_many_accounts_is_found_whatever_the_source(void **state)
{
	unsigned flagged_after = 0;
	uint64_t suspect = 0;
	(void)right("owner@here.example", "198.51.100.7", "mine");
	struct attempt hit = {.login = SLICE("user1@here.example"),
	    .account = 33,
	    .ip = "10.0.1.7",
	    .password = SLICE("Autumn2026!")};
	struct attempt_view v;
	for (unsigned i = 0; i < 500 && !flagged_after; i++) {
		if (i == 1) {
			attempts_right(all, &hit, now, &v);
			continue;
		}
		v = wrong_login(i % 50, address(i), "Autumn2026!");
		if (v.suspect)
			suspect = v.suspect;
		if (v.flags & GRANT_SPRAYING)
			flagged_after = i + 1;
		now += SECOND_MS;
	}
	assert_in_range(flagged_after, 1, 100);
	/* All that tried it are held back, also those from before; so is who tries it next. */
	for (unsigned i = 0; i < flagged_after; i++)
		assert_int_equal(look("user7@here.example", address(i)).blocked, i != 1);
	assert_true(wrong_login(40, address(450), "Autumn2026!").flags & GRANT_FLAGGED);
	assert_true(look("user7@here.example", address(450)).blocked);
	/* The one that was right before is told of; one that is right now is flagged at once. */
	if (!suspect)
		suspect = wrong_login(41, address(451), "Autumn2026!").suspect;
	assert_int_equal(suspect, 33);
	struct attempt late = {.login = SLICE("user9@here.example"),
	    .account = 39,
	    .ip = "10.2.60.7",
	    .password = SLICE("Autumn2026!")};
	attempts_right(all, &late, now, &v);
	assert_true(v.flags & GRANT_FLAGGED);
	/* Owners, known or new, get in. */
	assert_false(look("owner@here.example", "198.51.100.7").blocked);
	assert_int_equal(look("owner@here.example", "198.51.100.7").wait_ms, 0);
	assert_false(look("user20@here.example", "198.51.100.99").blocked);
}

static void different_passwords_from_everywhere_are_a_siege(void **state)
{
	unsigned flagged_after = 0;
	for (unsigned i = 0; i < 500 && !flagged_after; i++) {
		char password[30];
		snprintf(password, sizeof password, "leaked %u", i);
		if (wrong_login(i % 50, address(i), password).flags & GRANT_SPRAYING)
			flagged_after = i + 1;
		now += SECOND_MS;
	}
	assert_in_range(flagged_after, 30, 100);
	assert_true(look("user1@here.example", address(flagged_after - 1)).blocked);
	assert_false(look("user1@here.example", "198.51.100.99").blocked);
	/* An hour of quiet ends it. */
	now += 2 * HOUR_MS;
	assert_false(wrong_login(1, "198.51.100.98", "mistyped").flags & GRANT_SPRAYING);
}

static void what_matters_outlives_a_restart(void **state)
{
	(void)right("owner@here.example", "203.0.113.5", "mine");
	for (unsigned i = 0; i < 5; i++)
		(void)wrong_login(i, "203.0.113.10", "");
	close_all();
	open_all();
	assert_true(look("anybody@here.example", "203.0.113.77").blocked);
	assert_false(look("owner@here.example", "203.0.113.5").blocked);
	assert_true(look("owner@here.example", "203.0.113.5").flags & GRANT_KNOWN);
	struct sentence list[10];
	char z[IP_NET_TEXT];
	assert_int_equal(attempts_sentences(all, now, list, 10), 1);
	assert_string_equal(ip_net_text(&list[0].net, z), "203.0.113.0/24");
	now += 91 * DAY_MS;
	assert_false(look("owner@here.example", "203.0.113.5").flags & GRANT_KNOWN);
}

/* Whoever guesses the codes of one account keeps nobody else waiting. */
static void codes_of_one_account_are_no_others(void **state)
{
	for (int i = 0; i < 12; i++)
		attempts_factor_failed(all, 7, now);
	assert_true(attempts_factor_wait(all, 7, now) > 0);
	assert_int_equal(attempts_factor_wait(all, 8, now), 0);
	assert_false(look("owner@here.example", "203.0.113.5").blocked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(guesses_wait_longer_and_longer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_clock_set_back_locks_nobody_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(owners_get_in_where_they_always_do, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_old_password_counts_once_in_a_day, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		ten_different_guesses_make_a_right_one_suspect, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_prefix_that_tries_five_accounts_is_blocked, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(slow_spraying_is_found_within_the_day, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_own_network_may_do_three_times_as_much, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		one_password_on_many_accounts_is_found_whatever_the_source, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		different_passwords_from_everywhere_are_a_siege, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_matters_outlives_a_restart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(codes_of_one_account_are_no_others, set_up, tear_down),
	};
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_book();
	rmdir(dir);
	free(office.at);
	vault_free(vault);
	return failed;
}
