#include "imap_store.h"
#include "imap/imap.h"
#include "imap/session.h"
#include "mail/facts.h"
#include "store/body/seal.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct imap_service service;
static struct store_kit *kit;

struct imap_person {
	struct session *session;
	int fd;
	struct buf heard;
	bool ended;
};

void imap_store_start(struct store_kit *k)
{
	kit = k;
	session_linger(0);
	imap_service_defaults(&service);
	service.hostname = "mx.here.example";
	service.scan = k->settings.scan;
	service.keys = k->settings.keys;
}

static enum session_next run(struct imap_person *p)
{
	enum session_next next = p->ended ? SESSION_END : p->session->ops->run(p->session);
	p->ended = next == SESSION_END;
	return next;
}

static void collect(struct imap_person *p)
{
	for (;;) {
		char *room = buf_room(&p->heard, 65536);
		ssize_t n = room ? recv(p->fd, room, 65536, MSG_DONTWAIT) : -1;
		if (n <= 0)
			return;
		buf_wrote(&p->heard, (size_t)n);
	}
}

/* Logged in without keys: its channel is bound to the account as a login would bind it. */
struct imap_person *imap_person_new(int64_t account, const char *address)
{
	struct imap_person *p = calloc(1, sizeof *p);
	int fds[2], room = 4 << 20;
	if (!p || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		abort();
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	buf_init(&p->heard, (size_t)64 << 20);
	p->session = imap_session_new(&service, stream_socket(fds[0]), "192.0.2.7", 1);
	p->fd = fds[1];
	((struct imap *)p->session)->secure = true;
	if (run(p) != SESSION_SLEEP)
		abort();
	collect(p);
	struct ipc c = store_kit_login(kit, (uint64_t)account, "imap");
	if (c.fd < 0)
		abort();
	imap_enter((struct imap *)p->session, &c, address);
	return p;
}

void imap_person_free(struct imap_person *p)
{
	p->session->ops->end(p->session);
	close(p->fd);
	buf_free(&p->heard);
	free(p);
}

const char *imap_person_say(struct imap_person *p, const char *fmt, ...)
{
	BUF_LOCAL(line, 1 << 20);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	buf_puts(&line, "\r\n");
	if (send(p->fd, line.p, line.n, 0) != (ssize_t)line.n)
		abort();
	buf_clear(&p->heard);
	run(p);
	collect(p);
	return buf_z(&p->heard);
}

const char *imap_person_hear(struct imap_person *p)
{
	struct pollfd wake = {.fd = p->session->wake_fd, .events = POLLIN};
	buf_clear(&p->heard);
	if (!p->ended && poll(&wake, 1, 2000) == 1)
		run(p);
	collect(p);
	return buf_z(&p->heard);
}
