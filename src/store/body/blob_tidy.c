/* Reclaiming the space of bodies that nobody refers to any more. */
#include "store/inside.h"
#include <stdlib.h>

#define A_JOB 200
#define ROUNDS 50 /* jobs in one round of tidying: the rest waits for the next */

/* ---- rows without references ---- */

#define DEAD_MOST 10000 /* rows in one round */

/* Rows that had no references in the round before. */
struct tidying {
	int64_t dead[DEAD_MOST];
	size_t n;
};

struct sweep {
	struct job job;
	const int64_t *ids;
	size_t n;
	int64_t segment;
};

static enum result apply_sweep(struct job *j, struct db *db)
{
	const struct sweep *w = (const struct sweep *)j;
	for (size_t i = 0; i < w->n; i++) {
		struct blob_place at;
		if (!blob_find(db, w->ids[i], &at))
			continue;
		DB_RUN(db, BLOB_REMOVE, DI(w->ids[i]));
		if (db_changed(db))
			DB_RUN(db, SEGMENT_DEAD, DI(at.segment), DI(at.taken));
	}
	return OK;
}

static void list_dead(struct store *s, struct tidying *t)
{
	READER r = reader_begin(s);
	t->n = 0;
	if (!r.db)
		return;
	DB_ROWS q = DB_QUERY(r.db, BLOBS_DEAD, DI(DEAD_MOST));
	while (t->n < DEAD_MOST && db_next(&q))
		t->dead[t->n++] = db_int(&q, 0);
}

/*
 * A row is taken away only in the round after its count was seen at zero, which is long after any delivery that found
 * the content and counts on it: such a delivery has counted it up again by then.
 */
static void sweep(struct store *s)
{
	if (!s->tidying && !(s->tidying = calloc(1, sizeof *s->tidying)))
		abort();
	struct tidying *t = s->tidying;
	for (size_t at = 0; at < t->n; at += A_JOB) {
		struct sweep w = {.job = {.store = s, .apply = apply_sweep, .durable = true},
		    .ids = t->dead + at,
		    .n = MIN(t->n - at, (size_t)A_JOB)};
		if (writer_wait(s->writer, &w.job) != OK)
			break;
	}
	list_dead(s, t);
}

/* ---- segments full of garbage ---- */

struct moving {
	int64_t id;
	struct blob_place from, to;
};
struct move {
	struct job job;
	struct moving v[A_JOB];
	unsigned n;
};

static enum result apply_move(struct job *j, struct db *db)
{
	const struct move *m = (const struct move *)j;
	struct segments *seg = blob_segments(j->store->blob);
	for (unsigned i = 0; i < m->n; i++)
		if (!segments_good(seg, m->v[i].to.segment))
			return LATER;
	for (unsigned i = 0; i < m->n; i++)
		DB_RUN(db, BLOB_MOVE, DI(m->v[i].id), DI(m->v[i].to.segment), DI(m->v[i].to.place));
	return OK;
}

/* The record as it is: its key goes by its id, not by its place. `to` has a segment once it holds one. */
static enum result copy_record(struct store *s, struct moving *m)
{
	struct segments *seg = blob_segments(s->blob);
	char *p = malloc(m->from.taken);
	if (!p)
		abort();
	struct blob_place to = m->from;
	enum result r = segments_read(seg, m->from.segment, m->from.place, p, m->from.taken);
	if (r == OK)
		r = segments_reserve(seg, m->from.taken, &to.segment, &to.place);
	if (r == OK) {
		m->to = to;
		r = segments_write(seg, to.segment, to.place, slice_of(p, to.taken));
		segments_wrote(seg, to.segment, to.place, to.taken, to.taken);
	}
	free(p);
	return r;
}

static enum result list_records(struct store *s, int64_t segment, struct move *m)
{
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, BLOBS_IN, DI(segment), DI(A_JOB));
	for (m->n = 0; m->n < A_JOB && db_next(&q); m->n++) {
		m->v[m->n].id = db_int(&q, 6);
		m->v[m->n].from = blob_place_of(&q, 0);
		m->v[m->n].to = (struct blob_place){0};
	}
	return db_result(r.db);
}

static void release_records(struct store *s, const struct move *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->v[i].to.segment)
			segments_release(blob_segments(s->blob), m->v[i].to.segment);
}

static enum result apply_drop(struct job *j, struct db *db)
{
	const struct sweep *w = (const struct sweep *)j;
	if (DB_NUMBER(db, 1, SEGMENT_USED, DI(w->segment)))
		return LATER;
	DB_RUN(db, SEGMENT_REMOVE, DI(w->segment));
	return OK;
}

/* The file goes once no row points into it, and that is durable. */
static void empty_segment(struct store *s, int64_t segment)
{
	struct move *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	bool good = true;
	for (unsigned i = 0; i < ROUNDS && good; i++) {
		m->job = (struct job){.store = s, .apply = apply_move, .durable = true, .bodies = true};
		good = list_records(s, segment, m) == OK;
		if (!good || !m->n)
			break;
		for (unsigned k = 0; k < m->n && good; k++)
			good = copy_record(s, &m->v[k]) == OK;
		good = good && writer_wait(s->writer, &m->job) == OK;
		release_records(s, m);
	}
	struct sweep drop = {.job = {.store = s, .apply = apply_drop, .durable = true}, .segment = segment};
	if (good && m->n == 0 && writer_wait(s->writer, &drop.job) == OK)
		result_ignore(segments_remove(blob_segments(s->blob), segment)); /* or in a later round */
	free(m);
}

/* ---- what to tidy ---- */

/*
 * Only where new records go. The other place is left as it is while bodies are moved away from it (blob_move.c), until no row
 * points into it any more: whoever breaks off a move finds it untouched.
 */
static bool other_place_is_used(struct store *s, struct db *db)
{
	bool to_objects = segments_to_objects(blob_segments(s->blob));
	int64_t from = to_objects ? 0 : SEGMENT_OBJECTS, to = to_objects ? SEGMENT_OBJECTS : INT64_MAX;
	return DB_NUMBER(db, 1, SEGMENTS_USED, DI(from), DI(to)) != 0;
}

struct worst {
	struct store *store;
	struct db *db;
	int64_t segment;
	uint64_t dead;
};

/* The segment with the most garbage, when that is half of it, and no body in it waits for its row. */
static void consider(void *arg, int64_t id)
{
	struct worst *w = arg;
	struct segments *seg = blob_segments(w->store->blob);
	if (!segments_idle(seg, id))
		return;
	uint64_t size = segments_size(seg, id);
	uint64_t dead = (uint64_t)DB_NUMBER(w->db, 0, SEGMENT_DEAD_OCTETS, DI(id));
	if (!DB_NUMBER(w->db, 1, SEGMENT_USED, DI(id)))
		dead = size;
	if (dead * 2 > size && dead > w->dead) {
		w->dead = dead;
		w->segment = id;
	}
}

#define OBJECTS_MOST 1000 /* in one round: one PUT may hold a single message */

struct objects_found {
	struct store *store;
	struct db *db;
	int64_t id[OBJECTS_MOST];
	size_t n;
};

/* An object that no row points to: its rows are gone, or a crash came before they were committed. */
static void consider_orphan(void *arg, int64_t id)
{
	struct objects_found *f = arg;
	if (f->n < OBJECTS_MOST && segments_idle(blob_segments(f->store->blob), id) &&
	    !DB_NUMBER(f->db, 1, SEGMENT_USED, DI(id)))
		f->id[f->n++] = id;
}

/* Objects are found by what the database knows of their garbage: there may be very many of them. */
static void find_objects(struct objects_found *f)
{
	DB_ROWS q = DB_QUERY(f->db, SEGMENTS_DEAD, DI(SEGMENT_OBJECTS), DI(OBJECTS_MOST));
	while (f->n < OBJECTS_MOST && db_next(&q)) {
		int64_t id = db_int(&q, 0), dead = db_int(&q, 1);
		if (segments_idle(blob_segments(f->store->blob), id) &&
		    DB_NUMBER(f->db, INT64_MAX, SEGMENT_LIVE_OCTETS, DI(id)) <= dead)
			f->id[f->n++] = id;
	}
}

static void tidy_objects(struct store *s, bool orphans)
{
	struct objects_found *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	f->store = s;
	{
		READER r = reader_begin(s);
		f->db = r.db;
		if (r.db && orphans)
			segments_list_objects(blob_segments(s->blob), consider_orphan, f);
		else if (r.db)
			find_objects(f);
		if (!r.db || db_result(r.db) != OK)
			f->n = 0;
	}
	for (size_t i = 0; i < f->n; i++)
		empty_segment(s, f->id[i]);
	free(f);
}

static void tidy_files(struct store *s)
{
	struct worst w = {.store = s};
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		w.db = r.db;
		segments_list(blob_segments(s->blob), consider, &w);
	}
	if (w.segment)
		empty_segment(s, w.segment);
}

void blob_tidy(struct store *s)
{
	bool to_objects = segments_to_objects(blob_segments(s->blob)), other = true;
	sweep(s);
	{
		READER r = reader_begin(s);
		if (r.db)
			other = other_place_is_used(s, r.db);
	}
	if (!to_objects || !other)
		tidy_files(s);
	if (to_objects || !other) {
		tidy_objects(s, false);
		tidy_objects(s, true);
	}
}
