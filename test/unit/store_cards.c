/* Cards beside the message rows: blocks, the tail, what is expunged, moved and taken away. */
#include "mail/card.h"
#include "store/inside.h"
#include "store/mailbox/cards.h"
#include "store_help.h"
#include <poll.h>
#include <stdio.h>

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

static void add(struct ipc *c, const char *mailbox, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		char text[200];
		Sekisho__AppendAnswer *answer;
		snprintf(text, sizeof text, "Subject: Re: letter %05u\r\nMessage-ID: <%u@x>\r\n\r\n%u\r\n", i,
		    i, i);
		assert_int_equal(do_append(&kit, c, mailbox, text, &answer), OK);
	}
}

struct dealt {
	uint32_t uid[5000];
	size_t n;
	struct mail_card last;
	uint64_t flags;
};

/* Asks for cards and checks that each is the right message's: its subject says which. */
static enum result deal(
    struct ipc *c, uint32_t first, uint32_t count, unsigned parts, bool rows, struct dealt *out)
{
	Sekisho__CardsAsk ask = SEKISHO__CARDS_ASK__INIT;
	Sekisho__CardsAnswer *answer = NULL;
	ask.uids = one_run(first, count);
	ask.n_uids = 1;
	ask.parts = parts;
	ask.rows = rows;
	out->n = 0;
	enum result r = ASK(c, CARDS, &ask, &answer);
	while (r == OK) {
		struct mail_card_list l = mail_card_list_of(slice_of(answer->data.data, answer->data.len));
		while (mail_card_list_next(&l)) {
			struct cursor in = cursor_of(l.record);
			out->uid[out->n++] = l.number;
			out->flags = rows ? mail_varint_take(&in) : 0;
			for (unsigned i = 0; rows && i < 7; i++)
				mail_varint_take(&in);
			for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
				if (parts & MAIL_CARD_BIT(i)) {
					struct slice part = cursor_bytes(&in, mail_varint_take(&in));
					assert_true(mail_card_get(part, i, &out->last));
				}
			assert_int_equal(cursor_done(&in), OK);
			if (parts & MAIL_CARD_BIT(MAIL_CARD_KEYS)) {
				char want[40];
				snprintf(want, sizeof want, "LETTER %05u", l.number);
				assert_true(slice_eq(out->last.key[MAIL_KEY_SUBJECT], slice_str(want)));
			}
		}
		assert_int_equal(cursor_done(&l.c), OK);
		if (!c->more)
			break;
		r = ipc_more(c, &mem, &answer, NULL);
	}
	return r;
}

#define ALL_PARTS (MAIL_CARD_BIT(MAIL_CARD_PARTS) - 1)

static int64_t blocks_of(int64_t mailbox)
{
	READER r = reader_begin(kit.store);
	return DB_NUMBER(r.db, -1, CARDS_COUNT, DI(mailbox));
}

static void wait_for_blocks(int64_t mailbox, int64_t n)
{
	for (int i = 0; i < 500 && blocks_of(mailbox) != n; i++)
		poll(NULL, 0, 10);
	assert_int_equal(blocks_of(mailbox), n);
}

static void blocks_are_made_behind(void **state)
{
	static struct dealt d;
	struct ipc c = login();
	int64_t id = (int64_t)do_select(&c, "INBOX")->mailbox->id;
	add(&c, "INBOX", 1, 100);
	assert_int_equal(deal(&c, 1, 1000, ALL_PARTS, false, &d), OK);
	assert_int_equal(d.n, 100);
	assert_int_equal(blocks_of(id), 0);
	add(&c, "INBOX", 101, 200);
	wait_for_blocks(id, 2);
	/* two blocks and a tail, in one piece and by the row */
	for (unsigned rows = 0; rows < 2; rows++) {
		assert_int_equal(deal(&c, 1, 1000, ALL_PARTS, rows, &d), OK);
		assert_int_equal(d.n, 300);
		for (unsigned i = 0; i < 300; i++)
			assert_int_equal(d.uid[i], i + 1);
	}
	assert_int_equal(deal(&c, 120, 20, MAIL_CARD_BIT(MAIL_CARD_KEYS), false, &d), OK);
	assert_int_equal(d.n, 20);
	assert_int_equal(deal(&c, 256, 1, MAIL_CARD_BIT(MAIL_CARD_KEYS), true, &d), OK);
	assert_int_equal(d.n, 1);
	assert_int_equal(deal(&c, 5, 3, 0, true, &d), OK);
	assert_int_equal(d.n, 3);
	assert_int_equal(d.flags, SEKISHO__FLAG__FLAG_SEEN);
	assert_int_equal(deal(&c, 5, 3, 0, false, &d), BAD);
	ipc_close(&c);
}

static void what_is_expunged_is_left_out(void **state)
{
	static struct dealt d;
	struct ipc c = login();
	do_select(&c, "INBOX");
	do_flags(&c, 2, 253, 0, SEKISHO__FLAG__FLAG_DELETED, NULL);
	do_expunge(&c);
	assert_int_equal(deal(&c, 1, 1000, ALL_PARTS, true, &d), OK);
	assert_int_equal(d.n, 47);
	assert_int_equal(d.uid[1], 255);
	ipc_close(&c);
}

/* Most cards being those of expunged messages, they are thrown away and made anew. */
static void stale_blocks_go(void **state)
{
	static struct dealt d;
	struct ipc c = login();
	int64_t id = (int64_t)do_select(&c, "INBOX")->mailbox->id;
	add(&c, "INBOX", 301, 4700);
	wait_for_blocks(id, 39);
	for (uint32_t i = 0; i < 4990; i += 998)
		do_flags(&c, 1 + i, 998, 0, SEKISHO__FLAG__FLAG_DELETED, NULL);
	do_expunge(&c);
	cards_due(kit.store->cards, id);
	wait_for_blocks(id, 0);
	assert_int_equal(deal(&c, 1, 10000, ALL_PARTS, true, &d), OK);
	assert_int_equal(d.n, 10);
	ipc_close(&c);
}

static void they_move_with_the_messages(void **state)
{
	static struct dealt d;
	struct ipc c = login();
	int64_t id = (int64_t)do_select(&c, "INBOX")->mailbox->id;
	add(&c, "INBOX", 5001, 300);
	wait_for_blocks(id, 2);
	assert_int_equal(do_rename(&c, "INBOX", "Old"), OK);
	assert_int_equal(blocks_of(id), 0);
	int64_t old = (int64_t)do_select(&c, "Old")->mailbox->id;
	assert_int_equal(blocks_of(old), 2);
	assert_int_equal(deal(&c, 1, 10000, ALL_PARTS, false, &d), OK);
	assert_int_equal(d.n, 310);
	assert_int_equal(do_name(&c, ASK_STORE_DELETE, "Old"), OK);
	assert_int_equal(blocks_of(old), 0);
	ipc_close(&c);
}

/* Blocks that another version made, or that are missing, are made from facts when somebody reads. */
static void missing_blocks_come_back(void **state)
{
	static struct dealt d;
	struct ipc c = login();
	int64_t id;
	assert_int_equal(do_create(&c, "Other", ""), OK);
	add(&c, "Other", 1, 260);
	id = (int64_t)do_select(&c, "Other")->mailbox->id;
	wait_for_blocks(id, 2);
	ipc_close(&c);
	struct db_place place = kit.store->place;
	store_kit_close(&kit);
	struct db *db;
	assert_int_equal(db_open(&place, true, &db), OK);
	db_begin(db);
	DB_RUN(db, NUMBER_SET, DZ("cards"), DI(MAIL_CARD_VERSION - 1));
	assert_int_equal(db_commit(db), OK);
	db_close(db);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	assert_int_equal(blocks_of(id), 0);
	c = login();
	do_select(&c, "Other");
	assert_int_equal(deal(&c, 1, 1000, ALL_PARTS, false, &d), OK);
	assert_int_equal(d.n, 260);
	wait_for_blocks(id, 2);
	ipc_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_are_made_behind),
	    cmocka_unit_test(what_is_expunged_is_left_out),
	    cmocka_unit_test(stale_blocks_go),
	    cmocka_unit_test(they_move_with_the_messages),
	    cmocka_unit_test(missing_blocks_come_back),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
