/* The store: messages appended together, and one that takes another's place; reading a mailbox that is not selected. */
#include "store_help.h"

static struct store_kit kit;
static int64_t taro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	taro = store_kit_account(&kit, "taro@here.example");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

static struct ipc login(void)
{
	return store_help_login(&kit, taro);
}

struct appending {
	const char *mailbox, *subject, *keyword;
	uint32_t staged, replace;
};

static enum result put(struct ipc *c, enum ipc_ask kind, struct appending how, Sekisho__AppendAnswer **answer)
{
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	Sekisho__FactsRef ref;
	struct ipc_fds fds;
	char *text = kit_message(how.subject, 200), *words[1] = {(char *)(uintptr_t)how.keyword};
	struct kit_mail m = kit_mail_make(&kit, slice_str(text));
	kit_mail_ref(&m, &ref, &fds);
	ask.mailbox = (char *)(uintptr_t)how.mailbox;
	ask.facts = &ref;
	ask.keywords = words;
	ask.n_keywords = how.keyword ? 1 : 0;
	ask.staged = how.staged;
	ask.replace = how.replace;
	ask.internal_ms = 1000000;
	enum result r = ipc_call(c, kind, &ask, &fds, &mem, answer, NULL);
	kit_mail_free(&m);
	free(text);
	return r;
}

static enum result unstage(struct ipc *c)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	return ASK(c, UNSTAGE, &ask, NULL);
}

static void staged_messages_come_together(void **state)
{
	struct ipc c = login(), d = login();
	Sekisho__AppendAnswer *answer = NULL;
	assert_int_equal(do_create(&c, "many", ""), OK);
	do_select(&d, "many");
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"many", "a", "$one"}, NULL), OK);
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"many", "b", "$two"}, NULL), OK);
	assert_int_equal(do_status(&d, "many")->messages, 0);
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"many", "c", "$one", .staged = 2}, &answer), OK);
	assert_int_equal(answer->uid, 3);
	struct rows rows;
	assert_int_equal(do_fetch(&d, 1, 10, 0, false, &rows), OK);
	assert_int_equal(rows.n, 3);
	assert_int_equal(rows.v[0]->keywords, 1);
	assert_int_equal(rows.v[1]->keywords, 2);
	assert_int_equal(rows.v[2]->keywords, 1);
	ipc_close(&c);
	ipc_close(&d);
}

static void staged_messages_are_all_or_none(void **state)
{
	struct ipc c = login();
	Sekisho__AppendAnswer *answer = NULL;
	char long_word[LIMIT_KEYWORD + 2];
	memset(long_word, 'x', sizeof long_word - 1);
	long_word[sizeof long_word - 1] = 0;
	assert_int_equal(do_create(&c, "none", ""), OK);
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"none", "a"}, NULL), OK);
	/* A count that is not what was staged is a front's mistake. */
	assert_int_equal(put(&c, ASK_STORE_APPEND, (struct appending){"none", "b"}, &answer), BAD);
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"none", "b", .staged = 2}, &answer), BAD);
	/* The last fails in the transaction, and takes the first with it. */
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"none", "b", long_word, .staged = 1}, &answer),
	    FULL);
	assert_int_equal(do_status(&c, "none")->messages, 0);
	/* They are gone from the session then, and after UNSTAGE. */
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"none", "a"}, NULL), OK);
	assert_int_equal(unstage(&c), OK);
	assert_int_equal(put(&c, ASK_STORE_APPEND, (struct appending){"none", "b"}, &answer), OK);
	assert_int_equal(do_status(&c, "none")->messages, 1);
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"nowhere", "a"}, NULL), GONE);
	/* A session may end with messages staged. */
	assert_int_equal(put(&c, ASK_STORE_STAGE, (struct appending){"none", "z"}, NULL), OK);
	ipc_close(&c);
}

static void one_replaces_another(void **state)
{
	struct ipc c = login(), d = login();
	Sekisho__AppendAnswer *answer = NULL;
	assert_int_equal(do_create(&c, "drafts", ""), OK);
	assert_int_equal(do_create(&c, "elsewhere", ""), OK);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(put(&c, ASK_STORE_APPEND, (struct appending){"drafts", "old"}, &answer), OK);
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"drafts", "x", .replace = 2}, &answer), BAD);
	do_select(&c, "drafts");
	uint64_t since = do_select(&d, "drafts")->status->highestmodseq;
	d.notes = c.notes = 0;
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"drafts", "new", .replace = 2}, &answer), OK);
	assert_int_equal(answer->uid, 4);
	assert_true(answer->highestmodseq > since);
	assert_int_equal(c.notes, 0);
	Sekisho__SyncAnswer *news = do_sync(&d, since, 4);
	assert_int_equal(news->n_vanished, 1);
	assert_int_equal(news->vanished[0]->first, 2);
	assert_int_equal(news->added[0]->first, 4);
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"drafts", "new", .replace = 2}, &answer), GONE);
	assert_string_equal(c.why, "NONEXISTENT");
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"nowhere", "new", .replace = 3}, &answer), GONE);
	assert_string_equal(c.why, "TRYCREATE");
	assert_int_equal(
	    put(&c, ASK_STORE_APPEND, (struct appending){"elsewhere", "new", .replace = 3}, &answer), OK);
	assert_int_equal(do_status(&c, "drafts")->messages, 2);
	assert_int_equal(do_status(&c, "elsewhere")->messages, 1);
	ipc_close(&c);
	ipc_close(&d);
}

static void any_mailbox_can_be_read(void **state)
{
	struct ipc c = login();
	Sekisho__AppendAnswer *appended = NULL;
	Sekisho__FetchAnswer *fetched = NULL;
	Sekisho__BodyAnswer *body = NULL;
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__BodyAsk part = SEKISHO__BODY_ASK__INIT;
	assert_int_equal(do_create(&c, "read", ""), OK);
	assert_int_equal(put(&c, ASK_STORE_APPEND, (struct appending){"read", "here"}, &appended), OK);
	ask.uids = one_run(1, 1);
	ask.n_uids = 1;
	ask.mailbox = (char *)"read";
	ask.mark_seen = true;
	ask.uidvalidity = appended->uidvalidity;
	assert_int_equal(ASK(&c, FETCH, &ask, &fetched), OK);
	assert_int_equal(fetched->n_rows, 1);
	assert_int_equal(fetched->rows[0]->flags, 0);
	ask.uidvalidity++;
	assert_int_equal(ASK(&c, FETCH, &ask, &fetched), GONE);
	ask.uidvalidity = 0;
	ask.mailbox = (char *)"nowhere";
	assert_int_equal(ASK(&c, FETCH, &ask, &fetched), GONE);
	part.uid = 1;
	part.length = 5;
	part.mailbox = (char *)"read";
	assert_int_equal(ASK(&c, BODY, &part, &body), OK);
	assert_int_equal(body->data.len, 5);
	part.mailbox = (char *)"";
	assert_int_equal(ASK(&c, BODY, &part, &body), BAD);
	ipc_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(staged_messages_come_together),
	    cmocka_unit_test(staged_messages_are_all_or_none),
	    cmocka_unit_test(one_replaces_another),
	    cmocka_unit_test(any_mailbox_can_be_read),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
