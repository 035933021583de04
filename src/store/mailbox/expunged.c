#include "store/mailbox/expunged.h"
#include "store/inside.h"
#include <stdlib.h>

static void put_row(struct runs *all, const struct db_rows *q)
{
	runs_put(all, (struct run){(uint32_t)db_int(q, 0), (uint32_t)db_int(q, 1)});
}

/* Every UID that is not there. */
static void missing(struct db *db, int64_t mailbox, uint32_t uidnext, struct runs *out)
{
	RUNS_LOCAL(there);
	RUNS_LOCAL(all);
	if (uidnext > 1)
		runs_put(&all, (struct run){1, uidnext - 1});
	DB_ROWS q = DB_QUERY(db, UIDS_FROM, DI(mailbox), DI(1));
	while (db_next(&q))
		runs_add(&there, (uint32_t)db_int(&q, 0));
	runs_minus(&all, &there, out);
}

void expunged_since(struct db *db, int64_t mailbox, uint64_t since, uint32_t uidnext, struct runs *out)
{
	RUNS_LOCAL(all);
	bool forgotten = false;
	{
		DB_ROWS q = DB_QUERY(db, EXPUNGED_SINCE, DI(mailbox), DI(since));
		while (!forgotten && db_next(&q)) {
			forgotten = db_int(&q, 0) == 0;
			put_row(&all, &q);
		}
	}
	if (forgotten) {
		missing(db, mailbox, uidnext, out);
		return;
	}
	runs_normalise(&all);
	for (size_t i = 0; i < all.n; i++)
		runs_add_run(out, all.v[i]);
}

/* ---- forgetting ---- */

struct forgetting {
	struct job job;
	struct expunged_work *work;
	unsigned most;
};

/* Rows that the mark stands for, and marks before it. */
static unsigned drop_old(struct db *db, int64_t mailbox, int64_t mark, unsigned most)
{
	unsigned n = 0;
	int64_t(*rows)[2] = calloc(most, sizeof *rows);
	if (!rows)
		abort();
	{
		DB_ROWS q = DB_QUERY(db, EXPUNGED_OLD, DI(mailbox), DI(mark), DI(most));
		for (; n < most && db_next(&q); n++) {
			rows[n][0] = db_int(&q, 0);
			rows[n][1] = db_int(&q, 1);
		}
	}
	for (unsigned i = 0; i < n; i++)
		DB_RUN(db, EXPUNGED_DROP, DI(mailbox), DI(rows[i][0]), DI(rows[i][1]));
	free(rows);
	return n;
}

/* The mark first, then what it stands for: no piece of work is large, and each leaves what is true. */
static enum result apply_forget(struct job *j, struct db *db)
{
	const struct forgetting *f = (struct forgetting *)j;
	struct expunged_work *w = f->work;
	if (w->mark) {
		if (drop_old(db, w->mailbox, w->mark, f->most) < f->most)
			*w = (struct expunged_work){0};
		return OK;
	}
	w->mark = DB_NUMBER(db, 0, EXPUNGED_FROM, DI(w->mailbox), DI(LIMIT_EXPUNGED / 2));
	if (w->mark)
		DB_RUN(db, EXPUNGED_MARK, DI(w->mailbox), DI(w->mark));
	else
		*w = (struct expunged_work){0}; /* the mailbox has gone meanwhile */
	return OK;
}

bool expunged_forget_some(struct store *s, struct expunged_work *w, unsigned most)
{
	struct forgetting f = {.job = {.store = s, .apply = apply_forget}, .work = w, .most = most};
	if (!w->mailbox) {
		READER r = reader_begin(s);
		w->mailbox = r.db ? DB_NUMBER(r.db, 0, EXPUNGED_LONG, DI(LIMIT_EXPUNGED)) : 0;
	}
	if (!w->mailbox)
		return false;
	if (writer_wait(s->writer, &f.job) == OK)
		return true;
	*w = (struct expunged_work){0};
	return false;
}
