#include "store/sessions.h"
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 4096
#define WATCH_BUCKETS 65536

struct watch {
	struct login *session;
	int64_t mailbox; /* 0: the server's annotations */
	bool metadata;   /* its annotations, else its messages */
	bool changed;
	uint64_t since; /* annotations that were told */
	struct watch *next, **at;
};

struct sessions {
	pthread_mutex_t lock;
	uint64_t count;
	bool tick_due, names_due; /* names_due: what anybody may see has changed */
	struct login *accounts[BUCKETS], *mailboxes[BUCKETS];
	struct watch *watches[WATCH_BUCKETS];
};

static size_t bucket(int64_t id)
{
	return ((uint64_t)id * 0x9e3779b97f4a7c15u) >> 52;
}

static size_t watch_bucket(int64_t id)
{
	return ((uint64_t)id * 0x9e3779b97f4a7c15u) >> 48;
}

struct sessions *sessions_new(void)
{
	struct sessions *all = calloc(1, sizeof *all);
	if (!all)
		abort();
	/* Recursive: a channel that cannot be added ends inside sessions_add. */
	pthread_mutexattr_t how;
	pthread_mutexattr_init(&how);
	pthread_mutexattr_settype(&how, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&all->lock, &how);
	pthread_mutexattr_destroy(&how);
	return all;
}

void sessions_free(struct sessions *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

uint64_t sessions_count(struct sessions *all)
{
	pthread_mutex_lock(&all->lock);
	uint64_t n = all->count;
	pthread_mutex_unlock(&all->lock);
	return n;
}

static void leave_mailbox(struct login *s)
{
	if (!s->selected)
		return;
	struct login **at = &s->all->mailboxes[bucket(s->selected)];
	while (*at != s)
		at = &(*at)->next_mailbox;
	*at = s->next_mailbox;
	s->selected = 0;
}

static void leave_account(struct login *s)
{
	struct login **at = &s->all->accounts[bucket(s->account)];
	while (*at != s)
		at = &(*at)->next_account;
	*at = s->next_account;
	s->all->count--;
}

static void leave_watch(struct watch *w)
{
	if (!w->at)
		return;
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	w->at = NULL;
	w->changed = false;
}

static void leave_watches(struct login *s)
{
	for (size_t i = 0; i < s->n_watches; i++)
		leave_watch(&s->watches[i]);
	free(s->watches);
	s->watches = NULL;
	s->n_watches = 0;
}

static void ended(void *data)
{
	struct login *s = data;
	struct sessions *all = s->all;
	pthread_mutex_lock(&all->lock);
	leave_mailbox(s);
	leave_watches(s);
	leave_account(s);
	pthread_mutex_unlock(&all->lock);
	if (s->unstage)
		s->unstage(s);
	free(s->address);
	free(s);
}

static unsigned count_account(const struct sessions *all, int64_t account)
{
	unsigned n = 0;
	for (const struct login *s = all->accounts[bucket(account)]; s; s = s->next_account)
		n += s->account == account;
	return n;
}

enum result sessions_add(struct sessions *all, struct ipc_server *server, int fd, enum ipc_peer peer,
    int64_t account, struct slice address, uint64_t credential, const struct signin_context *context)
{
	struct login *s = calloc(1, sizeof *s);
	if (!s || !(s->address = strndup(address.p ? address.p : "", address.n)))
		abort();
	s->all = all;
	s->account = account;
	s->credential = credential;
	s->peer = peer;
	if (context)
		s->context = *context;
	pthread_mutex_lock(&all->lock);
	if (count_account(all, account) >= LIMIT_IMAP_SESSIONS) {
		pthread_mutex_unlock(&all->lock);
		free(s->address);
		free(s);
		fd_close(&fd);
		return FULL;
	}
	s->next_account = all->accounts[bucket(account)];
	all->accounts[bucket(account)] = s;
	all->count++;
	/* Under the lock: a note needs conn, and the channel may end at once, which then waits for us. */
	ipc_server_add(server, fd, peer, s, ended, &s->conn);
	pthread_mutex_unlock(&all->lock);
	return OK;
}

/* With the lock. */
static void note_watch(struct login *s)
{
	if (!s->watch_noted)
		s->watch_noted = ipc_note(s->conn, NOTE_WATCH);
}

static void note_changed(struct watch *w)
{
	w->changed = true;
	note_watch(w->session);
}

static struct watch *find_watch(const struct login *s, int64_t mailbox, bool metadata)
{
	struct watch *w = s->n_watches ? s->all->watches[watch_bucket(mailbox)] : NULL;
	while (w && !(w->session == s && w->mailbox == mailbox && w->metadata == metadata))
		w = w->next;
	return w;
}

void sessions_select(struct login *s, int64_t mailbox, int64_t owner, bool examined)
{
	pthread_mutex_lock(&s->all->lock);
	/* What happened since the session looked last was noted as that of the selected mailbox. */
	struct watch *left = s->selected ? find_watch(s, s->selected, false) : NULL;
	if (left && s->selected != mailbox)
		note_changed(left);
	leave_mailbox(s);
	s->noted = false;
	s->examined = examined;
	s->selected_owner = owner;
	if (mailbox) {
		s->selected = mailbox;
		s->next_mailbox = s->all->mailboxes[bucket(mailbox)];
		s->all->mailboxes[bucket(mailbox)] = s;
	}
	pthread_mutex_unlock(&s->all->lock);
}

void sessions_rearm(struct login *s)
{
	pthread_mutex_lock(&s->all->lock);
	s->noted = false;
	pthread_mutex_unlock(&s->all->lock);
}

static void add_watch(struct login *s, uint64_t mailbox, bool metadata)
{
	struct watch **at = &s->all->watches[watch_bucket((int64_t)mailbox)];
	struct watch *w = &s->watches[s->n_watches++];
	*w = (struct watch){
	    .session = s, .mailbox = (int64_t)mailbox, .metadata = metadata, .next = *at, .at = at};
	if (*at)
		(*at)->at = &w->next;
	*at = w;
}

void sessions_watch(struct login *s, const Sekisho__WatchAsk *ask)
{
	struct watch *v = calloc(ask->n_mailboxes + ask->n_metadata + 1, sizeof *v);
	if (!v)
		abort();
	pthread_mutex_lock(&s->all->lock);
	leave_watches(s);
	s->watches = v;
	s->watches_names = ask->names;
	s->watches_others = ask->names && ask->others;
	s->names_changed = s->watch_noted = false;
	for (size_t i = 0; i < ask->n_mailboxes; i++)
		add_watch(s, ask->mailboxes[i], false);
	for (size_t i = 0; i < ask->n_metadata; i++)
		add_watch(s, ask->metadata[i], true);
	if (ask->server)
		add_watch(s, 0, true);
	pthread_mutex_unlock(&s->all->lock);
}

void sessions_unwatch(struct login *s, size_t at)
{
	pthread_mutex_lock(&s->all->lock);
	leave_watch(&s->watches[at]);
	pthread_mutex_unlock(&s->all->lock);
}

void sessions_told_metadata(struct login *s, size_t at, uint64_t modseq)
{
	pthread_mutex_lock(&s->all->lock);
	s->watches[at].since = MAX(s->watches[at].since, modseq);
	pthread_mutex_unlock(&s->all->lock);
}

void sessions_set_metadata(struct login *s, int64_t mailbox, uint64_t modseq)
{
	pthread_mutex_lock(&s->all->lock);
	struct watch *w = find_watch(s, mailbox, true);
	if (w && !w->changed)
		w->since = MAX(w->since, modseq);
	pthread_mutex_unlock(&s->all->lock);
}

size_t sessions_watched(struct login *s, struct watch_news *out, bool *names_out)
{
	size_t n = 0;
	pthread_mutex_lock(&s->all->lock);
	for (size_t i = 0; i < s->n_watches; i++) {
		struct watch *w = &s->watches[i];
		if (w->changed)
			out[n++] = (struct watch_news){w->mailbox, w->metadata, w->since, i};
		w->changed = false;
	}
	*names_out = s->names_changed;
	s->names_changed = s->watch_noted = false;
	pthread_mutex_unlock(&s->all->lock);
	return n;
}

/* With the lock. */
static void watch_again(struct login *s)
{
	for (size_t i = 0; i < s->n_watches; i++)
		s->watches[i].changed = s->watches[i].at != NULL;
	s->names_changed = s->watches_names;
	note_watch(s);
}

void sessions_watch_again(struct login *s)
{
	pthread_mutex_lock(&s->all->lock);
	watch_again(s);
	pthread_mutex_unlock(&s->all->lock);
}

static void note_names(struct login *s)
{
	if (!s->watches_names)
		return;
	s->names_changed = true;
	s->all->tick_due = true;
	if (s->watch_noted || s->names_told >= LIMIT_NAMES_TOLD)
		return;
	s->names_told += MAX(s->n_watches, (size_t)100);
	note_watch(s);
}

void sessions_note_names(struct sessions *all, int64_t account)
{
	pthread_mutex_lock(&all->lock);
	all->names_due |= !account;
	all->tick_due |= !account;
	for (struct login *s = account ? all->accounts[bucket(account)] : NULL; s; s = s->next_account)
		if (s->account == account)
			note_names(s);
	pthread_mutex_unlock(&all->lock);
}

void sessions_tick(struct sessions *all)
{
	pthread_mutex_lock(&all->lock);
	for (size_t i = all->tick_due ? 0 : BUCKETS; i < BUCKETS; i++)
		for (struct login *s = all->accounts[i]; s; s = s->next_account) {
			s->names_told = 0;
			s->names_changed |= all->names_due && s->watches_others;
			if (s->names_changed)
				note_watch(s);
		}
	all->tick_due = all->names_due = false;
	pthread_mutex_unlock(&all->lock);
}

void sessions_note_metadata(struct sessions *all, int64_t mailbox, int64_t account, const struct login *by)
{
	pthread_mutex_lock(&all->lock);
	for (struct watch *w = all->watches[watch_bucket(mailbox)]; w; w = w->next)
		if (w->mailbox == mailbox && w->metadata && w->session != by &&
		    (!account || w->session->account == account))
			note_changed(w);
	pthread_mutex_unlock(&all->lock);
}

/* A channel that cannot take a note now is so full of answers that it will ask soon; it is told then. */
void sessions_note_mailbox(struct sessions *all, int64_t mailbox, const struct login *by)
{
	pthread_mutex_lock(&all->lock);
	for (struct login *s = all->mailboxes[bucket(mailbox)]; s; s = s->next_mailbox)
		if (s->selected == mailbox && s != by && !s->noted && s->peer == PEER_IMAP)
			s->noted = ipc_note(s->conn, NOTE_MAILBOX);
	for (struct watch *w = all->watches[watch_bucket(mailbox)]; w; w = w->next)
		/* What is selected is told of as such. */
		if (w->mailbox == mailbox && !w->metadata && w->session != by &&
		    w->session->selected != mailbox)
			note_changed(w);
	pthread_mutex_unlock(&all->lock);
}

void sessions_note_all(struct sessions *all)
{
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct login *s = all->mailboxes[i]; s; s = s->next_mailbox)
			if (!s->noted && s->peer == PEER_IMAP)
				s->noted = ipc_note(s->conn, NOTE_MAILBOX);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct login *s = all->accounts[i]; s; s = s->next_account)
			if (s->watches_names)
				watch_again(s);
	pthread_mutex_unlock(&all->lock);
}

void sessions_end_account(struct sessions *all, int64_t account)
{
	pthread_mutex_lock(&all->lock);
	for (struct login *s = all->accounts[bucket(account)]; s; s = s->next_account) {
		if (s->account != account)
			continue;
		s->over = true;
		ipc_note(s->conn, NOTE_END);
	}
	pthread_mutex_unlock(&all->lock);
}
