/*
 * jail: every role tries every forbidden act and must be refused, and does what it may do.
 *
 * Each role is a child process that enters its jail as the server does (role_powers, own user id when root) and then
 * tries. "not ok" names the role and the act. Ends with the counts the test runner reads.
 */
#include "role/jail.h"
#include "role/links.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char own_directory[64], other_directory[64];
static int listening = -1; /* handed over before the jail, as master does */
static in_port_t listening_port;

static bool refused(long result)
{
	return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);
}

/* ---- acts: each returns true when the system refused it ---- */

static bool act_exec(void)
{
	char *argv[] = {"/bin/true", NULL}, *envp[] = {NULL};
	return refused(execve("/bin/true", argv, envp));
}
static bool act_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return refused(pid);
}
static bool act_open_passwd(void)
{
	return refused(open("/etc/passwd", O_RDONLY));
}
static bool act_open_shadow(void)
{
	return refused(open("/etc/shadow", O_RDONLY));
}
static bool act_open_other_role(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/secret", other_directory);
	return refused(open(path, O_RDONLY));
}
static bool act_write_tmp(void)
{
	return refused(open("/tmp/sekisho-jail-escape", O_CREAT | O_WRONLY, 0600));
}
static bool act_open_proc(void)
{
	return refused(open("/proc/self/mem", O_RDWR));
}
static bool act_unlink(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/secret", other_directory);
	return refused(unlink(path));
}
static bool act_chmod(void)
{
	return refused(chmod(other_directory, 0777));
}
static bool act_link(void)
{
	return refused(symlink("/etc/passwd", "/tmp/sekisho-jail-link"));
}
static bool act_socket_tcp(void)
{
	return refused(socket(AF_INET, SOCK_STREAM, 0));
}
static bool act_socket_udp(void)
{
	return refused(socket(AF_INET6, SOCK_DGRAM, 0));
}
static bool act_socket_unix(void)
{
	return refused(socket(AF_UNIX, SOCK_STREAM, 0));
}
static bool act_socket_netlink(void)
{
	return refused(socket(AF_NETLINK, SOCK_RAW, 0));
}
static bool act_socket_raw(void)
{
	return refused(socket(AF_PACKET, SOCK_RAW, 0));
}
static bool act_socket_unix_datagram(void)
{
	return refused(socket(AF_UNIX, SOCK_DGRAM, 0));
}
static bool act_connect(void)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = listening_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return refused(connect(listening, (struct sockaddr *)&sa, sizeof sa));
}
/* Kernels before 6.7 cannot tell TCP ports apart: there the port is not looked at. */
static bool act_connect_elsewhere(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	FD_LOCAL s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return s < 0 || (abi > 0 && abi < 4) || refused(connect(s, (struct sockaddr *)&sa, sizeof sa));
}
static bool act_listen(void)
{
	return refused(listen(listening, 1));
}
static bool act_bind(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(29), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return refused(s) || refused(bind(s, (struct sockaddr *)&sa, sizeof sa));
}
static bool act_accept(void)
{
	return refused(accept4(listening, NULL, NULL, SOCK_NONBLOCK));
}
static bool act_ptrace(void)
{
	return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}
static bool act_kill(void)
{
	return refused(kill(getppid(), 0));
}
static bool act_exec_memory(void)
{
	return refused(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0) == MAP_FAILED
			   ? -1
			   : 0);
}
static bool act_make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED && refused(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static bool act_setuid(void)
{
	return refused(setuid(0));
}
static bool act_mount(void)
{
	return refused(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL));
}
static bool act_namespace(void)
{
	return refused(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}
static bool act_bpf(void)
{
	return refused(syscall(SYS_bpf, 0, NULL, 0));
}
static bool act_keyctl(void)
{
	return refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}
static bool act_io_uring(void)
{
	return refused(syscall(SYS_io_uring_setup, 1, NULL));
}
static bool act_process_vm(void)
{
	return refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}
static bool act_raise_limit(void)
{
	struct {
		uint64_t now, most;
	} limit = {1 << 20, 1 << 20};
	return refused(syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, &limit, NULL));
}
static bool act_reboot(void)
{
	return refused(syscall(SYS_reboot, 0, 0, 0, NULL));
}
static bool act_clock(void)
{
	struct timespec t = {0};
	return refused(syscall(SYS_clock_settime, 0, &t));
}

static const struct {
	const char *name;
	bool (*refused)(void);
	unsigned unless; /* powers that allow it */
} forbidden[] = {
    {"exec", act_exec, 0},
    {"fork", act_fork, 0},
    {"open /etc/passwd", act_open_passwd, 0},
    {"open /etc/shadow", act_open_shadow, 0},
    {"open another role's file", act_open_other_role, 0},
    {"write to /tmp", act_write_tmp, 0},
    {"open /proc/self/mem", act_open_proc, 0},
    {"unlink elsewhere", act_unlink, 0},
    {"chmod elsewhere", act_chmod, 0},
    {"symlink", act_link, 0},
    {"TCP socket", act_socket_tcp, JAIL_CONNECT | JAIL_DATABASE},
    {"UDP socket", act_socket_udp, JAIL_CONNECT},
    {"Unix socket", act_socket_unix, JAIL_DATABASE},
    {"Unix datagram socket", act_socket_unix_datagram, 0},
    {"netlink socket", act_socket_netlink, 0},
    {"packet socket", act_socket_raw, 0},
    {"connect", act_connect, JAIL_CONNECT | JAIL_DATABASE},
    {"connect to a port that is not the database's", act_connect_elsewhere, JAIL_CONNECT},
    {"listen", act_listen, 0},
    {"bind a port", act_bind, 0},
    {"accept", act_accept, JAIL_ACCEPT},
    {"ptrace", act_ptrace, 0},
    {"signal another process", act_kill, 0},
    {"writable and executable memory", act_exec_memory, 0},
    {"make memory executable", act_make_executable, 0},
    {"setuid", act_setuid, 0},
    {"mount", act_mount, 0},
    {"new namespace", act_namespace, 0},
    {"bpf", act_bpf, 0},
    {"keyctl", act_keyctl, 0},
    {"io_uring", act_io_uring, 0},
    {"read another process", act_process_vm, 0},
    {"raise a limit", act_raise_limit, 0},
    {"reboot", act_reboot, 0},
    {"set the clock", act_clock, 0},
};

/* ---- what must still work ---- */

static void *thread_body(void *arg)
{
	return arg;
}
static bool can_thread(void)
{
	pthread_t t;
	return pthread_create(&t, NULL, thread_body, NULL) == 0 && pthread_join(t, NULL) == 0;
}
static bool can_memory_file(void)
{
	FD_LOCAL fd = fd_memory("jail");
	struct slice map;
	if (fd < 0 || fd_write_all(fd, SLICE("x")) != OK || fd_seal(fd) != OK ||
	    fd_map_sealed(fd, 10, &map) != OK)
		return false;
	fd_unmap(&map);
	return true;
}
static bool can_channel(void)
{
	int fds[2];
	return ipc_pair(fds) == OK;
}
static bool can_own_files(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/new", own_directory);
	FD_LOCAL fd = open(path, O_CREAT | O_RDWR, 0600);
	return fd >= 0 && write(fd, "x", 1) == 1 && fdatasync(fd) == 0 && unlink(path) == 0;
}
static bool can_connect(void)
{
	FD_LOCAL s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = listening_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return connect(s, (struct sockaddr *)&sa, sizeof sa) == 0;
}
static bool can_socket_unix(void)
{
	FD_LOCAL s = socket(AF_UNIX, SOCK_STREAM, 0);
	return s >= 0;
}
static bool can_accept(void)
{
	return accept4(listening, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno == EAGAIN;
}

static const struct {
	const char *name;
	bool (*works)(void);
	unsigned needs;
} allowed[] = {
    {"start a thread", can_thread, 0},
    {"make a sealed message", can_memory_file, 0},
    {"open a channel", can_channel, 0},
    {"use its own directory", can_own_files, JAIL_FILES},
    {"connect outwards", can_connect, JAIL_CONNECT},
    {"connect to the database's port", can_connect, JAIL_DATABASE},
    {"make a Unix socket", can_socket_unix, JAIL_DATABASE},
    {"accept on a socket handed over", can_accept, JAIL_ACCEPT},
};

static unsigned passed, failed;

static void say(bool good, enum role r, const char *verb, const char *what)
{
	printf("%s %s %s %s\n", good ? "ok" : "not ok", role_name(r), verb, what);
	good ? passed++ : failed++;
}

/* In the child. The counts travel back in the exit status: 0 when all was as it must be. */
static int try_all(enum role r, unsigned powers)
{
	const uint16_t ports[] = {ntohs(listening_port)};
	struct jail j = {.powers = powers,
	    .ports = ports,
	    .n_ports = 1,
	    .directory = powers & JAIL_FILES ? own_directory : NULL,
	    .uid = 64190 + r};
	if (geteuid() == 0 && chown(own_directory, j.uid, j.uid) != 0)
		return 2;
	if (jail_enter(&j) != OK) {
		printf("not ok %s cannot enter its jail\n", role_name(r));
		return 1;
	}
	for (size_t i = 0; i < COUNT(forbidden); i++)
		if (!(powers & forbidden[i].unless))
			say(forbidden[i].refused(), r, "is refused:", forbidden[i].name);
	for (size_t i = 0; i < COUNT(allowed); i++)
		if ((powers & allowed[i].needs) == allowed[i].needs)
			say(allowed[i].works(), r, "can:", allowed[i].name);
	fflush(stdout);
	return failed ? 1 : 0;
}

static bool prepare(void)
{
	snprintf(own_directory, sizeof own_directory, "/tmp/sekisho-jail-own-%d", getpid());
	snprintf(other_directory, sizeof other_directory, "/tmp/sekisho-jail-other-%d", getpid());
	char path[128];
	snprintf(path, sizeof path, "%s/secret", other_directory);
	if (mkdir(own_directory, 0700) != 0 || mkdir(other_directory, 0755) != 0)
		return false;
	FD_LOCAL fd = open(path, O_CREAT | O_WRONLY, 0644);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	if (fd < 0 || bind(listening, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(listening, 16) != 0 ||
	    getsockname(listening, (struct sockaddr *)&sa, &n) != 0)
		return false;
	listening_port = sa.sin_port;
	return true;
}

static void clean_up(void)
{
	char path[128];
	snprintf(path, sizeof path, "%s/secret", other_directory);
	unlink(path);
	rmdir(own_directory);
	rmdir(other_directory);
}

static int try_in_child(enum role r, unsigned powers)
{
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(try_all(r, powers));
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

int main(void)
{
	int bad = 0;
	if (!prepare()) {
		printf("not ok jail cannot prepare: %s\n", strerror(errno));
		return 1;
	}
	fflush(stdout);
	for (int r = 0; r < ROLE_COUNT; r++) {
		bad |= try_in_child((enum role)r, role_powers[r]);
		/* The database may be a file. */
		if (role_powers[r] & JAIL_DATABASE)
			bad |= try_in_child((enum role)r, role_powers[r] & ~(unsigned)JAIL_DATABASE);
	}
	clean_up();
	return bad;
}
