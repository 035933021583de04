#include "store/search/seek.h"
#include "store/mailbox/cards.h"
#include <stdlib.h>

/* ---- the messages of one mailbox, as far as they are still meant ---- */

struct meant {
	uint32_t uid, score;
	int64_t ms;
	bool unsure; /* a card could not say */
};
struct box_seek {
	const struct seek *s;
	const struct seek_box *box;
	struct meant *v; /* by UID, ascending */
	size_t n, cap;
	bool begun; /* v is all that is meant; else everything in the mailbox still is */
	uint64_t keyword;
	size_t at; /* of the cards that are read */
	bool unsure;
};

static void meant_add(struct box_seek *b, const struct meant *m)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 256;
		b->v = realloc(b->v, b->cap * sizeof *b->v);
		if (!b->v)
			abort();
	}
	b->v[b->n++] = *m;
}

static void runs_of_meant(const struct box_seek *b, bool unsure, struct runs *out)
{
	for (size_t i = 0; i < b->n; i++)
		if (!unsure || b->v[i].unsure)
			runs_add(out, b->v[i].uid);
}

/* Only what is in this list stays; `unsure`: of what is not sure, the rest stays anyway. */
static void keep_found(
    struct box_seek *b, const struct search_list *uids, const struct search_list *scores, bool unsure)
{
	size_t kept = 0, k = 0;
	for (size_t i = 0; !b->begun && i < uids->n; i++)
		meant_add(b, &(struct meant){.uid = (uint32_t)uids->v[i]});
	b->begun = true;
	for (size_t i = 0; i < b->n; i++) {
		struct meant m = b->v[i];
		while (k < uids->n && uids->v[k] < m.uid)
			k++;
		bool found = k < uids->n && uids->v[k] == m.uid;
		if (!found && (!unsure || m.unsure))
			continue;
		if (found && k < scores->n && !add_ok(m.score, (uint32_t)scores->v[k], &m.score))
			m.score = UINT32_MAX;
		b->v[kept++] = m;
	}
	b->n = kept;
}

/* ---- by the index ---- */

static struct inspect_needle needle_of(const struct seek_term *t)
{
	static const char *const fields[] = {"subject", "from", "to", "cc", "bcc"};
	if (t->where < SEEK_TEXT)
		return (struct inspect_needle){INSPECT_IN_HEADER, slice_str(fields[t->where]), t->text};
	return (struct inspect_needle){t->where == SEEK_TEXT   ? INSPECT_IN_TEXT
				       : t->where == SEEK_BODY ? INSPECT_IN_BODY
							       : INSPECT_IN_FILE,
	    SLICE_NONE, t->text};
}

/* Like IMAP: an empty text has no word to be fuzzy about. */
static bool is_fuzzy(const struct seek *s, const struct seek_term *t)
{
	return s->fuzzy && t->text.n;
}

static bool by_card(const struct seek *s, const struct seek_term *t)
{
	return t->where < SEEK_TEXT && !is_fuzzy(s, t);
}

static enum result ask_index(struct box_seek *b, bool cards, bool unsure)
{
	const struct seek *s = b->s;
	struct search_question q = {.store = s->store, .mailbox = b->box->id};
	for (unsigned i = 0; i < s->n; i++)
		if (by_card(s, &s->terms[i]) == cards) {
			struct inspect_needle needle = needle_of(&s->terms[i]);
			search_question_add(&q, &needle, is_fuzzy(s, &s->terms[i]));
		}
	if (b->begun)
		runs_of_meant(b, unsure, &q.only);
	enum result r = q.n ? search_question_ask(&q) : OK;
	for (unsigned i = 0; r == OK && i < q.n; i++)
		keep_found(b, &q.uids[i], &q.scores[i], unsure);
	search_question_free(&q);
	return r;
}

/* ---- by rows ---- */

static bool row_fits(const struct box_seek *b, const struct entry *e)
{
	const struct seek *s = b->s;
	return (e->flags & s->set) == s->set && !(e->flags & s->clear) && e->internal_ms >= s->since_ms &&
	       (!s->before_ms || e->internal_ms < s->before_ms) &&
	       (!s->keyword.n || e->keywords & b->keyword);
}

static uint64_t keyword_of(const struct seek *s, struct db *db, int64_t mailbox, struct arena *a)
{
	char **names;
	size_t n;
	box_keyword_names(db, mailbox, a, &names, &n);
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(slice_str(names[i]), s->keyword))
			return (uint64_t)1 << i;
	return 0;
}

/* Where most of a stretch is meant, it is read as one: a question costs as much as some rows. */
#define ROWS_A_QUESTION 32

static void runs_to_read(const struct box_seek *b, struct runs *out)
{
	if (!b->begun) {
		runs_add_run(out, (struct run){1, UINT32_MAX - 1});
		return;
	}
	runs_of_meant(b, false, out);
	uint64_t span = out->n ? run_end(out->v[out->n - 1]) - out->v[0].first : 0;
	if (out->n > span / ROWS_A_QUESTION) {
		out->v[0].count = (uint32_t)span;
		out->n = 1;
	}
}

static enum result judge_rows(struct box_seek *b, struct db *db)
{
	RUNS_LOCAL(uids);
	runs_to_read(b, &uids);
	struct box_seek had = *b;
	size_t k = 0;
	b->v = NULL;
	b->n = b->cap = 0;
	for (size_t i = 0; i < uids.n; i++) {
		DB_ROWS q = DB_QUERY(
		    db, FETCH_ROWS, DI(b->box->id), DI(uids.v[i].first), DI(run_end(uids.v[i])), DI(0));
		while (db_next(&q)) {
			struct entry e;
			entry_read(&q, &e);
			while (k < had.n && had.v[k].uid < e.uid)
				k++;
			bool meant = k < had.n && had.v[k].uid == e.uid;
			if ((had.begun && !meant) || !row_fits(b, &e))
				continue;
			meant_add(
			    b, &(struct meant){
				   .uid = e.uid, .score = meant ? had.v[k].score : 0, .ms = e.internal_ms});
		}
	}
	free(had.v);
	b->begun = true;
	return db_result(db);
}

/* ---- by cards ---- */

/* What the terms that cards can judge make of a message together. */
static enum mail_card_says judge_card(const struct seek *s, struct slice packed)
{
	struct mail_card card = {0};
	enum mail_card_says all = MAIL_CARD_YES;
	if (!packed.n || !mail_card_get(packed, MAIL_CARD_TEXTS, &card))
		return MAIL_CARD_UNSURE;
	for (unsigned i = 0; i < s->n && all != MAIL_CARD_NO; i++)
		if (by_card(s, &s->terms[i])) {
			enum mail_card_says one =
			    mail_card_has(&card.text[s->terms[i].where], s->terms[i].text);
			all = one == MAIL_CARD_YES ? all : one;
		}
	return all;
}

static enum result take_card(void *arg, uint32_t uid, const struct slice packed[MAIL_CARD_PARTS])
{
	struct box_seek *b = arg;
	while (b->at < b->n && b->v[b->at].uid < uid)
		b->at++;
	if (b->at == b->n || b->v[b->at].uid != uid)
		return OK;
	enum mail_card_says says = judge_card(b->s, packed[MAIL_CARD_TEXTS]);
	b->v[b->at].unsure = says == MAIL_CARD_UNSURE;
	if (says == MAIL_CARD_NO)
		b->v[b->at].uid = 0;
	b->at++;
	return OK;
}

static enum result judge_cards(struct box_seek *b, struct db *db)
{
	RUNS_LOCAL(uids);
	size_t kept = 0;
	runs_of_meant(b, false, &uids);
	for (size_t i = 0; i < b->n; i++)
		b->v[i].unsure = true;
	b->at = 0;
	enum result r =
	    cards_each(b->s->store, db, b->box->id, &uids, MAIL_CARD_BIT(MAIL_CARD_TEXTS), take_card, b);
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].uid) {
			b->unsure |= b->v[i].unsure;
			b->v[kept++] = b->v[i];
		}
	b->n = kept;
	return r;
}

static enum result judge(struct box_seek *b, bool cards)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	READER r = reader_begin(b->s->store);
	if (!r.db)
		return LATER;
	if (b->s->keyword.n)
		b->keyword = keyword_of(b->s, r.db, b->box->id, &a);
	enum result done = judge_rows(b, r.db);
	return done == OK && cards && b->n ? judge_cards(b, r.db) : done;
}

/* The right to read it may have been taken away while it was searched. */
static enum result may_tell(const struct box_seek *b)
{
	if (b->box->owner == b->s->account)
		return OK;
	READER r = reader_begin(b->s->store);
	if (!r.db)
		return LATER;
	bool may = access_rights(r.db, b->s->account, b->box->owner, b->box->id) & RIGHT_READ;
	return db_result(r.db) != OK ? LATER : may ? OK : GONE;
}

static enum result find_in_box(struct box_seek *b)
{
	unsigned cards = 0;
	for (unsigned i = 0; i < b->s->n; i++)
		cards += by_card(b->s, &b->s->terms[i]);
	enum result r = cards < b->s->n ? ask_index(b, false, false) : OK;
	if (r == OK && !(b->begun && !b->n))
		r = judge(b, cards != 0);
	if (r == OK && b->unsure)
		r = ask_index(b, true, true);
	return r == OK && b->n ? may_tell(b) : r;
}

/* ---- all of them ---- */

int seek_order(const struct seek_hit *a, const struct seek_hit *b)
{
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->ms != b->ms)
		return a->ms > b->ms ? -1 : 1;
	if (a->mailbox != b->mailbox)
		return a->mailbox < b->mailbox ? -1 : 1;
	return (a->uid < b->uid) - (a->uid > b->uid);
}

static int by_order(const void *a, const void *b)
{
	return seek_order(a, b);
}

void seek_hits_free(struct seek_hits *h)
{
	free(h->v);
	*h = (struct seek_hits){0};
}

static void take_box(struct seek *s, size_t at, const struct box_seek *b, struct seek_hits *out)
{
	if (out->n + b->n > out->cap) {
		out->cap = MAX(2 * out->cap, out->n + b->n);
		out->v = realloc(out->v, out->cap * sizeof *out->v);
		if (!out->v)
			abort();
	}
	for (size_t i = 0; i < b->n; i++)
		out->v[out->n++] = (struct seek_hit){.ms = b->v[i].ms,
		    .mailbox = b->box->id,
		    .uid = b->v[i].uid,
		    .score = s->by_score ? MAX(b->v[i].score, 1u) : 0,
		    .box = (uint32_t)at};
	s->boxes[at].found = b->n != 0;
}

enum result seek_find(struct seek *s, struct seek_hits *out)
{
	enum result r = OK;
	for (size_t i = 0; r == OK && i < s->n_boxes; i++) {
		struct box_seek b = {.s = s, .box = &s->boxes[i]};
		r = find_in_box(&b);
		if (r == OK)
			take_box(s, i, &b, out);
		else if (r == GONE)
			r = OK;
		free(b.v);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_order);
	return r;
}

/* ---- mailboxes ---- */

static enum result boxes_room(struct arena *a, struct seek_box **v, size_t n, size_t *cap)
{
	if (n < *cap)
		return OK;
	size_t more = *cap ? 2 * *cap : 64;
	struct seek_box *grown = arena_array(a, more, sizeof *grown);
	if (!grown)
		return FULL;
	if (n)
		memcpy(grown, *v, n * sizeof *grown);
	*v = grown;
	*cap = more;
	return OK;
}

enum result seek_boxes(
    struct db *db, int64_t account, struct arena *a, struct seek_box **boxes_out, size_t *n_out)
{
	size_t n = 0, cap = 0;
	enum result r = OK;
	{
		DB_ROWS q = DB_QUERY(db, MAILBOX_LIST, DI(account));
		while (r == OK && db_next(&q)) {
			r = boxes_room(a, boxes_out, n, &cap);
			if (r == OK && !db_int(&q, 5))
				(*boxes_out)[n++] = (struct seek_box){.id = db_int(&q, 0),
				    .owner = account,
				    .name = arena_dup(a, db_octets(&q, 1))};
		}
	}
	struct access_list others;
	access_visible(db, account, a, &others);
	for (size_t i = 0; r == OK && i < others.n; i++) {
		struct seek_box box = {.id = others.ids[i]};
		{
			DB_ROWS q = DB_QUERY(db, MAILBOX_ACCOUNT, DI(box.id));
			if (!db_next(&q))
				continue;
			box.owner = db_int(&q, 0);
			box.name = arena_dup(a, db_octets(&q, 1));
		}
		if (!(access_rights(db, account, box.owner, box.id) & RIGHT_READ))
			continue;
		r = boxes_room(a, boxes_out, n, &cap);
		if (r == OK)
			(*boxes_out)[n++] = box;
	}
	*n_out = n;
	return r == OK && !arena_full(a) ? db_result(db) : LATER;
}

enum result seek_box_named(
    struct db *db, int64_t account, struct slice name, struct arena *a, struct seek_box *out)
{
	struct access x;
	struct box b;
	access_find(db, account, name, a, &x);
	bool may = x.id && x.rights & RIGHT_READ && box_load(db, x.id, &b) && !b.noselect;
	*out = (struct seek_box){.id = x.id, .owner = x.owner, .name = x.name};
	return db_result(db) != OK ? LATER : may ? OK : GONE;
}
