/* STORE_FLAGS: IMAP STORE. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/tasks.h"
#include <stdlib.h>

#define CHANGES_A_PACKET 3000
#define SYSTEM_FLAGS 31u

struct flags {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct runs uids, modified;
	Sekisho__Change *changes;
	size_t n_changes, cap_changes;
	char **keywords;
	size_t n_keywords;
	uint64_t modseq;
	struct task task;
};

static Sekisho__Change *add_change(struct flags *f, const struct entry *e)
{
	if (f->n_changes == f->cap_changes) {
		f->cap_changes = f->cap_changes ? f->cap_changes * 2 : 16;
		f->changes = realloc(f->changes, f->cap_changes * sizeof *f->changes);
		if (!f->changes)
			abort();
	}
	Sekisho__Change *c = &f->changes[f->n_changes++];
	sekisho__change__init(c);
	c->uid = e->uid;
	c->flags = e->flags;
	c->keywords = e->keywords;
	c->modseq = e->modseq;
	return c;
}

struct changing {
	struct flags *f;
	struct db *db;
	struct box box;
	uint64_t keywords;
	uint32_t flags_may;    /* what the session's rights let it change */
	uint64_t keywords_may; /* all or nothing */
	bool changed;
};

/* Only what the session's rights reach is changed (RFC 4314 section 4). */
static void new_flags(const struct changing *c, struct entry *e)
{
	const Sekisho__FlagsAsk *ask = c->f->turn->ask;
	uint32_t flags = ask->flags & c->flags_may;
	uint64_t keywords = c->keywords & c->keywords_may;
	switch (ask->mode) {
	case SEKISHO__FLAGS_ASK__MODE__ADD:
		e->flags |= flags;
		e->keywords |= keywords;
		break;
	case SEKISHO__FLAGS_ASK__MODE__REMOVE:
		e->flags &= ~flags;
		e->keywords &= ~keywords;
		break;
	default:
		e->flags = flags | (e->flags & ~c->flags_may);
		e->keywords = keywords | (e->keywords & ~c->keywords_may);
	}
}

/* One modification sequence for all that one ask changes. */
static void change_one(struct changing *c, struct entry *e)
{
	const Sekisho__FlagsAsk *ask = c->f->turn->ask;
	if (ask->has_unchanged_since && e->modseq > ask->unchanged_since) {
		runs_add(&c->f->modified, e->uid);
		return;
	}
	struct entry before = *e;
	new_flags(c, e);
	if (e->flags != before.flags || e->keywords != before.keywords) {
		if (!c->changed)
			c->f->modseq = writer_modseq(c->f->job.store->writer, c->db, c->box.account);
		c->changed = true;
		e->modseq = c->f->modseq;
		box_count(&c->box, &before, -1);
		box_count(&c->box, e, 1);
	}
	add_change(c->f, e);
}

static void write_changes(struct changing *c, size_t from)
{
	for (size_t i = from; i < c->f->n_changes; i++) {
		const Sekisho__Change *x = &c->f->changes[i];
		if (x->modseq == c->f->modseq)
			DB_RUN(c->db, MESSAGE_FLAGS, DI(c->box.id), DI(x->uid), DI(x->flags), DI(x->keywords),
			    DI(x->modseq));
	}
}

/* Rows are read first and written then: a statement must not walk what another one changes. */
static void change_run(struct changing *c, struct run run)
{
	size_t from = c->f->n_changes;
	{
		DB_ROWS q =
		    DB_QUERY(c->db, FETCH_ROWS, DI(c->box.id), DI(run.first), DI(run_end(run)), DI(0));
		while (db_next(&q)) {
			struct entry e;
			entry_read(&q, &e);
			change_one(c, &e);
		}
	}
	if (c->changed)
		write_changes(c, from);
}

/* False when the session may change nothing of what it asked to change. */
static bool take_rights(struct changing *c, const Sekisho__FlagsAsk *ask)
{
	unsigned rights = access_rights(c->db, c->f->user->account, c->box.account, c->box.id);
	c->flags_may = access_flags(rights);
	c->keywords_may = rights & RIGHT_WRITE ? UINT64_MAX : 0;
	if (!(rights & RIGHT_READ)) /* taken away since it was opened: the answer says what is there */
		return false;
	if (ask->mode == SEKISHO__FLAGS_ASK__MODE__REPLACE)
		return c->flags_may != 0;
	return (ask->flags & c->flags_may) || (ask->n_keywords && c->keywords_may) ||
	       !((ask->flags & SYSTEM_FLAGS) || ask->n_keywords);
}

static enum result apply_flags(struct job *j, struct db *db)
{
	struct flags *f = (struct flags *)j;
	const Sekisho__FlagsAsk *ask = f->turn->ask;
	struct changing c = {.f = f, .db = db};
	bool added = false;
	if (!box_load(db, f->user->selected, &c.box))
		return GONE;
	if (!take_rights(&c, ask))
		return DENY;
	enum result r = !c.keywords_may
			    ? OK
			    : box_keywords(db, c.box.id, ask->keywords, ask->n_keywords, &c.keywords, &added);
	if (r != OK)
		return r;
	for (size_t i = 0; i < f->uids.n; i++)
		change_run(&c, f->uids.v[i]);
	if (c.changed) {
		c.box.modseq = f->modseq;
		box_advance(db, &c.box);
		box_save(db, &c.box);
		writer_touch(j->store->writer, c.box.id, f->user);
	}
	f->modseq = c.box.modseq;
	if (ask->n_keywords || c.keywords)
		box_keyword_names(db, c.box.id, &f->turn->arena, &f->keywords, &f->n_keywords);
	return OK;
}

/* ---- the answer ---- */

static void send_answer(struct flags *f)
{
	struct ipc_turn *t = f->turn;
	Sekisho__FlagsAnswer answer = SEKISHO__FLAGS_ANSWER__INIT;
	answer.keywords = f->keywords;
	answer.n_keywords = f->n_keywords;
	for (size_t at = 0, runs_at = 0;;) {
		ARENA_LOCAL(a, (size_t)4 << 20);
		size_t n = MIN(f->n_changes - at, (size_t)CHANGES_A_PACKET);
		size_t n_runs = n < CHANGES_A_PACKET / 2 ? MIN(f->modified.n - runs_at, (size_t)1000) : 0;
		answer.changes = arena_array(&a, n + 1, sizeof *answer.changes);
		for (size_t i = 0; answer.changes && i < n; i++)
			answer.changes[i] = &f->changes[at + i];
		answer.n_changes = answer.changes ? n : 0;
		answer.modified = runs_pack(&f->modified, runs_at, n_runs, &a);
		answer.n_modified = answer.modified ? n_runs : 0;
		answer.highestmodseq = f->modseq;
		at += n;
		runs_at += n_runs;
		if (at == f->n_changes && runs_at == f->modified.n) {
			ipc_answer(t, &answer, NULL);
			return;
		}
		ipc_answer_part(t, &answer, NULL);
		sekisho__flags_answer__init(&answer);
	}
}

/* The job lives in the turn's arena, which the answer frees: what is ours goes first. */
static void answer_flags(void *arg)
{
	struct flags f = *(struct flags *)arg;
	send_answer(&f);
	runs_free(&f.uids);
	runs_free(&f.modified);
	free(f.changes);
}

static void done_flags(struct job *j, enum result r)
{
	struct flags *f = (struct flags *)j;
	if (r == OK && f->n_changes + f->modified.n < 1000) {
		answer_flags(f);
	} else if (r == OK) {
		tasks_put(j->store->tasks, &f->task, answer_flags, f);
	} else {
		runs_free(&f->uids);
		runs_free(&f->modified);
		free(f->changes);
		if (r == DENY)
			ipc_refuse(f->turn, DENY, "NOPERM");
		else if (r == FULL)
			ipc_refuse(f->turn, FULL, "Too many keywords, or one is too long");
		else
			refuse(f->turn, r);
	}
}

void ask_flags(struct ipc_turn *t)
{
	const Sekisho__FlagsAsk *ask = t->ask;
	const struct login *user = selected_of(t);
	if (!user)
		return;
	if (user->examined) {
		ipc_refuse(t, DENY, "The mailbox is open for reading only");
		return;
	}
	struct flags *f = arena_new(&t->arena, struct flags);
	if (!f) {
		refuse(t, LATER);
		return;
	}
	*f = (struct flags){
	    .job = {.store = store_of(t), .apply = apply_flags, .done = done_flags}, .turn = t, .user = user};
	runs_take(&f->uids, ask->uids, ask->n_uids);
	writer_put(f->job.store->writer, &f->job);
}
