/* What passed in each hour: counted where it happens, kept in the table, told with what is not in it yet. */
#include "store_help.h"
#include "store/stats.h"
#include "store/queue/trace.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;

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

/* Of all the hours that were asked for. */
static json_int_t total(const char *series, const char *args)
{
	enum result r;
	json_t *answer = store_kit_admin(&kit, "stats.hours", args, &r), *n;
	json_int_t sum = 0;
	size_t i;
	assert_int_equal(r, OK);
	json_array_foreach(json_object_get(json_object_get(answer, "series"), series), i, n) sum +=
	    json_integer_value(n);
	json_decref(answer);
	return sum;
}

static void what_passes_is_counted(void **state)
{
	stats_count(kit.store->stats, STAT_SIGNINS_FAILED, 3);
	assert_int_equal(total("signins_failed", "{}"), 3); /* before it is in the table */
	assert_int_equal(total("signins_failed", "{\"hours\":1}"), 3);
	int64_t later = clock_mono_ms() + STATS_FLUSH_MS;
	stats_tick(kit.store, later);
	assert_int_equal(total("signins_failed", "{}"), 3); /* and from there */
	stats_count(kit.store->stats, STAT_SIGNINS_FAILED, 2);
	stats_tick(kit.store, later + STATS_FLUSH_MS - 1);
	stats_tick(kit.store, later + STATS_FLUSH_MS);
	stats_count(kit.store->stats, STAT_SIGNINS_FAILED, 1);
	assert_int_equal(total("signins_failed", "{\"hours\":48}"), 6);
	assert_int_equal(total("received", "{\"hours\":48}"), 0);
}

static void a_step_of_a_trace_is_counted_once(void **state)
{
	struct trace_row row;
	TRACE t;
	json_int_t before = total("junk", "{}");
	trace_start(&t, kit.store, SLICE("m1"));
	trace_step(&t, STEP_RECEIVED);
	trace_step(&t, STEP_JUNKED);
	trace_step(&t, STEP_JUNKED);
	trace_seal(&t, SLICE("m1"), 0, &row);
	assert_int_equal(total("junk", "{}"), before); /* not before it is written down */
	assert_int_equal(row.stats[STAT_JUNK], 2);
	trace_row_free(&row);
}

static void what_was_kept_outlives_the_server(void **state)
{
	stats_count(kit.store->stats, STAT_SENT, 7);
	stats_tick(kit.store, clock_mono_ms() + 10 * STATS_FLUSH_MS);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	assert_int_equal(total("sent", "{}"), 7);
	stats_forget(kit.store);
	assert_int_equal(total("sent", "{}"), 7);
}

static void hours_have_a_limit(void **state)
{
	enum result r;
	static const char *const bad[] = {
	    "{\"hours\":0}", "{\"hours\":745}", "{\"hours\":9223372036854775807}"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		json_t *answer = store_kit_admin(&kit, "stats.hours", bad[i], &r);
		assert_int_equal(r, DENY);
		json_decref(answer);
	}
	json_t *answer = store_kit_admin(&kit, "stats.hours", "{\"hours\":744}", &r);
	assert_int_equal(json_array_size(json_object_get(json_object_get(answer, "series"), "queue")), 744);
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_passes_is_counted),
	    cmocka_unit_test(a_step_of_a_trace_is_counted_once),
	    cmocka_unit_test(what_was_kept_outlives_the_server),
	    cmocka_unit_test(hours_have_a_limit),
	};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
