/* Budgets where mail is queued, what is held, and an account that somebody else uses: stopped, told, restored. */
#include "contain_help.h"
#include "ipc/grant.h"
#include "store/queue/deliver.h"

/* ---- budgets ---- */

static void first_time_recipients_are_counted_once(void **state)
{
	struct ipc c = login_from(taro, CONTEXT_FAMILIAR);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    send_to(&c, "taro@here.example", "a@there.example", "A@THERE.example", NULL), OK);
	assert_int_equal(waiting(), 10);
	json_t *b = ask("budget.show", "{\"address\":\"taro@here.example\"}");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(b, "left"), "familiar")), 99);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(b, "left"), "abroad")), 10);
	json_decref(b);
	/* Known to the house: half, at home. Oneself: nothing. */
	struct ipc h = login_from(hanako, CONTEXT_FAMILIAR);
	assert_int_equal(
	    send_to(&h, "hanako@here.example", "a@there.example", "taro@here.example", NULL), OK);
	assert_int_equal(send_to(&h, "hanako@here.example", "hanako@here.example", NULL, NULL), OK);
	b = ask("budget.show", "{\"address\":\"hanako@here.example\"}");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(b, "left"), "familiar")), 99);
	json_decref(b);
	ipc_close(&c);
	ipc_close(&h);
	empty_queue();
}

static void over_budget_is_accepted_and_held_whole(void **state)
{
	int64_t yuki = store_kit_must(&kit, "account.add", "{\"address\":\"yuki@here.example\"}");
	struct ipc c = login_from(yuki, CONTEXT_ABROAD);
	/* Eleven at once: nothing leaves, and the colleague among them gets nothing either. */
	char message[] =
	    "From: <yuki@here.example>\r\nMessage-ID: <bcc@here.example>\r\nSubject: all\r\n\r\nx\r\n";
	struct kit_envelope e = {.from = "yuki@here.example",
	    .to = {"b1@there.example", "b2@there.example", "b3@there.example", "b4@there.example",
		"b5@there.example", "b6@there.example", "b7@there.example", "taro@here.example"}};
	struct ipc t = store_kit_login(&kit, (uint64_t)taro, "imap");
	uint32_t before = do_status(&t, "INBOX")->messages;
	assert_int_equal(kit_deliver_text(&kit, &c, &e, message), OK);
	assert_int_equal(do_status(&t, "INBOX")->messages, before + 1);
	assert_int_equal(waiting(), 7);
	assert_int_equal(send_to(&c, "yuki@here.example", "b8@there.example", "b9@there.example", NULL), OK);
	assert_int_equal(waiting(), 9);
	e.to[7] = "b20@there.example";
	assert_int_equal(kit_deliver_text(&kit, &c, &e, message), OK);
	/* The eleventh is a sign, too: what still waits to strangers is held with it. */
	json_int_t id = open_incident("told");
	assert_int_equal(count("hold.list", "{\"address\":\"yuki@here.example\"}"), 3);
	assert_int_equal(waiting(), 0);
	json_t *held = ask("hold.list", "{}"), *one = json_array_get(held, 2);
	assert_string_equal(json_string_value(json_object_get(one, "account")), "yuki@here.example");
	assert_string_equal(json_string_value(json_object_get(one, "context")), "abroad");
	assert_int_equal(json_array_size(json_object_get(one, "to")), 8);
	char args[60];
	snprintf(args, sizeof args, "{\"mail\":\"%s\"}", json_string_value(json_object_get(one, "mail")));
	json_decref(held);
	/* The trace says why. */
	json_t *trace = ask("trace", args);
	char *text = json_dumps(trace, 0);
	assert_non_null(strstr(text, "held-back"));
	free(text);
	json_decref(trace);
	/* Known ones go on, slower. */
	assert_int_equal(send_to(&c, "yuki@here.example", "b1@there.example", NULL, NULL), OK);
	assert_int_equal(waiting(), 1);
	/* Released, it goes, and its recipients are known. */
	json_decref(ask("hold.release", args));
	assert_int_equal(waiting(), 9);
	assert_int_equal(send_to(&c, "yuki@here.example", "b20@there.example", NULL, NULL), OK);
	assert_int_equal(waiting(), 10);
	assert_int_equal(count("hold.list", "{}"), 2);
	end(id, "incident.false-alarm", "");
	assert_int_equal(waiting(), 19);
	assert_int_equal(count("hold.list", "{}"), 0);
	ipc_close(&c);
	ipc_close(&t);
	empty_queue();
}

static void a_colleague_gets_it_when_it_is_released(void **state)
{
	struct ipc c = login_from(hanako, CONTEXT_ABROAD);
	struct ipc t = store_kit_login(&kit, (uint64_t)taro, "imap");
	uint32_t before = do_status(&t, "INBOX")->messages;
	char message[] =
	    "From: <hanako@here.example>\r\nMessage-ID: <c@here.example>\r\nSubject: all\r\n\r\nx\r\n";
	struct kit_envelope e = {.from = "hanako@here.example",
	    .to = {"d1@there.example", "d2@there.example", "d3@there.example", "d4@there.example",
		"d5@there.example", "d6@there.example", "d7@there.example", "taro@here.example"}};
	clock_shift(2 * 86400);
	kit.settings.budget.abroad = 3;
	assert_int_equal(kit_deliver_text(&kit, &c, &e, message), OK);
	assert_int_equal(do_status(&t, "INBOX")->messages, before);
	assert_int_equal(waiting(), 0);
	json_t *held = ask("hold.list", "{}");
	char args[60];
	snprintf(args, sizeof args, "{\"mail\":[\"%s\"]}",
	    json_string_value(json_object_get(json_array_get(held, 0), "mail")));
	json_decref(held);
	json_decref(ask("hold.release", args));
	for (int i = 0; i < 1000 && do_status(&t, "INBOX")->messages == before; i++)
		usleep(10000);
	assert_int_equal(do_status(&t, "INBOX")->messages, before + 1);
	assert_int_equal(waiting(), 7);
	kit.settings.budget.abroad = 10;
	ipc_close(&c);
	ipc_close(&t);
	end(open_incident("told"), "incident.false-alarm", "");
	empty_queue();
}

/* ---- containment ---- */

static Sekisho__AlarmAnswer *next_alarm(struct ipc *relay)
{
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	Sekisho__AlarmAnswer *answer = NULL;
	assert_int_equal(ASK(relay, ALARM_NEXT, &empty, &answer), OK);
	return answer;
}

static void alarm_done(struct ipc *relay, uint64_t alarm, bool taken)
{
	Sekisho__AlarmDoneAsk done = SEKISHO__ALARM_DONE_ASK__INIT;
	done.alarm = alarm;
	done.taken = taken;
	done.why = (char *)(uintptr_t) "status 503";
	assert_int_equal(ASK(relay, ALARM_DONE, &done, NULL), OK);
}

static void take_all_alarms(struct ipc *relay)
{
	for (Sekisho__AlarmAnswer *a; (a = next_alarm(relay))->alarm;)
		alarm_done(relay, a->alarm, true);
}

/* That of the hold may come first. */
static Sekisho__AlarmAnswer *alarm_of_suspension(struct ipc *relay)
{
	for (int i = 0; i < 1000; i++) {
		Sekisho__AlarmAnswer *a = next_alarm(relay);
		if (a->alarm && strstr(a->json, "account.suspended"))
			return a;
		if (a->alarm)
			alarm_done(relay, a->alarm, true);
		else
			usleep(10000);
	}
	fail_msg("no alarm of a suspension");
	return NULL;
}

static void a_stolen_account_is_stopped(void **state)
{
	clock_shift(4 * 86400);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	take_all_alarms(&relay);
	struct ipc c = login_from(taro, CONTEXT_ABROAD);
	struct ipc reading = store_kit_login(&kit, (uint64_t)taro, "imap");
	unsigned i = 0, accepted = 0;
	for (; i < 1000 && spam(&c, "taro@here.example", i) == OK; i++)
		accepted++;
	assert_true(i < 1000); /* the session was ended */
	assert_true(accepted > 11);
	assert_true(waiting() <= 10);
	json_int_t id = open_incident("told");
	assert_int_equal(waiting(), 0); /* what waited was held too */
	assert_int_equal(store_kit_login(&kit, (uint64_t)taro, "imap").fd, -1);
	assert_int_equal(do_name(&reading, ASK_STORE_STATUS, "INBOX"), STOP);
	char args[60];
	snprintf(args, sizeof args, "{\"id\":%lld}", (long long)id);
	json_t *shown = ask("incident.show", args);
	assert_string_equal(json_string_value(json_object_get(shown, "level")), "suspend");
	assert_true(json_array_size(json_object_get(shown, "signals")) >= 3);
	json_decref(shown);
	/* Whoever is named is told, but not the mailbox itself. */
	Sekisho__AlarmAnswer *alarm = alarm_of_suspension(&relay);
	assert_non_null(strstr(alarm->json, "taro@here.example"));
	alarm_done(&relay, alarm->alarm, false);
	assert_int_equal(next_alarm(&relay)->alarm, 0); /* again later */
	clock_shift(4 * 86400 + 120);
	assert_int_equal(next_alarm(&relay)->alarm, alarm->alarm);
	alarm_done(&relay, alarm->alarm, true);
	for (int k = 0; k < 1000 && waiting() == 0; k++)
		usleep(10000);
	json_t *queue = ask("queue.list", "{\"domain\":\"elsewhere.example\"}");
	assert_true(json_array_size(queue) >= 1);
	json_decref(queue);
	/* Mail for it still comes in. */
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	assert_int_equal(send_to(&mx, "a@there.example", "taro@here.example", NULL, NULL), OK);
	ipc_close(&mx);
	/* Evidence: every recipient, and what became of it. */
	json_t *evidence = ask("incident.evidence", args), *row;
	size_t n, held = 0;
	json_array_foreach(json_object_get(evidence, "recipients"), n, row) held +=
	    strcmp(json_string_value(json_object_get(row, "state")), "held") == 0;
	assert_int_equal(json_array_size(json_object_get(evidence, "recipients")), accepted);
	assert_true(held >= accepted - 10);
	json_decref(evidence);
	/* No way around: to resume is not to restore. */
	static const char *const around[] = {"account.suspend", "account.resume"};
	for (size_t k = 0; k < COUNT(around); k++) {
		enum result refused;
		json_decref(
		    store_kit_admin(&kit, around[k], "{\"address\":\"taro@here.example\"}", &refused));
		assert_int_equal(refused, DENY);
	}
	/* Restored: the password is another matter; what was held for strangers stays held. */
	end(id, "incident.restore", ",\"held\":\"known\"");
	assert_true(count("hold.list", "{\"limit\":1000}") >= accepted - 10);
	assert_int_equal(
	    store_kit_login(&kit, (uint64_t)taro, "imap").fd, -1); /* by the password that leaked */
	kit.epoch = 1;
	struct ipc again = store_kit_login(&kit, (uint64_t)taro, "imap");
	kit.epoch = 0;
	assert_true(again.fd >= 0);
	ipc_close(&again);
	assert_int_equal(number("budget.show", "{\"address\":\"taro@here.example\"}", "held"), accepted);
	enum result r;
	json_decref(store_kit_admin(&kit, "incident.restore", args, &r));
	assert_int_equal(r, DENY); /* over */
	ipc_close(&c);
	ipc_close(&reading);
	ipc_close(&relay);
	empty_queue();
}

static void a_crash_between_steps_is_made_up_for(void **state)
{
	clock_shift(8 * 86400);
	struct ipc c = login_from(hanako, CONTEXT_ABROAD);
	/* As after a kill: the incident is there, none of its steps is done. */
	for (unsigned i = 0; i < 60 && spam(&c, "hanako@here.example", 5000 + i) != STOP; i++)
		;
	ipc_close(&c);
	json_int_t id = open_incident("told");
	store_kit_close(&kit);
	struct db *db;
	assert_int_equal(db_open(&(struct db_place){.dir = kit.dir,
				     .url = kit.settings.database.url,
				     .password = kit.settings.database.password,
				     .ca_file = kit.settings.database.ca_file},
			     true, &db),
	    OK);
	db_begin(db);
	DB_RUN(db, INCIDENT_STEP, DI(id), DI(CONTAIN_HELD));
	DB_RUN(db, ACCOUNT_UNCONTAIN, DI(hanako));
	assert_int_equal(db_commit(db), OK);
	db_close(db);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	open_incident("told");
	assert_int_equal(store_kit_login(&kit, (uint64_t)hanako, "imap").fd, -1);
	end(id, "incident.restore", ",\"held\":\"none\"");
	assert_int_equal(count("hold.list", "{\"address\":\"hanako@here.example\"}"), 0);
	empty_queue();
}

/* ---- attacks that take their time ---- */

static void v4_a_proxy_in_town_three_a_minute(void **state)
{
	struct damage d = play(&(struct attack){"v4", CONTEXT_NEW_NETWORK, 20, 0, 120, 0, offer}, 20 * 86400);
	assert_true(d.sent <= 40);
	/* Each text different, nothing but the budget: the same. */
	d = play(&(struct attack){"v4b", CONTEXT_NEW_NETWORK, 20, 0, 120, 0, NULL}, 22 * 86400);
	assert_true(d.sent <= 40);
}

static void v5_the_own_computer(void **state)
{
	struct damage d = play(&(struct attack){"v5", CONTEXT_FAMILIAR, 0, 0, 150, 0, offer}, 30 * 86400);
	assert_true(d.sent <= 58);
	d = play(&(struct attack){"v5b", CONTEXT_FAMILIAR, 5, 0, 150, 0, NULL}, 32 * 86400);
	assert_true(d.sent <= 100);
}

static void v6_eight_an_hour_by_night_for_a_week(void **state)
{
	struct attack x = {"v6", CONTEXT_ABROAD, 450, 86400 - 64 * 450, 7 * 64, 64, offer};
	struct damage d = play(&x, 40 * 86400);
	assert_true(d.first_day <= 10);
	assert_true(d.sent <= 10);
	assert_in_range(d.stopped_s, 1, 86400);
}

static void invalid_recipients_are_a_sign(void **state)
{
	int64_t account = store_kit_must(&kit, "account.add", "{\"address\":\"v11@here.example\"}");
	clock_shift(60 * 86400);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY), c = login_from(account, CONTEXT_FAMILIAR);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(spam(&c, "v11@here.example", 300000 + i), OK);
	for (unsigned left = 9; left;) {
		Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
		Sekisho__ClaimAnswer *answer = NULL;
		ask.most = 1;
		ask.most_per_domain = 1;
		assert_int_equal(ASK(&relay, CLAIM, &ask, &answer), OK);
		assert_int_equal(answer->n_jobs, 1);
		Sekisho__ReportAsk report = SEKISHO__REPORT_ASK__INIT;
		Sekisho__Attempt a = SEKISHO__ATTEMPT__INIT, *list[1] = {&a};
		a.row = answer->jobs[0]->rcpts[0]->row;
		a.outcome = SEKISHO__ATTEMPT__OUTCOME__FAILED;
		a.code = 550;
		a.status = (char *)(uintptr_t) "5.1.1";
		report.attempts = list;
		report.n_attempts = 1;
		assert_int_equal(ASK(&relay, REPORT, &report, NULL), OK);
		left--;
	}
	json_t *b = ask("budget.show", "{\"address\":\"v11@here.example\"}");
	/* Typing errors of somebody with a new program hold nothing yet. */
	assert_string_equal(json_string_value(json_object_get(b, "level")), "watch");
	json_decref(b);
	ipc_close(&c);
	ipc_close(&relay);
}

/* ---- what a sign-in says ---- */

static int64_t account_of(const char *args)
{
	return store_kit_must(&kit, "account.add", args);
}

static void assert_level(const char *args, const char *level)
{
	json_t *b = ask("budget.show", args);
	assert_string_equal(json_string_value(json_object_get(b, "level")), level);
	json_decref(b);
}

static void a_guessed_password_holds_before_any_mail(void **state)
{
	static const char who[] = "{\"address\":\"guessed@here.example\"}";
	int64_t account = account_of(who);
	kit.flags = GRANT_GUESSED;
	struct ipc c = login_from(account, CONTEXT_NEW_NETWORK);
	kit.flags = 0;
	assert_int_equal(send_to(&c, "guessed@here.example", "a@there.example", NULL, NULL), OK);
	assert_level(who, "hold");
	assert_int_equal(count("hold.list", who), 1);
	end(open_incident("told"), "incident.restore", ",\"held\":\"none\"");
	ipc_close(&c);
}

static void two_countries_at_once_are_a_sign(void **state)
{
	static const char who[] = "{\"address\":\"twice@here.example\"}";
	int64_t account = account_of(who);
	struct ipc town = login_from(account, CONTEXT_NEW_NETWORK);
	assert_int_equal(send_to(&town, "twice@here.example", "a@there.example", NULL, NULL), OK);
	assert_level(who, "calm");
	struct ipc far = login_from(account, CONTEXT_ABROAD);
	assert_int_equal(send_to(&far, "twice@here.example", "b@there.example", NULL, NULL), OK);
	assert_level(who, "hold"); /* three for the country, three for both at once, one for the program */
	end(open_incident("told"), "incident.restore", ",\"held\":\"none\"");
	ipc_close(&town);
	ipc_close(&far);
	empty_queue();
}

/* Of a wrong password keys says that it had opened another account: by a guess. */
static void what_is_understood_later_counts(void **state)
{
	static const char who[] = "{\"address\":\"sprayed@here.example\"}";
	struct ipc_grant g = {.account = (uint64_t)taro,
	    .verdict = GRANT_WRONG,
	    .suspect = (uint64_t)account_of(who),
	    .issued_ms = clock_utc_ms(),
	    .login = SLICE("taro@here.example"),
	    .service = SLICE("imap")};
	BUF_LOCAL(sealed, GRANT_MOST);
	assert_int_equal(ipc_grant_seal(slice_of(kit.settings.login_grant, GRANT_KEY), &g, &sealed), OK);
	Sekisho__RefusedAsk refused = SEKISHO__REFUSED_ASK__INIT;
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	client.ip = (char *)(uintptr_t) "203.0.113.1";
	client.service = (char *)(uintptr_t) "imap";
	refused.client = &client;
	refused.grant = octets_of(buf_slice(&sealed));
	refused.login = (char *)(uintptr_t) "";
	struct ipc front = store_kit_channel(&kit, PEER_USER);
	assert_int_equal(ASK(&front, REFUSED, &refused, NULL), OK);
	for (int i = 0; i < 1000; i++) { /* nothing waits for it */
		json_t *b = ask("budget.show", who);
		bool seen = strcmp(json_string_value(json_object_get(b, "level")), "watch") == 0;
		json_decref(b);
		if (seen)
			break;
		usleep(10000);
	}
	assert_level(who, "watch");
	ipc_close(&front);
}

/* ---- reports about mail in somebody's name ---- */

static enum result report_about(const char *id)
{
	char text[1200];
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	snprintf(text, sizeof text,
	    "From: MAILER-DAEMON@there.example\r\nTo: jiro@here.example\r\nSubject: "
	    "Undelivered\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nIt "
	    "did not arrive.\r\n"
	    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; there.example\r\n\r\n"
	    "Final-Recipient: rfc822; nobody@there.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
	    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: jiro@here.example\r\nMessage-ID: "
	    "<%s>\r\n\r\nx\r\n--b--\r\n",
	    id);
	enum result r = kit_deliver_text(
	    &kit, &mx, &(struct kit_envelope){.from = "", .to = {"jiro@here.example"}}, text);
	ipc_close(&mx);
	return r;
}

static void forged_mail_comes_back_as_one_notice(void **state)
{
	clock_shift(0);
	int64_t jiro = store_kit_must(&kit, "account.add", "{\"address\":\"jiro@here.example\"}");
	clock_shift(30 * 86400);
	struct ipc c = store_kit_login(&kit, (uint64_t)jiro, "imap"),
		   out = login_from(jiro, CONTEXT_FAMILIAR);
	for (int i = 0; i < 4; i++) {
		char id[40];
		snprintf(id, sizeof id, "never-sent-%d@here.example", i);
		assert_int_equal(report_about(id), OK);
	}
	assert_int_equal(do_status(&c, "Junk")->messages, 4);
	for (int i = 0; i < 1000 && do_status(&c, "INBOX")->messages == 0; i++)
		usleep(10000);
	usleep(200000);
	assert_int_equal(do_status(&c, "INBOX")->messages, 1);
	/* One about what it did send is its own. */
	assert_int_equal(
	    kit_deliver_text(&kit, &out,
		&(struct kit_envelope){.from = "jiro@here.example", .to = {"x@there.example"}},
		"From: <jiro@here.example>\r\nMessage-ID: <sent@here.example>\r\nSubject: s\r\n\r\nx\r\n"),
	    OK);
	assert_int_equal(report_about("sent@here.example"), OK);
	assert_int_equal(do_status(&c, "INBOX")->messages, 2);
	assert_int_equal(do_status(&c, "Junk")->messages, 4);
	ipc_close(&c);
	ipc_close(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_time_recipients_are_counted_once),
	    cmocka_unit_test(over_budget_is_accepted_and_held_whole),
	    cmocka_unit_test(a_colleague_gets_it_when_it_is_released),
	    cmocka_unit_test(a_stolen_account_is_stopped),
	    cmocka_unit_test(a_crash_between_steps_is_made_up_for),
	    cmocka_unit_test(v4_a_proxy_in_town_three_a_minute),
	    cmocka_unit_test(v5_the_own_computer),
	    cmocka_unit_test(v6_eight_an_hour_by_night_for_a_week),
	    cmocka_unit_test(invalid_recipients_are_a_sign),
	    cmocka_unit_test(a_guessed_password_holds_before_any_mail),
	    cmocka_unit_test(two_countries_at_once_are_a_sign),
	    cmocka_unit_test(what_is_understood_later_counts),
	    cmocka_unit_test(forged_mail_comes_back_as_one_notice),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
