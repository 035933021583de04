#include "store/mailbox/access.h"
#include "store/mailbox/cards.h"
#include "store/inside.h"
#include <pthread.h>
#include <stdlib.h>

/* Numbers are taken from blocks that were written down before: a crash skips some, and none is given twice. */
#define BLOCK ((int64_t)1 << 16)
#define MODSEQS 65536 /* slots of the table of accounts' modification sequences */

static const char *const sequence_names[SEQUENCES] = {"account", "mailbox", "email", "blob", "queue", "trace",
    "search", "token", "people", "signin", "incident", "alarm"};

struct touched {
	enum node_word word;
	int64_t id, account; /* account: NODE_METADATA */
	const struct login *by;
	bool durable;
};

struct modseq {
	int64_t account; /* 0: free */
	uint64_t value, era;
};

/* Numbers [next, end) to be given; none when they are equal. */
struct block {
	int64_t next, end;
};

/* Flushes bodies while the writer applies the group; both must be done before the commit. */
struct flusher {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum { IDLE, ASKED, DONE, ENDING } state;
	enum result result;
};

struct writer {
	struct store *store;
	struct flusher flusher;
	struct db *db;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t put, waited;
	struct job *first, **last;
	bool waiting, ending;
	_Atomic bool broken;

	/* the rest is the writer thread's */
	struct block numbers[SEQUENCES];
	bool extended; /* the job in hand took new blocks */
	bool durable;  /* the job in hand is */
	struct modseq modseqs[MODSEQS];
	uint64_t era; /* what the table has of an earlier one is void */
	struct touched *touched;
	size_t n_touched, cap_touched;
	int64_t cards[WRITER_GROUP]; /* mailboxes */
	size_t n_cards;
};

struct store *writer_store(const struct writer *w)
{
	return w->store;
}

/*
 * A block belongs to whoever wrote it down. Numbers ascend in the order of the transactions that use them, on all nodes
 * together: a block is given up once somebody else has written (writer_forget).
 */
int64_t writer_number(struct writer *w, enum sequence s)
{
	struct block *b = &w->numbers[s];
	if (b->next == b->end) {
		int64_t size = s <= SEQUENCE_MAILBOX && db_is_shared(w->db) ? 1 : BLOCK;
		b->end = DB_NUMBER(w->db, 0, NUMBER_TAKE, DZ(sequence_names[s]), DI(size + 1), DI(size));
		b->next = b->end - size;
		w->extended = true;
	}
	return b->next++;
}

uint64_t writer_modseq(struct writer *w, struct db *db, int64_t account)
{
	struct modseq *m = &w->modseqs[(uint64_t)account % MODSEQS];
	if (m->account != account || m->era != w->era) {
		m->account = account;
		m->era = w->era;
		m->value = (uint64_t)DB_NUMBER(db, 1, ACCOUNT_MODSEQ, DI(account));
	}
	return ++m->value;
}

/* What is remembered of the database is void. */
static void forget(struct writer *w)
{
	memset(w->numbers, 0, sizeof w->numbers);
	w->era++;
}

static bool is_same(const struct touched *a, const struct touched *b)
{
	return a->word == b->word && a->id == b->id && a->account == b->account;
}

static void touch(struct writer *w, struct touched t)
{
	const struct touched *last = w->n_touched ? &w->touched[w->n_touched - 1] : NULL;
	t.durable = w->durable;
	if (last && is_same(last, &t) && last->by == t.by && last->durable == t.durable)
		return;
	if (w->n_touched == w->cap_touched) {
		w->cap_touched = w->cap_touched ? w->cap_touched * 2 : 64;
		w->touched = realloc(w->touched, w->cap_touched * sizeof *w->touched);
		if (!w->touched)
			abort();
	}
	w->touched[w->n_touched++] = t;
}

void writer_touch(struct writer *w, int64_t mailbox, const struct login *by)
{
	touch(w, (struct touched){.word = NODE_MAILBOX, .id = mailbox, .by = by});
}

void writer_metadata(struct writer *w, int64_t mailbox, int64_t account, const struct login *by)
{
	touch(w, (struct touched){.word = NODE_METADATA, .id = mailbox, .account = account, .by = by});
}

/* The owner, and whom the account's mailboxes are shared with: persons one by one, or everybody. */
void writer_names(struct writer *w, int64_t account)
{
	int64_t persons[16];
	size_t n = 0;
	bool everybody = false;
	{
		DB_ROWS q = DB_QUERY(w->db, ACL_PERSONS, DI(account), DI(COUNT(persons) + 1));
		while (!everybody && db_next(&q)) {
			everybody = n == COUNT(persons) || db_int(&q, 0) != WHO_ACCOUNT;
			if (!everybody)
				persons[n++] = db_int(&q, 1);
		}
	}
	writer_tell(w, NODE_NAMES, account);
	for (size_t i = 0; i < n && !everybody; i++)
		writer_tell(w, NODE_NAMES, persons[i]);
	if (everybody)
		writer_tell(w, NODE_NAMES, 0);
}

void writer_tell(struct writer *w, enum node_word word, int64_t id)
{
	touch(w, (struct touched){.word = word, .id = id});
}

/* Each mailbox once is enough, and nobody minds twice: those of neighbouring jobs are mostly the same. */
static void tell_nodes(struct writer *w)
{
	BUF_LOCAL(text, DB_TOLD);
	if (!db_is_shared(w->db))
		return;
	for (size_t i = 0; i < w->n_touched; i++) {
		const struct touched *t = &w->touched[i];
		if (!i || !is_same(t, t - 1))
			nodes_tell(w->store, w->db, &text, t->word, t->id, t->account);
	}
	nodes_tell_rest(w->db, &text);
}

/* One that does not fit is due again with its next messages. */
void writer_cards(struct writer *w, int64_t mailbox)
{
	if (w->n_cards < COUNT(w->cards) && !(w->n_cards && w->cards[w->n_cards - 1] == mailbox))
		w->cards[w->n_cards++] = mailbox;
}

/* ---- groups ---- */

struct group {
	struct job *jobs[WRITER_GROUP];
	size_t n;
	bool durable, bodies;
};

/* A change of thread is worth it for several jobs only. */
#define OVERLAP 4

static void *flusher_thread(void *arg)
{
	struct writer *w = arg;
	struct flusher *f = &w->flusher;
	pthread_mutex_lock(&f->lock);
	while (f->state != ENDING) {
		if (f->state != ASKED) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		pthread_mutex_unlock(&f->lock);
		enum result r = blob_flush(w->store->blob);
		pthread_mutex_lock(&f->lock);
		f->result = r;
		f->state = DONE;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void flusher_set(struct flusher *f, int state)
{
	pthread_mutex_lock(&f->lock);
	f->state = (unsigned)state;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static enum result flusher_wait(struct flusher *f)
{
	pthread_mutex_lock(&f->lock);
	while (f->state != DONE)
		pthread_cond_wait(&f->changed, &f->lock);
	f->state = IDLE;
	pthread_mutex_unlock(&f->lock);
	return f->result;
}

static void apply_one(struct writer *w, struct job *j)
{
	size_t touched = w->n_touched;
	struct block numbers[SEQUENCES];
	memcpy(numbers, w->numbers, sizeof numbers);
	w->extended = false;
	w->durable = j->durable;
	db_mark(w->db);
	j->result = j->apply(j, w->db);
	if (db_result(w->db) != OK && j->result == OK)
		j->result = db_result(w->db);
	if (j->result == OK) {
		db_keep(w->db);
		return;
	}
	w->n_touched = touched;
	db_undo(w->db);
	if (w->extended)
		memcpy(w->numbers, numbers, sizeof numbers);
}

/* The whole transaction is lost: whoever thought to have succeeded has not. */
static void fail_all(struct group *g, enum result r)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->jobs[i] && g->jobs[i]->result == OK)
			g->jobs[i]->result = r == DENY ? LATER : r;
}

static void break_down(struct writer *w)
{
	atomic_store(&w->broken, true);
	store_broken(w->store);
}

static enum result apply_group(struct writer *w, struct group *g)
{
	bool overlap = g->bodies && g->n >= OVERLAP;
	enum result bodies = OK;
	if (overlap)
		flusher_set(&w->flusher, ASKED);
	else if (g->bodies)
		bodies = blob_flush(w->store->blob);
	db_begin(w->db);
	enum result r = bodies != OK ? bodies : db_result(w->db);
	if (r == OK && db_was_changed(w->db))
		forget(w);
	for (size_t i = 0; i < g->n && r == OK; i++) {
		apply_one(w, g->jobs[i]);
		if (!db_active(w->db))
			r = g->jobs[i]->result == FULL ? FULL : LATER;
	}
	if (overlap && (bodies = flusher_wait(&w->flusher)) != OK)
		r = bodies;
	if (r == OK) {
		tell_nodes(w);
		r = db_commit(w->db);
	} else
		db_rollback(w->db);
	if (r == OK)
		return OK;
	w->n_touched = 0;
	forget(w);
	/* Whether it was committed cannot be known: what a front repeats to the next life is found by its id. */
	if (r == GONE)
		break_down(w);
	fail_all(g, r);
	return r;
}

/* Wakes the waiter of a job without done(); otherwise the job frees itself. */
static void finish(struct writer *w, struct job *j)
{
	if (j->done) {
		j->done(j, j->result);
		return;
	}
	pthread_mutex_lock(&w->lock);
	j->next = j;
	pthread_cond_broadcast(&w->waited);
	pthread_mutex_unlock(&w->lock);
}

static void finish_some(struct writer *w, struct group *g, bool durable)
{
	for (size_t i = 0; i < g->n; i++) {
		struct job *j = g->jobs[i];
		if (j && j->durable == durable) {
			g->jobs[i] = NULL;
			finish(w, j);
		}
	}
}

static void send_notes(struct writer *w, bool durable)
{
	for (size_t i = 0; i < w->n_touched; i++) {
		const struct touched *t = &w->touched[i];
		if (t->durable != durable)
			continue;
		if (t->word == NODE_MAILBOX)
			sessions_note_mailbox(w->store->sessions, t->id, t->by);
		else if (t->word == NODE_NAMES)
			sessions_note_names(w->store->sessions, t->id);
		else if (t->word == NODE_METADATA)
			sessions_note_metadata(w->store->sessions, t->id, t->account, t->by);
		else if (t->word == NODE_END)
			sessions_end_account(w->store->sessions, t->id);
	}
}

/* Notes go before answers, and nobody hears of a change before it is as safe as it has to be. */
static void run_group(struct writer *w, struct group *g)
{
	int64_t start = clock_mono_us();
	enum result r = GONE;
	if (atomic_load(&w->broken))
		fail_all(g, GONE);
	else
		r = apply_group(w, g);
	for (size_t i = 0; i < w->n_cards; i++)
		cards_due(w->store->cards, w->cards[i]);
	w->n_cards = 0;
	send_notes(w, false);
	finish_some(w, g, false);
	if (r == OK && g->durable && db_flush(w->db) != OK) {
		w->n_touched = 0;
		fail_all(g, GONE);
		break_down(w);
	}
	send_notes(w, true);
	finish_some(w, g, true);
	w->n_touched = 0;
	EVENT(STORE_COMMIT, KN("jobs", g->n), KN("us", clock_mono_us() - start));
	store_tidy_log(w->store, w->db);
}

static bool take_group(struct writer *w, struct group *g)
{
	*g = (struct group){0};
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->ending) {
		w->waiting = true;
		pthread_cond_wait(&w->put, &w->lock);
	}
	w->waiting = false;
	while (w->first && g->n < WRITER_GROUP) {
		struct job *j = w->first;
		w->first = j->next;
		j->next = NULL;
		g->jobs[g->n++] = j;
		g->durable |= j->durable;
		g->bodies |= j->bodies;
	}
	if (!w->first)
		w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	return g->n > 0;
}

static void *writer_thread(void *arg)
{
	struct writer *w = arg;
	struct group g;
	while (take_group(w, &g))
		run_group(w, &g);
	return NULL;
}

struct writer *writer_new(struct store *store, struct db *db)
{
	struct writer *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	w->store = store;
	w->db = db;
	w->last = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->put, NULL);
	pthread_cond_init(&w->waited, NULL);
	pthread_mutex_init(&w->flusher.lock, NULL);
	pthread_cond_init(&w->flusher.changed, NULL);
	if (pthread_create(&w->flusher.thread, NULL, flusher_thread, w) != 0 ||
	    pthread_create(&w->thread, NULL, writer_thread, w) != 0)
		abort();
	pthread_setname_np(w->flusher.thread, "flusher");
	pthread_setname_np(w->thread, "writer");
	return w;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_signal(&w->put);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	flusher_set(&w->flusher, ENDING);
	pthread_join(w->flusher.thread, NULL);
	pthread_mutex_destroy(&w->flusher.lock);
	pthread_cond_destroy(&w->flusher.changed);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->put);
	pthread_cond_destroy(&w->waited);
	free(w->touched);
	free(w);
}

void writer_put(struct writer *w, struct job *j)
{
	j->next = NULL;
	j->result = OK;
	pthread_mutex_lock(&w->lock);
	*w->last = j;
	w->last = &j->next;
	bool wake = w->waiting;
	w->waiting = false;
	pthread_mutex_unlock(&w->lock);
	/* Not inside the lock, which the writer wants first of all. */
	if (wake)
		pthread_cond_signal(&w->put);
}

enum result writer_wait(struct writer *w, struct job *j)
{
	j->done = NULL;
	writer_put(w, j);
	pthread_mutex_lock(&w->lock);
	while (j->next != j)
		pthread_cond_wait(&w->waited, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return j->result;
}

bool writer_is_broken(const struct writer *w)
{
	return atomic_load(&w->broken);
}
