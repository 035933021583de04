/* What people may not see: no command, count, score or wording tells them of mailboxes that they have no right to. */
#include "kit/imap_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "kit/text.h"

#define LEVEL "Other Users/alice@here.example"
#define ALICE LEVEL "/"

static struct store_kit kit;
static struct imap_person *alice, *bob;
static int64_t alice_id, bob_id;

static void fill(const char *mailbox, const char *word, unsigned n)
{
	BUF_LOCAL(message, 1000);
	buf_printf(&message, "Subject: %s plans\r\n\r\nAbout %s.\r\n", word, word);
	for (unsigned i = 0; i < n; i++)
		HAS(imap_person_say(
			alice, "f APPEND %s (\\Flagged) {%zu+}\r\n%s", mailbox, message.n, buf_z(&message)),
		    "f OK");
}

/* Open may be read, Seen looked up, Drop added to; of Secret nobody knows. */
static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	imap_store_start(&kit);
	alice_id = store_kit_account(&kit, "alice@here.example");
	bob_id = store_kit_account(&kit, "bob@here.example");
	alice = imap_person_new(alice_id, "alice@here.example");
	bob = imap_person_new(bob_id, "bob@here.example");
	static const char *const rights[][2] = {{"Open", "lr"}, {"Seen", "l"}, {"Drop", "i"}, {"Secret", ""}};
	for (size_t i = 0; i < COUNT(rights); i++) {
		HAS(imap_person_say(alice, "a CREATE %s", rights[i][0]), "a OK");
		if (*rights[i][1])
			HAS(imap_person_say(
				alice, "b SETACL %s bob@here.example %s", rights[i][0], rights[i][1]),
			    "b OK");
		fill(rights[i][0], "zanzibar", 2);
	}
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

/* The same words as for a mailbox that there is not, whatever is asked. */
static void what_may_not_be_looked_up_is_not_there(void **state)
{
	static const char *const commands[] = {"SELECT \"" ALICE "######\"", "EXAMINE \"" ALICE "######\"",
	    "STATUS \"" ALICE "######\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN SIZE DELETED HIGHESTMODSEQ)",
	    "LIST \"\" \"" ALICE "######\"",
	    "LIST \"\" \"" ALICE
	    "######\" RETURN (CHILDREN MYRIGHTS STATUS (MESSAGES) METADATA (/shared/comment))",
	    "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"" ALICE "######\"", "LSUB \"\" \"" ALICE "######\"",
	    "GETACL \"" ALICE "######\"", "MYRIGHTS \"" ALICE "######\"",
	    "LISTRIGHTS \"" ALICE "######\" bob@here.example",
	    "SETACL \"" ALICE "######\" bob@here.example lr",
	    "DELETEACL \"" ALICE "######\" bob@here.example",
	    "GETMETADATA \"" ALICE "######\" /shared/comment",
	    "SETMETADATA \"" ALICE "######\" (/private/comment \"x\")", "GETQUOTAROOT \"" ALICE "######\"",
	    "DELETE \"" ALICE "######\"", "CREATE \"" ALICE "######\"", "CREATE \"" ALICE "######/below\"",
	    "RENAME \"" ALICE "######\" Mine", "RENAME Sent \"" ALICE "######\"",
	    "RENAME \"" ALICE "######\" \"" ALICE "Open\"",
	    "APPEND \"" ALICE "######\" {14+}\r\nSubject: x\r\n\r\n",
	    "ESEARCH IN (mailboxes \"" ALICE "######\") RETURN (COUNT) TEXT zanzibar",
	    "ESEARCH IN (subtree \"" ALICE "######\") RETURN (ALL) ALL",
	    "NOTIFY SET STATUS (mailboxes \"" ALICE "######\" (MessageNew MessageExpunge FlagChange))",
	    "NOTIFY NONE",
	    "NOTIFY SET (subtree \"" ALICE
	    "######\" (MailboxName SubscriptionChange MessageNew MessageExpunge))",
	    "NOTIFY NONE", "SUBSCRIBE \"" ALICE "######\"", "LIST (SUBSCRIBED) \"\" \"" ALICE "######\"",
	    "LSUB \"\" \"" ALICE "######\"", "UNSUBSCRIBE \"" ALICE "######\""};
	HAS(imap_person_say(bob, "s SELECT \"" ALICE "Open\""), "s OK");
	for (size_t i = 0; i < COUNT(commands); i++) {
		/* Names of the same length, so that nothing but the name differs. */
		char command[2][400], said[2][4000] = {{0}};
		for (int k = 0; k < 2; k++) {
			snprintf(command[k], sizeof command[k], "%s", commands[i]);
			for (char *at; (at = strstr(command[k], "######"));)
				memcpy(at, k ? "Nihil!" : "Secret", 6);
			snprintf(said[k], sizeof said[k], "%s", imap_person_say(bob, "a %s", command[k]));
			for (char *at; (at = strstr(said[k], k ? "Nihil!" : "Secret"));)
				memcpy(at, "######", 6);
		}
		if (strcmp(said[0], said[1]) != 0)
			fail_msg("%s: %s but %s", command[0], said[0], said[1]);
		if (i < 2)
			HAS(imap_person_say(bob, "s SELECT \"" ALICE "Open\""), "s OK");
	}
	HAS_NOT(imap_person_say(bob, "a COPY 1 \"" ALICE "Secret\""), "a OK");
	HAS_NOT(imap_person_say(bob, "b LIST \"\" *"), "Secret");
	HAS_NOT(imap_person_say(bob, "c LIST \"\" * RETURN (STATUS (MESSAGES))"), "Drop");
	HAS(imap_person_say(bob, "u UNSELECT"), "u OK");
}

static void what_may_not_be_read_has_no_numbers(void **state)
{
	static const char *const refused[] = {"SELECT \"" ALICE "Seen\"", "EXAMINE \"" ALICE "Seen\"",
	    "STATUS \"" ALICE "Seen\" (MESSAGES)", "GETQUOTAROOT \"" ALICE "Seen\""};
	for (size_t i = 0; i < COUNT(refused); i++)
		HAS(imap_person_say(bob, "a %s", refused[i]), "a NO [NOPERM]");
	const char *said = imap_person_say(
	    bob, "b LIST \"\" \"" ALICE "*\" RETURN (STATUS (MESSAGES UIDNEXT SIZE UNSEEN HIGHESTMODSEQ))");
	HAS(said, "STATUS \"" ALICE "Open\" (MESSAGES 2");
	HAS(said, "LIST (\\HasNoChildren) \"/\" \"" ALICE "Seen\"");
	HAS_NOT(said, "STATUS \"" ALICE "Seen\"");
	said = imap_person_say(
	    bob, "c ESEARCH IN (subtree \"" LEVEL "\" personal) RETURN (COUNT ALL) TEXT zanzibar");
	HAS_NOT(said, "Seen");
	HAS(said, "Open\" UIDVALIDITY");
	said = imap_person_say(
	    bob, "d ESEARCH IN (mailboxes (\"" ALICE "Seen\" \"" ALICE "Open\")) RETURN (COUNT) FLAGGED");
	HAS_NOT(said, "Seen");
	HAS(said, "COUNT 2");
}

/* An empty mailbox that may be added to says nothing of what others have put there, RFC 4315 5. */
static void a_drop_box_says_nothing(void **state)
{
	assert_string_equal(imap_person_say(bob, "a APPEND \"" ALICE "Drop\" {14+}\r\nSubject: x\r\n\r\n"),
	    "a OK Stored\r\n");
	assert_string_equal(
	    imap_person_say(
		bob, "b APPEND \"" ALICE "Drop\" {14+}\r\nSubject: x\r\n\r\n {14+}\r\nSubject: y\r\n\r\n"),
	    "b OK Stored\r\n");
	HAS(imap_person_say(bob, "c SELECT \"" ALICE "Open\""), "c OK");
	assert_string_equal(imap_person_say(bob, "d COPY 1:2 \"" ALICE "Drop\""), "d OK Copied\r\n");
	HAS(imap_person_say(bob, "e APPEND INBOX {14+}\r\nSubject: x\r\n\r\n"), "e OK [APPENDUID ");
	HAS(imap_person_say(bob, "f SELECT INBOX"), "f OK");
	HAS_NOT(
	    imap_person_say(bob, "g REPLACE 1 \"" ALICE "Drop\" {14+}\r\nSubject: r\r\n\r\n"), "APPENDUID");
	HAS(imap_person_say(bob, "h APPEND INBOX {14+}\r\nSubject: x\r\n\r\n"), "h OK [APPENDUID ");
	const char *said = imap_person_say(bob, "i MOVE 1 \"" ALICE "Drop\"");
	HAS(said, "* 1 EXPUNGE");
	HAS_NOT(said, "COPYUID");
	HAS(imap_person_say(bob, "j UNSELECT"), "j OK");
	HAS(imap_person_say(alice, "k STATUS Drop (MESSAGES)"), "(MESSAGES 9)");
}

/* How rare a word is counts in the mailbox that is searched, not in others that lie in the same index. */
static void scores_do_not_count_other_mailboxes(void **state)
{
	char before[2000], after[2000];
	static const char search[] = "a UID SEARCH RETURN (ALL COUNT RELEVANCY) FUZZY TEXT zanzibar";
	HAS(imap_person_say(bob, "s SELECT \"" ALICE "Open\""), "s OK");
	snprintf(before, sizeof before, "%s", imap_person_say(bob, search));
	HAS(before, "RELEVANCY");
	fill("Secret", "zanzibar", 30);
	fill("Secret", "other", 10);
	for (int i = 0; i < 20; i++) {
		snprintf(after, sizeof after, "%s", imap_person_say(bob, search));
		assert_string_equal(after, before);
		usleep(20000);
	}
	store_kit_must(&kit, "index.rebuild", "{\"address\":\"alice@here.example\"}");
	for (int i = 0; i < 20; i++) {
		assert_string_equal(imap_person_say(bob, search), before);
		usleep(20000);
	}
	HAS(imap_person_say(bob, "b SEARCH RETURN (COUNT) BODY zanzibar"), "COUNT 2");
	HAS(imap_person_say(bob, "c SORT (SUBJECT) UTF-8 TEXT zanzibar"), "* SORT 1 2\r\n");
	HAS(imap_person_say(bob, "d THREAD REFS UTF-8 TEXT zanzibar"), "* THREAD ");
	HAS(imap_person_say(bob, "u UNSELECT"), "u OK");
}

static void notify_says_nothing_of_what_is_hidden(void **state)
{
	HAS(imap_person_say(bob,
		"a NOTIFY SET STATUS (personal (MessageNew MessageExpunge MailboxName)) (subtree \"" LEVEL
		"\" (MessageNew MessageExpunge FlagChange MailboxName))"),
	    "a OK");
	fill("Secret", "more", 1);
	fill("Seen", "more", 1);
	fill("Drop", "more", 1);
	HAS(imap_person_say(alice, "b CREATE Secret/Inside"), "b OK");
	HAS(imap_person_say(alice, "c RENAME Secret/Inside Secret/Other"), "c OK");
	const char *said = imap_person_say(bob, "d NOOP");
	HAS_NOT(said, "Secret");
	HAS_NOT(said, "Seen");
	HAS_NOT(said, "Drop");
	fill("Open", "more", 1);
	char heard[4000] = "";
	for (int i = 0; i < 100 && !strstr(heard, "Open"); i++) {
		snprintf(heard, sizeof heard, "%s", imap_person_say(bob, "e NOOP"));
		HAS_NOT(heard, "Secret");
		usleep(20000);
	}
	HAS(heard, "STATUS \"" ALICE "Open\"");
	/* Taken away: the next message there is not heard of. */
	HAS(imap_person_say(alice, "f SETACL Open bob@here.example l"), "f OK");
	fill("Open", "more", 1);
	for (int i = 0; i < 10; i++) {
		HAS_NOT(imap_person_say(bob, "g NOOP"), "STATUS");
		usleep(20000);
	}
	HAS(imap_person_say(alice, "h SETACL Open bob@here.example lr"), "h OK");
	HAS(imap_person_say(bob, "i NOTIFY NONE"), "i OK");
}

/* With the mailbox open; what was saved by SEARCH is of no use either. */
static void what_is_taken_away_is_gone_at_once(void **state)
{
	static const char *const commands[] = {"SEARCH TEXT zanzibar", "SEARCH FLAGGED",
	    "FETCH 1 (PREVIEW ENVELOPE)", "FETCH $ FLAGS", "SORT (FROM) UTF-8 ALL", "THREAD REFS UTF-8 ALL",
	    "STORE 1 +FLAGS ()", "COPY 1 INBOX", "ESEARCH IN (selected) RETURN (COUNT) ALL", "EXPUNGE",
	    "NOOP"};
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct imap_person *carol = imap_person_new(bob_id, "bob@here.example");
		HAS(imap_person_say(alice, "a SETACL Open bob@here.example lrswte"), "a OK");
		HAS(imap_person_say(carol, "b SELECT \"" ALICE "Open\""), "b OK");
		HAS(imap_person_say(carol, "c SEARCH RETURN (SAVE) ALL"), "c OK");
		HAS(imap_person_say(alice, "d SETACL Open bob@here.example l"), "d OK");
		const char *said = imap_person_say(carol, "e %s", commands[i]);
		HAS_NOT(said, "e OK");
		HAS_NOT(said, "FETCH");
		HAS_NOT(said, "SEARCH");
		HAS_NOT(said, "SORT");
		HAS_NOT(said, "THREAD");
		HAS_NOT(said, "EXPUNGE");
		imap_person_free(carol);
	}
	HAS(imap_person_say(alice, "f SETACL Open bob@here.example lr"), "f OK");
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_may_not_be_looked_up_is_not_there),
	    cmocka_unit_test(what_may_not_be_read_has_no_numbers),
	    cmocka_unit_test(a_drop_box_says_nothing),
	    cmocka_unit_test(scores_do_not_count_other_mailboxes),
	    cmocka_unit_test(notify_says_nothing_of_what_is_hidden),
	    cmocka_unit_test(what_is_taken_away_is_gone_at_once),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
