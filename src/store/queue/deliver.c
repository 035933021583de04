#include "store/queue/deliver.h"
#include "store/contain/contain.h"
#include "store/mailbox/fields.h"
#include "store/queue/filter.h"
#include "store/queue/queue.h"
#include "store/mailbox/quota.h"
#include "store/mailbox/recent.h"
#include "store/domain/reports.h"
#include "store/queue/srs.h"

struct slice deliver_mail_id(struct arena *a)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t random[16];
	char *id = arena_alloc(a, sizeof random + 1);
	seal_random(random, sizeof random);
	for (size_t i = 0; id && i < sizeof random; i++)
		id[i] = digits[random[i] % 32];
	return slice_of(id, id ? sizeof random : 0);
}

/* ---- preparing ---- */

static struct slice joined(struct arena *a, struct slice local, struct slice domain)
{
	return slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain)));
}

struct deliver_local *deliver_add_local(struct deliver *d, const struct target *to)
{
	struct deliver_local *l = arena_new(d->arena, struct deliver_local);
	if (!l)
		return NULL;
	*l = (struct deliver_local){.account = to->account,
	    .inbox = to->inbox,
	    .address = joined(d->arena, to->local, to->domain),
	    .spread = to->spread};
	*d->last_local = l;
	d->last_local = &l->next;
	return l;
}

struct deliver_sent *deliver_add_sent(struct deliver *d)
{
	struct deliver_sent *s = arena_new(d->arena, struct deliver_sent);
	if (!s)
		return NULL;
	*d->last_sent = s;
	d->last_sent = &s->next;
	return s;
}

/* Into the account's Junk, past its filters: they must neither answer nor pass on what its sender may not have sent. */
static void add_junk(
    struct deliver *d, struct db *reader, const struct envelope *e, const struct target *to, struct trace *t)
{
	struct deliver_local *l = deliver_add_local(d, to);
	if (!l)
		return;
	l->mailbox = SLICE("Junk");
	l->create = true;
	{
		DB_ROWS q = DB_QUERY(reader, SPECIAL_USE_NAME, DI(to->account), DZ("\\Junk"));
		if (db_next(&q))
			l->mailbox = arena_dup(d->arena, db_octets(&q, 0));
	}
	trace_step(t, STEP_JUNKED);
	trace_address(t, TRACE_TO, e->rcpts[to->rcpt].local, e->rcpts[to->rcpt].domain);
	trace_field(t, TRACE_ACCOUNT, l->address);
	trace_field(t, TRACE_MAILBOX, l->mailbox);
	trace_field(t, TRACE_RULE, slice_str(e->judged->rule));
	trace_field(t, TRACE_WHY, slice_str(e->judged->why));
}

static void add_local(struct deliver *d, const struct envelope *e, const struct target *to, struct trace *t)
{
	const struct deliver_local *l = deliver_add_local(d, to);
	if (!l)
		return;
	trace_step(t, STEP_DELIVERED);
	trace_address(t, TRACE_TO, e->rcpts[to->rcpt].local, e->rcpts[to->rcpt].domain);
	trace_field(t, TRACE_ACCOUNT, l->address);
	trace_field(t, TRACE_MAILBOX, SLICE("INBOX"));
}

struct deliver_remote *deliver_add_row(struct deliver *d, enum rcpt_state state, uint32_t notify,
    struct slice local, struct slice domain, struct slice orcpt)
{
	struct deliver_remote *q = &d->remotes[d->n_remotes++];
	*q = (struct deliver_remote){.state = state, .notify = notify, .domain = arena_dup(d->arena, domain)};
	q->sealed = queue_seal_rcpt(d->job.store, d->mail, local, domain, orcpt, d->arena);
	return q;
}

static void add_remote(struct deliver *d, const struct envelope *e, const struct target *to, struct trace *t)
{
	const struct envelope_rcpt *r = &e->rcpts[to->rcpt];
	/* RFC 3461 5.2.7.1: success behind an expansion is reported here and now, not by each branch. */
	uint32_t notify = to->spread ? r->notify & ~(uint32_t)NOTIFY_SUCCESS : r->notify;
	if (to->spread && r->notify == NOTIFY_SUCCESS)
		notify = NOTIFY_NEVER;
	deliver_add_row(d, RCPT_WAITING, notify, to->local, to->domain, r->orcpt);
	trace_step(t, STEP_QUEUED);
	trace_address(t, TRACE_TO, to->local, to->domain);
}

/* One row, however many of these addresses it is for. */
static void add_report(struct deliver *d, const struct envelope *e, const struct target *to, struct trace *t)
{
	trace_step(t, STEP_TAKEN);
	trace_address(t, TRACE_TO, to->local, to->domain);
	d->report = reports_seal_mail(d->job.store, e, to->domain, d->arena);
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
			deliver_add_row(d, spread ? RCPT_EXPANDED : RCPT_DELIVERED, NOTIFY_SUCCESS,
			    e->rcpts[i].local, e->rcpts[i].domain, e->rcpts[i].orcpt);
	}
}

static void add_quarantined(struct deliver *d, const struct envelope *e, struct trace *t)
{
	for (size_t i = 0; i < e->n_rcpts; i++) {
		deliver_add_row(d, RCPT_WAITING, e->rcpts[i].notify, e->rcpts[i].local, e->rcpts[i].domain,
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
	struct deliver_body *b = &d->bodies[0];
	b->smtputf8 = any_utf8(e, r);
	b->kind = 2;
	if (!f)
		return;
	b->kind = f->has_binary ? 2 : f->has_8bit ? 1 : 0;
	if (f->tls_optional && d->tls == MAIL_TLS_USUAL) /* RFC 8689 5: REQUIRETLS goes before it */
		d->tls = MAIL_TLS_OPTIONAL;
	b->smtputf8 |= f->has_8bit_header;
	d->n_tokens = thread_tokens(d->job.store, f, d->tokens, THREAD_TOKENS);
	trace_field(t, TRACE_MESSAGE_ID, slice_str(f->message_id));
	trace_token(t, "id", slice_str(f->message_id));
	trace_subject(t, slice_str(f->subject));
}

static enum result add_targets(struct deliver *d, struct db *reader, const struct envelope *e,
    const struct resolving *r, const struct message *m, struct trace *t)
{
	struct filtering f;
	filter_start(&f, d, reader, e, m, t);
	f.total = r->n;
	for (const struct target *to = r->first; to; to = to->next) {
		if (to->report) {
			add_report(d, e, to, t);
			continue;
		}
		if (!to->account) {
			add_remote(d, e, to, t);
			continue;
		}
		if (e->judged && e->judged->action == JUDGE_JUNK) {
			add_junk(d, reader, e, to, t);
			continue;
		}
		enum result filtered = filter_target(&f, to);
		if (filtered == GONE)
			add_local(d, e, to, t);
		else if (filtered != OK)
			return filtered;
	}
	/* RFC 5429 2.1.1: refused in the conversation when nobody wants it, so that no notice goes astray. */
	if (e->answered && f.refusing == r->n) {
		bool sayable = e->smtputf8 || slice_is_ascii(f.reason); /* RFC 6531 3.7.4.1 */
		d->why = arena_printf(d->arena, "5.7.1 " SLICE_FMT,
		    SLICE_ARG(sayable ? f.reason : SLICE("The recipient's filter refuses this message")));
		return DENY;
	}
	if (e->from_local.n)
		add_success(d, e, r);
	return OK;
}

/* Mail from elsewhere that goes on to elsewhere needs a sender of ours. */
static struct slice seal_sender(struct deliver *d, struct db *reader, const struct envelope *e)
{
	struct store *s = d->job.store;
	struct slice from_local = e->from_local, from_domain = e->from_domain;
	bool onward = false;
	BUF_LOCAL(local, SRS_MOST);
	for (size_t i = 0; i < d->n_remotes; i++)
		onward |= d->remotes[i].state == RCPT_WAITING;
	if (onward && !d->quarantined)
		filter_sender(s, reader, e->rcpts[0].domain, &local, &from_local, &from_domain);
	return queue_seal_mail(s, d->mail, from_local, from_domain, e->envid, 0, e->origin, d->arena);
}

static void begin(struct deliver *d, struct store *s, const struct envelope *e, const struct message *m)
{
	d->job.store = s;
	d->job.durable = d->job.bodies = true;
	d->mail = e->mail;
	d->n_bodies = 1;
	d->bodies[0].size = m->body.n;
	d->last_local = &d->locals;
	d->last_sent = &d->sents;
	d->strip = MIN(e->strip, (uint32_t)m->body.n);
	d->ret = e->ret;
	d->tls = e->require_tls ? MAIL_TLS_REQUIRED : MAIL_TLS_USUAL;
	d->now_ms = clock_utc_ms();
	d->quarantined = !m->facts;
}

enum result deliver_prepare(struct deliver *d, struct store *s, struct db *reader, const struct envelope *e,
    const struct resolving *r, const struct message *m, struct trace *t)
{
	begin(d, s, e, m);
	d->remotes = arena_array(d->arena, r->n + 2 * e->n_rcpts + 1, sizeof *d->remotes);
	if (!d->remotes)
		return LATER;
	take_facts(d, e, r, m, t);
	size_t arrival = t->steps.n;
	enum result done = blob_room(s->blob);
	if (done == OK && d->quarantined)
		add_quarantined(d, e, t);
	else if (done == OK)
		done = add_targets(d, reader, e, r, m, t);
	if (done != OK)
		return done;
	d->sealed = seal_sender(d, reader, e);
	if (arena_full(d->arena))
		return LATER;
	struct blob *blob = &d->bodies[0].blob;
	done = blob_keep(s->blob, reader, m->digest, m->body, m->packed, blob);
	if (done != OK)
		return done;
	memcpy(&d->content, blob->digest, sizeof d->content);
	d->content = (d->content & INT64_MAX) | 1;
	trace_seal(t, d->mail, d->content, &d->trace);
	return spend_plan(d, reader, e, r, m, t, arrival);
}

/* ---- applying ---- */

/* The mailbox it goes into: INBOX when the one that was meant is not there any more. */
static bool load_box(struct deliver *d, struct db *db, const struct deliver_local *l, struct box *b)
{
	int64_t id = l->mailbox.n ? box_find(db, l->account, l->mailbox) : l->inbox;
	if (!id && l->create && box_make(d->job.store->writer, db, l->account, l->mailbox) == OK)
		id = box_find(db, l->account, l->mailbox);
	if (id && box_load(db, id, b) && !b->noselect && b->account == l->account)
		return true;
	return box_load(db, l->inbox, b) && b->account == l->account;
}

static enum result put_local(struct deliver *d, struct db *db, struct deliver_local *l, int64_t email)
{
	struct writer *w = d->job.store->writer;
	const struct deliver_body *body = &d->bodies[l->body];
	bool added;
	struct box b;
	if (!load_box(d, db, l, &b))
		return LATER; /* removed since it was looked up: the next attempt hears of it */
	d->full = quota_take(d->job.store, db, l->account, body->size, 1, !d->over_quota && !l->spread) != OK;
	if (d->full)
		return FULL;
	struct entry e = {
	    .email = email,
	    .blob = body->id,
	    .flags = l->flags,
	    .internal_ms = d->now_ms,
	    .saved_ms = d->now_ms,
	    .size = body->size,
	};
	if (box_keywords(db, b.id, l->keywords, l->n_keywords, &e.keywords, &added) != OK)
		e.keywords = 0; /* too many in this mailbox: better the message without them */
	e.thread = thread_of(db, l->account, e.email, d->tokens, d->n_tokens);
	box_add(w, db, &b, &e);
	box_save(db, &b);
	writer_touch(w, b.id, NULL);
	l->uid = e.uid;
	return OK;
}

static bool is_skipped(const struct deliver_local *l)
{
	return l->with && l->with->skipped;
}

/* Copies of one message in one account are one email. */
static enum result put_locals(struct deliver *d, struct db *db)
{
	int64_t email = 0;
	const struct deliver_local *before = NULL;
	for (struct deliver_local *l = d->locals; l; l = l->next) {
		if (is_skipped(l))
			continue;
		if (!before || before->account != l->account || before->body != l->body)
			email = writer_number(d->job.store->writer, SEQUENCE_EMAIL);
		before = l;
		enum result r = put_local(d, db, l, email);
		if (r != OK)
			return r;
	}
	return OK;
}

static void put_row(struct deliver *d, struct db *db, int64_t queued, struct deliver_remote *r)
{
	r->row = writer_number(d->job.store->writer, SEQUENCE_QUEUE);
	DB_RUN(db, RCPT_ADD, DI(r->row), DI(queued), DT(r->domain), DI(r->notify), DI(r->state),
	    DI(d->now_ms + d->spend.wait_ms), DB(r->sealed), DI(d->job.store->node));
	if (r->reply.n)
		DB_RUN(db, RCPT_CHANGE, DI(r->row), DI(r->state), DI(d->now_ms), DI(0), DI(0), DB(r->reply));
}

void deliver_put_queue(
    struct deliver *d, struct db *db, enum mail_state state, struct deliver_remote *rows, size_t n)
{
	struct writer *w = d->job.store->writer;
	const struct deliver_body *b = &d->bodies[0];
	d->queued = writer_number(w, SEQUENCE_QUEUE);
	DB_RUN(db, QUEUED_ADD, DI(d->queued), DI(ORGANISATION), DT(d->mail), DI(b->id), DI(d->now_ms),
	    DI(b->size), DI(d->strip), DI(d->ret), DI(b->smtputf8), DI(b->kind), DI(state), DB(d->sealed),
	    DI(d->tls), DI(d->spend.account), DI(d->spend.why), DI(d->spend.halves), DI(d->spend.from));
	for (size_t i = 0; i < n; i++)
		put_row(d, db, d->queued, &rows[i]);
}

/* ---- what filters send ---- */

static bool set_mark(struct db *db, const struct deliver_mark *m, int64_t now_ms)
{
	DB_RUN(db, FILTER_MARK_ONCE, DI(m->account), DI(m->kind), DI(m->token), DI(m->until), DI(now_ms));
	return db_changed(db) > 0;
}

static void set_marks(struct deliver *d, struct db *db)
{
	for (const struct deliver_mark *m = d->marks; m; m = m->next)
		DB_RUN(db, FILTER_MARK, DI(m->account), DI(m->kind), DI(m->token), DI(m->until));
}

static void put_sent(struct deliver *d, struct db *db, struct deliver_sent *s)
{
	struct writer *w = d->job.store->writer;
	const struct deliver_body *b = &d->bodies[s->body];
	/* What is made of a message is as secret as it was; only the message itself still has its header. */
	enum mail_tls tls = s->body == 0 || d->tls == MAIL_TLS_REQUIRED ? d->tls : MAIL_TLS_USUAL;
	s->queued = writer_number(w, SEQUENCE_QUEUE);
	spend_apply_one(d->job.store, db, s->account, d->now_ms, &s->cost);
	DB_RUN(db, QUEUED_ADD, DI(s->queued), DI(ORGANISATION), DT(s->mail), DI(b->id), DI(d->now_ms),
	    DI(b->size), DI(s->strip), DI(s->ret), DI(b->smtputf8), DI(b->kind),
	    DI(s->cost.held ? MAIL_HELD : MAIL_GOING), DB(s->sealed), DI(tls), DI(s->account),
	    DI(s->cost.why), DI(s->cost.halves), DI(CONTEXT_FAMILIAR));
	put_row(d, db, s->queued, &s->to);
	DB_RUN(db, FILTER_COUNT_ONE, DI(s->account), DI(d->now_ms / HOUR_MS));
	trace_apply(w, db, &s->trace);
}

/* Which of them go, and so how often each body is referred to. */
static enum result take_bodies(struct deliver *d, struct db *db)
{
	struct store *s = d->job.store;
	for (unsigned i = 0; i < d->n_bodies; i++)
		d->bodies[i].refs = 0;
	d->bodies[0].refs = (d->n_remotes > 0) + (d->report.n > 0);
	for (struct deliver_sent *t = d->sents; t; t = t->next) {
		t->skipped = t->once.kind && !set_mark(db, &t->once, d->now_ms);
		d->bodies[t->body].refs += !t->skipped;
	}
	for (const struct deliver_local *l = d->locals; l; l = l->next)
		d->bodies[l->body].refs += !is_skipped(l);
	for (unsigned i = 0; i < d->n_bodies; i++) {
		struct deliver_body *b = &d->bodies[i];
		b->id = b->refs ? blob_ref(s->blob, s->writer, db, &b->blob, b->refs) : 0;
		if (b->refs && !b->id)
			return LATER;
	}
	return OK;
}

static enum result put_all(struct deliver *d, struct db *db)
{
	enum result r = take_bodies(d, db);
	if (r == OK)
		r = put_locals(d, db);
	if (r != OK)
		return r;
	if (d->n_remotes)
		deliver_put_queue(
		    d, db, d->quarantined ? MAIL_QUARANTINED : MAIL_GOING, d->remotes, d->n_remotes);
	for (struct deliver_sent *t = d->sents; t; t = t->next)
		if (!t->skipped)
			put_sent(d, db, t);
	if (d->report.n)
		DB_RUN(db, REPORT_MAIL_ADD, DI(writer_number(d->job.store->writer, SEQUENCE_QUEUE)),
		    DT(d->mail), DI(d->bodies[0].id), DI(d->now_ms), DB(d->report));
	set_marks(d, db);
	judge_count_apply(db, &d->count);
	bounce_apply(d->job.store, db, &d->bounce);
	trace_apply(d->job.store->writer, db, &d->trace);
	return OK;
}

enum result deliver_apply(struct deliver *d, struct db *db)
{
	struct store *s = d->job.store;
	int64_t before = recent_find(s->recent, d->mail);
	d->added = false;
	d->queued = 0;
	if (before)
		return before == d->content ? OK : DENY;
	enum result r = spend_apply(d, db);
	if (r == OK)
		r = d->spend.held ? spend_put_held(d, db) : put_all(d, db);
	if (r != OK)
		return r;
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
		queue_add_all(
		    d->job.store->queue, d->queued, d->remotes, d->n_remotes, d->now_ms + d->spend.wait_ms);
}

static void tell(const struct deliver *d)
{
	if (d->spend.alarmed)
		contain_wake(d->job.store);
	if (d->spend.held) {
		EVENT(MAIL_HELD, KN("account", d->spend.account), KV("mail", d->mail),
		    KZ("why", hold_text(d->spend.why).name));
		return;
	}
	for (const struct deliver_local *l = d->locals; l; l = l->next)
		if (!is_skipped(l))
			EVENT(DELIVERED, KV("mail", d->mail), KV("rcpt", l->address),
			    KV("mailbox", l->mailbox.n ? l->mailbox : SLICE("INBOX")), KN("uid", l->uid));
	if (d->queued && !d->quarantined)
		tell_queue(d);
	if (d->report.n)
		reports_wake(d->job.store);
	for (struct deliver_sent *t = d->sents; t; t = t->next) {
		if (t->skipped || t->cost.held)
			continue;
		EVENT(QUEUED, KV("mail", t->mail), KV("domain", t->to.domain));
		queue_add_all(d->job.store->queue, t->queued, &t->to, 1, d->now_ms);
	}
}

void deliver_finish(struct deliver *d, enum result r)
{
	if (r != OK && d->added)
		recent_remove(d->job.store->recent, d->mail);
	for (unsigned i = 0; i < d->n_bodies; i++)
		blob_release(d->job.store->blob, &d->bodies[i].blob);
	if (r == OK && d->added)
		tell(d);
	for (struct deliver_sent *t = d->sents; t; t = t->next)
		trace_row_free(&t->trace);
	trace_row_free(&d->trace);
	trace_row_free(&d->spend.trace);
}
