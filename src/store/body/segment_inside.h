/*
 * segment_inside: the two places where segments are, behind segment.h: files beside the database (segment_files.c) and objects
 * of an S3-compatible store (segment_objects.c). Each call is the one of segment.h of the same name.
 */
#ifndef STORE_BODY_SEGMENT_INSIDE_H
#define STORE_BODY_SEGMENT_INSIDE_H

#include "store/body/s3.h"
#include "store/body/segment.h"

/* ---- files ---- */

struct files;
NODISCARD enum result files_open(const char *dir, struct files **out);
void files_close(struct files *s);
NODISCARD enum result files_reserve(struct files *s, uint64_t n, int64_t *id_out, uint64_t *place_out);
void files_release(struct files *s, int64_t id);
bool files_held(struct files *s, int64_t id);
NODISCARD enum result files_write(struct files *s, int64_t id, uint64_t place, struct slice octets);
NODISCARD enum result files_flush(struct files *s);
bool files_good(struct files *s, int64_t id);
NODISCARD enum result files_read(struct files *s, int64_t id, uint64_t place, void *p, size_t n);
int64_t files_current(struct files *s);
uint64_t files_size(struct files *s, int64_t id);
NODISCARD enum result files_remove(struct files *s, int64_t id);
void files_list(struct files *s, void (*each)(void *arg, int64_t id), void *arg);
uint64_t files_disk_free(struct files *s);

/* ---- objects ---- */

struct objects;
struct objects *objects_open(const struct s3_settings *settings, int64_t rest_ms);
void objects_close(struct objects *o);
bool objects_up(struct objects *o);
NODISCARD enum result objects_reserve(struct objects *o, uint64_t n, int64_t *id_out, uint64_t *place_out);
void objects_release(struct objects *o, int64_t id);
NODISCARD enum result objects_write(struct objects *o, int64_t id, uint64_t place, struct slice octets);
void objects_wrote(struct objects *o, int64_t id, uint64_t place, uint64_t reserved, uint64_t used);
NODISCARD enum result objects_flush(struct objects *o);
bool objects_good(struct objects *o, int64_t id);
NODISCARD enum result objects_read(struct objects *o, int64_t id, uint64_t place, void *p, size_t n);
void objects_forget(struct objects *o, int64_t id);
uint64_t objects_size(struct objects *o, int64_t id);
bool objects_idle(struct objects *o, int64_t id);
NODISCARD enum result objects_remove(struct objects *o, int64_t id);
/* Some of the objects that are there, on from where the call before ended, again from the start after the last. */
void objects_list_some(struct objects *o, void (*each)(void *arg, int64_t id), void *arg);

/* ---- octets of objects, as sealed as they lie there, for a while ---- */

#define CACHE_BLOCK ((uint64_t)131072)
struct block_cache;
struct block_cache *block_cache_new(size_t blocks);
void block_cache_free(struct block_cache *c);
/* Octets of a block from `from` on; false when it is not held. *n is how many were wanted, then how many there are. */
bool block_cache_get(struct block_cache *c, int64_t id, uint64_t block, size_t from, void *p, size_t *n);
void block_cache_forget(struct block_cache *c, int64_t id);
void block_cache_put(struct block_cache *c, int64_t id, uint64_t block, struct slice octets);

#endif
