#include "runs.h"
#include <stdlib.h>

bool imap_runs_add(struct runs *r, struct arena *a, uint32_t first, uint32_t last)
{
	if (r->n && r->v[r->n - 1].last + 1 == first && r->v[r->n - 1].last != UINT32_MAX &&
	    first != IMAP_STAR) {
		r->v[r->n - 1].last = last;
		return true;
	}
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 8;
		struct run *v = arena_array(a, room, sizeof *v);
		if (!v)
			return false;
		if (r->n)
			memcpy(v, r->v, r->n * sizeof *v);
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = (struct run){first, last};
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct run *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

void imap_runs_tidy(struct runs *r)
{
	if (r->n < 2)
		return;
	qsort(r->v, r->n, sizeof *r->v, by_first);
	size_t kept = 0;
	for (size_t i = 1; i < r->n; i++) {
		struct run *k = &r->v[kept];
		if (k->last == UINT32_MAX || r->v[i].first <= k->last + 1)
			k->last = MAX(k->last, r->v[i].last);
		else
			r->v[++kept] = r->v[i];
	}
	r->n = kept + 1;
}

uint64_t imap_runs_count(const struct runs *r)
{
	uint64_t n = 0;
	for (size_t i = 0; i < r->n; i++)
		n += (uint64_t)r->v[i].last - r->v[i].first + 1;
	return n;
}

bool imap_runs_has(const struct runs *r, uint32_t number)
{
	size_t low = 0, high = r->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (number < r->v[mid].first)
			high = mid;
		else if (number > r->v[mid].last)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

void imap_runs_put(const struct runs *r, struct buf *b)
{
	for (size_t i = 0; i < r->n; i++) {
		buf_printf(b, "%s%u", i ? "," : "", r->v[i].first);
		if (r->v[i].last != r->v[i].first)
			buf_printf(b, ":%u", r->v[i].last);
	}
}

static uint32_t set_number(struct cursor *c)
{
	if (cursor_try(c, '*'))
		return IMAP_STAR;
	uint32_t n = (uint32_t)cursor_u64(c, UINT32_MAX);
	if (n == 0) /* nz-number */
		cursor_fail(c);
	return n;
}

void imap_set_parse(struct cursor *c, struct arena *a, struct runs *set_out)
{
	*set_out = (struct runs){0};
	do {
		uint32_t from = set_number(c);
		uint32_t to = cursor_try(c, ':') ? set_number(c) : from;
		if (c->err != OK)
			return;
		if (from != IMAP_STAR && to != IMAP_STAR && from > to) {
			uint32_t swap = from;
			from = to;
			to = swap;
		}
		if (!imap_runs_add(set_out, a, from, to))
			cursor_fail(c);
	} while (cursor_try(c, ','));
}

void imap_set_resolve(struct runs *set, uint32_t largest)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->n; i++) {
		struct run r = set->v[i];
		uint32_t from = r.first == IMAP_STAR ? largest : r.first;
		uint32_t to = r.last == IMAP_STAR ? largest : r.last;
		if (!from || !to)
			continue;
		set->v[kept++] = (struct run){MIN(from, to), MAX(from, to)};
	}
	set->n = kept;
	imap_runs_tidy(set);
}
