#include "keys/lru.h"
#include <stdlib.h>

void lru_init(struct lru *l, uint32_t most)
{
	uint32_t buckets = 16;
	while (buckets < most)
		buckets *= 2;
	*l = (struct lru){.most = most, .bucket_mask = buckets - 1};
	l->entries = calloc((size_t)most + 1, sizeof *l->entries);
	l->buckets = calloc(buckets, sizeof *l->buckets);
	if (!l->entries || !l->buckets)
		abort();
}

void lru_free(struct lru *l)
{
	if (l->entries)
		explicit_bzero(l->entries, ((size_t)l->most + 1) * sizeof *l->entries);
	free(l->entries);
	free(l->buckets);
	*l = (struct lru){0};
}

static uint32_t *bucket_of(struct lru *l, const char key[32])
{
	uint32_t h;
	memcpy(&h, key, sizeof h);
	return &l->buckets[h & l->bucket_mask];
}

static void ring_out(struct lru *l, uint32_t i)
{
	struct lru_entry *e = &l->entries[i];
	l->entries[e->newer].older = e->older;
	l->entries[e->older].newer = e->newer;
}

/* To the place of the most recently used. */
static void ring_in(struct lru *l, uint32_t i)
{
	struct lru_entry *head = &l->entries[0], *e = &l->entries[i];
	e->newer = 0;
	e->older = head->older;
	l->entries[head->older].newer = i;
	head->older = i;
}

/* The place that points to the entry, or to the end of its bucket. */
static uint32_t *find(struct lru *l, const char key[32])
{
	uint32_t *at = bucket_of(l, key);
	while (*at && memcmp(l->entries[*at].key, key, 32) != 0)
		at = &l->entries[*at].next_in_bucket;
	return at;
}

struct lru_entry *lru_get(struct lru *l, const char key[32])
{
	uint32_t i = *find(l, key);
	if (!i)
		return NULL;
	ring_out(l, i);
	ring_in(l, i);
	return &l->entries[i];
}

struct lru_entry *lru_put(struct lru *l, const char key[32])
{
	struct lru_entry *e = lru_get(l, key);
	if (e)
		return e;
	uint32_t i;
	if (l->used < l->most) {
		i = ++l->used;
	} else {
		i = l->entries[0].newer;
		ring_out(l, i);
		uint32_t *at = find(l, l->entries[i].key);
		*at = l->entries[i].next_in_bucket;
	}
	uint32_t *at = bucket_of(l, key);
	e = &l->entries[i];
	*e = (struct lru_entry){.next_in_bucket = *at};
	memcpy(e->key, key, 32);
	*at = i;
	ring_in(l, i);
	return e;
}

void lru_clear(struct lru *l, const char key[32])
{
	struct lru_entry *e = lru_get(l, key);
	if (e)
		e->a = e->b = 0;
}
