/* Services of http on real sockets in a real lobby, for tests. */
#ifndef HTTP_NET_H
#define HTTP_NET_H

#include "http/http.h"
#include "role/lobby.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct session *open_http(const void *context, struct stream *s, const char *ip, unsigned port)
{
	return http_session_new(context, s, ip, port);
}

static struct sockaddr_in serve(const struct http_service *to, unsigned threads)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 1000), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	struct lobby *l = lobby_new(&(struct lobby_settings){threads, 1000, 1000});
	lobby_listen(l, fd, "http", open_http, to);
	return sa;
}

static int connect_to(const struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)sa, sizeof *sa), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(fd_write_all(fd, slice_str(text)), OK);
}

/* Reads until `what` came or the end; false at the end. */
static bool hear(int fd, const char *what, int wait_ms)
{
	BUF_LOCAL(heard, 1 << 20);
	for (;;) {
		char p[4096];
		struct pollfd pf = {.fd = fd, .events = POLLIN};
		ssize_t n = poll(&pf, 1, wait_ms) == 1 ? read(fd, p, sizeof p) : 0;
		if (n <= 0)
			return false;
		buf_put(&heard, slice_of(p, (size_t)n));
		if (slice_search(buf_slice(&heard), slice_str(what)) >= 0)
			return true;
	}
}

static bool is_over(int fd, int wait_ms)
{
	char c;
	struct pollfd pf = {.fd = fd, .events = POLLIN};
	return poll(&pf, 1, wait_ms) == 1 && read(fd, &c, 1) <= 0;
}

#endif
