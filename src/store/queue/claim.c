/* STORE_CLAIM and STORE_OUTBODY: handing jobs to the relay. */
#include "store/mailbox/fields.h"
#include "store/handlers.h"
#include "store/queue/inside.h"
#include "store/domain/tls.h"
#include <stdlib.h>

#define JOB_RCPTS 100
#define CLAIM_MOST 64
#define CLAIM_ROOM 100000 /* octets of bodies in one answer */
#define ALONE_WAIT_MS 200 /* another of the same account is out, which may have only one */
#define CLAIM_BODY 65536  /* a larger body is read by STORE_OUTBODY */

struct picked {
	int64_t queued;
	int64_t rows[JOB_RCPTS];
	unsigned n;
};

/* The next job of a domain whose turn it is: its oldest due rows that are of one message. */
static void pick(struct queue *q, struct queue_domain *d, struct claimant *by, struct picked *p)
{
	struct claim_job *job = calloc(1, sizeof *job);
	if (!job)
		abort();
	job->domain = d;
	d->out++;
	p->queued = d->first->queued;
	p->n = 0;
	while (d->first && d->first->queued == p->queued && p->n < JOB_RCPTS) {
		struct queue_row *r = d->first;
		queue_claim_row(r, by);
		r->job = job;
		job->rows++;
		p->rows[p->n++] = r->row;
	}
}

static size_t pick_jobs(
    struct queue *q, struct claimant *by, unsigned most, unsigned per_domain, struct picked *picked)
{
	size_t n = 0;
	pthread_mutex_lock(&q->lock);
	q->rung = false;
	queue_take_due(q, clock_utc_ms());
	while (n < most && q->first_turn) {
		struct queue_domain *d = queue_next_turn(q);
		if (!d->first || d->out >= per_domain)
			continue;
		pick(q, d, by, &picked[n++]);
		if (d->first && d->out < per_domain)
			queue_join_turn(q, d);
	}
	pthread_mutex_unlock(&q->lock);
	return n;
}

static Sekisho__Addr *addr_of(struct slice fields, struct arena *a)
{
	Sekisho__Addr *addr = arena_new(a, Sekisho__Addr);
	if (!addr)
		return NULL;
	sekisho__addr__init(addr);
	addr->local = octets_of(fields_find(fields, QUEUE_LOCAL));
	addr->domain = octets_of(fields_find(fields, QUEUE_DOMAIN));
	return addr;
}

static bool add_rcpt(struct store *s, struct db *db, int64_t row, struct slice mail, struct arena *a,
    Sekisho__Job *job, Sekisho__JobRcpt **list)
{
	DB_ROWS q = DB_QUERY(db, RCPT_JOB, DI(row));
	if (!db_next(&q) || db_int(&q, 3) != RCPT_WAITING || db_int(&q, 5) != s->node)
		return false; /* done with, or another node's now */
	struct slice fields = queue_open_sealed(s, mail, db_octets(&q, 1), a);
	Sekisho__JobRcpt *r = arena_new(a, Sekisho__JobRcpt);
	if (!r || !fields.n)
		return false;
	sekisho__job_rcpt__init(r);
	r->row = (uint64_t)row;
	r->notify = (uint32_t)db_int(&q, 0);
	r->addr = addr_of(fields, a);
	r->orcpt = arena_z(a, fields_find(fields, QUEUE_ORCPT));
	job->attempts = MAX(job->attempts, (uint32_t)db_int(&q, 2));
	job->domain = arena_z(a, db_octets(&q, 4));
	job->tls = (Sekisho__Job__Tls)db_int(&q, 6);
	job->tls_names = arena_z(a, db_octets(&q, 7));
	if (arena_full(a))
		return false;
	list[job->n_rcpts++] = r;
	return true;
}

/* The body goes along when it is small and the packet has room for it. */
static void add_data(struct store *s, const struct blob_place *at, uint64_t strip, struct arena *a,
    Sekisho__Job *job, size_t *room)
{
	if (job->size > CLAIM_BODY || job->size > *room)
		return;
	BUF_LOCAL(body, CLAIM_BODY);
	if (blob_read(s->blob, at, strip, job->size, &body) != OK || body.n != job->size)
		return;
	job->data = octets_of(arena_dup(a, buf_slice(&body)));
	job->has_data = !arena_full(a);
	*room -= body.n;
}

/* Removed or held, by another node: what it tells may still be on its way. */
static void drop_rows(struct store *s, const struct picked *p)
{
	for (unsigned i = 0; i < p->n; i++)
		queue_drop(s->queue, p->rows[i]);
}

/* A row that was changed or torn would be claimed again at once, for ever: it rests until a restart. */
static void unreadable(struct store *s, const struct picked *p, struct slice mail)
{
	EVENT(STORE_ERROR, KZ("what", "queue row"), KV("why", mail));
	drop_rows(s, p);
}

static Sekisho__Job *load_job(
    struct store *s, struct db *db, const struct picked *p, struct arena *a, size_t *room)
{
	Sekisho__Job *job = arena_new(a, Sekisho__Job);
	Sekisho__JobRcpt **list = arena_array(a, p->n, sizeof *list);
	DB_ROWS q = DB_QUERY(db, QUEUED_JOB, DI(p->queued));
	if (!job || !list)
		return NULL;
	if (!db_next(&q) || db_int(&q, 5) != MAIL_GOING) {
		if (db_result(db) == OK)
			drop_rows(s, p);
		return NULL;
	}
	if (db_int(&q, 16) && !queue_claim_alone(s->queue, p->rows[0], db_int(&q, 15))) {
		queue_put_off(s->queue, p->rows, p->n, clock_utc_ms() + ALONE_WAIT_MS);
		return NULL;
	}
	sekisho__job__init(job);
	uint64_t strip = (uint64_t)db_int(&q, 2);
	job->mail_id = arena_z(a, db_octets(&q, 0));
	job->size = (uint64_t)db_int(&q, 1) - strip;
	job->smtputf8 = db_int(&q, 3) != 0;
	job->body = (uint32_t)db_int(&q, 4);
	job->ret = (uint32_t)db_int(&q, 6);
	job->sign = s->settings->dkim_sign || db_int(&q, 15); /* mail of accounts is looked at once more */
	job->require_tls = db_int(&q, 14) == MAIL_TLS_REQUIRED;
	job->tls_optional = db_int(&q, 14) == MAIL_TLS_OPTIONAL;
	struct slice mail = slice_str(job->mail_id);
	struct slice fields = queue_open_sealed(s, mail, db_octets(&q, 7), a);
	if (!fields.n) {
		unreadable(s, p, mail);
		return NULL;
	}
	job->sender = addr_of(fields, a);
	job->envid = arena_z(a, fields_find(fields, QUEUE_ENVID));
	job->rcpts = list;
	for (unsigned i = 0; i < p->n; i++)
		if (!add_rcpt(s, db, p->rows[i], mail, a, job, list))
			queue_drop(s->queue, p->rows[i]);
	if (job->n_rcpts && !slice_is_ascii(slice_str(job->domain)))
		tls_policy_fill(db, a, job); /* policies stand under A-labels */
	*room -= MIN(*room, 400 * job->n_rcpts + 800);
	struct blob_place at = blob_place_of(&q, 8);
	if (job->n_rcpts)
		add_data(s, &at, strip, a, job, room);
	return job->n_rcpts && !arena_full(a) ? job : NULL;
}

/* ---- the relay's channel ---- */

static void claimant_ended(void *data)
{
	struct claimant *c = data;
	queue_release(c->store->queue, c);
	free(c);
}

static struct claimant *claimant_of(struct ipc_turn *t)
{
	struct claimant *c = ipc_conn_data(t->conn);
	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = store_of(t);
	queue_claimant_new(c->store->queue);
	ipc_conn_bind(t->conn, c, claimant_ended);
	return c;
}

/* What does not fit this answer any more waits for the next claim. */
static void load_jobs(struct ipc_turn *t, const struct picked *picked, size_t n, Sekisho__ClaimAnswer *answer)
{
	struct store *s = store_of(t);
	size_t room = CLAIM_ROOM;
	READER r = reader_begin(s);
	for (size_t i = 0; i < n; i++) {
		Sekisho__Job *job =
		    r.db && room > 4096 ? load_job(s, r.db, &picked[i], &t->arena, &room) : NULL;
		if (job)
			answer->jobs[answer->n_jobs++] = job;
		else
			queue_unclaim(s->queue, picked[i].rows, picked[i].n);
	}
}

void ask_claim(struct ipc_turn *t)
{
	const Sekisho__ClaimAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct picked *picked = arena_array(&t->arena, CLAIM_MOST, sizeof *picked);
	Sekisho__Job **jobs = arena_array(&t->arena, CLAIM_MOST, sizeof *jobs);
	if (!picked || !jobs) {
		refuse(t, LATER);
		return;
	}
	size_t n = pick_jobs(
	    s->queue, claimant_of(t), MIN(ask->most, CLAIM_MOST), MAX(ask->most_per_domain, 1u), picked);
	Sekisho__ClaimAnswer answer = SEKISHO__CLAIM_ANSWER__INIT;
	answer.jobs = jobs;
	load_jobs(t, picked, n, &answer);
	struct queue_numbers numbers = queue_numbers(s->queue);
	answer.next_ms = numbers.next_ms;
	answer.retries = numbers.retries;
	ipc_answer(t, &answer, NULL);
}

bool queue_mail_is_claimed(struct store *s, struct db *db, int64_t queued)
{
	DB_ROWS q = DB_QUERY(db, RCPTS_OF, DI(queued));
	while (db_next(&q))
		if (queue_is_claimed(s->queue, db_int(&q, 0)))
			return true;
	return false;
}

void ask_outbody(struct ipc_turn *t)
{
	const Sekisho__OutBodyAsk *ask = t->ask;
	struct store *s = store_of(t);
	BUF_LOCAL(body, BLOB_CHUNK);
	enum result done = LATER;
	{
		READER r = reader_begin(s);
		DB_ROWS q = r.db ? DB_QUERY(r.db, QUEUED_BODY, DZ(ask->mail_id)) : (struct db_rows){0};
		if (r.db && !db_next(&q)) {
			done = GONE;
		} else if (r.db && !queue_mail_is_claimed(s, r.db, db_int(&q, 0))) {
			done = DENY;
		} else if (r.db) {
			uint64_t offset;
			struct blob_place at = blob_place_of(&q, 2);
			if (!add_ok(ask->offset, (uint64_t)db_int(&q, 1), &offset))
				offset = UINT64_MAX;
			done = blob_read(s->blob, &at, offset, MIN(ask->length, (uint32_t)BLOB_CHUNK), &body);
		}
	}
	if (done != OK) {
		refuse(t, done);
		return;
	}
	Sekisho__BodyAnswer answer = SEKISHO__BODY_ANSWER__INIT;
	answer.data = octets_of(buf_slice(&body));
	ipc_answer(t, &answer, NULL);
}
