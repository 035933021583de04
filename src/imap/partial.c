#include "partial.h"

void imap_partial_parse(struct imap_args *p, struct imap_partial *out)
{
	out->backwards = imap_args_try(p, '-');
	uint32_t a = imap_args_number(p);
	imap_args_need(p, ':');
	if (out->backwards)
		imap_args_need(p, '-');
	uint32_t b = imap_args_number(p);
	if (!a || !b)
		imap_args_fail(p, "Results are counted from 1");
	out->first = MIN(a, b);
	out->last = MAX(a, b);
}

void imap_partial_cut(const struct imap_partial *q, size_t n, size_t *from, size_t *count)
{
	size_t first = q->first, last = MIN((size_t)q->last, n);
	*from = *count = 0;
	if (first > last)
		return;
	*count = last - first + 1;
	*from = q->backwards ? n - last : first - 1;
}

void imap_put_partial(struct stream *out, const struct imap_partial *q)
{
	const char *sign = q->backwards ? "-" : "";
	stream_printf(out, " PARTIAL (%s%u:%s%u ", sign, q->first, sign, q->last);
}

bool imap_partial_runs(
    const struct imap_partial *q, const struct runs *all, struct arena *a, struct runs *out)
{
	size_t skip, left;
	*out = (struct runs){0};
	imap_partial_cut(q, imap_runs_count(all), &skip, &left);
	for (size_t i = 0; i < all->n && left; i++) {
		size_t n = (size_t)(all->v[i].last - all->v[i].first) + 1, from = MIN(skip, n);
		size_t take = MIN(left, n - from);
		skip -= from;
		left -= take;
		if (take && !imap_runs_add(out, a, all->v[i].first + (uint32_t)from,
				all->v[i].first + (uint32_t)(from + take - 1)))
			return false;
	}
	return true;
}
