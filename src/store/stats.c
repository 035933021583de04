#include "store/stats.h"
#include "store/admin/admin.h"
#include "store/queue/queue.h"
#include <stdlib.h>

struct stats {
	_Atomic unsigned counts[STAT_COUNT];
	/* The rest is the keeper's. */
	int64_t flushed_ms;
	int64_t hour; /* whose height is known */
	unsigned height;
};

static const struct {
	enum stats_kind stat;
	const char *name;
} names[] = {
#define X(stat, number, json) {STAT_##stat, json},
#include "store/stats.def"
#undef X
};

struct stats *stats_new(void)
{
	struct stats *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	return s;
}

void stats_free(struct stats *s)
{
	free(s);
}

void stats_count(struct stats *s, enum stats_kind what, unsigned times)
{
	if (times)
		atomic_fetch_add_explicit(&s->counts[what], times, memory_order_relaxed);
}

/* ---- writing ---- */

struct flush {
	struct job job;
	int64_t hour;
	unsigned counts[STAT_COUNT];
};

static enum result apply_flush(struct job *j, struct db *db)
{
	const struct flush *f = (const struct flush *)j;
	for (enum stats_kind i = 1; i < STAT_COUNT; i++)
		if (f->counts[i] && i == STAT_QUEUE)
			DB_RUN(db, HOURS_HEIGHT, DI(f->hour), DI(i), DI(f->counts[i]));
		else if (f->counts[i])
			DB_RUN(db, HOURS_ADD, DI(f->hour), DI(i), DI(f->counts[i]));
	return OK;
}

/* The queue's height when it is higher than what this hour has; 0: it is not. */
static unsigned new_height(struct store *s, int64_t hour)
{
	struct stats *stats = s->stats;
	uint64_t waiting = queue_numbers(s->queue).waiting;
	unsigned height = (unsigned)MIN(waiting, (uint64_t)INT32_MAX);
	if (stats->hour == hour && height <= stats->height)
		return 0;
	stats->hour = hour;
	stats->height = height;
	return height;
}

void stats_tick(struct store *s, int64_t now_mono_ms)
{
	struct stats *stats = s->stats;
	if (now_mono_ms - stats->flushed_ms < STATS_FLUSH_MS)
		return;
	stats->flushed_ms = now_mono_ms;
	struct flush f = {.job = {.store = s, .apply = apply_flush}, .hour = clock_utc_ms() / HOUR_MS};
	bool any = false;
	for (enum stats_kind i = 1; i < STAT_COUNT; i++) {
		f.counts[i] = atomic_exchange(&stats->counts[i], 0);
		any = any || f.counts[i];
	}
	f.counts[STAT_QUEUE] = new_height(s, f.hour);
	if ((any || f.counts[STAT_QUEUE]) && writer_wait(s->writer, &f.job) != OK)
		for (enum stats_kind i = 1; i < STAT_COUNT; i++)
			stats_count(stats, i, i == STAT_QUEUE ? 0 : f.counts[i]);
}

static enum result apply_forget(struct job *j, struct db *db)
{
	DB_RUN(db, HOURS_FORGET, DI((clock_utc_ms() - STATS_KEEP_MS) / HOUR_MS));
	return OK;
}

void stats_forget(struct store *s)
{
	struct job job = {.store = s, .apply = apply_forget};
	result_ignore(writer_wait(s->writer, &job)); /* the next time will do */
}

/* ---- the verb ---- */

static json_t *find_series(json_t *series, int64_t stat)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if ((int64_t)names[i].stat == stat)
			return json_object_get(series, names[i].name);
	return NULL;
}

/* What was counted here and is not in the table yet belongs to the hour that goes on. */
static void add_fresh(const struct store *s, json_t *series, size_t last)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		json_t *list = json_object_get(series, names[i].name);
		json_int_t n = json_integer_value(json_array_get(list, last));
		json_array_set_new(
		    list, last, json_integer(n + atomic_load(&s->stats->counts[names[i].stat])));
	}
}

enum result admin_stats_hours(struct admin *a, struct db *db)
{
	int64_t hours = admin_number(a, "hours", 24), last = clock_utc_ms() / HOUR_MS;
	if (hours < 1 || hours > STATS_HOURS)
		return admin_refuse(a, DENY, "1 to %d hours can be asked for", STATS_HOURS);
	int64_t first = last - hours + 1;
	json_t *series = json_object();
	for (size_t i = 0; i < COUNT(names); i++) {
		json_t *list = json_array();
		for (int64_t h = 0; h < hours; h++)
			json_array_append_new(list, json_integer(0));
		json_object_set_new(series, names[i].name, list);
	}
	DB_ROWS q = DB_QUERY(db, HOURS_SINCE, DI(first), DI(last));
	while (db_next(&q)) {
		json_t *list = find_series(series, db_int(&q, 1));
		if (list)
			json_array_set_new(
			    list, (size_t)(db_int(&q, 0) - first), json_integer(db_int(&q, 2)));
	}
	add_fresh(a->store, series, (size_t)(hours - 1));
	a->answer = json_pack("{s:I,s:I,s:o}", "from_ms", (json_int_t)(first * HOUR_MS), "hours",
	    (json_int_t)hours, "series", series);
	return OK;
}
