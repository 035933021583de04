/* Tokens of OAuth: what clients send, where programs may be answered, and keys that are made of a seed. */
#include "http/oauth.h"
#include "keys/jose.h"
#include "sasl/bearer.h"
#include "store/account/oauth.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void messages_are_taken_apart(void **state)
{
	ARENA_LOCAL(a, 65536);
	struct bearer b;
	assert_int_equal(
	    bearer_parse(
		SLICE("n,a=hana=2Co@a.example,\1host=h\1port=143\1auth=Bearer abc.DEF-_~+/9==\1\1"), &a, &b),
	    OK);
	assert_true(slice_eq(b.login, SLICE("hana,o@a.example")));
	assert_true(slice_eq(b.token, SLICE("abc.DEF-_~+/9==")));
	assert_int_equal(bearer_parse(SLICE("y,,\1auth=bearer   t\1\1"), &a, &b), OK);
	assert_int_equal(b.login.n, 0);
	assert_int_equal(bearer_parse_xoauth2(SLICE("user=o@a.example\1auth=Bearer t\1\1"), &a, &b), OK);
	assert_true(slice_eq(b.login, SLICE("o@a.example")) && slice_eq(b.token, SLICE("t")));
}

static void what_is_odd_is_no_message(void **state)
{
	static const char *const bad[] = {"", "n", "n,", "n,,", "n,,\1", "n,,\1\1", "n,,\1auth=Bearer t\1",
	    "n,,\1auth=Bearer t", "n,,\1auth=Basic t\1\1", "n,,\1auth=Bearer \1\1",
	    "n,,\1auth=Bearer t\"\1\1", "p=tls-exporter,,\1auth=Bearer t\1\1", "n,b=x,\1auth=Bearer t\1\1",
	    "n,a=,\1auth=Bearer t\1\1", "n,a=x=2,\1auth=Bearer t\1\1", "n,,x\1auth=Bearer t\1\1",
	    "n,,\1auth=Bearer t\1\1\1", "n,,\1auth=Bearer t\1auth=Bearer u\1\1", "n,,\1host=h\1\1",
	    "n,,\1h0st=h\1auth=Bearer t\1\1", "n,,\1auth=Bearer t u\1\1"};
	static const char *const bad_google[] = {
	    "", "user=\1auth=Bearer t\1\1", "user=a\1", "auth=Bearer t\1\1", "user=a\1auth=Bearer t\1"};
	ARENA_LOCAL(a, 65536);
	struct bearer b;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (bearer_parse(slice_str(bad[i]), &a, &b) != BAD)
			fail_msg("taken: %s", bad[i]);
	for (size_t i = 0; i < COUNT(bad_google); i++)
		if (bearer_parse_xoauth2(slice_str(bad_google[i]), &a, &b) != BAD)
			fail_msg("taken: %s", bad_google[i]);
}

static void redirects_are_exact_but_for_ports_of_this_machine(void **state)
{
	struct slice all = SLICE(
	    "https://app.example/cb http://127.0.0.1/cb http://localhost net.thunderbird://oauth2/callback");
	static const char *const fit[] = {"https://app.example/cb", "http://127.0.0.1/cb",
	    "http://127.0.0.1:51004/cb", "http://localhost:9", "net.thunderbird://oauth2/callback"};
	static const char *const unfit[] = {"https://app.example/cb/", "https://app.example/cb?x=1",
	    "https://app.example:443/cb", "https://app.example.evil.test/cb", "http://app.example/cb",
	    "http://127.0.0.1:51004/other", "http://127.0.0.1:51004", "http://127.0.0.1:/cb",
	    "http://127.0.0.1:123456/cb", "http://127.0.0.1.evil.test/cb", "http://127.0.0.1@evil.test/cb",
	    "http://localhost.evil.test", "http://localhost/", "http://[::1]/cb", "https://app.example/cb#x",
	    ""};
	for (size_t i = 0; i < COUNT(fit); i++)
		if (!oauth_redirect_fits(all, slice_str(fit[i])))
			fail_msg("refused: %s", fit[i]);
	for (size_t i = 0; i < COUNT(unfit); i++)
		if (oauth_redirect_fits(all, slice_str(unfit[i])))
			fail_msg("taken: %s", unfit[i]);
	assert_true(oauth_redirect_is_native(SLICE("http://127.0.0.1:1/cb")));
	assert_false(oauth_redirect_is_native(SLICE("https://app.example/cb")));
}

static void only_some_addresses_can_be_registered(void **state)
{
	static const char *const bad[] = {"", "app.example", "http://app.example/", "https://", "https:///x",
	    "https://user@app.example/", "https://app.example/ x", "https://app.example/\r\n",
	    "javascript:alert(1)", "data:text/html,x", "https://*.app.example/", "https://app.example/#"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (oauth_redirect_ok(slice_str(bad[i])))
			fail_msg("taken: %s", bad[i]);
	assert_true(oauth_redirect_ok(SLICE("com.example.app:/cb")));
	assert_true(oauth_redirect_ok(SLICE("http://[::1]:8080/cb")));
}

static void scopes_are_bits(void **state)
{
	BUF_LOCAL(b, 200);
	int64_t bits = oauth_scopes_read(SLICE("smtp unknown openid  imap"));
	assert_int_equal(bits, OAUTH_SMTP | OAUTH_OPENID | OAUTH_IMAP);
	oauth_scopes_put(&b, bits);
	assert_string_equal(buf_z(&b), "imap smtp openid");
}

static void forms_have_each_parameter_once(void **state)
{
	ARENA_LOCAL(a, 65536);
	struct http_oauth p;
	assert_int_equal(http_oauth_read(SLICE("state=a%20b+c&other=1&other=2&code="), &a, &p), OK);
	assert_true(slice_eq(p.state, SLICE("a b c")));
	assert_true(p.code.p && !p.code.n && !p.nonce.p);
	assert_int_equal(http_oauth_read(SLICE("state=a&state=a"), &a, &p), BAD);
	assert_int_equal(http_oauth_read(SLICE("state=a%0d%0ab"), &a, &p), BAD);
	assert_int_equal(http_oauth_read(SLICE("state=a%00b"), &a, &p), BAD);
	assert_int_equal(http_oauth_read(SLICE("state=%ff"), &a, &p), BAD);
}

/* RFC 7636, appendix B. */
static void a_verifier_has_its_challenge(void **state)
{
	BUF_LOCAL(b, 64);
	assert_int_equal(http_oauth_challenge(SLICE("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), &b), OK);
	assert_string_equal(buf_z(&b), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	assert_int_equal(http_oauth_challenge(SLICE("too-short"), &b), BAD);
}

/* RFC 6749 2.3.1: both are encoded as in a form, before the base64. */
static void clients_name_themselves(void **state)
{
	ARENA_LOCAL(a, 65536);
	struct slice id, secret;
	assert_int_equal(http_oauth_basic(SLICE("Basic YSUyMGI6YyUzQWQ="), &a, &id, &secret), OK);
	assert_true(slice_eq(id, SLICE("a b")) && slice_eq(secret, SLICE("c:d")));
	assert_int_equal(http_oauth_basic(SLICE("Basic YWI="), &a, &id, &secret), BAD);
	assert_int_equal(http_oauth_basic(SLICE("Bearer YTpi"), &a, &id, &secret), BAD);
}

static void one_seed_makes_one_key(void **state)
{
	unsigned char seed[JOSE_SEED] = "sixty-four octets that somebody could guess, but only in tests..";
	BUF_LOCAL(one, 512);
	BUF_LOCAL(same, 512);
	BUF_LOCAL(other, 512);
	EVP_PKEY *key = jose_key_derive(seed), *again = jose_key_derive(seed);
	jose_jwk_put(&one, key);
	jose_jwk_put(&same, again);
	assert_true(slice_eq(buf_slice(&one), buf_slice(&same)));
	EVP_PKEY_free(again);
	seed[0]++;
	again = jose_key_derive(seed);
	jose_jwk_put(&other, again);
	assert_false(slice_eq(buf_slice(&one), buf_slice(&other)));
	EVP_PKEY_CTX *check = EVP_PKEY_CTX_new(key, NULL);
	assert_int_equal(EVP_PKEY_check(check), 1);
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(again);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_are_taken_apart),
	    cmocka_unit_test(what_is_odd_is_no_message),
	    cmocka_unit_test(redirects_are_exact_but_for_ports_of_this_machine),
	    cmocka_unit_test(only_some_addresses_can_be_registered),
	    cmocka_unit_test(scopes_are_bits),
	    cmocka_unit_test(forms_have_each_parameter_once),
	    cmocka_unit_test(a_verifier_has_its_challenge),
	    cmocka_unit_test(clients_name_themselves),
	    cmocka_unit_test(one_seed_makes_one_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
