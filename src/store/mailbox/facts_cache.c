#include "store/mailbox/facts_cache.h"
#include <pthread.h>
#include <stdlib.h>

/* One entry a slot, the later one wins: no lists to keep, and the hot ones come back at once. */
#define SLOTS 16384
#define LOCKS 64
#define ENTRY_MOST 16384 /* octets; larger facts are read each time */

struct entry {
	int64_t id; /* 0: free */
	char *p;
	uint32_t n, room;
};

struct facts_cache {
	pthread_mutex_t locks[LOCKS];
	struct entry slots[SLOTS];
};

struct facts_cache *facts_cache_new(void)
{
	struct facts_cache *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_init(&c->locks[i], NULL);
	return c;
}

void facts_cache_free(struct facts_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		free(c->slots[i].p);
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&c->locks[i]);
	free(c);
}

static bool find(struct facts_cache *c, int64_t id, struct buf *out)
{
	const struct entry *e = &c->slots[(uint64_t)id % SLOTS];
	pthread_mutex_t *lock = &c->locks[(uint64_t)id % LOCKS];
	pthread_mutex_lock(lock);
	bool found = e->id == id;
	if (found)
		buf_put(out, slice_of(e->p, e->n));
	pthread_mutex_unlock(lock);
	return found;
}

static void keep(struct facts_cache *c, int64_t id, struct slice facts)
{
	if (facts.n > ENTRY_MOST)
		return;
	struct entry *e = &c->slots[(uint64_t)id % SLOTS];
	pthread_mutex_t *lock = &c->locks[(uint64_t)id % LOCKS];
	pthread_mutex_lock(lock);
	if (facts.n > e->room) {
		free(e->p);
		e->p = malloc(facts.n);
		if (!e->p)
			abort();
		e->room = (uint32_t)facts.n;
	}
	memcpy(e->p, facts.p, facts.n);
	e->n = (uint32_t)facts.n;
	e->id = id;
	pthread_mutex_unlock(lock);
}

enum result facts_get(struct store *s, int64_t id, const struct blob_place *at, struct buf *out)
{
	if (find(s->facts, id, out))
		return buf_result(out);
	size_t before = out->n;
	enum result r = blob_read_facts(s->blob, at, out);
	if (r == OK)
		keep(s->facts, id, slice_sub(buf_slice(out), before, out->n));
	return r;
}
