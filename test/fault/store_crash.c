/*
 * A store that is killed (SIGKILL) at random moments under load, and started again on what it left: every delivery
 * that was answered is there exactly once, however often the front repeated it; moving messages about loses and doubles
 * none; queued mail is claimed until it was reported sent, and never after.
 *
 *     store_crash [KILLS]            the test
 *     store_crash --store DIR FD...  the store that is killed: the first descriptor tells that it is ready
 */
#include "../unit/store_help.h"
#include "store/inside.h"
#include "store/sessions.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRONTS 6
#define EXTRA 4 /* channels: admin, imap logins, relay, checking */
#define CHANNELS (FRONTS + EXTRA)

enum { ADMIN = FRONTS, USER, RELAY, USER2 };

static struct store_kit kit;
static uint64_t kills = 60;

/* ---- the store ---- */

static int be_store(int argc, char **argv)
{
	static const enum ipc_peer extra[EXTRA] = {PEER_ADMIN, PEER_USER, PEER_RELAY, PEER_USER};
	uint64_t fd;
	event_start("store", EVENT_LOGFMT, EVENT_ERROR);
	store_kit_at(&kit, argv[2]);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	for (int i = 4; i < argc; i++) {
		if (num_u64(slice_str(argv[i]), 1 << 20, &fd) != OK)
			return 1;
		int n = i - 4;
		ipc_server_add(
		    kit.server, (int)fd, n < FRONTS ? PEER_MX : extra[n - FRONTS], NULL, NULL, NULL);
	}
	if (num_u64(slice_str(argv[3]), 1 << 20, &fd) != OK || write((int)fd, "r", 1) != 1)
		return 1;
	for (;;)
		pause();
}

struct life {
	pid_t pid;
	struct ipc c[CHANNELS];
};

static void start(struct life *l)
{
	char texts[CHANNELS + 1][16];
	char *args[CHANNELS + 6] = {
	    (char *)(uintptr_t) "/proc/self/exe", (char *)(uintptr_t) "--store", kit.dir, texts[0]};
	int ready[2], fds[CHANNELS][2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	snprintf(texts[0], sizeof texts[0], "%d", ready[1]);
	for (int i = 0; i < CHANNELS; i++) {
		assert_int_equal(ipc_pair(fds[i]), OK);
		snprintf(texts[i + 1], sizeof texts[0], "%d", fds[i][1]);
		args[4 + i] = texts[i + 1];
		l->c[i] = (struct ipc){.fd = fds[i][0], .why = ""};
	}
	l->pid = fork();
	assert_true(l->pid >= 0);
	if (l->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < CHANNELS; i++)
			fcntl(fds[i][1], F_SETFD, 0);
		fcntl(ready[1], F_SETFD, 0);
		execv(args[0], args);
		_exit(127);
	}
	close(ready[1]);
	for (int i = 0; i < CHANNELS; i++)
		close(fds[i][1]);
	char r;
	assert_int_equal(read(ready[0], &r, 1), 1);
	close(ready[0]);
}

static void end(struct life *l)
{
	for (int i = 0; i < CHANNELS; i++)
		ipc_close(&l->c[i]);
	waitpid(l->pid, NULL, 0);
}

/* ---- fronts ---- */

/* What a front still has to deliver. It goes on with the same message until that is answered. */
struct front {
	pthread_t thread;
	struct ipc *c;
	unsigned number, next, repeated;
};
static _Atomic bool enough;
static _Atomic unsigned answered; /* in this life */

static enum result deliver_one(struct front *f)
{
	char id[17], text[300];
	snprintf(id, sizeof id, "crash%02u%09u", f->number, f->next);
	snprintf(text, sizeof text, "Message-ID: <%s@x>\r\nSubject: [%u-%u]\r\n\r\nsome text\r\n", id,
	    f->number, f->next);
	struct kit_envelope e = {.mail_id = id, .from = "x@there.example", .to = {"both@here.example"}};
	return kit_deliver_text(&kit, f->c, &e, text);
}

static void *be_front(void *arg)
{
	struct front *f = arg;
	while (!atomic_load(&enough)) {
		enum result r = deliver_one(f);
		if (r == OK) {
			f->next++;
			atomic_fetch_add(&answered, 1);
		} else if (r == GONE)
			break;
		else
			abort();
	}
	return NULL;
}

/* ---- the user who moves things about ---- */

static struct ipc log_in(struct life *l, int channel)
{
	return store_kit_login_on(&kit, &l->c[channel], 1, "imap");
}

static void *be_mover(void *arg)
{
	struct life *l = arg;
	struct ipc c = log_in(l, USER);
	ARENA_LOCAL(a, 64 << 20);
	const char *names[] = {"INBOX", "Archive"};
	for (unsigned round = 0; c.fd >= 0 && !atomic_load(&enough); round++) {
		Sekisho__SelectAsk select = SEKISHO__SELECT_ASK__INIT;
		select.name = (char *)(uintptr_t)names[round % 2];
		if (ipc_call(&c, ASK_STORE_SELECT, &select, NULL, &a, NULL, NULL) != OK)
			break;
		while (c.more)
			if (ipc_more(&c, &a, NULL, NULL) != OK)
				break;
		Sekisho__CopyAsk ask = SEKISHO__COPY_ASK__INIT;
		Sekisho__Run run = SEKISHO__RUN__INIT, *list[1] = {&run};
		run.first = 1 + round * 7 % 50;
		run.count = 1000000;
		ask.uids = list;
		ask.n_uids = 1;
		ask.to = (char *)(uintptr_t)names[1 - round % 2];
		ask.move = true;
		if (ipc_call(&c, ASK_STORE_COPY, &ask, NULL, &a, NULL, NULL) != OK)
			break;
		while (c.more)
			if (ipc_more(&c, &a, NULL, NULL) != OK)
				break;
		arena_reset(&a);
	}
	ipc_close(&c);
	return NULL;
}

/* ---- the relay ---- */

#define SENT_MOST 200000
static char (*sent)[17]; /* mails that were reported sent and the report was answered */
static size_t n_sent;
static unsigned claimed_twice;
#define MAILS_MOST 100000
static bool tried[FRONTS][MAILS_MOST]; /* reported sent, answered or not */

static bool was_sent(const char *mail)
{
	for (size_t i = n_sent; i > 0; i--)
		if (strcmp(sent[i - 1], mail) == 0)
			return true;
	return false;
}

static bool relay_round(struct ipc *c, struct arena *a)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer;
	ask.most = 20;
	ask.most_per_domain = 20;
	if (ipc_call(c, ASK_STORE_CLAIM, &ask, NULL, a, &answer, NULL) != OK)
		return false;
	if (!answer->n_jobs) {
		usleep(1000);
		return true;
	}
	Sekisho__ReportAsk report = SEKISHO__REPORT_ASK__INIT;
	Sekisho__Attempt attempts[64], *list[64];
	for (size_t i = 0; i < answer->n_jobs; i++) {
		struct slice id = slice_str(answer->jobs[i]->mail_id); /* "crash", front, number */
		uint32_t front, number;
		assert_int_equal(num_u32(slice_sub(id, 5, 2), FRONTS - 1, &front), OK);
		assert_int_equal(num_u32(slice_sub(id, 7, 9), MAILS_MOST - 1, &number), OK);
		tried[front][number] = true;
		claimed_twice += was_sent(id.p);
		sekisho__attempt__init(&attempts[i]);
		attempts[i].row = answer->jobs[i]->rcpts[0]->row;
		list[i] = &attempts[i];
	}
	report.attempts = list;
	report.n_attempts = answer->n_jobs;
	if (ipc_call(c, ASK_STORE_REPORT, &report, NULL, a, NULL, NULL) != OK)
		return false;
	for (size_t i = 0; i < answer->n_jobs && n_sent < SENT_MOST; i++)
		snprintf(sent[n_sent++], 17, "%s", answer->jobs[i]->mail_id);
	return true;
}

static void *be_relay(void *arg)
{
	struct life *l = arg;
	ARENA_LOCAL(a, 64 << 20);
	while (!atomic_load(&enough) && relay_round(&l->c[RELAY], &a))
		arena_reset(&a);
	return NULL;
}

/* ---- one life ---- */

static void admin(struct life *l, const char *verb, const char *args)
{
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__AdminAsk ask = SEKISHO__ADMIN_ASK__INIT;
	ask.verb = (char *)(uintptr_t)verb;
	ask.args = (char *)(uintptr_t)args;
	assert_int_equal(ipc_call(&l->c[ADMIN], ASK_STORE_ADMIN, &ask, NULL, &a, NULL, NULL), OK);
}

static void live(struct front fronts[FRONTS], bool kill_it)
{
	struct life l;
	pthread_t mover, relay;
	start(&l);
	atomic_store(&enough, false);
	atomic_store(&answered, 0);
	for (unsigned i = 0; i < FRONTS; i++) {
		fronts[i].c = &l.c[i];
		assert_int_equal(pthread_create(&fronts[i].thread, NULL, be_front, &fronts[i]), 0);
	}
	assert_int_equal(pthread_create(&mover, NULL, be_mover, &l), 0);
	assert_int_equal(pthread_create(&relay, NULL, be_relay, &l), 0);
	uint16_t dice;
	seal_random(&dice, sizeof dice);
	/* Some die before they answered anything, most at work: how long that takes is the machine's affair. */
	for (unsigned ms = 0; dice % 4 && ms < 20000 && atomic_load(&answered) < 2; ms++)
		usleep(1000);
	usleep(1000u + dice % 60000);
	if (!kill_it)
		atomic_store(&enough, true);
	else
		kill(l.pid, SIGKILL);
	for (unsigned i = 0; i < FRONTS; i++)
		pthread_join(fronts[i].thread, NULL);
	pthread_join(mover, NULL);
	pthread_join(relay, NULL);
	kill(l.pid, SIGKILL);
	end(&l);
}

/* ---- afterwards ---- */

static unsigned *found[FRONTS];

static void count_row(const Sekisho__Row *row, const struct front fronts[FRONTS])
{
	struct slice body = slice_of(row->body.data, row->body.len);
	ptrdiff_t at = slice_search(body, SLICE("Subject: ["));
	assert_true(row->has_body && at >= 0);
	struct cursor c = cursor_of(slice_sub(body, (size_t)at + 10, 40));
	uint64_t f = cursor_u64(&c, FRONTS);
	cursor_need(&c, '-');
	uint64_t n = cursor_u64(&c, 1u << 30);
	assert_true(c.err == OK && f < FRONTS);
	assert_true(n <= fronts[f].next);
	if (++found[f][n] > 1)
		fail_msg("message %u of front %u is there twice", (unsigned)n, (unsigned)f);
}

static void count_mailbox(struct ipc *c, const char *name, const struct front fronts[FRONTS])
{
	Sekisho__MailboxStatus *status = do_status(c, name);
	Sekisho__SelectAsk select = SEKISHO__SELECT_ASK__INIT;
	select.name = (char *)(uintptr_t)name;
	assert_int_equal(ASK(c, SELECT, &select, NULL), OK);
	while (c->more)
		assert_int_equal(ipc_more(c, &mem, NULL, NULL), OK);
	uint32_t messages = 0, unseen = 0;
	uint64_t size = 0;
	for (uint32_t first = 1; first < status->uidnext; first += 1000) {
		static struct rows rows;
		arena_reset(&mem);
		assert_int_equal(do_fetch(c, first, 1000,
				     SEKISHO__WANT__WANT_BODY | SEKISHO__WANT__WANT_FACTS, false, &rows),
		    OK);
		for (size_t i = 0; i < rows.n; i++) {
			count_row(rows.v[i], fronts);
			messages++;
			unseen += !(rows.v[i]->flags & SEKISHO__FLAG__FLAG_SEEN);
			size += rows.v[i]->size;
		}
		status = do_status(c, name);
	}
	assert_int_equal(status->messages, messages);
	assert_int_equal(status->unseen, unseen);
	assert_int_equal(status->size, size);
}

static void check(const struct front fronts[FRONTS])
{
	struct life l;
	unsigned total = 0, lost = 0;
	start(&l);
	struct ipc c = log_in(&l, USER2);
	assert_true(c.fd >= 0);
	for (unsigned i = 0; i < FRONTS; i++) {
		found[i] = calloc(fronts[i].next + 1, sizeof **found);
		total += fronts[i].next;
	}
	count_mailbox(&c, "INBOX", fronts);
	count_mailbox(&c, "Archive", fronts);
	for (unsigned i = 0; i < FRONTS; i++) {
		for (unsigned k = 0; k < fronts[i].next; k++)
			lost += found[i][k] == 0;
		free(found[i]);
	}
	ARENA_LOCAL(a, 64 << 20);
	for (int idle = 0; idle < 20; idle++) {
		size_t before = n_sent;
		assert_true(relay_round(&l.c[RELAY], &a));
		if (n_sent != before)
			idle = 0;
		arena_reset(&a);
	}
	unsigned unsent = 0;
	for (unsigned i = 0; i < FRONTS; i++)
		for (unsigned k = 0; k < fronts[i].next; k++)
			unsent += !tried[i][k];
	print_message("%u answered, %u lost, %u not sent on, %u claimed after they were sent\n", total, lost,
	    unsent, claimed_twice);
	assert_int_equal(lost, 0);
	assert_int_equal(claimed_twice, 0);
	assert_int_equal(unsent, 0);
	assert_true(total > kills);
	ipc_close(&c);
	kill(l.pid, SIGKILL);
	end(&l);
}

static void killed_at_any_moment(void **state)
{
	static struct front fronts[FRONTS];
	struct life l;
	store_kit_make(&kit);
	sent = calloc(SENT_MOST, sizeof *sent);
	start(&l);
	admin(&l, "domain.add", "{\"domain\":\"here.example\"}");
	admin(&l, "account.add", "{\"address\":\"taro@here.example\"}");
	admin(&l, "alias.add",
	    "{\"address\":\"both@here.example\",\"target\":[\"taro@here.example\",\"x@away.example\"]}");
	kill(l.pid, SIGKILL);
	end(&l);
	for (unsigned i = 0; i < FRONTS; i++)
		fronts[i].number = i;
	for (unsigned i = 0; i < kills; i++)
		live(fronts, true);
	print_message("%u kills\n", (unsigned)kills);
	live(fronts, false);
	check(fronts);
	free(sent);
	store_kit_remove(&kit);
	arena_free(&mem);
}

int main(int argc, char **argv)
{
	if (argc > 4 && strcmp(argv[1], "--store") == 0)
		return be_store(argc, argv);
	event_start("test", EVENT_LOGFMT, EVENT_ERROR);
	if (argc > 1 && num_u64(slice_str(argv[1]), 100000, &kills) != OK)
		return 1;
	const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_any_moment)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
