/*
 * The full-text index behind its asks: what it answers is what reading every message answers, whatever part of the mail
 * is indexed, while mail comes and goes, after a restart and a rebuild; and a damaged page is no empty answer.
 */
#include "store_help.h"
#include "inspect/inspect.h"
#include "mail/charset.h"
#include "store/admin/admin.h"
#include "store/handlers.h"
#include "store/search/verify.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unicode/ucnv.h>
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

/* ---- random mail ---- */

static uint64_t seed = 42;
static unsigned any(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static const char *const words[] = {"見積書", "請求書", "東京都", "京都", "サーバー", "サーバ", "ﾊﾝｶｸ",
    "会議", "の", "を", "invoice", "Voice", "meeting", "Straße", "the", "quick", "関所", "髙橋", "高橋",
    "ＡＢＣ", "abc", "データ", "2026年", "佐々木", "ﾃﾞｰﾀ", "きょう", "キョウ"};

static void put_words(struct buf *b, unsigned n)
{
	static const char *const gaps[] = {" ", "", "", ", ", "、", "\r\n"};
	while (n--) {
		buf_puts(b, words[any(COUNT(words))]);
		buf_puts(b, n ? gaps[any(COUNT(gaps))] : "");
	}
}

static void put_coded(struct buf *b, struct slice text, const char *charset)
{
	UErrorCode err = U_ZERO_ERROR;
	BUF_LOCAL(out, 1000000);
	BUF_LOCAL(base64, 2000000);
	char *p = buf_room(&out, text.n * 4 + 100);
	int32_t n =
	    ucnv_convert(charset, "UTF-8", p, (int32_t)(text.n * 4 + 100), text.p, (int32_t)text.n, &err);
	assert_true(U_SUCCESS(err));
	buf_wrote(&out, (size_t)n);
	buf_base64(&base64, buf_slice(&out));
	for (size_t i = 0; i < base64.n; i += 76) {
		buf_put(b, slice_sub(buf_slice(&base64), i, 76));
		buf_puts(b, "\r\n");
	}
}

static void make_message(struct buf *b, unsigned number)
{
	static const char *const charsets[] = {"UTF-8", "ISO-2022-JP", "Shift_JIS", "EUC-JP", "UTF-16LE"};
	const char *charset = charsets[any(COUNT(charsets))];
	BUF_LOCAL(text, 100000);
	BUF_LOCAL(subject, 1000);
	put_words(&subject, 1 + any(4));
	for (size_t i = 0; i < subject.n; i++)
		if (subject.p[i] == '\r' || subject.p[i] == '\n')
			subject.p[i] = ' ';
	buf_printf(b,
	    "From: %s <a%u@else.example>\r\nTo: taro@here.example\r\nMessage-ID: "
	    "<%u.x@else.example>\r\nSubject: =?UTF-8?B?",
	    words[any(5)], any(7), number);
	buf_base64(b, buf_slice(&subject));
	buf_puts(b, "?=\r\nReceived: from secret.example\r\nMIME-Version: 1.0\r\n");
	bool html = !any(4);
	put_words(&text, 1 + any(any(10) ? 40 : 2000));
	if (html) {
		BUF_LOCAL(wrapped, 200000);
		buf_puts(&wrapped, "<html><body><p>");
		buf_put(&wrapped, buf_slice(&text));
		buf_puts(&wrapped, "</p></body></html>");
		buf_clear(&text);
		buf_put(&text, buf_slice(&wrapped));
	}
	if (strcmp(charset, "UTF-16LE") == 0 && html)
		charset = "UTF-8";
	buf_printf(b, "Content-Type: text/%s; charset=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
	    html ? "html" : "plain", charset);
	put_coded(b, buf_slice(&text), charset);
}

/* ---- what is known to be there ---- */

#define MOST 1200
static struct {
	struct buf doc; /* folded, by the same reader */
	bool gone;
	uint32_t uid;
} all[MOST];
static unsigned count;

static void deliver_some(struct ipc *mx, unsigned n)
{
	while (n--) {
		BUF_LOCAL(message, 1000000);
		make_message(&message, count);
		assert_int_equal(
		    kit_deliver_text(&kit, mx,
			&(struct kit_envelope){.from = "a@else.example", .to = {"taro@here.example"}},
			buf_z(&message)),
		    OK);
		ARENA_LOCAL(a, (size_t)16 << 20);
		Sekisho__Facts *facts;
		unsigned notes;
		assert_int_equal(mail_facts_extract(buf_slice(&message), &a, &facts), OK);
		buf_init(&all[count].doc, LIMIT_SEARCH_TEXT);
		inspect_doc_make(buf_slice(&message), facts, ~0u, &all[count].doc, &notes);
		all[count].uid = count + 1;
		count++;
	}
}

static void make_needle(struct buf *text, struct inspect_needle *n)
{
	static const char *const fields[] = {"subject", "from", "to", "message-id", "received", "none"};
	BUF_LOCAL(raw, 10000);
	buf_clear(text);
	if (any(5)) {
		put_words(&raw, 1 + any(3));
	} else {
		struct slice doc = buf_slice(&all[any(count)].doc);
		buf_put(&raw, slice_sub(doc, any((unsigned)doc.n), 1 + any(20)));
	}
	BUF_LOCAL(clean, 10000);
	mail_utf8_decode(buf_slice(&raw), &clean);
	mail_text_fold(buf_slice(&clean), text);
	*n = (struct inspect_needle){
	    .where = any(3), .field = slice_str(fields[any(COUNT(fields))]), .text = buf_slice(text)};
}

static enum result search_for(struct ipc *c, const struct inspect_needle *n, bool *found)
{
	Sekisho__SearchAsk ask = SEKISHO__SEARCH_ASK__INIT;
	Sekisho__SearchNeedle needle = SEKISHO__SEARCH_NEEDLE__INIT, *list[] = {&needle};
	Sekisho__SearchAnswer *answer = NULL;
	needle.where = n->where;
	needle.field = arena_z(&mem, n->field);
	needle.text = arena_z(&mem, n->text);
	ask.needles = list;
	ask.n_needles = 1;
	enum result r = ASK(c, SEARCH, &ask, &answer);
	for (;;) {
		for (size_t i = 0; r == OK && i < answer->n_uids; i++)
			for (uint32_t k = 0; k < answer->uids[i]->count; k++)
				if (answer->uids[i]->first + k <= MOST)
					found[answer->uids[i]->first + k] = true;
		if (r != OK || !c->more)
			return r;
		r = ipc_more(c, &mem, &answer, NULL);
	}
}

static unsigned compare(struct ipc *c, unsigned rounds)
{
	BUF_LOCAL(text, 100000);
	unsigned hits = 0;
	while (rounds--) {
		struct inspect_needle n;
		bool found[MOST + 1] = {0};
		make_needle(&text, &n);
		if (n.where != INSPECT_IN_HEADER)
			n.field = SLICE_NONE;
		assert_int_equal(search_for(c, &n, found), OK);
		for (unsigned i = 0; i < count; i++) {
			bool want = inspect_doc_match(buf_slice(&all[i].doc), &n);
			if (!all[i].gone && want != found[all[i].uid])
				fail_msg("uid %u: where %d '%.*s' '%.*s' %s", all[i].uid, n.where,
				    SLICE_ARG(n.field), SLICE_ARG(n.text), want ? "missed" : "found wrongly");
			hits += want;
		}
		arena_reset(&mem);
	}
	return hits;
}

/* ---- fuzzy needles: found and weighed as reading every message does it ---- */

static enum result ask_fuzzy(struct ipc *c, const struct inspect_needle *n, uint32_t *scores)
{
	Sekisho__SearchAsk ask = SEKISHO__SEARCH_ASK__INIT;
	Sekisho__SearchNeedle needle = SEKISHO__SEARCH_NEEDLE__INIT, *list[] = {&needle};
	Sekisho__SearchAnswer *answer = NULL;
	needle.where = n->where;
	needle.field = arena_z(&mem, n->field);
	needle.text = arena_z(&mem, n->text);
	needle.fuzzy = true;
	ask.needles = list;
	ask.n_needles = 1;
	enum result r = ASK(c, SEARCH, &ask, &answer);
	while (r == OK) {
		size_t at = 0;
		for (size_t i = 0; i < answer->n_uids; i++)
			for (uint32_t k = 0; k < answer->uids[i]->count; k++) {
				assert_true(at < answer->n_scores && answer->scores[at] > 0);
				assert_true(answer->uids[i]->first + k <= MOST);
				scores[answer->uids[i]->first + k] = answer->scores[at++];
			}
		assert_int_equal(at, answer->n_scores);
		if (!c->more)
			break;
		r = ipc_more(c, &mem, &answer, NULL);
	}
	return r;
}

/* By reading all; false when there is no word to look for. */
static bool read_fuzzy(const struct inspect_needle *n, uint32_t *scores)
{
	struct search_rank rank = {0};
	SEARCH_LIST(uids);
	SEARCH_LIST(points);
	inspect_fuzzy_make(n, &rank.plan);
	for (unsigned i = 0; i < count; i++) {
		uint8_t worth[INSPECT_PARTS];
		inspect_fuzzy_read(buf_slice(&all[i].doc), n, &rank.plan, worth);
		search_rank_add(&rank, all[i].uid, worth);
	}
	search_rank_scores(&rank, count, &uids, &points);
	for (size_t i = 0; i < uids.n; i++)
		scores[uids.v[i]] = (uint32_t)points.v[i];
	bool words_in_it = rank.plan.n > 0;
	search_rank_free(&rank);
	return words_in_it && !slice_eq(n->field, SLICE("received"));
}

static unsigned compare_fuzzy(struct ipc *c, unsigned rounds, bool weighed)
{
	BUF_LOCAL(text, 100000);
	unsigned hits = 0;
	while (rounds--) {
		struct inspect_needle n;
		uint32_t found[MOST + 1] = {0}, want[MOST + 1] = {0};
		make_needle(&text, &n);
		if (n.where != INSPECT_IN_HEADER)
			n.field = SLICE_NONE;
		assert_int_equal(ask_fuzzy(c, &n, found), OK);
		if (read_fuzzy(&n, want))
			for (unsigned i = 0; i < count; i++) {
				uint32_t uid = all[i].uid;
				if (!all[i].gone &&
				    (weighed ? found[uid] != want[uid] : !found[uid] != !want[uid]))
					fail_msg("uid %u: where %d '%.*s' '%.*s': %u, read: %u", uid, n.where,
					    SLICE_ARG(n.field), SLICE_ARG(n.text), found[uid], want[uid]);
				hits += want[uid] > 0;
			}
		arena_reset(&mem);
	}
	return hits;
}

static void wait_indexed(int64_t account)
{
	for (unsigned i = 0; i < 600; i++) {
		search_now(kit.store->search, account);
		usleep(50000);
		READER r = reader_begin(kit.store);
		int64_t index = DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_SERVING));
		if (index && !search_due_count(r.db, account, index) &&
		    !DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_BUILDING)))
			return;
	}
	fail_msg("never indexed");
}

static void verify_good(int64_t account, uint64_t checked)
{
	struct search_verdict v = {0};
	READER r = reader_begin(kit.store);
	assert_int_equal(search_verify(kit.store, r.db, account, true, &v), OK);
	assert_int_equal(v.missing.n + v.differ.n + v.damaged, 0);
	assert_int_equal(v.checked, checked);
	search_list_free(&v.missing);
	search_list_free(&v.differ);
}

static void index_is_reading(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = store_kit_login(&kit, (uint64_t)taro, "imap");
	unsigned hits = 0, fuzzy = 0;
	do_select(&c, "INBOX");
	deliver_some(&mx, 20);
	hits += compare(&c, 60); /* nothing is indexed */
	fuzzy += compare_fuzzy(&c, 20, true);
	for (unsigned i = 0; i < 10; i++) {
		deliver_some(&mx, 50);
		hits += compare(&c, 40); /* some is */
		fuzzy += compare_fuzzy(&c, 10, true);
	}
	wait_indexed(taro);
	hits += compare(&c, 400);
	fuzzy += compare_fuzzy(&c, 200, true);
	verify_good(taro, count);
	deliver_some(&mx, 10);
	hits += compare(&c, 60);
	/* half of them go */
	for (unsigned i = 0; i < count; i += 2)
		all[i].gone = true;
	for (unsigned i = 0; i < count; i += 2) {
		Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
		ask.uids = one_run(all[i].uid, 1);
		ask.n_uids = 1;
		ask.any_flag = true;
		assert_int_equal(ASK(&c, EXPUNGE, &ask, NULL), OK);
	}
	search_look_around(kit.store->search);
	usleep(1500000);
	wait_indexed(taro);
	hits += compare(&c, 200);
	fuzzy += compare_fuzzy(&c, 100, false);
	verify_good(taro, count / 2);
	print_message("%u needles found, %u fuzzy ones\n", hits, fuzzy);
	assert_true(fuzzy > 5000);
	assert_true(hits > 5000);
	ipc_close(&mx);
	ipc_close(&c);
}

/* What was copied or moved is found where it is, and is read once only. */
static void copies(void **state)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	do_select(&c, "INBOX");
	assert_int_equal(do_create(&c, "Archive2", ""), OK);
	Sekisho__CopyAsk ask = SEKISHO__COPY_ASK__INIT;
	ask.uids = one_run(1, 100);
	ask.n_uids = 1;
	ask.to = (char *)(uintptr_t) "Archive2";
	assert_int_equal(ASK(&c, COPY, &ask, NULL), OK);
	wait_indexed(taro);
	do_select(&c, "Archive2");
	bool found[MOST + 1] = {0};
	struct inspect_needle n = {
	    .where = INSPECT_IN_HEADER, .field = SLICE("message-id"), .text = SLICE("x@else.example")};
	assert_int_equal(search_for(&c, &n, found), OK);
	for (unsigned i = 1; i <= 50; i++)
		assert_true(found[i]);
	assert_false(found[51]);
	verify_good(taro, count / 2 + 50);
	ipc_close(&c);
}

static void rebuilt_and_restarted(void **state)
{
	store_kit_must(&kit, "index.rebuild", "{\"address\":\"taro@here.example\"}");
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap"), mx = store_kit_channel(&kit, PEER_MX);
	do_select(&c, "INBOX");
	compare(&c, 20);
	deliver_some(&mx, 40);
	compare(&c, 20);
	usleep(1500000);
	wait_indexed(taro);
	compare(&c, 100);
	ipc_close(&c);
	ipc_close(&mx);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	c = store_kit_login(&kit, (uint64_t)taro, "imap");
	do_select(&c, "INBOX");
	compare(&c, 100);
	json_t *status =
	    store_kit_admin(&kit, "index.status", "{\"address\":\"taro@here.example\"}", &(enum result){OK});
	assert_int_equal(json_integer_value(json_object_get(json_array_get(status, 0), "waiting")), 0);
	json_decref(status);
	ipc_close(&c);
}

static bool file_has(const char *path, struct slice what)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !st.st_size)
		return false;
	char *p = malloc((size_t)st.st_size);
	assert_non_null(p);
	bool has = fd_pread_all(fd, p, (size_t)st.st_size, 0) == OK &&
		   slice_search(slice_of(p, (size_t)st.st_size), what) >= 0;
	free(p);
	return has;
}

static bool disk_has(const char *dir, struct slice what)
{
	bool has = false;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[600];
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		has |= e->d_name[0] != '.' &&
		       (e->d_type == DT_DIR ? disk_has(path, what) : file_has(path, what));
	}
	if (d)
		closedir(d);
	return has;
}

/* Only the account's own mail, and never words on the disk. */
static void others_and_strings(void **state)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)jiro, "imap");
	bool found[MOST + 1] = {0};
	do_select(&c, "INBOX");
	assert_int_equal(search_for(&c, &(struct inspect_needle){.text = SLICE("a")}, found), OK);
	for (unsigned i = 0; i <= MOST; i++)
		assert_false(found[i]);
	ipc_close(&c);
	assert_false(disk_has(kit.dir, SLICE("meeting")));
	assert_false(disk_has(kit.dir, SLICE("請求書")));
	assert_true(disk_has(kit.dir, SLICE("here.example")) || getenv("SEKISHO_TEST_DATABASE"));
}

static enum result break_page(struct job *j, struct db *db)
{
	(void)j;
	int64_t id = DB_NUMBER(db, 0, SEARCH_PAGES_SOME, DI(0), DI(INT64_MAX), DI(1));
	DB_RUN(db, SEARCH_PAGES_REMOVE, DI(id), DI(id));
	return OK;
}

/* me.search as the account; arguments are taken. */
static enum result seek(int64_t account, json_t *args, json_t **out)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct powers powers;
	{
		READER r = reader_begin(kit.store);
		assert_int_equal(powers_of_account(r.db, account, &a, &powers), OK);
	}
	struct actor actor = {.audit = {"somebody", "none", "127.0.0.1"},
	    .account = account,
	    .address = SLICE("taro@here.example")};
	struct admin admin = {
	    .store = kit.store, .arena = &a, .args = args, .actor = &actor, .powers = &powers};
	enum result r = admin_run(&admin, "me.search");
	if (r != OK)
		print_message("me.search: %s\n", admin.why ? admin.why : "(no words)");
	json_decref(args);
	*out = admin.answer;
	return r;
}

/* Every page of a search; sets found[uid]. */
static unsigned seek_all(int64_t account, const char *field, const char *text, bool found[MOST + 1])
{
	unsigned n = 0;
	const char *after = NULL;
	json_t *page = NULL;
	int64_t total = 0;
	do {
		json_t *args = json_pack(
		    "{s:s,s:[s],s:i,s:s*}", "mailbox", "INBOX", field, text, "limit", 150, "after", after);
		json_decref(page);
		assert_int_equal(seek(account, args, &page), OK);
		size_t i;
		json_t *m;
		json_array_foreach(json_object_get(page, "messages"), i, m)
		{
			json_int_t uid = json_integer_value(json_object_get(m, "uid"));
			assert_true(uid > 0 && uid <= MOST && !found[uid]);
			found[uid] = true;
			n++;
		}
		total = json_integer_value(json_object_get(page, "total"));
		after = json_string_value(json_object_get(page, "after"));
	} while (after);
	json_decref(page);
	assert_int_equal(n, total);
	return n;
}

/* What a person finds by the API is what reading every message finds. */
static void seeking_is_reading(void **state)
{
	static const char *const fields[] = {"text", "body", "subject", "from"};
	unsigned most = 0;
	for (size_t w = 0; w < COUNT(words); w++)
		for (size_t f = 0; f < COUNT(fields); f++) {
			bool found[MOST + 1] = {0};
			BUF_LOCAL(folded, 1000);
			mail_text_fold(slice_str(words[w]), &folded);
			struct inspect_needle n = {f == 0   ? INSPECT_IN_TEXT
						   : f == 1 ? INSPECT_IN_BODY
							    : INSPECT_IN_HEADER,
			    slice_str(f > 1 ? fields[f] : ""), buf_slice(&folded)};
			unsigned n_found = seek_all(taro, fields[f], words[w], found);
			most = MAX(most, n_found);
			for (unsigned i = 0; i < count; i++)
				if (!all[i].gone)
					assert_int_equal(
					    found[all[i].uid], inspect_doc_match(buf_slice(&all[i].doc), &n));
		}
	assert_true(most > 150); /* more than one page */
}

/* A subject longer than a card holds is looked into by the index. */
static void long_subjects(void **state)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	bool found[MOST + 1] = {0}, none[MOST + 1] = {0};
	BUF_LOCAL(text, 100000);
	buf_puts(&text, "Subject: begins");
	for (unsigned i = 0; i < 400; i++)
		buf_puts(&text, " filling\r\n");
	buf_puts(&text, " Zanzibar\r\n\r\nbody\r\n");
	assert_int_equal(
	    kit_deliver_text(&kit, &mx,
		&(struct kit_envelope){.from = "a@else.example", .to = {"jiro@here.example"}}, buf_z(&text)),
	    OK);
	assert_int_equal(seek_all(jiro, "subject", "zanzibar", found), 1);
	assert_int_equal(seek_all(jiro, "subject", "samarkand", none), 0);
	ipc_close(&mx);
}

static void damage_is_said(void **state)
{
	struct job j = {.store = kit.store, .apply = break_page};
	assert_int_equal(writer_wait(kit.store->writer, &j), OK);
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	bool found[MOST + 1] = {0};
	do_select(&c, "INBOX");
	assert_int_equal(search_for(&c, &(struct inspect_needle){.text = SLICE("meeting")}, found), LATER);
	struct search_verdict v = {0};
	{
		READER r = reader_begin(kit.store);
		assert_int_equal(search_verify(kit.store, r.db, taro, false, &v), OK);
		assert_int_equal(v.damaged, 1);
		search_list_free(&v.missing);
	}
	store_kit_must(&kit, "index.rebuild", "{\"address\":\"taro@here.example\"}");
	usleep(1500000);
	wait_indexed(taro);
	compare(&c, 50);
	ipc_close(&c);
}

/* The end of the body of the message with this UID in the only mailbox of an account that has any. */
static void damage_body(int64_t account, uint32_t uid)
{
	struct search_message m = {0};
	{
		READER r = reader_begin(kit.store);
		int64_t mailbox = 0;
		DB_ROWS boxes = DB_QUERY(r.db, SEARCH_BOXES, DI(account), DI(0));
		while (db_next(&boxes))
			mailbox = db_int(&boxes, 3) ? db_int(&boxes, 0) : mailbox;
		DB_ROWS q = DB_QUERY(r.db, SEARCH_ROWS, DI(mailbox), DI(uid), DI(uid + 1), DI(1));
		assert_true(db_next(&q));
		search_message_read(&q, &m);
	}
	char path[200], octet;
	snprintf(path, sizeof path, "%s/bodies/%08lld.seg", kit.dir, (long long)m.at.segment);
	FD_LOCAL fd = open(path, O_RDWR);
	off_t at = (off_t)(m.at.place + m.at.taken) - 5;
	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= 1;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
}

/* A body that was changed on the disk stops neither the index nor a search: what was known of the message stays found. */
static void body_is_damaged(void **state)
{
	if (kit.settings.bodies_in_objects)
		skip();
	struct ipc mx = store_kit_channel(&kit, PEER_MX), c = store_kit_login(&kit, (uint64_t)jiro, "imap");
	static const char *const messages[] = {"Subject: Wakkanai\r\n\r\nfirst\r\n",
	    "Subject: Nemuro ferry\r\nFrom: Saburo <s@else.example>\r\n\r\nsecond of them\r\n",
	    "Subject: Abashiri\r\n\r\nthird\r\n"};
	for (size_t i = 0; i < COUNT(messages); i++)
		assert_int_equal(
		    kit_deliver_text(&kit, &mx,
			&(struct kit_envelope){.from = "a@else.example", .to = {"jiro@here.example"}},
			messages[i]),
		    OK);
	damage_body(jiro, 2);
	do_select(&c, "INBOX");
	for (unsigned round = 0; round < 2; round++) { /* read, and by the index */
		static const struct {
			const char *text;
			bool found[4];
		} want[] = {{"wakkanai", {false, true}}, {"nemuro ferry", {false, false, true}},
		    {"saburo", {false, false, true}}, {"third", {false, false, false, true}}};
		for (size_t i = 0; i < COUNT(want); i++) {
			bool found[MOST + 1] = {0};
			assert_int_equal(
			    search_for(&c, &(struct inspect_needle){.text = slice_str(want[i].text)}, found),
			    OK);
			assert_memory_equal(found, want[i].found, sizeof want[i].found);
		}
		wait_indexed(jiro);
	}
	json_t *status =
	    store_kit_admin(&kit, "index.status", "{\"address\":\"jiro@here.example\"}", &(enum result){OK});
	assert_int_equal(json_integer_value(json_object_get(json_array_get(status, 0), "reduced")), 1);
	json_decref(status);
	Sekisho__GaugesAnswer g = SEKISHO__GAUGES_ANSWER__INIT;
	READER r = reader_begin(kit.store);
	store_gauges(kit.store, r.db, &g);
	assert_int_equal(g.search_reduced, 1);
	assert_int_equal(g.search_waiting + g.search_failing + g.search_rebuilding, 0);
	assert_true(
	    g.search_messages > 100 && g.search_segments >= 2 && g.search_octets > g.search_text_octets / 4);
	ipc_close(&c);
	ipc_close(&mx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(index_is_reading),
	    cmocka_unit_test(seeking_is_reading), cmocka_unit_test(copies),
	    cmocka_unit_test(rebuilt_and_restarted), cmocka_unit_test(others_and_strings),
	    cmocka_unit_test(damage_is_said), cmocka_unit_test(body_is_damaged),
	    cmocka_unit_test(long_subjects)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
