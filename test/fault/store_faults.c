/*
 * Every write and flush of a delivery (on PostgreSQL: everything sent to the server and received from it) fails once,
 * in turn, with a full disk and with an I/O error: what was answered OK
 * is there exactly once; what was not can be sent again as a front would, and is then there exactly once too; nothing
 * else is harmed. Also: a disk that stays full, and damage to a stored body.
 */
#include "../unit/store_help.h"
#include "kit/fault_vfs.h"
#include "store/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro;

static void make(void)
{
	fault_set(FAULT_NONE, 0, 0, 0);
	store_kit_make(&kit);
	assert_int_equal(store_kit_open(&kit, 2), OK);
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
}

static void unmake(void)
{
	fault_set(FAULT_NONE, 0, 0, 0);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_reset(&mem);
}

#define MAILS 3

/* What a front does: the same message under the same id until it is answered. */
static enum result send_once(struct ipc *mx, int i)
{
	char id[17], text[300];
	snprintf(id, sizeof id, "faultfaultfault%d", i);
	snprintf(text, sizeof text, "Subject: fault %d\r\n\r\nnumber %d\r\n", i, i);
	struct kit_envelope e = {.mail_id = id, .from = "x@there.example", .to = {"taro@here.example"}};
	return kit_deliver_text(&kit, mx, &e, text);
}

static unsigned count_of(struct ipc *c, const char *subject)
{
	static struct rows rows;
	unsigned n = 0;
	do_select(c, "INBOX");
	assert_int_equal(do_fetch(c, 1, 10000, SEKISHO__WANT__WANT_BODY, false, &rows), OK);
	for (size_t i = 0; i < rows.n; i++) {
		assert_true(rows.v[i]->has_body);
		n += memmem(rows.v[i]->body.data, rows.v[i]->body.len, subject, strlen(subject)) != NULL;
	}
	assert_int_equal(rows.n, do_status(c, "INBOX")->messages);
	return n;
}

static void reopen_if_broken(void)
{
	if (!kit.broken)
		return;
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 2), OK);
}

static void check_counts(const bool answered[MAILS], bool all)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	assert_true(c.fd >= 0);
	for (int i = 0; i < MAILS; i++) {
		char subject[30];
		snprintf(subject, sizeof subject, "Subject: fault %d\r", i);
		unsigned n = count_of(&c, subject);
		if (all || answered[i])
			assert_int_equal(n, 1);
		else
			assert_in_range(n, 0, 1);
	}
	ipc_close(&c);
}

static unsigned refused;

static int run_with_fault(enum fault_kind kind, int n, int error)
{
	bool answered[MAILS];
	make();
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	fault_set(kind, n, 1, error);
	for (int i = 0; i < MAILS; i++) {
		enum result r = send_once(&mx, i);
		answered[i] = r == OK;
		refused += r != OK;
		if (r != OK && r != LATER && r != FULL && r != GONE)
			fail_msg("%s %d: %s", fault_name(kind), n, result_name(r));
	}
	int calls = fault_calls(kind);
	fault_set(FAULT_NONE, 0, 0, 0);
	ipc_close(&mx);
	reopen_if_broken();
	check_counts(answered, false);
	mx = store_kit_channel(&kit, PEER_MX);
	for (int i = 0; i < MAILS; i++)
		assert_int_equal(send_once(&mx, i), OK);
	ipc_close(&mx);
	check_counts(answered, true);
	/* And once more from the disk. */
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 2), OK);
	check_counts(answered, true);
	unmake();
	return calls;
}

/* Faults of the engine that is not under test do not happen. */
static bool happens(enum fault_kind kind)
{
	bool server = test_database_is_server();
	if (kind == FAULT_DB_WRITE || kind == FAULT_DB_SYNC)
		return !server;
	return server || (kind != FAULT_LINK_SEND && kind != FAULT_LINK_RECEIVE);
}

static void every_write_and_flush_fails_once(void **state)
{
	static const int errors[] = {ENOSPC, EIO};
	unsigned runs = 0;
	for (enum fault_kind kind = FAULT_BODY_WRITE; kind < FAULT_KINDS; kind++) {
		bool link = kind == FAULT_LINK_SEND || kind == FAULT_LINK_RECEIVE;
		for (size_t e = 0; e < (link ? 1 : COUNT(errors)) && happens(kind); e++) {
			for (int n = 1, calls = n; n <= calls; n++, runs++)
				calls = run_with_fault(kind, n, errors[e]);
		}
	}
	print_message("%u faults, %u refusals\n", runs, refused);
	/* A reader's lost connection may be noticed in time, and an answer that was lost found out. */
	assert_true(runs > 50 && refused >= (test_database_is_server() ? runs / 4 : runs));
}

static void a_full_disk_refuses_and_recovers(void **state)
{
	bool answered[MAILS] = {false};
	make();
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = store_kit_login(&kit, (uint64_t)taro, "imap");
	assert_int_equal(send_once(&mx, 0), OK);
	fault_set(FAULT_BODY_WRITE, 1, 1000000, ENOSPC);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(send_once(&mx, 1), FULL);
		assert_true(slice_starts(slice_str(mx.why), SLICE("4.3.1 ")));
	}
	fault_set(FAULT_DB_WRITE, 1, 1000000, ENOSPC);
	for (int i = 0; i < 5 && !test_database_is_server(); i++)
		assert_int_equal(send_once(&mx, 2), FULL);
	/* Reading goes on. */
	assert_int_equal(count_of(&c, "Subject: fault 0\r"), 1);
	fault_set(FAULT_NONE, 0, 0, 0);
	assert_false(kit.broken);
	for (int i = 0; i < MAILS; i++)
		assert_int_equal(send_once(&mx, i), OK);
	ipc_close(&mx);
	ipc_close(&c);
	check_counts(answered, true);
	unmake();
}

static void the_reserve_is_kept(void **state)
{
	make();
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	store_kit_close(&kit);
	ipc_close(&mx);
	kit.settings.disk_reserve = UINT64_MAX;
	assert_int_equal(store_kit_open(&kit, 2), OK);
	mx = store_kit_channel(&kit, PEER_MX);
	assert_int_equal(send_once(&mx, 0), FULL);
	ipc_close(&mx);
	unmake();
}

static void damage_is_noticed(void **state)
{
	make();
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = store_kit_login(&kit, (uint64_t)taro, "imap");
	assert_int_equal(send_once(&mx, 0), OK);
	char path[200];
	snprintf(path, sizeof path, "%s/bodies/00000001.seg", kit.dir);
	FD_LOCAL fd = open(path, O_RDWR);
	uint64_t size;
	assert_int_equal(fd_size(fd, &size), OK);
	char last;
	assert_int_equal(pread(fd, &last, 1, (off_t)size - 20), 1);
	last ^= 1;
	assert_int_equal(pwrite(fd, &last, 1, (off_t)size - 20), 1);
	do_select(&c, "INBOX");
	BUF_LOCAL(body, 1000);
	assert_int_equal(do_body(&c, 1, 500, &body), LATER);
	ipc_close(&mx);
	ipc_close(&c);
	unmake();
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	fault_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_write_and_flush_fails_once),
	    cmocka_unit_test(a_full_disk_refuses_and_recovers),
	    cmocka_unit_test(the_reserve_is_kept),
	    cmocka_unit_test(damage_is_noticed),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	/*
	 * Servers end with their process, as roles do: by now their threads are hundreds, and a search for leaks among the
	 * stacks of so many finds what is none. The same ways are searched in the store's unit tests.
	 */
	fflush(NULL);
	_exit(failed);
}
