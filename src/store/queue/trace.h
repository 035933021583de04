/*
 * trace: what happened to each message, kept for trace_keep_ms.
 *
 * A row holds one or more steps (steps.def) as sealed fields (trace.def), and the tokens it is found by: keyed hashes of
 * the mail id, the addresses, the Message-ID, the subject and its words. Tokens are put into the index behind delivery,
 * in batches (trace_index_some); a search looks into the index and through the rows not yet in it.
 */
#ifndef STORE_QUEUE_TRACE_H
#define STORE_QUEUE_TRACE_H

#include "store/stats.h"

enum trace_tag {
#define X(name, number, json) TRACE_##name = (number),
#include "store/queue/trace.def"
#undef X
};
enum trace_step {
#define X(name, number, json, en, ja) STEP_##name = (number),
#include "store/db/steps.def"
#undef X
};

#define TRACE_TOKENS 64  /* in one row */
#define TRACE_MOST 65536 /* octets of steps in one row; what comes after is left out */

/* A row being written. */
struct trace {
	const struct store *store;
	struct buf steps;
	int64_t tokens[TRACE_TOKENS];
	unsigned n_tokens;
	uint16_t stats[STAT_COUNT]; /* what its steps count for */
};
void trace_start(struct trace *t, const struct store *s, struct slice mail);
void trace_free(struct trace *t);
#define TRACE __attribute__((cleanup(trace_free))) struct trace

void trace_step(struct trace *t, enum trace_step step);
void trace_field(struct trace *t, enum trace_tag tag, struct slice text);
void trace_number(struct trace *t, enum trace_tag tag, uint64_t n);
/* local@domain, also as a token of that kind ("from", "to"). */
void trace_address(struct trace *t, enum trace_tag tag, struct slice local, struct slice domain);
void trace_token(struct trace *t, const char *kind, struct slice text);
void trace_subject(struct trace *t, struct slice subject);

/* "2026-11-21T08:15:00Z" */
void trace_time(struct buf *b, int64_t ms);

/* The sealed row, ready for apply(). */
struct trace_row {
	char mail[32];
	int64_t at, content;
	struct buf tokens, detail;
	struct stats *counter;
	uint16_t stats[STAT_COUNT];
};
void trace_seal(const struct trace *t, struct slice mail, int64_t content, struct trace_row *row);
void trace_row_free(struct trace_row *row);
void trace_apply(struct writer *w, struct db *db, const struct trace_row *row);

/* Opens the detail of a row into out. */
NODISCARD enum result trace_open(
    const struct store *s, struct slice mail, struct slice detail, struct buf *out);

/* Puts up to `most` rows that are not in the index into it; false when none was left. The keeper's. */
bool trace_index_some(struct store *s, unsigned most);
/* Removes up to `most` rows older than trace_keep_ms; false when none was left. */
bool trace_forget_some(struct store *s, unsigned most);
/* Fills the table of recent mail ids. */
void trace_load_recent(struct store *s, struct db *db);

#endif
