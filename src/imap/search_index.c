/*
 * search_index: texts of header and body are asked of the store, whose index knows them. Subjects and addresses are judged
 * by cards (search_hunt.c). When the store cannot answer now, the steps go on as if nobody had asked; but what is fuzzy
 * nobody else can say, and the search is refused.
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
	return k->fuzzy || k->kind == KEY_HEADER || k->kind == KEY_BODY || k->kind == KEY_TEXT;
}

static bool add_needle(struct looking *l, struct imap_key *k, struct arena *a)
{
	static const char *const fields[] = {"subject", "from", "to", "cc", "bcc"};
	Sekisho__SearchNeedle *n = &l->needles[l->n];
	BUF_LOCAL(field, 20 * LIMIT_IMAP_LITERAL);
	sekisho__search_needle__init(n);
	if (k->kind >= KEY_SUBJECT && k->kind <= KEY_BCC)
		buf_puts(&field, fields[k->kind - KEY_SUBJECT]);
	else
		mail_text_fold(k->field, &field);
	n->where = k->kind == KEY_TEXT ? 0 : k->kind == KEY_BODY ? 1 : 2;
	n->field = arena_z(a, buf_slice(&field));
	n->text = arena_z(a, k->folded);
	n->fuzzy = k->fuzzy;
	l->keys[l->n] = k;
	l->list[l->n++] = n;
	return n->field && n->text;
}

/* One score for each UID, in their order. */
static enum result take_scores(struct imap *s, struct imap_key *k, const Sekisho__SearchAnswer *answer)
{
	size_t at = 0;
	if (k->room - k->n_scores < answer->n_scores) {
		size_t room = 2 * k->room + answer->n_scores;
		struct imap_score *v = arena_array(&s->arena, room, sizeof *v);
		if (!v)
			return FULL;
		if (k->n_scores)
			memcpy(v, k->scores, k->n_scores * sizeof *v);
		k->scores = v;
		k->room = room;
	}
	for (size_t i = 0; i < answer->n_uids; i++)
		for (uint32_t n = 0; n < answer->uids[i]->count; n++) {
			if (at == answer->n_scores)
				return LATER;
			k->scores[k->n_scores++] =
			    (struct imap_score){answer->uids[i]->first + n, answer->scores[at++]};
		}
	return at == answer->n_scores ? OK : LATER;
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
	return l->keys[answer->needle]->fuzzy ? take_scores(s, l->keys[answer->needle], answer) : OK;
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
	bool fuzzy = false;
	for (unsigned i = 0; i < l.n; i++) {
		fuzzy |= l.keys[i]->fuzzy;
		l.keys[i]->known = r == OK && used == OK;
		if (!l.keys[i]->known)
			l.keys[i]->set = (struct runs){0};
		imap_runs_tidy(&l.keys[i]->set);
	}
	if (r == OK)
		return used == LATER && !fuzzy ? OK : used;
	return r == LATER && !fuzzy ? OK : r;
}
