/* search_rank: fuzzy needles: which messages have their words, and how much that says. */
#include "store/search/search.h"
#include <stdlib.h>

void search_rank_free(struct search_rank *k)
{
	free(k->v);
	*k = (struct search_rank){0};
}

void search_rank_add(struct search_rank *k, uint32_t uid, const uint8_t worth[INSPECT_PARTS])
{
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 64;
		k->v = realloc(k->v, k->cap * sizeof *k->v);
		if (!k->v)
			abort();
	}
	k->v[k->n].uid = uid;
	memcpy(k->v[k->n++].worth, worth, INSPECT_PARTS);
}

/* ---- finding ---- */

struct weighed_email {
	int64_t email;
	uint8_t worth[INSPECT_PARTS];
};
struct finding {
	struct weighed_email *v;
	size_t n, cap;
	struct search_rank *rank;
	uint32_t due;
};

static void add_email(struct finding *f, int64_t email, const uint8_t worth[INSPECT_PARTS])
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 256;
		f->v = realloc(f->v, f->cap * sizeof *f->v);
		if (!f->v)
			abort();
	}
	f->v[f->n].email = email;
	memcpy(f->v[f->n++].worth, worth, INSPECT_PARTS);
}

static enum result find_in(struct search_open *o, const struct inspect_needle *n, struct finding *f)
{
	static const uint8_t none[INSPECT_PARTS];
	uint32_t docs = search_segment_docs(o->segment);
	uint8_t(*worth)[INSPECT_PARTS] = calloc((size_t)docs + 1, sizeof *worth);
	if (!worth)
		abort();
	enum result r = search_segment_weigh(o->segment, n, &f->rank->plan, worth);
	for (uint32_t i = 0; r == OK && i < docs; i++)
		if (memcmp(worth[i], none, sizeof none) != 0)
			add_email(f, search_segment_doc(o->segment, i)->email, worth[i]);
	free(worth);
	return r == BAD ? LATER : r;
}

static int by_email(const void *x, const void *y)
{
	const struct weighed_email *a = x, *b = y;
	return (a->email > b->email) - (a->email < b->email);
}

static void take_uid(void *ctx, size_t email, uint32_t uid)
{
	struct finding *f = ctx;
	/* What came after the view was read from is read by itself. */
	if (uid < f->due)
		search_rank_add(f->rank, uid, f->v[email].worth);
}

/* An email may be in two segments for a moment: its docs are the same. */
static void take_uids(struct store *s, struct db *db, int64_t mailbox, struct finding *f)
{
	SEARCH_LIST(emails);
	size_t n = 0;
	if (f->n)
		qsort(f->v, f->n, sizeof *f->v, by_email);
	for (size_t i = 0; i < f->n; i++)
		if (!n || f->v[n - 1].email != f->v[i].email)
			f->v[n++] = f->v[i];
	for (size_t i = 0; i < n; i++)
		search_list_add(&emails, f->v[i].email);
	search_boxes_each(search_boxes_of(s->search), db, mailbox, &emails, take_uid, f);
}

enum result search_rank_find(struct store *s, struct db *db, int64_t index, int64_t mailbox, uint32_t due,
    const struct inspect_needle *n, struct search_rank *k)
{
	struct finding f = {.rank = k, .due = due};
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	search_parts_of(db, index, &parts);
	enum result r = db_result(db);
	for (size_t i = 0; r == OK && i < parts.n; i++) {
		struct search_open o;
		r = search_open(s, db, parts.v[i].id, &o);
		if (r == OK)
			r = find_in(&o, n, &f);
		search_close(&o);
	}
	if (r == OK)
		take_uids(s, db, mailbox, &f);
	free(f.v);
	return r;
}

/* ---- scores ---- */

/* 16 times the logarithm to base 2, by its whole part and four bits more. */
static uint64_t log_16(uint64_t v)
{
	unsigned whole = 63 - (unsigned)__builtin_clzll(v | 1);
	uint64_t bits = whole >= 4 ? v >> (whole - 4) : v << (4 - whole);
	return whole * 16 + (bits & 15);
}

/* 16 for what every message has, and 16 more each time half as many have it. */
static uint64_t rarity(uint64_t messages, uint64_t having)
{
	return 16 + log_16((messages << 8) / MAX(having, (uint64_t)1)) - log_16(1 << 8);
}

static int by_uid(const void *x, const void *y)
{
	const struct search_weighed *a = x, *b = y;
	return (a->uid > b->uid) - (a->uid < b->uid);
}

void search_rank_scores(
    struct search_rank *k, uint64_t messages, struct search_list *uids, struct search_list *scores)
{
	uint64_t having[INSPECT_PARTS] = {0}, rare[INSPECT_PARTS] = {0};
	if (!k->n)
		return;
	qsort(k->v, k->n, sizeof *k->v, by_uid);
	for (size_t i = 0; i < k->n; i++)
		for (unsigned p = 0; p < k->plan.n; p++)
			having[p] += k->v[i].worth[p] > 0;
	/* Messages that are gone may be among those found. */
	messages = MAX(messages, (uint64_t)k->n);
	for (unsigned p = 0; p < k->plan.n; p++)
		rare[p] = rarity(messages, having[p]);
	for (size_t i = 0; i < k->n; i++) {
		uint64_t score = 0;
		if (!inspect_fuzzy_whole(&k->plan, k->v[i].worth))
			continue;
		for (unsigned p = 0; p < k->plan.n; p++)
			score += k->v[i].worth[p] * rare[p];
		search_list_add(uids, k->v[i].uid);
		search_list_add(scores, (int64_t)score);
	}
}
