/* block_cache: a bounded number of blocks, the least recently used one makes room. Thread-safe. */
#include "store/body/segment_inside.h"
#include <pthread.h>
#include <stdlib.h>

struct block {
	int64_t id; /* 0: free */
	uint64_t number;
	struct block *chain;         /* of one bucket */
	struct block *older, *newer; /* by last use */
	size_t n;
	char *octets;
};

struct block_cache {
	pthread_mutex_t lock;
	struct block *blocks, **buckets;
	struct block *oldest, *newest;
	size_t n_blocks;
};

struct block_cache *block_cache_new(size_t blocks)
{
	struct block_cache *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->n_blocks = blocks;
	c->blocks = calloc(blocks, sizeof *c->blocks);
	c->buckets = calloc(blocks, sizeof(struct block *));
	if (!c->blocks || !c->buckets)
		abort();
	for (size_t i = 0; i < blocks; i++) {
		struct block *b = &c->blocks[i];
		b->older = i ? b - 1 : NULL;
		b->newer = i + 1 < blocks ? b + 1 : NULL;
	}
	c->oldest = c->blocks;
	c->newest = c->blocks + blocks - 1;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void block_cache_free(struct block_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_blocks; i++)
		free(c->blocks[i].octets);
	free(c->blocks);
	free(c->buckets);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct block **bucket_of(struct block_cache *c, int64_t id, uint64_t number)
{
	uint64_t hash = ((uint64_t)id ^ number * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	return &c->buckets[(hash >> 17) % c->n_blocks];
}

static struct block *find(struct block_cache *c, int64_t id, uint64_t number)
{
	struct block *b = *bucket_of(c, id, number);
	while (b && (b->id != id || b->number != number))
		b = b->chain;
	return b;
}

static void use(struct block_cache *c, struct block *b)
{
	if (c->newest == b)
		return;
	*(b->older ? &b->older->newer : &c->oldest) = b->newer;
	b->newer->older = b->older;
	b->older = c->newest;
	b->newer = NULL;
	c->newest->newer = b;
	c->newest = b;
}

static void forget(struct block_cache *c, struct block *b)
{
	struct block **at = bucket_of(c, b->id, b->number);
	while (*at != b)
		at = &(*at)->chain;
	*at = b->chain;
	b->id = 0;
}

bool block_cache_get(struct block_cache *c, int64_t id, uint64_t number, size_t from, void *p, size_t *n)
{
	pthread_mutex_lock(&c->lock);
	struct block *b = find(c, id, number);
	if (b) {
		struct slice part = slice_sub(slice_of(b->octets, b->n), from, *n);
		if (part.n)
			memcpy(p, part.p, part.n);
		*n = part.n;
		use(c, b);
	}
	pthread_mutex_unlock(&c->lock);
	return b != NULL;
}

void block_cache_put(struct block_cache *c, int64_t id, uint64_t number, struct slice octets)
{
	pthread_mutex_lock(&c->lock);
	struct block *b = find(c, id, number);
	if (!b) {
		b = c->oldest;
		if (b->id)
			forget(c, b);
		b->id = id;
		b->number = number;
		struct block **bucket = bucket_of(c, id, number);
		b->chain = *bucket;
		*bucket = b;
	}
	if (!b->octets && !(b->octets = malloc(CACHE_BLOCK)))
		abort();
	b->n = MIN(octets.n, (size_t)CACHE_BLOCK);
	if (b->n)
		memcpy(b->octets, octets.p, b->n);
	use(c, b);
	pthread_mutex_unlock(&c->lock);
}

void block_cache_forget(struct block_cache *c, int64_t id)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i].id == id)
			forget(c, &c->blocks[i]);
	pthread_mutex_unlock(&c->lock);
}
