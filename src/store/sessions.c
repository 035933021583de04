#include "store/sessions.h"
#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 4096

struct sessions {
	pthread_mutex_t lock;
	uint64_t count;
	struct login *accounts[BUCKETS], *mailboxes[BUCKETS];
};

static size_t bucket(int64_t id)
{
	return ((uint64_t)id * 0x9e3779b97f4a7c15u) >> 52;
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

static void ended(void *data)
{
	struct login *s = data;
	struct sessions *all = s->all;
	pthread_mutex_lock(&all->lock);
	leave_mailbox(s);
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
    int64_t account, struct slice address)
{
	struct login *s = calloc(1, sizeof *s);
	if (!s || !(s->address = strndup(address.p ? address.p : "", address.n)))
		abort();
	s->all = all;
	s->account = account;
	s->peer = peer;
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

void sessions_select(struct login *s, int64_t mailbox, int64_t owner, bool examined)
{
	pthread_mutex_lock(&s->all->lock);
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

/* A channel that cannot take a note now is so full of answers that it will ask soon; it is told then. */
void sessions_note_mailbox(struct sessions *all, int64_t mailbox, const struct login *by)
{
	pthread_mutex_lock(&all->lock);
	for (struct login *s = all->mailboxes[bucket(mailbox)]; s; s = s->next_mailbox)
		if (s->selected == mailbox && s != by && !s->noted && s->peer == PEER_IMAP)
			s->noted = ipc_note(s->conn, NOTE_MAILBOX);
	pthread_mutex_unlock(&all->lock);
}

void sessions_note_all(struct sessions *all)
{
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct login *s = all->mailboxes[i]; s; s = s->next_mailbox)
			if (!s->noted && s->peer == PEER_IMAP)
				s->noted = ipc_note(s->conn, NOTE_MAILBOX);
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
