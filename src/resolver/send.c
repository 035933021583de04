#include "resolver/send.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_MS (8 * SECOND_MS)
#define SENDERS 4
#define HEADER 12

enum result sender_init(struct sender *s, const char *address, uint16_t port)
{
	*s = (struct sender){.port = port ? port : 53};
	if (!*address) {
		s->port = 0;
		return OK;
	}
	return dns_ip_read(slice_str(address), &s->ip);
}

/* ---- a conversation with a deadline ---- */

static bool wait_for(int fd, short events, int64_t until)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = until - clock_mono_ms();
	return left > 0 && poll(&p, 1, (int)left) == 1;
}

static int connect_to(const struct sender *s, int64_t until)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(s->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(s->port)};
	bool is_six = s->ip.family == AF_INET6;
	int fd = socket(s->ip.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
	socklen_t size = sizeof error;
	memcpy(&six.sin6_addr, s->ip.octets, 16);
	memcpy(&four.sin_addr, s->ip.octets, 4);
	if (fd < 0)
		return -1;
	int done = is_six ? connect(fd, (struct sockaddr *)&six, sizeof six)
			  : connect(fd, (struct sockaddr *)&four, sizeof four);
	bool stands =
	    done == 0 || (wait_for(fd, POLLOUT, until) &&
			     getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
	if (!stands)
		fd_close(&fd);
	return fd;
}

static bool write_all(int fd, struct slice s, int64_t until)
{
	while (s.n) {
		if (!wait_for(fd, POLLOUT, until))
			return false;
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		s = slice_sub(s, (size_t)n, s.n);
	}
	return true;
}

static bool read_all(int fd, char *p, size_t n, int64_t until)
{
	while (n) {
		if (!wait_for(fd, POLLIN, until))
			return false;
		ssize_t got = recv(fd, p, n, 0);
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static bool converse(int fd, struct slice message, int64_t until, struct buf *out)
{
	unsigned char size[2] = {(unsigned char)(message.n >> 8), (unsigned char)message.n};
	if (!write_all(fd, slice_of(size, 2), until) || !write_all(fd, message, until) ||
	    !read_all(fd, (char *)size, 2, until))
		return false;
	size_t n = (size_t)size[0] << 8 | size[1];
	char *room = buf_room(out, n);
	if (!room || !read_all(fd, room, n, until))
		return false;
	buf_wrote(out, n);
	return n >= HEADER;
}

/* ---- the ask ---- */

struct task {
	struct sender *sender;
	struct ipc_turn *turn;
};

static void *work(void *arg)
{
	struct task task = *(struct task *)arg; /* the turn's arena ends with the answer */
	const Sekisho__DnsSendAsk *ask = task.turn->ask;
	int64_t until = clock_mono_ms() + SEND_MS;
	BUF_LOCAL(got, LIMIT_DNS_MESSAGE);
	FD_LOCAL fd = connect_to(task.sender, until);
	bool done = fd >= 0 && converse(fd, slice_of(ask->message.data, ask->message.len), until, &got);
	Sekisho__DnsSendAnswer answer = SEKISHO__DNS_SEND_ANSWER__INIT;
	answer.message = (ProtobufCBinaryData){got.n, (uint8_t *)got.p};
	if (done)
		ipc_answer(task.turn, &answer, NULL);
	else
		ipc_refuse(task.turn, LATER, "no answer");
	atomic_fetch_sub(&task.sender->busy, 1);
	return NULL;
}

void sender_ask(struct sender *s, struct ipc_turn *t)
{
	const Sekisho__DnsSendAsk *ask = t->ask;
	struct task *task = arena_new(&t->arena, struct task);
	pthread_t thread;
	if (!s->port || ask->message.len < HEADER || ask->message.len > LIMIT_DNS_MESSAGE) {
		ipc_refuse(t, DENY, "dns_update_server is not set, or this is no message");
		return;
	}
	if (!task || atomic_fetch_add(&s->busy, 1) >= SENDERS) {
		if (task)
			atomic_fetch_sub(&s->busy, 1);
		ipc_refuse(t, LATER, "too many at a time");
		return;
	}
	*task = (struct task){s, t};
	if (pthread_create(&thread, NULL, work, task) == 0) {
		pthread_detach(thread);
		return;
	}
	atomic_fetch_sub(&s->busy, 1);
	ipc_refuse(t, LATER, "no thread");
}
