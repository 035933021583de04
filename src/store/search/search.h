/*
 * search: the full-text index of each account, and what asks it.
 *
 * An index is a set of immutable segments (search_segment.h), their pages sealed as rows of the database, and for each
 * mailbox the UID up to which its messages are in it. A message may come to a mailbox in any way: it gets a higher UID and
 * is thereby due. The thread "indexer" takes what is due in batches, asks scan for the text, writes a segment, and
 * merges small segments into larger ones, which also forgets messages that are gone. A delivery does nothing for the
 * index. What is due is read when somebody searches, so an answer never depends on how far the indexer has come.
 *
 *     search.c           the thread, and what is due
 *     search_batch.c     a batch of messages, a merge: from texts to a segment
 *     search_jobs.c      the writer's jobs
 *     search_text.c      the text of a message, by scan
 *     search_look.c      finding in an account's segments, sealed pages
 *     search_rank.c      fuzzy needles: finding, and scores
 *     search_ask.c       STORE_SEARCH
 *     find.c             what of a mailbox holds what is looked for: the index, then what is not in it
 *     seek.c             the search of a person through the mail that is open to him (seek.h)
 *     search_admin.c     index.status, index.rebuild, index.verify
 *     search_segment.c search_build.c search_page.c    segments, pure
 */
#ifndef STORE_SEARCH_SEARCH_H
#define STORE_SEARCH_SEARCH_H

#include "store/inside.h"
#include "store/runs.h"
#include "store/search/segment.h"

#define SEARCH_SERVING 1
#define SEARCH_BUILDING 2
#define SEARCH_PAGES_A_SEGMENT 65536 /* numbers */

struct search;
struct search *search_new(struct store *s);
/* Ends the indexer; the writer may still call search_due until search_free. */
void search_end(struct search *x);
void search_free(struct search *x);
/* A message came to a mailbox of this account. Any thread, cheap. */
void search_due(struct search *x, int64_t account);
/* The indexer looks at this account at once. */
void search_now(struct search *x, int64_t account);
/* And at all that may be due, as it does now and then by itself. */
void search_look_around(struct search *x);

/* What is wrong with the index of an account; false: nothing, or the indexer has not seen it yet. */
struct search_failure {
	const char *why;
	int64_t at_ms;
};
bool search_failure_of(struct search *x, int64_t account, struct search_failure *out);
/* How many accounts; *last_out: the last of all that ever were, why is NULL when there was none. */
uint64_t search_failures(struct search *x, struct search_failure *last_out);
/* Why something of this thread was LATER. */
extern _Thread_local const char *search_why;

/* ---- the text of a message (search_text.c) ---- */

struct search_message {
	int64_t email, blob;
	uint32_t uid;
	struct blob_place at;
};
/* From a row of SEARCH_ROWS. */
void search_message_read(const struct db_rows *rows, struct search_message *m);
/*
 * The doc into out; *notes_out as in struct search_doc. A message that scan dies of twice is read without attachments,
 * and if it dies again not at all, nor is one that was changed on the disk or that cannot be analysed: what its facts say is
 * the doc then. Noted, never an error. LATER: scan or the body cannot be had now.
 */
NODISCARD enum result search_text(
    struct store *s, const struct search_message *m, unsigned want, struct buf *out, uint32_t *notes_out);

/* ---- reading an index (search_look.c) ---- */

struct search_part {
	int64_t id;
	uint32_t docs;
	uint64_t text, octets;
	int64_t highest;
	uint32_t cut, unreadable, reduced;
};
struct search_parts {
	struct search_part *v;
	size_t n;
};
void search_parts_free(struct search_parts *p);
/* The segments of an index in this connection's view. */
void search_parts_of(struct db *db, int64_t index, struct search_parts *out);

/* Opens a segment whose pages are read from db; both stay until it is freed. */
struct search_open {
	struct store *store;
	struct db *db;
	int64_t id;
	struct search_segment *segment;
};
NODISCARD enum result search_open(struct store *s, struct db *db, int64_t id, struct search_open *o);
void search_close(struct search_open *o);
/* Adds one sealed page to out, opened. LATER, and logged, when it is missing or was changed. */
NODISCARD enum result search_page(
    struct store *s, struct db *db, int64_t segment, uint32_t page, struct buf *out);
struct slice search_page_bound(int64_t segment, uint32_t page, char room[64]);

/* A growing list of numbers. */
struct search_list {
	int64_t *v;
	size_t n, cap;
};
void search_list_add(struct search_list *l, int64_t v);
void search_list_sort(struct search_list *l); /* ascending, each once */
bool search_list_has(const struct search_list *l, int64_t v);
void search_list_free(struct search_list *l);
#define SEARCH_LIST(name) __attribute__((cleanup(search_list_free))) struct search_list name = {0}

/* The emails of all docs of an index, sorted. */
NODISCARD enum result search_emails(struct store *s, struct db *db, int64_t index, struct search_list *out);
/* For each of n needles the emails of the docs of an index that hold it, sorted, into hits[n]. */
NODISCARD enum result search_find(struct store *s, struct db *db, int64_t index,
    const struct inspect_needle *needles, unsigned n, struct search_list *hits);

/* ---- writing (search_jobs.c): each waits for the writer ---- */

/* The serving index of an account, or the one in state `state`; made when it is not there. 0: it cannot. */
int64_t search_index_make(struct store *s, int64_t account, int state);

struct search_mark { /* messages of a mailbox below `to` are in the index now */
	int64_t mailbox;
	uint32_t from, to;
};
struct search_change {
	int64_t index;
	int64_t segment; /* the new one, 0: none */
	struct search_part part;
	const struct search_mark *marks;
	size_t n_marks;
	const int64_t *merged; /* segments that the new one takes the place of */
	size_t n_merged;
};
/* DENY: the index was changed meanwhile; nothing was done. */
NODISCARD enum result search_change(struct store *s, const struct search_change *c);
/* A segment to be filled; 0: it cannot. */
int64_t search_segment_begin(struct store *s, int64_t index);
/* It will never be finished. */
void search_segment_drop(struct store *s, int64_t segment);
struct search_sealed {
	int64_t id;
	struct slice octets;
};
NODISCARD enum result search_pages_put(struct store *s, const struct search_sealed *v, size_t n);
/* The index that was being built takes the place of the one that serves. */
NODISCARD enum result search_promote(struct store *s, int64_t account);
NODISCARD enum result search_index_remove(struct store *s, int64_t index);
/* Takes some pages of a dead segment away; false when there is none. */
bool search_tidy_some(struct store *s);

/* ---- batches (search_batch.c) ---- */

struct search_work {
	struct store *store;
	_Atomic bool *ending;
	_Atomic uint64_t *arrived; /* messages, all accounts */
};
/* Takes what is due, at most one segment's worth. *more_out: something is left. */
NODISCARD enum result search_batch(
    const struct search_work *w, int64_t account, int64_t index, bool *more_out);
/* Merges some segments when there are too many small ones, or (`loose`) one with many dead docs. */
NODISCARD enum result search_merge(
    const struct search_work *w, int64_t account, int64_t index, bool loose, bool *more_out);
/* Messages that are due, an upper bound. */
uint64_t search_due_count(struct db *db, int64_t account, int64_t index);

/* ---- the uids of emails (search_boxes.c) ---- */

struct search_boxes;
struct search_boxes *search_boxes_new(void);
void search_boxes_free(struct search_boxes *b);
/* Adds the UIDs under which a mailbox has these emails (sorted), ascending; some may be gone meanwhile. */
void search_boxes_uids(struct search_boxes *b, struct db *db, int64_t mailbox,
    const struct search_list *emails, struct search_list *uids);
/* For each of these emails (sorted) that the mailbox has: its place in the list, and a UID. The callback is short. */
typedef void search_boxes_fn(void *ctx, size_t email, uint32_t uid);
void search_boxes_each(struct search_boxes *b, struct db *db, int64_t mailbox,
    const struct search_list *emails, search_boxes_fn *each, void *ctx);

/* ---- fuzzy needles (search_rank.c) ---- */

struct search_rank {
	struct inspect_fuzzy plan;
	struct search_weighed { /* messages of the mailbox that have some of the parts */
		uint32_t uid;
		uint8_t worth[INSPECT_PARTS];
	} * v;
	size_t n, cap;
};
void search_rank_free(struct search_rank *k);
void search_rank_add(struct search_rank *k, uint32_t uid, const uint8_t worth[INSPECT_PARTS]);
/* Adds the messages of a mailbox that are in the index, below UID `due`. */
NODISCARD enum result search_rank_find(struct store *s, struct db *db, int64_t index, int64_t mailbox,
    uint32_t due, const struct inspect_needle *n, struct search_rank *k);
/*
 * The UIDs, ascending, that have all parts, with their scores: for each part what its place is worth, times its rarity
 * among the `messages` of this mailbox alone (whoever may read only it learns nothing of others).
 */
void search_rank_scores(
    struct search_rank *k, uint64_t messages, struct search_list *uids, struct search_list *scores);
struct search_boxes *search_boxes_of(struct search *x);
struct tasks *search_tasks_of(struct search *x);

/* ---- finding in a mailbox (find.c) ---- */

struct search_question {
	struct store *store;
	int64_t mailbox;
	struct runs only; /* of what is read, not more than these UIDs; none: all */
	unsigned n;
	struct inspect_needle needles[LIMIT_SEARCH_NEEDLES];
	bool fuzzy
	    [LIMIT_SEARCH_NEEDLES]; /* asked for, and possible: words to look for in what the index has */
	struct search_rank rank[LIMIT_SEARCH_NEEDLES];
	uint64_t messages; /* in the mailbox */
	/* For each needle: the UIDs, ascending; for fuzzy ones their scores. */
	struct search_list uids[LIMIT_SEARCH_NEEDLES], scores[LIMIT_SEARCH_NEEDLES];
};
/* n is at most LIMIT_SEARCH_NEEDLES; the needle's texts stay with the caller. */
void search_question_add(struct search_question *q, const struct inspect_needle *needle, bool fuzzy);
/* GONE: there is no such mailbox; LATER: the store or scan cannot now. */
NODISCARD enum result search_question_ask(struct search_question *q);
/* And the runs. */
void search_question_free(struct search_question *q);

#endif
