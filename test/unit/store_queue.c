/* The store through its asks: the queue, notices to senders, traces, administration, what lies on the disk. */
#include "store_help.h"
#include "store/inside.h"
#include "store/queue/deliver.h"
#include "store/queue/trace.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro;

/* His programs are known: many addresses that do not exist are a sign, and with a new program one that holds his mail. */
static void was_here_before(void)
{
	static const char *const services[] = {"imap", "submission"};
	clock_shift(-3 * 86400);
	for (size_t i = 0; i < COUNT(services); i++) {
		struct ipc c = store_kit_login(&kit, (uint64_t)taro, services[i]);
		ipc_close(&c);
	}
	/* Written behind those, so they are written. */
	store_kit_must(&kit, "person.set", "{\"address\":\"taro@here.example\",\"employee\":\"1\"}");
	clock_shift(0);
}

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\",\"name\":\"太郎\"}");
	was_here_before();
	return 0;
}

static int tear_down(void **state)
{
	clock_shift(0);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

static struct ipc login(void)
{
	return store_kit_login(&kit, (uint64_t)taro, "imap");
}

static enum result submit(const struct kit_envelope *e, const char *text)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "submission");
	enum result r = kit_deliver_text(&kit, &c, e, text);
	ipc_close(&c);
	return r;
}

static Sekisho__ClaimAnswer *claim(struct ipc *relay, unsigned most, unsigned per_domain)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer = NULL;
	ask.most = most;
	ask.most_per_domain = per_domain;
	assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
	return answer;
}

static void report(struct ipc *relay, const Sekisho__Job *job, int outcome, unsigned code, const char *status,
    const char *text, bool remote_dsn)
{
	Sekisho__ReportAsk ask = SEKISHO__REPORT_ASK__INIT;
	Sekisho__Attempt attempts[100], *list[100];
	for (size_t i = 0; i < job->n_rcpts; i++) {
		sekisho__attempt__init(&attempts[i]);
		attempts[i].row = job->rcpts[i]->row;
		attempts[i].outcome = (Sekisho__Attempt__Outcome)outcome;
		attempts[i].code = code;
		attempts[i].status = (char *)(uintptr_t)status;
		attempts[i].text = (char *)(uintptr_t)text;
		attempts[i].host = (char *)(uintptr_t) "mx.there.example";
		attempts[i].remote_dsn = remote_dsn;
		list[i] = &attempts[i];
	}
	ask.attempts = list;
	ask.n_attempts = job->n_rcpts;
	assert_int_equal(ASK(relay, REPORT, &ask, NULL), OK);
}

static size_t queue_size(void)
{
	enum result r;
	json_t *q = store_kit_admin(&kit, "queue.list", "{}", &r);
	size_t n = json_array_size(q);
	json_decref(q);
	return n;
}

/* The notices in INBOX, newest last; waits until there are so many. */
static char *notice(struct ipc *c, uint32_t messages)
{
	for (int i = 0; i < 400 && do_status(c, "INBOX")->messages < messages; i++)
		usleep(10000);
	assert_int_equal(do_status(c, "INBOX")->messages, messages);
	Sekisho__SelectAnswer *s = do_select(c, "INBOX");
	BUF_LOCAL(body, 1 << 20);
	assert_int_equal(do_body(c, s->status->uidnext - 1, 98304, &body), OK);
	char *z = strndup(body.p, body.n);
	return z;
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in:\n%s", what, text);
}

static uint32_t inbox(void)
{
	struct ipc c = login();
	uint32_t n = do_status(&c, "INBOX")->messages;
	ipc_close(&c);
	return n;
}

/* ---- the queue ---- */

static void mail_is_claimed_and_sent(void **state)
{
	char *text = kit_message("outward", 3000);
	BUF_LOCAL(with_path, 10000);
	buf_puts(&with_path, "Return-Path: <taro@here.example>\r\n");
	size_t strip = with_path.n;
	buf_puts(&with_path, text);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	assert_int_equal(claim(&relay, 10, 5)->n_jobs, 0);
	struct kit_envelope e = {.from = "taro@here.example",
	    .to = {"a@there.example", "b@there.example", "C@else.example"},
	    .strip = (uint32_t)strip,
	    .envid = "env 1",
	    .ret = 2};
	assert_int_equal(submit(&e, buf_z(&with_path)), OK);
	assert_int_equal(ipc_poll(&relay), OK);
	assert_int_equal(relay.notes, NOTE_QUEUE);
	Sekisho__ClaimAnswer *a = claim(&relay, 10, 5);
	assert_int_equal(a->n_jobs, 2);
	assert_int_equal(claim(&relay, 10, 5)->n_jobs, 0);
	for (size_t i = 0; i < 2; i++) {
		Sekisho__Job *j = a->jobs[i];
		bool there = strcmp(j->domain, "there.example") == 0;
		assert_int_equal(j->n_rcpts, there ? 2 : 1);
		assert_true(slice_eq(slice_of(j->sender->local.data, j->sender->local.len), SLICE("taro")));
		assert_string_equal(j->envid, "env 1");
		assert_int_equal(j->ret, 2);
		assert_int_equal(j->size, strlen(text));
		assert_true(j->has_data);
		assert_true(slice_eq(slice_of(j->data.data, j->data.len), slice_str(text)));
		if (!there)
			assert_int_equal(j->rcpts[0]->addr->local.data[0], 'C');
		Sekisho__OutBodyAsk ask = SEKISHO__OUT_BODY_ASK__INIT;
		Sekisho__BodyAnswer *body;
		ask.mail_id = j->mail_id;
		ask.offset = 10;
		ask.length = 50;
		assert_int_equal(ASK(&relay, OUTBODY, &ask, &body), OK);
		assert_true(slice_eq(slice_of(body->data.data, body->data.len), slice_of(text + 10, 50)));
	}
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "2.0.0", "ok", false);
	report(&relay, a->jobs[1], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "2.0.0", "ok", false);
	assert_int_equal(queue_size(), 0);
	Sekisho__OutBodyAsk ask = SEKISHO__OUT_BODY_ASK__INIT;
	ask.mail_id = a->jobs[0]->mail_id;
	ask.length = 50;
	assert_int_equal(ASK(&relay, OUTBODY, &ask, NULL), GONE);
	ipc_close(&relay);
	free(text);
}

/* A row that was tampered with is left alone: claiming it for ever would keep the relay busy and all else waiting. */
static void an_unreadable_row_is_not_claimed_again(void **state)
{
	char path[96];
	snprintf(path, sizeof path, "%s/db", kit.dir);
	struct stat st;
	if (stat(path, &st) != 0)
		skip(); /* only this engine's file can be tampered with from here */
	char *text = kit_message("torn", 10);
	assert_int_equal(
	    submit(&(struct kit_envelope){.from = "taro@here.example", .to = {"x@there.example"}}, text), OK);
	free(text);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE queued SET sealed = zeroblob(60)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	Sekisho__ClaimAnswer *answer = claim(&relay, 10, 10);
	assert_int_equal(answer->n_jobs, 0);
	assert_int_equal(claim(&relay, 10, 10)->next_ms, 0);
	ipc_close(&relay);
}

static void domains_take_turns(void **state)
{
	char *text = kit_message("many", 300);
	for (int i = 0; i < 6; i++) {
		struct kit_envelope e = {
		    .from = "taro@here.example", .to = {i < 5 ? "x@busy.example" : "x@calm.example"}};
		assert_int_equal(submit(&e, text), OK);
	}
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	Sekisho__ClaimAnswer *a = claim(&relay, 10, 2);
	assert_int_equal(a->n_jobs, 3);
	int calm = 0;
	for (size_t i = 0; i < 3; i++)
		calm += strcmp(a->jobs[i]->domain, "calm.example") == 0;
	assert_int_equal(calm, 1);
	assert_int_equal(claim(&relay, 10, 2)->n_jobs, 0);
	for (size_t i = 0; i < 3; i++)
		report(&relay, a->jobs[i], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "", "", false);
	a = claim(&relay, 10, 2);
	assert_int_equal(a->n_jobs, 2);
	/* What a relay had claimed is free again once its channel is closed. */
	ipc_close(&relay);
	relay = store_kit_channel(&kit, PEER_RELAY);
	for (int i = 0; i < 200 && claim(&relay, 0, 1)->next_ms == 0; i++)
		usleep(5000);
	usleep(20000);
	a = claim(&relay, 10, 10);
	assert_int_equal(a->n_jobs, 3);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__RELEASED, 0, "", "", false);
	for (size_t i = 1; i < 3; i++)
		report(&relay, a->jobs[i], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "", "", false);
	a = claim(&relay, 10, 10);
	assert_int_equal(a->n_jobs, 1);
	assert_int_equal(a->jobs[0]->attempts, 0);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "", "", false);
	assert_int_equal(queue_size(), 0);
	ipc_close(&relay);
	free(text);
}

static void attempts_are_spread_and_end(void **state)
{
	char *text = kit_message("stubborn", 300);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY), c = login();
	uint32_t before = do_status(&c, "INBOX")->messages;
	struct kit_envelope e = {
	    .from = "taro@here.example", .to = {"late@slow.example"}, .orcpt = "rfc822;Late@slow.example"};
	assert_int_equal(submit(&e, text), OK);
	int64_t shift = 0, waited = 0;
	int tries = 0;
	bool delayed = false;
	while (waited < 6 * DAY_MS) {
		Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
		if (!a->n_jobs && !a->next_ms)
			break;
		if (!a->n_jobs) {
			int64_t wait = a->next_ms - clock_utc_ms() + 1000;
			if (tries == 1)
				assert_true(wait > 4 * MINUTE_MS && wait < 6 * MINUTE_MS);
			assert_true(wait < 5 * HOUR_MS);
			waited += wait;
			shift += wait / 1000 + 1;
			clock_shift(shift);
			continue;
		}
		assert_int_equal(a->jobs[0]->attempts, tries);
		tries++;
		report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__DEFERRED, 451, "4.2.2", "mailbox full",
		    false);
		if (!delayed && waited > 4 * HOUR_MS) {
			delayed = true;
			char *n = notice(&c, before + 1);
			assert_has(n, "Action: delayed");
			assert_has(n, "Auto-Submitted: auto-");
			free(n);
		}
	}
	assert_true(delayed);
	assert_in_range(tries, 30, 45);
	char *n = notice(&c, before + 2);
	assert_has(n, "Action: failed");
	assert_has(n, "Final-Recipient: rfc822;");
	assert_has(n, "late@slow.example");
	assert_has(n, "Original-Recipient: rfc822;");
	assert_has(n, "mailbox full");
	assert_has(n, "Subject: stubborn");
	free(n);
	assert_int_equal(queue_size(), 0);
	clock_shift(0);
	ipc_close(&relay);
	ipc_close(&c);
	free(text);
}

/* ---- notices ---- */

struct dsn_case {
	const char *from;
	uint32_t notify;
	int outcome;
	bool remote_dsn;
	const char *action; /* NULL: no notice */
};

static void notices_follow_rfc_3461(void **state)
{
	const struct dsn_case cases[] = {
	    {"taro@here.example", 0, SEKISHO__ATTEMPT__OUTCOME__FAILED, false, "failed"},
	    {"taro@here.example", 0, SEKISHO__ATTEMPT__OUTCOME__SENT, false, NULL},
	    {"taro@here.example", 1, SEKISHO__ATTEMPT__OUTCOME__SENT, false, "relayed"},
	    {"taro@here.example", 1, SEKISHO__ATTEMPT__OUTCOME__SENT, true, NULL},
	    {"taro@here.example", 1, SEKISHO__ATTEMPT__OUTCOME__FAILED, false, NULL},
	    {"taro@here.example", 2, SEKISHO__ATTEMPT__OUTCOME__FAILED, false, "failed"},
	    {"taro@here.example", 3, SEKISHO__ATTEMPT__OUTCOME__SENT, false, "relayed"},
	    {"taro@here.example", 4, SEKISHO__ATTEMPT__OUTCOME__FAILED, false, NULL},
	    {"taro@here.example", 8, SEKISHO__ATTEMPT__OUTCOME__FAILED, false, NULL},
	};
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY), c = login();
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = kit_message("notify", 300);
		uint32_t before = do_status(&c, "INBOX")->messages;
		struct kit_envelope e = {.from = cases[i].from,
		    .to = {"x@there.example"},
		    .notify = cases[i].notify,
		    .envid = "my-id"};
		assert_int_equal(submit(&e, text), OK);
		Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
		assert_int_equal(a->n_jobs, 1);
		assert_int_equal(a->jobs[0]->rcpts[0]->notify, cases[i].notify);
		report(&relay, a->jobs[0], cases[i].outcome, cases[i].outcome ? 550 : 250,
		    cases[i].outcome ? "5.1.1" : "2.0.0", "said so", cases[i].remote_dsn);
		if (cases[i].action) {
			char *n = notice(&c, before + 1), want[100];
			snprintf(want, sizeof want, "Action: %s", cases[i].action);
			assert_has(n, want);
			assert_has(n, "Original-Envelope-Id: my-id");
			free(n);
		} else {
			usleep(450000);
			assert_int_equal(do_status(&c, "INBOX")->messages, before);
		}
		assert_int_equal(queue_size(), 0);
		free(text);
	}
	ipc_close(&relay);
	ipc_close(&c);
}

static void nothing_is_sent_to_nobody(void **state)
{
	store_kit_must(
	    &kit, "alias.add", "{\"address\":\"out@here.example\",\"target\":[\"x@there.example\"]}");
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	char *text = kit_message("empty sender", 300);
	assert_int_equal(deliver(&kit, "", "out@here.example", text), OK);
	Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
	assert_int_equal(a->n_jobs, 1);
	assert_int_equal(a->jobs[0]->sender->local.len, 0);
	uint32_t before = inbox();
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	usleep(450000);
	assert_int_equal(queue_size(), 0);
	assert_int_equal(inbox(), before);
	/* To a sender elsewhere the notice goes by the queue, with the null sender. */
	assert_int_equal(deliver_proven(&kit, "hanako@far.example", "out@here.example", text), OK);
	a = claim(&relay, 1, 1);
	assert_int_equal(a->n_jobs, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	for (int i = 0; i < 300 && (a = claim(&relay, 1, 1))->n_jobs == 0; i++)
		usleep(10000);
	assert_int_equal(a->n_jobs, 1);
	assert_int_equal(a->jobs[0]->sender->local.len, 0);
	assert_string_equal(a->jobs[0]->domain, "far.example");
	char *data = strndup((char *)a->jobs[0]->data.data, a->jobs[0]->data.len);
	assert_has(data, "Action: failed");
	assert_true(slice_find(slice_str(data), ':') > 0 && strncmp(data, "Return-Path", 11) != 0);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	usleep(450000);
	assert_int_equal(queue_size(), 0);
	/* Nothing proves this one: whom it names hears of nothing, postmaster does. */
	before = inbox();
	assert_int_equal(deliver(&kit, "forged@far.example", "out@here.example", text), OK);
	a = claim(&relay, 1, 1);
	assert_int_equal(a->n_jobs, 1);
	assert_true(slice_eq(slice_of_octets(a->jobs[0]->sender->local), SLICE("postmaster")));
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	for (int i = 0; i < 300 && inbox() == before; i++)
		usleep(10000);
	assert_int_equal(inbox(), before + 1);
	assert_int_equal(queue_size(), 0);
	free(data);
	free(text);
	ipc_close(&relay);
}

/* Mail that was taken under a higher limit comes back without its body, not never. */
static void a_notice_about_too_large_mail_is_made(void **state)
{
	struct ipc c = login(), relay = store_kit_channel(&kit, PEER_RELAY);
	uint32_t before = inbox();
	uint64_t size = kit.settings.message_size;
	char *text = kit_message("lowered", 300000);
	struct kit_envelope e = {.from = "taro@here.example", .to = {"x@there.example"}, .ret = 1};
	assert_int_equal(submit(&e, text), OK);
	Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
	assert_int_equal(a->n_jobs, 1);
	ipc_close(&relay);
	ipc_close(&c);
	store_kit_close(&kit);
	kit.settings.message_size = 100000 + LIMIT_MESSAGE_ADDED / 2;
	assert_int_equal(store_kit_open(&kit, 4), OK);
	relay = store_kit_channel(&kit, PEER_RELAY);
	c = login();
	a = claim(&relay, 1, 1);
	assert_int_equal(a->n_jobs, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	char *data = notice(&c, before + 1);
	assert_has(data, "Action: failed");
	assert_has(data, "text/rfc822-headers");
	free(data);
	free(text);
	ipc_close(&relay);
	ipc_close(&c);
	store_kit_close(&kit);
	kit.settings.message_size = size;
	assert_int_equal(store_kit_open(&kit, 4), OK);
}

static void local_success_is_told(void **state)
{
	struct ipc c = login();
	uint32_t before = do_status(&c, "INBOX")->messages;
	char *text = kit_message("confirmed", 300);
	struct kit_envelope e = {.from = "taro@here.example", .to = {"taro@here.example"}, .notify = 1};
	assert_int_equal(submit(&e, text), OK);
	char *n = notice(&c, before + 2);
	assert_has(n, "Action: delivered");
	free(n);
	store_kit_must(&kit, "group.add",
	    "{\"address\":\"team@here.example\",\"member\":[\"taro@here.example\",\"m@there.example\"]}");
	e.to[0] = "team@here.example";
	assert_int_equal(submit(&e, text), OK);
	n = notice(&c, before + 4);
	assert_has(n, "Action: expanded");
	free(n);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
	assert_int_equal(a->jobs[0]->rcpts[0]->notify, NOTIFY_NEVER);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "", "", false);
	assert_int_equal(queue_size(), 0);
	ipc_close(&relay);
	ipc_close(&c);
	free(text);
}

static void owed_notices_survive_a_restart(void **state)
{
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	char *text = kit_message("restart", 300);
	uint32_t before = inbox();
	struct kit_envelope e = {.from = "taro@here.example", .to = {"x@there.example", "y@other.example"}};
	assert_int_equal(submit(&e, text), OK);
	Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__FAILED, 550, "5.1.1", "no", false);
	ipc_close(&relay);
	store_kit_close(&kit); /* sooner than the courier sets out */
	assert_int_equal(store_kit_open(&kit, 4), OK);
	struct ipc c = login();
	char *n = notice(&c, before + 1);
	assert_has(n, "Action: failed");
	free(n);
	assert_int_equal(queue_size(), 1);
	relay = store_kit_channel(&kit, PEER_RELAY);
	a = claim(&relay, 5, 5);
	assert_int_equal(a->n_jobs, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "", "", false);
	ipc_close(&relay);
	ipc_close(&c);
	free(text);
}

/* ---- administration ---- */

static void queue_is_administered(void **state)
{
	char *text = kit_message("administered", 300);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	struct kit_envelope e = {
	    .mail_id = "adminadminadmin1", .from = "taro@here.example", .to = {"x@there.example"}};
	const char *args = "{\"mail\":[\"adminadminadmin1\"]}";
	assert_int_equal(submit(&e, text), OK);
	store_kit_must(&kit, "queue.hold", args);
	assert_int_equal(claim(&relay, 5, 5)->n_jobs, 0);
	enum result r;
	json_t *v = store_kit_admin(&kit, "queue.show", args, &r);
	assert_string_equal(json_string_value(json_object_get(json_array_get(v, 0), "state")), "held");
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(v, 0), "from")), "taro@here.example");
	json_decref(v);
	store_kit_must(&kit, "queue.release", args);
	Sekisho__ClaimAnswer *a = claim(&relay, 5, 5);
	assert_int_equal(a->n_jobs, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__DEFERRED, 450, "4.0.0", "later", false);
	assert_int_equal(claim(&relay, 5, 5)->n_jobs, 0);
	store_kit_must(&kit, "queue.retry", args);
	assert_int_equal(claim(&relay, 5, 5)->n_jobs, 1);
	store_kit_must(&kit, "queue.remove", args);
	assert_int_equal(queue_size(), 0);
	store_kit_admin(&kit, "queue.remove", args, &r);
	assert_int_equal(r, GONE);
	e.mail_id = "quarantined12345";
	e.scan_failed = true;
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	e.from = "z@there.example";
	e.to[0] = "taro@here.example";
	uint32_t before = inbox();
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(inbox(), before);
	v = store_kit_admin(&kit, "queue.list", "{}", &r);
	assert_string_equal(json_string_value(json_object_get(json_array_get(v, 0), "state")), "quarantined");
	json_decref(v);
	store_kit_admin(&kit, "queue.release", "{\"mail\":[\"quarantined12345\"]}", &r);
	assert_int_equal(r, DENY);
	assert_int_equal(claim(&relay, 5, 5)->n_jobs, 0);
	store_kit_must(&kit, "queue.remove", "{\"mail\":[\"quarantined12345\"]}");
	ipc_close(&relay);
	ipc_close(&mx);
	free(text);
}

static const char *step_name(const json_t *mails, size_t i)
{
	const json_t *steps = json_object_get(json_array_get(mails, 0), "steps");
	return json_string_value(json_object_get(json_array_get(steps, i), "step"));
}

static void find_trace(const char *args, const char *const *steps, size_t n)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, "trace.find", args, &r);
	assert_int_equal(r, OK);
	if (json_array_size(v) != 1)
		fail_msg("%s: %zu mails", args, json_array_size(v));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(step_name(v, i), steps[i]);
	const json_t *first = json_array_get(json_object_get(json_array_get(v, 0), "steps"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(first, "text")), "Received from"));
	assert_non_null(strstr(json_string_value(json_object_get(first, "text_ja")), "受信しました"));
	json_decref(v);
}

static void traces_are_found(void **state)
{
	const char *text =
	    "From: a@b\r\nMessage-ID: <traced@there.example>\r\nSubject: rare gem of tracing\r\n\r\nx\r\n";
	struct ipc mx = store_kit_channel(&kit, PEER_MX), relay = store_kit_channel(&kit, PEER_RELAY);
	store_kit_must(&kit, "alias.add",
	    "{\"address\":\"both@here.example\",\"target\":[\"taro@here.example\",\"traced@there.example\"]"
	    "}");
	struct kit_envelope e = {
	    .mail_id = "trace00000000001", .from = "unique@there.example", .to = {"both@here.example"}};
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	Sekisho__ClaimAnswer *a = claim(&relay, 1, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__DEFERRED, 450, "4.7.1", "greylisted", false);
	store_kit_must(&kit, "queue.retry", "{}");
	a = claim(&relay, 1, 1);
	report(&relay, a->jobs[0], SEKISHO__ATTEMPT__OUTCOME__SENT, 250, "2.0.0", "taken", false);
	const char *const steps[] = {"received", "checked", "delivered", "queued", "deferred", "sent"};
	for (int round = 0; round < 2; round++) {
		find_trace("{\"mail\":\"trace00000000001\"}", steps, COUNT(steps));
		find_trace("{\"from\":\"Unique@there.example\"}", steps, COUNT(steps));
		find_trace("{\"to\":\"traced@there.example\"}", steps, COUNT(steps));
		find_trace("{\"message_id\":\"<traced@there.example>\"}", steps, COUNT(steps));
		find_trace("{\"subject\":\"Gem\"}", steps, COUNT(steps));
		while (trace_index_some(kit.store, 10))
			;
	}
	enum result r;
	json_t *v = store_kit_admin(&kit, "trace", "{\"from\":\"nobody@there.example\"}", &r);
	assert_int_equal(json_array_size(v), 0);
	json_decref(v);
	clock_shift(91 * 86400);
	while (trace_forget_some(kit.store, 10))
		;
	v = store_kit_admin(&kit, "trace", "{\"from\":\"unique@there.example\"}", &r);
	assert_int_equal(json_array_size(v), 0);
	json_decref(v);
	clock_shift(0);
	ipc_close(&mx);
	ipc_close(&relay);
}

static void accounts_and_domains_come_and_go(void **state)
{
	enum result r;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"例え.example\"}");
	assert_null(store_kit_admin(&kit, "domain.add", "{\"domain\":\"xn--r8jz45g.example\"}", &r));
	assert_int_equal(r, DENY);
	int64_t id = store_kit_must(&kit, "account.add", "{\"address\":\"temp@例え.example\"}");
	assert_true(id > taro);
	assert_null(store_kit_admin(&kit, "account.add", "{\"address\":\"TEMP@xn--r8jz45g.example\"}", &r));
	assert_int_equal(r, DENY);
	assert_null(store_kit_admin(&kit, "account.add", "{\"address\":\"x@nowhere.example\"}", &r));
	assert_int_equal(r, DENY);
	assert_null(store_kit_admin(&kit, "domain.remove", "{\"domain\":\"例え.example\"}", &r));
	assert_int_equal(r, DENY);
	char *text = kit_message("temporary", 300);
	assert_int_equal(deliver(&kit, "x@there.example", "temp@xn--r8jz45g.example", text), OK);
	json_t *v = store_kit_admin(&kit, "account.show", "{\"address\":\"temp@例え.example\"}", &r);
	assert_int_equal(json_integer_value(json_object_get(v, "messages")), 1);
	json_decref(v);
	v = store_kit_admin(&kit, "account.list", "{}", &r);
	assert_int_equal(json_array_size(v), 2);
	json_decref(v);
	store_kit_must(&kit, "account.remove", "{\"address\":\"temp@例え.example\"}");
	assert_int_equal(deliver(&kit, "x@there.example", "temp@例え.example", text), DENY);
	store_kit_must(&kit, "domain.remove", "{\"domain\":\"例え.example\"}");
	assert_null(store_kit_admin(&kit, "no.such", "{}", &r));
	assert_int_equal(r, BAD);
	assert_null(store_kit_admin(&kit, "status", "[1]", &r));
	assert_int_equal(r, BAD);
	v = store_kit_admin(&kit, "help", "{}", &r);
	assert_true(json_array_size(v) > 20);
	json_decref(v);
	free(text);
}

/* ---- what lies on the disk ---- */

static bool file_has(const char *path, const char *what)
{
	FD_LOCAL fd = open(path, O_RDONLY);
	uint64_t size;
	if (fd < 0 || fd_size(fd, &size) != OK || !size)
		return false;
	BUF_LOCAL(b, size);
	char *p = buf_room(&b, size);
	assert_int_equal(fd_pread_all(fd, p, size, 0), OK);
	return memmem(p, size, what, strlen(what)) != NULL;
}

/* In any column of any table, as text or as octets. */
static bool tables_have(const char *what)
{
	char sql[1000];
	snprintf(sql, sizeof sql,
	    "SET xmlbinary = hex; SELECT COUNT(*) FROM (SELECT lower(query_to_xml(format('SELECT * FROM "
	    "%%I', tablename),"
	    " false, false, '')::text) AS x FROM pg_tables WHERE schemaname = 'public') t"
	    " WHERE x LIKE '%%%s%%' OR x LIKE '%%' || encode('%s', 'hex') || '%%'",
	    what, what);
	return test_database_sql(&kit.database, sql) != 0;
}

/* Where it is: a notice about other mail may have come behind it. 0: nowhere. */
static uint32_t uid_of(struct ipc *c, const char *text)
{
	uint32_t uid = do_status(c, "INBOX")->uidnext;
	while (--uid) {
		BUF_LOCAL(body, 100000);
		if (do_body(c, uid, 98304, &body) == OK && slice_eq(buf_slice(&body), slice_str(text)))
			break;
	}
	return uid;
}

static void nothing_of_mail_is_readable(void **state)
{
	const char *text =
	    "From: Chie <secretsender@elsewhere.example>\r\nTo: hiddenrcpt@elsewhere.example\r\n"
	    "Message-ID: <hiddenid@elsewhere.example>\r\nSubject: confidentialsubject words\r\n\r\n"
	    "plaintextbody that nobody may read, plaintextbody again\r\n";
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "secretsender@elsewhere.example",
	    .to = {"taro@here.example", "out@here.example"},
	    .envid = "hiddenenvid"};
	store_kit_must(
	    &kit, "alias.add", "{\"address\":\"out@here.example\",\"target\":[\"x@there.example\"]}");
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	ipc_close(&mx);
	while (trace_index_some(kit.store, 100))
		;
	static const char *const words[] = {"secretsender", "hiddenrcpt", "hiddenid", "confidentialsubject",
	    "plaintextbody", "hiddenenvid", "elsewhere.example"};
	static const char *const files[] = {"bodies/00000001.seg", "db", "db-wal"};
	if (test_database_is_server())
		for (size_t k = 0; k < COUNT(words); k++)
			assert_false(tables_have(words[k]));
	assert_true(!test_database_is_server() || (tables_have("taro") && tables_have("wrapped")));
	for (size_t i = 0; i < (test_database_is_server() ? 1 : COUNT(files)); i++) {
		if (i == 0 && kit.settings.bodies_in_objects)
			continue; /* store_objects looks there */
		char path[200];
		snprintf(path, sizeof path, "%s/%s", kit.dir, files[i]);
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		for (size_t k = 0; k < COUNT(words); k++)
			if (file_has(path, words[k]))
				fail_msg("%s holds \"%s\"", files[i], words[k]);
	}
	struct ipc c = login();
	do_select(&c, "INBOX");
	assert_int_not_equal(uid_of(&c, text), 0);
	ipc_close(&c);
}

/* Ends the segment being filled; the next octets go to a new one. */
static void next_segment(struct segments *seg)
{
	int64_t id;
	uint64_t place;
	assert_int_equal(segments_reserve(seg, BLOB_SEGMENT, &id, &place), OK);
	segments_release(seg, id);
}

/* A body that waits for its row keeps its file, however many others were filled meanwhile. */
static void a_body_without_its_row_is_not_tidied_away(void **state)
{
	if (kit.settings.bodies_in_objects)
		skip(); /* an object rests for a day: store_objects */
	struct segments *seg = blob_segments(kit.store->blob);
	struct blob blob = {0};
	uint8_t digest[32] = "nobody has this one";
	next_segment(seg);
	struct reader r = reader_begin(kit.store);
	assert_int_equal(blob_keep(kit.store->blob, r.db, digest, SLICE("a body"), SLICE_NONE, &blob), OK);
	reader_end(&r);
	assert_true(blob.written);
	for (int i = 0; i < 4; i++) {
		next_segment(seg);
		assert_int_equal(deliver(&kit, "x@there.example", "taro@here.example", "A: b\r\n\r\n"), OK);
	}
	blob_tidy(kit.store);
	assert_int_not_equal(segments_size(seg, blob.at.segment), 0);
	blob_release(kit.store->blob, &blob);
	for (int i = 0; i < 12 && segments_size(seg, blob.at.segment); i++)
		blob_tidy(kit.store);
	assert_int_equal(segments_size(seg, blob.at.segment), 0);
}

/* Records that are left in a file full of garbage move on, and are read from where they are then. */
static void garbage_goes_and_the_rest_moves(void **state)
{
	struct segments *seg = blob_segments(kit.store->blob);
	char *heavy = kit_message("garbage", 60000), *small = kit_message("left over", 2000);
	struct ipc c = login();
	next_segment(seg);
	assert_int_equal(deliver(&kit, "x@there.example", "taro@here.example", heavy), OK);
	assert_int_equal(deliver(&kit, "x@there.example", "taro@here.example", small), OK);
	int64_t old = segments_current(seg);
	next_segment(seg);
	assert_int_equal(deliver(&kit, "x@there.example", "taro@here.example", "A: next\r\n\r\n"), OK);
	do_select(&c, "INBOX");
	do_flags(&c, uid_of(&c, heavy), 1, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_DELETED, NULL);
	assert_int_equal(do_expunge(&c)->vanished[0]->count, 1);
	for (int i = 0; i < 12 && segments_size(seg, old); i++)
		blob_tidy(kit.store);
	assert_int_equal(segments_size(seg, old), 0);
	assert_int_not_equal(uid_of(&c, small), 0);
	free(heavy);
	free(small);
	ipc_close(&c);
}

static void same_content_is_kept_once_and_reclaimed(void **state)
{
	char *text = kit_message("heavy", 20000);
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = login();
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	struct segments *seg = blob_segments(kit.store->blob);
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	uint64_t size = segments_size(seg, segments_current(seg));
	for (int i = 0; i < 5; i++)
		assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(segments_size(seg, segments_current(seg)), size);
	Sekisho__SelectAnswer *s = do_select(&c, "INBOX");
	uint32_t last = s->status->uidnext - 1;
	do_flags(&c, last - 5, 6, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_DELETED, NULL);
	assert_int_equal(do_expunge(&c)->vanished[0]->count, 6);
	struct reader r = reader_begin(kit.store);
	assert_int_equal(DB_NUMBER(r.db, 0, BLOBS_DEAD, DI(1)) != 0, 1);
	reader_end(&r);
	/* Found again before it is swept: counted up, not lost. */
	blob_tidy(kit.store);
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	blob_tidy(kit.store);
	BUF_LOCAL(body, 100000);
	assert_int_equal(do_body(&c, last + 1, 98304, &body), OK);
	assert_true(slice_eq(buf_slice(&body), slice_str(text)));
	free(text);
	ipc_close(&mx);
	ipc_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail_is_claimed_and_sent),
	    cmocka_unit_test(domains_take_turns),
	    cmocka_unit_test(attempts_are_spread_and_end),
	    cmocka_unit_test(notices_follow_rfc_3461),
	    cmocka_unit_test(nothing_is_sent_to_nobody),
	    cmocka_unit_test(a_notice_about_too_large_mail_is_made),
	    cmocka_unit_test(local_success_is_told),
	    cmocka_unit_test(owed_notices_survive_a_restart),
	    cmocka_unit_test(queue_is_administered),
	    cmocka_unit_test(traces_are_found),
	    cmocka_unit_test(accounts_and_domains_come_and_go),
	    cmocka_unit_test(nothing_of_mail_is_readable),
	    cmocka_unit_test(same_content_is_kept_once_and_reclaimed),
	    cmocka_unit_test(a_body_without_its_row_is_not_tidied_away),
	    cmocka_unit_test(garbage_goes_and_the_rest_moves),
	    cmocka_unit_test(an_unreadable_row_is_not_claimed_again),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
