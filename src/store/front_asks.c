/* STORE_SENDER, STORE_RCPT, STORE_DELIVER: what the SMTP fronts ask. */
#include "store/mailbox/delegate.h"
#include "store/queue/deliver.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"

#define MAILBOX_FULL "The mailbox is full"

static bool is_user(const struct ipc_turn *t)
{
	return ipc_conn_peer(t->conn) == PEER_SUBMISSION;
}

/* NULL, or why this session may not send as `sender`; *how_out is only set for users. */
static const char *sender_refused(struct ipc_turn *t, const struct login *user, const Sekisho__Addr *sender,
    struct db *db, enum sending *how_out)
{
	*how_out = SENDING_OWN;
	if (!user)
		return NULL;
	if (!sender || !sender->local.len)
		return "5.7.1 A user's mail needs a sender address";
	*how_out = delegate_sending(store_of(t), db, user->account, slice_of_octets(sender->local),
	    slice_of_octets(sender->domain), &t->arena);
	if (*how_out != SENDING_NOT)
		return NULL;
	return "5.7.1 This sender address is not yours";
}

/* False when the turn was answered: the account is suspended. */
static bool take_user(struct ipc_turn *t, struct login **user_out)
{
	*user_out = NULL;
	if (!is_user(t))
		return true;
	*user_out = session_of(t);
	return *user_out != NULL;
}

void ask_sender(struct ipc_turn *t)
{
	const Sekisho__SenderAsk *ask = t->ask;
	struct login *user;
	if (!take_user(t, &user))
		return;
	const char *why = NULL;
	enum sending how;
	enum result room = blob_room(store_of(t)->blob);
	{
		READER r = reader_begin(store_of(t));
		if (!r.db || room != OK) {
			refuse(t, room != OK ? room : LATER);
			return;
		}
		why = sender_refused(t, user, ask->sender, r.db, &how);
		if (why && db_result(r.db) != OK) {
			refuse(t, LATER);
			return;
		}
	}
	Sekisho__SenderAnswer answer = SEKISHO__SENDER_ANSWER__INIT;
	answer.behalf = how == SENDING_BEHALF;
	if (user)
		answer.user = user->address;
	if (why)
		ipc_refuse(t, DENY, "%s", why);
	else
		ipc_answer(t, &answer, NULL);
}

/* ---- recipients ---- */

static Sekisho__Verdict *verdict_message(const struct verdict *v, struct arena *a)
{
	Sekisho__Verdict *m = arena_new(a, Sekisho__Verdict);
	if (!m)
		return NULL;
	sekisho__verdict__init(m);
	m->result = v->result;
	m->code = v->code;
	m->status = (char *)(uintptr_t)v->status;
	m->why = (char *)(uintptr_t)v->why;
	return m;
}

/*
 * Full already, or by a message of the size that was announced. Several people behind one address are not asked: what is
 * sent to all of them goes to all of them.
 */
static struct verdict fits_quota(struct resolving *res, unsigned rcpt, uint64_t size)
{
	static const struct verdict fine = {OK, 250, "2.1.5", "OK"};
	static const struct verdict put_off = {FULL, 452, "4.2.2", MAILBOX_FULL};
	static const struct verdict refused = {DENY, 552, "5.2.2", MAILBOX_FULL};
	for (const struct target *to = res->first; to; to = to->next) {
		if (to->rcpt != rcpt || !to->account || to->spread)
			continue;
		if (quota_room(res->store, res->db, to->account, MAX(size, (uint64_t)1), 1) != OK)
			return res->store->settings->quota_refuses ? refused : put_off;
	}
	return fine;
}

void ask_rcpt(struct ipc_turn *t)
{
	static const struct verdict no_room = {FULL, 452, "4.3.1", "No room for mail now"};
	const Sekisho__RcptAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct login *user;
	if (!take_user(t, &user))
		return;
	Sekisho__Verdict **verdicts = arena_array(&t->arena, ask->n_rcpts + 1, sizeof *verdicts);
	bool room = blob_room(s->blob) == OK;
	Sekisho__RcptAnswer answer = SEKISHO__RCPT_ANSWER__INIT;
	{
		READER r = reader_begin(s);
		if (!r.db || !verdicts) {
			refuse(t, LATER);
			return;
		}
		struct resolving res;
		resolve_start(&res, s, r.db, &t->arena, user != NULL);
		for (size_t i = 0; i < ask->n_rcpts; i++) {
			const Sekisho__Addr *a = ask->rcpts[i];
			struct verdict v = room ? resolve(&res, slice_of_octets(a->local),
						      slice_of_octets(a->domain), (unsigned)i)
						: no_room;
			if (v.result == OK)
				v = fits_quota(&res, (unsigned)i, ask->size);
			if (v.result == DENY && !user)
				stats_count(s->stats, STAT_REFUSED, 1);
			verdicts[answer.n_verdicts++] = verdict_message(&v, &t->arena);
		}
	}
	answer.verdicts = verdicts;
	if (arena_full(&t->arena))
		refuse(t, LATER);
	else
		ipc_answer(t, &answer, NULL);
}

/* ---- delivery ---- */

static enum result apply_deliver(struct job *j, struct db *db)
{
	return deliver_apply((struct deliver *)j, db);
}

static void done_deliver(struct job *j, enum result r)
{
	struct deliver *d = (struct deliver *)j;
	struct ipc_turn *t = d->turn;
	bool full = d->full, held = d->spend.full, refuses = d->job.store->settings->quota_refuses;
	deliver_finish(d, r);
	if (r == FULL && full) {
		ipc_refuse(t, refuses ? DENY : FULL, refuses ? "5.2.2 " MAILBOX_FULL : "4.2.2 " MAILBOX_FULL);
		return;
	}
	if (r == FULL && held) {
		ipc_refuse(t, LATER, "4.7.1 Too much mail of this account is held: ask the administrator");
		return;
	}
	if (r != OK) {
		refuse(t, r);
		return;
	}
	Sekisho__DeliverAnswer answer = SEKISHO__DELIVER_ANSWER__INIT;
	answer.mail_id = (char *)(uintptr_t)d->mail.p;
	ipc_answer(t, &answer, NULL);
}

static bool mail_id_ok(struct slice id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!ascii_digit(id.p[i]) && !(id.p[i] >= 'a' && id.p[i] <= 'z'))
			return false;
	return id.n == 16;
}

static struct envelope_rcpt *take_rcpts(const Sekisho__DeliverAsk *ask, struct arena *a)
{
	struct envelope_rcpt *rcpts = arena_array(a, ask->n_rcpts + 1, sizeof *rcpts);
	for (size_t i = 0; rcpts && i < ask->n_rcpts; i++) {
		const Sekisho__EnvelopeRcpt *r = ask->rcpts[i];
		if (!r->addr)
			return NULL;
		rcpts[i] = (struct envelope_rcpt){
		    .local = slice_of_octets(r->addr->local),
		    .domain = slice_of_octets(r->addr->domain),
		    .orcpt = slice_str(r->orcpt),
		    .notify = r->notify,
		};
	}
	return rcpts;
}

static void trace_received(struct trace *t, const Sekisho__DeliverAsk *ask, uint64_t size)
{
	const Sekisho__Client none = SEKISHO__CLIENT__INIT, *c = ask->client ? ask->client : &none;
	trace_step(t, STEP_RECEIVED);
	t->stats[slice_eq(slice_str(c->service), SLICE("smtp")) ? STAT_RECEIVED : STAT_SUBMITTED]++;
	trace_address(
	    t, TRACE_FROM, slice_of_octets(ask->sender->local), slice_of_octets(ask->sender->domain));
	trace_field(t, TRACE_IP, slice_str(c->ip));
	trace_field(t, TRACE_HELO, slice_str(c->helo));
	trace_field(t, TRACE_TLS, slice_str(c->tls));
	trace_field(t, TRACE_CIPHER, slice_str(c->cipher));
	trace_field(t, TRACE_SERVICE, slice_str(c->service));
	trace_number(t, TRACE_SIZE, size);
}

static void trace_sent_by(struct trace *t, const struct login *user, const Sekisho__DeliverAsk *ask)
{
	trace_step(t, STEP_SENT_BY);
	trace_field(t, TRACE_SENT_BY, slice_str(user->address));
	trace_address(
	    t, TRACE_FROM, slice_of_octets(ask->sender->local), slice_of_octets(ask->sender->domain));
	trace_token(t, "from", slice_str(user->address)); /* found by either */
}

/* An author in its From field is not the session's own: it was checked there that it may be. */
static bool from_others(struct ipc_turn *t, const struct login *user, const struct message *m, struct db *db)
{
	const Sekisho__Envelope *e = user && m->facts && m->facts->root ? m->facts->root->envelope : NULL;
	for (size_t i = 0; e && i < e->n_from; i++) {
		const Sekisho__Address *a = e->from[i];
		if (delegate_sending(store_of(t), db, user->account, slice_of_octets(a->local),
			slice_of_octets(a->domain), &t->arena) != SENDING_OWN)
			return true;
	}
	return false;
}

/* Everyone must still be there: the front asked before, but whoever sends this may not have. */
static const char *resolve_all(struct resolving *res, const struct envelope *e, enum result *r_out)
{
	for (size_t i = 0; i < e->n_rcpts; i++) {
		struct verdict v = resolve(res, e->rcpts[i].local, e->rcpts[i].domain, (unsigned)i);
		if (v.result == OK)
			continue;
		*r_out = v.result;
		return arena_printf(res->arena, "%s %s", v.status, v.why);
	}
	return NULL;
}

static const char *loop_refused(const struct message *m)
{
	return m->facts && m->facts->hops > LIMIT_SMTP_HOPS
		   ? "5.4.6 Too many hops: the message goes in circles"
		   : NULL;
}

/* ---- who sent it ---- */

static enum result apply_refused(struct job *j, struct db *db)
{
	struct deliver *d = (struct deliver *)j;
	judge_count_apply(db, &d->count);
	trace_apply(d->job.store->writer, db, &d->trace);
	return OK;
}

/* It is refused whether or not that could be written down. */
static void done_refused(struct job *j, enum result r)
{
	struct deliver *d = (struct deliver *)j;
	struct ipc_turn *t = d->turn;
	trace_row_free(&d->trace);
	ipc_refuse(t, DENY, "%s", d->why);
}

/*
 * What is thought of the sender goes into the trace and the counts. DENY: refused, and the job is to say so. BAD: nothing
 * that scan has sealed about this message came with it.
 */
static enum result judge_sender(struct ipc_turn *t, struct deliver *d, const struct envelope *e,
    struct db *db, const struct message *m, struct trace *trace, struct judgement *j)
{
	const Sekisho__DeliverAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct judge_ask about = {.ip = ask->client ? slice_str(ask->client->ip) : SLICE_NONE,
	    .local = e->from_local,
	    .domain = e->from_domain};
	enum result r =
	    judge_take(s, &t->arena, ask->trust, ask->trust_seal, slice_of(m->digest, 32), &about.trust);
	if (r == OK)
		r = judge(s, db, &about, &t->arena, j);
	if (r != OK)
		return r;
	judge_trace(trace, about.trust, j);
	judge_tell(e->mail, about.trust, j);
	judge_count_make(s, &about, j, &t->arena, &d->count);
	if (j->action != JUDGE_REFUSE)
		return OK;
	d->why = j->reply;
	d->job = (struct job){.store = s, .apply = apply_refused, .done = done_refused};
	trace_field(trace, TRACE_MESSAGE_ID, slice_str(m->facts->message_id));
	trace_token(trace, "id", slice_str(m->facts->message_id));
	trace_subject(trace, slice_str(m->facts->subject));
	for (size_t i = 0; i < e->n_rcpts; i++) {
		BUF_LOCAL(to, 1024);
		buf_printf(&to, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(e->rcpts[i].local),
		    SLICE_ARG(e->rcpts[i].domain));
		trace_token(trace, "to", buf_slice(&to));
	}
	trace_seal(trace, e->mail, 0, &d->trace);
	return DENY;
}

/* OK: the job may be put. Otherwise the reason is set. */
static enum result prepare(
    struct ipc_turn *t, const struct login *user, struct deliver *d, struct message *m, const char **why_out)
{
	const Sekisho__DeliverAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct envelope e = {
	    .mail = slice_str(ask->mail_id),
	    .from_local = slice_of_octets(ask->sender->local),
	    .from_domain = slice_of_octets(ask->sender->domain),
	    .rcpts = take_rcpts(ask, &t->arena),
	    .n_rcpts = ask->n_rcpts,
	    .envid = slice_str(ask->envid),
	    .ret = ask->ret,
	    .strip = ask->strip,
	    .smtputf8 = ask->smtputf8,
	    .origin = user ? ORIGIN_OURS : ORIGIN_UNKNOWN,
	    .require_tls = ask->require_tls,
	    .answered = true,
	    .client = ask->client,
	};
	enum result r = DENY;
	enum sending how;
	struct resolving res;
	READER reader = reader_begin(s);
	if (!reader.db || !e.rcpts)
		return LATER;
	resolve_start(&res, s, reader.db, &t->arena, user != NULL);
	if ((*why_out = loop_refused(m)) ||
	    (*why_out = sender_refused(t, user, ask->sender, reader.db, &how)) ||
	    (*why_out = resolve_all(&res, &e, &r)))
		return r;
	TRACE trace;
	trace_start(&trace, s, e.mail);
	trace_received(&trace, ask, m->body.n);
	if (user)
		trace_token(&trace, "account", slice_str(user->address));
	if (how != SENDING_OWN || from_others(t, user, m, reader.db))
		trace_sent_by(&trace, user, ask);
	struct judgement judgement;
	if (!user && m->facts) {
		r = judge_sender(t, d, &e, reader.db, m, &trace, &judgement);
		if (r != OK)
			return r;
		e.judged = &judgement;
		e.origin = judgement.origin;
	}
	if (!user && !e.from_local.n) {
		bounce_look(s, reader.db, &res, m->facts, &t->arena, &d->bounce);
		if (!e.judged)
			judgement = (struct judgement){.action = JUDGE_ACCEPT, .rule = "", .why = ""};
		e.judged = &judgement;
		bounce_judge(&d->bounce, &judgement);
	}
	if (!user)
		bounce_complaint(s, reader.db, &e, m->facts, &t->arena, &d->bounce);
	r = deliver_prepare(d, s, reader.db, &e, &res, m, &trace);
	*why_out = d->why;
	return r;
}

static bool well_formed(const Sekisho__DeliverAsk *ask)
{
	return mail_id_ok(slice_str(ask->mail_id)) && ask->sender && ask->n_rcpts &&
	       ask->n_rcpts <= LIMIT_SMTP_RCPTS;
}

void ask_deliver(struct ipc_turn *t)
{
	const Sekisho__DeliverAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct login *user;
	if (!take_user(t, &user))
		return;
	struct deliver *d = arena_new(&t->arena, struct deliver);
	if (!d || !well_formed(ask)) {
		ipc_refuse(t, d ? BAD : LATER, "not a delivery");
		return;
	}
	*d = (struct deliver){
	    .job = {.apply = apply_deliver, .done = done_deliver}, .arena = &t->arena, .turn = t};
	if (user)
		d->spend = (struct spending){
		    .account = user->account, .from = spend_context(&user->context), .ip = user->context.ip};
	const char *why = NULL;
	enum result r;
	{
		MESSAGE m;
		r = message_take(s, t, ask->scan_failed ? NULL : ask->facts, &m);
		if (r == OK)
			r = prepare(t, user, d, &m, &why);
	}
	if (r == OK || d->job.done == done_refused) {
		writer_put(s->writer, &d->job);
		return;
	}
	if (d->job.store)
		deliver_finish(d, r);
	if (why)
		ipc_refuse(t, r, "%s", why);
	else
		refuse(t, r);
}
