/* STORE_COPY: IMAP COPY and MOVE. Bodies are not copied, only counted. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"
#include "store/tasks.h"
#include <stdlib.h>

#define RUNS_A_PACKET 2500

struct copy {
	struct job job;
	struct access target;
	struct ipc_turn *turn;
	const struct login *user;
	struct runs uids, from, to;
	uint32_t uidvalidity;
	uint64_t modseq; /* of the source */
	const char *why;
	struct task task;
};

struct entries {
	struct entry *v;
	size_t n, cap;
};

static void collect(struct db *db, int64_t mailbox, const struct runs *uids, struct entries *out)
{
	for (size_t i = 0; i < uids->n; i++) {
		DB_ROWS q = DB_QUERY(
		    db, FETCH_ROWS, DI(mailbox), DI(uids->v[i].first), DI(run_end(uids->v[i])), DI(0));
		while (db_next(&q)) {
			if (out->n == out->cap) {
				out->cap = out->cap ? out->cap * 2 : 32;
				out->v = realloc(out->v, out->cap * sizeof *out->v);
				if (!out->v)
					abort();
			}
			entry_read(&q, &out->v[out->n++]);
		}
	}
}

/* The bits of the other mailbox for each bit of this one that is in use. */
struct keyword_map {
	uint64_t to[LIMIT_KEYWORDS];
};

static enum result map_keywords(
    struct copy *c, struct db *db, int64_t from, int64_t to, const struct entries *e, struct keyword_map *map)
{
	char **names;
	size_t n;
	uint64_t used = 0;
	bool added = false;
	*map = (struct keyword_map){0};
	for (size_t i = 0; i < e->n; i++)
		used |= e->v[i].keywords;
	if (!used)
		return OK;
	box_keyword_names(db, from, &c->turn->arena, &names, &n);
	enum result r = OK;
	for (size_t i = 0; i < n && r == OK; i++)
		if (used >> i & 1)
			r = box_keywords(db, to, &names[i], 1, &map->to[i], &added);
	return r;
}

static uint64_t mapped(const struct keyword_map *map, uint64_t bits)
{
	uint64_t out = 0;
	for (; bits; bits &= bits - 1)
		out |= map->to[__builtin_ctzll(bits)];
	return out;
}

static void add_all(struct copy *c, struct db *db, struct box *to, const struct entries *list,
    const struct keyword_map *map, bool other)
{
	const Sekisho__CopyAsk *ask = c->turn->ask;
	uint32_t first = to->uidnext;
	/* Each account counts its own changes. */
	uint64_t modseq = c->target.owner == c->user->selected_owner
			      ? c->modseq
			      : writer_modseq(c->job.store->writer, db, to->account);
	for (size_t i = 0; i < list->n; i++) {
		struct entry e = list->v[i];
		runs_add(&c->from, e.uid);
		e.modseq = modseq;
		e.flags &= access_flags(c->target.rights);
		e.saved_ms = clock_utc_ms();
		if (other)
			e.keywords = c->target.rights & RIGHT_WRITE ? mapped(map, e.keywords) : 0;
		if (!ask->move)
			DB_RUN(db, BLOB_REF, DI(e.blob), DI(1));
		box_add(c->job.store->writer, db, to, &e);
	}
	/* In step: a run of the new ones for each run of the old ones. */
	for (size_t i = 0; i < c->from.n; i++) {
		runs_put(&c->to, (struct run){first, c->from.v[i].count});
		first += c->from.v[i].count;
	}
}

/* RFC 4314 section 4 and, for MOVE, RFC 6851 section 4.4: all that a COPY, a STORE and an EXPUNGE need. */
static enum result may_copy(struct copy *c, struct db *db)
{
	const Sekisho__CopyAsk *ask = c->turn->ask;
	unsigned need = ask->move ? RIGHT_READ | RIGHT_TRASH | RIGHT_EXPUNGE : RIGHT_READ;
	enum result r = access_selected(db, c->user, need, NULL);
	if (r != OK) {
		c->why = r == DENY ? "NOPERM" : NULL;
		return r;
	}
	access_find(db, c->user->account, slice_str(ask->to), &c->turn->arena, &c->target);
	r = access_need(&c->target, RIGHT_INSERT, &c->why);
	if (r == GONE)
		c->why = "TRYCREATE";
	return r;
}

/* What moves between mailboxes of one owner takes no room. */
static enum result take_room(
    struct copy *c, struct db *db, const struct box *from, const struct entries *list)
{
	const Sekisho__CopyAsk *ask = c->turn->ask;
	uint64_t octets = 0;
	if (ask->move && c->target.owner == from->account)
		return OK;
	for (size_t i = 0; i < list->n; i++)
		octets += list->v[i].size;
	if (quota_take(c->job.store, db, c->target.owner, octets, list->n, true) == OK)
		return OK;
	c->why = "OVERQUOTA";
	return FULL;
}

static enum result apply_copy(struct job *j, struct db *db)
{
	struct copy *c = (struct copy *)j;
	const Sekisho__CopyAsk *ask = c->turn->ask;
	struct writer *w = j->store->writer;
	struct box from, other, *to = &from;
	struct keyword_map map;
	enum result r = may_copy(c, db);
	if (r != OK)
		return r;
	int64_t id = c->target.id;
	if (!box_load(db, c->user->selected, &from))
		return GONE;
	if (id != from.id) {
		to = &other;
		if (!box_load(db, id, &other) || other.noselect) {
			c->why = "TRYCREATE";
			return GONE;
		}
	}
	struct entries list = {0};
	collect(db, from.id, &c->uids, &list);
	c->uidvalidity = c->target.rights & RIGHT_READ ? to->uidvalidity : 0; /* RFC 4315 5 */
	c->modseq = from.modseq;
	if (to != &from && c->target.rights & RIGHT_WRITE)
		r = map_keywords(c, db, from.id, id, &list, &map);
	if (r == OK && list.n)
		r = take_room(c, db, &from, &list);
	if (r == OK && list.n) {
		c->modseq = writer_modseq(w, db, from.account);
		add_all(c, db, to, &list, &map, to != &from);
		if (ask->move)
			box_vanish(db, &from, list.v, list.n, c->modseq, false, NULL);
		box_save(db, to);
		writer_touch(w, to->id, NULL);
		if (ask->move && to != &from) {
			box_save(db, &from);
			writer_touch(w, from.id, c->user);
			quota_settle(j->store, db, from.account);
		}
	}
	free(list.v);
	return r;
}

static void send_answer(struct copy *c)
{
	Sekisho__CopyAnswer answer = SEKISHO__COPY_ANSWER__INIT;
	for (size_t at = 0;; at += RUNS_A_PACKET) {
		ARENA_LOCAL(a, (size_t)4 << 20);
		size_t n = MIN(c->from.n - at, (size_t)RUNS_A_PACKET);
		answer.from = runs_pack(&c->from, at, n, &a);
		answer.to = runs_pack(&c->to, at, n, &a);
		answer.n_from = answer.from && answer.to ? n : 0;
		answer.n_to = c->uidvalidity ? answer.n_from : 0;
		answer.uidvalidity = c->uidvalidity;
		answer.highestmodseq = c->modseq;
		if (at + n == c->from.n) {
			ipc_answer(c->turn, &answer, NULL);
			return;
		}
		ipc_answer_part(c->turn, &answer, NULL);
	}
}

static void copy_free(struct copy *c)
{
	runs_free(&c->uids);
	runs_free(&c->from);
	runs_free(&c->to);
}

static void answer_copy(void *arg)
{
	struct copy c = *(struct copy *)arg;
	send_answer(&c);
	copy_free(&c);
}

static void done_copy(struct job *j, enum result r)
{
	struct copy *c = (struct copy *)j;
	if (r == OK && c->from.n < RUNS_A_PACKET) {
		answer_copy(c);
	} else if (r == OK) {
		tasks_put(j->store->tasks, &c->task, answer_copy, c);
	} else {
		copy_free(c);
		if (c->why)
			ipc_refuse(c->turn, r, "%s", c->why);
		else
			refuse(c->turn, r);
	}
}

void ask_copy(struct ipc_turn *t)
{
	const Sekisho__CopyAsk *ask = t->ask;
	const struct login *user = selected_of(t);
	if (!user)
		return;
	if (user->examined && ask->move) {
		ipc_refuse(t, DENY, "The mailbox is open for reading only");
		return;
	}
	struct copy *c = arena_new(&t->arena, struct copy);
	if (!c) {
		refuse(t, LATER);
		return;
	}
	*c = (struct copy){
	    .job = {.store = store_of(t), .apply = apply_copy, .done = done_copy, .durable = true},
	    .turn = t,
	    .user = user,
	};
	runs_take(&c->uids, ask->uids, ask->n_uids);
	writer_put(c->job.store->writer, &c->job);
}
