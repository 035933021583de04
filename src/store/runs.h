/* runs: sets of UIDs as ascending, disjoint, non-adjacent runs. */
#ifndef STORE_RUNS_H
#define STORE_RUNS_H

#include "base/base.h"
#include "ipc/common.pb-c.h"

struct run {
	uint32_t first, count; /* first + count does not pass 2^32 */
};
/* Grows by doubling; the owner frees with runs_free. */
struct runs {
	struct run *v;
	size_t n, cap;
};
#define RUNS_LOCAL(name) __attribute__((cleanup(runs_free))) struct runs name = {0}

void runs_free(struct runs *r);
static inline uint64_t run_end(struct run r) /* one past the last */
{
	return (uint64_t)r.first + r.count;
}
/* Adds a UID above all that are in it. */
void runs_add(struct runs *r, uint32_t uid);
void runs_add_run(struct runs *r, struct run run);
bool runs_have(const struct runs *r, uint32_t uid);
/* How many UIDs. */
uint64_t runs_count(const struct runs *r);
/* Takes what a peer sent, in any order; empty and overflowing runs are cut to what they mean. */
void runs_take(struct runs *r, Sekisho__Run *const *list, size_t n);
/* a without b, both as above, into out (empty before). */
void runs_minus(const struct runs *a, const struct runs *b, struct runs *out);
void runs_both(const struct runs *a, const struct runs *b, struct runs *out);
/* a message's list of runs [from, from + n) in an arena; NULL at its cap */
Sekisho__Run **runs_pack(const struct runs *r, size_t from, size_t n, struct arena *a);
/* Adds a run wherever it may lie: runs_normalise sorts and joins them before anything else is asked. */
void runs_put(struct runs *r, struct run run);
void runs_normalise(struct runs *r);

#endif
