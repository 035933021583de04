/* imap_session: what a conversation file cannot show: sleeping, waking, memory at rest, roles that go away. */
#include "imap/imap.h"
#include "imap/session.h"
#include "kit/mailboxes.h"
#include "kit/samples.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct mailboxes *boxes;
static SSL_CTX *tls;
static struct imap_service service;

/* A session whose client is the other end of a socket pair, already logged in. */
struct peer {
	struct session *session;
	int fd;
	char got[1 << 20];
};

static void service_reset(void)
{
	mailboxes_reset(boxes);
	imap_service_defaults(&service);
	service.tls = tls;
	service.store = mailboxes_store(boxes);
	service.keys = mailboxes_keys(boxes);
	service.scan = mailboxes_scan(boxes);
}

static enum session_next run(struct peer *p)
{
	return p->session->ops->run(p->session);
}

/* What has been said until now, as a string. */
static const char *heard(struct peer *p)
{
	ssize_t n = recv(p->fd, p->got, sizeof p->got - 1, MSG_DONTWAIT);
	p->got[n > 0 ? n : 0] = 0;
	return p->got;
}

static const char *say(struct peer *p, const char *text)
{
	assert_true(send(p->fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	assert_int_equal(run(p), SESSION_SLEEP);
	return heard(p);
}

static void open_peer(struct peer *p)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	p->session = imap_session_new(&service, stream_socket(fds[0]), "192.0.2.7", 1);
	p->fd = fds[1];
	/* As after STARTTLS, which a memory stream imitates and this socket does not need. */
	((struct imap *)p->session)->secure = true;
	assert_int_equal(run(p), SESSION_SLEEP);
	assert_non_null(strstr(heard(p), "* OK "));
	assert_non_null(strstr(say(p, "a LOGIN user pencil\r\n"), "a OK "));
}

static void close_peer(struct peer *p)
{
	p->session->ops->end(p->session);
	close(p->fd);
}

/* Another session's act, by a peer of its own. */
static void act(struct peer *other, const char *verb)
{
	char line[200];
	snprintf(line, sizeof line, "x STATUS \"%s\" (MESSAGES)\r\n", verb);
	assert_non_null(strstr(say(other, line), "x NO"));
}

static void idle_wakes_for_what_happens(void **state)
{
	struct peer *me = calloc(1, sizeof *me), *other = calloc(1, sizeof *other);
	service_reset();
	mailboxes_add(boxes, "INBOX", sample_find(SLICE("plain")), 0, 1000);
	open_peer(me);
	open_peer(other);
	say(me, "b SELECT INBOX\r\n");
	assert_string_equal(say(me, "c IDLE\r\n"), "+ idling\r\n");
	act(other, "!append INBOX");
	assert_true(me->session->wake_fd >= 0);
	assert_int_equal(run(me), SESSION_SLEEP);
	assert_string_equal(heard(me), "* 2 EXISTS\r\n* 2 RECENT\r\n");
	act(other, "!flag INBOX 1 1");
	act(other, "!expunge INBOX 2");
	assert_int_equal(run(me), SESSION_SLEEP);
	assert_string_equal(heard(me), "* 2 EXPUNGE\r\n* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n");
	assert_string_equal(say(me, "DONE\r\n"), "c OK IDLE ended\r\n");
	close_peer(me);
	close_peer(other);
	free(me);
	free(other);
}

static void noop_asks_nobody(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	open_peer(me);
	say(me, "b SELECT INBOX\r\n");
	for (int i = 0; i < 10; i++)
		assert_string_equal(say(me, "c NOOP\r\n"), "c OK Done\r\n");
	assert_int_equal(mailboxes_asked(boxes, ASK_STORE_SYNC), 0);
	assert_int_equal(mailboxes_asked(boxes, ASK_STORE_STATUS), 0);
	close_peer(me);
	free(me);
}

static void a_sleeper_is_small(void **state)
{
	enum { SESSIONS = 100 };
	static struct peer peers[SESSIONS];
	service_reset();
	for (int i = 0; i < 50; i++)
		mailboxes_add(boxes, "INBOX", sample_find(SLICE("plain")), 0, 1000);
	open_peer(&peers[0]); /* what is made once */
	say(&peers[0], "b SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n");
	struct mallinfo2 before = mallinfo2();
	for (int i = 1; i < SESSIONS; i++) {
		open_peer(&peers[i]);
		say(&peers[i], "b SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\nd IDLE\r\n");
	}
	struct mallinfo2 after = mallinfo2();
	/* The fake store's side of the channel counts here too. */
	size_t each = (after.uordblks - before.uordblks) / (SESSIONS - 1);
	print_message("%zu octets a sleeping session, its store's side included\n", each);
	assert_true(each < 3072);
	for (int i = 0; i < SESSIONS; i++)
		close_peer(&peers[i]);
}

static void a_note_ends_the_session(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	open_peer(me);
	assert_true(send(me->fd, "x STATUS !end (MESSAGES)\r\n", 26, 0) == 26);
	enum session_next next = run(me);
	if (next == SESSION_SLEEP)
		next = run(me);
	assert_int_equal(next, SESSION_END);
	assert_non_null(strstr(heard(me), "* BYE "));
	close_peer(me);
	free(me);
}

static void a_broken_channel_ends_the_session(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	open_peer(me);
	assert_true(send(me->fd, "x STATUS !down (MESSAGES)\r\ny STATUS INBOX (MESSAGES)\r\n", 55, 0) == 55);
	enum session_next next = run(me);
	if (next == SESSION_SLEEP)
		next = run(me);
	assert_int_equal(next, SESSION_END);
	assert_non_null(strstr(heard(me), "* BYE [UNAVAILABLE]"));
	close_peer(me);
	free(me);
}

static void the_time_is_up(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	open_peer(me);
	assert_int_equal(me->session->sleep_ms, service.idle_ms);
	assert_int_equal(me->session->ops->expired(me->session), SESSION_END);
	assert_string_equal(heard(me), "* BYE Idle for too long\r\n");
	close_peer(me);
	free(me);
}

static void facts_come_by_descriptor(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	for (int i = 0; i < 9; i++)
		mailboxes_add(boxes, "INBOX", sample_find(SLICE("nested")), 0, 1000);
	mailboxes_facts_most(boxes, 0);
	open_peer(me);
	say(me, "b SELECT INBOX\r\n");
	const char *answer = say(me, "c FETCH 1:9 BODY.PEEK[2.HEADER.FIELDS (SUBJECT)]\r\n");
	for (int i = 0; i < 9; i++) {
		answer = strstr(answer, "{18}\r\nSubject: inner\r\n\r\n)");
		assert_non_null(answer);
		answer++;
	}
	close_peer(me);
	free(me);
}

/* Windows: all of many messages come, in order, each once. */
static void many_messages_come_in_windows(void **state)
{
	struct peer *me = calloc(1, sizeof *me);
	service_reset();
	for (int i = 0; i < 700; i++)
		mailboxes_add(boxes, "INBOX", sample_find(SLICE("plain")), 0, 1000);
	open_peer(me);
	say(me, "b SELECT INBOX\r\n");
	static const char *const items[] = {"UID", "(UID ENVELOPE)", "(UID BODY.PEEK[])"};
	for (size_t i = 0; i < COUNT(items); i++) {
		char line[100];
		BUF_LOCAL(all, 10 << 20);
		snprintf(line, sizeof line, "c UID FETCH 1:300,302:* %s\r\n", items[i]);
		int room = 4 << 20;
		setsockopt(stream_fd(me->session->stream), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		buf_puts(&all, say(me, line));
		const char *at = buf_z(&all);
		for (unsigned uid = 1; uid <= 700; uid++) {
			char want[40];
			if (uid == 301)
				continue;
			snprintf(want, sizeof want, "* %u FETCH (UID %u", uid, uid);
			at = strstr(at, want);
			assert_non_null(at);
		}
		assert_non_null(strstr(at, "c OK"));
	}
	close_peer(me);
	free(me);
}

static int setup(void **state)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	boxes = mailboxes_start();
	tls = SSL_CTX_new(TLS_server_method());
	session_linger(0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(idle_wakes_for_what_happens),
	    cmocka_unit_test(noop_asks_nobody),
	    cmocka_unit_test(a_note_ends_the_session),
	    cmocka_unit_test(a_broken_channel_ends_the_session),
	    cmocka_unit_test(the_time_is_up),
	    cmocka_unit_test(facts_come_by_descriptor),
	    cmocka_unit_test(many_messages_come_in_windows),
	    cmocka_unit_test(a_sleeper_is_small),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
