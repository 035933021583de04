/* trust: records and policies of MTA-STS, TLS reporting and DANE. */
#include "base/base.h"
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* ---- MTA-STS: the record ---- */

static enum result find_id(const char *const *records, size_t n, char id[STS_ID + 1])
{
	struct slice texts[4];
	for (size_t i = 0; i < n; i++)
		texts[i] = slice_str(records[i]);
	struct dns_text_list list = {.n = n, .text = texts};
	return sts_record_find(&list, id);
}

static void sts_records(void **state)
{
	static const struct {
		const char *record, *id;
	} cases[] = {
	    {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
	    {"v=STSv1;id=1", "1"},
	    {"v=STSv1 ; \t id=abcDEF ; ", "abcDEF"},
	    {"v=STSv1; a=b; id=7; x-y.z=~!", "7"},
	    {"v=STSv1; id=12345678901234567890123456789012", "12345678901234567890123456789012"},
	    {"v=STSv1; id=123456789012345678901234567890123", NULL},
	    {"v=STSv1; id=", NULL},
	    {"v=STSv1; id=a-b", NULL},
	    {"v=STSv1; id=a b", NULL},
	    {"v=STSv1; id=1; id=2", NULL},
	    {"v=STSv1;", NULL},
	    {"v=STSv1", NULL},
	    {"v=STSv1; id", NULL},
	    {"v=STSv1; ; id=1", NULL},
	    {"v=STSv2; id=1;", NULL},
	    {"v=stsv1; id=1;", NULL},
	    {" v=STSv1; id=1;", NULL},
	    {"v=STSv11; id=1;", NULL},
	    {"", NULL},
	};
	char id[STS_ID + 1];
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum result r = find_id(&cases[i].record, 1, id);
		if (r != (cases[i].id ? OK : GONE) || (cases[i].id && strcmp(id, cases[i].id) != 0))
			fail_msg("%s: %s", cases[i].record, result_name(r));
	}
	static const char *const with_others[] = {"v=spf1 -all", "v=STSv1; id=1;", "something"};
	assert_int_equal(find_id(with_others, 3, id), OK);
	static const char *const two[] = {"v=STSv1; id=1;", "v=STSv1; id=2;"};
	assert_int_equal(find_id(two, 2, id), GONE);
	assert_int_equal(find_id(NULL, 0, id), GONE);
}

/* ---- MTA-STS: the policy ---- */

#define GOOD                                                                                                 \
	"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.jp\r\nmx: *.example.net\r\nmax_age: 604800\r\n"

static void sts_policies(void **state)
{
	static const struct {
		const char *text;
		int mode; /* -1: none */
		unsigned max_age;
		size_t mx;
	} cases[] = {
	    {GOOD, STS_ENFORCE, 604800, 2},
	    {"version: STSv1\nmode: testing\nmx: a.example\nmax_age: 1", STS_TESTING, 1, 1},
	    {"mode:none\nmax_age:86400\nversion:STSv1\n", STS_NONE, 86400, 0},
	    {"version: STSv1\nmode: none\nmode: enforce\nmax_age: 5\nmax_age: x\nversion: 7\n", STS_NONE, 5,
		0},
	    {"version: STSv1\nx-new: \xe6\x97\xa5\nmode: none\n\n  \nmax_age: 31557600\n", STS_NONE, 31557600,
		0},
	    {"version: STSv1\nmode: none\nmax_age: 31557601\n", -1, 0, 0},
	    {"version: STSv1\nmode: none\nmax_age: 00000000001\n", -1, 0, 0},
	    {"version: STSv1\nmode: none\nmax_age: -1\n", -1, 0, 0},
	    {"version: STSv1\nmode: enforce\nmax_age: 100\n", -1, 0, 0},
	    {"version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 100\n", -1, 0, 0},
	    {"version: STSv2\nmode: none\nmax_age: 100\n", -1, 0, 0},
	    {"mode: none\nmax_age: 100\n", -1, 0, 0},
	    {"version: STSv1\nmax_age: 100\n", -1, 0, 0},
	    {"version: STSv1\nmode: none\n", -1, 0, 0},
	    {"version: STSv1\nmode: none\nmax_age: 100\nwhat is this\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: \xe6\x97\xa5\xe6\x9c\xac.example\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: a.*.example\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: *\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: .example\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: a..example\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: a.example.\n", -1, 0, 0},
	    {"version: STSv1\nmode: testing\nmax_age: 100\nmx: 1.2.3.4 \n", STS_TESTING, 100, 1},
	    {"<html>not here</html>", -1, 0, 0},
	    {"", -1, 0, 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, 1 << 20);
		struct sts_policy p;
		const char *why;
		enum result r = sts_policy_parse(slice_str(cases[i].text), &a, &p, &why);
		enum result wanted = cases[i].mode < 0 ? BAD : OK;
		if (r != wanted)
			fail_msg("%s: %s", cases[i].text, why ? why : "taken");
		if (r == OK) {
			assert_int_equal((int)p.mode, cases[i].mode);
			assert_int_equal(p.max_age, cases[i].max_age);
			assert_int_equal(p.n, cases[i].mx);
		}
	}
}

static void sts_is_limited(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	BUF_LOCAL(text, 1 << 20);
	struct sts_policy p;
	const char *why;
	buf_puts(&text, "version: STSv1\nmode: enforce\nmax_age: 100\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "mx: mx%d.example.jp\n", i);
	assert_int_equal(sts_policy_parse(buf_slice(&text), &a, &p, &why), OK);
	buf_puts(&text, "mx: onetoomany.example.jp\n");
	assert_int_equal(sts_policy_parse(buf_slice(&text), &a, &p, &why), BAD);
	buf_clear(&text);
	buf_puts(&text, GOOD);
	while (text.n <= LIMIT_STS_POLICY)
		buf_puts(&text, "x: y\n");
	assert_int_equal(sts_policy_parse(buf_slice(&text), &a, &p, &why), BAD);
}

static void sts_hosts(void **state)
{
	ARENA_LOCAL(a, 1 << 16);
	struct sts_policy p;
	const char *why;
	assert_int_equal(sts_policy_parse(SLICE(GOOD), &a, &p, &why), OK);
	assert_true(sts_names(&p, "mx1.example.jp"));
	assert_false(sts_names(&p, "mx2.example.jp"));
	assert_false(sts_names(&p, "a.mx1.example.jp"));
	assert_true(sts_names(&p, "anything.example.net"));
	assert_false(sts_names(&p, "example.net"));
	assert_false(sts_names(&p, "a.b.example.net"));
	assert_false(sts_names(&p, ".example.net"));
	assert_false(sts_names(&p, "xexample.net"));
	assert_false(sts_names(&p, ""));
}

/* ---- TLS reporting ---- */

static void tlsrpt_records(void **state)
{
	static const struct {
		const char *record;
		size_t n;
		const char *first;
	} cases[] = {
	    {"v=TLSRPTv1;rua=mailto:reports@example.com", 1, "mailto:reports@example.com"},
	    {"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt ;", 1,
		"https://reporting.example.com/v1/tlsrpt"},
	    {"v=TLSRPTv1; x=y; rua=mailto:a@b, https://c/d", 2, "mailto:a@b"},
	    {"v=TLSRPTv1; rua=ftp://x,mailto:a@b", 1, "mailto:a@b"},
	    {"v=TLSRPTv1; rua=ftp://x", 0, NULL},
	    {"v=TLSRPTv1; rua=mailto:a@b,,mailto:c@d", 0, NULL},
	    {"v=TLSRPTv1; rua=mailto:a b", 0, NULL},
	    {"v=TLSRPTv1; rua=mailto:", 0, NULL},
	    {"v=TLSRPTv1; rua=mailto:a@b; rua=mailto:c@d", 0, NULL},
	    {"v=TLSRPTv1;", 0, NULL},
	    {"v=TLSRPTv2; rua=mailto:a@b", 0, NULL},
	    {"", 0, NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice text = slice_str(cases[i].record);
		struct dns_text_list list = {.n = 1, .text = &text};
		struct tlsrpt_record r;
		enum result found = tlsrpt_record_find(&list, &r);
		if (found != (cases[i].n ? OK : GONE) || (cases[i].n && r.n != cases[i].n) ||
		    (cases[i].n && !slice_eq(r.uri[0], slice_str(cases[i].first))))
			fail_msg("%s: %s, %zu", cases[i].record, result_name(found), r.n);
	}
	struct slice two[] = {SLICE("v=TLSRPTv1; rua=mailto:a@b"), SLICE("v=TLSRPTv1; rua=mailto:c@d")};
	struct dns_text_list list = {.n = 2, .text = two};
	struct tlsrpt_record r;
	assert_int_equal(tlsrpt_record_find(&list, &r), GONE);
	assert_string_equal(tlsrpt_result_name(TLSRPT_STS_WEBPKI_INVALID), "sts-webpki-invalid");
	assert_string_equal(tlsrpt_policy_name(TLSRPT_TLSA), "tlsa");
}

/* ---- DANE ---- */

static void tlsa_records(void **state)
{
	char octets[64] = {0};
	struct dns_tlsa t[] = {
	    {3, 1, 1, {octets, 31}}, /* too short */
	    {3, 1, 1, {octets, 32}}, /* good */
	    {0, 1, 1, {octets, 32}}, /* PKIX-TA */
	    {1, 1, 1, {octets, 32}}, /* PKIX-EE */
	    {2, 0, 2, {octets, 64}}, /* good */
	    {2, 2, 1, {octets, 32}}, /* no such selector */
	    {3, 1, 3, {octets, 64}}, /* no such matching type */
	    {3, 0, 0, {octets, 64}}, /* no certificate */
	    {3, 1, 0, {octets, 64}}, /* no key */
	    {4, 1, 1, {octets, 32}}, /* no such usage */
	};
	assert_int_equal(dane_pick(t, COUNT(t)), 2);
	assert_int_equal(t[0].data.n, 32);
	assert_int_equal(t[1].data.n, 64);
	BUF_LOCAL(text, 1000);
	struct dns_tlsa one = {3, 1, 1, SLICE("\x01\xab")};
	dane_put(&one, &text);
	assert_string_equal(buf_z(&text), "3 1 1 01ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sts_records),
	    cmocka_unit_test(sts_policies),
	    cmocka_unit_test(sts_is_limited),
	    cmocka_unit_test(sts_hosts),
	    cmocka_unit_test(tlsrpt_records),
	    cmocka_unit_test(tlsa_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
