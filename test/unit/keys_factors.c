/* keys: what may be a password, codes by the clock, recovery codes, applications' passwords, and what a warrant allows. */
#include "keys/inner.h"
#include "keys/strength.h"
#include "keys/totp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCOUNT 7
#define LOGIN "Hana@example.jp"
#define PASSWORD "kujira-no-uta-wo-kiku"

static const char master[KEYS_MASTER] = "0123456789abcdef0123456789abcde";
static const char grant_key[GRANT_KEY] = "fedcba9876543210fedcba987654321";

struct world {
	char dir[64];
	struct keys *keys;
	struct ipc_server *server;
	struct ipc web, user, store;
	struct arena arena;
};

static struct ipc connect_as(struct world *w, enum ipc_peer peer)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(w->server, fds[1], peer, NULL, NULL, NULL);
	return (struct ipc){.fd = fds[0], .why = ""};
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	memcpy(w->dir, "/tmp/keys-test-XXXXXX", 22);
	assert_non_null(mkdtemp(w->dir));
	struct keys_settings s = {.dir = w->dir,
	    .master = slice_of(master, sizeof master),
	    .grant = slice_of(grant_key, sizeof grant_key)};
	assert_int_equal(keys_open(&s, &w->keys), OK);
	w->server = ipc_server_new(keys_handlers, 2, w->keys);
	w->web = connect_as(w, PEER_WEB);
	w->user = connect_as(w, PEER_USER);
	w->store = connect_as(w, PEER_STORE);
	arena_init(&w->arena, 1 << 24);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	static const char *const files[] = {"keys.db", "keys.db-wal", "keys.db-journal"};
	ipc_close(&w->web);
	ipc_close(&w->user);
	ipc_close(&w->store);
	/* The server's threads end with the process; the key store stays open behind them. */
	for (size_t i = 0; i < COUNT(files); i++)
		unlink(arena_printf(&w->arena, "%s/%s", w->dir, files[i]));
	rmdir(w->dir);
	arena_free(&w->arena);
	free(w);
	return 0;
}

/* ---- pure ---- */

static void what_may_be_a_password(void **state)
{
	static const struct {
		const char *password;
		bool factor, good;
	} cases[] = {
	    {PASSWORD, false, true},
	    {"correct horse battery staple", false, true},
	    {"koto-to-fue-to-taiko-de", false, true},
	    {"fourteen chars", false, false},
	    {"neko8hon", true, true},
	    {"neko7ho", true, false},
	    {"iloveyou", true, false},
	    {"ILoveYou", true, false},
	    {"12345678", true, false},
	    {"qwertyuiopasdfghjkl", false, false},
	    {"111111111111111111", false, false},
	    {"abcdefghijklmnopqrstuvwxyz", false, false},
	    {"password123password123", false, false},
	    {"dragondragondragon", false, false},
	    {"hana@example.jp-hana@example.jp", false, false},
	    {"YamadaHanako1234567", false, false},
	    {"tsubamebus-tsubamebus", false, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct strength of = {
		    SLICE(LOGIN), SLICE("Yamada Hanako\nTsubameBus\nmail.example.jp"), cases[i].factor};
		const char *why = strength_fault(&of, slice_str(cases[i].password));
		if ((why == NULL) != cases[i].good)
			fail_msg("%s: %s", cases[i].password, why ? why : "taken");
	}
	assert_true(common_count() > 100000);
	assert_true(common_has(SLICE("letmein")));
	assert_false(common_has(SLICE(PASSWORD)));
}

static void any_octets_can_be_judged(void **state)
{
	char octets[LIMIT_PASSWORD];
	struct strength of = {SLICE(LOGIN), SLICE(""), false};
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (char)(i * 37);
	for (size_t n = 0; n <= sizeof octets; n++)
		(void)strength_fault(&of, slice_of(octets, n));
}

/* RFC 6238, appendix B, its last six digits. */
static void codes_by_the_clock(void **state)
{
	static const struct {
		int64_t seconds;
		const char *code;
	} cases[] = {{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"}, {1234567890, "005924"},
	    {2000000000, "279037"}, {20000000000, "353130"}};
	struct slice key = SLICE("12345678901234567890");
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t now = cases[i].seconds * SECOND_MS;
		struct slice code = slice_str(cases[i].code);
		uint64_t step = (uint64_t)(cases[i].seconds / 30), found;
		assert_int_equal(totp_check(key, code, now, 0, &found), OK);
		assert_int_equal(found, step);
		assert_int_equal(totp_check(key, code, now + TOTP_STEP_MS, 0, &found), OK);
		assert_int_equal(totp_check(key, code, now - TOTP_STEP_MS, 0, &found), OK);
		assert_int_equal(totp_check(key, code, now + 2 * TOTP_STEP_MS, 0, &found), DENY);
		assert_int_equal(totp_check(key, code, now, step, &found), DENY);
		assert_int_equal(totp_check(key, slice_sub(code, 0, 5), now, 0, &found), DENY);
	}
	uint64_t found;
	assert_int_equal(totp_check(key, SLICE("287 082"), 59 * SECOND_MS, 0, &found), OK);
}

/* ---- through the asks ---- */

static enum result warranted(
    struct world *w, struct ipc_warrant warrant, Sekisho__WarrantedAsk *ask, Sekisho__WarrantedAnswer **out)
{
	BUF_LOCAL(sealed, WARRANT_MOST);
	warrant.account = ACCOUNT;
	warrant.login = SLICE(LOGIN);
	if (!warrant.until_ms)
		warrant.until_ms = clock_utc_ms() + MINUTE_MS;
	assert_int_equal(ipc_warrant_seal(slice_of(grant_key, GRANT_KEY), &warrant, false, &sealed), OK);
	ask->warrant = (ProtobufCBinaryData){sealed.n, (uint8_t *)sealed.p};
	return ipc_call(&w->web, ASK_KEYS_WARRANTED, ask, NULL, &w->arena, out, NULL);
}

static ProtobufCBinaryData octets(struct world *w, const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)arena_z(&w->arena, slice_str(text))};
}

static enum result set_password(struct world *w, const char *password, uint64_t epoch, unsigned bits)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	ask.secret = octets(w, password);
	return warranted(w, (struct ipc_warrant){.act = WARRANT_PASSWORD_RESET, .epoch = epoch, .bits = bits},
	    &ask, &answer);
}

static enum result sign_in(struct world *w, const char *password, const char *service, struct ipc_grant *out)
{
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	Sekisho__PasswordAsk ask = SEKISHO__PASSWORD_ASK__INIT;
	Sekisho__GrantAnswer *answer;
	client.ip = arena_z(&w->arena, SLICE("192.0.2.1"));
	client.service = arena_z(&w->arena, slice_str(service));
	ask.login = arena_z(&w->arena, SLICE("hana@example.jp"));
	ask.password = octets(w, password);
	ask.client = &client;
	enum result r = ipc_call(strcmp(service, "web") ? &w->user : &w->web, ASK_KEYS_PASSWORD, &ask, NULL,
	    &w->arena, &answer, NULL);
	if (r != OK)
		return r;
	assert_int_equal(ipc_grant_verify(slice_of(grant_key, GRANT_KEY),
			     slice_of(answer->grant.data, answer->grant.len), clock_utc_ms(), out),
	    OK);
	assert_true((answer->result == OK) == (out->verdict == GRANT_RIGHT));
	return (enum result)answer->result;
}

static enum result show(struct world *w, enum ipc_factor kind, const char *code, struct ipc_grant *out)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	ask.kind = kind;
	ask.secret = octets(w, code);
	enum result r =
	    warranted(w, (struct ipc_warrant){.act = WARRANT_FACTOR_CHECK, .session = 99}, &ask, &answer);
	if (r == OK)
		assert_int_equal(ipc_grant_verify(slice_of(grant_key, GRANT_KEY),
				     slice_of(answer->grant.data, answer->grant.len), clock_utc_ms(), out),
		    OK);
	return r;
}

static char *code_now(struct world *w, struct slice key, int64_t later)
{
	char code[TOTP_DIGITS];
	totp_code(key, (uint64_t)((clock_utc_ms() + later) / TOTP_STEP_MS), code);
	return arena_z(&w->arena, slice_of(code, sizeof code));
}

/* Sets one up; the recovery codes. */
static char **enrol(struct world *w, struct slice *key_out)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	assert_int_equal(warranted(w, (struct ipc_warrant){.act = WARRANT_TOTP_BEGIN}, &ask, &answer), OK);
	*key_out = slice_of(answer->secret.data, answer->secret.len);
	assert_int_equal(key_out->n, TOTP_KEY);
	ask.secret = octets(w, code_now(w, *key_out, 0));
	assert_int_equal(warranted(w, (struct ipc_warrant){.act = WARRANT_TOTP_CONFIRM}, &ask, &answer), OK);
	assert_int_equal(answer->n_codes, RECOVERY_CODES);
	return answer->codes;
}

static void a_password_by_warrant(void **state)
{
	struct world *w = *state;
	struct ipc_grant g;
	assert_int_equal(set_password(w, "short", 3, 0), DENY);
	assert_int_equal(set_password(w, PASSWORD, 3, 1), OK);
	assert_int_equal(sign_in(w, PASSWORD, "web", &g), OK);
	assert_int_equal(g.epoch, 3);
	assert_true(g.change && !g.proven && !g.credential);
	/* What has to be changed, or was known to somebody else, is not taken again. */
	assert_int_equal(set_password(w, PASSWORD, 3, 0), DENY);
	assert_int_equal(set_password(w, PASSWORD " 2", 3, 0), OK);
	assert_int_equal(set_password(w, PASSWORD " 2", 4, 0), DENY);
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	struct ipc_warrant warrant = {.act = WARRANT_PASSWORD_SET, .epoch = 4};
	ask.secret = octets(w, PASSWORD " 3");
	ask.old = octets(w, PASSWORD);
	assert_int_equal(warranted(w, warrant, &ask, &answer), DENY);
	ask.secret = octets(w, PASSWORD " 3");
	ask.old = octets(w, PASSWORD " 2");
	assert_int_equal(warranted(w, warrant, &ask, &answer), OK);
	struct ipc_warrant receipt;
	struct slice sealed = slice_of(answer->receipt.data, answer->receipt.len),
		     key = slice_of(grant_key, GRANT_KEY);
	assert_int_equal(ipc_warrant_verify(key, sealed, true, clock_utc_ms(), &receipt), OK);
	assert_true(receipt.act == WARRANT_PASSWORD_SET && receipt.account == ACCOUNT);
	assert_int_equal(ipc_warrant_verify(key, sealed, false, clock_utc_ms(), &receipt), BAD);
	assert_int_equal(sign_in(w, PASSWORD " 3", "web", &g), OK);
	assert_int_equal(g.epoch, 4);
}

static void only_what_is_allowed(void **state)
{
	struct world *w = *state;
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	ask.secret = octets(w, PASSWORD);
	struct ipc_warrant late = {.act = WARRANT_PASSWORD_RESET, .until_ms = clock_utc_ms() - 1};
	assert_int_equal(warranted(w, late, &ask, &answer), DENY);
	ask.secret = octets(w, PASSWORD);
	ask.warrant = octets(w, "Wthis is not sealed by anybody, whatever it says and how long it is");
	assert_int_equal(ipc_call(&w->web, ASK_KEYS_WARRANTED, &ask, NULL, &w->arena, &answer, NULL), DENY);
	struct ipc_grant g;
	assert_int_equal(sign_in(w, PASSWORD, "web", &g), DENY);
}

static void a_second_factor(void **state)
{
	struct world *w = *state;
	struct ipc_grant g;
	struct slice key;
	assert_int_equal(set_password(w, PASSWORD, 0, 0), OK);
	assert_int_equal(sign_in(w, PASSWORD, "imap", &g), OK);
	char **codes = enrol(w, &key);
	assert_int_equal(sign_in(w, PASSWORD, "imap", &g), DENY);
	assert_int_equal(sign_in(w, PASSWORD, "web", &g), OK);
	assert_int_equal(g.factors, FACTOR_TOTP | FACTOR_RECOVERY);
	/* The code that confirmed it was used up, the next one is good once. */
	assert_int_equal(show(w, FACTOR_TOTP, code_now(w, key, 0), &g), DENY);
	assert_int_equal(show(w, FACTOR_TOTP, code_now(w, key, TOTP_STEP_MS), &g), OK);
	assert_true(g.proven && g.session == 99 && slice_eq(g.service, SLICE("web")));
	assert_int_equal(show(w, FACTOR_TOTP, code_now(w, key, TOTP_STEP_MS), &g), DENY);
	assert_int_equal(show(w, FACTOR_RECOVERY, codes[3], &g), OK);
	assert_int_equal(show(w, FACTOR_RECOVERY, codes[3], &g), DENY);
	/* Shorter passwords are enough beside it. */
	assert_int_equal(set_password(w, "neko8hon!", 0, 0), OK);
	Sekisho__RevokeAsk revoke = SEKISHO__REVOKE_ASK__INIT;
	revoke.account = ACCOUNT;
	assert_int_equal(ipc_call(&w->store, ASK_KEYS_REVOKE, &revoke, NULL, &w->arena, NULL, NULL), OK);
	assert_int_equal(sign_in(w, "neko8hon!", "imap", &g), OK);
	assert_int_equal(g.factors, 0);
}

static void codes_are_not_guessed(void **state)
{
	struct world *w = *state;
	struct ipc_grant g;
	struct slice key;
	unsigned later = 0;
	assert_int_equal(set_password(w, PASSWORD, 0, 0), OK);
	char **codes = enrol(w, &key);
	for (unsigned i = 0; i < 20; i++) {
		char guess[8] = {'0', '0', '0', '0', (char)('0' + i / 10), (char)('0' + i % 10)};
		later += show(w, FACTOR_TOTP, guess, &g) == LATER;
	}
	assert_true(later > 10);
	assert_int_equal(show(w, FACTOR_RECOVERY, codes[0], &g), LATER);
}

static void a_password_for_an_application(void **state)
{
	struct world *w = *state;
	struct ipc_grant g;
	struct slice key;
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	assert_int_equal(set_password(w, PASSWORD, 5, 0), OK);
	enrol(w, &key);
	struct ipc_warrant warrant = {
	    .act = WARRANT_APP_ADD, .epoch = 5, .bits = SERVICE_IMAP, .text = SLICE("phone")};
	assert_int_equal(warranted(w, warrant, &ask, &answer), OK);
	char *password = arena_z(&w->arena, slice_of(answer->secret.data, answer->secret.len));
	assert_int_equal(strlen(password), 23);
	assert_int_equal(sign_in(w, password, "imaps", &g), OK);
	assert_true(g.credential == answer->credential && g.epoch == 5 && !g.proven);
	assert_int_equal(sign_in(w, password, "pop3", &g), DENY);
	assert_int_equal(sign_in(w, password, "submission", &g), DENY);
	assert_int_equal(sign_in(w, password, "web", &g), DENY);
	warrant.ends_ms = clock_utc_ms() - 1;
	assert_int_equal(warranted(w, warrant, &ask, &answer), OK);
	char *ended = arena_z(&w->arena, slice_of(answer->secret.data, answer->secret.len));
	assert_int_equal(sign_in(w, ended, "imap", &g), DENY);
	Sekisho__CredentialsAsk list = SEKISHO__CREDENTIALS_ASK__INIT;
	Sekisho__CredentialsAnswer *all;
	list.account = ACCOUNT;
	assert_int_equal(ipc_call(&w->store, ASK_KEYS_CREDENTIALS, &list, NULL, &w->arena, &all, NULL), OK);
	assert_int_equal(all->n_credentials, 4);
	assert_string_equal(all->credentials[2]->name, "phone");
	assert_true(all->credentials[2]->used_ms > 0);
	Sekisho__RevokeAsk revoke = SEKISHO__REVOKE_ASK__INIT;
	revoke.account = ACCOUNT;
	revoke.id = all->credentials[2]->id;
	assert_int_equal(ipc_call(&w->store, ASK_KEYS_REVOKE, &revoke, NULL, &w->arena, NULL, NULL), OK);
	assert_int_equal(sign_in(w, password, "imaps", &g), DENY);
	assert_int_equal(ipc_call(&w->store, ASK_KEYS_REVOKE, &revoke, NULL, &w->arena, NULL, NULL), GONE);
}

static void there_is_a_limit(void **state)
{
	struct world *w = *state;
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *answer;
	assert_int_equal(set_password(w, PASSWORD, 0, 0), OK);
	struct ipc_warrant warrant = {
	    .act = WARRANT_APP_ADD, .bits = SERVICE_ALL, .text = SLICE("one of many")};
	enum result r = OK;
	unsigned made = 0;
	for (; r == OK && made < 2 * LIMIT_CREDENTIALS; made++)
		r = warranted(w, warrant, &ask, &answer);
	assert_int_equal(r, FULL);
	assert_int_equal(made, LIMIT_CREDENTIALS + 1);
	struct ipc_grant g;
	assert_int_equal(sign_in(w, PASSWORD, "imap", &g), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_may_be_a_password),
	    cmocka_unit_test(any_octets_can_be_judged),
	    cmocka_unit_test(codes_by_the_clock),
	    cmocka_unit_test_setup_teardown(a_password_by_warrant, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(only_what_is_allowed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_second_factor, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(codes_are_not_guessed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_password_for_an_application, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(there_is_a_limit, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("keys_factors", tests, NULL, NULL);
}
