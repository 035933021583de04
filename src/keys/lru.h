/*
 * lru: a table of a fixed number of entries; when it is full the one not used for longest makes room.
 *
 * Keys are 32 octets that nobody outside can choose (MACs), so they hash by themselves. Not thread-safe.
 */
#ifndef KEYS_LRU_H
#define KEYS_LRU_H

#include "base/base.h"

struct lru_entry {
	char key[32];
	int64_t a, b; /* the user's */
	uint32_t next_in_bucket, newer, older;
};

struct lru {
	struct lru_entry *entries; /* entry 0 is the ring's head, never in use */
	uint32_t *buckets;
	uint32_t most, used, bucket_mask;
};

void lru_init(struct lru *l, uint32_t most);
void lru_free(struct lru *l);
/* The entry, now the most recently used, or NULL. Valid until the next lru_put. */
struct lru_entry *lru_get(struct lru *l, const char key[32]);
/* The entry, made when it was not there (a and b are 0 then). */
struct lru_entry *lru_put(struct lru *l, const char key[32]);
void lru_clear(struct lru *l, const char key[32]); /* its a and b become 0 */

#endif
