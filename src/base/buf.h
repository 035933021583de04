/*
 * buf: bytes we own and add to, created with the most it may ever hold.
 *
 * Writing past the maximum sets `over` and drops what does not fit whole; the writer goes on and the owner asks
 * once, at the end, with buf_result(). Memory grows by doubling up to the maximum. When the system has no memory
 * the role aborts (a master restarts it): there is nothing to check after a put.
 *
 * Lifetime: buf_init .. buf_free; or BUF_LOCAL, freed at the end of the scope.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "result.h"
#include "slice.h"
#include <stdarg.h>

struct buf {
	char *p;
	size_t n;
	size_t cap;
	size_t max;
	bool over;
};

#define BUF_LOCAL(name, most) __attribute__((cleanup(buf_free))) struct buf name = {.max = (most)}

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);               /* frees and empties; the maximum stays */
static inline void buf_clear(struct buf *b) /* keeps the memory */
{
	b->n = 0;
	b->over = false;
}
void buf_put(struct buf *b, struct slice s);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *z);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);
void buf_hex(struct buf *b, struct slice s);
void buf_base64(struct buf *b, struct slice s); /* RFC 4648, padded, no line breaks */
/* Room for n more octets to be written at the returned place, then buf_wrote(); NULL when over the maximum. */
char *buf_room(struct buf *b, size_t n);
static inline void buf_wrote(struct buf *b, size_t n)
{
	b->n += n;
}
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->n};
}
/* NUL-terminated view, valid until the next change. */
const char *buf_z(struct buf *b);
/* OK, or FULL when anything was dropped. */
NODISCARD enum result buf_result(const struct buf *b);
/* Overwrites the octets before freeing: for passwords and keys. */
void buf_free_secret(struct buf *b);

/* RFC 4648 base64 into b; BAD for anything but clean, padded base64. */
NODISCARD enum result base64_decode(struct slice s, struct buf *b);
NODISCARD enum result hex_decode(struct slice s, struct buf *b);

#endif
