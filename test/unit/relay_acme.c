/* What a certificate authority may answer, and what of it is taken: the good, and what a hostile one tries. */
#include "relay/acme_read.h"
#include "tls/tls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena mem = {.cap = 1 << 22};

#define DIRECTORY                                                                                            \
	"{\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/account\","          \
	"\"newOrder\":\"https://ca.example/order\",\"revokeCert\":\"https://ca.example/revoke\","

static void directories(void **state)
{
	struct acme_directory d;
	assert_int_equal(
	    relay_acme_read_directory(
		SLICE(DIRECTORY
		    "\"keyChange\":\"https://ca.example/key\",\"renewalInfo\":"
		    "\"https://ca.example/ari\",\"meta\":{\"termsOfService\":\"https://ca.example/t\","
		    "\"caaIdentities\":[\"ca.example\",\"ca.test\"],\"externalAccountRequired\":true}}"),
		&mem, &d),
	    OK);
	assert_string_equal(d.new_order, "https://ca.example/order");
	assert_string_equal(d.caa, "ca.example, ca.test");
	assert_string_equal(d.terms, "https://ca.example/t");
	assert_true(d.binding);
	assert_int_equal(relay_acme_read_directory(SLICE(DIRECTORY "\"x\":1}"), &mem, &d), OK);
	assert_string_equal(d.renewal_info, "");
	assert_false(d.binding);
	static const char *const bad[] = {"", "[]", "null", "{}", "{", DIRECTORY,
	    DIRECTORY "\"keyChange\":1}", DIRECTORY "\"keyChange\":\"file:///etc/passwd\"}",
	    DIRECTORY "\"keyChange\":\"https://a b/\"}", DIRECTORY "\"keyChange\":\"https://a/\\r\\nX: y\"}",
	    DIRECTORY "\"newNonce\":\"https://x.example/\"}", DIRECTORY "\"renewalInfo\":{}}"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (relay_acme_read_directory(slice_str(bad[i]), &mem, &d) == OK)
			fail_msg("%s", bad[i]);
}

static void deep_and_long(void **state)
{
	BUF_LOCAL(b, 1 << 22);
	struct acme_directory d;
	struct acme_order o;
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "{\"a\":");
	assert_int_equal(relay_acme_read_directory(buf_slice(&b), &mem, &d), BAD);
	buf_clear(&b);
	buf_puts(
	    &b, "{\"status\":\"pending\",\"finalize\":\"https://a/\",\"authorizations\":[\"https://a/\"");
	for (int i = 0; i < LIMIT_ACME_URLS; i++)
		buf_puts(&b, ",\"https://a/\"");
	buf_puts(&b, "]}");
	assert_int_equal(relay_acme_read_order(buf_slice(&b), &mem, &o), FULL);
	buf_clear(&b);
	buf_puts(&b, "{\"a\":\"");
	for (int i = 0; i < LIMIT_ACME_ANSWER; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\"}");
	assert_int_equal(relay_acme_read_directory(buf_slice(&b), &mem, &d), BAD);
}

static void orders(void **state)
{
	struct acme_order o;
	assert_int_equal(relay_acme_read_order(SLICE("{\"status\":\"invalid\",\"finalize\":\"https://a/"
						     "f\",\"authorizations\":[\"https://a/1\"],"
						     "\"error\":{\"type\":\"urn:ietf:params:acme:error:caa\","
						     "\"detail\":\"no\\u0007 \\\"way\\\"\"}}"),
			     &mem, &o),
	    OK);
	assert_int_equal(o.state, ACME_INVALID);
	assert_int_equal(o.authorizations_n, 1);
	assert_string_equal(o.certificate, "");
	assert_string_equal(o.problem.type, "caa");
	assert_string_equal(o.problem.text, "caa: no? ?way?");
	static const char *const bad[] = {"{}",
	    "{\"status\":\"what\",\"finalize\":\"https://a/\",\"authorizations\":[]}",
	    "{\"status\":\"pending\",\"finalize\":\"https://a/\",\"authorizations\":{}}",
	    "{\"status\":\"pending\",\"finalize\":\"https://a/\",\"authorizations\":[1]}",
	    "{\"status\":\"pending\",\"authorizations\":[]}",
	    "{\"status\":\"valid\",\"finalize\":\"https://a/\",\"authorizations\":[]}",
	    "{\"status\":\"valid\",\"finalize\":\"https://a/"
	    "\",\"authorizations\":[],\"certificate\":\"x:\"}"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (relay_acme_read_order(slice_str(bad[i]), &mem, &o) != BAD)
			fail_msg("%s", bad[i]);
}

#define AUTHORIZATION(name, token)                                                                           \
	"{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"" name "\"},\"challenges\":["  \
	"{\"type\":\"dns-01\",\"url\":\"https://a/2\",\"token\":\"other\"},{\"type\":\"http-01\",\"url\":"   \
	"\"https://a/1\",\"token\":\"" token "\"}]}"

static void authorizations(void **state)
{
	struct acme_authorization z;
	assert_int_equal(
	    relay_acme_read_authorization(SLICE(AUTHORIZATION("A.Example", "tok_-1")), "http-01", &mem, &z),
	    OK);
	assert_string_equal(z.name, "a.example");
	assert_string_equal(z.challenge.token, "tok_-1");
	assert_string_equal(z.challenge.url, "https://a/1");
	assert_true(z.offered);
	assert_int_equal(
	    relay_acme_read_authorization(SLICE(AUTHORIZATION("a.example", "t")), "tls-alpn-01", &mem, &z),
	    OK);
	assert_false(z.offered);
	static const char *const bad[] = {AUTHORIZATION("a.example", "../../x"),
	    AUTHORIZATION("a.example", ""), AUTHORIZATION("a.example", "a\\r\\nb"),
	    AUTHORIZATION("a.example", "a.b"), AUTHORIZATION("a b", "t"), AUTHORIZATION("", "t"),
	    AUTHORIZATION("a\\u0000.example", "t"), AUTHORIZATION("*.a.example", "t"),
	    "{\"status\":\"pending\",\"identifier\":{\"type\":\"ip\",\"value\":\"a\"},\"challenges\":[]}"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (relay_acme_read_authorization(slice_str(bad[i]), "http-01", &mem, &z) != BAD)
			fail_msg("%s", bad[i]);
}

static void windows(void **state)
{
	struct acme_window w;
	assert_int_equal(
	    relay_acme_read_window(SLICE("{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\","
					 "\"end\":\"2025-01-03T04:00:00Z\"}}"),
		&w),
	    OK);
	assert_int_equal(w.from_ms, 1735790400000);
	assert_int_equal(w.to_ms - w.from_ms, DAY_MS);
	static const char *const bad[] = {"{}", "{\"suggestedWindow\":{\"start\":1,\"end\":2}}",
	    "{\"suggestedWindow\":{\"start\":\"2025-01-03T04:00:00Z\",\"end\":\"2025-01-02T04:00:00Z\"}}",
	    "{\"suggestedWindow\":{\"start\":\"yesterday\",\"end\":\"tomorrow, I think so\"}}"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(relay_acme_read_window(slice_str(bad[i]), &w), BAD);
}

static void chains(void **state)
{
	BUF_LOCAL(one, 65536);
	BUF_LOCAL(key, 65536);
	BUF_LOCAL(text, 1 << 20);
	BUF_LOCAL(out, 65536);
	assert_int_equal(tls_make_authority("test", 1, &one, &key), OK);
	buf_puts(&text, "Words of the authority\n");
	buf_put(&text, buf_slice(&one));
	buf_puts(&text, "\nmore words\n");
	buf_put(&text, buf_slice(&one));
	assert_int_equal(relay_acme_read_chain(buf_slice(&text), &out), OK);
	assert_int_equal(out.n, one.n * 2);
	assert_int_equal(slice_search(buf_slice(&out), SLICE("ords")), -1);
	buf_clear(&out);
	assert_int_equal(relay_acme_read_chain(SLICE("no chain"), &out), BAD);
	assert_int_equal(relay_acme_read_chain(buf_slice(&key), &out), BAD);
	for (int i = 0; i < 10; i++)
		buf_put(&text, buf_slice(&one));
	assert_int_equal(relay_acme_read_chain(buf_slice(&text), &out), BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(directories), cmocka_unit_test(deep_and_long),
	    cmocka_unit_test(orders), cmocka_unit_test(authorizations), cmocka_unit_test(windows),
	    cmocka_unit_test(chains)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&mem);
	return failed;
}
