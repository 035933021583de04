/* The queue, for its administrator. */
#include "store/admin/admin.h"
#include "store/mailbox/fields.h"
#include "store/queue/queue.h"

#define LIST_MOST 1000

struct admin_row {
	int64_t row, queued, due, state;
	struct slice domain;
};
/* Rows whose place in the queue in memory changes once the job is committed. */
struct admin_rows {
	struct admin_row *v;
	size_t n, cap;
	bool drop;
};

static const char *state_name(int64_t mail, int64_t rcpt)
{
	if (mail == MAIL_HELD)
		return "held";
	if (mail == MAIL_QUARANTINED)
		return "quarantined";
	return rcpt == RCPT_WAITING ? "waiting" : "notice";
}

/* "host: 450 4.2.1 text" of the last attempt. */
static json_t *reason_json(struct slice reply)
{
	BUF_LOCAL(b, 8192);
	struct slice host = fields_find(reply, QUEUE_HOST);
	uint64_t code = fields_number(fields_find(reply, QUEUE_CODE));
	if (host.n)
		buf_printf(&b, SLICE_FMT ": ", SLICE_ARG(host));
	if (code)
		buf_printf(&b, "%u ", (unsigned)code);
	buf_put(&b, fields_find(reply, QUEUE_TEXT));
	return admin_string(buf_slice(&b));
}

static json_t *row_json(struct admin *a, const struct db_rows *q)
{
	struct slice mail = db_octets(q, 0);
	struct slice from = queue_open_sealed(a->store, mail, db_octets(q, 4), a->arena);
	struct slice to = queue_open_sealed(a->store, mail, db_octets(q, 9), a->arena);
	struct slice reply = queue_open_sealed(a->store, mail, db_octets(q, 10), a->arena);
	return json_pack("{s:o,s:o,s:o,s:o,s:s,s:I,s:I,s:I,s:I,s:o}", "mail", admin_string(mail), "from",
	    admin_address_string(a, fields_find(from, QUEUE_LOCAL), fields_find(from, QUEUE_DOMAIN)), "to",
	    admin_address_string(a, fields_find(to, QUEUE_LOCAL), fields_find(to, QUEUE_DOMAIN)), "domain",
	    admin_string(db_octets(q, 5)), "state", state_name(db_int(q, 3), db_int(q, 6)), "created_at_ms",
	    (json_int_t)db_int(q, 1), "next_at_ms", (json_int_t)db_int(q, 7), "attempts",
	    (json_int_t)db_int(q, 8), "size", (json_int_t)db_int(q, 2), "reason", reason_json(reply));
}

static enum result list(struct admin *a, struct db *db, struct slice mail, struct slice domain)
{
	int64_t most = MIN(MAX(admin_number(a, "limit", LIST_MOST), 1), 100000);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, QUEUE_LIST, DT(domain), DT(mail), DI(most));
	while (db_next(&q))
		json_array_append_new(a->answer, row_json(a, &q));
	return OK;
}

enum result admin_queue_list(struct admin *a, struct db *db)
{
	struct slice domain = admin_text(a, "domain");
	return list(a, db, SLICE_NONE, domain.n ? resolve_domain(domain, a->arena) : domain);
}

enum result admin_queue_show(struct admin *a, struct db *db)
{
	struct slice mail = admin_item(a, "mail", 0);
	enum result r = mail.n ? list(a, db, mail, SLICE_NONE) : DENY;
	if (r == OK && json_array_size(a->answer) == 0)
		return admin_refuse(a, GONE, "no such mail in the queue");
	return r;
}

/* ---- changing ---- */

static void after(struct admin *a)
{
	struct queue *q = a->store->queue;
	for (size_t i = 0; i < a->rows->n; i++) {
		const struct admin_row *r = &a->rows->v[i];
		if (a->rows->drop)
			queue_drop(q, r->row);
		else if (!queue_is_claimed(q, r->row))
			queue_add(q, r->row, r->queued, r->domain, (enum rcpt_state)r->state, r->due);
	}
}

static void after_retry(struct admin *a)
{
	queue_retry(a->store->queue);
	after(a);
}

static bool note_rows(struct admin *a, struct db *db, int64_t queued, int64_t due)
{
	DB_ROWS q = DB_QUERY(db, RCPTS_QUEUE, DI(queued), DI(a->store->node));
	while (db_next(&q)) {
		struct admin_rows *rows = a->rows;
		if (rows->n == rows->cap) {
			size_t cap = rows->cap ? rows->cap * 2 : 64;
			struct admin_row *v = arena_array(a->arena, cap, sizeof *v);
			if (!v)
				return false;
			if (rows->n)
				memcpy(v, rows->v, rows->n * sizeof *v);
			rows->v = v;
			rows->cap = cap;
		}
		rows->v[rows->n++] = (struct admin_row){
		    .row = db_int(&q, 0),
		    .queued = queued,
		    .domain = arena_dup(a->arena, db_octets(&q, 1)),
		    .state = db_int(&q, 2),
		    .due = due ? due : db_int(&q, 3),
		};
	}
	return !arena_full(a->arena);
}

struct queued {
	int64_t id, state;
	struct slice mail;
};

typedef enum result change(struct admin *a, struct db *db, const struct queued *q);

static enum result change_one(
    struct admin *a, struct db *db, struct slice mail, change *what, enum trace_step step)
{
	struct queued queued = {.mail = mail};
	{
		DB_ROWS q = DB_QUERY(db, QUEUED_FIND, DT(mail));
		if (!db_next(&q))
			return admin_refuse(
			    a, GONE, "no such mail in the queue: " SLICE_FMT, SLICE_ARG(mail));
		queued.id = db_int(&q, 0);
		queued.state = db_int(&q, 1);
	}
	enum result r = what(a, db, &queued);
	writer_tell(a->store->writer, step ? NODE_QUEUED : NODE_RETRY, queued.id);
	if (r != OK || !step)
		return r;
	TRACE t;
	struct trace_row row;
	trace_start(&t, a->store, mail);
	trace_step(&t, step);
	trace_seal(&t, mail, 0, &row);
	trace_apply(a->store->writer, db, &row);
	trace_row_free(&row);
	return OK;
}

static enum result change_named(struct admin *a, struct db *db, change *what, enum trace_step step, bool drop)
{
	a->rows = arena_new(a->arena, struct admin_rows);
	if (!a->rows)
		return LATER;
	a->rows->drop = drop;
	struct slice mail;
	size_t n = 0;
	enum result r = OK;
	for (; r == OK && (mail = admin_item(a, "mail", n)).n; n++)
		r = change_one(a, db, mail, what, step);
	if (r == OK && !n)
		return admin_refuse(a, DENY, "mail is missing");
	a->after = after;
	a->answer = json_pack("{s:I}", "changed", (json_int_t)n);
	return r;
}

static enum result retry_one(struct admin *a, struct db *db, const struct queued *q)
{
	int64_t now = clock_utc_ms();
	if (q->state != MAIL_GOING)
		return admin_refuse(a, DENY, "it is held: release it first");
	DB_RUN(db, RCPTS_DUE, DI(q->id), DI(now));
	return note_rows(a, db, q->id, now) ? OK : LATER;
}

enum result admin_queue_retry(struct admin *a, struct db *db)
{
	if (admin_item(a, "mail", 0).n) {
		enum result r = change_named(a, db, retry_one, 0, false);
		a->after = after_retry;
		return r;
	}
	a->rows = arena_new(a->arena, struct admin_rows);
	int64_t now = clock_utc_ms(), n = 0;
	struct {
		int64_t *v;
		size_t n;
	} ids = {arena_array(a->arena, LIST_MOST * 100, sizeof(int64_t)), 0};
	if (!a->rows || !ids.v)
		return LATER;
	{
		DB_ROWS q = DB_QUERY(db, QUEUED_GOING, DI(LIST_MOST * 100));
		while (ids.n < LIST_MOST * 100 && db_next(&q))
			ids.v[ids.n++] = db_int(&q, 0);
	}
	writer_tell(a->store->writer, NODE_RETRY, 0);
	for (size_t i = 0; i < ids.n; i++, n++) {
		DB_RUN(db, RCPTS_DUE, DI(ids.v[i]), DI(now));
		if (!note_rows(a, db, ids.v[i], now))
			return LATER;
	}
	a->after = after_retry;
	a->answer = json_pack("{s:I}", "changed", (json_int_t)n);
	return OK;
}

static enum result hold_one(struct admin *a, struct db *db, const struct queued *q)
{
	if (q->state != MAIL_GOING)
		return admin_refuse(a, DENY, "it is held already");
	DB_RUN(db, QUEUED_SET_STATE, DI(q->id), DI(MAIL_HELD));
	return note_rows(a, db, q->id, 0) ? OK : LATER;
}

enum result admin_queue_hold(struct admin *a, struct db *db)
{
	return change_named(a, db, hold_one, STEP_HELD, true);
}

/* Whoever sits at a stolen account would let its mail go. */
static bool is_own(const struct admin *a, struct db *db, int64_t queued)
{
	return a->powers->account && DB_NUMBER(db, 0, QUEUED_OF, DI(queued)) == a->powers->account;
}

static enum result release_one(struct admin *a, struct db *db, const struct queued *q)
{
	if (is_own(a, db, q->id))
		return admin_refuse(a, DENY, "somebody else must do this");
	if (q->state != MAIL_HELD)
		return admin_refuse(a, DENY,
		    q->state == MAIL_GOING ? "it is not held"
					   : "it was never scanned and cannot be delivered");
	DB_RUN(db, QUEUED_SET_STATE, DI(q->id), DI(MAIL_GOING));
	return note_rows(a, db, q->id, 0) ? OK : LATER;
}

enum result admin_queue_release(struct admin *a, struct db *db)
{
	return change_named(a, db, release_one, STEP_RELEASED, false);
}

static enum result remove_one(struct admin *a, struct db *db, const struct queued *q)
{
	if (!note_rows(a, db, q->id, 0))
		return LATER;
	DB_RUN(db, RCPTS_REMOVE, DI(q->id));
	queue_remove_if_done(db, q->id);
	return OK;
}

enum result admin_queue_remove(struct admin *a, struct db *db)
{
	return change_named(a, db, remove_one, STEP_REMOVED, true);
}

enum result admin_queue_settle(struct admin *a, struct db *db, const struct slice *go, size_t n_go,
    const struct slice *away, size_t n_away)
{
	enum result r = OK;
	a->rows = arena_new(a->arena, struct admin_rows);
	if (!a->rows)
		return LATER;
	for (size_t i = 0; r == OK && i < n_away; i++)
		r = change_one(a, db, away[i], remove_one, STEP_REMOVED);
	a->rows->n = 0; /* what is gone needs no place in the queue in memory */
	for (size_t i = 0; r == OK && i < n_go; i++)
		r = change_one(a, db, go[i], release_one, STEP_RELEASED);
	a->after = after;
	return r;
}
