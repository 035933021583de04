#include "store/deliver.h"
#include "store/fields.h"
#include "store/queue.h"
#include "store/recent.h"

/* ---- preparing ---- */

static struct slice joined(struct arena *a, struct slice local, struct slice domain)
{
	return slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain)));
}

static void add_local(struct deliver *d, const struct envelope *e, const struct target *to, struct trace *t)
{
	struct deliver_local *l = &d->locals[d->n_locals++];
	*l = (struct deliver_local){to->account, to->inbox, joined(d->arena, to->local, to->domain)};
	trace_step(t, STEP_DELIVERED);
	trace_address(t, TRACE_TO, e->rcpts[to->rcpt].local, e->rcpts[to->rcpt].domain);
	trace_field(t, TRACE_ACCOUNT, l->address);
	trace_field(t, TRACE_MAILBOX, SLICE("INBOX"));
}

static void add_row(struct deliver *d, enum rcpt_state state, uint32_t notify, struct slice local,
    struct slice domain, struct slice orcpt)
{
	struct deliver_remote *q = &d->remotes[d->n_remotes++];
	*q = (struct deliver_remote){.state = state, .notify = notify, .domain = arena_dup(d->arena, domain)};
	q->sealed = queue_seal_rcpt(d->job.store, d->mail, local, domain, orcpt, d->arena);
}

static void add_remote(struct deliver *d, const struct envelope *e, const struct target *to, struct trace *t)
{
	const struct envelope_rcpt *r = &e->rcpts[to->rcpt];
	/* RFC 3461 5.2.7.1: success behind an expansion is reported here and now, not by each branch. */
	uint32_t notify = to->spread ? r->notify & ~(uint32_t)NOTIFY_SUCCESS : r->notify;
	if (to->spread && r->notify == NOTIFY_SUCCESS)
		notify = NOTIFY_NEVER;
	add_row(d, RCPT_WAITING, notify, to->local, to->domain, r->orcpt);
	trace_step(t, STEP_QUEUED);
	trace_address(t, TRACE_TO, to->local, to->domain);
}

/* A sender who asked for it hears that mail arrived, or that it went on to several. */
static void add_success(struct deliver *d, const struct envelope *e, const struct resolving *r)
{
	for (unsigned i = 0; i < e->n_rcpts; i++) {
		bool local = false, spread = false;
		for (const struct target *t = r->first; t; t = t->next) {
			local |= t->rcpt == i && t->account;
			spread |= t->rcpt == i && t->spread;
		}
		if ((e->rcpts[i].notify & NOTIFY_SUCCESS) && (local || spread))
			add_row(d, spread ? RCPT_EXPANDED : RCPT_DELIVERED, NOTIFY_SUCCESS, e->rcpts[i].local,
			    e->rcpts[i].domain, e->rcpts[i].orcpt);
	}
}

static void add_quarantined(struct deliver *d, const struct envelope *e, struct trace *t)
{
	for (size_t i = 0; i < e->n_rcpts; i++) {
		add_row(d, RCPT_WAITING, e->rcpts[i].notify, e->rcpts[i].local, e->rcpts[i].domain,
		    e->rcpts[i].orcpt);
		trace_step(t, STEP_QUARANTINED);
		trace_address(t, TRACE_TO, e->rcpts[i].local, e->rcpts[i].domain);
		trace_field(t, TRACE_WHY, SLICE("the scanner ended twice"));
	}
}

static bool any_utf8(const struct envelope *e, const struct resolving *r)
{
	bool utf8 = !slice_is_ascii(e->from_local);
	for (const struct target *t = r->first; t; t = t->next)
		utf8 |= !t->account && !slice_is_ascii(t->local);
	return utf8;
}

static void take_facts(struct deliver *d, const struct envelope *e, const struct resolving *r,
    const struct message *m, struct trace *t)
{
	const Sekisho__Facts *f = m->facts;
	d->smtputf8 = any_utf8(e, r);
	d->body = 2;
	if (!f)
		return;
	d->body = f->has_binary ? 2 : f->has_8bit ? 1 : 0;
	d->smtputf8 |= f->has_8bit_header;
	d->n_tokens = thread_tokens(d->job.store, f, d->tokens, THREAD_TOKENS);
	trace_field(t, TRACE_MESSAGE_ID, slice_str(f->message_id));
	trace_token(t, "id", slice_str(f->message_id));
	trace_subject(t, slice_str(f->subject));
}

static void add_targets(
    struct deliver *d, const struct envelope *e, const struct resolving *r, struct trace *t)
{
	for (const struct target *to = r->first; to; to = to->next) {
		if (to->account)
			add_local(d, e, to, t);
		else
			add_remote(d, e, to, t);
	}
	if (e->from_local.n)
		add_success(d, e, r);
}

enum result deliver_prepare(struct deliver *d, struct store *s, struct db *reader, const struct envelope *e,
    const struct resolving *r, const struct message *m, struct trace *t)
{
	d->job.store = s;
	d->job.durable = d->job.bodies = true;
	d->mail = e->mail;
	d->size = m->body.n;
	d->strip = MIN(e->strip, (uint32_t)m->body.n);
	d->ret = e->ret;
	d->now_ms = clock_utc_ms();
	d->quarantined = !m->facts;
	d->locals = arena_array(d->arena, r->n + 1, sizeof *d->locals);
	d->remotes = arena_array(d->arena, r->n + e->n_rcpts + 1, sizeof *d->remotes);
	if (!d->locals || !d->remotes)
		return LATER;
	take_facts(d, e, r, m, t);
	if (d->quarantined)
		add_quarantined(d, e, t);
	else
		add_targets(d, e, r, t);
	d->sealed = queue_seal_mail(s, d->mail, e->from_local, e->from_domain, e->envid, d->arena);
	enum result done = arena_full(d->arena) ? LATER : blob_room(s->blob);
	if (done == OK)
		done = blob_keep(s->blob, reader, m->digest, m->body, m->packed, &d->blob);
	if (done != OK)
		return done;
	memcpy(&d->content, d->blob.digest, sizeof d->content);
	d->content = (d->content & INT64_MAX) | 1;
	trace_seal(t, d->mail, d->content, &d->trace);
	return OK;
}

/* ---- applying ---- */

static enum result put_local(struct deliver *d, struct db *db, struct deliver_local *l, int64_t blob)
{
	struct writer *w = d->job.store->writer;
	struct box b;
	if (!box_load(db, l->inbox, &b) || b.account != l->account)
		return LATER; /* removed since it was looked up: the next attempt hears of it */
	struct entry e = {
	    .email = writer_number(w, SEQUENCE_EMAIL),
	    .blob = blob,
	    .internal_ms = d->now_ms,
	    .saved_ms = d->now_ms,
	    .size = d->size,
	};
	e.thread = thread_of(db, l->account, e.email, d->tokens, d->n_tokens);
	box_add(w, db, &b, &e);
	box_save(db, &b);
	writer_touch(w, b.id, NULL);
	l->uid = e.uid;
	return OK;
}

static void put_queue(struct deliver *d, struct db *db, int64_t blob)
{
	struct writer *w = d->job.store->writer;
	d->queued = writer_number(w, SEQUENCE_QUEUE);
	DB_RUN(db, QUEUED_ADD, DI(d->queued), DI(ORGANISATION), DT(d->mail), DI(blob), DI(d->now_ms),
	    DI(d->size), DI(d->strip), DI(d->ret), DI(d->smtputf8), DI(d->body),
	    DI(d->quarantined ? MAIL_QUARANTINED : MAIL_GOING), DB(d->sealed));
	for (size_t i = 0; i < d->n_remotes; i++) {
		struct deliver_remote *r = &d->remotes[i];
		r->row = writer_number(w, SEQUENCE_QUEUE);
		DB_RUN(db, RCPT_ADD, DI(r->row), DI(d->queued), DT(r->domain), DI(r->notify), DI(r->state),
		    DI(d->now_ms), DB(r->sealed));
	}
}

enum result deliver_apply(struct deliver *d, struct db *db)
{
	struct store *s = d->job.store;
	int64_t before = recent_find(s->recent, d->mail);
	d->added = false;
	d->queued = 0;
	if (before)
		return before == d->content ? OK : DENY;
	unsigned refs = (unsigned)d->n_locals + (d->n_remotes > 0);
	int64_t blob = refs ? blob_ref(s->blob, s->writer, db, &d->blob, refs) : 0;
	if (refs && !blob)
		return LATER;
	for (size_t i = 0; i < d->n_locals; i++) {
		enum result r = put_local(d, db, &d->locals[i], blob);
		if (r != OK)
			return r;
	}
	if (d->n_remotes)
		put_queue(d, db, blob);
	trace_apply(s->writer, db, &d->trace);
	/* A repetition in the same group must not be told that this one, which will be taken back, succeeded. */
	if (db_result(db) != OK)
		return db_result(db);
	d->added = true;
	recent_add(s->recent, d->mail, d->content, d->now_ms);
	return OK;
}

static void tell_queue(const struct deliver *d)
{
	for (size_t i = 0; i < d->n_remotes; i++)
		if (d->remotes[i].state == RCPT_WAITING)
			EVENT(QUEUED, KV("mail", d->mail), KV("domain", d->remotes[i].domain));
	if (d->n_remotes)
		queue_add_all(d->job.store->queue, d->queued, d->remotes, d->n_remotes, d->now_ms);
}

void deliver_finish(struct deliver *d, enum result r)
{
	if (r != OK && d->added)
		recent_remove(d->job.store->recent, d->mail);
	blob_release(d->job.store->blob, &d->blob);
	if (r == OK && d->added) {
		for (size_t i = 0; i < d->n_locals; i++)
			EVENT(DELIVERED, KV("mail", d->mail), KV("rcpt", d->locals[i].address),
			    KZ("mailbox", "INBOX"), KN("uid", d->locals[i].uid));
		if (d->queued && !d->quarantined)
			tell_queue(d);
	}
	trace_row_free(&d->trace);
}
