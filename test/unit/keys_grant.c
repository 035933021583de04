/* grant: what keys sealed opens, and nothing else does. */
#include "ipc/grant.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char key_octets[GRANT_KEY] = "0123456789abcdef0123456789abcde";
#define KEY slice_of(key_octets, GRANT_KEY)
#define NOW ((int64_t)1700000000000)

static void seal(struct buf *b)
{
	struct ipc_grant g = {.account = 0x1122334455667788,
	    .issued_ms = NOW,
	    .login = SLICE("hana@example.jp"),
	    .service = SLICE("imap")};
	assert_int_equal(ipc_grant_seal(KEY, &g, b), OK);
}

static void a_grant_opens(void **state)
{
	BUF_LOCAL(b, GRANT_MOST);
	seal(&b);
	struct ipc_grant g;
	assert_int_equal(ipc_grant_verify(KEY, buf_slice(&b), NOW + GRANT_MS, &g), OK);
	assert_true(g.account == 0x1122334455667788);
	assert_true(slice_eq(g.login, SLICE("hana@example.jp")));
	assert_true(slice_eq(g.service, SLICE("imap")));
	assert_true(g.issued_ms == NOW);
}

static void a_grant_ends(void **state)
{
	BUF_LOCAL(b, GRANT_MOST);
	seal(&b);
	struct ipc_grant g;
	assert_int_equal(ipc_grant_verify(KEY, buf_slice(&b), NOW + GRANT_MS + 1, &g), DENY);
	assert_int_equal(ipc_grant_verify(KEY, buf_slice(&b), NOW - 60000, &g), DENY);
}

static void any_changed_octet_is_seen(void **state)
{
	BUF_LOCAL(b, GRANT_MOST);
	seal(&b);
	struct ipc_grant g;
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_int_equal(ipc_grant_verify(KEY, buf_slice(&b), NOW, &g), DENY);
		b.p[i] ^= 1;
	}
	for (size_t n = 0; n < b.n; n++)
		assert_int_not_equal(ipc_grant_verify(KEY, slice_of(b.p, n), NOW, &g), OK);
	char other[GRANT_KEY] = {1};
	assert_int_equal(ipc_grant_verify(slice_of(other, GRANT_KEY), buf_slice(&b), NOW, &g), DENY);
}

static void texts_have_limits(void **state)
{
	char many[LIMIT_LOGIN_NAME + 1] = {0};
	BUF_LOCAL(b, 1024);
	struct ipc_grant g = {.login = slice_of(many, sizeof many)};
	assert_int_equal(ipc_grant_seal(KEY, &g, &b), FULL);
	g.login = slice_of(many, LIMIT_LOGIN_NAME);
	g.service = slice_of(many, 33);
	assert_int_equal(ipc_grant_seal(KEY, &g, &b), FULL);
	g.service = slice_of(many, 32);
	assert_int_equal(ipc_grant_seal(KEY, &g, &b), OK);
	assert_true(b.n <= GRANT_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_grant_opens), cmocka_unit_test(a_grant_ends),
	    cmocka_unit_test(any_changed_octet_is_seen), cmocka_unit_test(texts_have_limits)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
