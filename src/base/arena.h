/*
 * arena: memory that ends all at once.
 *
 * Three lifetimes only: process, session, command; each is an arena, and a pointer is never stored in something
 * that outlives its arena (copy with arena_dup). An arena has a cap, and reaching it makes arena_alloc return NULL
 * and arena_full() true: the caller answers FULL to that one client. No memory in the system at all aborts the
 * role. Memory is zeroed. Under ASan freed memory is poisoned.
 *
 * Not thread-safe: an arena belongs to one session.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "slice.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
	size_t used; /* octets handed out */
	size_t cap;
	bool full;
};

#define ARENA_LOCAL(name, most) __attribute__((cleanup(arena_free))) struct arena name = {.cap = (most)}

void arena_init(struct arena *a, size_t cap);
void arena_reset(struct arena *a); /* forgets everything, keeps one small block */
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);              /* aligned for any type; NULL at the cap */
void *arena_array(struct arena *a, size_t n, size_t size); /* checked n * size */
char *arena_z(struct arena *a, struct slice s);            /* NUL-terminated copy; NULL at the cap */
struct slice arena_dup(struct arena *a, struct slice s);   /* empty at the cap */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool arena_full(const struct arena *a)
{
	return a->full;
}
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
