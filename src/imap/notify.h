/*
 * notify: NOTIFY, RFC 5465: events that a client wants to hear of without asking.
 *
 * A session keeps what its client was told of each mailbox that an event group means, and has store watch these mailboxes
 * and the account's names. A note (NOTE_WATCH) is answered by asking what changed; the difference is told. Notes are seen
 * when the session waits for its client, and after each command.
 */
#ifndef IMAP_NOTIFY_H
#define IMAP_NOTIFY_H

#include "fetch.h"
#include "filter.h"
#include "list.h"

enum imap_event {
	IMAP_EVENT_NEW = 1,
	IMAP_EVENT_EXPUNGE = 2,
	IMAP_EVENT_FLAGS = 4,
	IMAP_EVENT_NAME = 8,
	IMAP_EVENT_SUBSCRIPTION = 16,
	IMAP_EVENT_METADATA = 32,
	IMAP_EVENT_SERVER = 64, /* annotations of the server */
};
#define IMAP_EVENTS_OF_MESSAGES (IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE | IMAP_EVENT_FLAGS)

struct imap_event_group {
	struct imap_event_group *next;
	struct imap_filter *filter;
	unsigned events; /* bits of enum imap_event; 0: NONE */
};

/* A mailbox that a group means; or (id 0) a name that is subscribed to and stands for none. */
struct imap_watched {
	uint64_t id;
	char *name;
	unsigned events;
	bool subscribed, noselect, no_access; /* no_access: may be looked up, not read */
	uint32_t uidvalidity, uidnext, messages, unseen;
	uint64_t modseq;
};
struct imap_watched_list {
	struct imap_watched *v; /* by id, then by name */
	size_t n, room;
};

struct imap_notify {
	struct arena arena; /* what the command said */
	struct imap_event_group *groups;
	bool status; /* STATUS of each mailbox at the beginning */
	bool server; /* a group has IMAP_EVENT_SERVER */

	enum { IMAP_SELECTED_NOT, IMAP_SELECTED_AT_ONCE, IMAP_SELECTED_DELAYED } selected;
	unsigned selected_events;
	bool shows; /* new messages of the selected mailbox are shown by `fetch` */
	struct imap_fetch fetch;

	struct imap_watched_list known;
	char *own[2]; /* names that the command in hand changed: no news to its client */
};

/* Behind "NOTIFY", into n->arena. *unknown_out: an event that is not ours was named. */
NODISCARD enum result imap_notify_parse(struct imap_args *p, struct imap_notify *n, bool *unknown_out);

void imap_notify_free(struct imap *s);
/* Begins to watch what s->notify says. FULL: too much. Whatever failed, the caller ends it or begins anew. */
NODISCARD enum result imap_notify_begin(struct imap *s);
/* Watches again what s->notify knows, and tells what changed since. */
NODISCARD enum result imap_notify_again(struct imap *s);
/* What was noted of other mailboxes, before a tagged reply. Not OK: the session must end (BYE was said). */
NODISCARD enum result imap_notify_tell(struct imap *s);
/* The same of everything that may be told while no command is in hand. */
NODISCARD enum result imap_notify_push(struct imap *s);
/* Whether changes of flags in the selected mailbox are told. */
bool imap_notify_flags(const struct imap *s);
/* New messages of the selected mailbox were announced. */
NODISCARD enum result imap_notify_added(struct imap *s, const struct runs *uids);

/* The selected mailbox is about to be left: what its client was told of it is not news afterwards. */
void imap_notify_left(struct imap *s);

/* ---- among the files of notify ---- */

void imap_watched_free(struct imap_watched_list *list);
/* By id, then by name. */
int imap_watched_order(const void *a, const void *b);
/* The events that the groups want of a mailbox. */
unsigned imap_notify_events(const struct imap_notify *n, const Sekisho__Mailbox *m);
/* notify_names.c: LIST for the names that came, went or changed. FULL: too many. */
NODISCARD enum result imap_notify_names(struct imap *s, const struct imap_names *names,
    const struct imap_watched_list *old, const struct imap_watched_list *new);
/* A name as LIST shows it; `old` NULL: it was called so before. */
void imap_notify_put_name(struct imap *s, const struct imap_names *names, struct slice name, const char *old);

#endif
