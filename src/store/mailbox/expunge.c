/* STORE_EXPUNGE. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"
#include "store/tasks.h"
#include <stdlib.h>

#define A_JOB 4000 /* messages; others get their turn before the next part */
#define RUNS_A_PACKET 5000

struct expunge {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct runs uids, vanished;
	size_t at; /* in uids, or: how far "all" has come */
	bool more;
	uint64_t modseq;
	struct task task;
};

/* What one part takes away. */
struct part {
	struct entry *entries;
	size_t n;
	uint32_t next; /* where the run goes on */
};

static void collect(struct part *p, struct db_rows *q, bool any_flag)
{
	while (p->n < A_JOB && db_next(q)) {
		struct entry *e = &p->entries[p->n];
		entry_read(q, e);
		p->next = e->uid + 1;
		p->n += any_flag || e->flags & SEKISHO__FLAG__FLAG_DELETED;
	}
}

static void collect_listed(struct expunge *x, struct db *db, struct part *p)
{
	const Sekisho__ExpungeAsk *ask = x->turn->ask;
	while (x->at < x->uids.n && p->n < A_JOB) {
		struct run *run = &x->uids.v[x->at];
		uint64_t end = run_end(*run);
		DB_ROWS q = DB_QUERY(db, FETCH_ROWS, DI(x->user->selected), DI(run->first), DI(end), DI(0));
		collect(p, &q, ask->any_flag);
		if (p->n == A_JOB) {
			run->count = (uint32_t)(end - p->next);
			run->first = p->next;
			return;
		}
		x->at++;
	}
}

static void collect_all(struct expunge *x, struct db *db, struct part *p)
{
	const Sekisho__ExpungeAsk *ask = x->turn->ask;
	DB_ROWS q = ask->any_flag
			? DB_QUERY(db, FETCH_ROWS, DI(x->user->selected), DI(0), DI(UINT32_MAX), DI(0))
			: DB_QUERY(db, DELETED_ROWS, DI(x->user->selected), DI(A_JOB));
	collect(p, &q, ask->any_flag);
}

static enum result apply_expunge(struct job *j, struct db *db)
{
	struct expunge *x = (struct expunge *)j;
	const Sekisho__ExpungeAsk *ask = x->turn->ask;
	struct writer *w = j->store->writer;
	struct box b;
	if (!box_load(db, x->user->selected, &b))
		return GONE;
	enum result r = access_selected(db, x->user, RIGHT_READ | RIGHT_EXPUNGE, NULL);
	if (r != OK)
		return r;
	struct part p = {.entries = calloc(A_JOB, sizeof(struct entry))};
	if (!p.entries)
		abort();
	if (ask->all && (b.deleted || ask->any_flag))
		collect_all(x, db, &p);
	else if (!ask->all)
		collect_listed(x, db, &p);
	x->more = p.n == A_JOB;
	if (p.n) {
		box_vanish(db, &b, p.entries, p.n, writer_modseq(w, db, b.account), true, &x->vanished);
		box_save(db, &b);
		writer_touch(w, b.id, x->user);
		quota_settle(j->store, db, b.account);
	}
	x->modseq = b.modseq;
	free(p.entries);
	return OK;
}

static void send_answer(struct expunge *x)
{
	Sekisho__ExpungeAnswer answer = SEKISHO__EXPUNGE_ANSWER__INIT;
	runs_normalise(&x->vanished);
	for (size_t at = 0;; at += RUNS_A_PACKET) {
		ARENA_LOCAL(a, (size_t)4 << 20);
		size_t n = MIN(x->vanished.n - at, (size_t)RUNS_A_PACKET);
		answer.vanished = runs_pack(&x->vanished, at, n, &a);
		answer.n_vanished = answer.vanished ? n : 0;
		answer.highestmodseq = x->modseq;
		if (at + n == x->vanished.n) {
			ipc_answer(x->turn, &answer, NULL);
			return;
		}
		ipc_answer_part(x->turn, &answer, NULL);
	}
}

static void answer_expunge(void *arg)
{
	struct expunge x = *(struct expunge *)arg;
	send_answer(&x);
	runs_free(&x.uids);
	runs_free(&x.vanished);
}

static void done_expunge(struct job *j, enum result r)
{
	struct expunge *x = (struct expunge *)j;
	if (r == OK && x->more) {
		writer_put(j->store->writer, j);
	} else if (r == OK && x->vanished.n < RUNS_A_PACKET) {
		answer_expunge(x);
	} else if (r == OK) {
		tasks_put(j->store->tasks, &x->task, answer_expunge, x);
	} else {
		runs_free(&x->uids);
		runs_free(&x->vanished);
		if (r == DENY)
			ipc_refuse(x->turn, r, "NOPERM");
		else
			refuse(x->turn, r);
	}
}

void ask_expunge(struct ipc_turn *t)
{
	const Sekisho__ExpungeAsk *ask = t->ask;
	const struct login *user = selected_of(t);
	if (!user)
		return;
	if (user->examined) {
		ipc_refuse(t, DENY, "The mailbox is open for reading only");
		return;
	}
	struct expunge *x = arena_new(&t->arena, struct expunge);
	if (!x) {
		refuse(t, LATER);
		return;
	}
	*x = (struct expunge){
	    .job = {.store = store_of(t), .apply = apply_expunge, .done = done_expunge, .durable = true},
	    .turn = t,
	    .user = user,
	};
	runs_take(&x->uids, ask->uids, ask->n_uids);
	writer_put(x->job.store->writer, &x->job);
}
