/* The queue in memory: rows by due time, domains by turn. */
#include "store/queue/queue.h"
#include "store/queue/courier.h"
#include "store/mailbox/fields.h"
#include "store/queue/inside.h"
#include <stdlib.h>

/* ---- hashing ---- */

static uint64_t hash_text(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u;
	return h ^ h >> 31;
}

static size_t row_bucket(const struct queue *q, int64_t row)
{
	return ((uint64_t)row * 0x9e3779b97f4a7c15u >> 20) & (q->n_buckets - 1);
}

struct queue_row *queue_find(struct queue *q, int64_t row)
{
	struct queue_row *r = q->buckets[row_bucket(q, row)];
	while (r && r->row != row)
		r = r->next_bucket;
	return r;
}

static void grow_buckets(struct queue *q)
{
	size_t old_n = q->n_buckets;
	struct queue_row **old = q->buckets;
	q->n_buckets = old_n * 4;
	q->buckets = calloc(q->n_buckets, sizeof(struct queue_row *));
	if (!q->buckets)
		abort();
	for (size_t i = 0; i < old_n; i++) {
		for (struct queue_row *r = old[i], *next; r; r = next) {
			next = r->next_bucket;
			r->next_bucket = q->buckets[row_bucket(q, r->row)];
			q->buckets[row_bucket(q, r->row)] = r;
		}
	}
	free(old);
}

static struct queue_domain *domain_of(struct queue *q, struct slice name)
{
	struct queue_domain **at = &q->domains[hash_text(name) % QUEUE_DOMAINS];
	for (; *at; at = &(*at)->next_bucket)
		if (slice_eq(slice_str((*at)->name), name))
			return *at;
	struct queue_domain *d = calloc(1, sizeof *d);
	if (!d || !(d->name = strndup(name.p, name.n)))
		abort();
	d->last = &d->first;
	*at = d;
	return d;
}

/* A domain without rows is forgotten. */
static void domain_leave(struct queue *q, struct queue_domain *d)
{
	if (--d->rows)
		return;
	struct queue_domain **at = &q->domains[hash_text(slice_str(d->name)) % QUEUE_DOMAINS];
	while (*at != d)
		at = &(*at)->next_bucket;
	*at = d->next_bucket;
	free(d->name);
	free(d);
}

/* ---- the heap of rows that are not due yet ---- */

static void heap_set(struct queue *q, size_t i, struct queue_row *r)
{
	q->heap[i] = r;
	r->heap = i + 1;
}

static void heap_up(struct queue *q, size_t i, struct queue_row *r)
{
	while (i && q->heap[(i - 1) / 2]->due_ms > r->due_ms) {
		heap_set(q, i, q->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(q, i, r);
}

static void heap_down(struct queue *q, size_t i, struct queue_row *r)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < q->n_heap && q->heap[child + 1]->due_ms < q->heap[child]->due_ms)
			child++;
		if (child >= q->n_heap || q->heap[child]->due_ms >= r->due_ms)
			break;
		heap_set(q, i, q->heap[child]);
		i = child;
	}
	heap_set(q, i, r);
}

static void heap_add(struct queue *q, struct queue_row *r)
{
	if (q->n_heap == q->cap_heap) {
		q->cap_heap = q->cap_heap ? q->cap_heap * 2 : 1024;
		q->heap = realloc(q->heap, q->cap_heap * sizeof(struct queue_row *));
		if (!q->heap)
			abort();
	}
	heap_up(q, q->n_heap++, r);
}

static void heap_remove(struct queue *q, struct queue_row *r)
{
	size_t i = r->heap - 1;
	r->heap = 0;
	struct queue_row *last = q->heap[--q->n_heap];
	if (last == r)
		return;
	if (i && q->heap[(i - 1) / 2]->due_ms > last->due_ms)
		heap_up(q, i, last);
	else
		heap_down(q, i, last);
}

/* ---- the lists of rows that are due ---- */

void queue_join_turn(struct queue *q, struct queue_domain *d)
{
	if (d->in_turn)
		return;
	d->in_turn = true;
	d->next_turn = NULL;
	*q->last_turn = d;
	q->last_turn = &d->next_turn;
}

struct queue_domain *queue_next_turn(struct queue *q)
{
	struct queue_domain *d = q->first_turn;
	q->first_turn = d->next_turn;
	if (!q->first_turn)
		q->last_turn = &q->first_turn;
	d->in_turn = false;
	return d;
}

static void due_add(struct queue *q, struct queue_row *r)
{
	struct queue_domain *d = r->domain;
	r->due = true;
	r->next_due = NULL;
	r->prev_due = d->last;
	*d->last = r;
	d->last = &r->next_due;
	queue_join_turn(q, d);
}

static void due_remove(struct queue_row *r)
{
	r->due = false;
	*r->prev_due = r->next_due;
	if (r->next_due)
		r->next_due->prev_due = r->prev_due;
	else
		r->domain->last = r->prev_due;
}

void queue_take_due(struct queue *q, int64_t now)
{
	while (q->n_heap && q->heap[0]->due_ms <= now) {
		struct queue_row *r = q->heap[0];
		heap_remove(q, r);
		due_add(q, r);
	}
}

void queue_wait(struct queue *q, struct queue_row *r, int64_t due_ms)
{
	r->claimant = NULL;
	r->due_ms = due_ms;
	heap_add(q, r);
}

void queue_claim_row(struct queue_row *r, struct claimant *by)
{
	due_remove(r);
	r->claimant = by;
}

/* ---- rows ---- */

static void detach(struct queue *q, struct queue_row *r)
{
	if (r->heap)
		heap_remove(q, r);
	if (r->due)
		due_remove(r);
	if (r->job && --r->job->rows == 0)
		queue_job_end(q, r->job);
	r->job = NULL;
}

static void forget(struct queue *q, struct queue_row *r)
{
	detach(q, r);
	struct queue_row **at = &q->buckets[row_bucket(q, r->row)];
	while (*at != r)
		at = &(*at)->next_bucket;
	*at = r->next_bucket;
	/* A domain in turn is left to queue_next_domain, which may be looking at it. */
	struct queue_domain *d = r->domain;
	if (d->rows == 1 && d->in_turn) {
		struct queue_domain **turn = &q->first_turn;
		while (*turn != d)
			turn = &(*turn)->next_turn;
		*turn = d->next_turn;
		if (!*turn)
			q->last_turn = turn;
	}
	domain_leave(q, d);
	free(r);
	q->n_rows--;
}

void queue_job_end(struct queue *q, struct claim_job *j)
{
	j->domain->out--;
	queue_join_turn(q, j->domain);
	if (j->account) {
		*j->prev_alone = j->next_alone;
		if (j->next_alone)
			j->next_alone->prev_alone = j->prev_alone;
	}
	free(j);
}

/* There are never many of them: accounts that are used from unfamiliar places, or under suspicion. */
bool queue_claim_alone(struct queue *q, int64_t row, int64_t account)
{
	bool free_now = true;
	pthread_mutex_lock(&q->lock);
	struct queue_row *r = queue_find(q, row);
	struct claim_job *j = r ? r->job : NULL;
	for (const struct claim_job *o = q->alone; o; o = o->next_alone)
		free_now &= o->account != account;
	if (j && free_now) {
		j->account = account;
		j->next_alone = q->alone;
		j->prev_alone = &q->alone;
		if (j->next_alone)
			j->next_alone->prev_alone = &j->next_alone;
		q->alone = j;
	}
	pthread_mutex_unlock(&q->lock);
	return free_now;
}

/* With the lock held. */
static void add_row(struct queue *q, int64_t row, int64_t queued, struct slice domain, int64_t due_ms)
{
	struct queue_row *r = queue_find(q, row);
	if (r) {
		detach(q, r);
	} else {
		r = calloc(1, sizeof *r);
		if (!r)
			abort();
		if (++q->n_rows > q->n_buckets)
			grow_buckets(q);
		r->row = row;
		r->queued = queued;
		r->domain = domain_of(q, domain);
		r->domain->rows++;
		r->next_bucket = q->buckets[row_bucket(q, row)];
		q->buckets[row_bucket(q, row)] = r;
	}
	queue_wait(q, r, due_ms);
}

void queue_add(
    struct queue *q, int64_t row, int64_t queued, struct slice domain, enum rcpt_state state, int64_t due_ms)
{
	struct deliver_remote one = {.row = row, .domain = domain, .state = state};
	queue_add_all(q, queued, &one, 1, due_ms);
}

void queue_add_all(
    struct queue *q, int64_t queued, const struct deliver_remote *rows, size_t n, int64_t due_ms)
{
	bool wake = false, ring = false;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].state == RCPT_WAITING)
			add_row(q, rows[i].row, queued, rows[i].domain, due_ms);
		ring |= rows[i].state == RCPT_WAITING;
		wake |= rows[i].state != RCPT_WAITING;
	}
	pthread_mutex_unlock(&q->lock);
	if (wake)
		courier_wake(q->store, queued);
	if (ring && due_ms <= clock_utc_ms())
		queue_ring(q);
}

void queue_drop(struct queue *q, int64_t row)
{
	pthread_mutex_lock(&q->lock);
	struct queue_row *r = queue_find(q, row);
	if (r)
		forget(q, r);
	pthread_mutex_unlock(&q->lock);
}

static void unclaim(struct queue *q, struct queue_row *r, int64_t due_ms)
{
	detach(q, r);
	queue_wait(q, r, MAX(r->due_ms, due_ms));
}

void queue_put_off(struct queue *q, const int64_t *rows, size_t n, int64_t due_ms)
{
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < n; i++) {
		struct queue_row *r = queue_find(q, rows[i]);
		if (r && r->claimant)
			unclaim(q, r, due_ms);
	}
	pthread_mutex_unlock(&q->lock);
}

void queue_unclaim(struct queue *q, const int64_t *rows, size_t n)
{
	queue_put_off(q, rows, n, 0);
}

void queue_release(struct queue *q, const struct claimant *by)
{
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < q->n_buckets; i++)
		for (struct queue_row *r = q->buckets[i]; r; r = r->next_bucket)
			if (r->claimant == by)
				unclaim(q, r, 0);
	q->rung = false;
	q->claimants--;
	pthread_mutex_unlock(&q->lock);
}

void queue_claimant_new(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->claimants++;
	pthread_mutex_unlock(&q->lock);
}

unsigned queue_claimants(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	unsigned n = q->claimants;
	pthread_mutex_unlock(&q->lock);
	return n;
}

bool queue_is_claimed(struct queue *q, int64_t row)
{
	pthread_mutex_lock(&q->lock);
	const struct queue_row *r = queue_find(q, row);
	bool claimed = r && r->claimant;
	pthread_mutex_unlock(&q->lock);
	return claimed;
}

struct queue_numbers queue_numbers(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	queue_take_due(q, clock_utc_ms());
	struct queue_numbers n = {.waiting = q->n_rows, .retries = q->retries};
	if (q->n_heap)
		n.next_ms = q->heap[0]->due_ms;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_retry(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->retries++;
	pthread_mutex_unlock(&q->lock);
}

void queue_ring(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	queue_take_due(q, clock_utc_ms());
	bool ring = q->first_turn && !q->rung;
	q->rung |= ring;
	pthread_mutex_unlock(&q->lock);
	if (ring && q->store->server)
		ipc_server_note(q->store->server, 1u << PEER_RELAY, NOTE_QUEUE);
}

struct queue *queue_new(struct store *s)
{
	struct queue *q = calloc(1, sizeof *q);
	if (!q)
		abort();
	q->store = s;
	q->n_buckets = 1024;
	q->buckets = calloc(q->n_buckets, sizeof(struct queue_row *));
	if (!q->buckets)
		abort();
	q->last_turn = &q->first_turn;
	pthread_mutex_init(&q->lock, NULL);
	return q;
}

void queue_end(struct queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n_buckets; i++)
		while (q->buckets[i])
			forget(q, q->buckets[i]);
	free(q->buckets);
	free(q->heap);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* Known rows stay as they are; with `renew` those that nobody has claimed fall due as the table says. */
static void load_row(struct queue *q, const struct db_rows *rows, bool renew)
{
	int64_t row = db_int(rows, 0), queued = db_int(rows, 1), due_ms = db_int(rows, 4);
	bool waits = db_int(rows, 3) == RCPT_WAITING;
	if (db_int(rows, 5) || !waits)
		courier_wake(q->store, queued);
	pthread_mutex_lock(&q->lock);
	const struct queue_row *r = queue_find(q, row);
	if (waits && (!r || (renew && !r->claimant)))
		add_row(q, row, queued, db_octets(rows, 2), due_ms);
	pthread_mutex_unlock(&q->lock);
}

static void load_rows(struct queue *q, struct db_rows *rows, bool renew)
{
	while (db_next(rows))
		load_row(q, rows, renew);
	queue_ring(q);
}

enum result queue_load(struct queue *q, struct db *db)
{
	DB_ROWS rows = DB_QUERY(db, QUEUE_LOAD, DI(q->store->node));
	load_rows(q, &rows, false);
	return db_result(db);
}

void queue_refresh(struct store *s, int64_t queued)
{
	READER r = reader_begin(s);
	if (!r.db)
		return;
	DB_ROWS rows = queued ? DB_QUERY(r.db, RCPTS_OF_NODE, DI(queued), DI(s->node))
			      : DB_QUERY(r.db, QUEUE_LOAD, DI(s->node));
	load_rows(s->queue, &rows, true);
}

/* ---- sealed columns ---- */

static struct slice bound_to(struct slice mail, char room[64])
{
	memcpy(room, "queue ", 6);
	size_t n = MIN(mail.n, (size_t)32);
	memcpy(room + 6, mail.p, n);
	return slice_of(room, 6 + n);
}

struct slice queue_seal_fields(struct store *s, struct slice mail, const struct buf *fields, struct arena *a)
{
	char room[64];
	BUF_LOCAL(sealed, 65536);
	seal_put(s->seal, buf_slice(fields), bound_to(mail, room), &sealed);
	return arena_dup(a, buf_slice(&sealed));
}

struct slice queue_seal_mail(struct store *s, struct slice mail, struct slice from_local,
    struct slice from_domain, struct slice envid, int64_t originator, enum mail_origin origin,
    struct arena *a)
{
	BUF_LOCAL(b, 8192);
	fields_put(&b, QUEUE_LOCAL, from_local);
	fields_put(&b, QUEUE_DOMAIN, from_domain);
	fields_put(&b, QUEUE_ENVID, envid);
	if (originator)
		fields_put_number(&b, QUEUE_ORIGINATOR, (uint64_t)originator);
	if (origin == ORIGIN_OURS)
		fields_put_number(&b, QUEUE_AUTHORED, 1);
	else if (origin != ORIGIN_UNKNOWN)
		fields_put_number(&b, QUEUE_ORIGIN, origin);
	return queue_seal_fields(s, mail, &b, a);
}

enum mail_origin queue_origin(struct slice fields)
{
	uint64_t origin = fields_number(fields_find(fields, QUEUE_ORIGIN));
	if (fields_number(fields_find(fields, QUEUE_AUTHORED)))
		return ORIGIN_OURS;
	return origin == ORIGIN_PROVEN || origin == ORIGIN_FALSE ? (enum mail_origin)origin : ORIGIN_UNKNOWN;
}

struct slice queue_seal_rcpt(struct store *s, struct slice mail, struct slice local, struct slice domain,
    struct slice orcpt, struct arena *a)
{
	BUF_LOCAL(b, 8192);
	fields_put(&b, QUEUE_LOCAL, local);
	fields_put(&b, QUEUE_DOMAIN, domain);
	fields_put(&b, QUEUE_ORCPT, orcpt);
	return queue_seal_fields(s, mail, &b, a);
}

struct slice queue_seal_outcome(
    struct store *s, struct slice mail, const char *status, struct slice text, struct arena *a)
{
	BUF_LOCAL(b, 8192);
	fields_put(&b, QUEUE_STATUS, slice_str(status));
	fields_put(&b, QUEUE_TEXT, slice_sub(text, 0, 4000));
	fields_put_number(&b, QUEUE_WHEN, (uint64_t)clock_utc_ms());
	return queue_seal_fields(s, mail, &b, a);
}

struct slice queue_open_sealed(struct store *s, struct slice mail, struct slice sealed, struct arena *a)
{
	char room[64];
	BUF_LOCAL(b, 65536);
	if (!sealed.n || seal_get(s->seal, sealed, bound_to(mail, room), &b) != OK)
		return SLICE_NONE;
	return arena_dup(a, buf_slice(&b));
}
