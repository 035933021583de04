/* inner: what the files of the room share. */
#ifndef FERRY_INNER_H
#define FERRY_INNER_H

#include "ferry/ferry.h"
#include "ipc/ipc.h"
#include "mail/mail.h"
#include <dirent.h>
#include <stdlib.h>

#define FERRY_MESSAGE ((size_t)LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED)
#define FERRY_KEYWORDS LIMIT_KEYWORDS
#define FERRY_KEY 32

struct ferry_batch;
struct ferry {
	const char *socket, *address;
	struct ferry_watch watch;
	struct ferry_counts n;
	struct ipc asking;  /* the administrator's channel of this thread */
	struct ipc session; /* the account's */
	struct arena arena;
	struct buf why;
	struct buf text, other; /* a message being read; its other form */
	char *made;             /* the mailbox that was last seen to */
	struct ferry_batch *filling;
	struct ferry_sender *sender;
	int64_t told_ms;
};

/* A message at its source. Nothing of it is kept after ferry_put. */
struct ferry_message {
	const char *mailbox; /* ferry_mailbox() saw to it */
	uint8_t key[FERRY_KEY];
	uint8_t also[FERRY_KEY];
	bool has_also;
	struct slice body;
	uint32_t flags;
	char *keywords[FERRY_KEYWORDS];
	size_t n_keywords;
	int64_t internal_ms; /* 0: not known */
	const char *where;   /* for people */
};

/* ---- ferry.c ---- */

/* Makes the mailbox when it is missing, subscribed to. */
NODISCARD enum result ferry_mailbox(struct ferry *f, const char *name);
NODISCARD enum result ferry_put(struct ferry *f, const struct ferry_message *m);
/* Everything that was put is durable, or reported. */
NODISCARD enum result ferry_settle(struct ferry *f);
/* Which of n names (at most LIMIT_IMPORT_KEYS) were taken before. */
NODISCARD enum result ferry_known(
    struct ferry *f, const uint8_t (*keys)[FERRY_KEY], size_t n, bool *known_out);
void ferry_problem(struct ferry *f, const char *where, const char *fmt, ...) PRINTF(3, 4);
/* The same for a message, which counts as failed. */
void ferry_refused(struct ferry *f, const char *where, const char *fmt, ...) PRINTF(3, 4);
void ferry_count_known(struct ferry *f, uint64_t n);
void ferry_tell(struct ferry *f, bool now);
NODISCARD enum result ferry_fail(struct ferry *f, enum result r, const char *fmt, ...) PRINTF(3, 4);
/* The name of a message at its source, hashed: parts[] in order. */
void ferry_key(uint8_t out[FERRY_KEY], const struct slice *parts, size_t n);
/* What is held on the source's side of `taken`, for exports. */
void ferry_count_taken(struct ferry *f, uint64_t octets);

/* ---- names.c ---- */

/*
 * A mailbox name that the store takes: `into` and the source's levels, each with its control characters and '/' replaced,
 * empty ones named "_", too many joined, too long ones cut and told apart by a hash. A first level INBOX is the inbox.
 */
void ferry_name(struct buf *out, const char *into, const struct slice *levels, size_t n);
/* Modified UTF-7, also in spellings that no encoder makes ("&AC4-"); what is neither is taken as UTF-8 or Latin-1. */
void ferry_utf7(struct slice name, struct buf *utf8);
/* A level of a mailbox's name as a level of Maildir++, where '.' divides; and as the name of a file. */
void ferry_put_maildir_level(struct buf *out, struct slice level);
void ferry_put_file_name(struct buf *out, struct slice level);
/* Back from a file name: %XX. */
void ferry_get_file_name(struct slice name, struct buf *out);

/* ---- text.c ---- */

/* Whether the first line ends in CRLF: then the text is taken as it is. */
bool ferry_is_wire(struct slice text);
/* Bare LF become CRLF. */
void ferry_to_wire(struct slice text, struct buf *out);
/* CRLF become LF; false (nothing written) when ferry_to_wire would not give the same octets back. */
bool ferry_to_lf(struct slice text, struct buf *out);
/* gzip, zlib or zstd by their first octets: out gets the plain text. GONE: not compressed; BAD: broken; FULL. */
NODISCARD enum result ferry_unpack(struct slice packed, struct buf *out);
/* Letters of Status, X-Status and Maildir's info. */
uint32_t ferry_status_flags(struct slice letters);
uint32_t ferry_info_flags(struct slice letters);
void ferry_put_info(struct buf *out, uint32_t flags);

/* ---- mbox_parse.c ---- */

/* One message of an mbox file; views into it. */
struct mbox_message {
	struct slice from; /* the From_ line without its end */
	struct slice text; /* as it stands there, without the blank line that divides messages */
	bool measured;     /* by Content-Length: nothing in it is quoted */
};
/* Cuts the first message off; false at the end, or (with rest->n) when no message begins here. */
bool mbox_next(struct slice *rest, struct mbox_message *out);
/* The sender's time in a From_ line, taken as UTC; 0: none. */
int64_t mbox_date(struct slice from);
/* Fields that mbox programs add, taken out of the text; what they say goes to *m. */
struct mbox_fields {
	uint32_t flags;
	struct slice keywords; /* divided by blanks; view into the text */
	int64_t internal_ms;   /* 0: not said */
	bool exact;            /* an export of ours: `octets` of wire form */
	uint64_t octets;
	bool internal; /* not a message: what the c-client library keeps in a file */
};
/* Adds the text without those fields, and with one '>' taken from each ">From " line unless it is measured, to out. */
void mbox_message_text(const struct mbox_message *m, struct buf *out, struct mbox_fields *fields);
/* The other way: ">" before every line that is "From " after any number of ">". */
void mbox_put_quoted(struct buf *out, struct slice text);

/* ---- files.c ---- */

/* Reads a file into f->text, uncompressed, and leaves its wire form in *body_out (f->text or f->other). */
NODISCARD enum result ferry_read(
    struct ferry *f, int dir, const char *name, struct slice *body_out, int64_t *mtime_ms_out);
NODISCARD enum result ferry_wire(struct ferry *f, struct slice text, struct slice *body_out);
/* Entries of a directory, sorted, in one block that the caller frees; names are NUL-terminated one after another. */
struct ferry_names {
	char **name;
	size_t n;
};
NODISCARD enum result ferry_list(int dir, struct ferry_names *out);
void ferry_list_free(struct ferry_names *names);

#endif
