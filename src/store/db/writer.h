/*
 * writer: the one thread that changes the database.
 *
 * A job is prepared by any thread (bytes read, checked, compressed, sealed, written to a segment) and put here. The
 * writer takes what waits, at most WRITER_GROUP jobs, and makes one transaction of it:
 *
 *     flush bodies, beside that apply each job, each taken back alone when it fails  ->  commit
 *     -> notes and done() of jobs that need no flush  ->  flush the log  ->  notes and done() of the others
 *
 * apply() runs on the writer thread; it uses nothing but the database, its job and the writer_* calls below. done() runs
 * once, after everything it reports has happened; it answers and frees the job, and must not wait for anybody.
 *
 * When the log cannot be flushed nobody knows what the disk holds: the writer refuses everything from then on (GONE) and
 * tells its owner, whose process ends and starts over from what is really there.
 */
#ifndef STORE_DB_WRITER_H
#define STORE_DB_WRITER_H

#include "store/db/db.h"
#include "store/nodes.h"

#define WRITER_GROUP 256

struct store;
struct login;

struct job {
	struct job *next;
	enum result (*apply)(struct job *j, struct db *db);
	void (*done)(struct job *j, enum result r);
	struct store *store;
	bool durable; /* done() only after a flush */
	bool bodies;  /* refers to bodies written before it was put */
	enum result result;
};

struct writer;
struct writer *writer_new(struct store *store, struct db *db);
/* Finishes what was put and ends the thread. */
void writer_free(struct writer *w);
void writer_put(struct writer *w, struct job *j);
/* Puts a job whose done is NULL and waits for its result. Not from the writer thread, not from done(). */
NODISCARD enum result writer_wait(struct writer *w, struct job *j);
bool writer_is_broken(const struct writer *w);

/* ---- inside apply() ---- */

/* Once the group is committed there may be cards to be made of this mailbox (cards.h). */
void writer_cards(struct writer *w, int64_t mailbox);

enum sequence {
	SEQUENCE_ACCOUNT,
	SEQUENCE_MAILBOX,
	SEQUENCE_EMAIL,
	SEQUENCE_BLOB,
	SEQUENCE_QUEUE,
	SEQUENCE_TRACE,
	SEQUENCE_SEARCH,
	SEQUENCE_TOKEN,
	SEQUENCE_PEOPLE,
	SEQUENCE_SIGNIN,
	SEQUENCE_INCIDENT,
	SEQUENCE_ALARM,
	SEQUENCES
};
struct store *writer_store(const struct writer *w);
/* A number that was never given before, ascending. */
int64_t writer_number(struct writer *w, enum sequence s);
/* The account's next modification sequence. */
uint64_t writer_modseq(struct writer *w, struct db *db, int64_t account);
/* Sessions that have this mailbox selected, but for `by`, get a note once the job is committed. */
void writer_touch(struct writer *w, int64_t mailbox, const struct login *by);
/*
 * Names, subscriptions or rights of this account's mailboxes have changed: whoever may see them gets a note once the job is
 * committed.
 */
void writer_names(struct writer *w, int64_t account);
/*
 * Annotations of this mailbox (0: of the server) have changed: what all see, or (account not 0) what one account sees. Its
 * sessions but for `by` get a note.
 */
void writer_metadata(struct writer *w, int64_t mailbox, int64_t account, const struct login *by);
/*
 * Other nodes hear of it once the job is committed (nodes.h); of these they hear by the three above. NODE_END ends the
 * sessions of an account here too.
 */
void writer_tell(struct writer *w, enum node_word word, int64_t id);

#endif
