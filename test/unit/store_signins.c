/* The sign-in log: every attempt one row, alike ones counted; what is familiar to an account, and what is not. */
#include "store_help.h"
#include "ipc/grant.h"
#include "store/account/signins.h"
#include <stdio.h>
#include <unistd.h>

#define TEXT                                                                                                 \
	"192.0.2.0/24 JP 64500\n198.51.100.0/24 JP 64501\n203.0.113.0/24 US 64502\n100.64.0.0/16 JP 64503 "  \
	"hosting\n"

static struct store_kit kit;
static struct geo *geo;
static uint64_t taro;
static struct ipc front;

static int set_up(void **state)
{
	char path[] = "/tmp/signins-geo-XXXXXX";
	const char *why;
	FD_LOCAL fd = mkstemp(path);
	if (fd < 0 || fd_write_all(fd, SLICE(TEXT)) != OK || geo_open(path, &geo, &why) != OK)
		return 1;
	unlink(path);
	store_kit_make(&kit);
	kit.settings.geo = geo;
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = (uint64_t)store_kit_must(
	    &kit, "account.add", "{\"address\":\"taro@here.example\",\"name\":\"Taro\"}");
	front = store_kit_channel(&kit, PEER_USER);
	return 0;
}

static int tear_down(void **state)
{
	ipc_close(&front);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	geo_close(geo);
	arena_free(&mem);
	clock_shift(0);
	return 0;
}

static struct store *store(void)
{
	return kit.store;
}

static struct signin attempt(Sekisho__Client *c, const char *ip, const char *agent)
{
	sekisho__client__init(c);
	c->ip = (char *)(uintptr_t)ip;
	c->agent = (char *)(uintptr_t)agent;
	return (struct signin){
	    .account = (int64_t)taro, .login = SLICE("taro@here.example"), .door = DOOR_IMAP, .client = c};
}

/* What was recorded is there: the writer takes jobs in order, and a verb that writes waits for its own. */
static void settle(void)
{
	signins_tick(store());
	json_decref(store_kit_admin(&kit, "quota.set", "{\"who\":\"taro@here.example\"}", &(enum result){0}));
}

static enum signin_familiarity sign_in(const char *ip, const char *agent, unsigned *reasons)
{
	Sekisho__Client c;
	struct signin in = attempt(&c, ip, agent);
	assert_int_equal(signin_judge(store(), &in), OK);
	signin_record(store(), &in, SIGNIN_IN);
	if (reasons)
		*reasons = in.context.reasons;
	return in.context.familiarity;
}

static void days_later(int64_t days)
{
	settle();
	clock_shift(clock_shifted() + days * 86400);
	signins_unjudge(store(), (int64_t)taro);
}

static json_t *list(const char *args)
{
	enum result r;
	settle();
	json_t *v = store_kit_admin(&kit, "signin.list", args, &r);
	assert_int_equal(r, OK);
	return v;
}

static const char *text(const json_t *list_of, size_t at, const char *member)
{
	return json_string_value(json_object_get(json_array_get(list_of, at), member));
}

static json_int_t number(const json_t *list_of, size_t at, const char *member)
{
	return json_integer_value(json_object_get(json_array_get(list_of, at), member));
}

static void alike_attempts_are_one_row(void **state)
{
	Sekisho__Client c;
	struct signin in = attempt(&c, "192.0.2.9", "Thunderbird 1");
	assert_int_equal(signin_judge(store(), &in), OK);
	for (int i = 0; i < 5; i++) {
		signin_record(store(), &in, SIGNIN_WRONG);
		settle();
	}
	signin_record(store(), &in, SIGNIN_WAITS);
	json_t *v = list("{\"outcome\":\"failed\",\"ip\":\"192.0.2.9\"}");
	assert_int_equal(json_array_size(v), 2);
	assert_string_equal(text(v, 0, "outcome"), "waits");
	assert_string_equal(text(v, 1, "outcome"), "wrong-password");
	assert_int_equal(number(v, 1, "times"), 5);
	assert_string_equal(text(v, 1, "account"), "taro@here.example");
	assert_string_equal(text(v, 1, "country"), "JP");
	assert_string_equal(text(v, 1, "service"), "imap");
	assert_string_equal(text(v, 1, "client"), "Thunderbird 1");
	assert_int_equal(number(v, 1, "asn"), 64500);
	json_decref(v);
	clock_shift(clock_shifted() + 3601);
	signin_record(store(), &in, SIGNIN_WRONG);
	v = list("{\"outcome\":\"wrong-password\"}");
	assert_int_equal(json_array_size(v), 2);
	json_decref(v);
	/* Each of them counts in its hour, whatever rows they share. */
	enum result r;
	v = store_kit_admin(&kit, "stats.hours", "{\"hours\":48}", &r);
	json_int_t failed = 0;
	for (size_t i = 0; i < 48; i++)
		failed += json_integer_value(
		    json_array_get(json_object_get(json_object_get(v, "series"), "signins_failed"), i));
	assert_int_equal(failed, 7);
	json_decref(v);
}

static void unknown_names_are_kept_as_hashes(void **state)
{
	Sekisho__Client c;
	struct signin in = attempt(&c, "192.0.2.10", "");
	in.account = 0;
	in.login = SLICE("my secret password");
	assert_int_equal(signin_judge(store(), &in), OK);
	signin_record(store(), &in, SIGNIN_NO_LOGIN);
	json_t *v = list("{\"ip\":\"192.0.2.10\"}");
	assert_int_equal(json_array_size(v), 1);
	char *dump = json_dumps(v, 0);
	assert_null(strstr(dump, "secret"));
	free(dump);
	assert_true(json_is_null(json_object_get(json_array_get(v, 0), "account")));
	assert_string_equal(text(v, 0, "familiarity"), "new-country");
	json_decref(v);
}

static void three_days_make_a_place_familiar(void **state)
{
	unsigned reasons;
	assert_int_equal(
	    sign_in("192.0.2.1", "Mutt", &reasons), SIGNIN_NEW_COUNTRY); /* nothing is known yet */
	assert_true(reasons & SIGNIN_YOUNG);
	assert_true(reasons & SIGNIN_FIRST_DEVICE);
	days_later(15);
	for (int day = 0; day < 2; day++) { /* with the first: three */
		assert_int_not_equal(sign_in("192.0.2.1", "Mutt", &reasons), SIGNIN_FAMILIAR);
		days_later(1);
	}
	assert_int_equal(sign_in("192.0.2.1", "Mutt", &reasons), SIGNIN_FAMILIAR);
	assert_int_equal(reasons, 0);
	/* The network is the same, whatever the address; another one of the country, then of another country. */
	assert_int_equal(sign_in("192.0.2.200", "Mutt 2", &reasons), SIGNIN_FAMILIAR);
	assert_int_equal(sign_in("198.51.100.1", "Mutt", &reasons), SIGNIN_NEW_ASN);
	assert_int_equal(reasons, SIGNIN_FIRST_ASN);
	assert_int_equal(sign_in("203.0.113.1", "Mutt", &reasons), SIGNIN_NEW_COUNTRY);
	assert_true(reasons & SIGNIN_FIRST_COUNTRY);
	assert_int_equal(sign_in("100.64.0.1", "Mutt", &reasons), SIGNIN_NEW_COUNTRY);
	assert_true(reasons & SIGNIN_HOSTING);
	/* Another credential from the same place. */
	Sekisho__Client c;
	struct signin in = attempt(&c, "192.0.2.1", "Mutt");
	in.credential = 77;
	assert_int_equal(signin_judge(store(), &in), OK);
	assert_int_equal(in.context.familiarity, SIGNIN_NEW_ASN);
	in.credential = 0;
	in.flags = GRANT_FLAGGED;
	assert_int_equal(signin_judge(store(), &in), OK);
	assert_int_equal(in.context.familiarity, SIGNIN_NEW_COUNTRY);
	/* 90 days without it, and it is new again. */
	days_later(100);
	assert_int_not_equal(sign_in("192.0.2.1", "Mutt", &reasons), SIGNIN_FAMILIAR);
}

struct forgetting {
	struct job job;
	int64_t since;
};

static enum result apply_forget(struct job *j, struct db *db)
{
	signins_forget(db, (int64_t)taro, ((struct forgetting *)j)->since);
	return OK;
}

static void days_of_an_incident_do_not_count(void **state)
{
	sign_in("192.0.2.1", "Mutt", NULL);
	days_later(1);
	int64_t since = clock_utc_ms();
	/* Who comes back on three days from another country is no more familiar for it; in two weeks he is. */
	for (int day = 0; day < 14; day++) {
		assert_int_equal(sign_in("203.0.113.7", "Evil", NULL), SIGNIN_NEW_COUNTRY);
		days_later(1);
	}
	assert_int_equal(sign_in("203.0.113.7", "Evil", NULL), SIGNIN_FAMILIAR);
	settle();
	struct forgetting f = {{.store = store(), .apply = apply_forget}, since};
	assert_int_equal(writer_wait(store()->writer, &f.job), OK);
	signins_unjudge(store(), (int64_t)taro);
	assert_int_equal(sign_in("203.0.113.7", "Evil", NULL), SIGNIN_NEW_COUNTRY);
}

static void a_confirmed_network_is_familiar_at_once(void **state)
{
	store_kit_must(&kit, "account.add", "{\"address\":\"hana@here.example\"}");
	uint64_t before = taro;
	enum result r;
	json_t *v = store_kit_admin(&kit, "account.show", "{\"address\":\"hana@here.example\"}", &r);
	taro = (uint64_t)json_integer_value(json_object_get(v, "id"));
	json_decref(v);
	assert_int_equal(sign_in("203.0.113.50", "Mutt", NULL), SIGNIN_NEW_COUNTRY);
	json_decref(store_kit_admin(
	    &kit, "signin.confirm", "{\"address\":\"hana@here.example\",\"network\":\"203.0.0.0/8\"}", &r));
	assert_int_equal(r, DENY);
	json_decref(store_kit_admin(&kit, "signin.confirm",
	    "{\"address\":\"hana@here.example\",\"network\":\"203.0.113.0/24\"}", &r));
	assert_int_equal(r, OK);
	signins_unjudge(store(), (int64_t)taro);
	assert_int_equal(sign_in("203.0.113.51", "Mutt", NULL), SIGNIN_FAMILIAR);
	taro = before;
}

/* ---- through the asks ---- */

static enum result report(const char *ip, const struct ipc_grant *grant)
{
	Sekisho__Client c;
	Sekisho__RefusedAsk ask = SEKISHO__REFUSED_ASK__INIT;
	BUF_LOCAL(sealed, GRANT_MOST);
	sekisho__client__init(&c);
	c.ip = (char *)(uintptr_t)ip;
	c.service = (char *)(uintptr_t) "pop3s";
	ask.client = &c;
	if (grant) {
		assert_int_equal(
		    ipc_grant_seal(slice_of(kit.settings.login_grant, GRANT_KEY), grant, &sealed), OK);
		ask.grant = (ProtobufCBinaryData){sealed.n, (uint8_t *)sealed.p};
	}
	return ASK(&front, REFUSED, &ask, NULL);
}

static void a_front_cannot_make_up_what_keys_said(void **state)
{
	struct ipc_grant wrong = {.account = taro,
	    .verdict = GRANT_WRONG,
	    .issued_ms = clock_utc_ms(),
	    .login = SLICE("taro@here.example"),
	    .service = SLICE("pop3s")};
	assert_int_equal(report("192.0.2.77", &wrong), OK);
	assert_int_equal(report("192.0.2.77", NULL), BAD);
	wrong.verdict = GRANT_RIGHT; /* what opens a session is no refusal */
	assert_int_equal(report("192.0.2.77", &wrong), BAD);
	json_t *v = list("{\"address\":\"taro@here.example\",\"ip\":\"192.0.2.77\"}");
	assert_int_equal(json_array_size(v), 1);
	assert_string_equal(text(v, 0, "service"), "pop3");
	json_decref(v);
}

/* A refusal opens nothing. */
static void a_refused_grant_opens_no_session(void **state)
{
	struct ipc_grant g = {.account = taro,
	    .verdict = GRANT_WRONG,
	    .issued_ms = clock_utc_ms(),
	    .login = SLICE("taro@here.example"),
	    .service = SLICE("imap")};
	BUF_LOCAL(sealed, GRANT_MOST);
	int ends[2];
	Sekisho__LoginAsk ask = SEKISHO__LOGIN_ASK__INIT;
	assert_int_equal(ipc_grant_seal(slice_of(kit.settings.login_grant, GRANT_KEY), &g, &sealed), OK);
	assert_int_equal(ipc_pair(ends), OK);
	struct ipc_fds fds = {.fd = {ends[1]}, .n = 1};
	ask.grant = (ProtobufCBinaryData){sealed.n, (uint8_t *)sealed.p};
	assert_int_equal(ipc_call(&front, ASK_STORE_LOGIN, &ask, &fds, &mem, NULL, NULL), BAD);
	ipc_fds_close(&fds);
	close(ends[0]);
}

static void logins_by_the_ask_are_logged(void **state)
{
	json_t *v = list("{\"address\":\"taro@here.example\",\"outcome\":\"in\"}");
	size_t before = json_array_size(v);
	json_decref(v);
	struct ipc c = store_kit_login(&kit, taro, "submission");
	assert_true(c.fd >= 0);
	ipc_close(&c);
	store_kit_must(&kit, "account.suspend", "{\"address\":\"taro@here.example\"}");
	c = store_kit_login(&kit, taro, "imap");
	assert_int_equal(c.fd, -1);
	store_kit_must(&kit, "account.resume", "{\"address\":\"taro@here.example\"}");
	v = list("{\"address\":\"taro@here.example\",\"outcome\":\"in\"}");
	assert_int_equal(json_array_size(v), before + 1);
	assert_string_equal(text(v, 0, "service"), "smtp-auth");
	json_decref(v);
	v = list("{\"outcome\":\"suspended\"}");
	assert_int_equal(json_array_size(v), 1);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(alike_attempts_are_one_row),
	    cmocka_unit_test(unknown_names_are_kept_as_hashes),
	    cmocka_unit_test(three_days_make_a_place_familiar),
	    cmocka_unit_test(days_of_an_incident_do_not_count),
	    cmocka_unit_test(a_confirmed_network_is_familiar_at_once),
	    cmocka_unit_test(a_front_cannot_make_up_what_keys_said),
	    cmocka_unit_test(a_refused_grant_opens_no_session),
	    cmocka_unit_test(logins_by_the_ask_are_logged),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
