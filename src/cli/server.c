#include "cli/cli.h"
#include "ipc/ipc.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: it leaves the terminal, so that Ctrl-C is ours to judge; and it ends with us unless it is to stay. */
static void become_server(const char *config_path, bool demo, const char *log, bool stays)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (null < 0 || out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		_exit(EX_CANTCREAT);
	setsid();
	if (!stays)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	char *const argv[] = {
	    "sekisho", "serve", "--config", (char *)(uintptr_t)config_path, demo ? "--demo" : NULL, NULL};
	execv("/proc/self/exe", argv);
	_exit(EX_OSERR);
}

int cli_server_start(const char *config_path, bool demo, const char *log, bool stays, pid_t *out)
{
	pid_t pid = fork();
	if (pid < 0)
		return EX_OSERR;
	if (pid == 0)
		become_server(config_path, demo, log, stays);
	*out = pid;
	return EX_OK;
}

/*
 * Store answers a question, and so does keys, without which store does not open. That a socket can be connected to says
 * nothing: master has bound it before the role runs.
 */
static bool store_answers(const char *data_dir)
{
	ARENA_LOCAL(a, LIMIT_IPC_PACKET * 2);
	struct ipc ipc = {.fd = -1, .why = ""};
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__GaugesAnswer *answer;
	const char *path = arena_printf(&a, "%s/run/admin.sock", data_dir);
	if (!path || ipc_connect(path, &ipc) != OK)
		return false;
	bool good = ipc_call(&ipc, ASK_STORE_GAUGES, &ask, NULL, &a, &answer, NULL) == OK;
	ipc_close(&ipc);
	return good;
}

/* A server without a port for mail has nothing more to wait for. */
static bool port_answers(const struct config_addresses *list)
{
	if (list->n == 0)
		return true;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(list->at[0].port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(list->at[0].port)};
	bool is_v4 = inet_pton(AF_INET, list->at[0].host, &v4.sin_addr) == 1;
	if (!is_v4 && inet_pton(AF_INET6, list->at[0].host, &v6.sin6_addr) != 1)
		return false;
	FD_LOCAL fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (is_v4)
		return connect(fd, (struct sockaddr *)&v4, sizeof v4) == 0;
	return connect(fd, (struct sockaddr *)&v6, sizeof v6) == 0;
}

bool cli_server_ready(const struct config *config, pid_t pid, int64_t ms)
{
	for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end; usleep(20000)) {
		int status;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return false;
		if (store_answers(config->data_dir) && port_answers(&config->listen_smtp))
			return true;
	}
	return false;
}

/* Also of a process that is not our child: a pidfd cannot mean another process that got the number later. */
bool cli_server_stop(pid_t pid)
{
	FD_LOCAL fd = pidfd_open(pid, 0);
	if (fd < 0)
		return errno == ESRCH;
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	static const int signals[] = {SIGTERM, SIGKILL};
	for (size_t i = 0; i < COUNT(signals); i++) {
		if (pidfd_send_signal(fd, signals[i], NULL, 0) != 0 && errno == ESRCH)
			return true;
		if (poll(&ended, 1, signals[i] == SIGTERM ? 20000 : 5000) == 1) {
			waitpid(pid, NULL, WNOHANG);
			return true;
		}
	}
	return false;
}
