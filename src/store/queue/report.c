/* STORE_REPORT: what became of the attempts. */
#include "store/queue/courier.h"
#include "store/mailbox/fields.h"
#include "store/handlers.h"
#include "store/queue/inside.h"
#include "store/domain/tls.h"

enum change { CHANGE_NONE, CHANGE_REMOVE, CHANGE_WAIT, CHANGE_TELL };

/* One attempt, worked out before the transaction. */
struct outcome {
	enum change change;
	int64_t row, queued, due_ms;
	enum rcpt_state state;
	bool sent;
	int64_t unknown_to; /* the account that wrote to an address that does not exist; 0: none */
	int64_t attempts, delay;
	struct slice domain, reply;
	struct trace_row trace;
};

struct report {
	struct job job;
	struct ipc_turn *turn;
	struct outcome *outcomes;
	size_t n;
	struct tls_tally tally;
};

/* A recipient and its message as they are in the tables. */
struct waiting {
	struct slice mail, domain, mail_fields, rcpt_fields;
	int64_t queued, created, attempts, delay, account;
	uint32_t notify;
	bool null_sender;
};

static bool load_waiting(struct store *s, struct db *db, int64_t row, struct arena *a, struct waiting *w)
{
	DB_ROWS q = DB_QUERY(db, RCPT_REPORT, DI(row));
	if (!db_next(&q) || db_int(&q, 6) != RCPT_WAITING)
		return false;
	*w = (struct waiting){
	    .mail = arena_dup(a, db_octets(&q, 0)),
	    .domain = arena_dup(a, db_octets(&q, 1)),
	    .queued = db_int(&q, 2),
	    .created = db_int(&q, 3),
	    .attempts = db_int(&q, 4),
	    .delay = db_int(&q, 5),
	    .notify = (uint32_t)db_int(&q, 7),
	    .account = db_int(&q, 10),
	};
	w->mail_fields = queue_open_sealed(s, w->mail, db_octets(&q, 8), a);
	w->rcpt_fields = queue_open_sealed(s, w->mail, db_octets(&q, 9), a);
	w->null_sender = fields_find(w->mail_fields, QUEUE_LOCAL).n == 0;
	return w->rcpt_fields.n > 0;
}

/* Doubling from the first wait to the longest, a tenth more or less so that what failed together does not return so. */
static int64_t wait_after(const struct store_settings *c, int64_t attempts)
{
	int64_t wait = c->retry_first_ms;
	for (int64_t i = 1; i < attempts && wait < c->retry_most_ms; i++)
		wait *= 2;
	wait = MIN(wait, c->retry_most_ms);
	uint16_t dice;
	seal_random(&dice, sizeof dice);
	return wait - wait / 10 + wait / 5 * dice / UINT16_MAX;
}

static struct slice seal_reply(
    struct store *s, const struct waiting *w, const Sekisho__Attempt *at, struct arena *a)
{
	BUF_LOCAL(b, 8192);
	fields_put(&b, QUEUE_HOST, slice_str(at->host));
	fields_put_number(&b, QUEUE_CODE, at->code);
	fields_put(&b, QUEUE_STATUS, slice_str(at->status));
	fields_put(&b, QUEUE_TEXT, slice_sub(slice_str(at->text), 0, 4000));
	fields_put_number(&b, QUEUE_WHEN, (uint64_t)clock_utc_ms());
	return queue_seal_fields(s, w->mail, &b, a);
}

static bool wants(const struct waiting *w, uint32_t what)
{
	if (w->null_sender || (w->notify & NOTIFY_NEVER))
		return false;
	return w->notify ? w->notify & what : what != NOTIFY_SUCCESS;
}

/* Sets what the row becomes, and says which step that is. */
static enum trace_step decide(
    struct store *s, const struct waiting *w, const Sekisho__Attempt *at, struct outcome *o)
{
	const struct store_settings *c = s->settings;
	int64_t now = clock_utc_ms(), age = now - w->created;
	o->attempts = w->attempts + 1;
	o->delay = w->delay;
	if (at->outcome == SEKISHO__ATTEMPT__OUTCOME__SENT) {
		bool tell = wants(w, NOTIFY_SUCCESS) && !at->remote_dsn;
		o->change = tell ? CHANGE_TELL : CHANGE_REMOVE;
		o->state = RCPT_RELAYED;
		return STEP_SENT;
	}
	if (at->outcome == SEKISHO__ATTEMPT__OUTCOME__DEFERRED && age < c->give_up_ms) {
		o->change = CHANGE_WAIT;
		o->due_ms = MIN(now + wait_after(c, o->attempts), w->created + c->give_up_ms);
		if (age >= c->delay_notice_ms && !w->delay && wants(w, NOTIFY_DELAY))
			o->delay = 1;
		return STEP_DEFERRED;
	}
	o->change = wants(w, NOTIFY_FAILURE) ? CHANGE_TELL : CHANGE_REMOVE;
	o->state = RCPT_FAILED;
	return STEP_FAILED;
}

static void put_time(struct trace *t, enum trace_tag tag, int64_t ms)
{
	BUF_LOCAL(text, 64);
	trace_time(&text, ms);
	trace_field(t, tag, buf_slice(&text));
}

static void trace_attempt(struct store *s, const struct waiting *w, const Sekisho__Attempt *at,
    enum trace_step step, struct outcome *o)
{
	TRACE t;
	trace_start(&t, s, w->mail);
	trace_step(&t, step);
	trace_address(&t, TRACE_TO, fields_find(w->rcpt_fields, QUEUE_LOCAL),
	    fields_find(w->rcpt_fields, QUEUE_DOMAIN));
	trace_field(&t, TRACE_HOST, slice_str(*at->host ? at->host : "-"));
	trace_field(&t, TRACE_IP, slice_str(at->ip));
	trace_number(&t, TRACE_CODE, at->code);
	trace_field(&t, TRACE_STATUS, slice_str(at->status));
	trace_field(&t, TRACE_REPLY, slice_str(at->text));
	trace_field(&t, TRACE_TLS, slice_str(at->tls));
	if (step == STEP_SENT)
		trace_field(&t, TRACE_SECURED, slice_str(tls_secured_name(at->secured)));
	trace_number(&t, TRACE_MS, at->ms);
	trace_number(&t, TRACE_ATTEMPT, (uint64_t)o->attempts);
	if (step == STEP_DEFERRED)
		put_time(&t, TRACE_NEXT, o->due_ms);
	if (o->change == CHANGE_REMOVE && step == STEP_FAILED) {
		trace_step(&t, STEP_NOTICE_DROPPED);
		trace_address(&t, TRACE_TO, fields_find(w->rcpt_fields, QUEUE_LOCAL),
		    fields_find(w->rcpt_fields, QUEUE_DOMAIN));
		trace_field(&t, TRACE_WHY, SLICE("failed"));
		trace_field(&t, TRACE_REPLY,
		    slice_str(w->null_sender ? "the sender is empty" : "the sender asked for none"));
	}
	trace_seal(&t, w->mail, 0, &o->trace);
}

static void log_attempt(
    const struct waiting *w, const Sekisho__Attempt *at, enum trace_step step, int64_t due)
{
	struct kv mail = KV("mail", w->mail), domain = KV("rcpt", w->domain), host = KZ("host", at->host);
	if (step == STEP_SENT)
		EVENT(SENT, mail, domain, host, KZ("reply", at->text), KZ("tls", at->tls), KN("ms", at->ms));
	else if (step == STEP_DEFERRED)
		EVENT(DEFERRED, mail, domain, host, KZ("reply", at->text), KN("next", due));
	else
		EVENT(BOUNCED, mail, domain, host, KZ("reply", at->text));
}

static void work_out(
    struct store *s, struct db *db, const Sekisho__Attempt *at, struct arena *a, struct outcome *o)
{
	struct waiting w;
	*o = (struct outcome){.row = (int64_t)at->row};
	if (at->outcome == SEKISHO__ATTEMPT__OUTCOME__RELEASED || !load_waiting(s, db, o->row, a, &w))
		return;
	o->queued = w.queued;
	o->domain = w.domain;
	enum trace_step step = decide(s, &w, at, o);
	o->sent = step == STEP_SENT;
	if (step == STEP_FAILED && slice_starts(slice_str(at->status), SLICE("5.1.")))
		o->unknown_to = w.account;
	o->reply = seal_reply(s, &w, at, a);
	trace_attempt(s, &w, at, step, o);
	log_attempt(&w, at, step, o->due_ms);
}

/* ---- the transaction ---- */

void queue_remove_row(struct db *db, int64_t row, int64_t queued)
{
	DB_RUN(db, RCPT_REMOVE, DI(row));
	if (db_changed(db))
		queue_remove_if_done(db, queued);
}

void queue_remove_if_done(struct db *db, int64_t queued)
{
	if (DB_NUMBER(db, 1, RCPT_COUNT, DI(queued)))
		return;
	int64_t blob = DB_NUMBER(db, 0, QUEUED_BLOB, DI(queued));
	DB_RUN(db, QUEUED_REMOVE, DI(queued));
	if (blob)
		blob_unref(db, blob, 1);
}

static enum result apply_report(struct job *j, struct db *db)
{
	struct report *r = (struct report *)j;
	for (size_t i = 0; i < r->n; i++) {
		const struct outcome *o = &r->outcomes[i];
		if (o->change == CHANGE_NONE)
			continue;
		if (o->change == CHANGE_REMOVE)
			queue_remove_row(db, o->row, o->queued);
		else
			DB_RUN(db, RCPT_CHANGE, DI(o->row),
			    DI(o->change == CHANGE_TELL ? o->state : RCPT_WAITING), DI(o->due_ms),
			    DI(o->attempts), DI(o->delay), DB(o->reply));
		trace_apply(j->store->writer, db, &o->trace);
		if (o->unknown_to)
			spend_invalid(j->store, db, o->unknown_to, 1);
	}
	tls_tally_apply(&r->tally, db);
	return OK;
}

static void done_report(struct job *j, enum result result)
{
	struct report *r = (struct report *)j;
	struct queue *q = j->store->queue;
	for (size_t i = 0; i < r->n; i++) {
		struct outcome *o = &r->outcomes[i];
		if (result != OK || o->change == CHANGE_NONE) {
			queue_unclaim(q, &o->row, 1);
		} else if (o->change == CHANGE_WAIT) {
			queue_add(q, o->row, o->queued, o->domain, RCPT_WAITING, o->due_ms);
		} else {
			queue_drop(q, o->row);
		}
		if (result == OK && (o->change == CHANGE_TELL || o->delay == 1))
			courier_wake(j->store, o->queued);
		trace_row_free(&o->trace);
	}
	queue_ring(q);
	if (result == OK)
		ipc_answer(r->turn, NULL, NULL);
	else
		refuse(r->turn, result);
}

void ask_report(struct ipc_turn *t)
{
	const Sekisho__ReportAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct report *r = arena_new(&t->arena, struct report);
	struct outcome *outcomes = arena_array(&t->arena, ask->n_attempts + 1, sizeof *outcomes);
	{
		READER reader = reader_begin(s);
		if (!r || !outcomes || !reader.db) {
			refuse(t, LATER);
			return;
		}
		for (size_t i = 0; i < ask->n_attempts; i++)
			work_out(s, reader.db, ask->attempts[i], &t->arena, &outcomes[i]);
	}
	*r = (struct report){
	    .job = {.store = s, .apply = apply_report, .done = done_report, .durable = true},
	    .turn = t,
	    .outcomes = outcomes,
	    .n = ask->n_attempts,
	};
	tls_tally_start(&r->tally, &t->arena, ask);
	for (size_t i = 0; i < r->n; i++)
		if (outcomes[i].sent)
			tls_tally_sent(&r->tally, outcomes[i].domain, ask->attempts[i]);
	writer_put(s->writer, &r->job);
}
