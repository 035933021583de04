#include "arena.h"
#include "num.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16
#define FIRST_BLOCK 4096
#define LARGEST_BLOCK ((size_t)256 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	size_t used;
	size_t pad;
	_Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){.cap = cap};
}

static void block_free(struct arena_block *b)
{
	UNPOISON(b->data, b->size);
	free(b);
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL;
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		if (!next && b->size == FIRST_BLOCK)
			keep = b;
		else
			block_free(b);
	}
	if (keep) {
		keep->used = 0;
		POISON(keep->data, keep->size);
	}
	a->blocks = keep;
	a->used = 0;
	a->full = false;
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		block_free(b);
	}
	*a = (struct arena){.cap = a->cap};
}

/* A block that holds at least n: each twice the one before, large requests get their own. */
static struct arena_block *block_new(struct arena *a, size_t n)
{
	size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < n)
		size = n;
	struct arena_block *b = malloc(sizeof *b + size);
	if (!b)
		abort();
	b->size = size;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	POISON(b->data, b->size);
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need;
	if (!add_ok(n, (size_t)(ALIGN - 1), &need)) {
		a->full = true;
		return NULL;
	}
	need &= ~(size_t)(ALIGN - 1);
	size_t total;
	if (!add_ok(a->used, need, &total) || total > a->cap) {
		a->full = true;
		return NULL;
	}
	struct arena_block *b = a->blocks;
	if (!b || b->size - b->used < need)
		b = block_new(a, need);
	char *p = b->data + b->used;
	b->used += need;
	a->used = total;
	UNPOISON(p, n);
	memset(p, 0, n);
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;
	if (!mul_ok(n, size, &total)) {
		a->full = true;
		return NULL;
	}
	return arena_alloc(a, total);
}

char *arena_z(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (p && s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_z(a, s);
	return p ? slice_of(p, s.n) : SLICE_NONE;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}
