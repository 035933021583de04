/*
 * session (imap): what one connection is, and what its verbs share. Inside the room only.
 *
 * Lifetimes: struct imap and its box until the connection ends (or the mailbox is left); everything else in the
 * command's arena, which is reset before each command.
 */
#ifndef IMAP_SESSION_H
#define IMAP_SESSION_H

#include "args.h"
#include "imap.h"
#include "put.h"
#include "runs.h"
#include "uidmap.h"

/* Where a session stands, RFC 3501 section 3; bits, for verbs.def. */
enum imap_state { IMAP_NOAUTH = 1, IMAP_AUTH = 2, IMAP_SELECTED = 4, IMAP_START = 8 };
#define IMAP_IN (IMAP_AUTH | IMAP_SELECTED)
#define IMAP_ANY (IMAP_NOAUTH | IMAP_IN)

/* What may be told about the selected mailbox before the tagged reply. EXPUNGE has its rules: RFC 3501 7.4.1. */
enum imap_after { IMAP_AFTER_NOTHING, IMAP_AFTER_SYNC };

enum imap_enabled {
	IMAP_CONDSTORE = 1,
	IMAP_QRESYNC = 2,
	IMAP_UTF8 = 4,        /* names and quoted strings may be UTF-8: by UTF8=ACCEPT or IMAP4rev2 */
	IMAP_UTF8_ACCEPT = 8, /* RFC 6855 */
	IMAP_REV2 = 16,       /* RFC 9051 */
	IMAP_UIDONLY = 32,    /* RFC 9586: sequence numbers are not used */
};

struct imap;
typedef enum result imap_verb_fn(struct imap *s, struct imap_args *p);
struct imap_verb {
	struct slice name;
	unsigned states;
	enum imap_after after;
	imap_verb_fn *run;
};

/* The selected mailbox, as this client knows it. */
struct imap_box {
	uint64_t id;
	uint32_t uidvalidity;
	uint32_t uidnext; /* UIDs below it were announced or never existed */
	uint64_t modseq;  /* everything up to it was told */
	bool examine;
	bool quiet;      /* never told about */
	char rights[24]; /* of RFC 4314, as letters */
	struct uidmap map;
	char **keywords; /* names of keyword bit 0, 1, ... */
	unsigned keywords_n;
	struct run *recent; /* UIDs that are \Recent here, ascending */
	unsigned recent_n;
	uint64_t own[8]; /* modseqs of our own changes since the last sync: not news */
	unsigned own_n;
	struct run *saved; /* SEARCHRES: UIDs of the last SEARCH RETURN (SAVE) */
	size_t saved_n;
	struct run *held; /* UIDs that vanished and may not be told yet: SELECTED-DELAYED */
	size_t held_n;
};

struct imap {
	struct session base; /* first */
	const struct imap_service *service;
	struct ipc store; /* bound to the account; fd -1 before login */
	struct arena arena;
	struct buf input; /* the command in hand */
	struct slice tag;
	const struct imap_verb *verb;
	struct imap_literal message; /* APPEND: announced and not yet read */
	bool message_waits;
	struct imap_box *box; /* NULL: none selected */
	char *user;
	char *agent;                /* what the client says of itself (ID); NULL: nothing */
	char *idle_tag;             /* NULL: not in IDLE */
	struct imap_notify *notify; /* NULL: no NOTIFY in force */
	enum imap_state state;
	unsigned enabled; /* bits of enum imap_enabled */
	unsigned bad, denied;
	bool secure;
	int64_t since_ms;      /* of the connection, mono */
	bool uid;              /* the command in hand has the UID prefix */
	bool talks;            /* it answers as it goes: no need to say that it goes on */
	int64_t progress_ms;   /* when the client last heard that it goes on, mono */
	struct runs put;       /* UIDs that the command in hand put into the selected mailbox */
	uint32_t limited_from; /* the message limit cut it: lowest UID that was done; 0: not */
	uint16_t port;
	char ip[46];
};

/* ---- replies: each ends a verb: return imap_ok(s, "done"); ---- */

/* "tag OK text", after what happened in the mailbox; the result is what the session's loop wants to know. */
enum result imap_ok(struct imap *s, const char *text);
enum result imap_ok_code(struct imap *s, const char *code, const char *text); /* code without brackets */
enum result imap_no(struct imap *s, const char *code, const char *text);      /* code NULL: none */
enum result imap_bad(struct imap *s, const struct imap_args *p);
/* What store (or another role) answered instead of OK, as NO or BAD. `missing` is the code for "does not exist". */
enum result imap_refused(struct imap *s, enum result r, const struct ipc *c, const char *missing);
/* The tag and the code's bracket open, for codes with arguments: put the rest, then imap_ok_end. */
void imap_ok_start(struct imap *s, const char *code);
enum result imap_ok_end(struct imap *s, const char *text);
void imap_bye(struct imap *s, const char *code, const char *text);

/* ---- shared by verbs ---- */

void imap_put_capabilities(struct imap *s);
Sekisho__Client *imap_client(struct imap *s);
/*
 * Asks store on the session's channel; the answer is in the command's arena, or in `a`. An answer that breaks off between
 * its packets breaks the channel: GONE.
 */
enum result imap_ask(struct imap *s, enum ipc_ask kind, const void *ask, void *answer_out);
enum result imap_ask_into(struct imap *s, enum ipc_ask kind, const void *ask, struct arena *a,
    void *answer_out, struct ipc_fds *got);
/* The same for what may take long: the client is told meanwhile that it goes on. */
enum result imap_ask_long(
    struct imap *s, enum ipc_ask kind, const void *ask, struct arena *a, void *answer_out);
/* RFC 9585: says that the command in hand is being worked on, when nothing was said for a while. Between answers only. */
void imap_progress(struct imap *s);
/* The next packet, while s->store.more. `a` NULL: the command's arena. */
enum result imap_ask_more(struct imap *s, struct arena *a, void *answer_out, struct ipc_fds *got);
void imap_enter(struct imap *s, struct ipc *channel, const char *user); /* logged in */

/* box.c */
void imap_box_free(struct imap *s);
/* The command in hand put these UIDs into the selected mailbox. */
void imap_box_put(struct imap *s, uint32_t first, uint32_t last);
/* Takes over a list of keyword names, and tells the client when it grew, or at any rate. */
void imap_box_keywords(struct imap *s, char *const *names, size_t n, bool tell);
/* "* 7 FETCH (", or what UIDONLY has instead. */
void imap_put_fetch_start(struct imap *s, uint32_t seq, uint32_t uid);
#define IMAP_UIDREQUIRED "[UIDREQUIRED] Only UIDs are in use"
void imap_put_flags(struct imap *s, uint32_t uid, uint32_t system, uint64_t keywords); /* "(\Seen $x)" */
/* The set a command named, as UIDs that exist here: sequence numbers or (UID prefix) UIDs, or "$". False: BAD was said. */
bool imap_box_set(struct imap *s, struct imap_args *p, struct runs *set_out);
bool imap_box_resolve(struct imap *s, const struct runs *set, bool uids, struct runs *uids_out);
/* RFC 9738: leaves the newest messages of a set, as many as one command may be about; true when it had more. */
bool imap_box_limit(struct imap *s, struct runs *uids);
bool imap_box_recent(const struct imap_box *box, uint32_t uid);
uint32_t imap_box_recent_count(const struct imap_box *box); /* of those that are still there */
void imap_box_add_recent(struct imap_box *box, uint32_t first, uint32_t last);
/* struct runs as the list of Run that asks carry. */
Sekisho__Run **imap_runs_pack(struct arena *a, const struct runs *r);
/* Adds a list of Run as an answer brings it; what makes no sense is left out. False when the arena is full. */
bool imap_runs_take(struct arena *a, Sekisho__Run *const *v, size_t n, struct runs *into);
/* Keywords as asks carry them; NULL when the arena is full. */
char **imap_keywords_pack(struct arena *a, const struct imap_flags *f);

/* acl.c */
void imap_put_myrights(struct imap *s, struct slice mailbox, const char *rights);

/* select.c */
/* Makes s->box of a mailbox that is looked into and never told about: what happens in it is not news to this client. */
NODISCARD enum result imap_box_peek(struct imap *s, struct slice name);
/* After that: s->box is selected again in store, where it has this name. GONE: it is not there any more. */
NODISCARD enum result imap_box_again(struct imap *s, struct slice name);

/* notify.c: the command in hand changes these names, which is no news to its client. */
void imap_notify_own(struct imap *s, struct slice from, struct slice to);

/* sync.c */
/* "* BYE", for the selected mailbox is not there any more: STOP. */
enum result imap_sync_gone(struct imap *s);
/* Asks what happened and tells it; nothing unless a note came. Not OK: the session must end (BYE was said). */
enum result imap_sync(struct imap *s);
/*
 * QRESYNC: VANISHED (EARLIER) and, if `flags`, the changes since a modseq, of the UIDs in `only` (NULL: all), without
 * disturbing what is to be told later.
 */
enum result imap_sync_since(struct imap *s, uint64_t since, const struct runs *only, bool flags);
/* The same when no command was given: `hold` keeps back that messages vanished until imap_sync. */
enum result imap_sync_unasked(struct imap *s, bool hold);
void imap_put_exists(struct imap *s); /* and RECENT */
/* A command that enables CONDSTORE, RFC 7162 3.1: from now on changes show their modseq. */
void imap_sync_condstore(struct imap *s);
/* A change of our own: what comes back with this modseq is not news. */
void imap_sync_own(struct imap_box *box, uint64_t modseq, bool note_pending);
void imap_sync_vanished(struct imap *s, const struct runs *uids);
enum result imap_sync_keywords(struct imap *s); /* a row had a keyword we have no name for */
void imap_put_change(struct imap *s, const Sekisho__Change *c, bool flags, bool uid, bool modseq);

#endif
