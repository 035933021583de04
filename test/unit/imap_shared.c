/* Sharing as mail programs see it: IMAP sessions of several people over one store. */
#include "kit/imap_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "kit/text.h"

static struct store_kit kit;
static struct imap_person *alice, *bob;
static int64_t alice_id, bob_id;

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	imap_store_start(&kit);
	alice_id = store_kit_account(&kit, "alice@here.example");
	bob_id = store_kit_account(&kit, "bob@here.example");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"sales@here.example\",\"member\":[\"bob@here.example\"]}");
	alice = imap_person_new(alice_id, "alice@here.example");
	bob = imap_person_new(bob_id, "bob@here.example");
	return 0;
}

static int tear_down(void **state)
{
	imap_person_free(alice);
	imap_person_free(bob);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	return 0;
}

static void lists_are_shown_and_set(void **state)
{
	HAS(imap_person_say(alice, "a CREATE &lwdohg-"), "a OK"); /* 需要 */
	assert_string_equal(imap_person_say(alice, "b GETACL &lwdohg-"),
	    "* ACL &lwdohg- alice@here.example lrswipkxteacd\r\nb OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "c SETACL &lwdohg- bob@here.example lr"), "c OK Done\r\n");
	assert_string_equal(
	    imap_person_say(alice, "d SETACL &lwdohg- group:sales@here.example +sd"), "d OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "e SETACL &lwdohg- -bob@here.example x"), "e OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "f GETACL &lwdohg-"),
	    "* ACL &lwdohg- alice@here.example lrswipkxteacd bob@here.example lr -bob@here.example xd"
	    " group:sales@here.example sxted\r\nf OK Done\r\n");
	assert_string_equal(imap_person_say(bob, "g MYRIGHTS \"Other Users/alice@here.example/&lwdohg-\""),
	    "* MYRIGHTS \"Other Users/alice@here.example/&lwdohg-\" lrsted\r\ng OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "h LISTRIGHTS &lwdohg- bob@here.example"),
	    "* LISTRIGHTS &lwdohg- bob@here.example \"\" l r s w i p k x t e a c d\r\nh OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "i LISTRIGHTS &lwdohg- alice@here.example"),
	    "* LISTRIGHTS &lwdohg- alice@here.example lrswipkxteacd\r\ni OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "j SETACL &lwdohg- bob@here.example -r"), "j OK Done\r\n");
	assert_string_equal(imap_person_say(bob, "k SELECT \"Other Users/alice@here.example/&lwdohg-\""),
	    "k NO [NOPERM] You have no right to do that here\r\n");
	assert_string_equal(imap_person_say(bob, "l GETACL \"Other Users/alice@here.example/&lwdohg-\""),
	    "l NO [NOPERM] You have no right to do that here\r\n");
	assert_string_equal(imap_person_say(bob, "l GETACL \"Other Users/alice@here.example/Sent\""),
	    "l NO [NONEXISTENT] No such mailbox\r\n");
	assert_string_equal(imap_person_say(alice, "m DELETEACL &lwdohg- bob@here.example"), "m OK Done\r\n");
	assert_string_equal(
	    imap_person_say(alice, "n DELETEACL &lwdohg- -bob@here.example"), "n OK Done\r\n");
	assert_string_equal(
	    imap_person_say(alice, "o DELETEACL &lwdohg- group:sales@here.example"), "o OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "p GETACL &lwdohg-"),
	    "* ACL &lwdohg- alice@here.example lrswipkxteacd\r\np OK Done\r\n");
	HAS(imap_person_say(alice, "q SETACL &lwdohg- bob@here.example Q"), "q BAD");
	HAS(imap_person_say(alice, "r SETACL &lwdohg- nobody@here.example l"), "r NO [CANNOT]");
	HAS(imap_person_say(alice, "s SETACL &lwdohg- alice@here.example l"), "s NO [CANNOT]");
	HAS(imap_person_say(alice, "t SETACL &lwdohg- bob@here.example"), "t BAD");
	HAS(imap_person_say(bob, "u NAMESPACE"),
	    "* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared/\" \"/\"))\r\n");
	HAS(imap_person_say(alice, "v DELETE &lwdohg-"), "v OK");
}

static void what_is_open_to_read_is_read_only(void **state)
{
	imap_person_say(alice, "a APPEND INBOX {25+}\r\nSubject: hello\r\n\r\nhello\r\n");
	HAS(imap_person_say(alice, "b SETACL INBOX bob@here.example lr"), "b OK");
	const char *said = imap_person_say(bob, "c SELECT \"Other Users/alice@here.example/INBOX\"");
	HAS(said, "[PERMANENTFLAGS ()]");
	HAS(said, "c OK [READ-ONLY]");
	HAS(imap_person_say(bob, "d STORE 1 +FLAGS (\\Seen)"), "d NO");
	HAS(imap_person_say(bob, "e FETCH 1 BODY[TEXT]"), "BODY[TEXT] {7}\r\nhello\r\n)");
	HAS(imap_person_say(bob, "f FETCH 1 FLAGS"), "* 1 FETCH (FLAGS (\\Recent))");
	HAS(imap_person_say(alice, "g SETACL INBOX bob@here.example lrst"), "g OK");
	said = imap_person_say(bob, "h SELECT \"Other Users/alice@here.example/INBOX\"");
	HAS(said, "[PERMANENTFLAGS (\\Deleted \\Seen)]");
	HAS(said, "h OK [READ-WRITE]");
	/* One of two may be changed: that one is. */
	HAS(imap_person_say(bob, "i STORE 1 +FLAGS (\\Seen \\Flagged)"), "FETCH (FLAGS (\\Seen");
	HAS(imap_person_say(bob, "j STORE 1 +FLAGS (\\Flagged)"), "j NO [NOPERM]");
	HAS(imap_person_say(bob, "k STORE 1 +FLAGS (\\Deleted)"), "k OK");
	HAS(imap_person_say(bob, "l EXPUNGE"), "l NO [NOPERM]");
	/* CLOSE only leaves when one may not expunge. */
	HAS(imap_person_say(bob, "m CLOSE"), "m OK");
	HAS(imap_person_say(alice, "n STATUS INBOX (MESSAGES DELETED)"), "(MESSAGES 1 DELETED 1)");
	HAS(imap_person_say(alice, "o SELECT INBOX"), "o OK");
	HAS(imap_person_say(alice, "p STORE 1 -FLAGS (\\Deleted)"), "p OK");
	HAS(imap_person_say(alice, "q UNSELECT"), "q OK");
}

static void names_of_others_are_listed(void **state)
{
	HAS(imap_person_say(alice, "a SETACL INBOX bob@here.example lr"), "a OK");
	assert_string_equal(imap_person_say(bob, "b LIST \"\" Other*"),
	    "* LIST (\\Noselect \\HasChildren) \"/\" \"Other Users\"\r\n"
	    "* LIST (\\Noselect \\HasChildren) \"/\" \"Other Users/alice@here.example\"\r\n"
	    "* LIST (\\HasNoChildren) \"/\" \"Other Users/alice@here.example/INBOX\"\r\n"
	    "b OK Done\r\n");
	assert_string_equal(
	    imap_person_say(bob, "c LIST \"\" \"Other Users/%%/%%\" RETURN (MYRIGHTS STATUS (MESSAGES))"),
	    "* LIST (\\HasNoChildren) \"/\" \"Other Users/alice@here.example/INBOX\"\r\n"
	    "* STATUS \"Other Users/alice@here.example/INBOX\" (MESSAGES 1)\r\n"
	    "* MYRIGHTS \"Other Users/alice@here.example/INBOX\" lr\r\n"
	    "c OK Done\r\n");
	HAS(imap_person_say(alice, "d SETACL INBOX bob@here.example l"), "d OK");
	assert_string_equal(
	    imap_person_say(bob, "e LIST \"\" \"Other Users/%%/%%\" RETURN (MYRIGHTS STATUS (MESSAGES))"),
	    "* LIST (\\HasNoChildren) \"/\" \"Other Users/alice@here.example/INBOX\"\r\n"
	    "* MYRIGHTS \"Other Users/alice@here.example/INBOX\" l\r\n"
	    "e OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "f LIST \"\" INBOX RETURN (MYRIGHTS)"),
	    "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* MYRIGHTS INBOX lrswipkxteacd\r\nf OK Done\r\n");
}

static void a_sleeper_hears_of_a_shared_mailbox(void **state)
{
	HAS(imap_person_say(alice, "a SETACL INBOX bob@here.example lrswite"), "a OK");
	HAS(imap_person_say(bob, "b SELECT \"Other Users/alice@here.example/INBOX\""), "b OK [READ-WRITE]");
	HAS(imap_person_say(bob, "c IDLE"), "+ idling");
	HAS(imap_person_say(alice, "d APPEND INBOX {23+}\r\nSubject: more\r\n\r\nmore\r\n"), "d OK");
	HAS(imap_person_hear(bob), "* 2 EXISTS\r\n");
	HAS(imap_person_say(bob, "DONE"), "c OK");
	HAS(imap_person_say(bob, "e MOVE 2 Archive"), "e OK");
	HAS(imap_person_say(bob, "f COPY 1 Archive"), "[COPYUID ");
	HAS(imap_person_say(bob, "g STATUS Archive (MESSAGES)"), "(MESSAGES 2)");
	/* What is taken away ends the session that has it open, as a mailbox that was deleted does. */
	HAS(imap_person_say(alice, "h DELETEACL INBOX bob@here.example"), "h OK");
	HAS(imap_person_say(bob, "i NOOP"), "* BYE ");
	imap_person_free(bob);
	bob = imap_person_new(bob_id, "bob@here.example");
}

static void quota_is_shown(void **state)
{
	assert_string_equal(
	    imap_person_say(alice, "a GETQUOTAROOT INBOX"), "* QUOTAROOT INBOX\r\na OK Done\r\n");
	store_kit_must(
	    &kit, "quota.set", "{\"who\":\"alice@here.example\",\"storage\":\"1M\",\"messages\":\"5\"}");
	imap_person_say(alice, "b APPEND Drafts (\\Deleted) {8+}\r\nA: b\r\n\r\n");
	HAS(imap_person_say(alice, "c GETQUOTAROOT Drafts"),
	    "* QUOTAROOT Drafts alice@here.example\r\n* QUOTA alice@here.example (STORAGE 1 1024 MESSAGE 2 "
	    "5)\r\n");
	HAS(imap_person_say(alice, "d GETQUOTA alice@here.example"),
	    "* QUOTA alice@here.example (STORAGE 1 1024 MESSAGE 2 5)\r\nd OK");
	assert_string_equal(imap_person_say(bob, "e GETQUOTA alice@here.example"),
	    "e NO [NONEXISTENT] No such quota root\r\n");
	HAS(imap_person_say(alice, "f STATUS Drafts (DELETED DELETED-STORAGE)"),
	    "* STATUS Drafts (DELETED 1 DELETED-STORAGE 8)\r\n");
	HAS(imap_person_say(alice, "g LIST \"\" Drafts RETURN (STATUS (DELETED-STORAGE))"),
	    "* STATUS Drafts (DELETED-STORAGE 8)\r\n");
	HAS(imap_person_say(alice, "h SETQUOTA alice@here.example (STORAGE 100)"), "h NO [NOPERM]");
	HAS(imap_person_say(alice, "i SETQUOTA alice@here.example (STORAGE)"), "i BAD");
	store_kit_must(&kit, "quota.set", "{\"who\":\"alice@here.example\",\"messages\":\"2\"}");
	HAS(imap_person_say(alice, "j APPEND Drafts {8+}\r\nA: b\r\n\r\n"), "j NO [OVERQUOTA]");
	HAS(imap_person_say(alice, "k SELECT INBOX"), "k OK");
	HAS(imap_person_say(alice, "l COPY 1 Drafts"), "l NO [OVERQUOTA]");
	HAS(imap_person_say(alice, "m MOVE 1 Drafts"), "m OK");
	store_kit_must(&kit, "quota.set",
	    "{\"who\":\"alice@here.example\",\"storage\":\"default\",\"messages\":\"default\"}");
	HAS(imap_person_say(alice, "n UNSELECT"), "n OK");
}

static void annotations(void **state)
{
	assert_string_equal(
	    imap_person_say(
		alice, "a SETMETADATA INBOX (/private/comment \"mine\" /shared/comment {6+}\r\n受信)"),
	    "a OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "b GETMETADATA INBOX (/shared/comment /private/comment)"),
	    "* METADATA INBOX (/shared/comment {6}\r\n受信 /private/comment \"mine\")\r\nb OK Done\r\n");
	assert_string_equal(imap_person_say(alice, "c GETMETADATA INBOX /shared/none"), "c OK Done\r\n");
	imap_person_say(
	    alice, "d SETMETADATA INBOX (/private/filters/values \"v\" /private/filters/values/small \"s\")");
	assert_string_equal(imap_person_say(alice, "e GETMETADATA (DEPTH 1) INBOX /private/filters"),
	    "* METADATA INBOX (/private/filters/values \"v\")\r\ne OK Done\r\n");
	HAS(imap_person_say(alice, "f GETMETADATA (DEPTH infinity MAXSIZE 3) INBOX /private"),
	    "f OK [METADATA LONGENTRIES 4] Done");
	HAS(imap_person_say(alice, "g GETMETADATA INBOX (MAXSIZE 1 DEPTH infinity) /private/filters"),
	    "(/private/filters/values \"v\" /private/filters/values/small \"s\")");
	HAS(imap_person_say(alice, "h GETMETADATA \"\" /shared/admin"),
	    "* METADATA \"\" (/shared/admin \"mailto:postmaster@mx.here.example\")\r\nh OK");
	HAS(imap_person_say(alice, "i SETMETADATA \"\" (/shared/comment \"x\")"), "i NO [NOPERM]");
	assert_string_equal(
	    imap_person_say(
		alice, "j LIST \"\" (INBOX Sent) RETURN (METADATA (/private/comment /shared/comment))"),
	    "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
	    "* METADATA INBOX (/private/comment \"mine\" /shared/comment {6}\r\n受信)\r\n"
	    "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
	    "* METADATA Sent (/private/comment NIL /shared/comment NIL)\r\nj OK Done\r\n");
	HAS(imap_person_say(alice, "k SETMETADATA INBOX (/private/comment NIL)"), "k OK");
	assert_string_equal(imap_person_say(alice, "l GETMETADATA INBOX /private/comment"), "l OK Done\r\n");
	static const char *const wrong[] = {"GETMETADATA INBOX comment", "GETMETADATA INBOX /private/a*",
	    "GETMETADATA INBOX /private//a", "GETMETADATA INBOX /private/a/",
	    "GETMETADATA (DEPTH 2) INBOX /private/a", "SETMETADATA INBOX (/private \"x\")",
	    "SETMETADATA INBOX ()", "SETMETADATA INBOX (/private/x)", "SETMETADATA INBOX (/other/x \"y\")"};
	for (size_t i = 0; i < COUNT(wrong); i++)
		HAS(imap_person_say(alice, "m %s", wrong[i]), "m BAD");
	HAS(imap_person_say(alice, "n GETMETADATA Nothing /private/a"), "n NO [NONEXISTENT]");
	for (int i = 0; i < 100; i++)
		imap_person_say(alice, "o SETMETADATA INBOX (/private/n%d \"x\")", i);
	HAS(imap_person_say(alice, "p SETMETADATA INBOX (/private/more \"x\")"), "p NO [METADATA TOOMANY]");
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_are_shown_and_set),
	    cmocka_unit_test(what_is_open_to_read_is_read_only),
	    cmocka_unit_test(names_of_others_are_listed),
	    cmocka_unit_test(a_sleeper_hears_of_a_shared_mailbox),
	    cmocka_unit_test(quota_is_shown),
	    cmocka_unit_test(annotations),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
