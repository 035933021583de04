/*
 * search_index: texts of header and body are asked of the store, whose index knows them. Subjects and addresses are judged
 * by cards (search_hunt.c). When the store cannot answer now, the steps go on as if nobody had asked.
 */
#include "search.h"
#include "mail/facts.h"

#define ANSWERS ((size_t)64 << 20)

struct looking {
	struct imap_key *keys[LIMIT_SEARCH_NEEDLES];
	Sekisho__SearchNeedle needles[LIMIT_SEARCH_NEEDLES], *list[LIMIT_SEARCH_NEEDLES];
	unsigned n;
};

static bool is_asked(const struct imap_key *k)
{
	return k->kind == KEY_HEADER || k->kind == KEY_BODY || k->kind == KEY_TEXT;
}

static bool add_needle(struct looking *l, struct imap_key *k, struct arena *a)
{
	Sekisho__SearchNeedle *n = &l->needles[l->n];
	BUF_LOCAL(field, 20 * LIMIT_IMAP_LITERAL);
	sekisho__search_needle__init(n);
	mail_text_fold(k->field, &field);
	n->where = k->kind == KEY_TEXT ? 0 : k->kind == KEY_BODY ? 1 : 2;
	n->field = arena_z(a, buf_slice(&field));
	n->text = arena_z(a, k->folded);
	l->keys[l->n] = k;
	l->list[l->n++] = n;
	return n->field && n->text;
}

static enum result take_hits(struct imap *s, struct looking *l, const Sekisho__SearchAnswer *answer)
{
	if (answer->needle >= l->n)
		return LATER;
	struct runs *set = &l->keys[answer->needle]->set;
	for (size_t i = 0; i < answer->n_uids; i++) {
		const Sekisho__Run *r = answer->uids[i];
		uint32_t last;
		if (!r->count || !add_ok(r->first, r->count - 1, &last))
			return LATER;
		if (!imap_runs_add(set, &s->arena, r->first, last))
			return FULL;
	}
	return OK;
}

enum result imap_search_ask_index(struct imap *s, const struct imap_search *q, const struct runs *uids)
{
	struct looking l = {.n = 0};
	ARENA_LOCAL(a, ANSWERS);
	Sekisho__SearchAsk ask = SEKISHO__SEARCH_ASK__INIT;
	Sekisho__SearchAnswer *answer = NULL;
	for (unsigned i = 0; i < q->needles; i++)
		if (is_asked(q->needle[i]) && !add_needle(&l, q->needle[i], &a))
			return FULL;
	if (!l.n)
		return OK;
	ask.needles = l.list;
	ask.n_needles = l.n;
	ask.only = imap_runs_pack(&a, uids);
	ask.n_only = uids->n;
	if (!ask.only)
		return FULL;
	enum result r = imap_ask_long(s, ASK_STORE_SEARCH, &ask, &a, &answer), used = OK;
	while (r == OK) {
		if (used == OK)
			used = take_hits(s, &l, answer);
		if (!s->store.more)
			break;
		r = ipc_more(&s->store, &a, &answer, NULL);
	}
	for (unsigned i = 0; i < l.n; i++) {
		l.keys[i]->known = r == OK && used == OK;
		if (!l.keys[i]->known)
			l.keys[i]->set = (struct runs){0};
		imap_runs_tidy(&l.keys[i]->set);
	}
	return r == LATER ? OK : r == OK ? used : r;
}
