/* STORE_SELECT, STORE_UNSELECT, STORE_SYNC. */
#include "store/mailbox/expunged.h"
#include "store/handlers.h"
#include "store/mailbox/list.h"
#include "store/account/people.h"
#include "store/mailbox/uid_cache.h"
#include <stdlib.h>

#define RUNS_A_PACKET 5000
#define CHANGES_A_PACKET 2500

/* ---- \Recent ---- */

struct claim_recent {
	struct job job;
	int64_t mailbox;
	uint32_t from;
};

static enum result apply_recent(struct job *j, struct db *db)
{
	struct claim_recent *c = (struct claim_recent *)j;
	struct box b;
	if (!box_load(db, c->mailbox, &b))
		return GONE;
	c->from = b.recent ? b.recent_from : 0;
	b.recent = 0;
	b.recent_from = b.uidnext;
	box_save(db, &b);
	return OK;
}

/* The first UID that is \Recent in this session; an examined mailbox keeps them for a later one. */
static uint32_t recent_from(struct store *s, const struct login *user, const struct box *b)
{
	if (!b->recent || user->peer != PEER_IMAP)
		return 0;
	if (user->examined)
		return b->recent_from;
	struct claim_recent c = {.job = {.store = s, .apply = apply_recent}, .mailbox = b->id};
	return writer_wait(s->writer, &c.job) == OK ? c.from : 0;
}

/* False when it is not there any more, or not for this session. */
static bool load_now(struct store *s, const struct login *user, struct box *b)
{
	READER r = reader_begin(s);
	return r.db && box_load(r.db, user->selected, b) && !b->noselect &&
	       access_selected(r.db, user, RIGHT_READ, NULL) == OK;
}

/* ---- select ---- */

/* The further packets have UIDs only; the last one is left to the caller. */
static void send_uids(struct ipc_turn *t, Sekisho__SelectAnswer *answer, const struct runs *uids)
{
	for (size_t at = 0;; at += RUNS_A_PACKET) {
		size_t n = MIN(uids->n - at, (size_t)RUNS_A_PACKET);
		ARENA_LOCAL(packet, (size_t)4 << 20);
		answer->uids = runs_pack(uids, at, n, &packet);
		answer->n_uids = answer->uids ? n : 0;
		if (at + n == uids->n) {
			ipc_answer(t, answer, NULL);
			return;
		}
		ipc_answer_part(t, answer, NULL);
		sekisho__select_answer__init(answer);
	}
}

static enum result read_select(struct store *s, const struct login *user, const struct access *x,
    struct arena *a, Sekisho__SelectAnswer *answer, struct runs *uids)
{
	READER r = reader_begin(s);
	struct box b;
	if (!r.db)
		return LATER;
	if (!mailbox_messages(r.db, user->account, x, a, &answer->mailbox, &answer->status) ||
	    !box_load(r.db, x->id, &b) || b.noselect)
		return db_result(r.db) == OK ? GONE : LATER;
	box_keyword_names(r.db, x->id, a, &answer->keywords, &answer->n_keywords);
	uid_cache_get(s->uids, r.db, &b, uids);
	return db_result(r.db);
}

/* RFC 4314 section 4: who may change nothing in it has it open for reading only. */
#define RIGHTS_TO_CHANGE (RIGHT_INSERT | RIGHT_EXPUNGE | RIGHT_SEEN | RIGHT_WRITE | RIGHT_TRASH)

static enum result find_select(
    struct ipc_turn *t, const struct login *user, const char *name, struct access *x, const char **why_out)
{
	READER r = reader_begin(store_of(t));
	if (!r.db)
		return LATER;
	access_find(r.db, user->account, slice_str(name), &t->arena, x);
	enum result done = access_need(x, RIGHT_READ, why_out);
	return db_result(r.db) == OK ? done : LATER;
}

void ask_select(struct ipc_turn *t)
{
	const Sekisho__SelectAsk *ask = t->ask;
	struct login *user = session_of(t);
	if (!user)
		return;
	struct store *s = store_of(t);
	struct access x = {0};
	struct box b = {0};
	const char *why = NULL;
	enum result r = find_select(t, user, ask->name, &x, &why);
	if (r == OK && x.owner != user->account)
		r = opened_note(s, &(struct opener){user->account, user->address, "imap"}, x.owner, x.name);
	/* From here on changes are noted; what is read below is as new as that or newer. */
	sessions_select(user, r == OK ? x.id : 0, x.owner, ask->examine || !(x.rights & RIGHTS_TO_CHANGE));
	RUNS_LOCAL(uids);
	Sekisho__SelectAnswer answer = SEKISHO__SELECT_ANSWER__INIT;
	if (r == OK && !load_now(s, user, &b))
		r = GONE;
	if (r == OK) {
		answer.recent_from = recent_from(s, user, &b);
		r = read_select(s, user, &x, &t->arena, &answer, &uids);
	}
	if (r == OK) {
		send_uids(t, &answer, &uids);
		return;
	}
	sessions_select(user, 0, 0, false);
	if (why)
		ipc_refuse(t, r, "%s", why);
	else
		refuse(t, r);
}

void ask_unselect(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (!user)
		return;
	sessions_select(user, 0, 0, false);
	ipc_answer(t, NULL, NULL);
}

/* ---- sync ---- */

struct changes {
	Sekisho__Change *v;
	size_t n, cap;
};

static void changes_free(struct changes *c)
{
	free(c->v);
}

static void changes_add(struct changes *c, const struct db_rows *q)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->v = realloc(c->v, c->cap * sizeof *c->v);
		if (!c->v)
			abort();
	}
	Sekisho__Change *x = &c->v[c->n++];
	sekisho__change__init(x);
	x->uid = (uint32_t)db_int(q, 0);
	x->flags = (uint32_t)db_int(q, 1);
	x->keywords = (uint64_t)db_int(q, 2);
	x->modseq = (uint64_t)db_int(q, 3);
}

static int by_uid(const void *a, const void *b)
{
	const Sekisho__Change *x = a, *y = b;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* What there is to tell, read in one view. */
struct news {
	Sekisho__SyncAnswer answer;
	struct changes changes;
	struct runs vanished, added;
};

static void news_free(struct news *n)
{
	changes_free(&n->changes);
	runs_free(&n->vanished);
	runs_free(&n->added);
}

/* Adds rows for as long as their modification sequence is above `since`. */
static void add_changes(struct db_rows *q, uint64_t since, const struct runs *only, struct changes *out)
{
	while (db_next(q) && (uint64_t)db_int(q, 3) > since)
		if (!only->n || runs_have(only, (uint32_t)db_int(q, 0)))
			changes_add(out, q);
}

/*
 * What arrived since: from the newest back to the first that did not; modification sequences of arrivals ascend with
 * the UIDs, and a change only adds to them. What was altered since: by the index. Some are both.
 */
static void read_changes(
    struct db *db, int64_t mailbox, uint64_t since, const struct runs *only, struct changes *out)
{
	if (!since) {
		DB_ROWS q = DB_QUERY(db, CHANGED_ALL, DI(mailbox));
		add_changes(&q, 0, only, out);
		return;
	}
	{
		DB_ROWS q = DB_QUERY(db, NEWEST, DI(mailbox));
		add_changes(&q, since, only, out);
	}
	{
		DB_ROWS q = DB_QUERY(db, ALTERED_SINCE, DI(mailbox), DI(since));
		add_changes(&q, since, only, out);
	}
	if (!out->n)
		return;
	qsort(out->v, out->n, sizeof *out->v, by_uid);
	size_t n = 1;
	for (size_t i = 1; i < out->n; i++)
		if (out->v[i].uid != out->v[n - 1].uid)
			out->v[n++] = out->v[i];
	out->n = n;
}

static void read_vanished(
    struct db *db, int64_t mailbox, const Sekisho__SyncAsk *ask, const struct runs *only, struct runs *out)
{
	RUNS_LOCAL(all);
	RUNS_LOCAL(known);
	expunged_since(db, mailbox, ask->since, ask->known_uidnext, &all);
	if (ask->known_uidnext > 1)
		runs_put(&known, (struct run){1, ask->known_uidnext - 1});
	if (!only->n) {
		runs_both(&all, &known, out);
		return;
	}
	RUNS_LOCAL(some);
	runs_both(&all, &known, &some);
	runs_both(&some, only, out);
}

/* Whoever may not read it any more is told that it has gone. */
static enum result read_news(
    struct store *s, const struct login *user, const Sekisho__SyncAsk *ask, struct arena *a, struct news *n)
{
	int64_t mailbox = user->selected;
	RUNS_LOCAL(only);
	READER r = reader_begin(s);
	struct box b;
	if (!r.db)
		return LATER;
	enum result may = access_selected(r.db, user, RIGHT_READ, NULL);
	if (may == DENY || !box_load(r.db, mailbox, &b) || b.noselect) {
		n->answer.gone = true;
		return db_result(r.db);
	}
	runs_take(&only, ask->only, ask->n_only);
	n->answer.highestmodseq = b.modseq;
	n->answer.uidnext = b.uidnext;
	if (ask->since < b.modseq) {
		read_changes(r.db, mailbox, ask->since, &only, &n->changes);
		read_vanished(r.db, mailbox, ask, &only, &n->vanished);
	}
	if (ask->known_uidnext < b.uidnext) {
		DB_ROWS q = DB_QUERY(r.db, UIDS_FROM, DI(mailbox), DI(MAX(ask->known_uidnext, 1u)));
		while (db_next(&q))
			runs_add(&n->added, (uint32_t)db_int(&q, 0));
	}
	box_keyword_names(r.db, mailbox, a, &n->answer.keywords, &n->answer.n_keywords);
	return db_result(r.db);
}

static bool fill_changes(Sekisho__SyncAnswer *answer, struct changes *c, size_t at, struct arena *a)
{
	size_t n = MIN(c->n - MIN(at, c->n), (size_t)CHANGES_A_PACKET);
	answer->changes = arena_array(a, n + 1, sizeof *answer->changes);
	for (size_t i = 0; answer->changes && i < n; i++)
		answer->changes[i] = &c->v[at + i];
	answer->n_changes = answer->changes ? n : 0;
	return at + n < c->n;
}

static bool fill_runs(
    const struct runs *r, size_t at, struct arena *a, Sekisho__Run ***list_out, size_t *n_out)
{
	size_t n = MIN(r->n - MIN(at, r->n), (size_t)CHANGES_A_PACKET / 4);
	*list_out = runs_pack(r, MIN(at, r->n), n, a);
	*n_out = *list_out ? n : 0;
	return at + n < r->n;
}

static void send_news(struct ipc_turn *t, struct news *n)
{
	Sekisho__SyncAnswer *answer = &n->answer;
	for (size_t packet = 0;; packet++) {
		ARENA_LOCAL(a, (size_t)4 << 20);
		size_t runs_at = packet * (CHANGES_A_PACKET / 4);
		bool more = fill_changes(answer, &n->changes, packet * CHANGES_A_PACKET, &a);
		more |= fill_runs(&n->vanished, runs_at, &a, &answer->vanished, &answer->n_vanished);
		more |= fill_runs(&n->added, runs_at, &a, &answer->added, &answer->n_added);
		if (!more) {
			ipc_answer(t, answer, NULL);
			return;
		}
		ipc_answer_part(t, answer, NULL);
		uint64_t modseq = answer->highestmodseq;
		uint32_t uidnext = answer->uidnext, recent = answer->recent_from;
		sekisho__sync_answer__init(answer);
		answer->highestmodseq = modseq;
		answer->uidnext = uidnext;
		answer->recent_from = recent;
	}
}

void ask_sync(struct ipc_turn *t)
{
	const Sekisho__SyncAsk *ask = t->ask;
	struct login *user = session_of(t);
	if (!user)
		return;
	struct store *s = store_of(t);
	struct news n = {.answer = SEKISHO__SYNC_ANSWER__INIT};
	struct box b;
	if (!user->selected) {
		ipc_refuse(t, BAD, "no mailbox is selected");
		return;
	}
	sessions_rearm(user);
	if (load_now(s, user, &b))
		n.answer.recent_from = recent_from(s, user, &b);
	enum result r = read_news(s, user, ask, &t->arena, &n);
	if (r == OK)
		send_news(t, &n);
	else
		refuse(t, r);
	news_free(&n);
}
