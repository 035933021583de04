/*
 * mailbox: mailboxes and their messages, as rows.
 *
 * A mailbox's row carries its counters (messages, unseen, deleted, size, recent), so that STATUS costs one row; every
 * change of a message goes through the calls here, which keep them. The calls with a db run inside apply().
 */
#ifndef STORE_MAILBOX_MAILBOX_H
#define STORE_MAILBOX_MAILBOX_H

#include "store/inside.h"
#include "store/runs.h"

struct box {
	int64_t id, account;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq; /* the highest */
	uint32_t messages, unseen, deleted, recent;
	uint64_t size;
	uint32_t unseen_from; /* every message below it is \Seen */
	uint32_t recent_from; /* UIDs at or above it were told to no session as \Recent */
	bool noselect;
};

/* One message of a mailbox. */
struct entry {
	uint32_t uid;
	uint32_t flags;
	uint64_t keywords, modseq;
	int64_t email, thread, blob;
	int64_t internal_ms, saved_ms;
	uint64_t size;
};

/* False when there is no such mailbox. */
bool box_load(struct db *db, int64_t id, struct box *b);
/* By name, of an account; INBOX in any case. */
int64_t box_find(struct db *db, int64_t account, struct slice name);
void box_save(struct db *db, const struct box *b);
/* Moves unseen_from on when the message there is unseen no more: after flags were set or messages taken out. */
void box_advance(struct db *db, struct box *b);
/* Adds a message: e->uid and e->modseq are set here (the modseq is the caller's when it is not 0). */
void box_add(struct writer *w, struct db *db, struct box *b, struct entry *e);
/* Counts a message of box b in (+1) or out (-1). */
void box_count(struct box *b, const struct entry *e, int by);
/*
 * Takes messages out, logs them under `modseq` and adds them to *vanished (may be NULL). `unref`: their bodies go too;
 * the caller saves the box.
 */
void box_vanish(struct db *db, struct box *b, const struct entry *entries, size_t n, uint64_t modseq,
    bool unref, struct runs *vanished);
/* From a row whose first columns are uid, flags, keywords, modseq, email, thread, blob, internal_ms, saved_ms, size. */
void entry_read(const struct db_rows *rows, struct entry *e);

/*
 * The bits of keyword names in a mailbox, new names getting the next bits. FULL: more than LIMIT_KEYWORDS, or one is
 * longer than LIMIT_KEYWORD.
 */
NODISCARD enum result box_keywords(
    struct db *db, int64_t mailbox, char *const *names, size_t n, uint64_t *bits_out, bool *added_out);
/* The names of bits 0, 1, ... */
void box_keyword_names(struct db *db, int64_t mailbox, struct arena *a, char ***names_out, size_t *n_out);

/* The thread of a message with these reference tokens (the first is its own), joining or starting one. */
int64_t thread_of(struct db *db, int64_t account, int64_t email, const int64_t *tokens, size_t n);
/* Fills at most `most` tokens from facts: the message's id, then its references, the nearest first. */
size_t thread_tokens(const struct store *s, const Sekisho__Facts *facts, int64_t *tokens, size_t most);
#define THREAD_TOKENS 24

/* Makes a mailbox; its id. The name is free, as the caller knows. */
int64_t box_create(struct writer *w, struct db *db, int64_t account, struct slice name,
    const char *special_use, bool noselect);
/* Makes a mailbox of a name that is not there, with the levels above it. DENY: no name for one; FULL: too many. */
NODISCARD enum result box_make(struct writer *w, struct db *db, int64_t account, struct slice name);
/* Takes all its messages and the mailbox away. */
void box_remove(struct writer *w, struct db *db, int64_t mailbox);

#endif
