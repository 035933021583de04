/* The store through its asks: addresses, delivery, mailboxes. */
#include "store_help.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro, jiro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"Taro@here.example\",\"name\":\"太郎\"}");
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

/* ---- recipients ---- */

static Sekisho__Verdict *verdict(enum ipc_peer peer, const char *local, const char *domain)
{
	struct ipc c = peer == PEER_SUBMISSION ? store_kit_login(&kit, (uint64_t)taro, "submission")
					       : store_kit_channel(&kit, peer);
	Sekisho__RcptAsk ask = SEKISHO__RCPT_ASK__INIT;
	Sekisho__RcptAnswer *answer;
	Sekisho__Addr a = SEKISHO__ADDR__INIT, *list[1] = {&a};
	a.local = (ProtobufCBinaryData){strlen(local), (uint8_t *)(uintptr_t)local};
	a.domain = (ProtobufCBinaryData){strlen(domain), (uint8_t *)(uintptr_t)domain};
	ask.rcpts = list;
	ask.n_rcpts = 1;
	assert_int_equal(ASK(&c, RCPT, &ask, &answer), OK);
	assert_int_equal(answer->n_verdicts, 1);
	ipc_close(&c);
	return answer->verdicts[0];
}

static void recipients_are_resolved(void **state)
{
	store_kit_must(&kit, "alias.add",
	    "{\"address\":\"sales@here.example\",\"target\":[\"taro@here.example\",\"Partner@else.example\"]"
	    "}");
	store_kit_must(&kit, "group.add",
	    "{\"address\":\"all@here.example\",\"member\":[\"sales@here.example\",\"jiro@here.example\"]}");
	store_kit_must(&kit, "alias.add", "{\"address\":\"a@here.example\",\"target\":[\"b@here.example\"]}");
	store_kit_must(&kit, "alias.add", "{\"address\":\"b@here.example\",\"target\":[\"a@here.example\"]}");
	const struct {
		const char *local, *domain;
		unsigned code;
		const char *status;
	} cases[] = {
	    {"taro", "here.example", 250, "2.1.5"},
	    {"TARO", "HERE.Example", 250, "2.1.5"},
	    {"taro+news", "here.example", 250, "2.1.5"},
	    {"sales", "here.example", 250, "2.1.5"},
	    {"all", "here.example", 250, "2.1.5"},
	    {"postmaster", "here.example", 250, "2.1.5"},
	    {"PostMaster", "", 250, "2.1.5"},
	    {"abuse", "here.example", 250, "2.1.5"},
	    {"nobody", "here.example", 550, "5.1.1"},
	    {"+taro", "here.example", 550, "5.1.1"},
	    {"a", "here.example", 550, "5.4.6"},
	    {"taro", "there.example", 550, "5.7.1"},
	    {"taro%there.example", "here.example", 550, "5.1.1"},
	    {"there.example!taro", "here.example", 550, "5.1.1"},
	    {"taro@there.example", "here.example", 550, "5.1.1"},
	    {"@there.example:taro", "here.example", 550, "5.1.1"},
	    {"taro", "[127.0.0.1]", 550, "5.7.1"},
	    {"taro", "here..example", 550, "5.1.2"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		Sekisho__Verdict *v = verdict(PEER_MX, cases[i].local, cases[i].domain);
		if (v->code != cases[i].code || strcmp(v->status, cases[i].status) != 0)
			fail_msg("%s@%s: %u %s", cases[i].local, cases[i].domain, v->code, v->status);
	}
	assert_int_equal(verdict(PEER_SUBMISSION, "taro", "there.example")->code, 250);
	store_kit_must(
	    &kit, "alias.add", "{\"address\":\"*@here.example\",\"target\":[\"jiro@here.example\"]}");
	assert_int_equal(verdict(PEER_MX, "nobody", "here.example")->code, 250);
	store_kit_must(&kit, "alias.remove", "{\"address\":\"*@here.example\"}");
	store_kit_must(&kit, "account.suspend", "{\"address\":\"jiro@here.example\"}");
	assert_int_equal(verdict(PEER_MX, "jiro", "here.example")->code, 450);
	assert_int_equal(verdict(PEER_MX, "all", "here.example")->code, 250);
	store_kit_must(&kit, "account.resume", "{\"address\":\"jiro@here.example\"}");
	assert_int_equal(verdict(PEER_MX, "jiro", "here.example")->code, 250);
}

static void groups_nest_so_far_and_no_further(void **state)
{
	for (int i = 0; i < 12; i++) {
		char args[200];
		snprintf(args, sizeof args,
		    "{\"address\":\"g%d@here.example\",\"member\":[\"%s%d@here.example\"]}", i,
		    i ? "g" : "taro+", i ? i - 1 : 0);
		store_kit_must(&kit, "group.add", args);
	}
	assert_int_equal(verdict(PEER_MX, "g9", "here.example")->code, 250);
	assert_string_equal(verdict(PEER_MX, "g11", "here.example")->status, "5.4.6");
}

static enum result sender(const char *local, const char *domain)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "submission");
	Sekisho__SenderAsk ask = SEKISHO__SENDER_ASK__INIT;
	Sekisho__Addr a = SEKISHO__ADDR__INIT;
	a.local = (ProtobufCBinaryData){strlen(local), (uint8_t *)(uintptr_t)local};
	a.domain = (ProtobufCBinaryData){strlen(domain), (uint8_t *)(uintptr_t)domain};
	ask.sender = &a;
	enum result r = ASK(&c, SENDER, &ask, NULL);
	ipc_close(&c);
	return r;
}

static void a_user_sends_as_himself(void **state)
{
	assert_int_equal(sender("taro", "here.example"), OK);
	assert_int_equal(sender("Taro+x", "HERE.example"), OK);
	assert_int_equal(sender("sales", "here.example"), OK);
	assert_int_equal(sender("all", "here.example"), DENY);
	assert_int_equal(sender("jiro", "here.example"), DENY);
	assert_int_equal(sender("taro", "there.example"), DENY);
	assert_int_equal(sender("", ""), DENY);
}

/* ---- delivery ---- */

static void mail_arrives(void **state)
{
	char *text = kit_message("quartz", 5000);
	assert_int_equal(deliver(&kit, "hanako@there.example", "taro@here.example", text), OK);
	struct ipc c = login(taro);
	Sekisho__SelectAnswer *s = do_select(&c, "inbox");
	assert_int_equal(s->status->messages, 1);
	assert_int_equal(s->status->unseen, 1);
	assert_int_equal(s->status->first_unseen, 1);
	assert_int_equal(s->status->uidnext, 2);
	assert_int_equal(s->recent_from, 1);
	assert_int_equal(s->n_uids, 1);
	static struct rows rows;
	assert_int_equal(
	    do_fetch(&c, 1, 100, SEKISHO__WANT__WANT_FACTS | SEKISHO__WANT__WANT_BODY, false, &rows), OK);
	assert_int_equal(rows.n, 1);
	Sekisho__Row *row = rows.v[0];
	assert_int_equal(row->size, strlen(text));
	assert_true(row->has_body);
	assert_true(slice_eq(slice_of(row->body.data, row->body.len), slice_str(text)));
	Sekisho__Facts *f = sekisho__facts__unpack(NULL, row->facts->packed.len, row->facts->packed.data);
	assert_non_null(f);
	assert_string_equal(f->subject, "quartz");
	sekisho__facts__free_unpacked(f, NULL);
	assert_true(row->email && row->thread && row->modseq);
	BUF_LOCAL(body, 1 << 20);
	assert_int_equal(do_body(&c, 1, 700, &body), OK);
	assert_true(slice_eq(buf_slice(&body), slice_str(text)));
	ipc_close(&c);
	free(text);
}

static void each_person_gets_one_copy(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = login(taro), d = login(jiro);
	uint32_t before = do_status(&c, "INBOX")->messages, before_d = do_status(&d, "INBOX")->messages;
	char *text = kit_message("once", 500);
	struct kit_envelope e = {.from = "x@there.example",
	    .to = {"taro@here.example", "all@here.example", "sales@here.example", "taro+tag@here.example"}};
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(do_status(&c, "INBOX")->messages, before + 1);
	assert_int_equal(do_status(&d, "INBOX")->messages, before_d + 1);
	enum result r;
	json_t *queue = store_kit_admin(&kit, "queue.list", "{}", &r);
	assert_int_equal(json_array_size(queue), 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(queue, 0), "to")), "Partner@else.example");
	const char *mail = json_string_value(json_object_get(json_array_get(queue, 0), "mail"));
	BUF_LOCAL(args, 200);
	buf_printf(&args, "{\"mail\":[\"%s\"]}", mail);
	store_kit_must(&kit, "queue.remove", buf_z(&args));
	json_decref(queue);
	free(text);
	ipc_close(&mx);
	ipc_close(&c);
	ipc_close(&d);
}

static void a_repeated_delivery_is_one_message(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = login(taro);
	uint32_t before = do_status(&c, "INBOX")->messages;
	char *text = kit_message("again", 500), *other = kit_message("other", 500);
	struct kit_envelope e = {
	    .mail_id = "0123456789abcdef", .from = "x@there.example", .to = {"taro@here.example"}};
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, other), DENY);
	assert_int_equal(do_status(&c, "INBOX")->messages, before + 1);
	ipc_close(&c);
	ipc_close(&mx);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	mx = store_kit_channel(&kit, PEER_MX);
	c = login(taro);
	assert_int_equal(kit_deliver_text(&kit, &mx, &e, text), OK);
	assert_int_equal(do_status(&c, "INBOX")->messages, before + 1);
	free(text);
	free(other);
	ipc_close(&c);
	ipc_close(&mx);
}

static void what_scan_did_not_seal_is_refused(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	char *text = kit_message("true", 500), *other = kit_message("false", 500);
	struct kit_mail m = kit_mail_make(&kit, slice_str(text)), n = kit_mail_make(&kit, slice_str(other));
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	m.seal[3] ^= 1;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	m.seal[3] ^= 1;
	m.packed[m.n - 1] ^= 1;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	m.packed[m.n - 1] ^= 1;
	int fd = m.fd;
	m.fd = n.fd;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	m.fd = fd;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), OK);
	kit_mail_free(&m);
	kit_mail_free(&n);
	free(text);
	free(other);
	ipc_close(&mx);
}

static void loops_end(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	BUF_LOCAL(text, 1 << 20);
	for (int i = 0; i < LIMIT_SMTP_HOPS + 1; i++)
		buf_puts(&text, "Received: by a.example; Sat, 21 Nov 2026 10:00:00 +0900\r\n");
	buf_puts(&text, "Subject: round\r\n\r\nround\r\n");
	struct kit_mail m = kit_mail_make(&kit, buf_slice(&text));
	const char *why;
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, &why), DENY);
	assert_true(slice_starts(slice_str(why), SLICE("5.4.6 ")));
	kit_mail_free(&m);
	ipc_close(&mx);
}

static void large_mail_is_kept_in_chunks(void **state)
{
	size_t n = 3000000;
	BUF_LOCAL(text, n + 1000);
	buf_puts(&text, "Subject: large\r\n\r\n");
	uint32_t dice = 7;
	while (text.n < n) {
		dice = dice * 1103515245 + 12345;
		buf_printf(&text, "%08x", dice);
		if (text.n % 76 < 8)
			buf_puts(&text, "\r\n");
	}
	struct kit_mail m = kit_mail_make(&kit, buf_slice(&text));
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = login(jiro);
	struct kit_envelope e = {.from = "x@there.example", .to = {"jiro@here.example"}};
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), OK);
	Sekisho__SelectAnswer *s = do_select(&c, "INBOX");
	uint32_t uid = s->status->uidnext - 1;
	BUF_LOCAL(body, n + 1000);
	assert_int_equal(do_body(&c, uid, 98304, &body), OK);
	assert_true(slice_eq(buf_slice(&body), buf_slice(&text)));
	buf_clear(&body);
	assert_int_equal(do_body(&c, uid, 50001, &body), OK);
	assert_true(slice_eq(buf_slice(&body), buf_slice(&text)));
	static struct rows rows;
	assert_int_equal(do_fetch(&c, uid, 1, SEKISHO__WANT__WANT_BODY, false, &rows), OK);
	assert_false(rows.v[0]->has_body);
	kit_mail_free(&m);
	ipc_close(&mx);
	ipc_close(&c);
}

static void large_facts_travel_as_a_file(void **state)
{
	BUF_LOCAL(text, 1 << 20);
	buf_puts(&text,
	    "Subject: crowded\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&text,
		    "--b\r\nContent-Type: application/octet-stream; name=\"a file of some name %d.bin\"\r\n"
		    "Content-Description: what is said of it, number %d\r\n\r\nx\r\n",
		    i, i);
	buf_puts(&text, "--b--\r\n");
	struct kit_mail m = kit_mail_make(&kit, buf_slice(&text));
	assert_true(m.facts_fd >= 0);
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = login(jiro);
	struct kit_envelope e = {.from = "x@there.example", .to = {"jiro@here.example"}};
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), OK);
	uint32_t uid = do_select(&c, "INBOX")->status->uidnext - 1;
	static struct rows rows;
	assert_int_equal(do_fetch(&c, uid, 1, SEKISHO__WANT__WANT_FACTS, false, &rows), OK);
	assert_true(rows.v[0]->facts->in_fd);
	assert_int_equal(rows.fds.n, 1);
	struct slice packed, sent;
	assert_int_equal(fd_map_sealed(rows.fds.fd[0], UINT32_MAX, &packed), OK);
	assert_int_equal(fd_map_sealed(m.facts_fd, UINT32_MAX, &sent), OK);
	assert_true(slice_eq(packed, sent));
	fd_unmap(&packed);
	fd_unmap(&sent);
	ipc_fds_close(&rows.fds);
	kit_mail_free(&m);
	ipc_close(&mx);
	ipc_close(&c);
}

/* ---- mailboxes ---- */

/* RFC 3501 2.3.1.1: a name used again never has an old validity, or clients take old UIDs for new messages. */
static void validity_never_repeats(void **state)
{
	struct ipc c = login(jiro);
	uint32_t before[6];
	for (size_t i = 0; i < COUNT(before); i++) {
		assert_int_equal(do_create(&c, "again", ""), OK);
		before[i] = do_select(&c, "again")->mailbox->uidvalidity;
		assert_int_not_equal(before[i], 0);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(before[i], before[k]);
		assert_int_equal(do_name(&c, ASK_STORE_DELETE, "again"), OK);
	}
	ipc_close(&c);
}

static void mailboxes_have_names(void **state)
{
	struct ipc c = login(jiro);
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *all;
	ask.with_status = true;
	assert_int_equal(ASK(&c, MAILBOXES, &ask, &all), OK);
	const char *standard[] = {"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"};
	assert_int_equal(all->n_mailboxes, COUNT(standard));
	for (size_t i = 0; i < COUNT(standard); i++)
		assert_string_equal(all->mailboxes[i]->name, standard[i]);
	assert_string_equal(all->mailboxes[4]->special_use, "\\Sent");
	assert_int_equal(all->n_status, COUNT(standard));
	assert_int_equal(do_create(&c, "仕事/顧客/山田", ""), OK);
	assert_int_equal(do_create(&c, "仕事/顧客/山田", ""), DENY);
	assert_true(slice_starts(slice_str(c.why), SLICE("EXISTS")));
	assert_int_equal(do_create(&c, "inbox", ""), DENY);
	assert_int_equal(do_create(&c, "a//b", ""), DENY);
	assert_int_equal(do_create(&c, "", ""), DENY);
	assert_int_equal(do_create(&c, "Second Sent", "\\Sent"), DENY);
	assert_int_equal(do_rename(&c, "仕事", "仕事/下"), DENY);
	assert_int_equal(do_rename(&c, "仕事", "INBOX"), DENY);
	assert_int_equal(do_rename(&c, "仕事", "Archive/work"), OK);
	assert_int_equal(do_status(&c, "Archive/work/顧客/山田")->messages, 0);
	assert_int_equal(do_name(&c, ASK_STORE_STATUS, "仕事/顧客"), GONE);
	uint32_t validity = do_select(&c, "Archive/work/顧客")->mailbox->uidvalidity;
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "Archive/work/顧客"), OK);
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "Archive/work/顧客"), DENY);
	assert_int_equal(do_name(&c, ASK_STORE_SELECT, "Archive/work/顧客"), GONE);
	assert_int_equal(do_create(&c, "Archive/work/顧客", ""), OK);
	assert_int_not_equal(do_select(&c, "Archive/work/顧客")->mailbox->uidvalidity, validity);
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "INBOX"), DENY);
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "nothing"), GONE);
	assert_int_equal(do_name(&c, ASK_STORE_SUBSCRIBE, "not/there"), OK);
	assert_int_equal(do_name(&c, ASK_STORE_UNSUBSCRIBE, "Junk"), OK);
	assert_int_equal(ASK(&c, MAILBOXES, &ask, &all), OK);
	assert_int_equal(all->n_subscribed_missing, 1);
	assert_string_equal(all->subscribed_missing[0], "not/there");
	for (size_t i = 0; i < all->n_mailboxes; i++)
		if (strcmp(all->mailboxes[i]->name, "Junk") == 0)
			assert_false(all->mailboxes[i]->subscribed);
	ipc_close(&c);
}

static void append_some(struct ipc *c, const char *mailbox, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char *text = kit_message("appended", 300);
		Sekisho__AppendAnswer *answer;
		assert_int_equal(do_append(&kit, c, mailbox, text, &answer), OK);
		assert_int_equal(answer->uid, i + 1);
		free(text);
	}
}

static void flags_and_expunge(void **state)
{
	struct ipc c = login(taro), d = login(taro);
	assert_int_equal(do_create(&c, "flags", ""), OK);
	append_some(&c, "flags", 10);
	Sekisho__SelectAnswer *s = do_select(&c, "flags");
	assert_int_equal(s->status->messages, 10);
	assert_int_equal(s->status->unseen, 0);
	assert_int_equal(s->n_uids, 1);
	assert_int_equal(s->uids[0]->count, 10);
	uint64_t since = do_select(&d, "flags")->status->highestmodseq;
	Sekisho__FlagsAnswer *f =
	    do_flags(&c, 3, 4, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_DELETED, "$Work");
	assert_int_equal(f->n_changes, 4);
	assert_int_equal(f->changes[0]->uid, 3);
	assert_int_equal(f->changes[0]->flags, SEKISHO__FLAG__FLAG_SEEN | SEKISHO__FLAG__FLAG_DELETED);
	assert_int_equal(f->changes[0]->keywords, 1);
	assert_int_equal(f->n_keywords, 1);
	assert_string_equal(f->keywords[0], "$Work");
	assert_int_equal(f->highestmodseq, f->changes[3]->modseq);
	f = do_flags(&c, 1, 2, SEKISHO__FLAGS_ASK__MODE__REPLACE, 0, NULL);
	assert_int_equal(f->changes[0]->flags, 0);
	assert_int_equal(do_status(&c, "flags")->unseen, 2);
	assert_int_equal(do_status(&c, "flags")->deleted, 4);
	assert_int_equal(ipc_poll(&d), OK);
	assert_int_equal(d.notes, NOTE_MAILBOX);
	assert_int_equal(ipc_poll(&c), OK);
	assert_int_equal(c.notes, 0);
	Sekisho__SyncAnswer *y = do_sync(&d, since, 11);
	assert_int_equal(y->n_changes, 6);
	assert_int_equal(y->changes[0]->uid, 1);
	assert_int_equal(y->n_vanished, 0);
	since = y->highestmodseq;
	Sekisho__ExpungeAnswer *x = do_expunge(&c);
	assert_int_equal(x->n_vanished, 1);
	assert_int_equal(x->vanished[0]->first, 3);
	assert_int_equal(x->vanished[0]->count, 4);
	y = do_sync(&d, since, 11);
	assert_int_equal(y->n_vanished, 1);
	assert_int_equal(y->vanished[0]->count, 4);
	assert_int_equal(do_status(&c, "flags")->messages, 6);
	assert_int_equal(do_expunge(&c)->n_vanished, 0);
	s = do_select(&c, "flags");
	assert_int_equal(s->n_uids, 2);
	assert_int_equal(s->uids[1]->first, 7);
	assert_int_equal(s->status->first_unseen, 1);
	ipc_close(&c);
	ipc_close(&d);
}

static void unchanged_since_is_kept(void **state)
{
	struct ipc c = login(taro);
	Sekisho__SelectAnswer *s = do_select(&c, "flags");
	uint64_t modseq = s->status->highestmodseq;
	Sekisho__FlagsAnswer *f =
	    do_flags(&c, 7, 1, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_FLAGGED, NULL);
	assert_true(f->highestmodseq > modseq);
	Sekisho__FlagsAsk ask = SEKISHO__FLAGS_ASK__INIT;
	ask.uids = one_run(7, 2);
	ask.n_uids = 1;
	ask.flags = SEKISHO__FLAG__FLAG_ANSWERED;
	ask.has_unchanged_since = true;
	ask.unchanged_since = modseq;
	assert_int_equal(ASK(&c, FLAGS, &ask, &f), OK);
	assert_int_equal(f->n_changes, 1);
	assert_int_equal(f->changes[0]->uid, 8);
	assert_int_equal(f->n_modified, 1);
	assert_int_equal(f->modified[0]->first, 7);
	assert_int_equal(f->modified[0]->count, 1);
	ipc_close(&c);
}

static void fetching_marks_seen(void **state)
{
	struct ipc c = login(taro), d = login(taro);
	assert_int_equal(do_create(&c, "seen", ""), OK);
	append_some(&c, "seen", 3);
	do_select(&c, "seen");
	do_select(&d, "seen");
	do_flags(&c, 1, 3, SEKISHO__FLAGS_ASK__MODE__REPLACE, 0, NULL);
	static struct rows rows;
	do_sync(&d, 1, 4);
	d.notes = 0;
	assert_int_equal(do_fetch(&c, 2, 2, 0, true, &rows), OK);
	assert_int_equal(rows.n, 2);
	assert_true(rows.v[0]->seen_set && rows.v[0]->flags == SEKISHO__FLAG__FLAG_SEEN);
	assert_int_equal(do_status(&c, "seen")->unseen, 1);
	assert_int_equal(do_fetch(&c, 1, 3, 0, false, &rows), OK);
	assert_int_equal(rows.v[0]->flags, 0);
	assert_false(rows.v[1]->seen_set);
	assert_int_equal(ipc_poll(&d), OK);
	assert_int_equal(d.notes, NOTE_MAILBOX);
	ipc_close(&c);
	ipc_close(&d);
}

static void copies_and_moves(void **state)
{
	struct ipc c = login(taro), d = login(taro);
	assert_int_equal(do_create(&c, "from", ""), OK);
	assert_int_equal(do_create(&c, "to", ""), OK);
	append_some(&c, "from", 6);
	do_select(&c, "from");
	do_select(&d, "to");
	do_flags(&c, 2, 1, SEKISHO__FLAGS_ASK__MODE__ADD, 0, "other");
	do_flags(&c, 2, 1, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_FLAGGED, "$Mine");
	Sekisho__CopyAnswer *a;
	assert_int_equal(do_copy(&c, 1, 2, "nowhere", false, &a), GONE);
	assert_string_equal(c.why, "TRYCREATE");
	assert_int_equal(do_copy(&c, 1, 2, "to", false, &a), OK);
	assert_int_equal(a->n_from, 1);
	assert_int_equal(a->to[0]->first, 1);
	assert_int_equal(a->to[0]->count, 2);
	assert_int_equal(ipc_poll(&d), OK);
	assert_int_equal(d.notes, NOTE_MAILBOX);
	Sekisho__SyncAnswer *y = do_sync(&d, 1, 1);
	assert_int_equal(y->n_added, 1);
	assert_int_equal(y->n_keywords, 2);
	assert_int_equal(y->changes[1]->keywords, 3);
	do_flags(&c, 3, 1, SEKISHO__FLAGS_ASK__MODE__ADD, SEKISHO__FLAG__FLAG_DELETED, NULL);
	do_expunge(&c);
	assert_int_equal(do_copy(&c, 2, 3, "to", true, &a), OK);
	assert_int_equal(a->n_from, 2);
	assert_int_equal(a->from[1]->first, 4);
	assert_int_equal(a->to[0]->first, 3);
	assert_int_equal(a->to[1]->first, 4);
	assert_int_equal(do_status(&c, "from")->messages, 3);
	assert_int_equal(do_status(&c, "to")->messages, 4);
	assert_int_equal(do_copy(&c, 1, 1, "from", true, &a), OK);
	assert_int_equal(a->to[0]->first, 7);
	assert_int_equal(do_status(&c, "from")->messages, 3);
	static struct rows rows;
	do_select(&c, "to");
	assert_int_equal(do_fetch(&c, 1, 9, SEKISHO__WANT__WANT_BODY, false, &rows), OK);
	assert_int_equal(rows.n, 4);
	assert_int_equal(rows.v[0]->internal_ms, 1000000);
	assert_int_equal(rows.v[1]->email, rows.v[2]->email);
	assert_int_not_equal(rows.v[0]->email, rows.v[1]->email);
	ipc_close(&c);
	ipc_close(&d);
}

static void inbox_is_renamed_by_moving(void **state)
{
	struct ipc c = login(jiro);
	Sekisho__SelectAnswer *s = do_select(&c, "INBOX");
	uint32_t n = s->status->messages, uidnext = s->status->uidnext;
	uint64_t size = s->status->size;
	assert_true(n > 0);
	assert_int_equal(do_rename(&c, "INBOX", "old"), OK);
	Sekisho__SyncAnswer *y = do_sync(&c, s->status->highestmodseq, uidnext);
	assert_int_equal(y->n_vanished, 1);
	assert_int_equal(do_status(&c, "INBOX")->messages, 0);
	assert_int_equal(do_status(&c, "INBOX")->uidnext, uidnext);
	s = do_select(&c, "old");
	assert_int_equal(s->status->messages, n);
	assert_int_equal(s->status->size, size);
	static struct rows rows;
	assert_int_equal(do_fetch(&c, 1, 100, SEKISHO__WANT__WANT_FACTS, false, &rows), OK);
	assert_int_equal(rows.n, n);
	ipc_close(&c);
}

static void answers_are_threaded(void **state)
{
	static const char *const texts[] = {
	    "Message-ID: <1@x>\r\nSubject: a\r\n\r\na\r\n",
	    "Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nReferences: <1@x>\r\nSubject: Re: a\r\n\r\nb\r\n",
	    "Message-ID: <4@x>\r\nReferences: <1@x> <3@x>\r\nSubject: Re: a\r\n\r\nd\r\n",
	    "Message-ID: <3@x>\r\nSubject: other words\r\n\r\nc\r\n",
	    "Message-ID: <5@x>\r\nSubject: alone\r\n\r\ne\r\n",
	};
	struct ipc c = login(taro);
	assert_int_equal(do_create(&c, "threads", ""), OK);
	for (size_t i = 0; i < COUNT(texts); i++) {
		Sekisho__AppendAnswer *a;
		assert_int_equal(do_append(&kit, &c, "threads", texts[i], &a), OK);
	}
	do_select(&c, "threads");
	static struct rows rows;
	assert_int_equal(do_fetch(&c, 1, 9, 0, false, &rows), OK);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(rows.v[i]->thread, rows.v[0]->thread);
	assert_int_not_equal(rows.v[4]->thread, rows.v[0]->thread);
	ipc_close(&c);
}

static void recent_is_told_once(void **state)
{
	char *text = kit_message("recent", 300);
	struct ipc c = login(taro), d = login(taro);
	do_select(&c, "INBOX");
	assert_int_equal(deliver(&kit, "", "taro@here.example", text), OK);
	assert_int_equal(ipc_poll(&c), OK);
	assert_int_equal(c.notes, NOTE_MAILBOX);
	assert_int_equal(do_status(&d, "INBOX")->recent, 1);
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *s;
	ask.name = (char *)(uintptr_t) "INBOX";
	ask.examine = true;
	assert_int_equal(ASK(&d, SELECT, &ask, &s), OK);
	assert_int_equal(s->recent_from, s->status->uidnext - 1);
	Sekisho__SyncAnswer *y = do_sync(&c, s->status->highestmodseq - 1, s->status->uidnext - 1);
	assert_int_equal(y->recent_from, s->status->uidnext - 1);
	assert_int_equal(y->n_added, 1);
	assert_int_equal(do_select(&d, "INBOX")->recent_from, 0);
	assert_int_equal(do_status(&d, "INBOX")->recent, 0);
	ipc_close(&c);
	ipc_close(&d);
	free(text);
}

static void pop3_deletes_without_flags(void **state)
{
	struct ipc c = login(taro);
	append_some(&c, "Junk", 3);
	ipc_close(&c);
	c = store_kit_login(&kit, (uint64_t)taro, "pop3s");
	assert_true(c.fd >= 0);
	do_select(&c, "Junk");
	Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
	Sekisho__ExpungeAnswer *x;
	ask.uids = one_run(2, 1);
	ask.n_uids = 1;
	ask.any_flag = true;
	assert_int_equal(ASK(&c, EXPUNGE, &ask, &x), OK);
	assert_int_equal(x->n_vanished, 1);
	Sekisho__NameAsk name = SEKISHO__NAME_ASK__INIT;
	assert_int_equal(ASK(&c, DELETE, &name, NULL), GONE); /* not for this peer: the channel is closed */
	ipc_close(&c);
}

static void suspended_sessions_end(void **state)
{
	struct ipc c = login(jiro);
	do_select(&c, "INBOX");
	store_kit_must(&kit, "account.suspend", "{\"address\":\"jiro@here.example\"}");
	assert_int_equal(ipc_poll(&c), OK);
	assert_true(c.notes & NOTE_END);
	assert_int_equal(do_name(&c, ASK_STORE_STATUS, "INBOX"), STOP);
	ipc_close(&c);
	c = store_kit_login(&kit, (uint64_t)jiro, "imap");
	assert_int_equal(c.fd, -1);
	store_kit_must(&kit, "account.resume", "{\"address\":\"jiro@here.example\"}");
	c = login(jiro);
	store_kit_must(&kit, "account.logout", "{\"address\":\"jiro@here.example\"}");
	assert_int_equal(do_name(&c, ASK_STORE_STATUS, "INBOX"), STOP);
	ipc_close(&c);
	c = login(jiro);
	assert_int_equal(do_name(&c, ASK_STORE_STATUS, "INBOX"), OK);
	ipc_close(&c);
	c = store_kit_login(&kit, 999, "imap");
	assert_int_equal(c.fd, -1);
}

static void a_deleted_mailbox_is_gone_for_others(void **state)
{
	struct ipc c = login(taro), d = login(taro);
	assert_int_equal(do_create(&c, "short", ""), OK);
	append_some(&c, "short", 2);
	do_select(&d, "short");
	d.notes = 0;
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "short"), OK);
	assert_int_equal(ipc_poll(&d), OK);
	assert_int_equal(d.notes, NOTE_MAILBOX);
	assert_true(do_sync(&d, 1, 3)->gone);
	ipc_close(&c);
	ipc_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recipients_are_resolved),
	    cmocka_unit_test(groups_nest_so_far_and_no_further),
	    cmocka_unit_test(a_user_sends_as_himself),
	    cmocka_unit_test(mail_arrives),
	    cmocka_unit_test(each_person_gets_one_copy),
	    cmocka_unit_test(a_repeated_delivery_is_one_message),
	    cmocka_unit_test(what_scan_did_not_seal_is_refused),
	    cmocka_unit_test(loops_end),
	    cmocka_unit_test(validity_never_repeats),
	    cmocka_unit_test(mailboxes_have_names),
	    cmocka_unit_test(large_mail_is_kept_in_chunks),
	    cmocka_unit_test(large_facts_travel_as_a_file),
	    cmocka_unit_test(flags_and_expunge),
	    cmocka_unit_test(unchanged_since_is_kept),
	    cmocka_unit_test(fetching_marks_seen),
	    cmocka_unit_test(copies_and_moves),
	    cmocka_unit_test(inbox_is_renamed_by_moving),
	    cmocka_unit_test(answers_are_threaded),
	    cmocka_unit_test(recent_is_told_once),
	    cmocka_unit_test(pop3_deletes_without_flags),
	    cmocka_unit_test(suspended_sessions_end),
	    cmocka_unit_test(a_deleted_mailbox_is_gone_for_others),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
