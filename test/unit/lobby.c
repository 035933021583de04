/* lobby: sessions wake by their client and by wake_fd, expire, make room for others, and survive storms. */
#include "role/lobby.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A service that echoes lines and says "woken" when its eventfd fired; silent until the first line. */
struct service {
	int64_t sleep_ms;
	_Atomic int alive, last_wake;
};

struct echo_session {
	struct session session;
	struct service *service;
};

static enum session_next echo_run(struct session *s)
{
	bool woken;
	uint64_t n;
	if (s->wake_fd >= 0 && read(s->wake_fd, &n, sizeof n) == sizeof n)
		stream_puts(s->stream, "woken\r\n");
	while (session_wait(s, &woken) == OK) {
		struct slice line;
		if (woken)
			return echo_run(s);
		if (stream_line(s->stream, 100, &line) != OK)
			return SESSION_END;
		s->silent = false;
		stream_put(s->stream, line);
		stream_puts(s->stream, "\r\n");
	}
	return SESSION_SLEEP;
}

static enum session_next echo_expired(struct session *s)
{
	stream_puts(s->stream, "bye\r\n");
	result_ignore(stream_flush(s->stream));
	return SESSION_END;
}

static struct service *service_of(const struct session *s)
{
	return ((const struct echo_session *)(const void *)s)->service;
}

static void echo_end(struct session *s)
{
	atomic_fetch_sub(&service_of(s)->alive, 1);
	stream_close(s->stream);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s);
}

static const struct session_ops echo_ops = {"echo", echo_run, echo_expired, echo_end};

static struct session *echo_open(const void *service, struct stream *stream, const char *ip, unsigned port)
{
	struct service *sv = (void *)(uintptr_t)service;
	struct echo_session *e = calloc(1, sizeof *e);
	e->session = (struct session){.ops = &echo_ops,
	    .stream = stream,
	    .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	    .sleep_ms = sv->sleep_ms,
	    .silent = true};
	e->service = sv;
	atomic_fetch_add(&sv->alive, 1);
	atomic_store(&sv->last_wake, e->session.wake_fd);
	assert_true(strcmp(ip, "127.0.0.1") == 0 && port > 0);
	return &e->session;
}

static in_port_t port;

static void start(struct service *sv, unsigned threads, unsigned sessions, unsigned per_address)
{
	struct lobby_settings settings = {threads, sessions, per_address};
	struct lobby *l = lobby_new(&settings);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 1000), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	port = sa.sin_port;
	lobby_listen(l, fd, "echo", echo_open, sv);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval wait = {.tv_sec = 5};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

static bool hears(int fd, const char *expected)
{
	char got[100];
	size_t n = 0, want = strlen(expected);
	while (n < want) {
		ssize_t r = recv(fd, got + n, want - n, 0);
		if (r <= 0)
			return want == 0;
		n += (size_t)r;
	}
	return memcmp(got, expected, want) == 0;
}

static bool closed(int fd)
{
	char c;
	return recv(fd, &c, 1, 0) == 0;
}

static void says(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool comes_to(_Atomic int *value, int wanted)
{
	for (int i = 0; i < 5000 && atomic_load(value) != wanted; i++)
		usleep(1000);
	return atomic_load(value) == wanted;
}

static void sleepers_wake(void **state)
{
	static struct service sv = {.sleep_ms = 60000};
	start(&sv, 2, 100, 100);
	int fd = dial();
	for (int i = 0; i < 3; i++) {
		says(fd, "hello\r\n");
		assert_true(hears(fd, "hello\r\n"));
		usleep(60000); /* long enough to fall asleep */
	}
	uint64_t one = 1;
	assert_int_equal(write(atomic_load(&sv.last_wake), &one, sizeof one), sizeof one);
	assert_true(hears(fd, "woken\r\n"));
	says(fd, "a\r\nb\r\nc");
	assert_true(hears(fd, "a\r\nb\r\n"));
	says(fd, "d\r\n");
	assert_true(hears(fd, "cd\r\n"));
	close(fd);
	assert_true(comes_to(&sv.alive, 0));
}

static void sleepers_expire(void **state)
{
	static struct service sv = {.sleep_ms = 100};
	start(&sv, 2, 100, 100);
	int fd = dial();
	assert_true(hears(fd, "bye\r\n"));
	assert_true(closed(fd));
	assert_true(comes_to(&sv.alive, 0));
	close(fd);
}

static void the_oldest_silent_one_makes_room(void **state)
{
	static struct service sv = {.sleep_ms = 60000};
	start(&sv, 2, 100, 5);
	int talker = dial();
	says(talker, "x\r\n");
	assert_true(hears(talker, "x\r\n"));
	int silent[20];
	for (size_t i = 0; i < COUNT(silent); i++) {
		silent[i] = dial();
		usleep(60000);
	}
	assert_int_equal(atomic_load(&sv.alive), 5);
	says(talker, "still here\r\n");
	assert_true(hears(talker, "still here\r\n"));
	assert_true(closed(silent[0]));
	says(silent[19], "y\r\n");
	assert_true(hears(silent[19], "y\r\n"));
	for (size_t i = 0; i < COUNT(silent); i++)
		close(silent[i]);
	close(talker);
	assert_true(comes_to(&sv.alive, 0));
}

/* run() waits for the rest of each line: more of them than threads must not stop a client that is whole. */
static void slow_ones_starve_nobody(void **state)
{
	static struct service sv = {.sleep_ms = 60000};
	start(&sv, 2, 100, 100);
	int slow[12];
	for (size_t i = 0; i < COUNT(slow); i++) {
		slow[i] = dial();
		says(slow[i], "half a li");
	}
	usleep(50000);
	int fd = dial();
	says(fd, "whole\r\n");
	assert_true(hears(fd, "whole\r\n"));
	says(slow[0], "ne\r\n");
	assert_true(hears(slow[0], "half a line\r\n"));
	for (size_t i = 0; i < COUNT(slow); i++)
		close(slow[i]);
	close(fd);
	assert_true(comes_to(&sv.alive, 0));
}

static void *storm(void *arg)
{
	long bad = 0;
	for (int i = 0; i < 150; i++) {
		int fd = dial();
		for (int k = 0; k < 4; k++) {
			says(fd, "ping\r\n");
			bad += !hears(fd, "ping\r\n");
			if ((i + k) % 7 == 0)
				usleep(25000); /* about the lingering time: asleep or not, or just between */
		}
		close(fd);
	}
	(void)arg;
	return (void *)bad;
}

static void storms_pass(void **state)
{
	static struct service sv = {.sleep_ms = 60000};
	start(&sv, 3, 100, 100);
	pthread_t threads[8];
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, storm, NULL);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *bad;
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	assert_true(comes_to(&sv.alive, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sleepers_wake),
	    cmocka_unit_test(sleepers_expire),
	    cmocka_unit_test(the_oldest_silent_one_makes_room),
	    cmocka_unit_test(slow_ones_starve_nobody),
	    cmocka_unit_test(storms_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
