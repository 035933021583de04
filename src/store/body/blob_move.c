/*
 * blob_move: bodies go from segment files to the object store, or back, while the store serves.
 *
 * New bodies go to the place that is configured; the others are read from wherever their row says. An administrator's verb
 * moves a batch of those in the other place: their records are copied as they are, made durable, read back from the new place
 * and opened, their content compared with the digest in their row, and only then do the rows point to the new place. Nothing
 * is removed from the old place before no row points into it (blob_tidy.c). So a move may be broken off and taken up again at
 * any time.
 */
#include "store/admin/admin.h"
#include <stdlib.h>

#define BATCH 256
#define BATCH_OCTETS ((uint64_t)12 << 20)
#define BODY_MOST ((size_t)LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED)

struct traveller {
	int64_t id;
	struct blob_place from, to; /* to.segment 0: not copied yet */
	uint8_t digest[BLOB_DIGEST];
};

struct journey {
	struct job job;
	struct traveller v[BATCH];
	size_t n;
	uint64_t octets;
};

static void other_place(struct store *s, int64_t *from_out, int64_t *to_out)
{
	bool to_objects = segments_to_objects(blob_segments(s->blob));
	*from_out = to_objects ? 0 : SEGMENT_OBJECTS;
	*to_out = to_objects ? SEGMENT_OBJECTS : INT64_MAX;
}

static enum result list_batch(struct store *s, struct journey *j)
{
	int64_t from, to;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	other_place(s, &from, &to);
	DB_ROWS q = DB_QUERY(r.db, BLOBS_BETWEEN, DI(from), DI(to), DI(BATCH));
	while (j->n < BATCH && (!j->n || j->octets < BATCH_OCTETS) && db_next(&q)) {
		struct traveller *t = &j->v[j->n++];
		struct slice digest = db_octets(&q, 7);
		t->from = blob_place_of(&q, 0);
		t->id = db_int(&q, 6);
		if (digest.n != BLOB_DIGEST)
			return BAD;
		memcpy(t->digest, digest.p, BLOB_DIGEST);
		j->octets += t->from.taken;
	}
	return db_result(r.db);
}

static enum result copy(struct segments *seg, struct traveller *t)
{
	char *p = malloc(t->from.taken ? t->from.taken : 1);
	if (!p)
		abort();
	struct blob_place to = t->from;
	enum result r = segments_read(seg, t->from.segment, t->from.place, p, t->from.taken);
	if (r == OK)
		r = segments_reserve(seg, t->from.taken, &to.segment, &to.place);
	if (r == OK) {
		t->to = to;
		r = segments_write(seg, to.segment, to.place, slice_of(p, to.taken));
		segments_wrote(seg, to.segment, to.place, to.taken, to.taken);
	}
	free(p);
	return r;
}

/* Read from where it is now, the body is what its row says. */
static enum result check(struct store *s, const struct traveller *t)
{
	uint8_t sha256[32], digest[BLOB_DIGEST];
	BUF_LOCAL(body, BODY_MOST);
	BUF_LOCAL(facts, BODY_MOST);
	enum result r = blob_read(s->blob, &t->to, 0, t->to.size, &body);
	if (r == OK)
		r = blob_read_facts(s->blob, &t->to, &facts);
	if (r != OK)
		return r;
	seal_sha256(buf_slice(&body), sha256);
	blob_digest(s->blob, sha256, facts.n > 0, digest);
	return memcmp(digest, t->digest, BLOB_DIGEST) == 0 ? OK : BAD;
}

static enum result apply_journey(struct job *job, struct db *db)
{
	const struct journey *j = (const struct journey *)job;
	struct segments *seg = blob_segments(job->store->blob);
	for (size_t i = 0; i < j->n; i++)
		if (!segments_good(seg, j->v[i].to.segment))
			return LATER;
	for (size_t i = 0; i < j->n; i++)
		DB_RUN(db, BLOB_MOVE, DI(j->v[i].id), DI(j->v[i].to.segment), DI(j->v[i].to.place));
	return OK;
}

static enum result travel(struct admin *a, struct journey *j)
{
	struct store *s = a->store;
	struct segments *seg = blob_segments(s->blob);
	enum result r = OK;
	for (size_t i = 0; i < j->n && r == OK; i++) {
		r = copy(seg, &j->v[i]);
		if (r != OK)
			r = admin_refuse(a, LATER, "body %lld could not be copied: %s", (long long)j->v[i].id,
			    result_name(r));
	}
	if (r == OK)
		r = segments_flush(seg);
	for (size_t i = 0; i < j->n && r == OK; i++)
		if (i == 0 || j->v[i].to.segment != j->v[i - 1].to.segment)
			segments_forget(seg, j->v[i].to.segment);
	for (size_t i = 0; i < j->n && r == OK; i++)
		if (check(s, &j->v[i]) != OK)
			r = admin_refuse(a, DENY,
			    "body %lld is not the same after it was copied: nothing was changed",
			    (long long)j->v[i].id);
	return r;
}

static void count_left(struct store *s, json_t *answer)
{
	int64_t from, to;
	READER r = reader_begin(s);
	other_place(s, &from, &to);
	if (!r.db)
		return;
	DB_ROWS q = DB_QUERY(r.db, BLOBS_LEFT, DI(from), DI(to));
	if (db_next(&q)) {
		json_object_set_new(answer, "left", json_integer(db_int(&q, 0)));
		json_object_set_new(answer, "left_octets", json_integer(db_int(&q, 1)));
	}
}

enum result admin_bodies_move(struct admin *a, struct db *db)
{
	struct store *s = a->store;
	struct journey *j = calloc(1, sizeof *j);
	if (!j)
		abort();
	j->job = (struct job){.store = s, .apply = apply_journey, .durable = true, .bodies = true};
	enum result r = blob_room(s->blob);
	if (r == OK)
		r = list_batch(s, j);
	if (r == OK)
		r = travel(a, j);
	if (r == OK && j->n)
		r = writer_wait(s->writer, &j->job);
	for (size_t i = 0; i < j->n; i++)
		if (j->v[i].to.segment)
			segments_release(blob_segments(s->blob), j->v[i].to.segment);
	if (r == OK) {
		a->answer = json_pack("{s:s,s:I,s:I}", "to",
		    segments_to_objects(blob_segments(s->blob)) ? "s3" : "files", "moved", (json_int_t)j->n,
		    "octets", (json_int_t)j->octets);
		if (!j->n || admin_number(a, "count", 0))
			count_left(s, a->answer);
	}
	free(j);
	return r;
}
