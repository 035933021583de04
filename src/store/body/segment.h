/*
 * segment: what blob.c keeps records in: handing out places, writing, flushing, reading. Either files beside the database
 * or objects of an S3-compatible store; an id tells which. New records go to one of them, what lies in the other can be read
 * as long as it is configured.
 *
 * Thread-safe. A segment that failed to flush gets no further record, and records in it that were not yet committed
 * must not be (segments_good): what the disk holds of them is unknown.
 */
#ifndef STORE_BODY_SEGMENT_H
#define STORE_BODY_SEGMENT_H

#include "base/base.h"
#include "store/body/s3.h"

#define SEGMENT_OBJECTS ((int64_t)1 << 62) /* ids of objects have this bit, those of files are small */
static inline bool segment_is_object(int64_t id)
{
	return id >= SEGMENT_OBJECTS;
}

struct segments;
/*
 * objects: NULL, or settings with an endpoint. An object whose rows are gone, or which never had any, is left alone for
 * rest_ms.
 */
NODISCARD enum result segments_open(const char *dir, const struct s3_settings *objects, bool to_objects,
    int64_t rest_ms, struct segments **out);
void segments_close(struct segments *s);

/*
 * A place for n octets in the segment now being filled. Until segments_release the segment is held: it is not tidied away,
 * and what is known of its flushes is not forgotten. segments_wrote says once that no write to the place will follow, and how
 * much of it was used.
 */
NODISCARD enum result segments_reserve(struct segments *s, uint64_t n, int64_t *id_out, uint64_t *place_out);
NODISCARD enum result segments_write(struct segments *s, int64_t id, uint64_t place, struct slice octets);
void segments_wrote(struct segments *s, int64_t id, uint64_t place, uint64_t reserved, uint64_t used);
void segments_release(struct segments *s, int64_t id);
NODISCARD enum result segments_flush(struct segments *s);
bool segments_good(struct segments *s, int64_t id);
/* Exactly n octets; GONE when there is no such segment or it is shorter. */
NODISCARD enum result segments_read(struct segments *s, int64_t id, uint64_t place, void *p, size_t n);

/* The next reading of it asks the disk or the object store, not what is remembered. */
void segments_forget(struct segments *s, int64_t id);

/* New records go to objects, and their store was there a moment ago; true for files. */
bool segments_up(struct segments *s);
bool segments_to_objects(const struct segments *s);
/* The file being filled. */
int64_t segments_current(struct segments *s);
/* Nobody fills or holds it: it may be tidied. */
bool segments_idle(struct segments *s, int64_t id);
/* Octets; 0 when there is none. */
uint64_t segments_size(struct segments *s, int64_t id);
/* LATER: still held, or an object that was put not long ago. */
NODISCARD enum result segments_remove(struct segments *s, int64_t id);
/* Calls each(id) for every segment file. */
void segments_list(struct segments *s, void (*each)(void *arg, int64_t id), void *arg);
/* Calls it for some of the objects, for others the next time. */
void segments_list_objects(struct segments *s, void (*each)(void *arg, int64_t id), void *arg);
uint64_t segments_disk_free(struct segments *s);

#endif
