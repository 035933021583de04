/* ipc: asks and answers, powers, descriptors, notes, trunks that come back, hostile packets. */
#include "ipc/ipc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server that answers STORE_RCPT with one verdict a recipient, and STORE_CLAIM in three parts. */
static void on_rcpt(struct ipc_turn *t)
{
	const Sekisho__RcptAsk *ask = t->ask;
	if (ask->n_rcpts == 0) {
		ipc_refuse(t, DENY, "no recipients in %s", "this ask");
		return;
	}
	Sekisho__Verdict v = SEKISHO__VERDICT__INIT;
	v.code = 250;
	Sekisho__Verdict *list[100];
	for (size_t i = 0; i < ask->n_rcpts; i++)
		list[i] = &v;
	Sekisho__RcptAnswer answer = SEKISHO__RCPT_ANSWER__INIT;
	answer.verdicts = list;
	answer.n_verdicts = ask->n_rcpts;
	ipc_answer(t, &answer, &t->fds);
}

static void on_claim(struct ipc_turn *t)
{
	Sekisho__ClaimAnswer a = SEKISHO__CLAIM_ANSWER__INIT;
	for (a.next_ms = 1; a.next_ms < 3; a.next_ms++)
		ipc_answer_part(t, &a, NULL);
	ipc_answer(t, &a, NULL);
}

static ipc_handler *const handlers[ASK_MAX] = {[ASK_STORE_RCPT] = on_rcpt, [ASK_STORE_CLAIM] = on_claim};

static struct ipc connect_as(struct ipc_server *s, enum ipc_peer peer, struct ipc_conn **conn_out)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(s, fds[1], peer, NULL, NULL, conn_out);
	return (struct ipc){.fd = fds[0], .why = ""};
}

static enum result ask_rcpts(struct ipc *c, size_t n, struct arena *a, Sekisho__RcptAnswer **out)
{
	Sekisho__Addr addr = SEKISHO__ADDR__INIT;
	Sekisho__Addr *list[100];
	for (size_t i = 0; i < n; i++)
		list[i] = &addr;
	Sekisho__RcptAsk ask = SEKISHO__RCPT_ASK__INIT;
	ask.rcpts = list;
	ask.n_rcpts = n;
	return ipc_call(c, ASK_STORE_RCPT, &ask, NULL, a, out, NULL);
}

static void an_ask_is_answered(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_server *s = ipc_server_new(handlers, 2, NULL);
	struct ipc c = connect_as(s, PEER_MX, NULL);
	for (size_t n = 1; n < 50; n++) {
		Sekisho__RcptAnswer *answer;
		assert_int_equal(ask_rcpts(&c, n, &a, &answer), OK);
		assert_int_equal(answer->n_verdicts, n);
		assert_int_equal(answer->verdicts[n - 1]->code, 250);
	}
	Sekisho__RcptAnswer *answer;
	assert_int_equal(ask_rcpts(&c, 0, &a, &answer), DENY);
	assert_string_equal(c.why, "no recipients in this ask");
	ipc_close(&c);
}

static void descriptors_travel(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_server *s = ipc_server_new(handlers, 1, NULL);
	struct ipc c = connect_as(s, PEER_MX, NULL);
	FD_LOCAL fd = fd_memory("test");
	assert_int_equal(fd_write_all(fd, SLICE("hello")), OK);
	assert_int_equal(fd_seal(fd), OK);
	Sekisho__Addr addr = SEKISHO__ADDR__INIT;
	Sekisho__Addr *list[1] = {&addr};
	Sekisho__RcptAsk ask = SEKISHO__RCPT_ASK__INIT;
	ask.rcpts = list;
	ask.n_rcpts = 1;
	struct ipc_fds got, send = {.fd = {fd}, .n = 1};
	assert_int_equal(ipc_call(&c, ASK_STORE_RCPT, &ask, &send, &a, NULL, &got), OK);
	assert_int_equal(got.n, 1);
	struct slice text;
	assert_int_equal(fd_map_sealed(got.fd[0], 100, &text), OK);
	assert_true(slice_eq(text, SLICE("hello")));
	fd_unmap(&text);
	ipc_fds_close(&got);
	ipc_close(&c);
}

static void powers_are_enforced(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_server *s = ipc_server_new(handlers, 1, NULL);
	struct ipc c = connect_as(s, PEER_IMAP, NULL);
	Sekisho__RcptAnswer *answer;
	assert_int_equal(ask_rcpts(&c, 1, &a, &answer), GONE);
	struct ipc d = connect_as(s, PEER_MX, NULL);
	Sekisho__NameAsk name = SEKISHO__NAME_ASK__INIT;
	assert_int_equal(ipc_call(&d, ASK_STORE_DELETE, &name, NULL, &a, NULL, NULL), GONE);
	struct ipc e = connect_as(s, PEER_MX, NULL);
	assert_int_equal(ipc_call(&e, 99, &name, NULL, &a, NULL, NULL), GONE);
}

static void answers_may_have_parts(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_server *s = ipc_server_new(handlers, 1, NULL);
	struct ipc_conn *conn;
	struct ipc c = connect_as(s, PEER_RELAY, &conn);
	assert_true(ipc_note(conn, NOTE_QUEUE));
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer;
	assert_int_equal(ipc_call(&c, ASK_STORE_CLAIM, &ask, NULL, &a, &answer, NULL), OK);
	int parts = 1;
	while (c.more) {
		assert_int_equal(ipc_more(&c, &a, &answer, NULL), OK);
		parts++;
	}
	assert_int_equal(parts, 3);
	assert_int_equal(answer->next_ms, 3);
	assert_int_equal(c.notes, NOTE_QUEUE);
	c.notes = 0;
	assert_true(ipc_note(conn, NOTE_MAILBOX));
	assert_int_equal(ipc_poll(&c), OK);
	assert_int_equal(c.notes, NOTE_MAILBOX);
	ipc_server_note(s, 1u << PEER_MX, NOTE_END);
	ipc_server_note(s, 1u << PEER_RELAY, NOTE_KEYS);
	assert_int_equal(ipc_poll(&c), OK);
	assert_int_equal(c.notes, NOTE_MAILBOX | NOTE_KEYS);
	ipc_close(&c);
}

static void trunks_survive_a_restart(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_trunk *t = ipc_trunk_new("store");
	assert_null(ipc_thread(t));
	for (int round = 0; round < 3; round++) {
		struct ipc_server *s = ipc_server_new(handlers, 1, NULL);
		int fds[2];
		assert_int_equal(ipc_pair(fds), OK);
		struct ipc_conn *conn;
		ipc_server_add(s, fds[1], PEER_MX, NULL, NULL, &conn);
		ipc_trunk_set(t, fds[0]);
		struct ipc *c = ipc_thread(t);
		assert_non_null(c);
		Sekisho__RcptAnswer *answer;
		assert_int_equal(ask_rcpts(c, 1, &a, &answer), OK);
		assert_ptr_equal(ipc_thread(t), c);
		shutdown(c->fd, SHUT_RDWR);
		assert_int_equal(ask_rcpts(c, 1, &a, &answer), GONE);
		assert_int_equal(ask_rcpts(c, 1, &a, &answer), GONE);
		c = ipc_thread(t);
		assert_int_equal(ask_rcpts(c, 1, &a, &answer), OK);
		ipc_close(c);
	}
}

static int ended_count;
static void count_end(void *data)
{
	__atomic_add_fetch((int *)data, 1, __ATOMIC_SEQ_CST);
}

static void hostile_packets_close_the_channel(void **state)
{
	struct ipc_server *s = ipc_server_new(handlers, 1, NULL);
	const struct {
		const char *p;
		size_t n;
	} packets[] = {
	    {"x", 1},                                 /* shorter than a header */
	    {"\x0b\0\0\0\xff\xff\xff\xff", 8},        /* a length that lies */
	    {"\x0b\0\0\0\x03\0\0\0\xff\xff\xff", 11}, /* not protobuf */
	    {"\x0b\0\0\x01\0\0\0\0", 8},              /* an ask with flags */
	    {"\xff\xff\0\0\0\0\0\0", 8},              /* no such ask */
	    {"\x01\0\0\0\0\0\0\0", 8},                /* open without a descriptor */
	};
	for (size_t i = 0; i < COUNT(packets); i++) {
		int fds[2];
		assert_int_equal(ipc_pair(fds), OK);
		ended_count = 0;
		ipc_server_add(s, fds[1], PEER_MX, &ended_count, count_end, NULL);
		assert_int_equal(send(fds[0], packets[i].p, packets[i].n, 0), packets[i].n);
		char c;
		assert_int_equal(recv(fds[0], &c, 1, 0), 0);
		close(fds[0]);
		for (int k = 0; k < 1000 && !__atomic_load_n(&ended_count, __ATOMIC_SEQ_CST); k++)
			usleep(1000);
		assert_int_equal(__atomic_load_n(&ended_count, __ATOMIC_SEQ_CST), 1);
	}
}

static void a_new_life_is_waited_for(void **state)
{
	struct ipc_trunk *t = ipc_trunk_new("peer");
	uint64_t life = ipc_trunk_life(t);
	assert_false(ipc_trunk_wait(t, life, 10));
	ipc_trunk_set(t, -1);
	assert_true(ipc_trunk_wait(t, life, 10));
	assert_int_equal(ipc_trunk_life(t), life + 1);
	assert_false(ipc_trunk_wait(t, life + 1, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_ask_is_answered),
	    cmocka_unit_test(descriptors_travel),
	    cmocka_unit_test(powers_are_enforced),
	    cmocka_unit_test(answers_may_have_parts),
	    cmocka_unit_test(trunks_survive_a_restart),
	    cmocka_unit_test(a_new_life_is_waited_for),
	    cmocka_unit_test(hostile_packets_close_the_channel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
