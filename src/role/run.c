#include "role/run.h"
#include "role/jail.h"
#include "role/own.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static run_role *const runs[ROLE_COUNT] = {
    [ROLE_KEYS] = run_keys,
    [ROLE_STORE] = run_store,
    [ROLE_RESOLVER] = run_resolver,
    [ROLE_SCAN] = run_scan,
    [ROLE_RELAY] = run_relay,
    [ROLE_MX] = run_mx,
    [ROLE_USER] = run_user,
    [ROLE_WEB] = run_web,
};

const char *run_directory(const struct run *r)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s/%s", r->config->data_dir, role_name(r->role));
	return path;
}

_Noreturn static void die(const char *what)
{
	EVENT(INTERNAL, KZ("where", "start"), KZ("why", what));
	_exit(EX_OSERR);
}

void run_jail(const struct run *r, uint64_t descriptors, uint64_t memory)
{
	struct jail j = {
	    .powers = role_powers[r->role],
	    .ports = r->database_ports.at,
	    .n_ports = r->database_ports.n,
	    .uid = (uint32_t)r->config->uid_base + r->role,
	    .descriptors = descriptors,
	    .memory = memory,
	};
	if (r->config->database == CONFIG_SQLITE && !*r->config->s3_endpoint)
		j.powers &= ~(unsigned)JAIL_DATABASE;
	if (j.powers & JAIL_FILES) {
		j.directory = run_directory(r);
		if (own_directory(j.directory, j.uid, r->config->demo, &j.uid) != OK)
			die("data_dir cannot be used by the role's own user");
	}
	if (jail_enter(&j) != OK)
		die("the jail cannot be entered");
}

void run_serve(struct run *r, ipc_handler *const handlers[ASK_MAX], unsigned threads, void *context)
{
	r->server = ipc_server_new(handlers, threads, context);
}

/* Peers that came before there was a server; in keys and store also the administrator's socket. */
static void take_waiting(struct run *r)
{
	for (size_t i = 0; i < r->peer_n; i++)
		ipc_server_add(r->server, r->peers[i].fd, r->peers[i].number, NULL, NULL, NULL);
	r->peer_n = 0;
	for (size_t i = 0; i < r->listen_n; i++)
		ipc_server_listen(r->server, r->listens[i].fd, PEER_ADMIN);
}

void run_ready(struct run *r)
{
	struct control c = {.kind = CONTROL_READY, .number = r->role};
	if (r->server)
		take_waiting(r);
	if (control_send(CONTROL_FD, &c, -1) != OK)
		die("master is gone");
}

void run_file(const struct run *r, const char *name, struct buf *out)
{
	for (size_t i = 0; i < r->file_n; i++) {
		uint64_t size;
		if (strcmp(r->files[i].name, name) != 0 || fd_size(r->files[i].fd, &size) != OK)
			continue;
		char *p = buf_room(out, size);
		if (p && fd_pread_all(r->files[i].fd, p, size, 0) == OK)
			buf_wrote(out, size);
	}
}

const char *run_secret_line(const struct run *r, const char *name, struct buf *room)
{
	run_file(r, name, room);
	struct slice rest = buf_slice(room);
	struct slice line = slice_trim(slice_split(&rest, '\n'));
	room->n = line.n;
	return line.n ? buf_z(room) : NULL;
}

static void keep(struct run_fd *list, size_t *n, const struct control *c, int fd)
{
	if (fd < 0 || *n == RUN_MOST)
		die("control");
	list[*n] = (struct run_fd){.number = c->number, .fd = fd};
	memcpy(list[*n].name, c->name, sizeof c->name);
	(*n)++;
}

static void take_trunk(struct run *r, const struct control *c, int fd)
{
	if (c->number >= ROLE_COUNT || !r->trunks[c->number])
		die("control: a trunk to nobody");
	ipc_trunk_set(r->trunks[c->number], fd);
}

static void take_peer(struct run *r, const struct control *c, int fd)
{
	if (r->server)
		ipc_server_add(r->server, fd, c->number, NULL, NULL, NULL);
	else
		keep(r->peers, &r->peer_n, c, fd);
}

static void take_secret(struct run *r, struct control *c)
{
	memcpy(strcmp(c->name, "scan_seal") == 0 ? r->scan_seal : r->login_grant, c->bytes, sizeof c->bytes);
	explicit_bzero(c->bytes, sizeof c->bytes);
}

static void take_counters(struct run *r, int fd)
{
	size_t slot = sizeof(uint64_t) * EV_COUNT;
	void *p = mmap(NULL, slot * ROLE_COUNT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fd_close(&fd);
	if (p == MAP_FAILED)
		die("counters");
	r->counters = p;
	event_counters((void *)((char *)p + slot * r->role));
}

static void take_config(struct run *r, int fd)
{
	struct slice text;
	BUF_LOCAL(why, 65536);
	if (fd_map_sealed(fd, UINT32_MAX, &text) != OK)
		die("configuration");
	/* Master has checked it; production and demo differ in what is refused there. */
	if (config_parse(text, "configuration", CONFIG_DEMO, &why, &r->config) != OK &&
	    config_parse(text, "configuration", CONFIG_PRODUCTION, &why, &r->config) != OK)
		die(buf_z(&why));
	fd_unmap(&text);
	fd_close(&fd);
	event_start(role_name(r->role), (enum event_format)r->config->log_format,
	    (enum event_level)r->config->log_level);
	clock_shift(r->config->clock_offset);
}

/* One packet; false at GO. */
static bool take(struct run *r, struct control *c, int fd)
{
	switch (c->kind) {
	case CONTROL_CONFIG:
		take_config(r, fd);
		break;
	case CONTROL_COUNTERS:
		take_counters(r, fd);
		break;
	case CONTROL_SECRET:
		take_secret(r, c);
		break;
	case CONTROL_LISTEN:
		keep(r->listens, &r->listen_n, c, fd);
		break;
	case CONTROL_FILE:
		keep(r->files, &r->file_n, c, fd);
		break;
	case CONTROL_TRUNK:
		take_trunk(r, c, fd);
		break;
	case CONTROL_PEER:
		take_peer(r, c, fd);
		break;
	case CONTROL_STOP:
		if (r->stop) /* every role may end at any instant; this only saves work */
			r->stop(r->stop_context);
		_exit(EX_OK);
	case CONTROL_GO:
		return false;
	default:
		die("control: unknown packet");
	}
	return true;
}

_Noreturn void run_control(struct run *r)
{
	for (;;) {
		struct control c;
		int fd;
		if (control_receive(CONTROL_FD, &c, &fd) != OK)
			_exit(EX_OK);
		take(r, &c, fd);
	}
}

static void make_trunks(struct run *r)
{
	for (size_t i = 0; i < link_count; i++)
		if (links[i].from == r->role && !r->trunks[links[i].to])
			r->trunks[links[i].to] = ipc_trunk_new(role_name(links[i].to));
}

/* Before any thread and any jail: what libraries would otherwise open later. */
static void settle_process(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
	umask(077);
	mallopt(M_ARENA_MAX, 2);
	tzset();
	OPENSSL_init_ssl(0, NULL);
}

int role_main(int argc, char **argv)
{
	static struct run r; /* lives as long as the process */
	while (argc == 1 && r.role < ROLE_COUNT && strcmp(argv[0], role_name(r.role)) != 0)
		r.role++;
	struct control c;
	int fd;
	if (argc != 1 || r.role == ROLE_COUNT || control_receive(CONTROL_FD, &c, &fd) != OK) {
		fputs("sekisho role is started by sekisho serve only\n", stderr);
		return EX_USAGE;
	}
	event_start(role_name(r.role), EVENT_LOGFMT, EVENT_INFO);
	settle_process();
	prctl(PR_SET_NAME, role_name(r.role));
	make_trunks(&r);
	while (take(&r, &c, fd))
		if (control_receive(CONTROL_FD, &c, &fd) != OK)
			return EX_OSERR;
	runs[r.role](&r);
	return EX_OSERR;
}

const char *run_issuer(const struct run *r)
{
	static struct buf issuer = {.max = 1024};
	buf_clear(&issuer);
	config_put_issuer(&issuer, r->config);
	return issuer.n ? buf_z(&issuer) : NULL;
}
