/*
 * Jobs by destination. A destination that has jobs and may have another connection stands in the turn; a thread takes the
 * first, works on its jobs one after the other over one connection, and comes back.
 */
#include "relay/inner.h"
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define OR(n, otherwise) ((n) ? (n) : (otherwise))
#define LIMIT_FIRST 5       /* connections to a destination that nothing is known of */
#define RUN 20              /* jobs of one destination while others wait */
#define THREAD_IDLE_S 10    /* then a thread ends */
#define THREAD_STACK 262144 /* octets */
#define DELIVERY_ARENA 2097152

static unsigned limit_most(const struct relay *r)
{
	return OR(r->settings->per_destination, 20u);
}

/* ---- destinations; the lock is held ---- */

static struct destination **bucket_of(struct queue *q, struct slice key)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * 16777619u;
	return &q->buckets[h % DESTINATIONS];
}

static struct destination *destination_of(struct relay *r, struct slice domain)
{
	BUF_LOCAL(key, 1024);
	route_key(r->settings, domain, &key);
	struct destination **at = bucket_of(&r->queue, buf_slice(&key));
	for (struct destination *d = *at; d; d = d->next_bucket)
		if (slice_eq(slice_str(d->key), buf_slice(&key)))
			return d;
	struct destination *d = calloc(1, sizeof *d);
	if (!d || !(d->key = strdup(buf_z(&key))))
		abort();
	d->jobs_end = &d->jobs;
	d->limit = MIN(LIMIT_FIRST, limit_most(r));
	d->next_bucket = *at;
	*at = d;
	return d;
}

/* Forgets a destination that has nothing to do and nothing to remember. */
static void destination_drop(struct queue *q, struct destination *d)
{
	if (d->jobs || d->active || d->in_turn || d->dead_until > clock_mono_ms())
		return;
	struct destination **at = bucket_of(q, slice_str(d->key));
	while (*at != d)
		at = &(*at)->next_bucket;
	*at = d->next_bucket;
	free(d->key);
	free(d);
}

static void join_turn(struct queue *q, struct destination *d)
{
	if (d->in_turn || !d->jobs || d->active >= d->limit)
		return;
	d->in_turn = true;
	d->next_turn = NULL;
	*q->turn_end = d;
	q->turn_end = &d->next_turn;
}

static struct destination *leave_turn(struct queue *q)
{
	struct destination *d = q->turn;
	if (!d)
		return NULL;
	q->turn = d->next_turn;
	if (!q->turn)
		q->turn_end = &q->turn;
	d->in_turn = false;
	return d;
}

static struct job *next_job(struct queue *q, struct destination *d)
{
	struct job *j = d->jobs;
	if (!j)
		return NULL;
	d->jobs = j->next;
	if (!d->jobs)
		d->jobs_end = &d->jobs;
	q->waiting--;
	return j;
}

/* ---- threads ---- */

static void *worker_main(void *relay);

/* With the lock held: sees to it that somebody works on the turn. */
static void call_worker(struct relay *r)
{
	struct queue *q = &r->queue;
	if (q->sleeping) {
		pthread_cond_signal(&q->work);
		return;
	}
	if (q->workers >= OR(r->settings->connections, 200u))
		return;
	pthread_attr_t attr;
	pthread_t t;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	if (pthread_create(&t, &attr, worker_main, r) == 0)
		q->workers++;
	pthread_attr_destroy(&attr);
}

/* What an attempt taught about the destination. */
static void learn(struct relay *r, struct destination *dest, const struct delivery *d)
{
	if (d->unreachable) {
		dest->limit = MAX(dest->limit / 2, 1u);
		dest->dead_until = clock_mono_ms() + OR(r->settings->times.dead, 30 * SECOND_MS);
		dest->dead = d->why;
	} else {
		dest->limit = MIN(dest->limit + 1, limit_most(r));
		dest->dead_until = 0;
	}
}

/* One job; the lock is not held. */
static void run_job(struct delivery *d, struct job *j, const struct why *dead)
{
	if (!dead && !reports_flow(d->relay)) {
		claim_release(d->relay, j);
		return;
	}
	d->job = j;
	d->outcomes = NULL;
	d->outcomes_end = &d->outcomes;
	d->outcomes_n = 0;
	if (dead) {
		j->begun_ms = clock_mono_ms();
		deliver_decide_open(d, dead, NULL);
	} else {
		deliver_job(d);
		delivery_unconvert(d);
	}
	reports_add(d->relay, d->outcomes, d->outcomes_n);
	job_free(j);
}

/* Works on a destination's jobs; the lock is held before and after. */
static void serve(struct relay *r, struct destination *dest, struct delivery *d)
{
	struct queue *q = &r->queue;
	struct job *j;
	dest->active++;
	for (unsigned run = 0; (run < RUN || !q->turn) && (j = next_job(q, dest)); run++) {
		if (dest->jobs && !dest->in_turn && dest->active < dest->limit) {
			join_turn(q, dest);
			call_worker(r);
		}
		bool is_dead = dest->dead_until > clock_mono_ms();
		struct why dead = dest->dead;
		pthread_mutex_unlock(&q->lock);
		run_job(d, j, is_dead ? &dead : NULL);
		pthread_mutex_lock(&q->lock);
		if (!is_dead)
			learn(r, dest, d);
	}
	dest->active--;
	join_turn(q, dest);
	destination_drop(q, dest);
}

static void put_link_away(struct relay *r, struct delivery *d)
{
	if (d->link)
		pool_give(&r->pool, d->link, OR(r->settings->connections, 200u));
	d->link = NULL;
}

/* Waits for work; false: none came for a while, or the role stops. */
static bool wait_work(struct queue *q)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += THREAD_IDLE_S;
	q->sleeping++;
	int timed_out = 0;
	while (!q->turn && !q->stopping && !timed_out)
		timed_out = pthread_cond_timedwait(&q->work, &q->lock, &end);
	q->sleeping--;
	return q->turn != NULL;
}

static void *worker_main(void *relay)
{
	struct relay *r = relay;
	struct queue *q = &r->queue;
	struct delivery d = {.relay = r, .settings = r->settings};
	arena_init(&d.arena, DELIVERY_ARENA);
	pthread_mutex_lock(&q->lock);
	do {
		struct destination *dest;
		while ((dest = leave_turn(q))) {
			if (q->turn)
				call_worker(r); /* each that is woken sees to the next */
			serve(r, dest, &d);
			put_link_away(r, &d);
		}
	} while (!q->stopping && wait_work(q));
	q->workers--;
	arena_free(&d.arena);
	pthread_cond_broadcast(&q->done);
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* ---- the door ---- */

void queue_init(struct relay *r)
{
	struct queue *q = &r->queue;
	pthread_condattr_t mono;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, &mono);
	pthread_cond_init(&q->done, &mono);
	pthread_condattr_destroy(&mono);
	q->turn_end = &q->turn;
	rows_init(&q->rows);
}

void relay_queue_free(struct relay *r)
{
	struct queue *q = &r->queue;
	for (size_t i = 0; i < DESTINATIONS; i++)
		for (struct destination *d; (d = q->buckets[i]);) {
			q->buckets[i] = d->next_bucket;
			free(d->key);
			free(d);
		}
	rows_free(&q->rows);
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->done);
	pthread_mutex_destroy(&q->lock);
}

void queue_sweep(struct relay *r)
{
	struct queue *q = &r->queue;
	pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < DESTINATIONS; i++)
		for (struct destination *d = q->buckets[i], *next; d; d = next) {
			next = d->next_bucket;
			destination_drop(q, d);
		}
	pthread_mutex_unlock(&q->lock);
}

void queue_heed(struct relay *r, uint64_t retries)
{
	struct queue *q = &r->queue;
	pthread_mutex_lock(&q->lock);
	if (retries != q->retries)
		sts_cache_doubt(r->sts);
	for (size_t i = 0; retries != q->retries && i < DESTINATIONS; i++)
		for (struct destination *d = q->buckets[i]; d; d = d->next_bucket)
			d->dead_until = 0;
	q->retries = retries;
	pthread_mutex_unlock(&q->lock);
}

void queue_put(struct relay *r, struct job *j)
{
	struct queue *q = &r->queue;
	pthread_mutex_lock(&q->lock);
	struct destination *d = destination_of(r, slice_str(j->msg->domain));
	j->next = NULL;
	*d->jobs_end = j;
	d->jobs_end = &j->next;
	q->waiting++;
	q->out += (unsigned)j->rcpts_n;
	bool new = !d->in_turn;
	join_turn(q, d);
	if (new && d->in_turn)
		call_worker(r);
	pthread_mutex_unlock(&q->lock);
}

void queue_reported(struct relay *r, const struct outcome *list)
{
	struct queue *q = &r->queue;
	uint64_t one = 1;
	pthread_mutex_lock(&q->lock);
	unsigned before = q->out;
	for (const struct outcome *o = list; o; o = o->next) {
		rows_remove(&q->rows, o->row);
		q->out--;
	}
	bool wake = before > q->claim_at && q->out <= q->claim_at;
	pthread_mutex_unlock(&q->lock);
	if (wake && write(r->wake, &one, sizeof one) < 0)
		return; /* the counter is full: the claimer is awake */
}

void job_free(struct job *j)
{
	struct batch *b = j->batch;
	if (atomic_fetch_sub(&b->jobs, 1) == 1) {
		arena_free(&b->arena);
		free(b);
	}
}
