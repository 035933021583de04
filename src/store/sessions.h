/*
 * sessions: the channels of logged-in users, and who has which mailbox selected.
 *
 * A session is made at login and bound to its channel; it carries the account, so that no later ask names one. The
 * fields after `conn` belong to the channel's turn in hand (ipc hands out one at a time); the lists and `noted` are
 * under the lock of struct sessions.
 */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "ipc/ipc.h"
#include "store/account/signin_context.h"

struct sessions;

struct login {
	struct sessions *all;
	struct ipc_conn *conn;
	int64_t account;
	char *address;       /* the account's primary address */
	uint64_t credential; /* what opened it: ipc/grant.h */
	enum ipc_peer peer;
	struct signin_context context; /* where it signed in from */
	_Atomic bool over;             /* its sessions were ended: nothing is answered any more */
	bool noted;                    /* a NOTE_MAILBOX is out and STORE_SYNC was not asked since */

	int64_t selected;       /* mailbox, 0: none */
	int64_t selected_owner; /* whose it is */
	bool examined;

	/* Messages of an APPEND under way (mailbox_append.c); `unstage` lets them go, NULL: there never were any. */
	struct incoming *staged, *staged_last;
	unsigned staged_n;
	uint64_t staged_octets;
	void (*unstage)(struct login *s);

	/* What it watches, beside the selected mailbox. All under the lock. */
	struct watch *watches;
	size_t n_watches;
	bool watches_names, watches_others; /* as in WatchAsk */
	bool names_changed;
	bool watch_noted;  /* a NOTE_WATCH is out and STORE_WATCHED was not asked since */
	size_t names_told; /* mailboxes to be listed since the last tick, because names changed */

	struct login *next_account, *next_mailbox;
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *all);
/*
 * Binds a descriptor (taken) to an account; context NULL: nothing is known of where it comes from. FULL when the account
 * has LIMIT_IMAP_SESSIONS of them.
 */
NODISCARD enum result sessions_add(struct sessions *all, struct ipc_server *server, int fd,
    enum ipc_peer peer, int64_t account, struct slice address, uint64_t credential,
    const struct signin_context *context);
/* Registers the selected mailbox (0: none) and whose it is: from now on changes are noted. */
void sessions_select(struct login *s, int64_t mailbox, int64_t owner, bool examined);
/* Changes that are committed from now on are noted again. */
void sessions_rearm(struct login *s);
/*
 * What the session watches from now on, in place of what it did. A change of a mailbox costs nothing to those who do not
 * watch it.
 */
void sessions_watch(struct login *s, const Sekisho__WatchAsk *ask);
/* No more of one mailbox. `at`: place among what it watches, here and below. */
void sessions_unwatch(struct login *s, size_t at);
/* Annotations up to this modseq are no news. */
void sessions_told_metadata(struct login *s, size_t at, uint64_t modseq);
/* The same of what the session set itself, unless others did something too. */
void sessions_set_metadata(struct login *s, int64_t mailbox, uint64_t modseq);
/* What of it changed since this was called last, at most s->n_watches; *names_out: names did. Changes are noted again. */
struct watch_news {
	int64_t mailbox;
	bool metadata; /* annotations: those after `since`; else messages */
	uint64_t since;
	size_t at;
};
size_t sessions_watched(struct login *s, struct watch_news *out, bool *names_out);
/* It could not be told: everything is news again. */
void sessions_watch_again(struct login *s);
/*
 * Names, subscriptions or rights that an account sees have changed. 0: that anybody may see; its watchers hear of it at the
 * next tick. So does a session that has been told of LIMIT_NAMES_TOLD since the last: a listing costs more than a change.
 */
void sessions_note_names(struct sessions *all, int64_t account);
/* Every second. */
void sessions_tick(struct sessions *all);
/* Annotations of a mailbox (0: the server) changed; those of one account are told to its sessions only. */
void sessions_note_metadata(struct sessions *all, int64_t mailbox, int64_t account, const struct login *by);
/* To those who have it selected or watch it. */
void sessions_note_mailbox(struct sessions *all, int64_t mailbox, const struct login *by);
/* The same for whatever is selected: nobody knows what has changed. */
void sessions_note_all(struct sessions *all);
/* NOTE_END to every session of an account. */
void sessions_end_account(struct sessions *all, int64_t account);
uint64_t sessions_count(struct sessions *all);

#endif
