/*
 * cache: packed answers by question, so that what is asked often needs no other thread.
 *
 * libunbound keeps the real cache; this one holds an answer for as long as its TTL says and five minutes at most. A fixed
 * number of places; a question's hash says which one, and the newer answer has it. Thread-safe. Internal to the room.
 */
#ifndef RESOLVER_CACHE_H
#define RESOLVER_CACHE_H

#include "base/base.h"

struct cache;

struct cache *cache_new(size_t places);
void cache_free(struct cache *c);
/* OK with the packed answer added to out, and its age; GONE: not there. */
NODISCARD enum result cache_get(
    struct cache *c, struct slice name, unsigned type, int64_t now_ms, struct buf *out, int64_t *age_ms_out);
void cache_put(
    struct cache *c, struct slice name, unsigned type, int64_t now_ms, int64_t keep_ms, struct slice packed);

#endif
