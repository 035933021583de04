/*
 * ferry: mail on its way into an account and out of it. The one door of the room.
 *
 *   ferry.c      connections to the store, batches on their way, what the administrator is told
 *   names.c      folder names: Maildir++, nested folders, modified UTF-7, names that cannot be
 *   text.c       line ends, compressed files, mbox quoting, fields of mbox programs (pure)
 *   maildir.c mbox.c eml.c remote.c      where mail comes from
 *   export.c export_maildir.c export_mbox.c export_eml.c      and goes to
 *
 * A message is taken once: the store keeps a keyed hash of its name at the source, written in the transaction that adds it.
 * So an import may be ended at any instant and repeated; what is there already is passed over. Sources are read one
 * message at a time; memory does not grow with the mailbox, but for 16 octets a message of an mbox file.
 *
 * One thread calls; another hands batches to the store meanwhile. Callbacks of the watch come from either, one at a time.
 *
 * Results: OK, also when single messages were refused (they were reported and are counted as failed); otherwise why says
 * what ended it.
 */
#ifndef FERRY_H
#define FERRY_H

#include "base/base.h"
#include "imapc/imapc.h"

struct ferry_counts {
	uint64_t taken, known, failed; /* messages; export: taken are those written */
	uint64_t octets;               /* of the messages taken */
	uint64_t messages, all_octets; /* that there are, as far as it is known; 0: it is not */
	uint64_t octets_done;          /* of all_octets */
	int64_t started_ms;            /* monotonic */
};
struct ferry_watch {
	/* Now and then, after some messages. */
	void (*progress)(void *arg, const struct ferry_counts *n);
	/* A message (or a part of one, or a folder) that could not be taken as it is. */
	void (*problem)(void *arg, const char *where, const char *why);
	void *arg;
};

struct ferry;
/* socket: the administrator's, of the running server. GONE: it is not there, or there is no such account. */
NODISCARD enum result ferry_open(const char *socket, const char *address, const struct ferry_watch *watch,
    struct buf *why, struct ferry **out);
void ferry_close(struct ferry *f);
const char *ferry_why(struct ferry *f);
const struct ferry_counts *ferry_counts(const struct ferry *f);

/* `into` is the mailbox that the source's inbox becomes, its folders below it; NULL: INBOX, folders as they are named. */
NODISCARD enum result ferry_from_maildir(struct ferry *f, const char *path, const char *into);
NODISCARD enum result ferry_from_mbox(struct ferry *f, const char *path, const char *into);
NODISCARD enum result ferry_from_eml(struct ferry *f, const char *path, const char *into);
/* The client is logged in; `name` tells sources apart (user@host). */
NODISCARD enum result ferry_from_imap(struct ferry *f, struct imapc *c, const char *name, const char *into);

/* folder: NULL for all. The path must not exist yet, or be an empty directory. */
NODISCARD enum result ferry_to_maildir(struct ferry *f, const char *path, const char *folder);
NODISCARD enum result ferry_to_mbox(struct ferry *f, const char *path, const char *folder);
NODISCARD enum result ferry_to_eml(struct ferry *f, const char *path, const char *folder);

#endif
