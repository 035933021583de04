/* Who may do what with mailboxes that belong to somebody else: every ask that a session can put, against every right. */
#include "store_help.h"
#include "store/mailbox/access.h"
#include <stdio.h>

static struct store_kit kit;
static int64_t alice, bob, carol;

#define BOX "Project"
#define AS_BOB "Other Users/alice@here.example/Project"
#define UNKNOWN "Other Users/alice@here.example/Nothing"

static int set_up(void **state)
{
	store_kit_make(&kit);
	if (store_kit_begin(&kit) != OK)
		return 1;
	alice = store_kit_account(&kit, "Alice@here.example");
	bob = store_kit_account(&kit, "bob@here.example");
	carol = store_kit_account(&kit, "carol@here.example");
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

static void grant(const char *owner, const char *mailbox, const char *who, const char *rights, bool negative)
{
	char args[500];
	snprintf(args, sizeof args,
	    "{\"address\":\"%s\",\"mailbox\":\"%s\",\"who\":\"%s\",\"rights\":\"%s\",\"negative\":%s}", owner,
	    mailbox, who, rights, negative ? "true" : "false");
	store_kit_must(&kit, "mailbox.grant", args);
}

static void give_bob(const char *rights)
{
	grant("alice@here.example", BOX, "bob@here.example", rights, false);
}

static enum result examine(struct ipc *c, const char *name)
{
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *answer = NULL;
	ask.name = (char *)(uintptr_t)name;
	return ASK(c, SELECT, &ask, &answer);
}

/* ---- one ask each: what it is put about by its name, or the selected mailbox ---- */

typedef enum result attempt(struct ipc *c, const char *name);

static enum result try_status(struct ipc *c, const char *name)
{
	return do_name(c, ASK_STORE_STATUS, name);
}
static enum result try_create(struct ipc *c, const char *name)
{
	char child[200];
	snprintf(child, sizeof child, "%s/child", name);
	return do_create(c, child, "");
}
static enum result try_delete(struct ipc *c, const char *name)
{
	return do_name(c, ASK_STORE_DELETE, name);
}
/* To a name below itself, which is refused for that only when the right was there. */
static enum result try_rename(struct ipc *c, const char *name)
{
	char to[200];
	snprintf(to, sizeof to, "%s/x", name);
	enum result r = do_rename(c, name, to);
	return r == DENY && strcmp(c->why, "NOPERM") != 0 ? OK : r;
}
static enum result try_select(struct ipc *c, const char *name)
{
	return examine(c, name);
}
static enum result try_append(struct ipc *c, const char *name)
{
	Sekisho__AppendAnswer *answer = NULL;
	enum result r = do_append(&kit, c, name, "Subject: x\r\n\r\nx\r\n", &answer);
	return r;
}
static enum result put_message(struct ipc *c, enum ipc_ask kind, const char *name, uint32_t replace)
{
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	Sekisho__FactsRef ref;
	struct ipc_fds fds;
	struct kit_mail m = kit_mail_make(&kit, SLICE("Subject: x\r\n\r\nx\r\n"));
	kit_mail_ref(&m, &ref, &fds);
	ask.mailbox = (char *)(uintptr_t)name;
	ask.facts = &ref;
	ask.replace = replace;
	enum result r = ipc_call(c, kind, &ask, &fds, &mem, NULL, NULL);
	kit_mail_free(&m);
	return r;
}
static enum result try_stage(struct ipc *c, const char *name)
{
	return put_message(c, ASK_STORE_STAGE, name, 0);
}
/* Of a message that is not there, which is said only to whom it may be replaced by. */
static enum result try_replace(struct ipc *c, const char *name)
{
	enum result r = put_message(c, ASK_STORE_APPEND, "INBOX", 1000);
	return r == GONE && strcmp(c->why, "NONEXISTENT") == 0 ? OK : r;
}
static enum result try_copy_to(struct ipc *c, const char *name)
{
	Sekisho__CopyAnswer *answer = NULL;
	do_select(c, "INBOX");
	return do_copy(c, 1, 1, name, false, &answer);
}
static enum result try_rights(struct ipc *c, const char *name)
{
	Sekisho__RightsAsk ask = SEKISHO__RIGHTS_ASK__INIT;
	ask.mailbox = (char *)(uintptr_t)name;
	ask.what = SEKISHO__RIGHTS_ASK__WHAT__LIST;
	return ASK(c, RIGHTS, &ask, NULL);
}
static enum result try_my_rights(struct ipc *c, const char *name)
{
	Sekisho__RightsAsk ask = SEKISHO__RIGHTS_ASK__INIT;
	ask.mailbox = (char *)(uintptr_t)name;
	return ASK(c, RIGHTS, &ask, NULL);
}
static enum result try_set_rights(struct ipc *c, const char *name)
{
	Sekisho__SetRightsAsk ask = SEKISHO__SET_RIGHTS_ASK__INIT;
	ask.mailbox = (char *)(uintptr_t)name;
	ask.who = "carol@here.example";
	ask.rights = "l";
	return ASK(c, SET_RIGHTS, &ask, NULL);
}

static enum result try_sync(struct ipc *c, const char *name)
{
	Sekisho__SyncAnswer *a = do_sync(c, 0, 1);
	return a->gone ? DENY : OK;
}
static enum result try_fetch(struct ipc *c, const char *name)
{
	static struct rows rows;
	enum result r = do_fetch(c, 1, 10, SEKISHO__WANT__WANT_BODY, false, &rows);
	return r;
}
static enum result try_cards(struct ipc *c, const char *name)
{
	Sekisho__CardsAsk ask = SEKISHO__CARDS_ASK__INIT;
	Sekisho__CardsAnswer *answer = NULL;
	ask.uids = one_run(1, 10);
	ask.n_uids = 1;
	ask.rows = true;
	return ASK(c, CARDS, &ask, &answer);
}
static enum result try_search(struct ipc *c, const char *name)
{
	Sekisho__SearchAsk ask = SEKISHO__SEARCH_ASK__INIT;
	Sekisho__SearchNeedle needle = SEKISHO__SEARCH_NEEDLE__INIT, *needles[] = {&needle};
	Sekisho__SearchAnswer *answer = NULL;
	needle.text = "plan";
	ask.needles = needles;
	ask.n_needles = 1;
	enum result r = ASK(c, SEARCH, &ask, &answer);
	while (r == OK && c->more)
		r = ipc_more(c, &mem, &answer, NULL);
	return r;
}
static enum result try_body(struct ipc *c, const char *name)
{
	BUF_LOCAL(b, 100000);
	return do_body(c, 1, 1000, &b);
}
static enum result put_flags(struct ipc *c, uint32_t flags, const char *keyword)
{
	Sekisho__FlagsAsk ask = SEKISHO__FLAGS_ASK__INIT;
	char *words[1] = {(char *)(uintptr_t)keyword};
	ask.uids = one_run(1, 1);
	ask.n_uids = 1;
	ask.flags = flags;
	ask.keywords = words;
	ask.n_keywords = keyword ? 1 : 0;
	return ASK(c, FLAGS, &ask, NULL);
}
static enum result try_seen(struct ipc *c, const char *name)
{
	return put_flags(c, SEKISHO__FLAG__FLAG_SEEN, NULL);
}
static enum result try_deleted(struct ipc *c, const char *name)
{
	return put_flags(c, SEKISHO__FLAG__FLAG_DELETED, NULL);
}
static enum result try_flagged(struct ipc *c, const char *name)
{
	return put_flags(c, SEKISHO__FLAG__FLAG_FLAGGED, NULL);
}
static enum result try_keyword(struct ipc *c, const char *name)
{
	return put_flags(c, 0, "$x");
}
/* Changes nothing, and would be answered with the flags there are. */
static enum result try_no_flags(struct ipc *c, const char *name)
{
	return put_flags(c, 0, NULL);
}
static enum result try_expunge(struct ipc *c, const char *name)
{
	Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
	ask.uids = one_run(1000, 1);
	ask.n_uids = 1;
	return ASK(c, EXPUNGE, &ask, NULL);
}
static enum result try_copy_from(struct ipc *c, const char *name)
{
	Sekisho__CopyAnswer *answer = NULL;
	return do_copy(c, 1, 1, "INBOX", false, &answer);
}
static enum result try_move_from(struct ipc *c, const char *name)
{
	Sekisho__CopyAnswer *answer = NULL;
	return do_copy(c, 1000, 1, "INBOX", true, &answer);
}

static enum result try_quota(struct ipc *c, const char *name)
{
	Sekisho__QuotaAsk ask = SEKISHO__QUOTA_ASK__INIT;
	ask.name = (char *)(uintptr_t)name;
	return ASK(c, QUOTA, &ask, NULL);
}

enum about { NAMED, SELECTED, NOTHING /* of others: checked elsewhere, or no mailbox is touched */ };
static const struct {
	enum ipc_ask ask;
	const char *what;
	enum about about;
	const char *rights;
	attempt *run;
} cases[] = {
    {ASK_STORE_MAILBOXES, "list", NOTHING, "", NULL},
    {ASK_STORE_STATUS, "status", NAMED, "r", try_status},
    {ASK_STORE_CREATE, "create", NAMED, "k", try_create},
    {ASK_STORE_DELETE, "delete", NAMED, "x", try_delete},
    {ASK_STORE_RENAME, "rename", NAMED, "xk", try_rename},
    {ASK_STORE_SUBSCRIBE, "subscribe", NOTHING, "", NULL},
    {ASK_STORE_UNSUBSCRIBE, "unsubscribe", NOTHING, "", NULL},
    {ASK_STORE_SELECT, "select", NAMED, "r", try_select},
    {ASK_STORE_UNSELECT, "unselect", NOTHING, "", NULL},
    {ASK_STORE_WATCH, "watch", NOTHING, "", NULL}, /* watching_needs_the_right_to_read */
    {ASK_STORE_WATCHED, "watched", NOTHING, "", NULL},
    {ASK_STORE_SYNC, "sync", SELECTED, "r", try_sync},
    {ASK_STORE_FETCH, "fetch", SELECTED, "r", try_fetch},
    {ASK_STORE_CARDS, "cards", SELECTED, "r", try_cards},
    {ASK_STORE_SEARCH, "search", SELECTED, "r", try_search},
    {ASK_STORE_BODY, "body", SELECTED, "r", try_body},
    {ASK_STORE_FLAGS, "store seen", SELECTED, "rs", try_seen},
    {ASK_STORE_FLAGS, "store deleted", SELECTED, "rt", try_deleted},
    {ASK_STORE_FLAGS, "store flagged", SELECTED, "rw", try_flagged},
    {ASK_STORE_FLAGS, "store keyword", SELECTED, "rw", try_keyword},
    {ASK_STORE_FLAGS, "store nothing", SELECTED, "r", try_no_flags},
    {ASK_STORE_EXPUNGE, "expunge", SELECTED, "re", try_expunge},
    {ASK_STORE_COPY, "copy from", SELECTED, "r", try_copy_from},
    {ASK_STORE_COPY, "move from", SELECTED, "rte", try_move_from},
    {ASK_STORE_COPY, "copy to", NAMED, "i", try_copy_to},
    {ASK_STORE_APPEND, "append", NAMED, "i", try_append},
    {ASK_STORE_APPEND, "replace", SELECTED, "rte", try_replace},
    {ASK_STORE_STAGE, "stage", NAMED, "i", try_stage},
    {ASK_STORE_UNSTAGE, "unstage", NOTHING, "", NULL},
    {ASK_STORE_RIGHTS, "my rights", NAMED, "l", try_my_rights},
    {ASK_STORE_RIGHTS, "rights", NAMED, "a", try_rights},
    {ASK_STORE_METADATA, "metadata", NOTHING, "", NULL}, /* metadata_needs_some_right */
    {ASK_STORE_SET_METADATA, "set metadata", NOTHING, "", NULL},
    {ASK_STORE_QUOTA, "quota", NAMED, "r", try_quota},
    {ASK_STORE_SET_RIGHTS, "set rights", NAMED, "a", try_set_rights},
};

/* A session's ask that is not in the table was made without a thought of who may put it. */
static void every_ask_of_a_session_is_here(void **state)
{
#define P(kind) (1u << PEER_##kind)
#define ANY 0
#define X(name, number, role, ask, answer, who) {ASK_##name, #name, (who)},
	static const struct {
		enum ipc_ask ask;
		const char *name;
		unsigned who;
	} asks[] = {
#include "ipc/asks.def"
	};
#undef X
#undef P
#undef ANY
	for (size_t i = 0; i < COUNT(asks); i++) {
		bool found = !(asks[i].who & 1u << PEER_IMAP);
		for (size_t k = 0; k < COUNT(cases) && !found; k++)
			found = cases[k].ask == asks[i].ask;
		if (!found)
			fail_msg(
			    "%s: which right does it need on a mailbox of somebody else? Say so in cases[]",
			    asks[i].name);
	}
}

/* Every right but the ones in `without`; "l" stays unless it is asked for itself. */
static const char *rights_without(const char *without)
{
	static char text[20];
	size_t n = 0;
	for (const char *c = "lrswipkxtea"; *c; c++)
		if (!strchr(without, *c))
			text[n++] = *c;
	text[n] = 0;
	return text;
}

static const char *joined(const char *a, const char *b)
{
	static char text[40];
	snprintf(text, sizeof text, "%s%s", a, b);
	return text;
}

static void fresh_project(void)
{
	struct ipc c = login(alice);
	static char subject[] = "Subject: plan\r\n\r\nThe plan.\r\n";
	Sekisho__AppendAnswer *answer = NULL;
	result_ignore(do_name(&c, ASK_STORE_DELETE, BOX "/child"));
	if (do_name(&c, ASK_STORE_STATUS, BOX) != OK) {
		assert_int_equal(do_create(&c, BOX, ""), OK);
		assert_int_equal(do_append(&kit, &c, BOX, subject, &answer), OK);
	}
	ipc_close(&c);
}

static void check_named(size_t i)
{
	struct ipc c = login(bob);
	const char *r = cases[i].rights;
	/* Nothing at all: as if it were not there, in the same words as for what is not. */
	fresh_project();
	give_bob("none");
	enum result seen = cases[i].run(&c, AS_BOB);
	char why[200];
	snprintf(why, sizeof why, "%s", c.why);
	enum result unseen = cases[i].run(&c, UNKNOWN);
	if (seen == OK || seen != unseen || strcmp(why, c.why) != 0)
		fail_msg("%s without rights: %s %s, of a name that is not there: %s %s", cases[i].what,
		    result_name(seen), why, result_name(unseen), c.why);
	/* All rights but each of those that it needs. */
	for (const char *one = r; *one; one++) {
		char without[2] = {*one, 0};
		fresh_project();
		give_bob(*one == 'l' ? "s" : rights_without(without));
		seen = cases[i].run(&c, AS_BOB);
		if (seen != (*one == 'l' ? GONE : DENY))
			fail_msg("%s without %c: %s %s", cases[i].what, *one, result_name(seen), c.why);
	}
	/* These and no others. */
	fresh_project();
	give_bob(joined("l", r));
	seen = cases[i].run(&c, AS_BOB);
	if (seen != OK)
		fail_msg("%s with l%s: %s %s", cases[i].what, r, result_name(seen), c.why);
	ipc_close(&c);
}

static void check_selected(size_t i)
{
	struct ipc c = login(bob);
	const char *r = cases[i].rights;
	fresh_project();
	for (const char *one = r; *one; one++) {
		char without[2] = {*one, 0};
		/* Taken away while it is selected. */
		give_bob("all");
		assert_int_equal(examine(&c, AS_BOB), OK);
		give_bob(rights_without(without));
		enum result seen = cases[i].run(&c, AS_BOB);
		if (seen != DENY)
			fail_msg("%s without %c: %s %s", cases[i].what, *one, result_name(seen), c.why);
		give_bob("none");
		seen = cases[i].run(&c, AS_BOB);
		if (seen != DENY)
			fail_msg("%s without any: %s %s", cases[i].what, result_name(seen), c.why);
	}
	give_bob(joined("lrs", r));
	assert_int_equal(examine(&c, AS_BOB), OK);
	enum result seen = cases[i].run(&c, AS_BOB);
	if (seen != OK)
		fail_msg("%s with lrs%s: %s %s", cases[i].what, r, result_name(seen), c.why);
	ipc_close(&c);
}

static void every_ask_needs_its_rights(void **state)
{
	struct ipc c = login(bob);
	Sekisho__AppendAnswer *answer = NULL;
	assert_int_equal(do_append(&kit, &c, "INBOX", "Subject: mine\r\n\r\nmine\r\n", &answer), OK);
	ipc_close(&c);
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].about == NAMED)
			check_named(i);
		else if (cases[i].about == SELECTED)
			check_selected(i);
	}
}

/* Whatever number a session names: that something happened is not for those who may not read it. */
static void watching_needs_the_right_to_read(void **state)
{
	struct ipc a = login(alice), b = login(bob);
	Sekisho__AppendAnswer *appended = NULL;
	fresh_project();
	give_bob("lr");
	Sekisho__SelectAsk select = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *opened = NULL;
	select.name = AS_BOB;
	assert_int_equal(ASK(&b, SELECT, &select, &opened), OK);
	uint64_t id = opened->mailbox->id;
	assert_int_equal(ASK(&b, UNSELECT, NULL, NULL), OK);
	static const char *const rights[] = {"lr", "l", "r", "lrs", "none"};
	for (size_t i = 0; i < COUNT(rights); i++) {
		bool may = strstr(rights[i], "lr") != NULL;
		give_bob(rights[i]);
		Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
		Sekisho__WatchedAnswer *news = NULL;
		ask.mailboxes = &id;
		ask.n_mailboxes = 1;
		assert_int_equal(ASK(&b, WATCH, &ask, NULL), OK);
		b.notes = 0;
		assert_int_equal(do_append(&kit, &a, BOX, "Subject: x\r\n\r\nx\r\n", &appended), OK);
		assert_int_equal(ASK(&b, WATCHED, NULL, &news), OK);
		if ((b.notes & NOTE_WATCH) != (may ? NOTE_WATCH : 0) || news->n_mailboxes != may ||
		    news->names)
			fail_msg("%s: note %d, %zu mailboxes, names %d", rights[i],
			    (b.notes & NOTE_WATCH) != 0, news->n_mailboxes, news->names);
	}
	/* Taken away: it is heard once that names have changed, and no more. */
	for (int i = 0; i < 2; i++) {
		Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
		Sekisho__WatchedAnswer *news = NULL;
		ask.mailboxes = &id;
		ask.n_mailboxes = 1;
		if (!i) {
			give_bob("lr");
			assert_int_equal(ASK(&b, WATCH, &ask, NULL), OK);
			give_bob("none");
		}
		assert_int_equal(do_append(&kit, &a, BOX, "Subject: x\r\n\r\nx\r\n", &appended), OK);
		assert_int_equal(ASK(&b, WATCHED, NULL, &news), OK);
		assert_int_equal(news->n_mailboxes, 0);
		assert_int_equal(news->names, i == 0);
	}
	ipc_close(&a);
	ipc_close(&b);
}

/* ---- lists ---- */

/* The names a session sees, those of others only, with "," between them. */
static const char *others_seen_by(int64_t account)
{
	static char text[4000];
	struct ipc c = login(account);
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *answer = NULL;
	ask.with_status = ask.with_rights = true;
	text[0] = 0;
	enum result r = ASK(&c, MAILBOXES, &ask, &answer);
	while (r == OK) {
		for (size_t i = 0; i < answer->n_mailboxes; i++) {
			const Sekisho__Mailbox *m = answer->mailboxes[i];
			if (!access_is_reserved(slice_str(m->name)))
				continue;
			size_t n = strlen(text);
			snprintf(text + n, sizeof text - n, "%s%s%s%s", n ? "," : "", m->name,
			    m->noselect ? "" : ":", m->noselect ? "" : m->rights);
			assert_true(m->noselect || !m->no_status || !strchr(m->rights, 'r'));
		}
		if (!c.more)
			break;
		r = ipc_more(&c, &mem, &answer, NULL);
	}
	ipc_close(&c);
	return text;
}

#define LEVELS "Other Users,Other Users/alice@here.example,"

static void names_do_not_leak(void **state)
{
	fresh_project();
	give_bob("none");
	grant("alice@here.example", BOX, "carol@here.example", "none", false);
	assert_string_equal(others_seen_by(bob), "");
	give_bob("rswi");
	assert_string_equal(others_seen_by(bob), "");
	give_bob("lr");
	assert_string_equal(others_seen_by(bob), LEVELS AS_BOB ":lr");
	assert_string_equal(others_seen_by(carol), "");
	struct ipc c = login(alice);
	assert_int_equal(do_create(&c, "Secret/Inside", ""), OK);
	ipc_close(&c);
	grant("alice@here.example", "Secret/Inside", "bob@here.example", "l", false);
	assert_string_equal(others_seen_by(bob),
	    LEVELS AS_BOB ":lr,Other Users/alice@here.example/Secret,"
			  "Other Users/alice@here.example/Secret/Inside:l");
	/* Whatever way bob tries, what he may not look up answers as what does not exist. */
	static const char *const tries[] = {"Other Users", "Other Users/", "Other Users/alice@here.example",
	    "Other Users/alice@here.example/", "Other Users/alice@here.example/INBOX",
	    "Other Users/alice@here.example/Secret", "Other Users/bob@here.example/INBOX",
	    "Other Users/nobody@here.example/INBOX", "Other Users/@here.example/INBOX",
	    "Other Users/alice/INBOX", "Other Users//INBOX", "Shared/alice@here.example/INBOX",
	    "Other Users/alice@here.example/../Project"};
	c = login(bob);
	for (size_t i = 0; i < COUNT(tries); i++) {
		if (do_name(&c, ASK_STORE_STATUS, tries[i]) != GONE)
			fail_msg("%s: %s", tries[i], c.why);
		if (do_create(&c, tries[i], "") != DENY)
			fail_msg("create %s: %s", tries[i], c.why);
	}
	ipc_close(&c);
	store_kit_must(&kit, "mailbox.revoke",
	    "{\"address\":\"alice@here.example\",\"mailbox\":\"Secret/"
	    "Inside\",\"who\":\"bob@here.example\"}");
	give_bob("none");
}

static void groups_count_and_denials_win(void **state)
{
	fresh_project();
	give_bob("none");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"inner@here.example\",\"member\":[\"bob@here.example\"]}");
	store_kit_must(&kit, "group.add",
	    "{\"address\":\"team@here.example\",\"member\":[\"inner@here.example\",\"carol@here.example\"]}");
	grant("alice@here.example", BOX, "group:team@here.example", "lrs", false);
	assert_string_equal(others_seen_by(bob), LEVELS AS_BOB ":lrs");
	assert_string_equal(others_seen_by(carol), LEVELS AS_BOB ":lrs");
	grant("alice@here.example", BOX, "bob@here.example", "wi", false);
	assert_string_equal(others_seen_by(bob), LEVELS AS_BOB ":lrswi");
	grant("alice@here.example", BOX, "anyone", "p", false);
	grant("alice@here.example", BOX, "bob@here.example", "s", true);
	assert_string_equal(others_seen_by(bob), LEVELS AS_BOB ":lrwip");
	assert_string_equal(others_seen_by(carol), LEVELS AS_BOB ":lrsp");
	grant("alice@here.example", BOX, "group:inner@here.example", "l", true);
	assert_string_equal(others_seen_by(bob), "");
	/* A group that is gone, and one that is made anew, give nothing. */
	store_kit_must(&kit, "group.remove", "{\"address\":\"team@here.example\"}");
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"team@here.example\",\"member\":[\"carol@here.example\"]}");
	assert_string_equal(others_seen_by(carol), "");
	store_kit_must(&kit, "group.remove", "{\"address\":\"inner@here.example\"}");
	give_bob("none");
	grant("alice@here.example", BOX, "anyone", "none", false);
}

static enum result get_metadata(struct ipc *c, const char *mailbox, const char *entry, const char *want)
{
	Sekisho__MetadataAsk ask = SEKISHO__METADATA_ASK__INIT;
	Sekisho__MetadataAnswer *answer = NULL;
	char *entries[] = {(char *)(uintptr_t)entry};
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.entries = entries;
	ask.n_entries = 1;
	enum result r = ASK(c, METADATA, &ask, &answer);
	if (r == OK && want)
		assert_true(answer->n_entries == 1 &&
			    slice_eq(slice_of(answer->entries[0]->value.data, answer->entries[0]->value.len),
				slice_str(want)));
	if (r == OK && !want)
		assert_int_equal(answer->n_entries, 0);
	return r;
}

static enum result set_metadata(struct ipc *c, const char *mailbox, const char *entry, const char *value)
{
	Sekisho__SetMetadataAsk ask = SEKISHO__SET_METADATA_ASK__INIT;
	Sekisho__MetadataEntry e = SEKISHO__METADATA_ENTRY__INIT, *entries[] = {&e};
	e.name = (char *)(uintptr_t)entry;
	e.has_value = value != NULL;
	if (value)
		e.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.entries = entries;
	ask.n_entries = 1;
	return ASK(c, SET_METADATA, &ask, NULL);
}

static void metadata_needs_some_right(void **state)
{
	static const char shared[] = "/shared/comment", private[] = "/private/comment";
	struct ipc a = login(alice), b = login(bob);
	fresh_project();
	assert_int_equal(set_metadata(&a, BOX, shared, "計画"), OK);
	assert_int_equal(set_metadata(&a, BOX, private, "mine"), OK);
	static const char *const hidden[] = {"none", "r", "swite"};
	for (size_t i = 0; i < COUNT(hidden); i++) {
		give_bob(hidden[i]);
		assert_int_equal(get_metadata(&b, AS_BOB, shared, NULL), GONE);
		assert_int_equal(set_metadata(&b, AS_BOB, private, "x"), GONE);
	}
	give_bob("lka");
	assert_int_equal(get_metadata(&b, AS_BOB, shared, NULL), DENY);
	assert_int_equal(set_metadata(&b, AS_BOB, private, "x"), DENY);
	give_bob("lr");
	assert_int_equal(get_metadata(&b, AS_BOB, shared, "計画"), OK);
	assert_int_equal(get_metadata(&b, AS_BOB, private, NULL), OK);
	assert_int_equal(set_metadata(&b, AS_BOB, private, "bob's"), OK);
	assert_int_equal(get_metadata(&b, AS_BOB, private, "bob's"), OK);
	assert_int_equal(get_metadata(&a, BOX, private, "mine"), OK);
	assert_int_equal(set_metadata(&b, AS_BOB, shared, "changed"), DENY);
	give_bob("lw");
	assert_int_equal(set_metadata(&b, AS_BOB, "/SHARED/Comment", "changed"), OK);
	assert_int_equal(get_metadata(&a, BOX, shared, "changed"), OK);
	/* The server's: one's own, and what the server itself says. */
	assert_int_equal(set_metadata(&b, "", private, "b"), OK);
	assert_int_equal(get_metadata(&a, "", private, NULL), OK);
	assert_int_equal(set_metadata(&b, "", shared, "b"), DENY);
	assert_int_equal(get_metadata(&b, "", "/shared/admin", "mailto:postmaster@mx.here.example"), OK);
	give_bob("none");
	ipc_close(&a);
	ipc_close(&b);
}

/* ---- work ---- */

static void a_shared_mailbox_works(void **state)
{
	store_kit_must(&kit, "shared.add", "{\"address\":\"info@here.example\"}");
	grant("info@here.example", "INBOX", "bob@here.example", "write", false);
	grant("info@here.example", "INBOX", "carol@here.example", "read", false);
	assert_int_equal(store_kit_login(&kit, (uint64_t)carol + 1, "imap").fd, -1);
	char *text = kit_message("offer", 300);
	assert_int_equal(deliver(&kit, "x@there.example", "info@here.example", text), OK);
	free(text);
	struct ipc b = login(bob), c = login(carol);
	Sekisho__SelectAnswer *answer = do_select(&c, "Shared/info@here.example/INBOX");
	assert_string_equal(answer->mailbox->name, "Shared/info@here.example/INBOX");
	assert_string_equal(answer->mailbox->rights, "lrs");
	do_select(&b, "Shared/info@here.example/INBOX");
	/* What one marks the other sees: the flags are the mailbox's. */
	do_flags(&b, 1, 1, SEKISHO__FLAGS_ASK__MODE__ADD,
	    SEKISHO__FLAG__FLAG_FLAGGED | SEKISHO__FLAG__FLAG_SEEN, "$done");
	Sekisho__SyncAnswer *news = do_sync(&c, answer->status->highestmodseq, 2);
	assert_int_equal(news->n_changes, 1);
	assert_int_equal(news->changes[0]->flags, SEKISHO__FLAG__FLAG_FLAGGED | SEKISHO__FLAG__FLAG_SEEN);
	/* Of what carol asks only \Seen is hers to change. */
	Sekisho__FlagsAnswer *flags =
	    do_flags(&c, 1, 1, SEKISHO__FLAGS_ASK__MODE__REPLACE, SEKISHO__FLAG__FLAG_DELETED, NULL);
	assert_int_equal(flags->changes[0]->flags, SEKISHO__FLAG__FLAG_FLAGGED);
	assert_int_equal(flags->changes[0]->keywords, 1);
	/* A mailbox below has the list of the one above; and one at the top that of INBOX. */
	assert_int_equal(do_create(&b, "Shared/info@here.example/Done/2026", ""), OK);
	assert_string_equal(others_seen_by(carol),
	    "Shared,Shared/info@here.example,Shared/info@here.example/Done:lrs,"
	    "Shared/info@here.example/Done/2026:lrs,Shared/info@here.example/INBOX:lrs");
	assert_int_equal(do_create(&c, "Shared/info@here.example/Mine", ""), DENY);
	/* Between owners, both ways. */
	Sekisho__CopyAnswer *copied = NULL;
	assert_int_equal(do_copy(&b, 1, 1, "Shared/info@here.example/Done/2026", false, &copied), OK);
	uint64_t before = do_status(&b, "Archive")->highestmodseq;
	assert_int_equal(do_copy(&b, 1, 1, "Archive", true, &copied), OK);
	assert_int_equal(do_status(&b, "Archive")->messages, 1);
	assert_true(do_status(&b, "Archive")->highestmodseq > before);
	assert_int_equal(do_status(&b, "Shared/info@here.example/INBOX")->messages, 0);
	do_select(&b, "Archive");
	assert_int_equal(do_copy(&b, 1, 1, "Shared/info@here.example/INBOX", false, &copied), OK);
	static struct rows rows;
	assert_int_equal(do_fetch(&c, 2, 1, SEKISHO__WANT__WANT_BODY, true, &rows), OK);
	assert_int_equal(rows.n, 1);
	assert_true(rows.v[0]->has_body);
	/* Subscriptions are one's own, by the name one knows. */
	assert_int_equal(do_name(&c, ASK_STORE_SUBSCRIBE, "Shared/info@here.example/INBOX"), OK);
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *list = NULL;
	assert_int_equal(ASK(&c, MAILBOXES, &ask, &list), OK);
	assert_int_equal(list->n_subscribed_missing, 0);
	unsigned subscribed = 0;
	for (size_t i = 0; i < list->n_mailboxes; i++)
		subscribed += list->mailboxes[i]->subscribed &&
			      strcmp(list->mailboxes[i]->name, "Shared/info@here.example/INBOX") == 0;
	assert_int_equal(subscribed, 1);
	/* Another owner's mailbox is not renamed into one's own, nor given a use. */
	assert_int_equal(do_rename(&b, "Shared/info@here.example/Done", "Done"), DENY);
	assert_int_equal(do_create(&b, "Shared/info@here.example/S", "\\Sent"), DENY);
	assert_int_equal(do_rename(&b, "Shared/info@here.example/Done", "Shared/info@here.example/Old"), OK);
	assert_int_equal(do_status(&b, "Shared/info@here.example/Old/2026")->messages, 1);
	/* What is taken away takes effect on who has it open. */
	grant("info@here.example", "INBOX", "carol@here.example", "none", false);
	assert_int_equal(ipc_poll(&c), OK);
	assert_true(c.notes & NOTE_MAILBOX);
	assert_true(do_sync(&c, 0, 1)->gone);
	ipc_close(&b);
	ipc_close(&c);
	store_kit_must(&kit, "shared.remove", "{\"address\":\"info@here.example\"}");
	assert_string_equal(others_seen_by(bob), "");
}

static void nobody_takes_a_name_of_the_shared_ones(void **state)
{
	struct ipc c = login(bob);
	assert_int_equal(do_create(&c, "Shared", ""), DENY);
	assert_int_equal(do_create(&c, "shared/x", ""), DENY);
	assert_int_equal(do_create(&c, "Other Users/x", ""), DENY);
	assert_int_equal(do_create(&c, "Sharedness", ""), OK);
	assert_int_equal(do_rename(&c, "Sharedness", "Shared/me"), DENY);
	assert_int_equal(do_rename(&c, "INBOX", "Other Users/bob@here.example/x"), DENY);
	ipc_close(&c);
}

/* An owner keeps every right, whatever a list says; and what a list says goes with the mailbox. */
static void lists_end_with_their_mailbox(void **state)
{
	fresh_project();
	give_bob("all");
	struct ipc b = login(bob), a = login(alice);
	Sekisho__SetRightsAsk ask = SEKISHO__SET_RIGHTS_ASK__INIT;
	ask.mailbox = AS_BOB;
	ask.who = "alice@here.example";
	ask.rights = "";
	assert_int_equal(ASK(&b, SET_RIGHTS, &ask, NULL), DENY);
	ask.who = "-alice@here.example";
	ask.rights = "lrswipkxtea";
	assert_int_equal(ASK(&b, SET_RIGHTS, &ask, NULL), DENY);
	ask.who = "anyone";
	ask.rights = "z";
	assert_int_equal(ASK(&b, SET_RIGHTS, &ask, NULL), BAD);
	assert_int_equal(do_name(&a, ASK_STORE_DELETE, BOX), OK);
	assert_int_equal(do_create(&a, BOX, ""), OK);
	assert_string_equal(others_seen_by(bob), "");
	ipc_close(&a);
	ipc_close(&b);
}

/* ---- sending for others, and who leaves ---- */

static enum result sender(const char *local, bool *behalf_out)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)bob, "submission");
	Sekisho__SenderAsk ask = SEKISHO__SENDER_ASK__INIT;
	Sekisho__SenderAnswer *answer = NULL;
	Sekisho__Addr a = SEKISHO__ADDR__INIT;
	a.local = (ProtobufCBinaryData){strlen(local), (uint8_t *)(uintptr_t)local};
	a.domain = (ProtobufCBinaryData){12, (uint8_t *)(uintptr_t) "here.example"};
	ask.sender = &a;
	enum result r = ASK(&c, SENDER, &ask, &answer);
	*behalf_out = r == OK && answer->behalf;
	if (r == OK)
		assert_string_equal(answer->user, "bob@here.example");
	ipc_close(&c);
	return r;
}

static void sending_for_others(void **state)
{
	bool behalf;
	enum result r;
	store_kit_must(&kit, "shared.add", "{\"address\":\"desk@here.example\"}");
	assert_int_equal(sender("desk", &behalf), DENY);
	store_kit_must(&kit, "delegate.add",
	    "{\"address\":\"desk@here.example\",\"who\":\"bob@here.example\",\"mode\":\"behalf\"}");
	assert_int_equal(sender("desk", &behalf), OK);
	assert_true(behalf);
	assert_int_equal(sender("Desk+x", &behalf), OK);
	assert_int_equal(sender("alice", &behalf), DENY);
	store_kit_must(
	    &kit, "group.add", "{\"address\":\"crew@here.example\",\"member\":[\"bob@here.example\"]}");
	store_kit_must(&kit, "delegate.add",
	    "{\"address\":\"desk@here.example\",\"who\":\"group:crew@here.example\",\"mode\":\"as\"}");
	assert_int_equal(sender("desk", &behalf), OK);
	assert_false(behalf);
	assert_int_equal(sender("bob", &behalf), OK);
	assert_false(behalf);
	/* What was sent tells who sent it. */
	struct ipc c = store_kit_login(&kit, (uint64_t)bob, "submission");
	struct kit_envelope e = {.from = "desk@here.example", .to = {"alice@here.example"}};
	assert_int_equal(kit_deliver_text(&kit, &c, &e, "From: desk@here.example\r\n\r\nx\r\n"), OK);
	ipc_close(&c);
	json_t *v = store_kit_admin(&kit, "trace", "{\"from\":\"bob@here.example\"}", &r);
	char *text = json_dumps(v, 0);
	assert_non_null(strstr(text, "\"sent_by\": \"bob@here.example\""));
	assert_non_null(strstr(text, "desk@here.example"));
	free(text);
	json_decref(v);
	store_kit_must(&kit, "delegate.remove",
	    "{\"address\":\"desk@here.example\",\"who\":\"group:crew@here.example\"}");
	assert_int_equal(sender("desk", &behalf), OK);
	assert_true(behalf);
	/* An address that is given anew is nobody's to send for. */
	store_kit_must(&kit, "shared.remove", "{\"address\":\"desk@here.example\"}");
	store_kit_must(&kit, "shared.add", "{\"address\":\"desk@here.example\"}");
	assert_int_equal(sender("desk", &behalf), DENY);
	store_kit_must(&kit, "shared.remove", "{\"address\":\"desk@here.example\"}");
	json_decref(store_kit_admin(&kit, "delegate.add",
	    "{\"address\":\"alice@here.example\",\"who\":\"anyone\",\"mode\":\"as\"}", &r));
	assert_int_equal(r, GONE);
	store_kit_must(&kit, "group.remove", "{\"address\":\"crew@here.example\"}");
}

static void who_leaves_hands_over(void **state)
{
	enum result r;
	int64_t dave = store_kit_account(&kit, "dave@here.example");
	assert_true(dave > 0);
	store_kit_must(
	    &kit, "account.handover", "{\"address\":\"dave@here.example\",\"to\":\"carol@here.example\"}");
	store_kit_must(&kit, "account.suspend", "{\"address\":\"dave@here.example\"}");
	struct ipc c = login(carol);
	assert_string_equal(do_select(&c, "Other Users/dave@here.example/INBOX")->mailbox->rights, "lr");
	assert_int_equal(try_append(&c, "Other Users/dave@here.example/INBOX"), DENY);
	assert_int_equal(do_status(&c, "Other Users/dave@here.example/Sent")->messages, 0);
	json_t *v = store_kit_admin(&kit, "account.show", "{\"address\":\"dave@here.example\"}", &r);
	const json_t *handed = json_array_get(json_object_get(v, "handed_to"), 0);
	assert_string_equal(json_string_value(json_object_get(handed, "to")), "carol@here.example");
	assert_true(json_integer_value(json_object_get(handed, "at_ms")) > 0);
	json_decref(v);
	ipc_close(&c);
	store_kit_must(&kit, "account.remove", "{\"address\":\"dave@here.example\"}");
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_ask_of_a_session_is_here),
	    cmocka_unit_test(every_ask_needs_its_rights),
	    cmocka_unit_test(watching_needs_the_right_to_read),
	    cmocka_unit_test(names_do_not_leak),
	    cmocka_unit_test(groups_count_and_denials_win),
	    cmocka_unit_test(metadata_needs_some_right),
	    cmocka_unit_test(sending_for_others),
	    cmocka_unit_test(who_leaves_hands_over),
	    cmocka_unit_test(a_shared_mailbox_works),
	    cmocka_unit_test(nobody_takes_a_name_of_the_shared_ones),
	    cmocka_unit_test(lists_end_with_their_mailbox),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
