#include "resolver/cache.h"
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#define KEEP_MOST_MS (5 * MINUTE_MS)
#define PACKED_MOST 16384 /* larger answers are rare and not kept */

struct place {
	char *name;
	size_t name_n;
	unsigned type;
	int64_t from_ms, until_ms;
	char *packed;
	size_t packed_n;
};

struct cache {
	pthread_mutex_t lock;
	uint64_t seed;
	size_t places;
	struct place place[];
};

struct cache *cache_new(size_t places)
{
	struct cache *c = calloc(1, sizeof *c + places * sizeof c->place[0]);
	if (!c || RAND_bytes((unsigned char *)&c->seed, sizeof c->seed) != 1)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	c->places = places;
	return c;
}

static void place_clear(struct place *p)
{
	free(p->name);
	free(p->packed);
	*p = (struct place){0};
}

void cache_free(struct cache *c)
{
	for (size_t i = 0; i < c->places; i++)
		place_clear(&c->place[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* FNV-1a over a secret seed: whoever chooses names cannot choose places. */
static struct place *place_of(struct cache *c, struct slice name, unsigned type)
{
	uint64_t h = c->seed ^ 0xcbf29ce484222325u;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)ascii_lower(name.p[i])) * 0x100000001b3u;
	h = (h ^ type) * 0x100000001b3u;
	h ^= h >> 32;
	return &c->place[h % c->places];
}

static char *copy(struct slice s)
{
	char *p = malloc(MAX(s.n, 1));
	if (!p)
		abort();
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

enum result cache_get(
    struct cache *c, struct slice name, unsigned type, int64_t now_ms, struct buf *out, int64_t *age_ms_out)
{
	enum result r = GONE;
	pthread_mutex_lock(&c->lock);
	const struct place *p = place_of(c, name, type);
	if (p->name && p->type == type && now_ms < p->until_ms &&
	    slice_ieq(slice_of(p->name, p->name_n), name)) {
		buf_put(out, slice_of(p->packed, p->packed_n));
		*age_ms_out = now_ms - p->from_ms;
		r = buf_result(out);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void cache_put(
    struct cache *c, struct slice name, unsigned type, int64_t now_ms, int64_t keep_ms, struct slice packed)
{
	if (packed.n > PACKED_MOST || keep_ms <= 0)
		return;
	pthread_mutex_lock(&c->lock);
	struct place *p = place_of(c, name, type);
	place_clear(p);
	*p = (struct place){
	    copy(name), name.n, type, now_ms, now_ms + MIN(keep_ms, KEEP_MOST_MS), copy(packed), packed.n};
	pthread_mutex_unlock(&c->lock);
}
