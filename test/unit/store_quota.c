/* How much an account may keep: limits, where they hold, warnings, and that what is counted is what is there. */
#include "store_help.h"
#include "store/mailbox/mailbox.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro, jiro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	taro = store_kit_account(&kit, "taro@here.example");
	jiro = store_kit_account(&kit, "jiro@here.example");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

static struct ipc login(int64_t account)
{
	return store_help_login(&kit, account);
}

static void set_quota(const char *who, const char *storage, const char *messages)
{
	char args[300];
	snprintf(args, sizeof args, "{\"who\":\"%s\",\"storage\":\"%s\",\"messages\":\"%s\"}", who, storage,
	    messages);
	store_kit_must(&kit, "quota.set", args);
}

static Sekisho__QuotaAnswer *quota(struct ipc *c)
{
	Sekisho__QuotaAsk ask = SEKISHO__QUOTA_ASK__INIT;
	Sekisho__QuotaAnswer *answer = NULL;
	ask.name = "INBOX";
	assert_int_equal(ASK(c, QUOTA, &ask, &answer), OK);
	return answer;
}

static unsigned rcpt_code(const char *local, uint64_t size)
{
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	Sekisho__RcptAsk ask = SEKISHO__RCPT_ASK__INIT;
	Sekisho__RcptAnswer *answer;
	Sekisho__Addr a = SEKISHO__ADDR__INIT, *list[1] = {&a};
	a.local = (ProtobufCBinaryData){strlen(local), (uint8_t *)(uintptr_t)local};
	a.domain = (ProtobufCBinaryData){12, (uint8_t *)(uintptr_t) "here.example"};
	ask.rcpts = list;
	ask.n_rcpts = 1;
	ask.size = size;
	assert_int_equal(ASK(&c, RCPT, &ask, &answer), OK);
	ipc_close(&c);
	return answer->verdicts[0]->code;
}

static enum result send_to(const char *to, size_t size)
{
	char *text = kit_message("load", size);
	enum result r = deliver(&kit, "x@there.example", to, text);
	free(text);
	return r;
}

static void empty(struct ipc *c, const char *name)
{
	do_select(c, name);
	do_flags(c, 1, 1000000, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_DELETED, NULL);
	do_expunge(c);
}

static void limits_hold(void **state)
{
	struct ipc c = login(taro);
	Sekisho__AppendAnswer *appended = NULL;
	Sekisho__CopyAnswer *copied = NULL;
	assert_int_equal(quota(&c)->storage_limit, 0);
	set_quota("taro@here.example", "100K", "20");
	assert_int_equal(quota(&c)->storage_limit, 102400);
	assert_int_equal(quota(&c)->messages_limit, 20);
	/* By size: at RCPT with what is announced, and at the delivery with what it is. */
	assert_int_equal(rcpt_code("taro", 0), 250);
	assert_int_equal(rcpt_code("taro", 102400), 250);
	assert_int_equal(rcpt_code("taro", 102401), 452);
	assert_int_equal(send_to("taro@here.example", 110000), FULL);
	assert_int_equal(send_to("taro@here.example", 60000), OK);
	assert_int_equal(send_to("taro@here.example", 60000), FULL);
	assert_int_equal(rcpt_code("taro", 60000), 452);
	assert_int_equal(rcpt_code("taro", 100), 250);
	/* What is copied takes room of its own, though its body is kept once; what is moved takes none. */
	do_select(&c, "INBOX");
	assert_int_equal(do_copy(&c, 1, 1, "Archive", false, &copied), FULL);
	assert_string_equal(c.why, "OVERQUOTA");
	assert_int_equal(do_copy(&c, 1, 1, "Archive", true, &copied), OK);
	char *text = kit_message("large", 50000);
	assert_int_equal(do_append(&kit, &c, "Drafts", text, &appended), FULL);
	assert_string_equal(c.why, "OVERQUOTA");
	free(text);
	/* By number. */
	for (int i = 0; i < 19; i++)
		assert_int_equal(
		    do_append(&kit, &c, "Drafts", "Subject: n\r\n\r\nn\r\n", &appended), i < 20 ? OK : FULL);
	assert_int_equal(do_append(&kit, &c, "Drafts", "Subject: n\r\n\r\nn\r\n", &appended), FULL);
	assert_int_equal(rcpt_code("taro", 10), 452);
	/* For good, if the configuration says so. */
	kit.settings.quota_refuses = true;
	assert_int_equal(rcpt_code("taro", 10), 552);
	assert_int_equal(send_to("taro@here.example", 500), DENY);
	kit.settings.quota_refuses = false;
	empty(&c, "Drafts");
	assert_int_equal(rcpt_code("taro", 10), 250);
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "Archive"), OK);
	assert_int_equal(do_create(&c, "Archive", "\\Archive"), OK);
	assert_int_equal(quota(&c)->storage < 5000, 1);
	set_quota("taro@here.example", "default", "default");
	ipc_close(&c);
}

/* A full mailbox costs the others of a group nothing, nor itself what was sent to the group. */
static void a_group_is_served_whole(void **state)
{
	struct ipc c = login(taro), d = login(jiro);
	store_kit_must(&kit, "group.add",
	    "{\"address\":\"both@here.example\",\"member\":[\"taro@here.example\",\"jiro@here.example\"]}");
	set_quota("taro@here.example", "1", "none");
	assert_int_equal(rcpt_code("taro", 1000), 452);
	assert_int_equal(rcpt_code("both", 1000), 250);
	uint32_t taros = do_status(&c, "INBOX")->messages, jiros = do_status(&d, "INBOX")->messages;
	assert_int_equal(send_to("both@here.example", 1000), OK);
	assert_true(do_status(&c, "INBOX")->messages > taros);
	assert_int_equal(do_status(&d, "INBOX")->messages, jiros + 1);
	set_quota("taro@here.example", "default", "default");
	ipc_close(&c);
	ipc_close(&d);
}

static void limits_come_from_groups_and_the_configuration(void **state)
{
	struct ipc c = login(taro);
	kit.settings.quota_storage = 5000000;
	assert_int_equal(quota(&c)->storage_limit, 5000000);
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"small@here.example\",\"member\":[\"taro@here.example\"]}");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"large@here.example\",\"member\":[\"small@here.example\"]}");
	set_quota("group:small@here.example", "1M", "default");
	assert_int_equal(quota(&c)->storage_limit, 1 << 20);
	set_quota("group:large@here.example", "2M", "1000");
	assert_int_equal(quota(&c)->storage_limit, 2 << 20);
	assert_int_equal(quota(&c)->messages_limit, 1000);
	set_quota("taro@here.example", "3M", "default");
	assert_int_equal(quota(&c)->storage_limit, 3 << 20);
	assert_int_equal(quota(&c)->messages_limit, 1000);
	set_quota("taro@here.example", "default", "default");
	set_quota("group:small@here.example", "none", "default");
	assert_int_equal(quota(&c)->storage_limit, 0);
	store_kit_must(&kit, "group.remove", "{\"address\":\"small@here.example\"}");
	store_kit_must(&kit, "group.remove", "{\"address\":\"large@here.example\"}");
	assert_int_equal(quota(&c)->storage_limit, 5000000);
	kit.settings.quota_storage = 0;
	enum result r;
	json_decref(
	    store_kit_admin(&kit, "quota.set", "{\"who\":\"taro@here.example\",\"storage\":\"1X\"}", &r));
	assert_int_equal(r, DENY);
	json_decref(store_kit_admin(&kit, "quota.set", "{\"who\":\"anyone\",\"storage\":\"1M\"}", &r));
	assert_int_equal(r, GONE);
	ipc_close(&c);
}

/* What is put into somebody else's mailbox takes that one's room. */
static void the_owner_of_the_target_pays(void **state)
{
	struct ipc c = login(taro), d = login(jiro);
	Sekisho__CopyAnswer *copied = NULL;
	store_kit_must(&kit, "mailbox.grant",
	    "{\"address\":\"jiro@here.example\",\"mailbox\":\"Archive\",\"who\":\"taro@here.example\","
	    "\"rights\":\"lrswite\"}");
	assert_int_equal(send_to("taro@here.example", 3000), OK);
	empty(&d, "INBOX");
	empty(&d, "Archive");
	set_quota("jiro@here.example", "4000", "none");
	Sekisho__SelectAnswer *s = do_select(&c, "INBOX");
	uint32_t uid = s->status->uidnext - 1;
	assert_int_equal(do_copy(&c, uid, 1, "Other Users/jiro@here.example/Archive", false, &copied), OK);
	uint64_t used = quota(&d)->storage;
	assert_true(used > 2900);
	assert_int_equal(do_copy(&c, uid, 1, "Other Users/jiro@here.example/Archive", true, &copied), FULL);
	do_select(&c, "Other Users/jiro@here.example/Archive");
	assert_int_equal(do_copy(&c, 1, 1000, "Archive", true, &copied), OK);
	assert_int_equal(quota(&d)->storage, 0);
	/* The root of somebody whose mailbox one can read, and of nobody else. */
	Sekisho__QuotaAsk ask = SEKISHO__QUOTA_ASK__INIT;
	ask.by_root = true;
	ask.name = "jiro@here.example";
	assert_int_equal(ASK(&c, QUOTA, &ask, NULL), OK);
	ask.name = "taro@here.example";
	assert_int_equal(ASK(&d, QUOTA, &ask, NULL), GONE);
	ask.name = "nobody@here.example";
	assert_int_equal(ASK(&d, QUOTA, &ask, NULL), GONE);
	set_quota("jiro@here.example", "default", "default");
	ipc_close(&c);
	ipc_close(&d);
}

/* ---- warnings ---- */

static uint32_t wait_for_messages(struct ipc *c, uint32_t n)
{
	uint32_t have = 0;
	for (int i = 0; i < 600 && (have = do_status(c, "INBOX")->messages) < n; i++)
		usleep(10000);
	return have;
}

static void warnings_come_once_for_each_crossing(void **state)
{
	struct ipc c = login(jiro);
	Sekisho__AppendAnswer *appended = NULL;
	empty(&c, "INBOX");
	empty(&c, "Archive");
	set_quota("jiro@here.example", "none", "100");
	for (int i = 0; i < 79; i++)
		assert_int_equal(do_append(&kit, &c, "Archive", "Subject: n\r\n\r\nn\r\n", &appended), OK);
	usleep(1500000);
	assert_int_equal(do_status(&c, "INBOX")->messages, 0);
	assert_int_equal(do_append(&kit, &c, "Archive", "Subject: n\r\n\r\nn\r\n", &appended), OK);
	assert_int_equal(wait_for_messages(&c, 1), 1); /* 80, and its warning makes 81 */
	Sekisho__SelectAnswer *s = do_select(&c, "INBOX");
	static struct rows rows;
	assert_int_equal(do_fetch(&c, s->status->uidnext - 1, 1,
			     SEKISHO__WANT__WANT_BODY | SEKISHO__WANT__WANT_FACTS, false, &rows),
	    OK);
	const Sekisho__Facts *facts =
	    sekisho__facts__unpack(NULL, rows.v[0]->facts->packed.len, rows.v[0]->facts->packed.data);
	assert_non_null(strstr(facts->subject, "80 %"));
	assert_non_null(strstr(facts->subject, "容量"));
	assert_non_null(strstr(facts->subject, "mailbox"));
	assert_non_null(memmem(rows.v[0]->body.data, rows.v[0]->body.len, "auto-generated", 14));
	sekisho__facts__free_unpacked((Sekisho__Facts *)(uintptr_t)facts, NULL);
	/* To 95 in one go: one warning more, for the highest. */
	for (int i = 0; i < 14; i++)
		assert_int_equal(do_append(&kit, &c, "Archive", "Subject: n\r\n\r\nn\r\n", &appended), OK);
	uint32_t have = wait_for_messages(&c, 2);
	usleep(1500000);
	assert_true(do_status(&c, "INBOX")->messages >= have && have <= 3);
	/* Full: what people send does not go in, a warning would. */
	while (do_append(&kit, &c, "Archive", "Subject: n\r\n\r\nn\r\n", &appended) == OK)
		;
	assert_int_equal(rcpt_code("jiro", 0), 452);
	/* Below again, and above again: one more. */
	empty(&c, "INBOX");
	empty(&c, "Archive");
	assert_int_equal(do_status(&c, "INBOX")->messages, 0);
	for (int i = 0; i < 85; i++)
		assert_int_equal(do_append(&kit, &c, "Archive", "Subject: n\r\n\r\nn\r\n", &appended), OK);
	assert_int_equal(wait_for_messages(&c, 1), 1);
	set_quota("jiro@here.example", "default", "default");
	ipc_close(&c);
}

/* ---- what is counted is what is there ---- */

static json_int_t recount(const char *args, const char *key)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, "quota.recount", args, &r);
	assert_int_equal(r, OK);
	json_int_t n = json_integer_value(json_object_get(v, key));
	json_decref(v);
	return n;
}

static void one_random_act(struct ipc *c, unsigned *seed)
{
	static const char *const names[] = {"INBOX", "Archive", "Drafts", "Junk", "Random"};
	const char *from = names[rand_r(seed) % COUNT(names)], *to = names[rand_r(seed) % COUNT(names)];
	Sekisho__AppendAnswer *appended = NULL;
	Sekisho__CopyAnswer *copied = NULL;
	uint32_t uid = (uint32_t)rand_r(seed) % 60, n = (uint32_t)rand_r(seed) % 10 + 1;
	result_ignore(do_create(c, "Random", ""));
	do_select(c, from);
	switch (rand_r(seed) % 9) {
	case 0:
	case 1:
		result_ignore(do_append(&kit, c, to, "Subject: r\r\n\r\nrandom\r\n", &appended));
		break;
	case 2:
		result_ignore(send_to("jiro@here.example", 100 + (size_t)rand_r(seed) % 3000));
		break;
	case 3:
		result_ignore(do_copy(c, uid, n, to, false, &copied));
		break;
	case 4:
		result_ignore(do_copy(c, uid, n, to, true, &copied));
		break;
	case 5:
		do_flags(c, uid, n, rand_r(seed) % 3, (uint32_t)rand_r(seed) % 32, NULL);
		break;
	case 6:
		do_expunge(c);
		break;
	case 7:
		if (rand_r(seed) % 5 == 0)
			result_ignore(do_name(c, ASK_STORE_DELETE, "Random"));
		break;
	default:
		if (rand_r(seed) % 5 == 0)
			result_ignore(do_rename(c, "INBOX", "Random/old"));
		else
			result_ignore(do_name(c, ASK_STORE_DELETE, "Random/old"));
	}
	while (c->more)
		result_ignore(ipc_more(c, &mem, &copied, NULL));
}

static enum result spoil(struct job *j, struct db *db)
{
	DB_RUN(db, QUOTA_CORRECT, DI(box_find(db, jiro, SLICE("Archive"))), DI(12345), DI(1), DI(2), DI(3));
	return OK;
}

static void counted_is_recounted(void **state)
{
	struct ipc c = login(jiro);
	unsigned seed = 20261122;
	set_quota("jiro@here.example", "60000", "70");
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 60; i++)
			one_random_act(&c, &seed);
		assert_int_equal(recount("{\"address\":\"jiro@here.example\"}", "corrected"), 0);
		assert_true(recount("{}", "mailboxes") >= 12);
	}
	/* And it would have found something. */
	Sekisho__MailboxStatus *before = do_status(&c, "Archive");
	struct job j = {.store = kit.store, .apply = spoil};
	assert_int_equal(writer_wait(kit.store->writer, &j), OK);
	assert_int_equal(do_status(&c, "Archive")->messages, 12345);
	assert_int_equal(recount("{}", "corrected"), 1);
	Sekisho__MailboxStatus *after = do_status(&c, "Archive");
	assert_int_equal(after->messages, before->messages);
	assert_int_equal(after->size, before->size);
	assert_int_equal(after->unseen, before->unseen);
	assert_int_equal(after->deleted, before->deleted);
	assert_int_equal(recount("{}", "corrected"), 0);
	ipc_close(&c);
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_hold),
	    cmocka_unit_test(a_group_is_served_whole),
	    cmocka_unit_test(limits_come_from_groups_and_the_configuration),
	    cmocka_unit_test(the_owner_of_the_target_pays),
	    cmocka_unit_test(warnings_come_once_for_each_crossing),
	    cmocka_unit_test(counted_is_recounted),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
