/* Somebody has a password and looks for a way to use it: each test is one way, and how far it leads. */
#include "contain_help.h"
#include "store/admin/admin.h"
#include <pthread.h>

static int64_t account_named(const char *name)
{
	char args[120];
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\"}", name);
	return store_kit_must(&kit, "account.add", args);
}

static json_int_t left(const char *name, const char *context)
{
	char args[120];
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\"}", name);
	json_t *b = ask("budget.show", args);
	json_int_t n = json_integer_value(json_object_get(json_object_get(b, "left"), context));
	json_decref(b);
	return n;
}

static size_t held_of(const char *name)
{
	char args[120];
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\",\"limit\":5000}", name);
	return count("hold.list", args);
}

/* The account is let go again, with nothing left to be sent. */
static void clean(const char *name)
{
	char args[120];
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\",\"open\":true}", name);
	json_t *v = ask("incident.list", args);
	json_int_t id = json_integer_value(json_object_get(json_array_get(v, 0), "id"));
	json_decref(v);
	if (id) {
		open_incident("told");
		end(id, "incident.restore", ",\"held\":\"none\"");
	}
	empty_queue();
}

/* Friends are strangers to what is written to them in a stolen name. */
static void he_writes_to_friends_first(void **state)
{
	int64_t account = account_named("friendly");
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	char to[60];
	/* 400 people, known from ordinary days. */
	for (int day = 0; day < 5; day++) {
		clock_shift(day * 86400);
		struct ipc home = login_from(account, CONTEXT_FAMILIAR);
		for (int i = 0; i < 80; i++) {
			clock_shift(day * 86400 + i * 240);
			snprintf(to, sizeof to, "friend%d@there.example", day * 80 + i);
			assert_int_equal(send_to(&home, "friendly@here.example", to, NULL, NULL), OK);
		}
		ipc_close(&home);
		relay_all(&relay);
	}
	assert_int_equal(held_of("friendly"), 0);
	clock_shift(7 * 86400);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	unsigned sent = 0, i = 0;
	for (; i < 400; i++) {
		clock_shift(7 * 86400 + i * 40); /* fifteen in ten minutes: no faster than its owner */
		snprintf(to, sizeof to, "friend%u@there.example", i);
		if (send_to(&c, "friendly@here.example", to, NULL, NULL) != OK)
			break;
		sent += relay_all(&relay);
	}
	clock_shift(7 * 86400 + i * 40 + 3600);
	sent += relay_all(&relay);
	print_message("friends: %u of %u reached\n", sent, i);
	assert_true(sent <= 100);
	assert_true(held_of("friendly") >= 290);
	ipc_close(&c);
	ipc_close(&relay);
	clean("friendly");
}

/* At full speed and with one text he is stopped before. */
static void he_writes_one_text_to_friends(void **state)
{
	int64_t account = account_named("loved");
	struct ipc home = login_from(account, CONTEXT_FAMILIAR);
	char to[60];
	clock_shift(0);
	for (int i = 0; i < 60; i++) {
		clock_shift(i * 240);
		snprintf(to, sizeof to, "pal%d@there.example", i);
		assert_int_equal(send_to(&home, "loved@here.example", to, NULL, NULL), OK);
	}
	ipc_close(&home);
	empty_queue();
	clock_shift(3 * 86400);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	unsigned i = 0;
	for (; i < 60; i++) {
		snprintf(to, sizeof to, "pal%u@there.example", i);
		if (send_to(&c, "loved@here.example", to, NULL, offer) != OK)
			break;
	}
	assert_true(i < 60);
	assert_true(waiting() <= 20);
	ipc_close(&c);
	clean("loved");
}

static void an_address_that_leads_elsewhere_is_who_is_there(void **state)
{
	char args[4000];
	size_t n = (size_t)snprintf(args, sizeof args, "{\"address\":\"partners@here.example\",\"member\":[");
	for (int i = 0; i < 30; i++)
		n += (size_t)snprintf(
		    args + n, sizeof args - n, "%s\"partner%d@there.example\"", i ? "," : "", i);
	snprintf(args + n, sizeof args - n, "]}");
	store_kit_must(&kit, "group.add", args);
	int64_t account = account_named("grouper");
	clock_shift(10 * 86400);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	assert_int_equal(send_to(&c, "grouper@here.example", "partners@here.example", NULL, NULL), OK);
	assert_int_equal(waiting(), 0);
	assert_int_equal(held_of("grouper"), 1);
	ipc_close(&c);
	clean("grouper");
	/* At home it goes, and is known from then on. */
	kit.epoch = 1;
	struct ipc home = login_from(account, CONTEXT_FAMILIAR);
	kit.epoch = 0;
	json_int_t before = left("grouper", "familiar");
	assert_int_equal(send_to(&home, "grouper@here.example", "partners@here.example", NULL, NULL), OK);
	assert_int_equal(waiting(), 30);
	json_int_t after = left("grouper", "familiar");
	assert_true(before - after >= 30);
	assert_int_equal(send_to(&home, "grouper@here.example", "partners@here.example", NULL, NULL), OK);
	assert_int_equal(left("grouper", "familiar"), after);
	ipc_close(&home);
	clean("grouper");
}

static void other_spellings_are_counted(void **state)
{
	int64_t account = account_named("speller");
	clock_shift(12 * 86400);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	static const char *const one[] = {"v@there.example", "V@There.Example", "v@THERE.EXAMPLE"};
	for (size_t i = 0; i < COUNT(one); i++)
		assert_int_equal(send_to(&c, "speller@here.example", one[i], NULL, NULL), OK);
	assert_int_equal(left("speller", "abroad"), 9);
	/* What elsewhere may be one mailbox is many here: each costs. */
	for (int i = 0; i < 12; i++) {
		char to[60];
		snprintf(to, sizeof to, "v+%d@there.example", i);
		assert_int_equal(send_to(&c, "speller@here.example", to, NULL, NULL), OK);
	}
	assert_int_equal(left("speller", "abroad"), 0);
	assert_int_equal(
	    held_of("speller"), 13); /* the eleventh was too many, and what waited was held with it */
	ipc_close(&c);
	clean("speller");
}

/* ---- at the same time, over a restart, over the days ---- */

#define AT_ONCE 24 /* sessions */
struct one_of_many {
	struct ipc c;
	struct arena mem;
	pthread_t thread;
	unsigned n;
};

static void *send_some(void *arg)
{
	struct one_of_many *o = arg;
	for (unsigned i = 0; i < 9; i++) { /* each less than it may */
		char to[60], text[300];
		snprintf(to, sizeof to, "many%u.%u@there.example", o->n, i);
		snprintf(text, sizeof text,
		    "From: <racer@here.example>\r\nMessage-ID: <race%u.%u@here.example>\r\nSubject: "
		    "s\r\n\r\nx\r\n",
		    o->n, i);
		result_ignore(kit_deliver_text(
		    &kit, &o->c, &(struct kit_envelope){.from = "racer@here.example", .to = {to}}, text));
	}
	return NULL;
}

static void many_sessions_share_one_budget(void **state)
{
	static struct one_of_many all[AT_ONCE];
	int64_t account = account_named("racer");
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	clock_shift(14 * 86400);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		all[i].n = i;
		all[i].c = login_from(account, i % 2 ? CONTEXT_ABROAD : CONTEXT_NEW_NETWORK);
	}
	for (unsigned i = 0; i < AT_ONCE; i++)
		assert_int_equal(pthread_create(&all[i].thread, NULL, send_some, &all[i]), 0);
	for (unsigned i = 0; i < AT_ONCE; i++)
		pthread_join(all[i].thread, NULL);
	unsigned sent = relay_all(&relay);
	print_message("%u sessions at once: %u reached\n", AT_ONCE, sent);
	assert_true(sent <= 40);
	for (unsigned i = 0; i < AT_ONCE; i++)
		ipc_close(&all[i].c);
	ipc_close(&relay);
	clean("racer");
}

static void a_restart_gives_nothing_back(void **state)
{
	int64_t account = account_named("patient");
	clock_shift(16 * 86400);
	for (int round = 0; round < 3; round++) {
		struct ipc c = login_from(account, CONTEXT_ABROAD);
		for (unsigned i = 0; i < 5; i++)
			result_ignore(spam(&c, "patient@here.example", 700000 + 10 * (unsigned)round + i));
		ipc_close(&c);
		store_kit_close(&kit);
		assert_int_equal(store_kit_open(&kit, 4), OK);
	}
	assert_true(waiting() <= 10);
	assert_true(held_of("patient") >= 5);
	assert_int_equal(left("patient", "abroad"), 0);
	/* Nor does a clock that is set back. */
	clock_shift(15 * 86400);
	assert_int_equal(left("patient", "abroad"), 0);
	clock_shift(16 * 86400);
	clean("patient");
}

/* A week of ordinary mail from abroad, eight strangers a day, then all at once. */
static void a_week_of_patience_wins_nothing(void **state)
{
	int64_t account = account_named("week");
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	for (int day = -20; day < 0; day++) { /* the owner */
		clock_shift((40 + day) * 86400);
		struct ipc home = login_from(account, CONTEXT_FAMILIAR);
		assert_int_equal(send_to(&home, "week@here.example", "friend@there.example", NULL, NULL), OK);
		ipc_close(&home);
	}
	for (int day = 0; day < 7; day++) {
		clock_shift((40 + day) * 86400);
		struct ipc c = login_from(account, CONTEXT_ABROAD);
		for (unsigned i = 0; i < 8; i++) {
			clock_shift((40 + day) * 86400 + i * 1800);
			assert_int_equal(spam(&c, "week@here.example", 800000 + 10 * (unsigned)day + i), OK);
		}
		ipc_close(&c);
		relay_all(&relay);
	}
	assert_int_equal(held_of("week"), 0); /* too little to be a sign */
	clock_shift(47 * 86400 + 8 * 3600);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	for (unsigned i = 0; i < 200 && spam(&c, "week@here.example", 801000 + i) == OK; i++)
		;
	unsigned sent = relay_all(&relay);
	print_message("after a week: %u reached\n", sent);
	assert_true(sent <= 20);
	ipc_close(&c);
	ipc_close(&relay);
	clean("week");
}

/* ---- by filters ---- */

static void by_filter(const char *name, const char *script)
{
	char args[600];
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\",\"name\":\"f\",\"text\":\"%s\"}", name,
	    script);
	store_kit_must(&kit, "sieve.put", args);
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\",\"name\":\"f\"}", name);
	store_kit_must(&kit, "sieve.activate", args);
}

static void answers_cost_nothing(void **state)
{
	account_named("away");
	clock_shift(60 * 86400);
	by_filter("away", "require \\\"vacation\\\"; vacation \\\"I am away\\\";");
	for (int i = 0; i < 130; i++) {
		char from[60], text[300];
		snprintf(from, sizeof from, "caller%d@there.example", i);
		snprintf(text, sizeof text,
		    "From: <%s>\r\nTo: <away@here.example>\r\nMessage-ID: <call%d@there.example>\r\nSubject: "
		    "s\r\n\r\nx\r\n",
		    from, i);
		assert_int_equal(deliver(&kit, from, "away@here.example", text), OK);
	}
	assert_true(waiting() >= 120);
	assert_int_equal(left("away", "familiar"), 100);
	assert_int_equal(held_of("away"), 0);
	assert_int_equal(count("incident.list", "{\"address\":\"away@here.example\"}"), 0);
	clean("away");
}

/* Where a filter takes addresses from what comes in, mail from outside names the victims. */
static void redirects_draw_from_the_budget(void **state)
{
	account_named("relayer");
	clock_shift(64 * 86400);
	by_filter("relayer", "require [\\\"variables\\\"]; if header :matches \\\"Subject\\\" \\\"to *\\\" { "
			     "redirect \\\"${1}\\\"; }");
	for (int i = 0; i < 130; i++) {
		char text[300];
		snprintf(text, sizeof text,
		    "From: <thief@there.example>\r\nTo: <relayer@here.example>\r\nMessage-ID: "
		    "<r%d@there.example>\r\n"
		    "Subject: to redirected%d@there.example\r\n\r\nx\r\n",
		    i, i);
		assert_int_equal(deliver(&kit, "thief@there.example", "relayer@here.example", text), OK);
	}
	assert_true(waiting() <= 100);
	assert_true(held_of("relayer") >= 30);
	clean("relayer");
}

/* ---- what is taken away, and what others say ---- */

static void whoever_takes_all_mail_away_is_seen(void **state)
{
	static const char who[] = "{\"address\":\"read@here.example\"}";
	int64_t account = account_named("read");
	struct rows all = {0};
	clock_shift(80 * 86400); /* nobody is new any more */
	for (int i = 0; i < 150; i++)
		assert_int_equal(deliver(&kit, "a@there.example", "read@here.example",
				     "From: <a@there.example>\r\nSubject: s\r\n\r\nsecret\r\n"),
		    OK);
	clock_shift(100 * 86400);
	kit.ip = "198.51.100.7";
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "imap");
	kit.ip = NULL;
	do_select(&c, "INBOX");
	assert_int_equal(do_fetch(&c, 1, 90, SEKISHO__WANT__WANT_BODY, false, &all), OK);
	json_decref(ask("quota.show", who)); /* whatever was to be written is */
	json_t *b = ask("budget.show", who);
	assert_string_equal(json_string_value(json_object_get(b, "level")), "calm");
	json_decref(b);
	assert_int_equal(do_fetch(&c, 91, 60, SEKISHO__WANT__WANT_BODY, false, &all), OK);
	for (int i = 0; i < 1000; i++) { /* nothing waits for it */
		b = ask("budget.show", who);
		bool seen = strcmp(json_string_value(json_object_get(b, "level")), "watch") == 0;
		json_decref(b);
		if (seen)
			break;
		usleep(10000);
	}
	b = ask("budget.show", who);
	assert_string_equal(json_string_value(json_object_get(b, "level")), "watch");
	json_decref(b);
	ipc_close(&c);
}

static void complain(const char *to, const char *id, const char *from)
{
	char text[1500];
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	snprintf(text, sizeof text,
	    "From: <fbl@there.example>\r\nTo: <%s>\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\n"
	    "This is spam.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
	    "User-Agent: x/1\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	    "From: <%s>\r\nMessage-ID: <%s>\r\n\r\nx\r\n--b--\r\n",
	    to, from, id);
	assert_int_equal(kit_deliver_text(&kit, &mx,
			     &(struct kit_envelope){.from = "fbl@there.example", .to = {to}}, text),
	    OK);
	ipc_close(&mx);
}

static void a_complaint_is_a_sign(void **state)
{
	static const char who[] = "{\"address\":\"blamed@here.example\"}";
	int64_t account = account_named("blamed");
	account_named("postmaster");
	struct ipc c = login_from(account, CONTEXT_FAMILIAR);
	assert_int_equal(
	    kit_deliver_text(&kit, &c,
		&(struct kit_envelope){.from = "blamed@here.example", .to = {"x@there.example"}},
		"From: <blamed@here.example>\r\nMessage-ID: <bad@here.example>\r\nSubject: s\r\n\r\nx\r\n"),
	    OK);
	/* About mail that it did not send, and to somebody whom it does not concern: nothing. */
	complain("abuse@here.example", "never@here.example", "blamed@here.example");
	complain("taro@here.example", "bad@here.example", "blamed@here.example");
	json_t *b = ask("budget.show", who);
	assert_string_equal(json_string_value(json_object_get(b, "level")), "calm");
	json_decref(b);
	complain("abuse@here.example", "bad@here.example", "Blamed@HERE.example");
	b = ask("budget.show", who);
	assert_string_equal(json_string_value(json_object_get(b, "level")), "watch");
	json_decref(b);
	ipc_close(&c);
	empty_queue();
}

/* ---- by powers ---- */

static void nobody_lets_his_own_mail_go(void **state)
{
	int64_t account = account_named("chief");
	clock_shift(70 * 86400);
	store_kit_must(&kit, "role.give", "{\"address\":\"chief@here.example\",\"role\":\"approver\"}");
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	for (unsigned i = 0; i < 12; i++)
		result_ignore(spam(&c, "chief@here.example", 900000 + i));
	open_incident("told");
	json_t *held = ask("hold.list", "{}");
	char args[100];
	snprintf(args, sizeof args, "{\"mail\":[\"%s\"]}",
	    json_string_value(json_object_get(json_array_get(held, 0), "mail")));
	json_decref(held);
	struct powers powers;
	ARENA_LOCAL(a, 1 << 20);
	{
		READER r = reader_begin(kit.store);
		assert_int_equal(powers_of_account(r.db, account, &a, &powers), OK);
	}
	json_t *given = json_loads(args, 0, NULL);
	struct actor actor = {.audit = {.who = "token 1", .role = "approver", .from = ""}};
	struct admin himself = {
	    .store = kit.store, .arena = &a, .args = given, .actor = &actor, .powers = &powers};
	assert_int_equal(admin_run(&himself, "hold.release"), DENY);
	assert_non_null(strstr(himself.why, "somebody else"));
	json_decref(given);
	json_decref(himself.answer);
	json_decref(ask("hold.release", args));
	ipc_close(&c);
	clean("chief");
}

static json_int_t incident_of(const char *name)
{
	char args[120];
	open_incident("told");
	snprintf(args, sizeof args, "{\"address\":\"%s@here.example\",\"open\":true}", name);
	json_t *v = ask("incident.list", args);
	json_int_t id = json_integer_value(json_object_get(json_array_get(v, 0), "id"));
	json_decref(v);
	return id;
}

/* Restored: every credential is over though it was never suspended, and the filter is again what it was. */
static void a_restore_ends_what_was_known(void **state)
{
	int64_t account = account_named("robbed");
	clock_shift(120 * 86400);
	by_filter("robbed", "keep;");
	clock_shift(140 * 86400);
	struct ipc c = login_from(account, CONTEXT_ABROAD);
	by_filter("robbed", "redirect \\\"thief@there.example\\\";");
	struct kit_envelope e = {.from = "robbed@here.example", .to = {"v1@there.example"}};
	for (int i = 0; i < 9; i++)
		assert_int_equal(spam(&c, "robbed@here.example", 950000 + (unsigned)i), OK);
	kit.settings.budget.abroad = 9;
	assert_int_equal(
	    kit_deliver_text(&kit, &c, &e, "From: <robbed@here.example>\r\nSubject: s\r\n\r\nx\r\n"), OK);
	kit.settings.budget.abroad = 10;
	json_int_t id = incident_of("robbed");
	char args[120];
	enum result r;
	snprintf(args, sizeof args, "{\"id\":%lld,\"held\":\"some\"}", (long long)id);
	json_decref(store_kit_admin(&kit, "incident.restore", args, &r));
	assert_int_equal(r, DENY);
	snprintf(args, sizeof args, "{\"id\":%lld}", (long long)id);
	json_t *evidence = ask("incident.evidence", args);
	assert_int_equal(json_string_length(json_object_get(evidence, "digest")), 64);
	json_decref(evidence);
	end(id, "incident.restore", ",\"held\":\"none\",\"filter\":\"former\"");
	json_t *filter = ask("sieve.show", "{\"address\":\"robbed@here.example\",\"name\":\"f\"}");
	assert_string_equal(json_string_value(json_object_get(filter, "text")), "keep;");
	json_decref(filter);
	assert_int_equal(store_kit_login(&kit, (uint64_t)account, "imap").fd, -1);
	kit.epoch = 1;
	struct ipc again = store_kit_login(&kit, (uint64_t)account, "imap");
	kit.epoch = 0;
	assert_true(again.fd >= 0);
	ipc_close(&again);
	ipc_close(&c);
	empty_queue();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(he_writes_to_friends_first),
	    cmocka_unit_test(he_writes_one_text_to_friends),
	    cmocka_unit_test(an_address_that_leads_elsewhere_is_who_is_there),
	    cmocka_unit_test(other_spellings_are_counted),
	    cmocka_unit_test(many_sessions_share_one_budget),
	    cmocka_unit_test(a_restart_gives_nothing_back),
	    cmocka_unit_test(a_week_of_patience_wins_nothing),
	    cmocka_unit_test(answers_cost_nothing),
	    cmocka_unit_test(redirects_draw_from_the_budget),
	    cmocka_unit_test(whoever_takes_all_mail_away_is_seen),
	    cmocka_unit_test(a_complaint_is_a_sign),
	    cmocka_unit_test(nobody_lets_his_own_mail_go),
	    cmocka_unit_test(a_restore_ends_what_was_known),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
