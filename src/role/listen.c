#include "role/listen.h"
#include "base/base.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define BIND_WAIT_MS 5000

static enum result failed(const char *service, const struct config_address *a)
{
	BUF_LOCAL(why, 512);
	buf_printf(&why, "cannot listen on %s port %u for %s: %s", *a->host ? a->host : "*", a->port, service,
	    strerror(errno));
	EVENT(CONFIG_BAD, KZ("file", ""), KN("line", 0), KV("why", buf_slice(&why)));
	return DENY;
}

static enum result add(struct listeners *l, enum role role, const char *service, int fd)
{
	if (l->n == COUNT(l->at)) {
		close(fd);
		return FULL;
	}
	l->at[l->n++] = (struct listener){role, service, fd};
	return OK;
}

static enum result bind_one(const struct addrinfo *ai, int *fd_out)
{
	int on = 1;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return LATER;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return DENY;
	}
	*fd_out = fd;
	return OK;
}

/* The roles of a server that was killed hold its ports for some milliseconds more. */
static enum result bind_patiently(const struct addrinfo *ai, int *fd_out)
{
	for (int64_t end = clock_mono_ms() + BIND_WAIT_MS;; usleep(50000)) {
		enum result r = bind_one(ai, fd_out);
		if (r == OK || errno != EADDRINUSE || clock_mono_ms() >= end)
			return r;
	}
}

static enum result bind_address(
    struct listeners *l, enum role role, const char *service, const struct config_address *a)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
			    .ai_socktype = SOCK_STREAM},
			*ai = NULL;
	char port[8];
	snprintf(port, sizeof port, "%u", a->port);
	if (getaddrinfo(*a->host ? a->host : NULL, port, &hints, &ai) != 0 || !ai) {
		errno = EADDRNOTAVAIL;
		return failed(service, a);
	}
	int fd = -1;
	enum result r = bind_patiently(ai, &fd);
	bool no_ipv6 = ai->ai_family == AF_INET6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
	freeaddrinfo(ai);
	if (r != OK && no_ipv6)
		return OK; /* a system without IPv6 serves IPv4 */
	return r == OK ? add(l, role, service, fd) : failed(service, a);
}

static enum result bind_all(
    struct listeners *l, enum role role, const char *service, const struct config_addresses *list)
{
	for (size_t i = 0; i < list->n; i++) {
		enum result r = bind_address(l, role, service, &list->at[i]);
		if (r != OK)
			return r;
	}
	return OK;
}

/* data_dir/run/NAME.sock, for the user the server was started by. */
static enum result bind_local(
    struct listeners *l, enum role role, const char *service, const struct config *config)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct config_address a = {.host = sa.sun_path};
	int n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/run/%s.sock", config->data_dir, service);
	if (n < 0 || (size_t)n >= sizeof sa.sun_path) {
		errno = ENAMETOOLONG;
		return failed(service, &a);
	}
	unlink(sa.sun_path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);
	bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, BACKLOG) == 0;
	umask(old);
	if (!bound) {
		enum result r = failed(service, &a);
		fd_close(&fd);
		return r;
	}
	return add(l, role, service, fd);
}

enum result listeners_open(struct listeners *l, const struct config *c)
{
	const struct {
		enum role role;
		const char *service;
		const struct config_addresses *addresses;
	} wanted[] = {
	    {ROLE_MX, "smtp", &c->listen_smtp},
	    {ROLE_USER, "submission", &c->listen_submission},
	    {ROLE_USER, "submissions", &c->listen_submissions},
	    {ROLE_USER, "imap", &c->listen_imap},
	    {ROLE_USER, "imaps", &c->listen_imaps},
	    {ROLE_USER, "pop3", &c->listen_pop3},
	    {ROLE_USER, "pop3s", &c->listen_pop3s},
	    {ROLE_USER, "sieve", &c->listen_sieve},
	    {ROLE_WEB, "http", &c->listen_http},
	    {ROLE_WEB, "https", &c->listen_https},
	    {ROLE_WEB, "acme", &c->listen_acme},
	};
	for (size_t i = 0; i < COUNT(wanted); i++) {
		enum result r = bind_all(l, wanted[i].role, wanted[i].service, wanted[i].addresses);
		if (r != OK)
			return r;
	}
	enum result r = bind_local(l, ROLE_STORE, "admin", c);
	return r == OK ? bind_local(l, ROLE_KEYS, "keys", c) : r;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct sockaddr_un sa;
		socklen_t n = sizeof sa;
		if (getsockname(l->at[i].fd, (struct sockaddr *)&sa, &n) == 0 && sa.sun_family == AF_UNIX)
			unlink(sa.sun_path);
		close(l->at[i].fd);
	}
	l->n = 0;
}
