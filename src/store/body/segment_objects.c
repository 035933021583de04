/*
 * segment_objects: segments as objects of an S3-compatible store.
 *
 * Records are gathered in memory, in a pack that becomes one object when it is flushed: one PUT for a whole group of
 * messages, durable before the rows are committed. An object's id is random, so nodes that share the store never meet; it
 * is never written again. What a pack held is also put into the cache, for it is read soon.
 *
 * An object may have been put by another node whose rows are not committed yet. So none is removed before it is rest_ms old
 * by the server's clock, and no row is written for one that was put half of that time ago (objects_good).
 */
#include "store/body/blob.h"
#include "store/body/seal.h"
#include "store/body/segment_inside.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PACK_MOST ((size_t)16 << 20)     /* a pack this long gets no further record */
#define WAITING_MOST ((size_t)768 << 20) /* octets in packs that are not stored yet */
#define CACHE_BLOCKS 512                 /* 64 MiB */
#define NAME_MOST 64
#define PREFIX "bodies/"

enum pack_state { PACK_FILLING, PACK_FLUSHING, PACK_STORED, PACK_BAD };

struct pack {
	struct pack *next;
	int64_t id;
	struct buf octets;
	unsigned held;    /* places handed out and not yet released */
	unsigned writing; /* of these, not yet wholly written */
	enum pack_state state;
	int64_t stored_ms; /* monotonic */
};

struct objects {
	struct s3 *s3;
	struct block_cache *cache;
	int64_t rest_ms;
	pthread_mutex_t lock;
	pthread_cond_t wrote;
	struct pack *packs, *current; /* few: those held, and the one being filled */
	size_t waiting;               /* octets */
	uint64_t failures;            /* packs that could not be put */
	char after[NAME_MOST];        /* where objects_list_some goes on */
};

static void name_of(int64_t id, char name[NAME_MOST])
{
	snprintf(name, NAME_MOST, PREFIX "%016llx.seg", (unsigned long long)id);
}

static bool id_of(const char *name, int64_t *id_out)
{
	struct slice s = slice_str(name);
	BUF_LOCAL(octets, 8);
	if (s.n != sizeof PREFIX - 1 + 16 + 4 || !slice_starts(s, SLICE(PREFIX)) ||
	    !slice_iends(s, SLICE(".seg")) || hex_decode(slice_sub(s, sizeof PREFIX - 1, 16), &octets) != OK)
		return false;
	uint64_t id = 0;
	for (size_t i = 0; i < 8; i++)
		id = id << 8 | (unsigned char)octets.p[i];
	*id_out = (int64_t)id;
	return segment_is_object(*id_out);
}

struct objects *objects_open(const struct s3_settings *settings, int64_t rest_ms)
{
	struct objects *o = calloc(1, sizeof *o);
	if (!o)
		abort();
	o->s3 = s3_new(settings);
	o->rest_ms = rest_ms;
	o->cache = block_cache_new(CACHE_BLOCKS);
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->wrote, NULL);
	return o;
}

static void pack_free(struct pack *p)
{
	buf_free(&p->octets);
	free(p);
}

void objects_close(struct objects *o)
{
	if (!o)
		return;
	for (struct pack *p = o->packs, *next; p; p = next) {
		next = p->next;
		pack_free(p);
	}
	s3_free(o->s3);
	block_cache_free(o->cache);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->wrote);
	free(o);
}

bool objects_up(struct objects *o)
{
	return s3_is_up(o->s3);
}

/* ---- packs; with the lock held ---- */

static struct pack *find(const struct objects *o, int64_t id)
{
	struct pack *p = o->packs;
	while (p && p->id != id)
		p = p->next;
	return p;
}

static void drop(struct objects *o, struct pack *p)
{
	struct pack **at = &o->packs;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (o->current == p)
		o->current = NULL;
	o->waiting -= p->octets.n;
	pack_free(p);
}

static struct pack *begin_pack(struct objects *o)
{
	struct pack *p = calloc(1, sizeof *p);
	uint64_t random;
	if (!p)
		abort();
	seal_random(&random, sizeof random);
	p->id = (int64_t)((uint64_t)SEGMENT_OBJECTS | random >> 2);
	buf_init(&p->octets, PACK_MOST + (size_t)LIMIT_MESSAGE_MOST * 2);
	p->next = o->packs;
	o->packs = p;
	o->current = p;
	return p;
}

enum result objects_reserve(struct objects *o, uint64_t n, int64_t *id_out, uint64_t *place_out)
{
	pthread_mutex_lock(&o->lock);
	struct pack *p = o->current;
	if (n > LIMIT_MESSAGE_MOST * (uint64_t)2 || o->waiting + n > WAITING_MOST || !s3_is_up(o->s3)) {
		pthread_mutex_unlock(&o->lock);
		return LATER;
	}
	if (!p || p->octets.n + n > PACK_MOST)
		p = begin_pack(o);
	char *room = buf_room(&p->octets, n);
	*id_out = p->id;
	*place_out = p->octets.n;
	memset(room, 0, n);
	buf_wrote(&p->octets, n);
	o->waiting += n;
	p->held++;
	p->writing++;
	pthread_mutex_unlock(&o->lock);
	return OK;
}

enum result objects_write(struct objects *o, int64_t id, uint64_t place, struct slice octets)
{
	pthread_mutex_lock(&o->lock);
	struct pack *p = find(o, id);
	bool fits = p && place + octets.n <= p->octets.n;
	if (fits && octets.n)
		memcpy(p->octets.p + place, octets.p, octets.n);
	pthread_mutex_unlock(&o->lock);
	return fits ? OK : LATER;
}

void objects_wrote(struct objects *o, int64_t id, uint64_t place, uint64_t reserved, uint64_t used)
{
	pthread_mutex_lock(&o->lock);
	struct pack *p = find(o, id);
	if (p) {
		p->writing--;
		if (p->octets.n == place + reserved) { /* the last one: what it did not need is nobody's */
			p->octets.n = place + used;
			o->waiting -= reserved - used;
		}
		pthread_cond_broadcast(&o->wrote);
	}
	pthread_mutex_unlock(&o->lock);
}

void objects_release(struct objects *o, int64_t id)
{
	pthread_mutex_lock(&o->lock);
	struct pack *p = find(o, id);
	if (p && --p->held == 0 && p->state != PACK_FLUSHING)
		drop(o, p);
	pthread_mutex_unlock(&o->lock);
}

bool objects_idle(struct objects *o, int64_t id)
{
	pthread_mutex_lock(&o->lock);
	bool idle = !find(o, id);
	pthread_mutex_unlock(&o->lock);
	return idle;
}

bool objects_good(struct objects *o, int64_t id)
{
	pthread_mutex_lock(&o->lock);
	const struct pack *p = find(o, id);
	/* One on its way is: the group that waits for it fails with it. */
	bool good = !p || p->state == PACK_FILLING || p->state == PACK_FLUSHING ||
		    (p->state == PACK_STORED && clock_mono_ms() - p->stored_ms < o->rest_ms / 2);
	pthread_mutex_unlock(&o->lock);
	return good;
}

/* ---- flushing ---- */

static void keep_in_cache(struct objects *o, int64_t id, struct slice octets)
{
	for (uint64_t block = 0; octets.n; block++) {
		block_cache_put(o->cache, id, block, slice_sub(octets, 0, CACHE_BLOCK));
		octets = slice_sub(octets, CACHE_BLOCK, octets.n);
	}
}

/* With the lock held, which is given up meanwhile; nobody changes a pack that is being flushed. */
static enum result flush_one(struct objects *o, struct pack *p)
{
	char name[NAME_MOST];
	p->state = PACK_FLUSHING;
	if (o->current == p)
		o->current = NULL;
	while (p->writing)
		pthread_cond_wait(&o->wrote, &o->lock);
	name_of(p->id, name);
	pthread_mutex_unlock(&o->lock);
	enum result r = s3_put(o->s3, name, buf_slice(&p->octets));
	if (r == OK)
		keep_in_cache(o, p->id, buf_slice(&p->octets));
	pthread_mutex_lock(&o->lock);
	p->state = r == OK ? PACK_STORED : PACK_BAD;
	p->stored_ms = clock_mono_ms();
	o->failures += r != OK;
	pthread_cond_broadcast(&o->wrote);
	o->waiting -= p->octets.n;
	buf_free(&p->octets);
	if (!p->held)
		drop(o, p);
	return r;
}

static struct pack *next_in(const struct objects *o, enum pack_state state)
{
	struct pack *p = o->packs;
	while (p && (p->state != state || !p->octets.n))
		p = p->next;
	return p;
}

/* Also waits for packs that another thread is flushing: what was written before this call is durable when it returns. */
enum result objects_flush(struct objects *o)
{
	pthread_mutex_lock(&o->lock);
	uint64_t failures = o->failures;
	enum result r = OK;
	for (struct pack *p = next_in(o, PACK_FILLING); p; p = next_in(o, PACK_FILLING))
		if (flush_one(o, p) != OK)
			r = LATER;
	while (next_in(o, PACK_FLUSHING))
		pthread_cond_wait(&o->wrote, &o->lock);
	if (o->failures != failures)
		r = LATER;
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* ---- reading ---- */

static enum result read_pack(
    struct objects *o, int64_t id, uint64_t place, void *p, size_t n, bool *found_out)
{
	pthread_mutex_lock(&o->lock);
	const struct pack *k = find(o, id);
	*found_out = k && k->octets.n;
	bool fits = *found_out && place + n <= k->octets.n;
	if (fits)
		memcpy(p, k->octets.p + place, n);
	pthread_mutex_unlock(&o->lock);
	return fits ? OK : GONE;
}

/* Octets [from, from + *n) of a block, *n getting fewer at the object's end. */
static enum result read_block(struct objects *o, int64_t id, uint64_t block, size_t from, void *p, size_t *n)
{
	char name[NAME_MOST];
	BUF_LOCAL(octets, CACHE_BLOCK);
	if (block_cache_get(o->cache, id, block, from, p, n))
		return OK;
	name_of(id, name);
	enum result r = s3_get(o->s3, name, block * CACHE_BLOCK, CACHE_BLOCK, &octets);
	if (r != OK)
		return r;
	block_cache_put(o->cache, id, block, buf_slice(&octets));
	struct slice part = slice_sub(buf_slice(&octets), from, *n);
	if (part.n)
		memcpy(p, part.p, part.n);
	*n = part.n;
	return OK;
}

enum result objects_read(struct objects *o, int64_t id, uint64_t place, void *p, size_t n)
{
	bool found;
	char *to = p;
	enum result r = read_pack(o, id, place, p, n, &found);
	if (found)
		return r;
	while (n) {
		size_t from = place % CACHE_BLOCK, wanted = MIN(n, (size_t)CACHE_BLOCK - from), got = wanted;
		r = read_block(o, id, place / CACHE_BLOCK, from, to, &got);
		if (r != OK || got < wanted)
			return r != OK ? r : GONE;
		to += got;
		place += got;
		n -= got;
	}
	return OK;
}

void objects_forget(struct objects *o, int64_t id)
{
	block_cache_forget(o->cache, id);
}

uint64_t objects_size(struct objects *o, int64_t id)
{
	char name[NAME_MOST];
	uint64_t size;
	int64_t age;
	name_of(id, name);
	return s3_head(o->s3, name, &size, &age) == OK ? size : 0;
}

enum result objects_remove(struct objects *o, int64_t id)
{
	char name[NAME_MOST];
	uint64_t size;
	int64_t age;
	if (!objects_idle(o, id))
		return LATER;
	name_of(id, name);
	enum result r = s3_head(o->s3, name, &size, &age);
	if (r == GONE)
		return OK;
	if (r != OK || age < o->rest_ms)
		return LATER;
	return s3_delete(o->s3, name);
}

struct listing {
	struct objects *objects;
	void (*each)(void *arg, int64_t id);
	void *arg;
};

static void on_name(void *arg, const char *name)
{
	const struct listing *l = arg;
	int64_t id;
	snprintf(l->objects->after, sizeof l->objects->after, "%s", name);
	if (id_of(name, &id))
		l->each(l->arg, id);
}

void objects_list_some(struct objects *o, void (*each)(void *arg, int64_t id), void *arg)
{
	struct listing l = {o, each, arg};
	size_t n = 0;
	char after[NAME_MOST];
	memcpy(after, o->after, sizeof after);
	if (s3_list(o->s3, PREFIX, after, on_name, &l, &n) == OK && !n)
		o->after[0] = 0;
}
