/* What TLS towards other domains has to be, and what it was: policies, counts, the report of plaintext. On both engines. */
#include "store_help.h"
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

static json_t *admin(const char *verb, const char *args)
{
	enum result r;
	json_t *answer = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	return answer;
}

static void refused(const char *verb, const char *args)
{
	enum result r;
	assert_null(store_kit_admin(&kit, verb, args, &r));
	assert_int_not_equal(r, OK);
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* A message of taro's; `header` may hold a field. */
static void submit(const char *to, const char *header)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "submission");
	BUF_LOCAL(text, 10000);
	buf_printf(&text, "From: taro@here.example\r\n%sSubject: x\r\n\r\nbody\r\n", header);
	struct kit_envelope e = {.from = "taro@here.example", .to = {to}};
	assert_int_equal(kit_deliver_text(&kit, &c, &e, buf_z(&text)), OK);
	ipc_close(&c);
}

/* The one job there is, in the arena. */
static Sekisho__Job *claim(struct ipc *relay)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer = NULL;
	ask.most = ask.most_per_domain = 10;
	assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
	assert_int_equal(answer->n_jobs, 1);
	return answer->jobs[0];
}

static void report(struct ipc *relay, const Sekisho__Job *job, Sekisho__Attempt__Secured secured,
    Sekisho__TlsSession *session)
{
	char tls[] = "TLSv1.3 X", host[] = "mx.there.example", status[] = "2.0.0";
	Sekisho__Attempt at = SEKISHO__ATTEMPT__INIT, *attempts[1] = {&at};
	Sekisho__ReportAsk ask = SEKISHO__REPORT_ASK__INIT;
	at.row = job->rcpts[0]->row;
	at.code = 250;
	at.status = status;
	at.host = host;
	at.secured = secured;
	at.tls = secured ? tls : (char *)(uintptr_t) "";
	ask.attempts = attempts;
	ask.n_attempts = 1;
	ask.sessions = &session;
	ask.n_sessions = session != NULL;
	assert_int_equal(ASK(relay, REPORT, &ask, NULL), OK);
}

static void policies(void **state)
{
	json_t *p = admin("tls.policy.set", "{\"domain\":\"There.Example\",\"mode\":\"verified\",\"name\":["
					    "\"mx.there.example\",\".x.example\"]}");
	assert_string_equal(text_of(p, "domain"), "there.example");
	json_decref(p);
	json_decref(admin("tls.policy.set", "{\"domain\":\"\u65e5\u672c.example\",\"mode\":\"encrypted\"}"));
	refused("tls.policy.set", "{\"domain\":\"there.example\",\"mode\":\"strict\"}");
	refused("tls.policy.set", "{\"domain\":\"[192.0.2.1]\",\"mode\":\"encrypted\"}");
	refused("tls.policy.set",
	    "{\"domain\":\"there.example\",\"mode\":\"encrypted\",\"name\":[\"a.example\"]}");
	refused("tls.policy.set", "{\"domain\":\"there.example\",\"mode\":\"verified\",\"name\":[\"a b\"]}");
	json_t *list = admin("tls.policy.list", "{}");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(json_array_get(list, 1), "domain"), "xn--wgv71a.example");
	json_decref(list);
	/* What relay is told. */
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	submit("a@there.example", "");
	Sekisho__Job *j = claim(&relay);
	assert_int_equal(j->tls, SEKISHO__JOB__TLS__VERIFIED);
	assert_string_equal(j->tls_names, "mx.there.example .x.example");
	assert_false(j->require_tls || j->tls_optional);
	report(&relay, j, SEKISHO__ATTEMPT__SECURED__NAMED, NULL);
	store_kit_must(&kit, "tls.policy.remove", "{\"domain\":\"there.example\"}");
	refused("tls.policy.remove", "{\"domain\":\"there.example\"}");
	submit("a@there.example", "TLS-Required: No\r\n");
	j = claim(&relay);
	assert_int_equal(j->tls, SEKISHO__JOB__TLS__DEFAULT);
	assert_true(j->tls_optional);
	report(&relay, j, SEKISHO__ATTEMPT__SECURED__PLAIN, NULL);
	submit("a@\u65e5\u672c.example", "");
	j = claim(&relay);
	assert_int_equal(j->tls, SEKISHO__JOB__TLS__ENCRYPTED);
	report(&relay, j, SEKISHO__ATTEMPT__SECURED__TLS, NULL);
	ipc_close(&relay);
}

static void what_it_was(void **state)
{
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	char domain[] = "plain.example", text[] = "3 1 1 00\n3 1 1 01", mx[] = "mx.plain.example",
	     ip[] = "192.0.2.1", reason[] = "why";
	Sekisho__TlsSession s = SEKISHO__TLS_SESSION__INIT;
	s.domain = domain;
	s.policy = 2;
	s.policy_text = text;
	s.mx = mx;
	s.ip = ip;
	s.reason = reason;
	for (int i = 0; i < 3; i++) {
		s.result = i ? 4 : 0;
		s.count = (uint32_t)i + 1;
		submit("a@plain.example", "");
		report(&relay, claim(&relay), SEKISHO__ATTEMPT__SECURED__PLAIN, &s);
	}
	json_t *plain = admin("tls.plaintext", "{\"limit\":10}");
	bool found = false;
	for (size_t i = 0; i < json_array_size(plain); i++) {
		const json_t *row = json_array_get(plain, i);
		if (strcmp(text_of(row, "domain"), domain) == 0)
			found = json_integer_value(json_object_get(row, "messages")) == 3;
	}
	assert_true(found);
	json_decref(plain);
	json_t *status = admin("tls.status", "{\"domain\":\"plain.example\"}");
	const json_t *day = json_array_get(json_object_get(status, "sessions"), 0);
	assert_string_equal(text_of(day, "policy"), "tlsa");
	assert_int_equal(json_integer_value(json_object_get(day, "good")), 1);
	assert_int_equal(json_integer_value(json_object_get(day, "bad")), 5);
	const json_t *failure = json_array_get(json_object_get(day, "failures"), 0);
	assert_string_equal(text_of(failure, "result"), "certificate-not-trusted");
	assert_int_equal(json_integer_value(json_object_get(failure, "sessions")), 5);
	assert_string_equal(
	    text_of(json_array_get(json_object_get(status, "reached"), 0), "secured"), "plain");
	json_decref(status);
	ipc_close(&relay);
}

static void kept_policies_of_others(void **state)
{
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	char domain[] = "sts.example", id[] = "1", newer[] = "2", mode[] = "enforce",
	     text[] = "version: STSv1\r\nmode: enforce\r\nmx: a\r\nmax_age: 5\r\n";
	Sekisho__StsAsk ask = SEKISHO__STS_ASK__INIT;
	Sekisho__StsPolicy put = SEKISHO__STS_POLICY__INIT, *got;
	ask.domain = put.domain = domain;
	assert_int_equal(ASK(&relay, STS_GET, &ask, &got), GONE);
	put.id = id;
	put.mode = mode;
	put.text = text;
	put.fetched_ms = 5;
	put.expires_ms = INT64_MAX;
	assert_int_equal(ASK(&relay, STS_PUT, &put, NULL), OK);
	put.id = newer;
	assert_int_equal(ASK(&relay, STS_PUT, &put, NULL), OK);
	assert_int_equal(ASK(&relay, STS_GET, &ask, &got), OK);
	assert_string_equal(got->id, "2");
	assert_string_equal(got->text, text);
	assert_int_equal(got->fetched_ms, 5);
	ipc_close(&relay);
	/* It outlives the role. */
	store_kit_close(&kit);
	assert_int_equal(store_kit_open(&kit, 4), OK);
	relay = store_kit_channel(&kit, PEER_RELAY);
	assert_int_equal(ASK(&relay, STS_GET, &ask, &got), OK);
	ipc_close(&relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(policies),
	    cmocka_unit_test(what_it_was),
	    cmocka_unit_test(kept_policies_of_others),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
