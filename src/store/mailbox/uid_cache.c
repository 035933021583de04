#include "store/mailbox/expunged.h"
#include "store/mailbox/uid_cache.h"
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 1024
#define RUNS_MOST ((size_t)2 << 20) /* 16 MiB in all */

struct known {
	int64_t mailbox;
	uint64_t modseq;
	uint32_t uidnext;
	struct runs runs;
	struct known *next_bucket;
	struct known *newer, *older;
};

struct uid_cache {
	pthread_mutex_t lock;
	struct known *buckets[BUCKETS];
	struct known *newest, *oldest;
	size_t runs;
};

struct uid_cache *uid_cache_new(void)
{
	struct uid_cache *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static struct known **find(struct uid_cache *c, int64_t mailbox)
{
	struct known **at = &c->buckets[(uint64_t)mailbox % BUCKETS];
	while (*at && (*at)->mailbox != mailbox)
		at = &(*at)->next_bucket;
	return at;
}

static void forget(struct uid_cache *c, struct known *k)
{
	*find(c, k->mailbox) = k->next_bucket;
	*(k->newer ? &k->newer->older : &c->newest) = k->older;
	*(k->older ? &k->older->newer : &c->oldest) = k->newer;
	c->runs -= k->runs.n + 8;
	runs_free(&k->runs);
	free(k);
}

void uid_cache_free(struct uid_cache *c)
{
	if (!c)
		return;
	while (c->oldest)
		forget(c, c->oldest);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void copy(const struct runs *from, struct runs *to)
{
	for (size_t i = 0; i < from->n; i++)
		runs_add_run(to, from->v[i]);
}

static void keep(struct uid_cache *c, const struct box *b, const struct runs *runs)
{
	if (runs->n > RUNS_MOST / 4)
		return;
	struct known *k = calloc(1, sizeof *k);
	if (!k)
		abort();
	*k = (struct known){.mailbox = b->id, .modseq = b->modseq, .uidnext = b->uidnext};
	copy(runs, &k->runs);
	pthread_mutex_lock(&c->lock);
	struct known *old = *find(c, b->id);
	if (old)
		forget(c, old);
	k->next_bucket = c->buckets[(uint64_t)b->id % BUCKETS];
	c->buckets[(uint64_t)b->id % BUCKETS] = k;
	k->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = k;
	c->newest = k;
	c->runs += k->runs.n + 8;
	while (c->runs > RUNS_MOST)
		forget(c, c->oldest);
	pthread_mutex_unlock(&c->lock);
}

static void add_from(struct db *db, int64_t mailbox, uint32_t from, struct runs *out)
{
	DB_ROWS q = DB_QUERY(db, UIDS_FROM, DI(mailbox), DI(from));
	while (db_next(&q))
		runs_add(out, (uint32_t)db_int(&q, 0));
}

static void take_vanished(struct db *db, const struct box *b, uint64_t since, struct runs *runs)
{
	RUNS_LOCAL(gone);
	RUNS_LOCAL(left);
	expunged_since(db, b->id, since, b->uidnext, &gone);
	if (!gone.n)
		return;
	runs_minus(runs, &gone, &left);
	struct runs swap = *runs;
	*runs = left;
	left = swap;
}

void uid_cache_get(struct uid_cache *c, struct db *db, const struct box *b, struct runs *out)
{
	uint64_t modseq = 0;
	uint32_t uidnext = 1;
	pthread_mutex_lock(&c->lock);
	const struct known *k = *find(c, b->id);
	if (k && k->modseq <= b->modseq) {
		modseq = k->modseq;
		uidnext = k->uidnext;
		copy(&k->runs, out);
	}
	pthread_mutex_unlock(&c->lock);
	if (modseq == b->modseq)
		return;
	add_from(db, b->id, uidnext, out);
	if (modseq)
		take_vanished(db, b, modseq, out);
	if (db_result(db) == OK)
		keep(c, b, out);
}
