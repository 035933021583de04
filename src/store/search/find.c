/* find: what of a mailbox holds what is looked for, by the index and by reading what is not in it. */
#include "store/mailbox/mailbox.h"
#include "store/search/search.h"

#define ROWS_AT_ONCE 64

static bool is_trace(const struct inspect_needle *n)
{
	return n->where == INSPECT_IN_HEADER && inspect_field_is_trace(n->field);
}

/* ---- the index ---- */

static enum result find_plain(struct search_question *q, struct db *db, int64_t index, uint32_t due)
{
	struct inspect_needle needles[LIMIT_SEARCH_NEEDLES];
	struct search_list hits[LIMIT_SEARCH_NEEDLES] = {0};
	unsigned which[LIMIT_SEARCH_NEEDLES], n = 0;
	for (unsigned i = 0; i < q->n; i++)
		if (!q->fuzzy[i] && !is_trace(&q->needles[i])) {
			which[n] = i;
			needles[n++] = q->needles[i];
		}
	enum result r = n ? search_find(q->store, db, index, needles, n, hits) : OK;
	for (unsigned i = 0; i < n; i++) {
		struct search_list *uids = &q->uids[which[i]];
		if (r == OK)
			search_boxes_uids(search_boxes_of(q->store->search), db, q->mailbox, &hits[i], uids);
		search_list_free(&hits[i]);
		/* What came after the view was read from is read below. */
		while (uids->n && uids->v[uids->n - 1] >= due)
			uids->n--;
	}
	return r;
}

/* Sets *due to the UID from which on messages are not in the index. */
static enum result ask_index(struct search_question *q, uint32_t *due)
{
	READER r = reader_begin(q->store);
	struct box b;
	if (!r.db)
		return LATER;
	if (!box_load(r.db, q->mailbox, &b))
		return db_result(r.db) == OK ? GONE : LATER;
	int64_t index = DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(b.account), DI(SEARCH_SERVING));
	*due = index ? (uint32_t)DB_NUMBER(r.db, 1, SEARCH_BOX, DI(index), DI(q->mailbox)) : 1;
	enum result done = db_result(r.db);
	q->messages = b.messages;
	if (done == OK && index && *due > 1) {
		done = find_plain(q, r.db, index, *due);
		for (unsigned i = 0; done == OK && i < q->n; i++)
			if (q->fuzzy[i])
				done = search_rank_find(
				    q->store, r.db, index, q->mailbox, *due, &q->needles[i], &q->rank[i]);
	}
	return done;
}

/* ---- what is not in it ---- */

static enum result read_rows(
    struct search_question *q, uint32_t from, struct search_message *rows, size_t *n_out)
{
	READER r = reader_begin(q->store);
	*n_out = 0;
	if (!r.db)
		return LATER;
	DB_ROWS rows_of =
	    DB_QUERY(r.db, SEARCH_ROWS, DI(q->mailbox), DI(from), DI(UINT32_MAX), DI(ROWS_AT_ONCE));
	while (*n_out < ROWS_AT_ONCE && db_next(&rows_of))
		search_message_read(&rows_of, &rows[(*n_out)++]);
	return db_result(r.db);
}

static enum result read_message(
    struct search_question *q, const struct search_message *m, bool trace, unsigned want)
{
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	uint32_t notes;
	enum result r = search_text(q->store, m, want, &text, &notes);
	for (unsigned i = 0; r == OK && i < q->n; i++) {
		uint8_t worth[INSPECT_PARTS];
		if (is_trace(&q->needles[i]) != trace)
			continue;
		if (q->fuzzy[i]) {
			inspect_fuzzy_read(buf_slice(&text), &q->needles[i], &q->rank[i].plan, worth);
			search_rank_add(&q->rank[i], m->uid, worth);
		} else if (inspect_doc_match(buf_slice(&text), &q->needles[i])) {
			search_list_add(&q->uids[i], m->uid);
		}
	}
	return r;
}

/* Every message from a UID on, for the needles that are answered so. */
static enum result read_from(struct search_question *q, uint32_t from, bool trace, unsigned want)
{
	struct search_message rows[ROWS_AT_ONCE];
	enum result r = OK;
	size_t n;
	do {
		r = read_rows(q, from, rows, &n);
		for (size_t i = 0; r == OK && i < n; i++) {
			if (!q->only.n || runs_have(&q->only, rows[i].uid))
				r = read_message(q, &rows[i], trace, want);
			from = rows[i].uid + 1;
		}
	} while (r == OK && n == ROWS_AT_ONCE);
	return r;
}

enum result search_question_ask(struct search_question *q)
{
	uint32_t due;
	unsigned want = 0;
	bool any[2] = {false, false};
	for (unsigned i = 0; i < q->n; i++) {
		any[is_trace(&q->needles[i])] = true;
		if (q->needles[i].where != INSPECT_IN_HEADER)
			want |= INSPECT_WANT_BODY | INSPECT_WANT_ATTACHMENTS;
	}
	enum result r = ask_index(q, &due);
	if (r == OK && any[false])
		r = read_from(q, due, false, want);
	if (r == OK && any[true])
		r = read_from(q, 1, true, INSPECT_WANT_TRACE);
	for (unsigned i = 0; r == OK && i < q->n; i++)
		if (q->fuzzy[i])
			search_rank_scores(&q->rank[i], q->messages, &q->uids[i], &q->scores[i]);
	return r;
}

void search_question_add(struct search_question *q, const struct inspect_needle *needle, bool fuzzy)
{
	unsigned i = q->n++;
	q->needles[i] = *needle;
	inspect_fuzzy_make(needle, &q->rank[i].plan);
	q->fuzzy[i] = fuzzy && q->rank[i].plan.n && !is_trace(needle);
}

void search_question_free(struct search_question *q)
{
	for (unsigned i = 0; i < q->n; i++) {
		search_list_free(&q->uids[i]);
		search_list_free(&q->scores[i]);
		search_rank_free(&q->rank[i]);
	}
	runs_free(&q->only);
}
