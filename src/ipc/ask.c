/* The asking side: calls, trunks, channels of a thread. */
#include "ipc/packet.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_WAIT_MS (120 * SECOND_MS)
#define SEND_WAIT_MS (10 * SECOND_MS)
#define NEW_TRUNK_WAIT_MS 200

static void *arena_pb_alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void arena_pb_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

struct ipc_allocator ipc_allocator(struct arena *a)
{
	return (struct ipc_allocator){{arena_pb_alloc, arena_pb_free, a}};
}

void ipc_close(struct ipc *c)
{
	fd_close(&c->fd);
	c->more = false;
}

static enum result broke(struct ipc *c, const char *why)
{
	ipc_close(c);
	c->why = why;
	return GONE;
}

static void set_wait(int fd, int64_t ms)
{
	struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

/* The answer's packet: unpacks it, or keeps the reason. */
static enum result take_answer(
    struct ipc *c, struct packet_header h, struct slice body, struct arena *a, void *answer_out)
{
	c->more = h.flags & PACKET_MORE;
	c->why = "";
	if (h.result != OK) {
		const char *why = arena_z(a, body);
		c->why = why ? why : "";
		return h.result <= STOP ? (enum result)h.result : broke(c, "malformed answer");
	}
	if (!answer_out)
		return OK;
	struct ipc_allocator al = ipc_allocator(a);
	void *msg =
	    protobuf_c_message_unpack(ask_info(h.ask)->answer, &al.pb, body.n, (const uint8_t *)body.p);
	if (!msg)
		return arena_full(a) ? FULL : broke(c, "malformed answer");
	memcpy(answer_out, &msg, sizeof msg);
	return OK;
}

enum result ipc_more(struct ipc *c, struct arena *a, void *answer_out, struct ipc_fds *got)
{
	for (;;) {
		struct packet_header h;
		struct slice body;
		struct ipc_fds fds;
		enum result r = packet_receive(c->fd, false, &h, &body, &fds);
		if (r != OK)
			return broke(c, r == LATER ? "no answer in time" : "the channel broke");
		if (h.flags & PACKET_NOTE) {
			c->notes |= h.ask;
			ipc_fds_close(&fds);
			continue;
		}
		if (got)
			*got = fds;
		else
			ipc_fds_close(&fds);
		return take_answer(c, h, body, a, answer_out);
	}
}

enum result ipc_put(struct ipc *c, enum ipc_ask kind, const void *ask, const struct ipc_fds *send)
{
	c->why = "";
	if (c->fd < 0) {
		c->why = "not connected";
		return GONE;
	}
	struct packet_header h = {.ask = (uint16_t)kind};
	enum result r = packet_send_message(c->fd, h, ask, send, SEND_WAIT_MS);
	if (r == FULL) {
		c->why = "ask too large";
		return FULL;
	}
	return r == OK ? OK : broke(c, "the channel broke");
}

enum result ipc_wait(const struct ipc *c, int64_t ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	return poll(&p, 1, (int)MIN(ms, INT32_MAX)) == 0 ? LATER : OK;
}

enum result ipc_call(struct ipc *c, enum ipc_ask kind, const void *ask, const struct ipc_fds *send,
    struct arena *a, void *answer_out, struct ipc_fds *got)
{
	if (got)
		got->n = 0;
	enum result r = ipc_put(c, kind, ask, send);
	return r == OK ? ipc_more(c, a, answer_out, got) : r;
}

enum result ipc_poll(struct ipc *c)
{
	for (;;) {
		struct packet_header h;
		struct slice body;
		struct ipc_fds fds;
		if (c->fd < 0)
			return GONE;
		enum result r = packet_receive(c->fd, true, &h, &body, &fds);
		if (r == LATER)
			return OK;
		if (r != OK)
			return broke(c, "the channel broke");
		ipc_fds_close(&fds);
		if (!(h.flags & PACKET_NOTE))
			return broke(c, "an answer without an ask");
		c->notes |= h.ask;
	}
}

enum result ipc_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return LATER;
	int room = 4 * LIMIT_IPC_PACKET;
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	set_wait(fds[0], ANSWER_WAIT_MS);
	return OK;
}

enum result ipc_connect(const char *path, struct ipc *c)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	*c = (struct ipc){.fd = -1, .why = ""};
	if (strlen(path) >= sizeof sa.sun_path)
		return BAD;
	memcpy(sa.sun_path, path, strlen(path));
	FD_LOCAL fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return LATER;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
		return errno == EACCES || errno == EPERM ? DENY : GONE;
	set_wait(fd, ANSWER_WAIT_MS);
	c->fd = fd;
	fd = -1;
	return OK;
}

/* ---- trunks ---- */

#define TRUNKS 8 /* a role asks fewer others than this */

struct ipc_trunk {
	pthread_mutex_t lock;
	pthread_cond_t renewed;
	const char *to;
	int fd;
	uint64_t life;
	unsigned index; /* in each thread's table of channels */
};

struct ipc_trunk *ipc_trunk_new(const char *to)
{
	static _Atomic unsigned count;
	struct ipc_trunk *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->renewed, NULL);
	t->to = to;
	t->fd = -1;
	t->index = atomic_fetch_add(&count, 1);
	if (t->index >= TRUNKS)
		abort();
	return t;
}

void ipc_trunk_set(struct ipc_trunk *t, int fd)
{
	pthread_mutex_lock(&t->lock);
	fd_close(&t->fd);
	t->fd = fd;
	t->life++;
	pthread_cond_broadcast(&t->renewed);
	pthread_mutex_unlock(&t->lock);
}

uint64_t ipc_trunk_life(struct ipc_trunk *t)
{
	pthread_mutex_lock(&t->lock);
	uint64_t life = t->life;
	pthread_mutex_unlock(&t->lock);
	return life;
}

static struct timespec in_ms(int64_t ms)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	int64_t ns = end.tv_nsec + ms % 1000 * 1000000;
	end.tv_sec += ms / 1000 + ns / 1000000000;
	end.tv_nsec = ns % 1000000000;
	return end;
}

bool ipc_trunk_wait(struct ipc_trunk *t, uint64_t life, int64_t ms)
{
	struct timespec end = in_ms(ms);
	pthread_mutex_lock(&t->lock);
	while (t->life == life && pthread_cond_timedwait(&t->renewed, &t->lock, &end) == 0)
		continue;
	bool renewed = t->life != life;
	pthread_mutex_unlock(&t->lock);
	return renewed;
}

/* With the lock held: hands `theirs` to the peer over the trunk; false when the trunk is dead. */
static bool send_open(struct ipc_trunk *t, int theirs)
{
	if (t->fd < 0)
		return false;
	struct packet_header h = {.ask = ASK_OPEN};
	struct ipc_fds fds = {.fd = {theirs}, .n = 1};
	if (packet_send(t->fd, h, SLICE_NONE, &fds, SEND_WAIT_MS) == OK)
		return true;
	fd_close(&t->fd);
	return false;
}

enum result ipc_open(struct ipc_trunk *t, struct ipc *c)
{
	*c = (struct ipc){.fd = -1, .why = ""};
	int fds[2];
	if (ipc_pair(fds) != OK)
		return LATER;
	struct timespec end = in_ms(NEW_TRUNK_WAIT_MS);
	pthread_mutex_lock(&t->lock);
	bool sent = send_open(t, fds[1]);
	while (!sent && pthread_cond_timedwait(&t->renewed, &t->lock, &end) == 0)
		sent = send_open(t, fds[1]);
	pthread_mutex_unlock(&t->lock);
	fd_close(&fds[1]);
	if (!sent) {
		fd_close(&fds[0]);
		return LATER;
	}
	c->fd = fds[0];
	return OK;
}

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void thread_channels_free(void *p)
{
	struct ipc *channels = p;
	for (unsigned i = 0; i < TRUNKS; i++)
		ipc_close(&channels[i]);
	free(channels);
}

static void thread_key_new(void)
{
	if (pthread_key_create(&thread_key, thread_channels_free) != 0)
		abort();
}

static struct ipc *thread_channels(void)
{
	pthread_once(&thread_once, thread_key_new);
	struct ipc *channels = pthread_getspecific(thread_key);
	if (channels)
		return channels;
	channels = calloc(TRUNKS, sizeof *channels);
	if (!channels)
		abort();
	for (unsigned i = 0; i < TRUNKS; i++)
		channels[i].fd = -1;
	pthread_setspecific(thread_key, channels);
	return channels;
}

bool ipc_thread_stands(const struct ipc_trunk *t)
{
	return thread_channels()[t->index].fd >= 0;
}

struct ipc *ipc_thread(struct ipc_trunk *t)
{
	struct ipc *c = &thread_channels()[t->index];
	if (c->fd >= 0)
		return c;
	return ipc_open(t, c) == OK ? c : NULL;
}
