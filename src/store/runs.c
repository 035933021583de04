#include "store/runs.h"
#include <stdlib.h>

void runs_free(struct runs *r)
{
	free(r->v);
	*r = (struct runs){0};
}

void runs_put(struct runs *r, struct run run)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		r->v = realloc(r->v, r->cap * sizeof *r->v);
		if (!r->v)
			abort();
	}
	r->v[r->n++] = run;
}

void runs_add_run(struct runs *r, struct run run)
{
	if (!run.count)
		return;
	struct run *last = r->n ? &r->v[r->n - 1] : NULL;
	if (last && run_end(*last) == run.first)
		last->count += run.count;
	else
		runs_put(r, run);
}

void runs_add(struct runs *r, uint32_t uid)
{
	runs_add_run(r, (struct run){uid, 1});
}

bool runs_have(const struct runs *r, uint32_t uid)
{
	size_t low = 0, high = r->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (uid < r->v[mid].first)
			high = mid;
		else if (uid >= run_end(r->v[mid]))
			low = mid + 1;
		else
			return true;
	}
	return false;
}

uint64_t runs_count(const struct runs *r)
{
	uint64_t n = 0;
	for (size_t i = 0; i < r->n; i++)
		n += r->v[i].count;
	return n;
}

static int by_first(const void *a, const void *b)
{
	const struct run *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

void runs_normalise(struct runs *r)
{
	if (r->n < 2)
		return;
	qsort(r->v, r->n, sizeof *r->v, by_first);
	size_t n = 0;
	for (size_t i = 1; i < r->n; i++) {
		struct run *last = &r->v[n];
		uint64_t end = MAX(run_end(*last), run_end(r->v[i]));
		if (r->v[i].first <= run_end(*last))
			last->count = (uint32_t)(end - last->first);
		else
			r->v[++n] = r->v[i];
	}
	r->n = n + 1;
}

void runs_take(struct runs *r, Sekisho__Run *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t first = list[i]->first, count = list[i]->count;
		if (count && first == 0) {
			first = 1;
			count--;
		}
		if (count > UINT32_MAX - first)
			count = UINT32_MAX - first;
		if (count)
			runs_put(r, (struct run){first, count});
	}
	runs_normalise(r);
}

void runs_minus(const struct runs *a, const struct runs *b, struct runs *out)
{
	size_t k = 0;
	for (size_t i = 0; i < a->n; i++) {
		uint64_t at = a->v[i].first, end = run_end(a->v[i]);
		while (k < b->n && run_end(b->v[k]) <= at)
			k++;
		for (size_t m = k; m < b->n && b->v[m].first < end && at < end; m++) {
			if (b->v[m].first > at)
				runs_add_run(out, (struct run){(uint32_t)at, (uint32_t)(b->v[m].first - at)});
			at = MAX(at, run_end(b->v[m]));
		}
		if (at < end)
			runs_add_run(out, (struct run){(uint32_t)at, (uint32_t)(end - at)});
	}
}

void runs_both(const struct runs *a, const struct runs *b, struct runs *out)
{
	size_t i = 0, k = 0;
	while (i < a->n && k < b->n) {
		uint64_t from = MAX(a->v[i].first, b->v[k].first);
		uint64_t to = MIN(run_end(a->v[i]), run_end(b->v[k]));
		if (from < to)
			runs_add_run(out, (struct run){(uint32_t)from, (uint32_t)(to - from)});
		if (run_end(a->v[i]) < run_end(b->v[k]))
			i++;
		else
			k++;
	}
}

Sekisho__Run **runs_pack(const struct runs *r, size_t from, size_t n, struct arena *a)
{
	Sekisho__Run **list = arena_array(a, n + 1, sizeof *list);
	Sekisho__Run *runs = arena_array(a, n + 1, sizeof *runs);
	if (!list || !runs)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		sekisho__run__init(&runs[i]);
		runs[i].first = r->v[from + i].first;
		runs[i].count = r->v[from + i].count;
		list[i] = &runs[i];
	}
	return list;
}
