/* STORE_SEARCH: which messages of the selected mailbox hold what is looked for. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/mailbox.h"
#include "store/search/search.h"
#include "store/tasks.h"

#define RUNS_A_PACKET 4000
#define SCORES_A_PACKET 8000
#define ROWS_AT_ONCE 64

struct asking {
	struct ipc_turn *turn;
	struct store *store;
	int64_t mailbox, owner, account;
	struct runs only;
	struct task task;
	unsigned n;
	struct inspect_needle needles[LIMIT_SEARCH_NEEDLES];
	struct search_list uids[LIMIT_SEARCH_NEEDLES];
	bool scored[LIMIT_SEARCH_NEEDLES]; /* fuzzy was asked for */
	bool fuzzy[LIMIT_SEARCH_NEEDLES];  /* and is possible: words to look for in what the index has */
	struct search_rank rank[LIMIT_SEARCH_NEEDLES];
	struct search_list scores[LIMIT_SEARCH_NEEDLES];
	uint64_t messages; /* in the mailbox */
};

static bool is_trace(const struct inspect_needle *n)
{
	return n->where == INSPECT_IN_HEADER && inspect_field_is_trace(n->field);
}

/* ---- the index ---- */

static enum result find_plain(struct asking *a, struct db *db, int64_t index, uint32_t due)
{
	struct inspect_needle needles[LIMIT_SEARCH_NEEDLES];
	struct search_list hits[LIMIT_SEARCH_NEEDLES] = {0};
	unsigned which[LIMIT_SEARCH_NEEDLES], n = 0;
	for (unsigned i = 0; i < a->n; i++)
		if (!a->fuzzy[i] && !is_trace(&a->needles[i])) {
			which[n] = i;
			needles[n++] = a->needles[i];
		}
	enum result r = n ? search_find(a->store, db, index, needles, n, hits) : OK;
	for (unsigned i = 0; i < n; i++) {
		struct search_list *uids = &a->uids[which[i]];
		if (r == OK)
			search_boxes_uids(search_boxes_of(a->store->search), db, a->mailbox, &hits[i], uids);
		search_list_free(&hits[i]);
		/* What came after the view was read from is read below. */
		while (uids->n && uids->v[uids->n - 1] >= due)
			uids->n--;
	}
	return r;
}

/* Sets *due to the UID from which on messages are not in the index. */
static enum result ask_index(struct asking *a, uint32_t *due)
{
	READER r = reader_begin(a->store);
	struct box b;
	if (!r.db)
		return LATER;
	if (!box_load(r.db, a->mailbox, &b))
		return db_result(r.db) == OK ? GONE : LATER;
	int64_t index = DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(b.account), DI(SEARCH_SERVING));
	*due = index ? (uint32_t)DB_NUMBER(r.db, 1, SEARCH_BOX, DI(index), DI(a->mailbox)) : 1;
	enum result done = db_result(r.db);
	a->messages = b.messages;
	if (done == OK && index && *due > 1) {
		done = find_plain(a, r.db, index, *due);
		for (unsigned i = 0; done == OK && i < a->n; i++)
			if (a->fuzzy[i])
				done = search_rank_find(
				    a->store, r.db, index, a->mailbox, *due, &a->needles[i], &a->rank[i]);
	}
	return done;
}

/* ---- what is not in it ---- */

static enum result read_rows(struct asking *a, uint32_t from, struct search_message *rows, size_t *n_out)
{
	READER r = reader_begin(a->store);
	*n_out = 0;
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, SEARCH_ROWS, DI(a->mailbox), DI(from), DI(UINT32_MAX), DI(ROWS_AT_ONCE));
	while (*n_out < ROWS_AT_ONCE && db_next(&q))
		search_message_read(&q, &rows[(*n_out)++]);
	return db_result(r.db);
}

static enum result read_message(struct asking *a, const struct search_message *m, bool trace, unsigned want)
{
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	uint32_t notes;
	enum result r = search_text(a->store, m, want, &text, &notes);
	for (unsigned i = 0; r == OK && i < a->n; i++) {
		uint8_t worth[INSPECT_PARTS];
		if (is_trace(&a->needles[i]) != trace)
			continue;
		if (a->fuzzy[i]) {
			inspect_fuzzy_read(buf_slice(&text), &a->needles[i], &a->rank[i].plan, worth);
			search_rank_add(&a->rank[i], m->uid, worth);
		} else if (inspect_doc_match(buf_slice(&text), &a->needles[i])) {
			search_list_add(&a->uids[i], m->uid);
		}
	}
	return r;
}

/* Every message from a UID on, for the needles that are answered so. */
static enum result read_from(struct asking *a, uint32_t from, bool trace, unsigned want)
{
	struct search_message rows[ROWS_AT_ONCE];
	enum result r = OK;
	size_t n;
	do {
		r = read_rows(a, from, rows, &n);
		for (size_t i = 0; r == OK && i < n; i++) {
			if (!a->only.n || runs_have(&a->only, rows[i].uid))
				r = read_message(a, &rows[i], trace, want);
			from = rows[i].uid + 1;
		}
	} while (r == OK && n == ROWS_AT_ONCE);
	return r;
}

static enum result find_all(struct asking *a)
{
	uint32_t due;
	unsigned want = 0;
	bool any[2] = {false, false};
	for (unsigned i = 0; i < a->n; i++) {
		any[is_trace(&a->needles[i])] = true;
		if (a->needles[i].where != INSPECT_IN_HEADER)
			want |= INSPECT_WANT_BODY | INSPECT_WANT_ATTACHMENTS;
	}
	enum result r = ask_index(a, &due);
	if (r == OK && any[false])
		r = read_from(a, due, false, want);
	if (r == OK && any[true])
		r = read_from(a, 1, true, INSPECT_WANT_TRACE);
	for (unsigned i = 0; r == OK && i < a->n; i++)
		if (a->fuzzy[i])
			search_rank_scores(&a->rank[i], a->messages, &a->uids[i], &a->scores[i]);
	return r;
}

/* ---- the answer ---- */

static void send_hits(struct asking *a, unsigned needle, bool last)
{
	Sekisho__SearchAnswer answer = SEKISHO__SEARCH_ANSWER__INIT;
	RUNS_LOCAL(runs);
	answer.needle = needle;
	for (size_t i = 0; i < a->uids[needle].n; i++)
		runs_add(&runs, (uint32_t)a->uids[needle].v[i]);
	for (size_t at = 0;; at += RUNS_A_PACKET) {
		ARENA_LOCAL(mem, (size_t)4 << 20);
		size_t n = MIN(runs.n - at, (size_t)RUNS_A_PACKET);
		answer.uids = runs_pack(&runs, at, n, &mem);
		answer.n_uids = answer.uids ? n : 0;
		if (last && at + n == runs.n) {
			ipc_answer(a->turn, &answer, NULL);
			return;
		}
		ipc_answer_part(a->turn, &answer, NULL);
		if (at + n == runs.n)
			return;
	}
}

static void send_scores(struct asking *a, unsigned needle, bool last)
{
	const struct search_list *uids = &a->uids[needle], *scores = &a->scores[needle];
	Sekisho__SearchAnswer answer = SEKISHO__SEARCH_ANSWER__INIT;
	uint32_t some[SCORES_A_PACKET];
	answer.needle = needle;
	answer.scores = some;
	for (size_t at = 0;;) {
		ARENA_LOCAL(mem, (size_t)4 << 20);
		RUNS_LOCAL(runs);
		size_t n = 0;
		for (; at < uids->n && n < SCORES_A_PACKET && runs.n < RUNS_A_PACKET; at++) {
			runs_add(&runs, (uint32_t)uids->v[at]);
			some[n++] = (uint32_t)scores->v[at];
		}
		answer.n_scores = n;
		answer.uids = runs_pack(&runs, 0, runs.n, &mem);
		answer.n_uids = answer.uids ? runs.n : 0;
		if (last && at == uids->n) {
			ipc_answer(a->turn, &answer, NULL);
			return;
		}
		ipc_answer_part(a->turn, &answer, NULL);
		if (at == uids->n)
			return;
	}
}

/* Of a needle that was to be fuzzy and had no word to look for: one is as good as the other. */
static void score_alike(struct asking *a, unsigned needle)
{
	for (size_t i = 0; i < a->uids[needle].n; i++)
		search_list_add(&a->scores[needle], 1);
}

static void send_all(struct asking *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		bool last = i + 1 == a->n;
		if (a->scored[i] && !a->fuzzy[i])
			score_alike(a, i);
		if (a->scored[i])
			send_scores(a, i, last);
		else
			send_hits(a, i, last);
	}
}

/* The right to read it may have been taken away while it was searched. */
static enum result may_hear(const struct asking *a)
{
	if (a->account == a->owner)
		return OK;
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	bool may = access_rights(r.db, a->account, a->owner, a->mailbox) & RIGHT_READ;
	return db_result(r.db) != OK ? LATER : may ? OK : DENY;
}

static void run(void *arg)
{
	/* The turn's arena, in which it lies, ends with the answer. */
	struct asking a = *(struct asking *)arg;
	int64_t start = clock_mono_us();
	enum result r = find_all(&a);
	if (r == OK)
		r = may_hear(&a);
	EVENT(
	    SEARCH_DONE, KN("needles", a.n), KN("us", clock_mono_us() - start), KZ("result", result_name(r)));
	if (r == DENY)
		ipc_refuse(a.turn, DENY, "NOPERM");
	else if (r != OK)
		refuse(a.turn, r);
	else
		send_all(&a);
	for (unsigned i = 0; i < a.n; i++) {
		search_list_free(&a.uids[i]);
		search_list_free(&a.scores[i]);
		search_rank_free(&a.rank[i]);
	}
	runs_free(&a.only);
}

static bool take_needles(struct asking *a, const Sekisho__SearchAsk *ask)
{
	if (!ask->n_needles || ask->n_needles > LIMIT_SEARCH_NEEDLES)
		return false;
	for (size_t i = 0; i < ask->n_needles; i++) {
		const Sekisho__SearchNeedle *n = ask->needles[i];
		if (n->where > INSPECT_IN_HEADER)
			return false;
		a->needles[i] = (struct inspect_needle){
		    (enum inspect_where)n->where, slice_str(n->field), slice_str(n->text)};
		inspect_fuzzy_make(&a->needles[i], &a->rank[i].plan);
		a->scored[i] = n->fuzzy;
		a->fuzzy[i] = n->fuzzy && a->rank[i].plan.n && !is_trace(&a->needles[i]);
		a->n++;
	}
	return true;
}

void ask_search(struct ipc_turn *t)
{
	const struct login *user = selected_of(t);
	if (!user || !access_check_selected(t, user, RIGHT_READ, NULL))
		return;
	struct asking *a = arena_new(&t->arena, struct asking);
	if (!a) {
		refuse(t, LATER);
		return;
	}
	a->turn = t;
	a->store = store_of(t);
	a->mailbox = user->selected;
	a->owner = user->selected_owner;
	a->account = user->account;
	if (!take_needles(a, t->ask)) {
		refuse(t, BAD);
		return;
	}
	const Sekisho__SearchAsk *ask = t->ask;
	runs_take(&a->only, ask->only, ask->n_only);
	tasks_put(search_tasks_of(a->store->search), &a->task, run, a);
}
