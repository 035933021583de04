/*
 * Several nodes on one PostgreSQL database: what one changes the other tells its sessions, each row of the queue is one
 * node's to send, and a server that cuts its connections loses and doubles nothing. Bodies are each node's own here.
 */
#include "store_help.h"
#include "store/inside.h"
#include "store/nodes.h"
#include "store/queue/queue.h"
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEASE_MS 1500

static struct store_kit kits[2];
static int64_t taro;

/* The second has a directory of its own, and the first one's database. */
static void make_second(void)
{
	static char dir[100];
	snprintf(dir, sizeof dir, "%s/second", kits[0].dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	store_kit_at(&kits[1], dir);
	kits[1].settings.database = kits[0].settings.database;
	for (int i = 0; i < 2; i++)
		kits[i].settings.node_lease_ms = LEASE_MS;
}

static int set_up(void **state)
{
	if (!test_database_is_server())
		return 0;
	store_kit_make(&kits[0]);
	make_second();
	for (int i = 0; i < 2; i++)
		if (store_kit_open(&kits[i], 4) != OK)
			return 1;
	store_kit_must(&kits[0], "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kits[0], "account.add", "{\"address\":\"taro@here.example\"}");
	store_kit_must(
	    &kits[1], "alias.add", "{\"address\":\"out@here.example\",\"target\":[\"x@there.example\"]}");
	return 0;
}

static int tear_down(void **state)
{
	if (!test_database_is_server())
		return 0;
	store_kit_close(&kits[1]);
	store_kit_close(&kits[0]);
	store_kit_remove(&kits[0]);
	arena_free(&mem);
	return 0;
}

#define NEED_SERVER()                                                                                        \
	if (!test_database_is_server())                                                                      \
	skip()

static struct ipc login(int node)
{
	struct ipc c = store_kit_login(&kits[node], (uint64_t)taro, "imap");
	assert_true(c.fd >= 0);
	return c;
}

/* How long until the channel has heard of it; -1: not within five seconds. */
static int64_t hears(struct ipc *c, unsigned note)
{
	int64_t start = clock_mono_ms();
	for (; clock_mono_ms() - start < 5000; usleep(1000)) {
		if (ipc_poll(c) != OK)
			return -1;
		if (c->notes & note)
			return clock_mono_ms() - start;
	}
	return -1;
}

static void mail_wakes_the_other_node(void **state)
{
	NEED_SERVER();
	struct ipc a = login(0), b = login(1);
	do_select(&a, "INBOX");
	do_select(&b, "INBOX");
	assert_int_equal(
	    deliver(&kits[0], "x@there.example", "taro@here.example", "Subject: one\r\n\r\n1\r\n"), OK);
	int64_t took = hears(&b, NOTE_MAILBOX);
	assert_in_range(took, 0, 1000);
	Sekisho__SyncAnswer *s = do_sync(&b, 0, 1);
	assert_int_equal(s->n_added, 1);
	assert_int_equal(s->added[0]->count, 1);
	uint64_t before = s->highestmodseq;
	assert_int_equal(hears(&a, NOTE_MAILBOX) >= 0, true);
	do_sync(&a, 0, 1);
	a.notes = 0;
	do_flags(&b, 1, 1, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_SEEN, "$Work");
	assert_in_range(hears(&a, NOTE_MAILBOX), 0, 1000);
	s = do_sync(&a, before, 2);
	assert_int_equal(s->n_changes, 1);
	assert_int_equal(s->changes[0]->flags, SEKISHO__FLAG__FLAG_SEEN);
	assert_true(s->changes[0]->modseq > before);
	ipc_close(&a);
	ipc_close(&b);
}

static void a_suspended_account_ends_everywhere(void **state)
{
	NEED_SERVER();
	struct ipc b = login(1);
	store_kit_must(&kits[0], "account.suspend", "{\"address\":\"taro@here.example\"}");
	assert_in_range(hears(&b, NOTE_END), 0, 1000);
	assert_int_equal(do_name(&b, ASK_STORE_STATUS, "INBOX"), STOP);
	ipc_close(&b);
	b = store_kit_login(&kits[1], (uint64_t)taro, "imap");
	assert_int_equal(b.fd, -1);
	store_kit_must(&kits[1], "account.resume", "{\"address\":\"taro@here.example\"}");
}

/* ---- both at once ---- */

#define EACH 100

struct sender {
	pthread_t thread;
	struct ipc c;
	struct ipc user;
	int node;
};

/* As a client does after a 4xx: the same message under a new id. LATER has to mean that nothing was kept. */
static void *send_all(void *arg)
{
	struct sender *s = arg;
	for (unsigned i = 0; i < EACH; i++) {
		char id[17], text[200];
		snprintf(text, sizeof text, "Message-ID: <%d.%u@x>\r\nSubject: %d-%u\r\n\r\ntext %d-%u\r\n",
		    s->node, i, s->node, i, s->node, i);
		struct kit_envelope e = {
		    .mail_id = id, .from = "x@there.example", .to = {"taro@here.example"}};
		enum result r = LATER;
		for (; r == LATER; usleep(r == LATER ? 20000 : 0)) {
			kit_mail_id(id);
			r = kit_deliver_text(&kits[s->node], &s->c, &e, text);
		}
		if (r != OK)
			abort();
	}
	return NULL;
}

static void start_senders(struct sender v[2])
{
	for (int i = 0; i < 2; i++) {
		v[i].node = i;
		v[i].c = store_kit_channel(&kits[i], PEER_MX);
		assert_int_equal(pthread_create(&v[i].thread, NULL, send_all, &v[i]), 0);
	}
}

static void end_senders(struct sender v[2])
{
	for (int i = 0; i < 2; i++) {
		pthread_join(v[i].thread, NULL);
		ipc_close(&v[i].c);
	}
}

static int by_number(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

/* All there, on both nodes the same, and no number given twice. */
static void check_inbox(uint32_t wanted)
{
	static struct rows rows;
	static uint64_t emails[5000];
	for (int node = 0; node < 2; node++) {
		struct ipc c = login(node);
		do_select(&c, "INBOX");
		assert_int_equal(do_fetch(&c, 1, 100000, 0, false, &rows), OK);
		assert_int_equal(rows.n, wanted);
		uint64_t modseq = 0;
		for (size_t i = 0; i < rows.n; i++) {
			assert_int_equal(rows.v[i]->uid, i + 1);
			emails[i] = rows.v[i]->email;
			modseq = MAX(modseq, rows.v[i]->modseq);
		}
		qsort(emails, rows.n, sizeof *emails, by_number);
		for (size_t i = 1; i < rows.n; i++)
			assert_int_not_equal(emails[i], emails[i - 1]);
		Sekisho__MailboxStatus *s = do_status(&c, "INBOX");
		assert_int_equal(s->messages, wanted);
		assert_int_equal(s->highestmodseq, modseq);
		ipc_close(&c);
	}
}

static void two_nodes_deliver_into_one_mailbox(void **state)
{
	NEED_SERVER();
	struct sender v[2];
	struct ipc c = login(0);
	uint32_t before = do_status(&c, "INBOX")->messages;
	ipc_close(&c);
	start_senders(v);
	end_senders(v);
	check_inbox(before + 2 * EACH);
}

static void connections_are_cut_under_load(void **state)
{
	NEED_SERVER();
	struct sender v[2];
	struct ipc c = login(0);
	uint32_t before = do_status(&c, "INBOX")->messages;
	ipc_close(&c);
	start_senders(v);
	for (int i = 0; i < 10; i++) {
		usleep(30000);
		test_database_sql(&kits[0].database,
		    "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity"
		    " WHERE datname = current_database() AND pid <> pg_backend_pid()");
	}
	end_senders(v);
	assert_false(kits[0].broken);
	assert_false(kits[1].broken);
	check_inbox(before + 2 * EACH);
	/* Notes come again, too. */
	struct ipc b = login(1);
	do_select(&b, "INBOX");
	usleep(1000000);
	assert_int_equal(ipc_poll(&b), OK);
	do_sync(&b, 0, 1);
	b.notes = 0;
	assert_int_equal(
	    deliver(&kits[0], "x@there.example", "taro@here.example", "Subject: two\r\n\r\n2\r\n"), OK);
	assert_in_range(hears(&b, NOTE_MAILBOX), 0, 1000);
	ipc_close(&b);
}

/* ---- the queue ---- */

static Sekisho__ClaimAnswer *claim(struct ipc *relay)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer = NULL;
	ask.most = 10;
	ask.most_per_domain = 10;
	assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
	return answer;
}

static size_t claims_soon(struct ipc *relay, size_t wanted, int64_t ms)
{
	size_t n = 0;
	for (int64_t end = clock_mono_ms() + ms; n < wanted && clock_mono_ms() < end; usleep(20000))
		n += claim(relay)->n_jobs;
	return n;
}

static void queue_one(int node, const char *id)
{
	struct ipc c = store_kit_channel(&kits[node], PEER_MX);
	struct kit_envelope e = {.mail_id = id, .from = "x@there.example", .to = {"out@here.example"}};
	assert_int_equal(kit_deliver_text(&kits[node], &c, &e, "Subject: out\r\n\r\nout\r\n"), OK);
	ipc_close(&c);
}

static void each_row_is_one_nodes_to_send(void **state)
{
	NEED_SERVER();
	struct ipc a = store_kit_channel(&kits[0], PEER_RELAY), b = store_kit_channel(&kits[1], PEER_RELAY);
	queue_one(0, "queue00000000001");
	assert_int_equal(claims_soon(&b, 1, 300), 0);
	/* Held and released by the administrator of the other node. */
	store_kit_must(&kits[1], "queue.hold", "{\"mail\":[\"queue00000000001\"]}");
	assert_int_equal(claims_soon(&a, 1, 300), 0);
	store_kit_must(&kits[1], "queue.release", "{\"mail\":[\"queue00000000001\"]}");
	assert_int_equal(claims_soon(&a, 1, 2000), 1);
	assert_int_equal(claims_soon(&b, 1, 300), 0);
	ipc_close(&a);
	ipc_close(&b);
	for (int i = 0; i < 200 && queue_claimants(kits[0].store->queue); i++)
		usleep(10000);
	store_kit_must(&kits[1], "queue.remove", "{\"mail\":[\"queue00000000001\"]}");
	a = store_kit_channel(&kits[0], PEER_RELAY);
	assert_int_equal(claims_soon(&a, 1, 300), 0);
	ipc_close(&a);
}

static void a_dead_nodes_queue_is_taken_over(void **state)
{
	NEED_SERVER();
	queue_one(0, "queue00000000002");
	/* As in a crash: nothing is said to the others. */
	store_kit_close(&kits[0]);
	struct ipc b = store_kit_channel(&kits[1], PEER_RELAY);
	assert_int_equal(claims_soon(&b, 1, LEASE_MS / 3), 0);
	assert_int_equal(claims_soon(&b, 1, LEASE_MS * 4), 1);
	assert_int_equal(
	    deliver(&kits[1], "x@there.example", "taro@here.example", "Subject: on\r\n\r\ngoes on\r\n"), OK);
	assert_int_equal(store_kit_open(&kits[0], 4), OK);
	struct ipc a = store_kit_channel(&kits[0], PEER_RELAY);
	assert_int_equal(claims_soon(&a, 1, 300), 0);
	ipc_close(&a);
	ipc_close(&b);
}

/* Started again before the lease has ended, a node has its own back at once. */
static void a_node_that_returns_has_its_queue(void **state)
{
	NEED_SERVER();
	queue_one(0, "queue00000000003");
	store_kit_close(&kits[0]);
	assert_int_equal(store_kit_open(&kits[0], 4), OK);
	struct ipc a = store_kit_channel(&kits[0], PEER_RELAY), b = store_kit_channel(&kits[1], PEER_RELAY);
	assert_int_equal(claims_soon(&a, 1, 1000), 1);
	assert_int_equal(claims_soon(&b, 2, LEASE_MS * 2), 1); /* what it had taken over, and nothing more */
	ipc_close(&a);
	ipc_close(&b);
}

static void a_number_is_one_nodes(void **state)
{
	NEED_SERVER();
	test_database_sql(&kits[0].database, "UPDATE nodes SET incarnation = 1");
	for (int i = 0; i < 400 && !(kits[0].broken && kits[1].broken); i++)
		usleep(10000);
	assert_true(kits[0].broken && kits[1].broken);
	for (int i = 0; i < 2; i++) {
		store_kit_close(&kits[i]);
		assert_int_equal(store_kit_open(&kits[i], 4), OK);
	}
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail_wakes_the_other_node),
	    cmocka_unit_test(a_suspended_account_ends_everywhere),
	    cmocka_unit_test(two_nodes_deliver_into_one_mailbox),
	    cmocka_unit_test(connections_are_cut_under_load),
	    cmocka_unit_test(each_row_is_one_nodes_to_send),
	    cmocka_unit_test(a_dead_nodes_queue_is_taken_over),
	    cmocka_unit_test(a_node_that_returns_has_its_queue),
	    cmocka_unit_test(a_number_is_one_nodes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
