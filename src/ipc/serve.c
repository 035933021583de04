/* The answering side: channels in an epoll set, worker threads, turns. */
#include "ipc/packet.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TURN_ARENA ((size_t)64 * 1024 * 1024)
#define ANSWER_WAIT_MS (10 * SECOND_MS)

struct ipc_server {
	ipc_handler *const *handlers;
	void *context;
	int epoll;
	pthread_mutex_t lock; /* of the list */
	struct ipc_conn *conns;
};

/*
 * A channel is armed (EPOLLONESHOT) only while no turn of it is in hand, so one thread at a time owns it; the thread
 * that finds it closed frees it.
 */
struct ipc_conn {
	struct ipc_server *server;
	int fd;
	enum ipc_peer peer;
	bool listening;
	_Atomic bool ending;
	_Atomic unsigned
	    armed; /* what one thread did before arming, the thread that takes it up next can see */
	void *data;
	void (*ended)(void *data);
	struct ipc_conn *next, **link; /* in the server's list */
};

void *ipc_server_context(const struct ipc_turn *t)
{
	return t->conn->server->context;
}

enum ipc_peer ipc_conn_peer(const struct ipc_conn *c)
{
	return c->peer;
}

uid_t ipc_conn_uid(const struct ipc_conn *c)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	return getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 ? peer.uid : (uid_t)-1;
}

void *ipc_conn_data(const struct ipc_conn *c)
{
	return c->data;
}

void ipc_conn_bind(struct ipc_conn *c, void *data, void (*ended)(void *data))
{
	c->data = data;
	c->ended = ended;
}

static void conn_free(struct ipc_conn *c)
{
	pthread_mutex_lock(&c->server->lock);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	pthread_mutex_unlock(&c->server->lock);
	if (c->ended)
		c->ended(c->data);
	fd_close(&c->fd);
	free(c);
}

/* Waits for the channel's next ask; the conn is not touched after this. */
static void conn_arm(struct ipc_conn *c, int operation)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = c};
	int epoll = c->server->epoll, fd = c->fd;
	atomic_fetch_add_explicit(&c->armed, 1, memory_order_release);
	if (epoll_ctl(epoll, operation, fd, &e) != 0)
		conn_free(c);
}

static struct ipc_conn *conn_new(struct ipc_server *s, int fd, enum ipc_peer peer)
{
	struct ipc_conn *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->server = s;
	c->fd = fd;
	c->peer = peer;
	pthread_mutex_lock(&s->lock);
	c->next = s->conns;
	c->link = &s->conns;
	if (c->next)
		c->next->link = &c->next;
	s->conns = c;
	pthread_mutex_unlock(&s->lock);
	return c;
}

void ipc_server_add(struct ipc_server *s, int fd, enum ipc_peer peer, void *data, void (*ended)(void *data),
    struct ipc_conn **conn_out)
{
	struct ipc_conn *c = conn_new(s, fd, peer);
	c->data = data;
	c->ended = ended;
	if (conn_out)
		*conn_out = c;
	conn_arm(c, EPOLL_CTL_ADD);
}

void ipc_server_listen(struct ipc_server *s, int fd, enum ipc_peer peer)
{
	struct ipc_conn *c = conn_new(s, fd, peer);
	c->listening = true;
	conn_arm(c, EPOLL_CTL_ADD);
}

void ipc_conn_end(struct ipc_conn *c)
{
	atomic_store(&c->ending, true);
	shutdown(c->fd, SHUT_RD);
}

bool ipc_note(struct ipc_conn *c, enum ipc_note note)
{
	struct packet_header h = {.ask = (uint16_t)note, .flags = PACKET_NOTE};
	return packet_send(c->fd, h, SLICE_NONE, NULL, 0) == OK;
}

void ipc_server_note(struct ipc_server *s, unsigned peers, enum ipc_note note)
{
	pthread_mutex_lock(&s->lock);
	for (struct ipc_conn *c = s->conns; c; c = c->next)
		if (!c->listening && peers & 1u << c->peer)
			ipc_note(c, note);
	pthread_mutex_unlock(&s->lock);
}

/* ---- turns ---- */

static void turn_free(struct ipc_turn *t)
{
	ipc_fds_close(&t->fds);
	arena_free(&t->arena);
	free(t);
}

/* Sends a packet of the answer; a peer that does not read loses its channel. */
static void turn_send(struct ipc_turn *t, enum result r, unsigned flags, const void *msg, struct slice why,
    const struct ipc_fds *fds)
{
	struct packet_header h = {.ask = (uint16_t)t->kind, .result = (uint8_t)r, .flags = (uint8_t)flags};
	enum result sent = msg ? packet_send_message(t->conn->fd, h, msg, fds, ANSWER_WAIT_MS)
			       : packet_send(t->conn->fd, h, why, fds, ANSWER_WAIT_MS);
	if (sent == OK || sent == GONE)
		return;
	EVENT(IPC_BROKEN, KZ("peer", ipc_peer_name(t->conn->peer)),
	    KZ("why", sent == FULL ? "answer too large" : "answer not read"));
	shutdown(t->conn->fd, SHUT_RDWR);
}

static void turn_end(struct ipc_turn *t)
{
	struct ipc_conn *c = t->conn;
	turn_free(t);
	conn_arm(c, EPOLL_CTL_MOD);
}

void ipc_answer_part(struct ipc_turn *t, const void *msg, const struct ipc_fds *fds)
{
	turn_send(t, OK, PACKET_MORE, msg, SLICE_NONE, fds);
}

void ipc_answer(struct ipc_turn *t, const void *msg, const struct ipc_fds *fds)
{
	turn_send(t, OK, 0, msg, SLICE_NONE, fds);
	turn_end(t);
}

void ipc_refuse(struct ipc_turn *t, enum result r, const char *why_fmt, ...)
{
	BUF_LOCAL(why, 4096);
	va_list ap;
	va_start(ap, why_fmt);
	buf_vprintf(&why, why_fmt, ap);
	va_end(ap);
	turn_send(t, r == OK ? BAD : r, 0, NULL, buf_slice(&why), NULL);
	turn_end(t);
}

/* ---- workers ---- */

static void conn_broken(struct ipc_conn *c, const char *why)
{
	EVENT(IPC_BROKEN, KZ("peer", ipc_peer_name(c->peer)), KZ("why", why));
	conn_free(c);
}

/* A channel opened over this one, of the same kind. */
static void handle_open(struct ipc_conn *c, struct ipc_fds *fds)
{
	if (fds->n != 1) {
		ipc_fds_close(fds);
		conn_broken(c, "open without a descriptor");
		return;
	}
	ipc_server_add(c->server, fds->fd[0], c->peer, NULL, NULL, NULL);
	conn_arm(c, EPOLL_CTL_MOD);
}

static void refuse_ask(struct ipc_conn *c, unsigned ask, struct ipc_fds *fds)
{
	EVENT(IPC_REFUSED, KZ("peer", ipc_peer_name(c->peer)), KZ("ask", ipc_ask_name(ask)));
	ipc_fds_close(fds);
	conn_free(c);
}

static void handle_ask(struct ipc_conn *c, struct packet_header h, struct slice body, struct ipc_fds *fds)
{
	const struct ask_info *info = ask_info(h.ask);
	if (!info->name || !(info->who & 1u << c->peer) || h.flags) {
		refuse_ask(c, h.ask, fds);
		return;
	}
	if (h.ask == ASK_OPEN) {
		handle_open(c, fds);
		return;
	}
	ipc_handler *handler = c->server->handlers[h.ask];
	if (!handler) {
		refuse_ask(c, h.ask, fds);
		return;
	}
	struct ipc_turn *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	t->conn = c;
	t->kind = h.ask;
	t->fds = *fds;
	arena_init(&t->arena, TURN_ARENA);
	struct ipc_allocator al = ipc_allocator(&t->arena);
	t->ask = protobuf_c_message_unpack(info->ask, &al.pb, body.n, (const uint8_t *)body.p);
	if (!t->ask) {
		turn_free(t);
		conn_broken(c, "malformed ask");
		return;
	}
	handler(t);
}

static void handle_ready(struct ipc_conn *c)
{
	struct packet_header h;
	struct slice body;
	struct ipc_fds fds;
	if (atomic_load(&c->ending)) {
		conn_free(c);
		return;
	}
	switch (packet_receive(c->fd, true, &h, &body, &fds)) {
	case OK:
		handle_ask(c, h, body, &fds);
		break;
	case LATER:
		conn_arm(c, EPOLL_CTL_MOD);
		break;
	case BAD:
		conn_broken(c, "malformed packet");
		break;
	default:
		conn_free(c);
	}
}

static void handle_accept(struct ipc_conn *c)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		ipc_server_add(c->server, fd, c->peer, NULL, NULL, NULL);
	conn_arm(c, EPOLL_CTL_MOD);
}

static void *worker(void *arg)
{
	struct ipc_server *s = arg;
	for (;;) {
		struct epoll_event e;
		int n = epoll_wait(s->epoll, &e, 1, -1);
		if (n < 0 && errno != EINTR)
			abort();
		if (n <= 0)
			continue;
		struct ipc_conn *c = e.data.ptr;
		atomic_load_explicit(&c->armed, memory_order_acquire);
		if (c->listening)
			handle_accept(c);
		else
			handle_ready(c);
	}
	return NULL;
}

struct ipc_server *ipc_server_new(ipc_handler *const handlers[ASK_MAX], unsigned threads, void *context)
{
	struct ipc_server *s = calloc(1, sizeof *s);
	if (!s || (s->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	s->handlers = handlers;
	s->context = context;
	for (unsigned i = 0; i < threads; i++) {
		pthread_t t;
		if (pthread_create(&t, NULL, worker, s) != 0)
			abort();
		pthread_detach(t);
	}
	return s;
}
