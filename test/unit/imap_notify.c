/* NOTIFY (RFC 5465): IMAP sessions of several people over one store. */
#include "kit/imap_store.h"
#include "store/inside.h"
#include "store/mailbox/mailbox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "kit/text.h"

static struct store_kit kit;
static struct imap_person *alice, *again, *bob;
static int64_t alice_id;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	imap_store_start(&kit);
	int64_t a = alice_id = store_kit_account(&kit, "alice@here.example");
	int64_t b = store_kit_account(&kit, "bob@here.example");
	alice = imap_person_new(a, "alice@here.example");
	again = imap_person_new(a, "alice@here.example");
	bob = imap_person_new(b, "bob@here.example");
	HAS(imap_person_say(alice, "a CREATE Work"), "a OK");
	return 0;
}

static int tear_down(void **state)
{
	imap_person_free(alice);
	imap_person_free(again);
	imap_person_free(bob);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	return 0;
}

static void what_is_wrong_is_refused(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL)"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (SELECTED (MessageNew))"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (SELECTED (MailboxName))"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)"), "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (INBOXES (MessageNew (UID) MessageExpunge))"), "a BAD");
	BUF_LOCAL(many, 1 << 16);
	for (int i = 0; i < LIMIT_FILTER_NAMES + 1; i++)
		buf_printf(&many, "%sx%d", i ? " " : "", i);
	HAS(imap_person_say(again, "a NOTIFY SET (MAILBOXES (%s) (MessageNew MessageExpunge))", buf_z(&many)),
	    "a BAD");
	HAS(imap_person_say(again, "a ESEARCH IN (MAILBOXES (%s)) ALL", buf_z(&many)), "a BAD");
	buf_clear(&many);
	for (int i = 0; i < LIMIT_NOTIFY_GROUPS + 1; i++)
		buf_puts(&many, " (PERSONAL NONE)");
	HAS(imap_person_say(again, "a NOTIFY SET%s", buf_z(&many)), "a BAD");
	HAS(imap_person_say(
		again, "a NOTIFY SET (SELECTED (MessageNew MessageExpunge ServerMetadataChange))"),
	    "a BAD");
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL (AnnotationChange))"),
	    "a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange"
	    " MailboxMetadataChange ServerMetadataChange)]");
	HAS(imap_person_say(again, "a NOTIFY NONE"), "a OK");
}

static void status_tells_of_messages(void **state)
{
	const char *all = imap_person_say(
	    again, "a NOTIFY SET STATUS (MAILBOXES Work (MessageNew MessageExpunge FlagChange))");
	HAS(all, "* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ");
	HAS(all, "HIGHESTMODSEQ ");
	HAS_NOT(all, "INBOX");
	HAS(imap_person_say(alice, "b APPEND Work {6+}\r\nA: b\r\n"), "b OK");
	HAS(imap_person_say(again, "c NOOP"), "* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ");
	assert_string_equal(imap_person_say(again, "c NOOP"), "c OK Done\r\n");
	HAS(imap_person_say(alice, "d SELECT Work"), "d OK");
	HAS(imap_person_say(alice, "d STORE 1 +FLAGS (\\Deleted)"), "d OK");
	HAS(imap_person_say(again, "e NOOP"), "* STATUS Work (UIDVALIDITY ");
	HAS(imap_person_say(alice, "f CLOSE"), "f OK");
	HAS(imap_person_say(again, "g NOOP"), "* STATUS Work (MESSAGES 0 UIDNEXT 2 ");
	HAS(imap_person_say(alice, "h APPEND INBOX {6+}\r\nA: b\r\n"), "h OK");
	assert_string_equal(imap_person_say(again, "i NOOP"), "i OK Done\r\n");
	HAS(imap_person_say(again, "j NOTIFY NONE"), "j OK");
	HAS(imap_person_say(alice, "k APPEND Work {6+}\r\nA: b\r\n"), "k OK");
	assert_string_equal(imap_person_say(again, "l NOOP"), "l OK Done\r\n");
}

static void names_are_told(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))"), "a OK");
	HAS(imap_person_say(alice, "b CREATE New"), "b OK");
	HAS(imap_person_say(again, "c NOOP"), "* LIST (\\HasNoChildren) \"/\" New\r\n");
	HAS(imap_person_say(alice, "d SUBSCRIBE New"), "d OK");
	HAS(imap_person_say(again, "e NOOP"), "* LIST (\\HasNoChildren \\Subscribed) \"/\" New\r\n");
	HAS(imap_person_say(alice, "f UNSUBSCRIBE New"), "f OK");
	HAS(imap_person_say(again, "g NOOP"), "* LIST (\\HasNoChildren) \"/\" New\r\n");
	HAS(imap_person_say(alice, "h RENAME New Old"), "h OK");
	HAS(imap_person_say(again, "i NOOP"), "* LIST (\\HasNoChildren) \"/\" Old (\"OLDNAME\" (New))\r\n");
	HAS(imap_person_say(alice, "j DELETE Old"), "j OK");
	HAS(imap_person_say(again, "k NOOP"), "* LIST (\\NonExistent \\HasNoChildren) \"/\" Old\r\n");
	HAS_NOT(imap_person_say(again, "l CREATE Mine"), "* LIST");
	HAS_NOT(imap_person_say(again, "l DELETE Mine"), "* LIST");
	assert_string_equal(imap_person_say(again, "m NOOP"), "m OK Done\r\n");
	HAS(imap_person_say(again, "n NOTIFY NONE"), "n OK");
}

static void the_selected_mailbox_shows_new_messages(void **state)
{
	HAS(imap_person_say(again, "a SELECT Work"), "a OK");
	HAS(imap_person_say(again, "b NOTIFY SET (SELECTED (MessageNew (BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
				   " MessageExpunge))"),
	    "b OK");
	HAS(imap_person_say(alice, "c APPEND Work {12+}\r\nSubject: x\r\n"), "c OK");
	const char *told = imap_person_say(again, "d NOOP");
	HAS(told, " EXISTS\r\n");
	HAS(told, "Subject: x");
	HAS(told, "FETCH (UID ");
	HAS(imap_person_say(again, "e NOTIFY NONE"), "e OK");
	HAS(imap_person_say(again, "f UNSELECT"), "f OK");
}

static void news_come_unasked(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY SET (MAILBOXES Work (MessageNew MessageExpunge))"), "a OK");
	HAS(imap_person_say(alice, "b APPEND Work {6+}\r\nA: b\r\n"), "b OK");
	HAS(imap_person_hear(again), "* STATUS Work (MESSAGES ");
	HAS(imap_person_say(again, "c IDLE"), "+ idling");
	HAS(imap_person_say(alice, "d APPEND Work {6+}\r\nA: b\r\n"), "d OK");
	HAS(imap_person_hear(again), "* STATUS Work (MESSAGES ");
	HAS(imap_person_say(again, "DONE"), "c OK");
	/* Nothing of the selected mailbox was asked for. */
	HAS(imap_person_say(again, "e SELECT Work"), "e OK");
	HAS(imap_person_say(alice, "f APPEND Work {6+}\r\nA: b\r\n"), "f OK");
	assert_string_equal(imap_person_hear(again), "");
	HAS(imap_person_say(again, "g NOOP"), " EXISTS\r\n");
	HAS(imap_person_say(again, "h UNSELECT"), "h OK");
}

static void expunges_wait_when_delayed(void **state)
{
	HAS(imap_person_say(again, "a SELECT Work"), "a OK");
	HAS(imap_person_say(again, "b NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))"), "b OK");
	HAS(imap_person_say(alice, "c SELECT Work"), "c OK");
	HAS(imap_person_say(alice, "d STORE 1 +FLAGS (\\Deleted)"), "d OK");
	assert_string_equal(imap_person_hear(again), ""); /* FlagChange was not asked for */
	HAS(imap_person_say(alice, "e EXPUNGE"), "e OK");
	HAS(imap_person_say(alice, "f APPEND Work {6+}\r\nA: b\r\n"), "f OK");
	const char *told = imap_person_hear(again);
	HAS(told, " EXISTS\r\n");
	HAS_NOT(told, " EXPUNGE");
	HAS(imap_person_say(again, "g NOOP"), "* 1 EXPUNGE\r\n");
	HAS_NOT(imap_person_say(again, "h NOOP"), " EXPUNGE");
	HAS(imap_person_say(again, "i NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))"), "i OK");
	HAS(imap_person_say(alice, "j STORE 1 +FLAGS (\\Deleted)"), "j OK");
	HAS(imap_person_hear(again), "* 1 FETCH (FLAGS (\\Deleted");
	HAS(imap_person_say(alice, "k EXPUNGE"), "k OK");
	HAS(imap_person_hear(again), "* 1 EXPUNGE\r\n");
	HAS(imap_person_say(alice, "l UNSELECT"), "l OK");
	HAS(imap_person_say(again, "m UNSELECT"), "m OK");
	HAS(imap_person_say(again, "n NOTIFY NONE"), "n OK");
}

static void rights_begin_and_end_it(void **state)
{
	const char *name = "\"Other Users/alice@here.example/Work\"";
	HAS(imap_person_say(
		bob, "a NOTIFY SET (SUBTREE \"Other Users\" (MessageNew MessageExpunge MailboxName))"),
	    "a OK");
	HAS(imap_person_say(alice, "b SETACL Work bob@here.example lr"), "b OK");
	HAS(imap_person_say(bob, "c NOOP"), name);
	HAS(imap_person_say(alice, "d APPEND Work {6+}\r\nA: b\r\n"), "d OK");
	HAS(imap_person_say(bob, "e NOOP"), "* STATUS \"Other Users/alice@here.example/Work\" (MESSAGES ");
	HAS(imap_person_say(alice, "f SETACL Work bob@here.example l"), "f OK");
	HAS(imap_person_say(bob, "g NOOP"), "\\NoAccess");
	HAS(imap_person_say(alice, "h APPEND Work {6+}\r\nA: b\r\n"), "h OK");
	assert_string_equal(imap_person_say(bob, "i NOOP"), "i OK Done\r\n");
	HAS(imap_person_say(alice, "j DELETEACL Work bob@here.example"), "j OK");
	HAS(imap_person_say(bob, "k NOOP"), "* LIST (\\NonExistent \\HasNoChildren) \"/\" ");
	HAS(imap_person_say(alice, "l APPEND Work {6+}\r\nA: b\r\n"), "l OK");
	assert_string_equal(imap_person_say(bob, "m NOOP"), "m OK Done\r\n");
}

static void groups_add_up(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY SET (MAILBOXES Work (MessageNew MessageExpunge))"
				   " (PERSONAL (SubscriptionChange))"),
	    "a OK");
	HAS(imap_person_say(alice, "b APPEND Work {6+}\r\nA: b\r\n"), "b OK");
	HAS(imap_person_say(alice, "b SUBSCRIBE Work"), "b OK");
	const char *told = imap_person_say(again, "c NOOP");
	HAS(told, "* STATUS Work (MESSAGES ");
	HAS(told, "\\Subscribed) \"/\" Work\r\n");
	/* NONE ends it for what it means. */
	HAS(imap_person_say(
		again, "d NOTIFY SET (MAILBOXES Work NONE) (PERSONAL (MessageNew MessageExpunge))"),
	    "d OK");
	HAS(imap_person_say(alice, "e APPEND Work {6+}\r\nA: b\r\n"), "e OK");
	HAS(imap_person_say(alice, "e APPEND INBOX {6+}\r\nA: b\r\n"), "e OK");
	told = imap_person_say(again, "f NOOP");
	HAS(told, "* STATUS INBOX (");
	HAS_NOT(told, "Work");
	HAS(imap_person_say(alice, "g UNSUBSCRIBE Work"), "g OK");
	HAS(imap_person_say(again, "h NOTIFY NONE"), "h OK");
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;
	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void a_tree_is_renamed_as_one(void **state)
{
	HAS(imap_person_say(alice, "a CREATE Top"), "a OK");
	HAS(imap_person_say(again, "b NOTIFY SET (PERSONAL (MailboxName))"), "b OK");
	HAS(imap_person_say(alice, "c CREATE Top/Below"), "c OK");
	const char *told = imap_person_say(again, "d NOOP");
	HAS(told, "* LIST (\\HasNoChildren) \"/\" Top/Below\r\n");
	HAS(told, "* LIST (\\HasChildren) \"/\" Top\r\n");
	HAS(imap_person_say(alice, "e CREATE Top/Below/Deep"), "e OK");
	HAS(imap_person_say(again, "f NOOP"), "Top/Below/Deep");
	HAS(imap_person_say(alice, "g RENAME Top Other"), "g OK");
	told = imap_person_say(again, "h NOOP");
	HAS(told, "* LIST (\\HasChildren) \"/\" Other (\"OLDNAME\" (Top))\r\n");
	assert_int_equal(count(told, "* LIST"), 1);
	/* One that leaves the tree is told of itself. */
	HAS(imap_person_say(alice, "i RENAME Other/Below/Deep Deep"), "i OK");
	HAS(imap_person_say(again, "j NOOP"), "\"/\" Deep (\"OLDNAME\" (Other/Below/Deep))\r\n");
	HAS(imap_person_say(alice, "k DELETE Other/Below"), "k OK");
	told = imap_person_say(again, "l NOOP");
	HAS(told, "* LIST (\\NonExistent \\HasNoChildren) \"/\" Other/Below\r\n");
	HAS(told, "* LIST (\\HasNoChildren) \"/\" Other\r\n");
	HAS(imap_person_say(alice, "m DELETE Other"), "m OK");
	HAS(imap_person_say(alice, "m DELETE Deep"), "m OK");
	HAS(imap_person_say(again, "n NOTIFY NONE"), "n OK");
}

static void mail_in_a_new_mailbox_is_told(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge))"), "a OK");
	HAS(imap_person_say(alice, "b CREATE Fresh"), "b OK");
	HAS(imap_person_say(alice, "c APPEND Fresh {6+}\r\nA: b\r\n"), "c OK");
	HAS(imap_person_say(again, "d NOOP"), "* STATUS Fresh (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ");
	HAS(imap_person_say(alice, "e APPEND Fresh {6+}\r\nA: b\r\n"), "e OK");
	HAS(imap_person_say(again, "f NOOP"), "* STATUS Fresh (MESSAGES 2 UIDNEXT 3)");
	HAS(imap_person_say(alice, "g DELETE Fresh"), "g OK");
	HAS(imap_person_say(again, "h NOTIFY NONE"), "h OK");
}

static void what_came_before_leaving_is_told_after(void **state)
{
	HAS(imap_person_say(again, "a SELECT Work"), "a OK");
	HAS(imap_person_say(again, "b NOTIFY SET (MAILBOXES Work (MessageNew MessageExpunge FlagChange))"),
	    "b OK");
	HAS(imap_person_say(alice, "c APPEND Work {6+}\r\nA: b\r\n"), "c OK");
	HAS(imap_person_say(again, "d NOOP"), " EXISTS\r\n");
	HAS_NOT(imap_person_say(again, "e UNSELECT"), "* STATUS"); /* it has seen all of it */
	assert_string_equal(imap_person_say(again, "f NOOP"), "f OK Done\r\n");
	HAS(imap_person_say(again, "g SELECT Work"), "g OK");
	HAS(imap_person_say(alice, "h APPEND Work {6+}\r\nA: b\r\n"), "h OK");
	HAS(imap_person_say(again, "i UNSELECT"), "* STATUS Work (MESSAGES ");
	HAS(imap_person_say(again, "k NOTIFY NONE"), "k OK");
}

static void annotations_are_told_by_name(void **state)
{
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL (MailboxMetadataChange ServerMetadataChange))"),
	    "a OK");
	HAS(imap_person_say(alice, "b SETMETADATA Work (/shared/comment \"one\" /private/color \"crimson\")"),
	    "b OK");
	const char *told = imap_person_say(again, "c NOOP");
	HAS(told, "* METADATA Work ");
	HAS(told, "/shared/comment");
	HAS(told, "/private/color");
	HAS_NOT(told, "crimson");
	assert_string_equal(imap_person_say(again, "c NOOP"), "c OK Done\r\n");
	HAS(imap_person_say(alice, "d SETMETADATA Work (/private/color NIL)"), "d OK");
	assert_string_equal(
	    imap_person_say(again, "e NOOP"), "* METADATA Work /private/color\r\ne OK Done\r\n");
	HAS(imap_person_say(again, "f GETMETADATA (DEPTH infinity) Work (/private /shared)"),
	    "(/shared/comment \"one\")");
	/* What was not there is no change; nor is what this session does itself. */
	HAS(imap_person_say(alice, "g SETMETADATA Work (/private/color NIL)"), "g OK");
	HAS(imap_person_say(again, "h SETMETADATA Work (/private/own \"x\")"), "h OK");
	HAS(imap_person_say(alice, "i SETMETADATA \"\" (/private/comment \"mine\")"), "i OK");
	assert_string_equal(
	    imap_person_say(again, "j NOOP"), "* METADATA \"\" /private/comment\r\nj OK Done\r\n");
	/* While it is selected too. */
	HAS(imap_person_say(again, "k SELECT Work"), "k OK");
	HAS(imap_person_say(alice, "l SETMETADATA Work (/shared/comment NIL)"), "l OK");
	assert_string_equal(imap_person_hear(again), "* METADATA Work /shared/comment\r\n");
	HAS(imap_person_say(again, "m UNSELECT"), "m OK");
	/* What one sets for himself is his. */
	HAS(imap_person_say(alice, "n SETACL Work bob@here.example lrs"), "n OK");
	HAS(imap_person_say(
		bob, "o NOTIFY SET (SUBTREE \"Other Users\" (MailboxMetadataChange ServerMetadataChange))"),
	    "o OK");
	HAS(imap_person_say(alice, "p SETMETADATA Work (/private/color \"blue\")"), "p OK");
	HAS(imap_person_say(alice, "p SETMETADATA \"\" (/private/comment NIL)"), "p OK");
	assert_string_equal(imap_person_say(bob, "q NOOP"), "q OK Done\r\n");
	HAS(imap_person_say(
		bob, "r SETMETADATA \"Other Users/alice@here.example/Work\" (/private/color \"x\")"),
	    "r OK");
	HAS_NOT(imap_person_say(again, "s NOTIFY NONE"), "* METADATA Work /private/color /private/color");
	HAS(imap_person_say(alice, "t SETMETADATA Work (/shared/comment \"three\")"), "t OK");
	HAS(imap_person_say(bob, "u NOOP"),
	    "* METADATA \"Other Users/alice@here.example/Work\" /shared/comment\r\n");
	HAS(imap_person_say(alice, "v DELETEACL Work bob@here.example"), "v OK");
	HAS(imap_person_say(bob, "w NOTIFY NONE"), "w OK");
}

static void removed_annotations_are_forgotten_in_the_end(void **state)
{
	for (int i = 0; i < 3 * LIMIT_METADATA_ENTRIES; i++) {
		HAS(imap_person_say(alice, "a SETMETADATA Work (/private/n%d \"x\")", i), "a OK");
		HAS(imap_person_say(alice, "a SETMETADATA Work (/private/n%d NIL)", i), "a OK");
	}
	HAS(imap_person_say(alice, "b SETMETADATA Work (/private/last \"x\")"), "b OK");
	unsigned kept = 0;
	{
		READER r = reader_begin(kit.store);
		int64_t work = DB_NUMBER(r.db, 0, MAILBOX_FIND, DI(alice_id), DZ("Work"));
		DB_ROWS q = DB_QUERY(r.db, METADATA_CHANGED, DI(work), DI(alice_id), DI(0));
		while (db_next(&q))
			kept++;
	}
	assert_in_range(kept, 1, 2 * LIMIT_METADATA_ENTRIES);
	HAS(imap_person_say(alice, "c SETMETADATA Work (/private/last NIL)"), "c OK");
}

static void other_extensions_shape_it(void **state)
{
	struct imap_person *third = imap_person_new(alice_id, "alice@here.example");
	HAS(imap_person_say(alice, "a CREATE W&APY-rk"), "a OK");
	HAS(imap_person_say(third, "a ENABLE QRESYNC UTF8=ACCEPT UIDONLY"), "ENABLED");
	HAS(imap_person_say(third, "b SELECT Work"), "b OK");
	HAS(imap_person_say(third,
		"c NOTIFY SET STATUS (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange))"
		" (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))"),
	    "* STATUS \"W\xc3\xb6rk\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ");
	HAS(imap_person_say(alice, "d APPEND W&APY-rk {6+}\r\nA: b\r\n"), "d OK");
	HAS(imap_person_hear(third), "HIGHESTMODSEQ ");
	HAS(imap_person_say(alice, "e APPEND Work {6+}\r\nA: b\r\n"), "e OK");
	const char *told = imap_person_hear(third);
	HAS(told, " EXISTS\r\n");
	HAS(told, " UIDFETCH (");
	HAS_NOT(told, " FETCH ");
	/* Its own message is not shown to it. */
	told = imap_person_say(third, "f APPEND Work {6+}\r\nA: b\r\n");
	HAS(told, " EXISTS\r\n");
	HAS_NOT(told, "UIDFETCH");
	told = imap_person_say(third, "f1 UID COPY 1:* Work");
	HAS(told, " EXISTS\r\n");
	HAS_NOT(told, "UIDFETCH");
	HAS(told, "[COPYUID ");
	HAS(imap_person_say(alice, "g SELECT Work"), "g OK");
	HAS(imap_person_say(alice, "h STORE * +FLAGS (\\Deleted)"), "h OK");
	told = imap_person_hear(third);
	HAS(told, "FLAGS (\\Deleted");
	HAS(told, "MODSEQ (");
	HAS(imap_person_say(alice, "i EXPUNGE"), "i OK");
	HAS(imap_person_hear(third), "* VANISHED ");
	HAS(imap_person_say(alice, "j UNSELECT"), "j OK");
	HAS(imap_person_say(alice, "k DELETE W&APY-rk"), "k OK");
	HAS(imap_person_hear(third), "* LIST (\\NonExistent \\HasNoChildren) \"/\" \"W\xc3\xb6rk\"\r\n");
	/* In IDLE the same is told, and nothing else. */
	HAS(imap_person_say(third, "l NOTIFY SET (SELECTED (MessageNew MessageExpunge))"), "l OK");
	HAS(imap_person_say(third, "m IDLE"), "+ idling");
	HAS(imap_person_say(alice, "n SELECT Work"), "n OK");
	HAS(imap_person_say(alice, "o STORE 1 +FLAGS (\\Flagged)"), "o OK");
	HAS_NOT(imap_person_hear(third), "FETCH");
	HAS(imap_person_say(alice, "p APPEND Work {6+}\r\nA: b\r\n"), "p OK");
	HAS(imap_person_hear(third), " EXISTS\r\n");
	HAS(imap_person_say(third, "DONE"), "m OK");
	HAS(imap_person_say(alice, "q UNSELECT"), "q OK");
	imap_person_free(third);
}

/* ---- too much ---- */

struct making {
	struct job job;
	int64_t account;
	int from, to;
};

static enum result apply_making(struct job *j, struct db *db)
{
	const struct making *m = (struct making *)j;
	char name[32];
	for (int i = m->from; i < m->to; i++) {
		snprintf(name, sizeof name, "Many%d", i);
		box_create(j->store->writer, db, m->account, slice_str(name), "", false);
	}
	return OK;
}

static void make(int64_t account, int from, int to)
{
	struct making m = {
	    .job = {.store = kit.store, .apply = apply_making}, .account = account, .from = from, .to = to};
	assert_int_equal(writer_wait(kit.store->writer, &m.job), OK);
}

static void too_many_mailboxes_are_refused(void **state)
{
	int64_t carol = store_kit_account(&kit, "carol@here.example");
	struct imap_person *p = imap_person_new(carol, "carol@here.example");
	struct imap_person *other = imap_person_new(carol, "carol@here.example");
	make(carol, 0, 4900);
	HAS(imap_person_say(p, "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxMetadataChange))"),
	    "a OK");
	make(carol, 4900, 5100);
	/* It was too much only later: an untagged OK, and nothing is told any more. */
	const char *told = imap_person_hear(p);
	HAS(told, "* OK [NOTIFICATIONOVERFLOW]");
	HAS(imap_person_say(other, "b APPEND Many1 {6+}\r\nA: b\r\n"), "b OK");
	assert_string_equal(imap_person_say(p, "c NOOP"), "c OK Done\r\n");
	/* A refusal leaves what was in force, and loses nothing of it. */
	HAS(imap_person_say(p, "d NOTIFY SET (MAILBOXES Many1 (MessageNew MessageExpunge))"), "d OK");
	HAS(imap_person_say(other, "e APPEND Many1 {6+}\r\nA: b\r\n"), "e OK");
	told =
	    imap_person_say(p, "f NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxMetadataChange))");
	HAS(told, "* STATUS Many1 (MESSAGES 2 UIDNEXT 3)");
	HAS(told, "f NO [NOTIFICATIONOVERFLOW]");
	HAS(imap_person_say(other, "g APPEND Many1 {6+}\r\nA: b\r\n"), "g OK");
	HAS(imap_person_say(p, "h NOOP"), "* STATUS Many1 (MESSAGES 3 UIDNEXT 4)");
	imap_person_free(p);
	imap_person_free(other);
}

/* Who changes rights as fast as he can makes nobody list as fast; and what is in the end is told. */
static void a_storm_of_rights_is_damped(void **state)
{
	unsigned told = 0;
	HAS(imap_person_say(bob, "a NOTIFY SET (SUBTREE \"Other Users\" (MailboxName))"), "a OK");
	int64_t start = clock_mono_ms();
	for (int i = 0; i < 1000; i++) {
		HAS(imap_person_say(alice, "b SETACL Work bob@here.example %s", i % 2 ? "\"\"" : "lr"),
		    "b OK");
		told += strstr(imap_person_say(bob, "c NOOP"), "* LIST") != NULL;
	}
	int64_t took = clock_mono_ms() - start;
	assert_in_range(told, 1, (took / 1000 + 2) * (LIMIT_NAMES_TOLD / 100 + 1));
	HAS(imap_person_say(alice, "d SETACL INBOX bob@here.example lr"), "d OK");
	const char *last = imap_person_say(bob, "e NOOP");
	if (!strstr(last, "INBOX"))
		last = imap_person_hear(bob);
	HAS(last, "* LIST (\\HasNoChildren) \"/\" \"Other Users/alice@here.example/INBOX\"");
	/* What anybody may see is told at the next tick. */
	HAS(imap_person_say(alice, "f CREATE Open"), "f OK");
	HAS(imap_person_say(alice, "f SETACL Open anyone lr"), "f OK");
	HAS(imap_person_hear(bob), "\"Other Users/alice@here.example/Open\"");
	HAS(imap_person_say(alice, "g DELETEACL Open anyone"), "g OK");
	HAS(imap_person_hear(bob), "* LIST (\\NonExistent");
	HAS(imap_person_say(alice, "h DELETEACL Work bob@here.example"), "h OK");
	HAS(imap_person_say(alice, "h DELETEACL INBOX bob@here.example"), "h OK");
	HAS(imap_person_say(bob, "i NOTIFY NONE"), "i OK");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wrong_is_refused),
	    cmocka_unit_test(status_tells_of_messages),
	    cmocka_unit_test(names_are_told),
	    cmocka_unit_test(the_selected_mailbox_shows_new_messages),
	    cmocka_unit_test(news_come_unasked),
	    cmocka_unit_test(expunges_wait_when_delayed),
	    cmocka_unit_test(rights_begin_and_end_it),
	    cmocka_unit_test(groups_add_up),
	    cmocka_unit_test(a_tree_is_renamed_as_one),
	    cmocka_unit_test(mail_in_a_new_mailbox_is_told),
	    cmocka_unit_test(what_came_before_leaving_is_told_after),
	    cmocka_unit_test(annotations_are_told_by_name),
	    cmocka_unit_test(removed_annotations_are_forgotten_in_the_end),
	    cmocka_unit_test(other_extensions_shape_it),
	    cmocka_unit_test(too_many_mailboxes_are_refused),
	    cmocka_unit_test(a_storm_of_rights_is_damped),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
