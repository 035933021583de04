/*
 * facts_cache: opened facts of bodies that were asked for lately, since a client lists the same messages again and
 * again. Facts of a body never change, so an entry is good for ever.
 */
#ifndef STORE_MAILBOX_FACTS_CACHE_H
#define STORE_MAILBOX_FACTS_CACHE_H

#include "store/inside.h"

struct facts_cache;
struct facts_cache *facts_cache_new(void);
void facts_cache_free(struct facts_cache *c);
/* Adds the packed facts of blob `id` to out, reading them at `at` when they are not at hand. As blob_read_facts. */
NODISCARD enum result facts_get(struct store *s, int64_t id, const struct blob_place *at, struct buf *out);

#endif
