/* What filters send: each is a message of its own in the queue, for one recipient, with the account as its originator. */
#include "mail/address.h"
#include "store/queue/filter.h"
#include "store/queue/queue.h"
#include "store/queue/srs.h"

/* ---- bodies ---- */

enum result filter_keep_body(struct filtering *f, const struct message *m, unsigned *body_out)
{
	struct deliver *d = f->d;
	if (d->n_bodies == DELIVER_BODIES)
		return FULL;
	struct deliver_body *b = &d->bodies[d->n_bodies];
	*b = (struct deliver_body){.size = m->body.n,
	    .kind = m->facts->has_binary ? 2
		    : m->facts->has_8bit ? 1
					 : 0,
	    .smtputf8 = m->facts->has_8bit_header};
	enum result r = blob_keep(f->store->blob, f->db, m->digest, m->body, m->packed, &b->blob);
	if (r == OK)
		*body_out = d->n_bodies++;
	return r;
}

enum result filter_body(struct filter_run *run, uint32_t number, unsigned *body_out)
{
	*body_out = 0;
	if (!number)
		return OK;
	if (number > run->answer->n_bodies)
		return LATER;
	*body_out = run->bodies[number - 1];
	if (*body_out)
		return OK;
	const Sekisho__SieveBody *b = run->answer->bodies[number - 1];
	struct message m;
	enum result r =
	    message_view(run->f->store, run->f->d->arena, slice_sub(run->bulk, b->offset, b->length),
		slice_sub(run->bulk, b->facts_offset, b->facts_length), slice_of_octets(b->seal), &m);
	if (r == OK)
		r = filter_keep_body(run->f, &m, body_out);
	run->bodies[number - 1] = *body_out;
	return r == BAD ? LATER : r;
}

/* ---- one message ---- */

struct sending {
	struct filter_run *run;
	const Sekisho__SieveAction *action;
	struct mail_addr from, to;
	struct deliver_mark once;
	unsigned body;
};

static enum result leave_out(const struct sending *p, const char *why)
{
	filter_step(p->run, STEP_LEFT_OUT, p->action);
	trace_field(p->run->f->trace, TRACE_WHY, slice_str(why));
	p->run->skipped += p->action->act == SEKISHO__SIEVE_ACTION__ACT__REDIRECT;
	return OK;
}

const char *filter_too_many(const struct filter_run *run)
{
	struct filtering *f = run->f;
	uint64_t sent =
	    (uint64_t)DB_NUMBER(f->db, 0, FILTER_COUNT, DI(run->to->account), DI(f->d->now_ms / HOUR_MS));
	for (const struct deliver_sent *s = f->d->sents; s; s = s->next)
		sent += s->account == run->to->account;
	return sent >= f->store->settings->sieve_sends_per_hour
		   ? "the filter of this account has sent enough in this hour"
		   : NULL;
}

/* The trace of the new message begins with where it comes from. */
static void trace_new(const struct sending *p, struct deliver_sent *s)
{
	struct filtering *f = p->run->f;
	TRACE t;
	trace_start(&t, f->store, s->mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, p->from.local, p->from.domain);
	trace_field(&t, TRACE_SERVICE, SLICE("filter"));
	trace_field(&t, TRACE_ABOUT, f->d->mail);
	trace_number(&t, TRACE_SIZE, f->d->bodies[p->body].size - s->strip);
	if (s->to.state == RCPT_WAITING) {
		trace_step(&t, STEP_QUEUED);
		trace_address(&t, TRACE_TO, p->to.local, p->to.domain);
	}
	trace_seal(&t, s->mail, 0, &s->trace);
}

/* RFC 8580: a copy of what is sent, if it is. Without its mailbox there is none. */
static enum result file_copy(struct sending *p, const struct deliver_sent *s)
{
	struct filter_run *run = p->run;
	struct slice mailbox;
	if (!filter_mailbox(run, p->action, &mailbox)) {
		filter_step(run, STEP_LEFT_OUT, p->action);
		trace_field(run->f->trace, TRACE_MAILBOX, mailbox);
		trace_field(run->f->trace, TRACE_WHY, SLICE("there is no such mailbox for the copy"));
		return OK;
	}
	struct deliver_local *copy = deliver_add_local(run->f->d, run->to);
	if (!copy)
		return LATER;
	copy->mailbox = mailbox;
	copy->create = p->action->create;
	copy->body = p->body;
	copy->with = s;
	if (p->action->n_flags)
		filter_flags(run, copy, p->action);
	else
		copy->flags = SEKISHO__FLAG__FLAG_SEEN;
	return arena_full(run->f->d->arena) ? LATER : OK;
}

static const struct {
	const char *name;
	uint32_t bit;
} notifies[] = {{"SUCCESS", NOTIFY_SUCCESS}, {"FAILURE", NOTIFY_FAILURE}, {"DELAY", NOTIFY_DELAY},
    {"NEVER", NOTIFY_NEVER}};

void filter_put_notify(uint32_t notify, struct buf *out)
{
	for (size_t i = 0; i < COUNT(notifies); i++)
		if (notify & notifies[i].bit)
			buf_printf(out, "%s%s", out->n ? "," : "", notifies[i].name);
}

/* RFC 6009 4; a success is told of where the message came in, not by each who gets it from there. */
static uint32_t notify_of(const struct sending *p)
{
	uint32_t came = p->run->f->e->rcpts[p->run->to->rcpt].notify, asked = 0;
	struct slice rest = slice_str(p->action->notify);
	if (p->action->act != SEKISHO__SIEVE_ACTION__ACT__REDIRECT)
		return 0;
	if (!rest.n)
		return came == NOTIFY_SUCCESS ? NOTIFY_NEVER : came & ~(uint32_t)NOTIFY_SUCCESS;
	while (rest.n) {
		struct slice one = slice_split(&rest, ',');
		for (size_t i = 0; i < COUNT(notifies); i++)
			if (slice_ieq(one, slice_str(notifies[i].name)))
				asked |= notifies[i].bit;
	}
	return asked;
}

static uint32_t ret_of(const struct sending *p)
{
	struct slice ret = slice_str(p->action->ret);
	if (p->action->act != SEKISHO__SIEVE_ACTION__ACT__REDIRECT)
		return 0;
	return !ret.n ? p->run->f->d->ret : slice_ieq(ret, SLICE("FULL")) ? FILTER_RET_FULL : FILTER_RET_HDRS;
}

/* To whoever has written, in the person's name. */
static bool is_answering(const Sekisho__SieveAction *a)
{
	return a->act == SEKISHO__SIEVE_ACTION__ACT__VACATION || a->act == SEKISHO__SIEVE_ACTION__ACT__REJECT;
}

static enum result queue_it(struct sending *p)
{
	struct filter_run *run = p->run;
	struct filtering *f = run->f;
	struct arena *a = f->d->arena;
	BUF_LOCAL(room, SRS_MOST);
	bool ours = resolve_is_ours(f->db, p->to.domain);
	bool forward = p->action->act == SEKISHO__SIEVE_ACTION__ACT__REDIRECT;
	struct deliver_sent *s = deliver_add_sent(f->d);
	if (!s)
		return LATER;
	if (!ours)
		filter_sender(f->store, f->db, forward ? f->e->origin : ORIGIN_OURS, run->to->local,
		    run->to->domain, &room, &p->from.local, &p->from.domain);
	s->account = run->to->account;
	s->mail = deliver_mail_id(a);
	s->body = p->body;
	s->strip = p->body ? 0 : f->d->strip;
	s->once = p->once;
	s->sealed = queue_seal_mail(f->store, s->mail, p->from.local, p->from.domain, SLICE_NONE,
	    run->to->account, forward ? f->e->origin : ORIGIN_OURS, a);
	s->ret = ret_of(p);
	spend_plan_one(
	    f->store, f->db, s->account, p->to.local, p->to.domain, is_answering(p->action), &s->cost);
	s->to = (struct deliver_remote){
	    .state = ours ? RCPT_INWARD : RCPT_WAITING, .domain = p->to.domain, .notify = notify_of(p)};
	s->to.sealed = queue_seal_rcpt(f->store, s->mail, p->to.local, p->to.domain, SLICE_NONE, a);
	trace_new(p, s);
	filter_step(run, STEP_PASSED_ON, p->action);
	trace_address(f->trace, TRACE_REPLY, p->to.local, p->to.domain);
	trace_field(f->trace, TRACE_ABOUT, s->mail);
	run->forwarded += forward;
	return *p->action->mailbox || *p->action->special_use ? file_copy(p, s) : arena_full(a) ? LATER : OK;
}

/* RFC 5230 4.2: one answer to one person for one reason in so many days. */
static void remember(struct sending *p)
{
	struct filtering *f = p->run->f;
	struct slice key = slice_of_octets(p->action->key);
	BUF_LOCAL(b, key.n + 3 * LIMIT_ADDRESS);
	mail_addr_put(&b, p->to);
	buf_putc(&b, '\n');
	buf_put(&b, key);
	p->once = (struct deliver_mark){.account = p->run->to->account,
	    .kind = FILTER_VACATION,
	    .token = seal_token(f->store->seal, "vacation", buf_slice(&b)),
	    .until =
		f->d->now_ms + (int64_t)MIN(p->action->seconds, (uint64_t)LIMIT_FILTER_REMEMBER) * SECOND_MS};
}

static bool was_answered(const struct sending *p)
{
	struct filtering *f = p->run->f;
	return DB_NUMBER(f->db, 0, FILTER_MARKED, DI(p->once.account), DI(p->once.kind), DI(p->once.token),
		   DI(f->d->now_ms)) != 0;
}

/* Who gets it, and in whose name it goes. */
static bool address_it(struct sending *p)
{
	struct filtering *f = p->run->f;
	bool forward = p->action->act == SEKISHO__SIEVE_ACTION__ACT__REDIRECT;
	if (forward)
		p->from = (struct mail_addr){f->e->from_local, f->e->from_domain};
	if (is_answering(p->action)) {
		p->to = (struct mail_addr){f->e->from_local, f->e->from_domain};
		return p->to.local.n != 0;
	}
	struct slice text = arena_dup(f->d->arena, slice_of_octets(p->action->address));
	if (p->action->list)
		return filter_list_address(p->run, text, &p->to);
	if (mail_addr_parse(text, f->d->arena, &p->to) != OK)
		return false;
	p->to.domain = resolve_domain(p->to.domain, f->d->arena);
	return p->to.domain.n != 0;
}

enum result filter_send(struct filter_run *run, const Sekisho__SieveAction *a)
{
	struct sending p = {.run = run, .action = a};
	if (*a->skip)
		return leave_out(&p, a->skip);
	if (!address_it(&p))
		return leave_out(&p, "there is no address it could go to");
	const char *why = filter_too_many(run);
	if (why)
		return leave_out(&p, why);
	if (a->act == SEKISHO__SIEVE_ACTION__ACT__VACATION) {
		if (run->f->e->origin == ORIGIN_FALSE)
			return leave_out(
			    &p, "its sender is not who it says, and who it names would get the answer");
		remember(&p);
		if (was_answered(&p))
			return leave_out(&p, "this sender was answered not long ago");
	}
	enum result r = filter_body(run, a->body, &p.body);
	if (r == FULL && run->f->d->n_bodies == DELIVER_BODIES)
		return leave_out(&p, "too many different messages would be made of one");
	return r == OK ? queue_it(&p) : r;
}
