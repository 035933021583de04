/* store_signing: the life of DKIM keys, over months of a clock that the test moves. */
#include "kit/store_kit.h"
#include "store/domain/signing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

enum { UNKNOWN, SEEN, ABSENT, OTHER };

static struct store_kit kit;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.dkim_rotate_ms = 100 * DAY_MS;
	kit.settings.dkim_overlap_ms = 7 * DAY_MS;
	kit.settings.dkim_service = "";
	assert_int_equal(store_kit_open(&kit, 2), OK);
	store_kit_dkim_seen(UNKNOWN);
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	return 0;
}

static int tear_down(void **state)
{
	store_kit_close(&kit);
	store_kit_remove(&kit);
	clock_shift(0);
	return 0;
}

static void later(int64_t ms)
{
	clock_shift(clock_shifted() + ms / SECOND_MS);
	signing_round(kit.store);
}

/* How many keys of the domain are in a state; all of them for 0. */
static unsigned in_state(const char *domain, int wanted)
{
	ARENA_LOCAL(a, 1 << 20);
	struct signing_key *keys;
	unsigned n = 0;
	READER r = reader_begin(kit.store);
	assert_non_null(r.db);
	size_t all = signing_keys(r.db, slice_str(domain), &a, &keys);
	for (size_t i = 0; i < all; i++) {
		n += wanted == 0 || (int)keys[i].state == wanted;
		if (keys[i].state != SIGNING_RETIRED && keys[i].state != SIGNING_REMOVABLE)
			assert_true(keys[i].usable);
		else
			assert_false(keys[i].usable);
	}
	return n;
}

#define HAS(waiting, active, retired, removable)                                                             \
	do {                                                                                                 \
		assert_int_equal(in_state("here.example", SIGNING_WAITING), waiting);                        \
		assert_int_equal(in_state("here.example", SIGNING_ACTIVE), active);                          \
		assert_int_equal(in_state("here.example", SIGNING_RETIRED), retired);                        \
		assert_int_equal(in_state("here.example", SIGNING_REMOVABLE), removable);                    \
	} while (0)

static void a_whole_life(void **state)
{
	HAS(0, 0, 0, 0);
	later(0);
	HAS(0, 2, 0, 0); /* the first ones sign at once */
	later(HOUR_MS);
	HAS(0, 2, 0, 0);
	later(99 * DAY_MS);
	HAS(0, 2, 0, 0);
	later(DAY_MS);
	HAS(2, 2, 0, 0); /* made, and not yet to be seen by anybody */
	store_kit_dkim_seen(ABSENT);
	later(30 * DAY_MS);
	HAS(2, 2, 0, 0); /* nobody publishes them: nothing changes */
	store_kit_dkim_seen(OTHER);
	later(DAY_MS);
	HAS(2, 2, 0, 0);
	store_kit_dkim_seen(SEEN);
	later(HOUR_MS);
	HAS(0, 2, 2, 0);
	later(6 * DAY_MS);
	HAS(0, 2, 2, 0);
	later(2 * DAY_MS);
	HAS(0, 2, 0, 2);
	later(DAY_MS);
	HAS(0, 2, 0, 2); /* still published: still told */
	store_kit_dkim_seen(UNKNOWN);
	later(DAY_MS);
	HAS(0, 2, 0, 2);
	store_kit_dkim_seen(ABSENT);
	later(DAY_MS);
	HAS(0, 2, 0, 0);
}

static void by_hand(void **state)
{
	later(0);
	assert_int_equal(signing_rotate(kit.store, SLICE("here.example"), false), OK);
	HAS(2, 2, 0, 0);
	assert_int_equal(signing_rotate(kit.store, SLICE("here.example"), false), DENY);
	HAS(2, 2, 0, 0);
	assert_int_equal(signing_rotate(kit.store, SLICE("here.example"), true), OK);
	HAS(0, 2, 2, 0); /* those that waited */
	assert_int_equal(signing_rotate(kit.store, SLICE("here.example"), true), OK);
	HAS(0, 2, 4, 0);
}

static void kept_over_a_restart(void **state)
{
	later(0);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 2), OK);
	later(HOUR_MS);
	HAS(0, 2, 0, 0);
}

static void domains_come_and_go(void **state)
{
	later(0);
	store_kit_must(&kit, "domain.add", "{\"domain\":\"there.example\"}");
	later(0);
	assert_int_equal(in_state("there.example", 0), 2);
	store_kit_must(&kit, "domain.remove", "{\"domain\":\"there.example\"}");
	later(0);
	assert_int_equal(in_state("there.example", 0), 0);
	HAS(0, 2, 0, 0);
	kit.settings.dkim_service = "service.example";
	later(0);
	assert_int_equal(in_state("service.example", 0), 2);
}

static void modes(void **state)
{
	enum result r;
	json_t *answer =
	    store_kit_admin(&kit, "dkim.mode", "{\"domain\":\"here.example\",\"mode\":\"both\"}", &r);
	assert_null(answer);
	assert_int_equal(r, DENY); /* there is no service domain */
	kit.settings.dkim_service = "service.example";
	answer =
	    store_kit_admin(&kit, "dkim.mode", "{\"domain\":\"here.example\",\"mode\":\"third-party\"}", &r);
	assert_non_null(json_object_get(answer, "warning"));
	json_decref(answer);
	answer = store_kit_admin(&kit, "dkim.mode", "{\"domain\":\"here.example\",\"mode\":\"both\"}", &r);
	assert_null(json_object_get(answer, "warning"));
	json_decref(answer);
	assert_null(
	    store_kit_admin(&kit, "dkim.mode", "{\"domain\":\"here.example\",\"mode\":\"none\"}", &r));
	assert_null(store_kit_admin(&kit, "dkim.show", "{\"domain\":\"elsewhere.example\"}", &r));
	assert_int_equal(r, GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_whole_life, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(by_hand, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(kept_over_a_restart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(domains_come_and_go, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(modes, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
