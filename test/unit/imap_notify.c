/* NOTIFY (RFC 5465): IMAP sessions of several people over one store. */
#include "kit/imap_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct store_kit kit;
static struct imap_person *alice, *again, *bob;

static void has(const char *text, const char *part, int line)
{
	if (!strstr(text, part))
		fail_msg("line %d: %s is not in %s", line, part, text);
}
static void has_not(const char *text, const char *part, int line)
{
	if (strstr(text, part))
		fail_msg("line %d: %s is in %s", line, part, text);
}
#define HAS(text, part) has((text), (part), __LINE__)
#define HAS_NOT(text, part) has_not((text), (part), __LINE__)

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	imap_store_start(&kit);
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	int64_t a = store_kit_must(&kit, "account.add", "{\"address\":\"alice@here.example\"}");
	int64_t b = store_kit_must(&kit, "account.add", "{\"address\":\"bob@here.example\"}");
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
	HAS(imap_person_say(again, "a NOTIFY SET (PERSONAL (AnnotationChange))"),
	    "a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)]");
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
	HAS(imap_person_say(again, "c NOOP"), "* LIST () \"/\" New\r\n");
	HAS(imap_person_say(alice, "d SUBSCRIBE New"), "d OK");
	HAS(imap_person_say(again, "e NOOP"), "* LIST (\\Subscribed) \"/\" New\r\n");
	HAS(imap_person_say(alice, "f UNSUBSCRIBE New"), "f OK");
	HAS(imap_person_say(again, "g NOOP"), "* LIST () \"/\" New\r\n");
	HAS(imap_person_say(alice, "h RENAME New Old"), "h OK");
	HAS(imap_person_say(again, "i NOOP"), "* LIST () \"/\" Old (\"OLDNAME\" (New))\r\n");
	HAS(imap_person_say(alice, "j DELETE Old"), "j OK");
	HAS(imap_person_say(again, "k NOOP"), "* LIST (\\NonExistent) \"/\" Old\r\n");
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
	HAS(imap_person_say(bob, "k NOOP"), "* LIST (\\NonExistent) \"/\" ");
	HAS(imap_person_say(alice, "l APPEND Work {6+}\r\nA: b\r\n"), "l OK");
	assert_string_equal(imap_person_say(bob, "m NOOP"), "m OK Done\r\n");
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
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
