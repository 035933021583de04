/* Reports about mail: what comes is counted once and only when it is proven, what goes goes once. */
#include "mail/build.h"
#include "store/inside.h"
#include "store/queue/judge.h"
#include "store/queue/queue.h"
#include "store/domain/reports.h"
#include "store_help.h"

static struct store_kit kit;
static int64_t taro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.hostname = "mx.here.example";
	kit.settings.reports.dmarc = kit.settings.reports.tls = true;
	kit.settings.reports.after_ms = 0;
	if (store_kit_begin(&kit) != OK)
		return 1;
	taro = store_kit_account(&kit, "taro@here.example");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

/* ---- a report that comes ---- */

static json_t *admin_json(const char *verb, const char *args)
{
	enum result r;
	json_t *out = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	return out;
}

static json_int_t number_in(const json_t *list, const char *key, const char *value, const char *want)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		if (strcmp(json_string_value(json_object_get(one, key)), value) == 0)
			return json_integer_value(json_object_get(one, want));
	}
	return -1;
}

static size_t count_of(const char *verb, const char *args)
{
	json_t *list = admin_json(verb, args);
	size_t n = json_array_size(list);
	json_decref(list);
	return n;
}

static void put_report(
    const char *id, const char *domain, const char *ip, unsigned times, bool pass, struct buf *out)
{
	int64_t begin = (clock_utc_ms() / DAY_MS - 1) * (DAY_MS / SECOND_MS);
	const char *word = pass ? "pass" : "fail";
	buf_puts(out, "From: r@org.example\r\nMIME-Version: 1.0\r\nContent-Type: text/xml\r\n\r\n");
	buf_printf(out,
	    "<feedback><report_metadata><org_name>Org</org_name><report_id>%s</"
	    "report_id><date_range><begin>%lld"
	    "</begin>\r\n<end>%lld</end></date_range></report_metadata><policy_published><domain>%s</"
	    "domain><p>none</p>"
	    "\r\n</policy_published><record><row><source_ip>%s</source_ip><count>%u</"
	    "count><policy_evaluated>\r\n"
	    "<disposition>none</disposition><dkim>%s</dkim><spf>fail</spf></policy_evaluated></"
	    "row><identifiers>\r\n"
	    "<header_from>%s</header_from></identifiers><auth_results><spf><domain>other.example</domain>\r\n"
	    "<result>pass</result></spf></auth_results></record></feedback>\r\n",
	    id, (long long)begin, (long long)begin + 86399, domain, ip, times, word, domain);
}

static enum result deliver_from(const char *author, bool proven, const char *to, const char *text)
{
	Sekisho__Trust trust = SEKISHO__TRUST__INIT;
	char *authors[] = {(char *)(uintptr_t)author};
	trust.authors = authors;
	trust.n_authors = 1;
	trust.author = "r@org.example";
	trust.iprev = "pass";
	trust.proven = proven;
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "r@org.example", .to = {to}, .trust = &trust};
	enum result r = kit_deliver_text(&kit, &mx, &e, text);
	ipc_close(&mx);
	return r;
}

static void send_report(
    const char *id, const char *domain, const char *ip, unsigned times, bool pass, bool proven)
{
	BUF_LOCAL(text, 65536);
	put_report(id, domain, ip, times, pass, &text);
	assert_int_equal(deliver_from("org.example", proven, "dmarc-reports@here.example", buf_z(&text)), OK);
	reports_round(kit.store);
}

static uint32_t messages_in(const char *mailbox)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	uint32_t n = do_status(&c, mailbox)->messages;
	ipc_close(&c);
	return n;
}

static void a_report_is_counted_once(void **state)
{
	uint32_t inbox = messages_in("INBOX");
	send_report("one", "here.example", "192.0.2.7", 10, true, true);
	send_report("one", "here.example", "192.0.2.7", 10, true, true);
	send_report("two", "here.example", "192.0.2.7", 5, true, true);
	json_t *sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "192.0.2.7", "aligned"), 15);
	assert_int_equal(number_in(sources, "source", "192.0.2.7", "dkim"), 15);
	json_decref(sources);
	assert_int_equal(count_of("dmarc.reports.received", "{\"domain\":\"here.example\"}"), 2);
	json_t *advice = admin_json("dmarc.advice", "{\"domain\":\"here.example\"}");
	assert_int_equal(json_integer_value(json_object_get(advice, "messages")), 15);
	json_decref(advice);
	/* Nobody got the mail, and nothing is told of a source that passes. */
	assert_int_equal(messages_in("INBOX"), inbox);
}

static void who_is_not_proven_counts_for_nothing(void **state)
{
	send_report("three", "here.example", "198.51.100.1", 1000, false, false);
	json_t *sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "198.51.100.1", "failed"), -1);
	json_decref(sources);
	json_t *list = admin_json("dmarc.reports.received", "{}");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")), "unproven");
	json_decref(list);
	/* It takes nobody's place: the proven one with the same number counts. */
	send_report("three", "here.example", "198.51.100.1", 3, true, true);
	sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "198.51.100.1", "aligned"), 3);
	json_decref(sources);
}

static void other_domains_and_times_are_kept_apart(void **state)
{
	send_report("four", "elsewhere.example", "192.0.2.8", 3, true, true);
	json_t *list = admin_json("dmarc.reports.received", "{}");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")), "foreign");
	json_decref(list);
	assert_int_equal(
	    deliver_from("org.example", true, "dmarc-reports@here.example",
		"From: r@org.example\r\n\r\n<feedback><report_metadata><org_name>O</org_name>"
		"<report_id>old</report_id><date_range><begin>1000000000</begin><end>1000086399</end>\r\n"
		"</date_range></report_metadata><policy_published><domain>sub.here.example</domain>\r\n"
		"</policy_published></feedback>\r\n"),
	    OK);
	reports_round(kit.store);
	list = admin_json("dmarc.reports.received", "{\"domain\":\"here.example\"}");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")), "odd");
	json_decref(list);
}

static void new_sources_are_told_once(void **state)
{
	uint32_t inbox = messages_in("INBOX");
	send_report("five", "here.example", "203.0.113.9", 4, false, true);
	assert_int_equal(messages_in("INBOX"), inbox + 1);
	send_report("six", "here.example", "203.0.113.9", 4, false, true);
	reports_round(kit.store);
	assert_int_equal(messages_in("INBOX"), inbox + 1);
	json_t *sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "203.0.113.9", "failed"), 8);
	for (size_t i = 0; i < json_array_size(sources); i++) {
		const json_t *one = json_array_get(sources, i);
		if (strcmp(json_string_value(json_object_get(one, "source")), "203.0.113.9") == 0)
			assert_string_equal(json_string_value(json_object_get(one, "why")), "spf-elsewhere");
	}
	json_decref(sources);
}

static void what_is_no_report_goes_to_postmaster(void **state)
{
	uint32_t inbox = messages_in("INBOX");
	size_t reports = count_of("dmarc.reports.received", "{}");
	char *text = kit_message("a question about your reports", 100);
	assert_int_equal(deliver_from("org.example", true, "dmarc-reports@here.example", text), OK);
	free(text);
	reports_round(kit.store);
	assert_int_equal(messages_in("INBOX"), inbox + 1);
	assert_int_equal(count_of("dmarc.reports.received", "{}"), reports);
	assert_int_equal(deliver_from("org.example", true, "tls-reports@here.example",
			     "From: r@org.example\r\n\r\n<feedback><!DOCTYPE a></feedback>\r\n"),
	    OK);
	reports_round(kit.store);
	assert_int_equal(messages_in("INBOX"), inbox + 2);
	json_t *list = admin_json("dmarc.reports.received", "{}");
	const json_t *one = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(one, "state")), "refused");
	assert_true(strlen(json_string_value(json_object_get(one, "why"))) > 3);
	json_decref(list);
}

static void an_account_of_that_name_gets_it_too(void **state)
{
	store_kit_must(&kit, "alias.add",
	    "{\"address\":\"dmarc-reports@here.example\",\"target\":[\"taro@here.example\"]}");
	uint32_t inbox = messages_in("INBOX");
	send_report("seven", "here.example", "192.0.2.7", 1, true, true);
	assert_int_equal(messages_in("INBOX"), inbox + 1);
	json_t *sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "192.0.2.7", "aligned"), 16);
	json_decref(sources);
	store_kit_must(&kit, "alias.remove", "{\"address\":\"dmarc-reports@here.example\"}");
}

static void what_waits_survives_a_restart(void **state)
{
	BUF_LOCAL(text, 65536);
	put_report("eight", "here.example", "192.0.2.77", 6, true, &text);
	assert_int_equal(deliver_from("org.example", true, "dmarc-reports@here.example", buf_z(&text)), OK);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	reports_round(kit.store);
	json_t *sources = admin_json("dmarc.sources", "{\"domain\":\"here.example\"}");
	assert_int_equal(number_in(sources, "source", "192.0.2.77", "aligned"), 6);
	json_decref(sources);
}

/* ---- a report that goes ---- */

/* As if mail of yesterday had been counted. */
struct past {
	struct job job;
	struct judge_count count;
	const char *tls_domain;
};

static enum result apply_past(struct job *j, struct db *db)
{
	struct past *p = (struct past *)j;
	judge_count_apply(db, &p->count);
	if (p->tls_domain) {
		DB_RUN(db, TLS_DAY_ADD, DI(clock_utc_ms() / DAY_MS - 1), DZ(p->tls_domain), DI(1), DI(7),
		    DZ("version: STSv1\nmode: enforce\nmx: mx.big.example\n"), DI(5), DI(2));
		DB_RUN(db, TLS_FAILURE_ADD, DI(clock_utc_ms() / DAY_MS - 1), DZ(p->tls_domain), DI(1), DI(7),
		    DI(3), DZ("mx.big.example"), DZ("192.0.2.3"), DZ(""), DZ("expired"), DI(2));
	}
	return OK;
}

static void count_yesterday(const char *domain, unsigned times)
{
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__Trust trust = SEKISHO__TRUST__INIT;
	Sekisho__TrustDmarc d = SEKISHO__TRUST_DMARC__INIT;
	Sekisho__TrustSpf spf = SEKISHO__TRUST_SPF__INIT;
	struct judgement j = {.rule = "", .why = "", .spare = "", .spare_why = "", .reply = ""};
	d.policy_domain = d.author = (char *)(uintptr_t)domain;
	d.record = "v=DMARC1; p=none; rua=mailto:a@big.example";
	spf.result = "pass";
	spf.domain = (char *)(uintptr_t)domain;
	trust.dmarc = &d;
	trust.spf = &spf;
	struct judge_ask ask = {&trust, SLICE("192.0.2.50"), SLICE("x"), slice_str(domain)};
	clock_shift(-DAY_MS / SECOND_MS);
	for (unsigned i = 0; i < times; i++) {
		struct past p = {.job = {.store = kit.store, .apply = apply_past}};
		judge_count_make(kit.store, &ask, &j, &a, &p.count);
		assert_int_equal(writer_wait(kit.store->writer, &p.job), OK);
	}
	clock_shift(0);
}

static size_t queued(void)
{
	return count_of("queue.list", "{}");
}

static void a_day_is_reported_once(void **state)
{
	store_kit_report_to("a@big.example", NULL);
	size_t before = queued();
	count_yesterday("big.example", 3);
	count_yesterday("other.example", 2);
	/* Days that are done are not looked at again before the next start. */
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	reports_round(kit.store);
	assert_int_equal(queued(), before + 2);
	reports_round(kit.store);
	assert_int_equal(queued(), before + 2);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	reports_round(kit.store);
	assert_int_equal(queued(), before + 2);
	json_t *sent = admin_json("dmarc.reports.sent", "{}");
	assert_int_equal(json_array_size(sent), 2);
	json_t *one = json_array_get(sent, 0);
	assert_string_equal(json_string_value(json_object_get(one, "to")), "a@big.example");
	assert_string_equal(json_string_value(json_object_get(one, "state")), "queued");
	json_decref(sent);
}

static void who_wants_none_gets_none(void **state)
{
	store_kit_report_to(NULL, NULL);
	size_t before = queued();
	count_yesterday("shy.example", 1);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	reports_round(kit.store);
	store_kit_report_to("a@big.example", NULL);
	reports_round(kit.store);
	assert_int_equal(queued(), before);
}

static void tls_goes_by_mail_and_by_https(void **state)
{
	store_kit_report_to("a@big.example", "https://r.big.example/tls");
	size_t before = queued();
	struct past p = {.job = {.store = kit.store, .apply = apply_past}, .tls_domain = "big.example"};
	assert_int_equal(writer_wait(kit.store->writer, &p.job), OK);
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	reports_round(kit.store);
	assert_int_equal(queued(), before + 1);
	assert_int_equal(count_of("tls.reports.sent", "{}"), 1);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	Sekisho__ReportPostAsk ask = SEKISHO__REPORT_POST_ASK__INIT;
	Sekisho__ReportPostAnswer *job;
	struct ipc_fds fds = {0};
	assert_int_equal(ipc_call(&relay, ASK_STORE_REPORT_POST, &ask, NULL, &mem, &job, &fds), OK);
	assert_true(job->id > 0 && fds.n == 1);
	assert_string_equal(job->url, "https://r.big.example/tls");
	struct slice body;
	assert_int_equal(fd_map_sealed(fds.fd[0], 1 << 20, &body), OK);
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__Report *report;
	assert_int_equal(report_read_file(body, &a, &report), OK);
	assert_int_equal(report->kind, SEKISHO__REPORT__KIND__TLS);
	assert_int_equal(report->tls->policies[0]->bad, 2);
	assert_string_equal(report->tls->policies[0]->failures[0]->result, "certificate-expired");
	fd_unmap(&body);
	ipc_fds_close(&fds);
	/* It is out: nobody else gets it meanwhile. */
	uint64_t id = job->id;
	assert_int_equal(ipc_call(&relay, ASK_STORE_REPORT_POST, &ask, NULL, &mem, &job, &fds), OK);
	assert_true(job->id == 0 && job->wait_ms > 0);
	Sekisho__ReportPostedAsk posted = SEKISHO__REPORT_POSTED_ASK__INIT;
	posted.id = id;
	posted.done = true;
	assert_int_equal(ipc_call(&relay, ASK_STORE_REPORT_POSTED, &posted, NULL, &mem, NULL, NULL), OK);
	ipc_close(&relay);
}

/* The kit begins with an empty world: in this order. */
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_report_is_counted_once),
	    cmocka_unit_test(who_is_not_proven_counts_for_nothing),
	    cmocka_unit_test(other_domains_and_times_are_kept_apart),
	    cmocka_unit_test(new_sources_are_told_once),
	    cmocka_unit_test(what_is_no_report_goes_to_postmaster),
	    cmocka_unit_test(an_account_of_that_name_gets_it_too),
	    cmocka_unit_test(what_waits_survives_a_restart),
	    cmocka_unit_test(a_day_is_reported_once),
	    cmocka_unit_test(who_wants_none_gets_none),
	    cmocka_unit_test(tls_goes_by_mail_and_by_https),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
