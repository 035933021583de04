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

struct sessions;

struct login {
	struct sessions *all;
	struct ipc_conn *conn;
	int64_t account;
	char *address; /* the account's primary address */
	enum ipc_peer peer;
	_Atomic bool over; /* its sessions were ended: nothing is answered any more */
	bool noted;        /* a NOTE_MAILBOX is out and STORE_SYNC was not asked since */

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
	bool watches_names, names_changed;
	bool watch_noted; /* a NOTE_WATCH is out and STORE_WATCHED was not asked since */

	struct login *next_account, *next_mailbox;
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *all);
/*
 * Binds a descriptor (taken) to an account. FULL when the account has LIMIT_IMAP_SESSIONS of them.
 */
NODISCARD enum result sessions_add(struct sessions *all, struct ipc_server *server, int fd,
    enum ipc_peer peer, int64_t account, struct slice address);
/* Registers the selected mailbox (0: none) and whose it is: from now on changes are noted. */
void sessions_select(struct login *s, int64_t mailbox, int64_t owner, bool examined);
/* Changes that are committed from now on are noted again. */
void sessions_rearm(struct login *s);
/*
 * What the session watches from now on, in place of what it did: mailboxes, and the names, subscriptions and rights that its
 * account sees. A change of a mailbox costs nothing to those who do not watch it.
 */
void sessions_watch(struct login *s, const uint64_t *mailboxes, size_t n, bool names);
/* What of it changed since this was called last, at most s->n_watches; *names_out: names did. Changes are noted again. */
size_t sessions_watched(struct login *s, int64_t *mailboxes, bool *names_out);
/* Names, subscriptions or rights that an account sees have changed; 0: that anybody may see. */
void sessions_note_names(struct sessions *all, int64_t account, const struct login *by);
/* To those who have it selected or watch it. */
void sessions_note_mailbox(struct sessions *all, int64_t mailbox, const struct login *by);
/* The same for whatever is selected: nobody knows what has changed. */
void sessions_note_all(struct sessions *all);
/* NOTE_END to every session of an account. */
void sessions_end_account(struct sessions *all, int64_t account);
uint64_t sessions_count(struct sessions *all);

#endif
