/* Jobs from store. One channel for the claims: when it ends, store lets others have what was claimed over it. */
#include "relay/inner.h"
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CLAIM_JOBS 48
#define OUT_MOST 1000 /* recipients claimed and not yet reported */
#define BATCH_ARENA ((size_t)4 << 20)
#define RETRY_MS 200
#define LOOK_MS (30 * SECOND_MS) /* a look without any reason */
#define SOON_MS 100              /* something is due and cannot be had */
#define SWEEP_MS SECOND_MS

/* A job of the message, without recipients that are in hand already; NULL: none is left. The lock is not held. */
static struct job *job_new(struct relay *r, struct batch *b, const Sekisho__Job *m)
{
	struct job *j = arena_new(&b->arena, struct job);
	if (j)
		*j = (struct job){
		    .batch = b, .msg = m, .rcpts = arena_array(&b->arena, m->n_rcpts + 1, sizeof *j->rcpts)};
	if (!j || !j->rcpts)
		return NULL;
	pthread_mutex_lock(&r->queue.lock);
	for (size_t i = 0; i < m->n_rcpts; i++)
		/* A store that was started again does not know what we still have in hand. */
		if (m->rcpts[i]->addr && m->rcpts[i]->row && rows_add(&r->queue.rows, m->rcpts[i]->row))
			j->rcpts[j->rcpts_n++] = (struct rcpt){.msg = m->rcpts[i]};
	pthread_mutex_unlock(&r->queue.lock);
	return j->rcpts_n ? j : NULL;
}

/* Puts the jobs of one packet in the queue; how many there were. */
static size_t take_jobs(struct relay *r, struct batch *b, const Sekisho__ClaimAnswer *answer)
{
	atomic_store(&b->jobs, 1); /* our own hold on the arena */
	for (size_t i = 0; i < answer->n_jobs; i++) {
		struct job *j = job_new(r, b, answer->jobs[i]);
		if (!j)
			continue;
		atomic_fetch_add(&b->jobs, 1);
		queue_put(r, j);
	}
	struct job hold = {.batch = b};
	size_t n = answer->n_jobs;
	job_free(&hold);
	return n;
}

static struct batch *batch_new(void)
{
	struct batch *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	arena_init(&b->arena, BATCH_ARENA);
	return b;
}

static void batch_drop(struct batch *b)
{
	arena_free(&b->arena);
	free(b);
}

/* One claim; how many jobs came. */
static enum result claim(struct relay *r, struct ipc *c, size_t *n_out, int64_t *next_out)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer;
	struct batch *b = batch_new();
	unsigned per_destination = r->settings->per_destination ? r->settings->per_destination : 20;
	*n_out = 0;
	ask.most = CLAIM_JOBS;
	ask.most_per_domain = per_destination * 4;
	enum result done = ipc_call(c, ASK_STORE_CLAIM, &ask, NULL, &b->arena, &answer, NULL);
	while (done == OK) {
		*next_out = answer->next_ms;
		queue_heed(r, answer->retries);
		*n_out += take_jobs(r, b, answer);
		if (!c->more)
			return OK;
		b = batch_new();
		done = ipc_more(c, &b->arena, &answer, NULL);
	}
	batch_drop(b);
	return done;
}

/* Claims until nothing comes or enough is in hand; *wait_out: how long to wait then for a note. */
static enum result claim_all(struct relay *r, struct ipc *c, int64_t *wait_out)
{
	struct queue *q = &r->queue;
	size_t n;
	int64_t next = 0;
	bool enough;
	queue_sweep(r);
	do {
		enum result done = claim(r, c, &n, &next);
		if (done != OK)
			return done;
		pthread_mutex_lock(&q->lock);
		enough = q->out >= OUT_MOST;
		/* More may be waiting behind what is out: look again when half of it is done. */
		q->claim_at = q->out / 2;
		pthread_mutex_unlock(&q->lock);
	} while (n && !enough);
	int64_t left = next ? next - clock_utc_ms() : LOOK_MS;
	*wait_out = MIN(MAX(left, SOON_MS), LOOK_MS);
	return OK;
}

/* Waits for a note, for our own call, or for the time; false: the channel broke. Sweeps the pool meanwhile. */
static bool wait_reason(struct relay *r, struct ipc *c, int64_t wait_ms)
{
	int64_t end = clock_mono_ms() + wait_ms,
		idle = r->settings->times.idle ? r->settings->times.idle : 3 * SECOND_MS;
	while (!atomic_load(&r->stopping)) {
		struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = r->wake, .events = POLLIN}};
		int64_t left = end - clock_mono_ms();
		uint64_t count;
		int ready = poll(p, 2, (int)MIN(MAX(left, 0), SWEEP_MS));
		pool_sweep(&r->pool, idle);
		if (p[0].revents && ready > 0 && ipc_poll(c) != OK)
			return false;
		bool called =
		    ready > 0 && p[1].revents && read(r->wake, &count, sizeof count) == sizeof count;
		if ((c->notes & NOTE_QUEUE) || called || left <= 0) {
			c->notes = 0;
			return true;
		}
	}
	return false;
}

void *claimer_main(void *relay)
{
	struct relay *r = relay;
	while (!atomic_load(&r->stopping)) {
		struct ipc c;
		int64_t wait_ms;
		if (ipc_open(r->settings->store, &c) == OK) {
			while (!atomic_load(&r->stopping) && claim_all(r, &c, &wait_ms) == OK &&
			       wait_reason(r, &c, wait_ms))
				;
			ipc_close(&c);
		}
		if (!atomic_load(&r->stopping))
			nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
	}
	return NULL;
}

void claim_release(struct relay *r, struct job *j)
{
	struct why why;
	struct delivery d = {.relay = r, .settings = r->settings, .job = j};
	why_set(&why, false, "4.3.2", "the server stops");
	d.outcomes_end = &d.outcomes;
	j->begun_ms = clock_mono_ms();
	for (size_t i = 0; i < j->rcpts_n; i++)
		deliver_decide(&d, &j->rcpts[i], SEKISHO__ATTEMPT__OUTCOME__RELEASED, &why, NULL);
	reports_add(r, d.outcomes, d.outcomes_n);
	job_free(j);
}
