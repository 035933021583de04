/* search_jobs: what the writer does for the index. None of it need be flushed: what is lost is made again. */
#include "store/search/search.h"

#define ABANDONED_MS HOUR_MS /* a segment that is still being written after so long was left by a crash */
#define PAGES_A_JOB 64

struct search_job {
	struct job job;
	int64_t account, index, segment;
	int state;
	const struct search_change *change;
	const struct search_sealed *pages;
	size_t n;
};

static enum result wait_for(
    struct search_job *j, struct store *s, enum result (*apply)(struct job *j, struct db *db))
{
	j->job.store = s;
	j->job.apply = apply;
	return writer_wait(s->writer, &j->job);
}

/* ---- indexes ---- */

static enum result apply_make(struct job *job, struct db *db)
{
	struct search_job *j = (struct search_job *)job;
	j->index = DB_NUMBER(db, 0, SEARCH_INDEX, DI(j->account), DI(j->state));
	if (j->index)
		return OK;
	if (!DB_NUMBER(db, 0, SEARCH_ACCOUNT, DI(j->account)))
		return GONE;
	j->index = writer_number(job->store->writer, SEQUENCE_SEARCH);
	DB_RUN(db, SEARCH_INDEX_ADD, DI(j->index), DI(j->account), DI(j->state), DI(clock_utc_ms()));
	return OK;
}

int64_t search_index_make(struct store *s, int64_t account, int state)
{
	struct search_job j = {.account = account, .state = state};
	return wait_for(&j, s, apply_make) == OK ? j.index : 0;
}

static void remove_index(struct db *db, int64_t index)
{
	DB_RUN(db, SEARCH_SEGMENTS_KILL, DI(index));
	DB_RUN(db, SEARCH_BOXES_REMOVE, DI(index));
	DB_RUN(db, SEARCH_INDEX_REMOVE, DI(index));
}

static enum result apply_remove(struct job *job, struct db *db)
{
	remove_index(db, ((struct search_job *)job)->index);
	return OK;
}

enum result search_index_remove(struct store *s, int64_t index)
{
	struct search_job j = {.index = index};
	return wait_for(&j, s, apply_remove);
}

/* Whether the new index has everything the old one has. */
static bool has_caught_up(struct db *db, int64_t account, int64_t old, int64_t new)
{
	DB_ROWS q = DB_QUERY(db, SEARCH_BOXES, DI(account), DI(old));
	while (db_next(&q))
		if (DB_NUMBER(db, 1, SEARCH_BOX, DI(new), DI(db_int(&q, 0))) < db_int(&q, 2))
			return false;
	return true;
}

static enum result apply_promote(struct job *job, struct db *db)
{
	struct search_job *j = (struct search_job *)job;
	int64_t old = DB_NUMBER(db, 0, SEARCH_INDEX, DI(j->account), DI(SEARCH_SERVING));
	int64_t new = DB_NUMBER(db, 0, SEARCH_INDEX, DI(j->account), DI(SEARCH_BUILDING));
	if (!new || (old && !has_caught_up(db, j->account, old, new)))
		return DENY;
	if (old)
		remove_index(db, old);
	DB_RUN(db, SEARCH_INDEX_STATE, DI(new), DI(SEARCH_SERVING));
	return OK;
}

enum result search_promote(struct store *s, int64_t account)
{
	struct search_job j = {.account = account};
	return wait_for(&j, s, apply_promote);
}

/* ---- segments ---- */

static enum result apply_begin(struct job *job, struct db *db)
{
	struct search_job *j = (struct search_job *)job;
	j->segment = writer_number(job->store->writer, SEQUENCE_SEARCH);
	DB_RUN(db, SEARCH_SEGMENT_ADD, DI(j->segment), DI(j->index), DI(clock_utc_ms()));
	return OK;
}

int64_t search_segment_begin(struct store *s, int64_t index)
{
	struct search_job j = {.index = index};
	return wait_for(&j, s, apply_begin) == OK ? j.segment : 0;
}

static enum result apply_drop(struct job *job, struct db *db)
{
	DB_RUN(db, SEARCH_SEGMENT_DROP, DI(((struct search_job *)job)->segment));
	return OK;
}

void search_segment_drop(struct store *s, int64_t segment)
{
	struct search_job j = {.segment = segment};
	result_ignore(wait_for(&j, s, apply_drop)); /* if it cannot be said now, its age says it later */
}

static enum result apply_pages(struct job *job, struct db *db)
{
	const struct search_job *j = (const struct search_job *)job;
	for (size_t i = 0; i < j->n; i++)
		DB_RUN(db, SEARCH_PAGE_ADD, DI(j->pages[i].id), DB(j->pages[i].octets));
	return OK;
}

enum result search_pages_put(struct store *s, const struct search_sealed *v, size_t n)
{
	struct search_job j = {.pages = v, .n = n};
	return wait_for(&j, s, apply_pages);
}

static enum result put_marks(struct db *db, const struct search_change *c)
{
	for (size_t i = 0; i < c->n_marks; i++) {
		const struct search_mark *m = &c->marks[i];
		if (DB_NUMBER(db, 1, SEARCH_BOX, DI(c->index), DI(m->mailbox)) != m->from)
			return DENY;
		DB_RUN(db, SEARCH_BOX_SET, DI(c->index), DI(m->mailbox), DI(m->to));
	}
	return OK;
}

static enum result apply_change(struct job *job, struct db *db)
{
	const struct search_change *c = ((struct search_job *)job)->change;
	if (!DB_NUMBER(db, 0, SEARCH_INDEX_ACCOUNT, DI(c->index)) || put_marks(db, c) != OK)
		return DENY;
	for (size_t i = 0; i < c->n_merged; i++) {
		DB_RUN(db, SEARCH_SEGMENT_KILL, DI(c->merged[i]));
		if (!db_changed(db))
			return DENY;
	}
	if (!c->segment)
		return OK;
	const struct search_part *p = &c->part;
	DB_RUN(db, SEARCH_SEGMENT_LIVE, DI(c->segment), DI(p->docs), DI(p->text), DI(p->octets),
	    DI(p->highest), DI(p->cut), DI(p->unreadable), DI(p->reduced));
	return db_changed(db) ? OK : DENY;
}

enum result search_change(struct store *s, const struct search_change *c)
{
	struct search_job j = {.change = c};
	return wait_for(&j, s, apply_change);
}

/* ---- tidying ---- */

static enum result apply_tidy(struct job *job, struct db *db)
{
	struct search_job *j = (struct search_job *)job;
	j->segment = DB_NUMBER(db, 0, SEARCH_SEGMENT_DEAD, DI(clock_utc_ms() - ABANDONED_MS));
	if (!j->segment)
		return OK;
	int64_t first = j->segment * SEARCH_PAGES_A_SEGMENT, last = 0;
	{
		DB_ROWS q = DB_QUERY(
		    db, SEARCH_PAGES_SOME, DI(first), DI(first + SEARCH_PAGES_A_SEGMENT), DI(PAGES_A_JOB));
		while (db_next(&q)) {
			last = db_int(&q, 0);
			j->n++;
		}
	}
	if (j->n)
		DB_RUN(db, SEARCH_PAGES_REMOVE, DI(first), DI(last));
	if (j->n < PAGES_A_JOB)
		DB_RUN(db, SEARCH_SEGMENT_REMOVE, DI(j->segment));
	return OK;
}

bool search_tidy_some(struct store *s)
{
	struct search_job j = {0};
	{
		READER r = reader_begin(s);
		if (!r.db || !DB_NUMBER(r.db, 0, SEARCH_SEGMENT_DEAD, DI(clock_utc_ms() - ABANDONED_MS)))
			return false;
	}
	return wait_for(&j, s, apply_tidy) == OK && j.segment;
}
