/*
 * Outcomes to store, in batches: one commit there for many messages. A batch goes when it has BATCH outcomes, when the
 * first of it has waited GATHER_MS, or when nothing else is under way. It is offered until store has taken it, and when
 * that takes long, or very many wait, no other message is begun.
 */
#include "relay/inner.h"
#include <stdlib.h>
#include <time.h>

#define BATCH 64
#define TRIALS 16 /* kinds of sessions that go along */
#define GATHER_MS 5
#define RETRY_MS 200
#define HELD_MS 500        /* so long a batch may be offered, */
#define HELD_N (4 * BATCH) /* and so many outcomes may wait, before messages do */

/* ---- rows: a set by linear probing ---- */

void rows_init(struct rows *r)
{
	*r = (struct rows){.mask = 1023};
	r->slot = calloc(r->mask + 1, sizeof *r->slot);
	if (!r->slot)
		abort();
}

void rows_free(struct rows *r)
{
	free(r->slot);
}

static size_t home(const struct rows *r, uint64_t row)
{
	return (size_t)(row * 0x9e3779b97f4a7c15u >> 20) & r->mask;
}

static size_t find(const struct rows *r, uint64_t row)
{
	size_t i = home(r, row);
	while (r->slot[i] && r->slot[i] != row)
		i = (i + 1) & r->mask;
	return i;
}

static void grow(struct rows *r)
{
	struct rows larger = {.mask = r->mask * 2 + 1, .n = r->n};
	larger.slot = calloc(larger.mask + 1, sizeof *larger.slot);
	if (!larger.slot)
		abort();
	for (size_t i = 0; i <= r->mask; i++)
		if (r->slot[i])
			larger.slot[find(&larger, r->slot[i])] = r->slot[i];
	free(r->slot);
	*r = larger;
}

bool rows_add(struct rows *r, uint64_t row)
{
	if (r->n * 2 > r->mask)
		grow(r);
	size_t i = find(r, row);
	if (r->slot[i])
		return false;
	r->slot[i] = row;
	r->n++;
	return true;
}

void rows_remove(struct rows *r, uint64_t row)
{
	size_t gap = find(r, row);
	if (!r->slot[gap])
		return;
	r->n--;
	/* What follows and was pushed past the gap moves back, so that searches never stop short. */
	for (size_t i = (gap + 1) & r->mask; r->slot[i]; i = (i + 1) & r->mask) {
		if (((i - home(r, r->slot[i])) & r->mask) >= ((i - gap) & r->mask)) {
			r->slot[gap] = r->slot[i];
			gap = i;
		}
	}
	r->slot[gap] = 0;
}

/* ---- the reporter ---- */

static void fill(Sekisho__Attempt *a, struct outcome *o)
{
	*a = (Sekisho__Attempt)SEKISHO__ATTEMPT__INIT;
	a->row = o->row;
	a->outcome = o->kind;
	a->code = o->why.code;
	a->status = o->why.status;
	a->text = o->why.text;
	a->host = o->host;
	a->ip = o->ip;
	a->tls = o->tls;
	a->secured = o->secured;
	a->ms = (uint32_t)MIN(MAX(o->ms, 0), (int64_t)UINT32_MAX);
	a->remote_dsn = o->remote_dsn;
}

static void fill_session(Sekisho__TlsSession *m, struct session_count *s)
{
	*m = (Sekisho__TlsSession)SEKISHO__TLS_SESSION__INIT;
	m->domain = s->domain;
	m->policy = s->policy;
	m->policy_text = s->text;
	m->mx = s->host;
	m->ip = s->ip;
	m->helo = s->helo;
	m->result = s->result;
	m->reason = s->reason;
	m->count = s->times;
}

static enum result send_batch(struct relay *r, struct outcome *list, struct session_count *trials)
{
	ARENA_LOCAL(a, 65536);
	Sekisho__TlsSession sessions[TRIALS], *every[TRIALS];
	Sekisho__Attempt attempts[BATCH], *each[BATCH];
	Sekisho__ReportAsk ask = SEKISHO__REPORT_ASK__INIT;
	ask.attempts = each;
	ask.sessions = every;
	for (struct session_count *s = trials; s; s = s->next) {
		fill_session(&sessions[ask.n_sessions], s);
		every[ask.n_sessions] = &sessions[ask.n_sessions];
		ask.n_sessions++;
	}
	for (struct outcome *o = list; o; o = o->next) {
		fill(&attempts[ask.n_attempts], o);
		each[ask.n_attempts] = &attempts[ask.n_attempts];
		ask.n_attempts++;
	}
	struct ipc *c = ipc_thread(r->settings->store);
	return c ? ipc_call(c, ASK_STORE_REPORT, &ask, NULL, &a, NULL, NULL) : GONE;
}

/* Up to BATCH from the front of the list; the lock is held. */
static struct outcome *take_batch(struct reports *p)
{
	struct outcome *first = p->first, **at = &p->first;
	for (size_t i = 0; i < BATCH && *at; i++) {
		at = &(*at)->next;
		p->n--;
	}
	p->first = *at;
	*at = NULL;
	if (!p->first)
		p->end = &p->first;
	return first;
}

static bool is_idle(struct relay *r)
{
	pthread_mutex_lock(&r->queue.lock);
	bool idle = r->queue.workers == r->queue.sleeping;
	pthread_mutex_unlock(&r->queue.lock);
	return idle;
}

/* With the lock held: waits until a batch is full, or has waited long enough. */
static void gather(struct relay *r, struct reports *p)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += GATHER_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	while (p->n < BATCH && !p->stopping) {
		pthread_mutex_unlock(&p->lock);
		bool idle = is_idle(r);
		pthread_mutex_lock(&p->lock);
		if (idle || pthread_cond_timedwait(&p->wait, &p->lock, &end) != 0)
			return;
	}
}

static void *reporter_main(void *arg)
{
	struct relay *r = arg;
	struct reports *p = &r->reports;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->first && !p->stopping)
			pthread_cond_wait(&p->wait, &p->lock);
		if (!p->first)
			break;
		gather(r, p);
		struct outcome *list = take_batch(p);
		p->offered_ms = clock_mono_ms();
		pthread_mutex_unlock(&p->lock);
		struct session_count *trials = trials_take(r, TRIALS);
		while (send_batch(r, list, trials) != OK)
			nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
		for (struct session_count *s; (s = trials); session_free(s))
			trials = s->next;
		queue_reported(r, list);
		for (struct outcome *o; (o = list); free(o))
			list = o->next;
		pthread_mutex_lock(&p->lock);
		p->offered_ms = 0;
		pthread_cond_broadcast(&p->taken);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void reports_start(struct relay *r)
{
	struct reports *p = &r->reports;
	pthread_condattr_t mono;
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wait, &mono);
	pthread_cond_init(&p->taken, &mono);
	pthread_condattr_destroy(&mono);
	p->end = &p->first;
	if (pthread_create(&p->thread, NULL, reporter_main, r) != 0)
		abort();
}

void reports_add(struct relay *r, struct outcome *list, size_t n)
{
	struct reports *p = &r->reports;
	if (!list)
		return;
	pthread_mutex_lock(&p->lock);
	bool wake = !p->first || (p->n < BATCH && p->n + n >= BATCH);
	*p->end = list;
	while (*p->end)
		p->end = &(*p->end)->next;
	p->n += n;
	if (wake)
		pthread_cond_signal(&p->wait);
	pthread_mutex_unlock(&p->lock);
}

static bool is_held(const struct reports *p)
{
	return p->n >= HELD_N || (p->offered_ms && clock_mono_ms() - p->offered_ms > HELD_MS);
}

bool reports_flow(struct relay *r)
{
	struct reports *p = &r->reports;
	pthread_mutex_lock(&p->lock);
	while (is_held(p) && !atomic_load(&r->stopping)) {
		struct timespec end;
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec++; /* to see whether the relay stops */
		pthread_cond_timedwait(&p->taken, &p->lock, &end);
	}
	bool flow = !is_held(p);
	pthread_mutex_unlock(&p->lock);
	return flow;
}

void reports_stop(struct relay *r)
{
	struct reports *p = &r->reports;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->wait);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wait);
	pthread_cond_destroy(&p->taken);
	pthread_mutex_destroy(&p->lock);
}
