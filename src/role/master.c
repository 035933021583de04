/* master: binds, spawns, links, restarts. It reads no byte of mail or of any protocol. */
#include "role/control.h"
#include "role/jail.h"
#include "role/links.h"
#include "role/listen.h"
#include "role/role.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define RESTART_MOST_MS 5000
#define STEADY_MS 10000 /* a role that lived this long is restarted at once */

struct child {
	pid_t pid;   /* 0: not running */
	int control; /* -1: not running */
	bool ready;
	int64_t started_ms;
	int64_t restart_ms; /* mono ms at which to start again; 0: not waiting */
	int64_t wait_ms;    /* the next back-off */
};

struct master {
	const struct config *config;
	struct child children[ROLE_COUNT];
	struct listeners listeners;
	int config_fd, counters_fd;
	unsigned char scan_seal[32], login_grant[32];
	bool stopping;
	bool announced;
	int exit_code;
};

static void tell(struct master *m, enum role r, struct control c, int fd)
{
	/* A role that has just died is noticed by its SIGCHLD. */
	if (m->children[r].control >= 0)
		result_ignore(control_send(m->children[r].control, &c, fd));
}

static struct control control_named(enum control_kind kind, const char *name)
{
	struct control c = {.kind = kind};
	snprintf(c.name, sizeof c.name, "%s", name);
	return c;
}

static void tell_secret(struct master *m, enum role r, const char *name, const unsigned char secret[32])
{
	struct control c = control_named(CONTROL_SECRET, name);
	memcpy(c.bytes, secret, sizeof c.bytes);
	tell(m, r, c, -1);
	explicit_bzero(c.bytes, sizeof c.bytes);
}

/* A fresh channel for one link: the asking end to one role, the answering end to the other. */
static void join(struct master *m, const struct link *link)
{
	int fds[2];
	if (m->children[link->from].control < 0 || m->children[link->to].control < 0 || link_pair(fds) != OK)
		return;
	tell(m, link->from, (struct control){.kind = CONTROL_TRUNK, .number = link->to}, fds[0]);
	tell(m, link->to, (struct control){.kind = CONTROL_PEER, .number = link->peer}, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static void send_file(struct master *m, enum role r, const char *name, const char *path)
{
	if (!*path)
		return;
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		tell(m, r, control_named(CONTROL_FILE, name), fd);
	else
		EVENT(CONFIG_BAD, KZ("file", path), KN("line", 0), KZ("why", strerror(errno)));
}

/* The console's pages: where the configuration says, or beside the program, or where packages put such files. */
static void send_console(struct master *m)
{
	char program[2048], path[4096];
	if (*m->config->console_file) {
		send_file(m, ROLE_WEB, "console", m->config->console_file);
		return;
	}
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	program[MAX(n, 0)] = 0;
	char *folder = dirname(program);
	static const char *const places[] = {"console.pack", "../share/sekisho/console.pack"};
	for (size_t i = 0; i < COUNT(places); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, places[i]);
		if (access(path, R_OK) == 0) {
			send_file(m, ROLE_WEB, "console", path);
			return;
		}
	}
}

static void equip(struct master *m, enum role r)
{
	tell(m, r, control_named(CONTROL_CONFIG, "config"), m->config_fd);
	tell(m, r, (struct control){.kind = CONTROL_COUNTERS, .number = r}, m->counters_fd);
	if (r == ROLE_SCAN || r == ROLE_STORE)
		tell_secret(m, r, "scan_seal", m->scan_seal);
	if (r == ROLE_KEYS || r == ROLE_STORE)
		tell_secret(m, r, "login_grant", m->login_grant);
	if (r == ROLE_KEYS) {
		send_file(m, r, "tls_certificate", m->config->tls_certificate);
		send_file(m, r, "tls_key", m->config->tls_key);
		send_file(m, r, "dns_update_key", m->config->dns_update_key_file);
	}
	if (r == ROLE_RELAY) {
		send_file(m, r, "relay_password", m->config->relay_password_file);
		send_file(m, r, "acme_ca", m->config->acme_ca_file);
		send_file(m, r, "alarm_ca", m->config->alarm_ca_file);
		send_file(m, r, "sms_ca", m->config->sms_ca_file);
		send_file(m, r, "sms_secret", m->config->sms_secret_file);
	}
	if (r == ROLE_WEB)
		send_console(m);
	if (r == ROLE_STORE) {
		send_file(m, r, "database_password", m->config->database_password_file);
		send_file(m, r, "database_ca", m->config->database_ca_file);
		send_file(m, r, "s3_secret", m->config->s3_secret_file);
		send_file(m, r, "s3_ca", m->config->s3_ca_file);
	}
	for (size_t i = 0; i < m->listeners.n; i++)
		if (m->listeners.at[i].role == r)
			tell(m, r, control_named(CONTROL_LISTEN, m->listeners.at[i].service),
			    m->listeners.at[i].fd);
	for (size_t i = 0; i < link_count; i++)
		if (links[i].from == r || links[i].to == r)
			join(m, &links[i]);
	tell(m, r, (struct control){.kind = CONTROL_GO}, -1);
}

/* In the child: only standard error and the control channel go along. */
static void become_role(enum role r, int control)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(EX_OSERR);
	if (control == CONTROL_FD)
		fcntl(control, F_SETFD, 0);
	else if (dup2(control, CONTROL_FD) < 0)
		_exit(EX_OSERR);
	close_range(CONTROL_FD + 1, ~0u, 0);
	char *argv[] = {"sekisho", "role", (char *)(uintptr_t)role_name(r), NULL};
	char *envp[] = {"LANG=C.UTF-8", NULL};
	execve("/proc/self/exe", argv, envp);
	_exit(EX_OSERR);
}

static void spawn(struct master *m, enum role r)
{
	struct child *c = &m->children[r];
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
		c->restart_ms = clock_mono_ms() + RESTART_MOST_MS;
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		become_role(r, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		c->restart_ms = clock_mono_ms() + RESTART_MOST_MS;
		return;
	}
	*c = (struct child){
	    .pid = pid, .control = fds[0], .started_ms = clock_mono_ms(), .wait_ms = c->wait_ms};
	equip(m, r);
}

static void plan_restart(struct child *c)
{
	int64_t now = clock_mono_ms();
	if (now - c->started_ms >= STEADY_MS)
		c->wait_ms = 0;
	c->restart_ms = now + c->wait_ms;
	c->wait_ms = c->wait_ms ? MIN(c->wait_ms * 2, RESTART_MOST_MS) : 50;
}

/* EX_CONFIG from a role means that starting it again cannot help. */
static void reap(struct master *m)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (int r = 0; r < ROLE_COUNT; r++) {
			struct child *c = &m->children[r];
			if (c->pid != pid)
				continue;
			c->pid = 0;
			fd_close(&c->control);
			c->ready = false;
			if (m->stopping)
				continue;
			EVENT(ROLE_EXIT, KZ("role", role_name(r)), KN("pid", pid),
			    KN("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
			    KN("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
			plan_restart(c);
			if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG) {
				m->stopping = true;
				m->exit_code = EX_CONFIG;
			}
		}
	}
}

static int restart_due(struct master *m)
{
	int64_t now = clock_mono_ms(), wait = 60000;
	for (int r = 0; r < ROLE_COUNT; r++) {
		struct child *c = &m->children[r];
		if (c->pid || m->stopping)
			continue;
		if (c->restart_ms <= now)
			spawn(m, r);
		else
			wait = MIN(wait, c->restart_ms - now);
	}
	return (int)wait;
}

static void announce(struct master *m)
{
	for (int r = 0; r < ROLE_COUNT; r++)
		if (!m->children[r].ready)
			return;
	if (!m->announced)
		sd_notify(0, "READY=1");
	m->announced = true;
}

static void hear(struct master *m, enum role r)
{
	struct control c;
	int fd;
	if (control_receive(m->children[r].control, &c, &fd) != OK)
		return; /* SIGCHLD follows */
	fd_close(&fd);
	if (c.kind != CONTROL_READY)
		return;
	m->children[r].ready = true;
	EVENT(ROLE_START, KZ("role", role_name(r)), KN("pid", m->children[r].pid));
	announce(m);
}

/* True when the signal asks to stop. */
static bool take_signal(struct master *m, int signals)
{
	struct signalfd_siginfo info;
	if (read(signals, &info, sizeof info) != sizeof info)
		return false;
	if (info.ssi_signo == SIGCHLD) {
		reap(m);
		return false;
	}
	EVENT(ROLE_STOP, KZ("why", strsignal((int)info.ssi_signo)));
	return true;
}

static void watch_roles(struct master *m, int signals)
{
	while (!m->stopping) {
		struct pollfd p[ROLE_COUNT + 1];
		int timeout = restart_due(m);
		for (int r = 0; r < ROLE_COUNT; r++)
			p[r] = (struct pollfd){
			    .fd = m->children[r].ready ? -1 : m->children[r].control, .events = POLLIN};
		p[ROLE_COUNT] = (struct pollfd){.fd = signals, .events = POLLIN};
		if (poll(p, ROLE_COUNT + 1, timeout) <= 0)
			continue;
		for (int r = 0; r < ROLE_COUNT; r++)
			if (p[r].revents)
				hear(m, r);
		if (p[ROLE_COUNT].revents && take_signal(m, signals))
			m->stopping = true;
	}
}

static bool any_alive(const struct master *m, enum role from)
{
	for (int r = from; r < ROLE_COUNT; r++)
		if (m->children[r].pid)
			return true;
	return false;
}

/* Those from a role on end; who does not in time is killed: nothing acknowledged is lost. */
static void stop_from(struct master *m, enum role from, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;
	for (int r = ROLE_COUNT - 1; r >= (int)from; r--)
		if (m->children[r].pid)
			tell(m, r, (struct control){.kind = CONTROL_STOP}, -1);
	while (any_alive(m, from) && clock_mono_ms() < end) {
		reap(m);
		usleep(5000);
	}
	for (int r = from; r < ROLE_COUNT; r++)
		if (m->children[r].pid)
			kill(m->children[r].pid, SIGKILL);
	while (any_alive(m, from)) {
		reap(m);
		usleep(1000);
	}
}

/* Fronts and relay first, which report to store what they did, then those they ask. */
static void stop_roles(struct master *m)
{
	sd_notify(0, "STOPPING=1");
	stop_from(m, ROLE_RELAY, STOP_FIRST_MS);
	stop_from(m, 0, STOP_WAIT_MS);
}

static enum result prepare(struct master *m, struct slice config_text)
{
	m->config_fd = fd_memory("config");
	m->counters_fd = fd_memory("counters");
	if (m->config_fd < 0 || m->counters_fd < 0)
		return LATER;
	if (fd_write_all(m->config_fd, config_text) != OK || fd_seal(m->config_fd) != OK)
		return LATER;
	if (ftruncate(m->counters_fd, (off_t)(sizeof(uint64_t) * EV_COUNT * ROLE_COUNT)) != 0)
		return LATER;
	if (getrandom(m->scan_seal, 32, 0) != 32 || getrandom(m->login_grant, 32, 0) != 32)
		return LATER;
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return listeners_open(&m->listeners, m->config);
}

int role_serve(const struct config *config, struct slice config_text)
{
	struct master m = {.config = config};
	event_start("master", (enum event_format)config->log_format, (enum event_level)config->log_level);
	clock_shift(config->clock_offset);
	for (int r = 0; r < ROLE_COUNT; r++)
		m.children[r].control = -1;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_CLOEXEC);
	switch (prepare(&m, config_text)) {
	case OK:
		break;
	case DENY:
		return EX_NOPERM;
	default:
		return EX_OSERR;
	}
	watch_roles(&m, signals);
	stop_roles(&m);
	listeners_close(&m.listeners);
	return m.exit_code;
}
