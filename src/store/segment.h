/*
 * segment: the files that blob.c keeps records in: handing out places, writing, flushing, reading.
 *
 * Thread-safe. A segment that failed to flush gets no further record, and records in it that were not yet committed
 * must not be (segments_good): what the disk holds of them is unknown.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "base/base.h"

struct segments;
NODISCARD enum result segments_open(const char *dir, struct segments **out);
void segments_close(struct segments *s);

/*
 * A place for n octets in the segment now being filled. Until segments_release the segment is held: it is not tidied away,
 * and what is known of its flushes is not forgotten.
 */
NODISCARD enum result segments_reserve(struct segments *s, uint64_t n, int64_t *id_out, uint64_t *place_out);
void segments_release(struct segments *s, int64_t id);
bool segments_held(struct segments *s, int64_t id);
NODISCARD enum result segments_write(struct segments *s, int64_t id, uint64_t place, struct slice octets);
NODISCARD enum result segments_flush(struct segments *s);
bool segments_good(struct segments *s, int64_t id);
/* Exactly n octets; GONE when there is no such segment or it is shorter. */
NODISCARD enum result segments_read(struct segments *s, int64_t id, uint64_t place, void *p, size_t n);

/* The segment being filled: tidying leaves it alone. */
int64_t segments_current(struct segments *s);
/* Octets of the file; 0 when there is none. */
uint64_t segments_size(struct segments *s, int64_t id);
NODISCARD enum result segments_remove(struct segments *s, int64_t id);
/* Calls each(id) for every segment file. */
void segments_list(struct segments *s, void (*each)(void *arg, int64_t id), void *arg);
uint64_t segments_disk_free(struct segments *s);

#endif
