#include "store/queue/inward.h"
#include "store/queue/courier.h"
#include "store/queue/deliver.h"
#include "store/mailbox/fields.h"
#include "store/queue/queue.h"

#define ROWS_MOST 100 /* of one message at a time */
#define INWARD_ARENA ((size_t)512 << 20)

struct inward_row {
	int64_t row;
	struct slice failed; /* the sealed reason why it cannot be; empty: it is delivered */
};

struct inward {
	struct deliver d; /* first: its job is ours */
	struct store *store;
	struct arena *arena;
	int64_t queued;
	struct slice mail, from_local, from_domain;
	uint32_t strip;
	bool going;
	enum mail_origin origin;
	struct blob_place body;
	struct inward_row rows[ROWS_MOST];
	struct envelope_rcpt rcpts[ROWS_MOST];
	size_t n;
};

/* OK with in->n == 0: nothing to do. */
static enum result read_rows(struct inward *in, struct db *db)
{
	{
		DB_ROWS q = DB_QUERY(db, INWARD_MAIL, DI(in->queued));
		if (!db_next(&q))
			return db_result(db);
		in->mail = arena_dup(in->arena, db_octets(&q, 0));
		in->strip = (uint32_t)db_int(&q, 1);
		in->going = db_int(&q, 2) == MAIL_GOING;
		struct slice fields = queue_open_sealed(in->store, in->mail, db_octets(&q, 3), in->arena);
		in->from_local = fields_find(fields, QUEUE_LOCAL);
		in->from_domain = fields_find(fields, QUEUE_DOMAIN);
		in->origin = queue_origin(fields);
		in->body = blob_place_of(&q, 4);
	}
	if (!in->going)
		return OK;
	DB_ROWS q = DB_QUERY(db, INWARD_RCPTS, DI(in->queued), DI(ROWS_MOST));
	for (; in->n < ROWS_MOST && db_next(&q); in->n++) {
		struct slice fields = queue_open_sealed(in->store, in->mail, db_octets(&q, 1), in->arena);
		in->rows[in->n] = (struct inward_row){.row = db_int(&q, 0)};
		in->rcpts[in->n] = (struct envelope_rcpt){
		    .local = fields_find(fields, QUEUE_LOCAL), .domain = fields_find(fields, QUEUE_DOMAIN)};
	}
	return db_result(db);
}

/* Who is behind each row. LATER: somebody cannot be reached now. */
static enum result resolve_rows(struct inward *in, struct resolving *res)
{
	for (size_t i = 0; i < in->n; i++) {
		struct verdict v = resolve(res, in->rcpts[i].local, in->rcpts[i].domain, (unsigned)i);
		if (v.result == LATER)
			return LATER;
		if (v.result != OK)
			in->rows[i].failed =
			    queue_seal_outcome(in->store, in->mail, v.status, slice_str(v.why), in->arena);
	}
	return OK;
}

static enum result prepare(struct inward *in, struct db *db, struct message *m)
{
	struct resolving res;
	resolve_start(&res, in->store, db, in->arena, true);
	enum result r = resolve_rows(in, &res);
	if (r == OK)
		r = message_reopen(in->store, in->arena, &in->body, m);
	if (r != OK)
		return r;
	struct envelope e = {.mail = in->mail,
	    .from_local = in->from_local,
	    .from_domain = in->from_domain,
	    .rcpts = in->rcpts,
	    .n_rcpts = in->n,
	    .strip = in->strip,
	    .origin = in->origin};
	TRACE t;
	trace_start(&t, in->store, in->mail);
	in->d.arena = in->arena;
	return deliver_prepare(&in->d, in->store, db, &e, &res, m, &t);
}

static enum result apply(struct job *j, struct db *db)
{
	struct inward *in = (struct inward *)j;
	for (size_t i = 0; i < in->n; i++) {
		if (DB_NUMBER(db, -1, RCPT_MARKS, DI(in->rows[i].row)) != RCPT_INWARD)
			return GONE; /* the administrator was faster: look again */
		if (in->rows[i].failed.n)
			DB_RUN(db, RCPT_CHANGE, DI(in->rows[i].row), DI(RCPT_FAILED), DI(in->d.now_ms), DI(1),
			    DI(0), DB(in->rows[i].failed));
		else
			DB_RUN(db, RCPT_REMOVE, DI(in->rows[i].row));
	}
	enum result r = deliver_apply(&in->d, db);
	queue_remove_if_done(db, in->queued);
	return r;
}

static enum result make(struct inward *in)
{
	MESSAGE m = {.fd = -1};
	enum result r;
	{
		READER reader = reader_begin(in->store);
		if (!reader.db)
			return LATER;
		r = read_rows(in, reader.db);
		if (r != OK || !in->n)
			return r;
		r = prepare(in, reader.db, &m);
	}
	if (r == OK) {
		in->d.job.apply = apply;
		r = writer_wait(in->store->writer, &in->d.job);
	}
	if (in->d.job.store)
		deliver_finish(&in->d, r);
	fd_close(&m.fd);
	if (r == OK && in->n == ROWS_MOST)
		courier_wake(in->store, in->queued);
	return r;
}

enum result inward_make(struct store *s, int64_t queued)
{
	ARENA_LOCAL(a, INWARD_ARENA);
	struct inward *in = arena_new(&a, struct inward);
	if (!in)
		return LATER;
	in->store = s;
	in->arena = &a;
	in->queued = queued;
	return make(in);
}
