/* resolver: the DNS for all others; see resolver/resolver.h. Its files are read by this process before its jail. */
#include "resolver/resolver.h"
#include "role/run.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define RESOLVER_THREADS 2
#define FILE_MOST ((size_t)16 << 20)

/* An empty file is a text of no octets, not SLICE_NONE. */
static struct slice read_file(const char *path, struct buf *b)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	buf_init(b, FILE_MOST);
	if (fd < 0 || fd_size(fd, &size) != OK)
		return SLICE_NONE;
	char *p = buf_room(b, size);
	if (size && (!p || fd_pread_all(fd, p, size, 0) != OK))
		return SLICE_NONE;
	buf_wrote(b, size);
	return size ? buf_slice(b) : SLICE("");
}

/* "192.0.2.1@5353", as libunbound wants it. */
static const char **server_names(const struct config *c)
{
	const char **names = calloc(c->dns_servers.n + 1, sizeof *names);
	for (size_t i = 0; names && i < c->dns_servers.n; i++) {
		const struct config_address *a = &c->dns_servers.at[i];
		char text[128];
		snprintf(text, sizeof text, "%s@%u", a->host, a->port ? a->port : 53u);
		names[i] = strdup(text);
	}
	return names;
}

void run_resolver(struct run *r)
{
	static struct buf fixture, conf, anchor;
	struct resolver *resolver;
	BUF_LOCAL(why, 4096);
	const struct config *c = r->config;
	struct resolver_settings s = {
	    .servers = server_names(c),
	    .servers_n = c->dns_servers.n,
	    .resolv_conf = read_file(RESOLVER_CONF, &conf),
	    .anchor = read_file(*c->dns_anchor_file ? c->dns_anchor_file : RESOLVER_ANCHOR, &anchor),
	    .loopback = c->demo,
	    .update_address = c->dns_update_server.host,
	    .update_port = c->dns_update_server.port,
	};
	if (*c->dns_fixture) {
		s.fixture = read_file(c->dns_fixture, &fixture);
		if (!s.fixture.p)
			buf_puts(&why, "the file cannot be read");
	}
	run_jail(r, 0, 0);
	if (why.n || resolver_open(&s, &resolver, &why) != OK) {
		EVENT(CONFIG_BAD, KZ("file", c->dns_fixture), KN("line", 0), KZ("why", buf_z(&why)));
		_exit(EX_CONFIG);
	}
	buf_free(&fixture);
	buf_free(&conf);
	buf_free(&anchor);
	run_serve(r, resolver_handlers, RESOLVER_THREADS, resolver);
	run_ready(r);
	run_control(r);
}
