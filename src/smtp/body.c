#include "body.h"

#define BODY_SMALL ((size_t)65536)
#define BUDGET_STEP ((uint64_t)65536) /* the counter is shared by all threads: touch it seldom */

void smtp_body_init(struct smtp_body *b, struct smtp_budget *budget)
{
	*b = (struct smtp_body){.budget = budget, .fd = -1, .small = {.max = BODY_SMALL}};
}

bool smtp_budget_fits(const struct smtp_budget *budget, uint64_t n)
{
	uint64_t total;
	return !budget || (add_ok(atomic_load(&budget->used), n, &total) && total <= budget->most);
}

static void reserve(struct smtp_body *b, size_t more)
{
	uint64_t need = b->size + more;
	if (!b->budget || need <= b->reserved)
		return;
	uint64_t step = (need - b->reserved + BUDGET_STEP - 1) / BUDGET_STEP * BUDGET_STEP;
	uint64_t before = atomic_fetch_add(&b->budget->used, step);
	if (before + step > b->budget->most) {
		atomic_fetch_sub(&b->budget->used, step);
		b->state = FULL;
		return;
	}
	b->reserved += step;
}

/* What is in memory goes to a memfd, and everything after it. */
static void spill(struct smtp_body *b)
{
	b->fd = fd_memory("message");
	if (b->fd < 0 || fd_write_all(b->fd, buf_slice(&b->small)) != OK)
		b->state = FULL;
	buf_free(&b->small);
}

void smtp_body_put(struct smtp_body *b, struct slice s)
{
	if (b->state == OK)
		reserve(b, s.n);
	if (b->state == OK && b->fd < 0 && s.n > BODY_SMALL - b->small.n)
		spill(b);
	if (b->state != OK)
		return;
	b->size += s.n;
	if (b->fd < 0)
		buf_put(&b->small, s);
	else if (fd_write_all(b->fd, s) != OK)
		b->state = FULL;
}

enum result smtp_body_seal(struct smtp_body *b)
{
	if (b->state == OK && b->fd < 0)
		spill(b);
	if (b->state == OK && fd_seal(b->fd) != OK)
		b->state = FULL;
	return b->state;
}

void smtp_body_free(struct smtp_body *b)
{
	fd_close(&b->fd);
	buf_free(&b->small);
	if (b->reserved)
		atomic_fetch_sub(&b->budget->used, b->reserved);
	b->reserved = 0;
}
