/* What changed in a mailbox at once or long ago: QRESYNC (RFC 7162) with a log that forgets, MOVE of very many. */
#include "kit/imap_store.h"
#include "store/mailbox/expunged.h"
#include "store/inside.h"
#include "store/mailbox/mailbox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "kit/text.h"

static struct store_kit kit;
static struct imap_person *alice, *idle;
static int64_t account, work;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	imap_store_start(&kit);
	account = store_kit_account(&kit, "alice@here.example");
	alice = imap_person_new(account, "alice@here.example");
	idle = imap_person_new(account, "alice@here.example");
	HAS(imap_person_say(alice, "a CREATE Work"), "a OK");
	READER r = reader_begin(kit.store);
	work = DB_NUMBER(r.db, 0, MAILBOX_FIND, DI(account), DZ("Work"));
	return work ? 0 : 1;
}

static int tear_down(void **state)
{
	imap_person_free(alice);
	imap_person_free(idle);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	return 0;
}

struct wearing {
	struct job job;
	unsigned rows;
};

/* So many messages came and went, every second one at a time. */
static enum result apply_wear(struct job *j, struct db *db)
{
	const struct wearing *w = (const struct wearing *)j;
	struct box b;
	if (!box_load(db, work, &b))
		return GONE;
	for (unsigned i = 0; i < w->rows; i++) {
		b.modseq = writer_modseq(j->store->writer, db, account);
		DB_RUN(db, EXPUNGED_ADD, DI(work), DI(b.modseq), DI(b.uidnext), DI(1));
		b.uidnext += 2;
	}
	box_save(db, &b);
	return OK;
}

static void wear(unsigned rows)
{
	struct wearing w = {.job = {.store = kit.store, .apply = apply_wear}, .rows = rows};
	assert_int_equal(writer_wait(kit.store->writer, &w.job), OK);
}

static unsigned long long number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	assert_non_null(at);
	struct cursor c = cursor_of(slice_str(at + strlen(word)));
	uint64_t n = 0;
	assert_int_equal(num_u64(cursor_while1(&c, ascii_digit), UINT64_MAX, &n), OK);
	return n;
}

static size_t rows_kept(void)
{
	size_t n = 0;
	READER r = reader_begin(kit.store);
	DB_ROWS q = DB_QUERY(r.db, EXPUNGED_SINCE, DI(work), DI(0));
	while (db_next(&q))
		n++;
	return n;
}

static void forget_all(void)
{
	struct expunged_work w = {0};
	unsigned steps = 0;
	while (expunged_forget_some(kit.store, &w, 1000))
		steps++;
	assert_in_range(steps, LIMIT_EXPUNGED / 2 / 1000, LIMIT_EXPUNGED / 1000 + 20);
}

static void older_clients_are_told_of_all_that_is_missing(void **state)
{
	for (int i = 0; i < 6; i++)
		HAS(imap_person_say(alice, "a APPEND Work {6+}\r\nA: b\r\n"), "a OK");
	HAS(imap_person_say(alice, "b ENABLE QRESYNC"), "b OK");
	const char *said = imap_person_say(alice, "c SELECT Work");
	unsigned long long validity = number_after(said, "UIDVALIDITY "),
			   old = number_after(said, "HIGHESTMODSEQ ");
	HAS(imap_person_say(idle, "c SELECT Work"), "* 6 EXISTS");
	HAS(imap_person_say(alice, "d UID STORE 2,4 +FLAGS (\\Deleted)"), "d OK");
	HAS(imap_person_say(alice, "e EXPUNGE"), "* VANISHED 2,4");
	HAS(imap_person_say(alice, "f UNSELECT"), "f OK");

	/* Below the limit nothing is forgotten. */
	struct expunged_work none = {0};
	wear(LIMIT_EXPUNGED - 2);
	assert_false(expunged_forget_some(kit.store, &none, 1000));
	said = imap_person_say(alice, "g SELECT Work (QRESYNC (%llu %llu))", validity, old);
	HAS(said, "* VANISHED (EARLIER) 2,4,7,9,11,");
	unsigned long long mid = number_after(said, "HIGHESTMODSEQ ");
	HAS(imap_person_say(alice, "h UNSELECT"), "h OK");

	wear(10);
	forget_all();
	assert_in_range(rows_kept(), LIMIT_EXPUNGED / 2, LIMIT_EXPUNGED / 2 + 2);
	said = imap_person_say(alice, "i SELECT Work (QRESYNC (%llu %llu))", validity, old);
	unsigned long long uidnext = number_after(said, "UIDNEXT ");
	BUF_LOCAL(all, 100);
	buf_printf(&all, "* VANISHED (EARLIER) 2,4,7:%llu\r\n", uidnext - 1);
	HAS(said, buf_z(&all));
	HAS(imap_person_say(alice, "j UNSELECT"), "j OK");
	/* Of what it names, what is there is not told. */
	HAS(imap_person_say(alice, "k SELECT Work (QRESYNC (%llu %llu 1:5,8))", validity, old),
	    "* VANISHED (EARLIER) 2,4,8\r\n");
	HAS(imap_person_say(alice, "l UID FETCH 1:6 (FLAGS) (CHANGEDSINCE %llu VANISHED)", old),
	    "* VANISHED (EARLIER) 2,4\r\n");
	HAS(imap_person_say(alice, "m UNSELECT"), "m OK");
	/* Who was here since then hears of the rest only. */
	said = imap_person_say(alice, "n SELECT Work (QRESYNC (%llu %llu))", validity, mid);
	HAS(said, "* VANISHED (EARLIER) ");
	HAS_NOT(said, "(EARLIER) 2,4");
	HAS(imap_person_say(alice, "o UNSELECT"), "o OK");
}

static void a_session_that_slept_is_told_too(void **state)
{
	const char *said = imap_person_say(idle, "a NOOP");
	HAS(said, "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n");
	HAS_NOT(said, "* 1 EXPUNGE");
	HAS(imap_person_say(idle, "b UID SEARCH ALL"), "* SEARCH 1 3 5 6\r\n");
}

static void what_was_forgotten_is_forgotten_again(void **state)
{
	wear(LIMIT_EXPUNGED);
	forget_all();
	assert_in_range(rows_kept(), LIMIT_EXPUNGED / 2, LIMIT_EXPUNGED / 2 + 2);
	struct expunged_work none = {0};
	assert_false(expunged_forget_some(kit.store, &none, 1000));
}

/* So many that they go in several parts; what a later part cannot do is told, and what was done too. */
static void a_move_goes_as_far_as_it_can(void **state)
{
	unsigned have = 1;
	HAS(imap_person_say(alice, "a CREATE From"), "a OK");
	HAS(imap_person_say(alice, "a CREATE To"), "a OK");
	HAS(imap_person_say(alice, "a APPEND From {6+}\r\nA: b\r\n"), "a OK");
	HAS(imap_person_say(alice, "b SELECT From"), "b OK");
	for (; have < 8192; have *= 2)
		HAS(imap_person_say(alice, "c COPY 1:* From"), "c OK");
	HAS(imap_person_say(alice, "d NOOP"), "d OK");
	/* The other mailbox has no place for one more keyword; those of the second part have one. */
	HAS(imap_person_say(idle, "e APPEND To {6+}\r\nA: b\r\n"), "e OK");
	HAS(imap_person_say(idle, "e SELECT To"), "e OK");
	BUF_LOCAL(words, 4096);
	for (int i = 0; i < LIMIT_KEYWORDS; i++)
		buf_printf(&words, "%sk%d", i ? " " : "", i);
	HAS(imap_person_say(idle, "f STORE 1 +FLAGS.SILENT (%s)", buf_z(&words)), "f OK");
	HAS(imap_person_say(alice, "g UID STORE 8192 +FLAGS.SILENT (other)"), "g OK");
	const char *said = imap_person_say(alice, "h UID MOVE 1:* To");
	HAS(said, " 1:8000 2:8001] Moved\r\n");
	HAS(said, "* VANISHED 1:8000\r\n");
	HAS(said, "h NO [LIMIT]");
	HAS(imap_person_say(alice, "i STATUS To (MESSAGES)"), "MESSAGES 8001");
	HAS(imap_person_say(alice, "j UID SEARCH RETURN (COUNT MIN) ALL"), "MIN 8001 COUNT 192");
	HAS(imap_person_say(alice, "k UID STORE 8192 -FLAGS.SILENT (other)"), "k OK");
	said = imap_person_say(alice, "l UID MOVE 1:* To");
	HAS(said, " 8001:8192 8002:8193] Moved\r\n");
	HAS(said, "l OK");
	HAS(imap_person_say(alice, "m STATUS From (MESSAGES)"), "MESSAGES 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(older_clients_are_told_of_all_that_is_missing),
	    cmocka_unit_test(a_session_that_slept_is_told_too),
	    cmocka_unit_test(what_was_forgotten_is_forgotten_again),
	    cmocka_unit_test(a_move_goes_as_far_as_it_can),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
