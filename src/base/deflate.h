/*
 * deflate: the two halves of a conversation in raw DEFLATE (RFC 1951), for stream.
 *
 * Memory: about 260 KiB while text was compressed since the last rest and 40 KiB while it is inflated; at rest the compressor
 * is gone (the next text begins without a memory of the old, which any inflater reads) and of the inflater only its window
 * is left. One thread at a time.
 */
#ifndef BASE_DEFLATE_H
#define BASE_DEFLATE_H

#include "result.h"
#include "slice.h"

struct deflate;
struct deflate *deflate_new(void);
void deflate_free(struct deflate *d); /* NULL is allowed */

/* Takes a piece of what was compressed; anything but OK is deflate_put's result. */
typedef enum result deflate_sink(void *context, struct slice piece);
/* Compresses; `flush`: all that was said so far can then be read by the peer. */
NODISCARD enum result deflate_put(
    struct deflate *d, struct slice text, bool flush, deflate_sink *sink, void *context);

/*
 * Inflates into n octets at p: *used_out octets of `in` were taken and *made_out made. BAD: this is no DEFLATE, or it came
 * to its end.
 */
NODISCARD enum result deflate_take(
    struct deflate *d, struct slice in, size_t *used_out, char *p, size_t n, size_t *made_out);
/* More may be made without further input. */
bool deflate_pending(const struct deflate *d);

void deflate_rest(struct deflate *d);

#endif
