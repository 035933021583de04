#include "ipc/packet.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define P(kind) (1u << PEER_##kind)
static const struct ask_info asks[ASK_MAX] = {
#define X(name, number, role, ask, answer, who)                                                              \
	[number] = {#name, &sekisho__##ask##__descriptor, &sekisho__##answer##__descriptor, (who)},
#include "ipc/asks.def"
#undef X
};
#undef P

const struct ask_info *ask_info(unsigned ask)
{
	static const struct ask_info none;
	return ask < ASK_MAX ? &asks[ask] : &none;
}

const char *ipc_ask_name(unsigned ask)
{
	const char *name = ask_info(ask)->name;
	return name ? name : "?";
}

const char *ipc_peer_name(enum ipc_peer p)
{
	static const char *const names[] = {"none", "mx", "user", "web", "relay", "scan", "store", "admin",
	    "imap", "pop3", "submission", "sieve"};
	return (unsigned)p < COUNT(names) ? names[p] : "?";
}

void ipc_fds_close(struct ipc_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		fd_close(&fds->fd[i]);
	fds->n = 0;
}

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * LIMIT_IPC_FDS)];
};

static void attach(struct msghdr *m, union control *c, const struct ipc_fds *fds)
{
	if (!fds || fds->n == 0)
		return;
	m->msg_control = c->room;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * fds->n);
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * fds->n);
	memcpy(CMSG_DATA(h), fds->fd, sizeof(int) * fds->n);
}

static enum result wait_room(int fd, int64_t end)
{
	int64_t left = end - clock_mono_ms();
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (left <= 0)
		return LATER;
	int n = poll(&p, 1, (int)MIN(left, INT32_MAX));
	return n < 0 && errno != EINTR ? GONE : OK;
}

enum result packet_send(
    int fd, struct packet_header h, struct slice body, const struct ipc_fds *fds, int64_t wait_ms)
{
	if (body.n > LIMIT_IPC_PACKET)
		return FULL;
	h.length = (uint32_t)body.n;
	union control c = {0};
	struct iovec io[2] = {{&h, sizeof h}, {(void *)(uintptr_t)body.p, body.n}};
	struct msghdr m = {.msg_iov = io, .msg_iovlen = 2};
	attach(&m, &c, fds);
	int64_t end = 0;
	for (;;) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			return OK;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != ENOBUFS)
			return GONE;
		if (!end)
			end = clock_mono_ms() + wait_ms;
		enum result r = wait_room(fd, end);
		if (r != OK)
			return r;
	}
}

void ipc_pack(const void *msg, struct buf *b)
{
	size_t n = protobuf_c_message_get_packed_size(msg);
	char *p = buf_room(b, n);
	if (p) {
		protobuf_c_message_pack(msg, (uint8_t *)p);
		buf_wrote(b, n);
	}
}

enum result packet_send_message(
    int fd, struct packet_header h, const void *msg, const struct ipc_fds *fds, int64_t wait_ms)
{
	size_t n = msg ? protobuf_c_message_get_packed_size(msg) : 0;
	if (n > LIMIT_IPC_PACKET)
		return FULL;
	char small[4096];
	char *p = n <= sizeof small ? small : malloc(n);
	if (!p)
		abort();
	if (msg)
		protobuf_c_message_pack(msg, (uint8_t *)p);
	enum result r = packet_send(fd, h, slice_of(p, n), fds, wait_ms);
	if (p != small)
		free(p);
	return r;
}

static void take_fds(struct msghdr *m, struct ipc_fds *out)
{
	out->n = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (out->n < LIMIT_IPC_FDS)
				out->fd[out->n++] = fd;
			else
				fd_close(&fd);
		}
	}
}

static pthread_key_t buffer_key;

static void buffer_key_new(void)
{
	if (pthread_key_create(&buffer_key, free) != 0)
		abort();
}

/* One receive buffer a thread, for the thread's life. */
static char *thread_buffer(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Thread_local char *buffer;
	if (buffer)
		return buffer;
	pthread_once(&once, buffer_key_new);
	buffer = malloc(sizeof(struct packet_header) + LIMIT_IPC_PACKET);
	if (!buffer || pthread_setspecific(buffer_key, buffer) != 0)
		abort();
	return buffer;
}

enum result packet_receive(
    int fd, bool dont_wait, struct packet_header *h_out, struct slice *body_out, struct ipc_fds *fds_out)
{
	char *p = thread_buffer();
	union control c;
	struct iovec io = {p, sizeof *h_out + LIMIT_IPC_PACKET};
	struct msghdr m = {
	    .msg_iov = &io, .msg_iovlen = 1, .msg_control = c.room, .msg_controllen = sizeof c.room};
	ssize_t n;
	do {
		m.msg_controllen = sizeof c.room;
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | (dont_wait ? MSG_DONTWAIT : 0));
	} while (n < 0 && errno == EINTR);
	fds_out->n = 0;
	if (n < 0)
		return errno == EAGAIN ? LATER : GONE;
	if (n == 0)
		return GONE;
	take_fds(&m, fds_out);
	if ((size_t)n >= sizeof *h_out)
		memcpy(h_out, p, sizeof *h_out);
	if ((size_t)n < sizeof *h_out || (size_t)n != sizeof *h_out + h_out->length ||
	    (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		ipc_fds_close(fds_out);
		return BAD;
	}
	*body_out = slice_of(p + sizeof *h_out, h_out->length);
	return OK;
}
