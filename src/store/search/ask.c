/* STORE_SEARCH: which messages of the selected mailbox hold what is looked for. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/search/search.h"
#include "store/tasks.h"

#define RUNS_A_PACKET 4000
#define SCORES_A_PACKET 8000

struct asking {
	struct ipc_turn *turn;
	int64_t owner, account;
	struct task task;
	bool scored[LIMIT_SEARCH_NEEDLES]; /* fuzzy was asked for */
	struct search_question q;
};

/* ---- the answer ---- */

static void send_hits(struct asking *a, unsigned needle, bool last)
{
	Sekisho__SearchAnswer answer = SEKISHO__SEARCH_ANSWER__INIT;
	RUNS_LOCAL(runs);
	answer.needle = needle;
	for (size_t i = 0; i < a->q.uids[needle].n; i++)
		runs_add(&runs, (uint32_t)a->q.uids[needle].v[i]);
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
	const struct search_list *uids = &a->q.uids[needle], *scores = &a->q.scores[needle];
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
	for (size_t i = 0; i < a->q.uids[needle].n; i++)
		search_list_add(&a->q.scores[needle], 1);
}

static void send_all(struct asking *a)
{
	for (unsigned i = 0; i < a->q.n; i++) {
		bool last = i + 1 == a->q.n;
		if (a->scored[i] && !a->q.fuzzy[i])
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
	READER r = reader_begin(a->q.store);
	if (!r.db)
		return LATER;
	bool may = access_rights(r.db, a->account, a->owner, a->q.mailbox) & RIGHT_READ;
	return db_result(r.db) != OK ? LATER : may ? OK : DENY;
}

static void run(void *arg)
{
	/* The turn's arena, in which it lies, ends with the answer. */
	struct asking a = *(struct asking *)arg;
	int64_t start = clock_mono_us();
	enum result r = search_question_ask(&a.q);
	if (r == OK)
		r = may_hear(&a);
	EVENT(SEARCH_DONE, KN("needles", a.q.n), KN("us", clock_mono_us() - start),
	    KZ("result", result_name(r)));
	if (r == DENY)
		ipc_refuse(a.turn, DENY, "NOPERM");
	else if (r != OK)
		refuse(a.turn, r);
	else
		send_all(&a);
	search_question_free(&a.q);
}

static bool take_needles(struct asking *a, const Sekisho__SearchAsk *ask)
{
	if (!ask->n_needles || ask->n_needles > LIMIT_SEARCH_NEEDLES)
		return false;
	for (size_t i = 0; i < ask->n_needles; i++) {
		const Sekisho__SearchNeedle *n = ask->needles[i];
		if (n->where > INSPECT_IN_HEADER)
			return false;
		a->scored[i] = n->fuzzy;
		search_question_add(&a->q,
		    &(struct inspect_needle){
			(enum inspect_where)n->where, slice_str(n->field), slice_str(n->text)},
		    n->fuzzy);
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
	a->q.store = store_of(t);
	a->q.mailbox = user->selected;
	a->owner = user->selected_owner;
	a->account = user->account;
	if (!take_needles(a, t->ask)) {
		refuse(t, BAD);
		return;
	}
	const Sekisho__SearchAsk *ask = t->ask;
	runs_take(&a->q.only, ask->only, ask->n_only);
	tasks_put(search_tasks_of(a->q.store->search), &a->task, run, a);
}
