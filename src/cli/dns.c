/* dns: somewhere to ask for verbs that run without a server: a file (--dns), or the network as the server would ask it. */
#include "cli/cli.h"
#include "resolver/fixture.h"
#include "resolver/resolver.h"
#include <errno.h>
#include <fcntl.h>

#define FILE_MOST ((size_t)64 << 20)
#define THREADS 2

/* The whole file; false when it cannot be read. */
static bool read_file(const char *path, struct buf *out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	char *p = fd >= 0 && fd_size(fd, &size) == OK ? buf_room(out, size) : NULL;
	if (!p || (size && fd_pread_all(fd, p, size, 0) != OK))
		return false;
	buf_wrote(out, size);
	return true;
}

/* The file as somewhere to ask; it lives until the command ends. */
static int from_file(struct cli *c, const char *path, struct dns **out)
{
	static struct fixture *fixture;
	BUF_LOCAL(text, FILE_MOST);
	BUF_LOCAL(why, 1000);
	if (!read_file(path, &text))
		return cli_fail(c, EX_NOINPUT, "%s: %s", path, strerrordesc_np(errno));
	if (fixture_parse(buf_slice(&text), &fixture, &why) != OK)
		return cli_fail(c, EX_DATAERR, "%s: %s", path, buf_z(&why));
	*out = fixture_dns(fixture);
	return EX_OK;
}

/* The resolver of the server, in this process; it lives until the command ends. */
static int from_network(struct cli *c, struct dns **out)
{
	static struct dns_trunk trunk;
	static struct buf conf = {.max = FILE_MOST}, anchor = {.max = FILE_MOST};
	struct resolver_settings s = {.loopback = true};
	struct resolver *resolver;
	int fds[2];
	BUF_LOCAL(why, 1000);
	if (read_file(RESOLVER_CONF, &conf))
		s.resolv_conf = buf_slice(&conf);
	if (read_file(RESOLVER_ANCHOR, &anchor))
		s.anchor = buf_slice(&anchor);
	if (resolver_open(&s, &resolver, &why) != OK || ipc_pair(fds) != OK)
		return cli_fail(c, EX_UNAVAILABLE, "DNS: %s", buf_z(&why));
	struct ipc_trunk *to = ipc_trunk_new("resolver");
	ipc_server_add(
	    ipc_server_new(resolver_handlers, THREADS, resolver), fds[1], PEER_SCAN, NULL, NULL, NULL);
	ipc_trunk_set(to, fds[0]);
	dns_trunk_init(&trunk, to);
	*out = &trunk.dns;
	return EX_OK;
}

int cli_dns(struct cli *c, struct dns **out)
{
	const char *path = cli_arg(c, "dns");
	return path ? from_file(c, path, out) : from_network(c, out);
}
