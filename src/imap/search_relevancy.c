/*
 * search_relevancy: how much what was found means, RFC 6203 section 4: the scores that store gave it, of all fuzzy keys
 * together, as a part in a hundred of the best. Where no fuzzy key looks for a text, everything is as good as can be.
 */
#include "search.h"
#include <stdlib.h>

static void add_scores(const struct imap_key *k, struct imap_relevancy *r, uint32_t *best)
{
	for (size_t i = 0, at = 0; i < k->n_scores && at < r->n;) {
		if (k->scores[i].uid < r->v[at].uid) {
			i++;
		} else if (k->scores[i].uid > r->v[at].uid) {
			at++;
		} else {
			if (!add_ok(r->v[at].score, k->scores[i].score, &r->v[at].score))
				r->v[at].score = UINT32_MAX;
			*best = MAX(*best, r->v[at].score);
			i++;
			at++;
		}
	}
}

bool imap_relevancy_of(
    struct imap *s, const struct imap_search *q, const struct runs *found, struct imap_relevancy *out)
{
	size_t n = imap_runs_count(found);
	uint32_t best = 0;
	*out = (struct imap_relevancy){.v = arena_array(&s->arena, n + 1, sizeof *out->v)};
	if (!out->v)
		return false;
	for (size_t i = 0; i < found->n; i++)
		for (uint64_t uid = found->v[i].first; uid <= found->v[i].last; uid++)
			out->v[out->n++] = (struct imap_score){(uint32_t)uid, 0};
	for (unsigned i = 0; i < q->needles; i++)
		if (q->needle[i]->fuzzy && q->needle[i]->counts)
			add_scores(q->needle[i], out, &best);
	for (size_t i = 0; i < out->n; i++) {
		uint64_t part = best ? ((uint64_t)out->v[i].score * 100 + best / 2) / best : 100;
		out->v[i].score = (uint32_t)MAX(part, (uint64_t)1);
	}
	return true;
}

static int by_uid(const void *key, const void *member)
{
	uint32_t uid = *(const uint32_t *)key, at = ((const struct imap_score *)member)->uid;
	return (uid > at) - (uid < at);
}

uint32_t imap_relevancy_at(const struct imap_relevancy *r, uint32_t uid)
{
	const struct imap_score *at = r->n ? bsearch(&uid, r->v, r->n, sizeof *r->v, by_uid) : NULL;
	return at ? at->score : 0;
}
