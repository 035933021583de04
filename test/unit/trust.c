/*
 * trust: who sent a message. SPF is tested case by case by test/corpora/spf_sets.py; here are the limits, DMARC's walk and
 * alignment, the reading of From fields, Authentication-Results, and the public suffix list's own cases.
 */
#include "kit/corpora.h"
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA ((size_t)16 << 20)

static struct fixture *load(const char *text)
{
	struct fixture *f;
	BUF_LOCAL(why, 1000);
	if (fixture_parse(slice_str(text), &f, &why) != OK)
		fail_msg("%s", buf_z(&why));
	return f;
}

static void assert_slice(struct slice s, const char *want)
{
	if (!slice_eq(s, slice_str(want)))
		fail_msg("\"" SLICE_FMT "\" is not \"%s\"", SLICE_ARG(s), want);
}

/* ---- SPF ---- */

static enum spf_result spf_of(
    const char *zone, const char *ip, const char *domain, struct spf *out, struct arena *a)
{
	struct fixture *f = load(zone);
	struct spf_ask ask = {
	    .helo = SLICE("mx.client.example"), .local = SLICE("someone"), .domain = slice_str(domain)};
	assert_int_equal(dns_ip_read(slice_str(ip), &ask.ip), OK);
	spf_check(&ask, fixture_dns(f), a, out);
	fixture_free(f);
	return out->result;
}

static void test_spf_limits(void **state)
{
	ARENA_LOCAL(a, ARENA);
	struct spf spf;
	BUF_LOCAL(zone, 65536);
	buf_puts(&zone, "ten.example TXT v=spf1");
	for (int i = 0; i < 10; i++)
		buf_puts(&zone, " a:host.example");
	buf_puts(&zone, " -all\neleven.example TXT v=spf1 a:host.example include:ten.example "
			"-all\nhost.example A 192.0.2.9\n");
	buf_puts(&zone, "loop.example TXT v=spf1 include:loop.example -all\n");
	buf_puts(&zone, "void.example TXT v=spf1 a:v1.example a:v2.example -all\n");
	buf_puts(&zone, "voids.example TXT v=spf1 a:v1.example a:v2.example a:v3.example -all\n");
	assert_int_equal(spf_of(buf_z(&zone), "192.0.2.1", "ten.example", &spf, &a), SPF_FAIL);
	assert_int_equal(spf.lookups, 10);
	assert_int_equal(spf_of(buf_z(&zone), "192.0.2.1", "eleven.example", &spf, &a), SPF_PERMERROR);
	assert_int_equal(spf_of(buf_z(&zone), "192.0.2.1", "loop.example", &spf, &a), SPF_PERMERROR);
	assert_int_equal(spf_of(buf_z(&zone), "192.0.2.1", "void.example", &spf, &a), SPF_FAIL);
	assert_int_equal(spf.voids, 2);
	assert_int_equal(spf_of(buf_z(&zone), "192.0.2.1", "voids.example", &spf, &a), SPF_PERMERROR);
}

static void test_spf_addresses(void **state)
{
	ARENA_LOCAL(a, ARENA);
	struct spf spf;
	const char *zone = "x.example TXT v=spf1 ip4:192.0.2.0/25 ip6:2001:db8::/33 -all\n"
			   "xn--r8jz45g.example TXT v=spf1 +all\n"
			   "l.example TXT v=spf1 exists:%{l}.x.example ~all\n"
			   "slow.example TIMEOUT\n"
			   "bogus.example BOGUS\n";
	assert_int_equal(spf_of(zone, "192.0.2.127", "x.example", &spf, &a), SPF_PASS);
	assert_int_equal(spf_of(zone, "192.0.2.128", "x.example", &spf, &a), SPF_FAIL);
	assert_int_equal(spf_of(zone, "::ffff:192.0.2.1", "x.example", &spf, &a), SPF_PASS);
	assert_int_equal(spf_of(zone, "2001:db8:7fff::1", "x.example", &spf, &a), SPF_PASS);
	assert_int_equal(spf_of(zone, "2001:db8:8000::1", "x.example", &spf, &a), SPF_FAIL);
	assert_int_equal(spf_of(zone, "192.0.2.1", "例え.example", &spf, &a), SPF_PASS);
	assert_slice(spf.domain, "xn--r8jz45g.example");
	assert_int_equal(spf_of(zone, "192.0.2.1", "slow.example", &spf, &a), SPF_TEMPERROR);
	assert_int_equal(spf_of(zone, "192.0.2.1", "bogus.example", &spf, &a), SPF_TEMPERROR);
	assert_int_equal(spf_of(zone, "192.0.2.1", "none.example", &spf, &a), SPF_NONE);
	assert_int_equal(spf_of(zone, "192.0.2.1", "[192.0.2.1]", &spf, &a), SPF_NONE);
}

/* ---- From ---- */

struct author_case {
	const char *header;
	const char *domains; /* with blanks between */
	uint32_t flags;
};

static const struct author_case author_cases[] = {
    {"From: a@x.example", "x.example", 0},
    {"from : \"A, B\" <a@X.Example.>", "x.example", 0},
    {"From: A B <a@X.Example> (comment)", "x.example", 0},
    {"From: a@x.example\r\nFrom: b@y.example", "x.example y.example",
	TRUST_FROM_FIELDS | TRUST_FROM_MALFORMED},
    {"From: a@x.example, b@y.example", "x.example y.example", TRUST_FROM_SEVERAL},
    {"From: Team: a@x.example, b@x.example;", "x.example", TRUST_FROM_SEVERAL},
    {"From: <a@x.example>b@y.example", "x.example y.example", TRUST_FROM_MALFORMED},
    {"From: <a@y.example>\\,<b@x.example>", "y.example x.example", TRUST_FROM_MALFORMED | TRUST_FROM_SEVERAL},
    {"From: <@x.example,@z.example:a@y.example>", "y.example x.example z.example", TRUST_FROM_MALFORMED},
    {"From: \"b@y.example\" <a@x.example>", "x.example", TRUST_DISPLAY_ADDRESS},
    {"From: \"a@x.example\" <a@x.example>", "x.example", 0},
    {"From: =?utf-8?B?YkB5LmV4YW1wbGU=?= <a@x.example>", "x.example", TRUST_DISPLAY_ADDRESS},
    {"From: =?utf-8?Q?b=40y.example?=", "y.example", TRUST_FROM_MALFORMED},
    {"From: =?utf-8?B?PGJAeS5leGFtcGxlPg==?=, <a@x.example>", "x.example y.example",
	TRUST_FROM_MALFORMED | TRUST_FROM_SEVERAL},
    {"From: \"b@y.example\"@x.example", "x.example y.example", TRUST_FROM_MALFORMED},
    {"From: <a@x.example@y.example>", "y.example x.example", TRUST_FROM_MALFORMED},
    {" From: b@y.example\r\nFrom: a@x.example", "x.example y.example",
	TRUST_FROM_MALFORMED | TRUST_FROM_FIELDS},
    {"X: y\r\nFrom\r\n : b@y.example\r\nFrom: a@x.example", "y.example x.example",
	TRUST_FROM_MALFORMED | TRUST_FROM_FIELDS},
    {"Sender: b@y.example", "y.example", TRUST_FROM_MISSING},
    {"From: undisclosed:;", "", TRUST_FROM_MISSING},
    {"From: a@p\xd0\xb0yp\xd0\xb0l.example", "xn--pypl-53dc.example", TRUST_HOMOGRAPH},
    {"From: a@m\xc3\xbcnchen.example", "xn--mnchen-3ya.example", 0},
    {"From: a@x.example\r\nResent-From: b@y.example\r\nSender: c@z.example", "x.example",
	TRUST_RESENT | TRUST_SENDER_OTHER},
};

static bool lists(const struct trust_authors *t, const char *domains)
{
	struct slice rest = slice_str(domains);
	size_t n = 0;
	while (rest.n) {
		struct slice want = slice_split(&rest, ' ');
		bool there = false;
		for (size_t i = 0; i < t->n; i++)
			there |= slice_eq(t->domain[i], want);
		if (!there)
			return false;
		n++;
	}
	return n == t->n;
}

static void test_authors(void **state)
{
	unsigned wrong = 0;
	for (size_t i = 0; i < COUNT(author_cases); i++) {
		const struct author_case *c = &author_cases[i];
		ARENA_LOCAL(a, ARENA);
		BUF_LOCAL(message, 4096);
		struct trust_authors t;
		buf_printf(&message, "%s\r\nSubject: x\r\n\r\nFrom: body@body.example\r\n", c->header);
		trust_authors_read(buf_slice(&message), &a, &t);
		if (lists(&t, c->domains) && t.flags == c->flags)
			continue;
		wrong++;
		fprintf(stderr, "%s: flags %x, not %x:", c->header, t.flags, c->flags);
		for (size_t j = 0; j < t.n; j++)
			fprintf(stderr, " " SLICE_FMT, SLICE_ARG(t.domain[j]));
		fputc('\n', stderr);
	}
	assert_int_equal(wrong, 0);
}

static void test_too_many_authors(void **state)
{
	ARENA_LOCAL(a, ARENA);
	BUF_LOCAL(message, 65536);
	struct trust_authors t;
	buf_puts(&message, "From: a@x0.example");
	for (int i = 1; i < 40; i++)
		buf_printf(&message, ",\r\n a@x%d.example", i);
	buf_puts(&message, "\r\n\r\n");
	trust_authors_read(buf_slice(&message), &a, &t);
	assert_true(t.cut);
	assert_int_equal(t.n, LIMIT_DMARC_AUTHORS);
}

/* ---- DMARC ---- */

static const char dmarc_zone[] = "_dmarc.x.example TXT v=DMARC1; p=reject; sp=quarantine; np=reject\n"
				 "_dmarc.strict.x.example TXT v=DMARC1;p=quarantine;aspf=s;adkim=s\n"
				 "_dmarc.own.x.example TXT v=DMARC1; p=none; psd=n\n"
				 "sub.x.example A 192.0.2.1\n"
				 "_dmarc.mail.old.example TXT v=DMARC1; p=reject\n"
				 "_dmarc.two.example TXT v=DMARC1; p=reject\n"
				 "_dmarc.two.example TXT v=DMARC1; p=none\n"
				 "_dmarc.test.example TXT v=DMARC1; p=reject; t=y\n"
				 "_dmarc.pct.example TXT v=DMARC1; p=quarantine; pct=0\n"
				 "_dmarc.bad.example TXT v=DMARC1; p=refuse\n"
				 "_dmarc.badrua.example TXT v=DMARC1; p=refuse; rua=mailto:r@badrua.example\n"
				 "_dmarc.late.example TXT p=reject; v=DMARC1\n"
				 "_dmarc.small.example TXT v=dmarc1; p=reject\n"
				 "_dmarc.slow.example TIMEOUT\n"
				 "_dmarc.co.jp TXT v=DMARC1; p=none\n"
				 "_dmarc.bank TXT v=DMARC1; p=reject; psd=y\n"
				 "_dmarc.h.i.j.mail.deep.example TXT v=DMARC1; p=quarantine\n"
				 "_dmarc.deep.example TXT v=DMARC1; p=reject\n";

struct dmarc_case {
	const char *from, *spf, *dkim; /* domains that passed; dkim: one */
	enum dmarc_result result;
	enum dmarc_policy policy;
	const char *policy_domain;
};
#define NO_POLICY DMARC_POLICY_NONE
static const struct dmarc_case dmarc_cases[] = {
    {"x.example", "x.example", "", DMARC_PASS, DMARC_POLICY_REJECT, "x.example"},
    {"x.example", "", "x.example", DMARC_PASS, DMARC_POLICY_REJECT, "x.example"},
    {"x.example", "bounce.x.example", "", DMARC_PASS, DMARC_POLICY_REJECT, "x.example"},
    {"x.example", "evil.example", "evil.example", DMARC_FAIL, DMARC_POLICY_REJECT, "x.example"},
    {"x.example", "evilx.example", "", DMARC_FAIL, DMARC_POLICY_REJECT, "x.example"},
    {"sub.x.example", "x.example", "", DMARC_PASS, DMARC_POLICY_QUARANTINE, "x.example"},
    {"sub.x.example", "evil.example", "", DMARC_FAIL, DMARC_POLICY_QUARANTINE, "x.example"},
    {"nosuch.x.example", "evil.example", "", DMARC_FAIL, DMARC_POLICY_REJECT, "x.example"},
    {"strict.x.example", "x.example", "", DMARC_FAIL, DMARC_POLICY_QUARANTINE, "strict.x.example"},
    {"strict.x.example", "", "strict.x.example", DMARC_PASS, DMARC_POLICY_QUARANTINE, "strict.x.example"},
    {"own.x.example", "x.example", "", DMARC_FAIL, NO_POLICY, "own.x.example"},
    {"x.example", "own.x.example", "", DMARC_FAIL, DMARC_POLICY_REJECT, "x.example"},
    {"a.own.x.example", "b.own.x.example", "", DMARC_PASS, NO_POLICY, "own.x.example"},
    /* published before psd= was known: the parent has no record, the public suffix list joins them */
    {"mail.old.example", "old.example", "", DMARC_PASS, DMARC_POLICY_REJECT, "mail.old.example"},
    {"two.example", "", "", DMARC_NONE, NO_POLICY, ""},
    {"test.example", "", "", DMARC_FAIL, DMARC_POLICY_QUARANTINE, "test.example"},
    {"pct.example", "", "", DMARC_FAIL, NO_POLICY, "pct.example"},
    {"bad.example", "", "", DMARC_PERMERROR, NO_POLICY, "bad.example"},
    {"badrua.example", "", "", DMARC_FAIL, NO_POLICY, "badrua.example"},
    {"late.example", "", "", DMARC_NONE, NO_POLICY, ""},
    {"small.example", "", "", DMARC_NONE, NO_POLICY, ""},
    {"slow.example", "slow.example", "", DMARC_TEMPERROR, NO_POLICY, ""},
    {"none.example", "none.example", "", DMARC_NONE, NO_POLICY, ""},
    /* a public suffix with a record and without psd=y: its names are strangers to each other all the same */
    {"a.co.jp", "b.co.jp", "", DMARC_FAIL, NO_POLICY, "co.jp"},
    {"x.a.co.jp", "y.a.co.jp", "", DMARC_PASS, NO_POLICY, "co.jp"},
    {"a.bank", "b.bank", "", DMARC_FAIL, DMARC_POLICY_REJECT, "bank"},
    {"www.a.bank", "a.bank", "", DMARC_PASS, DMARC_POLICY_REJECT, "bank"},
    /* RFC 9989 4.10: eight questions for however many labels; the highest record is the organisation's */
    {"a.b.c.d.e.f.g.h.i.j.mail.deep.example", "", "", DMARC_FAIL, DMARC_POLICY_REJECT, "deep.example"},
};

struct counting {
	struct dns dns;
	struct dns *to;
	unsigned asked;
};

static void ask_counting(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	struct counting *c = (struct counting *)d;
	c->asked++;
	dns_ask(c->to, name, type, a, out);
}

static void test_dmarc(void **state)
{
	struct fixture *f = load(dmarc_zone);
	for (size_t i = 0; i < COUNT(dmarc_cases); i++) {
		const struct dmarc_case *c = &dmarc_cases[i];
		ARENA_LOCAL(a, ARENA);
		struct trust_authors authors = {.n = 1, .domain = {slice_str(c->from)}};
		struct slice dkim = slice_str(c->dkim);
		struct counting dns = {.dns.ask = ask_counting, .to = fixture_dns(f)};
		struct dmarc_ask ask = {
		    .authors = &authors, .spf = slice_str(c->spf), .dkim = &dkim, .n_dkim = dkim.n > 0};
		struct dmarc d;
		dmarc_check(&ask, &dns.dns, &a, &d);
		if (d.result != c->result || d.policy != c->policy ||
		    !slice_eq(d.policy_domain, slice_str(c->policy_domain)))
			fail_msg("%s, spf %s, dkim %s: %s, %s, record of \"" SLICE_FMT "\"", c->from, c->spf,
			    c->dkim, dmarc_result_name(d.result), dmarc_policy_name(d.policy),
			    SLICE_ARG(d.policy_domain));
		assert_in_range(dns.asked, 1, 9);
	}
	fixture_free(f);
}

static void test_dmarc_several_authors(void **state)
{
	struct fixture *f = load(dmarc_zone);
	ARENA_LOCAL(a, ARENA);
	struct trust_authors authors = {.n = 2, .domain = {SLICE("evil.example"), SLICE("x.example")}};
	struct dmarc_ask ask = {.authors = &authors, .spf = SLICE("evil.example")};
	struct dmarc d;
	dmarc_check(&ask, fixture_dns(f), &a, &d);
	assert_int_equal(d.result, DMARC_FAIL);
	assert_int_equal(d.policy, DMARC_POLICY_REJECT);
	assert_slice(d.author, "x.example");
	authors = (struct trust_authors){.n = 1, .domain = {SLICE("x.example")}, .cut = true};
	ask.spf = SLICE("x.example");
	dmarc_check(&ask, fixture_dns(f), &a, &d);
	assert_int_equal(d.result, DMARC_FAIL);
	authors = (struct trust_authors){0};
	dmarc_check(&ask, fixture_dns(f), &a, &d);
	assert_int_equal(d.result, DMARC_NONE);
	fixture_free(f);
}

static void test_dmarc_uris(void **state)
{
	struct slice rest = SLICE("https://x/, mailto:a@x.example!10m , mailto:,mailto:b@x.example"), address;
	assert_true(dmarc_uri_next(&rest, &address));
	assert_slice(address, "a@x.example");
	assert_true(dmarc_uri_next(&rest, &address));
	assert_slice(address, "b@x.example");
	assert_false(dmarc_uri_next(&rest, &address));
}

/* ---- Authentication-Results ---- */

static void test_authres_written(void **state)
{
	BUF_LOCAL(b, 4096);
	ARENA_LOCAL(a, ARENA);
	struct authres_writer w;
	struct authres r;
	authres_begin(&w, &b, "mx.here.example");
	authres_method(&w, "spf", "pass", "a (nested\r\n) note");
	authres_address(&w, "smtp", "mailfrom", SLICE("a\"; dmarc=pass"), SLICE("x.example"));
	authres_property(&w, "policy", "x", SLICE("a; dmarc=pass \"(\\\r\nx"));
	authres_method(&w, "dkim", "none", NULL);
	authres_end(&w);
	struct slice field = buf_slice(&b);
	assert_true(slice_starts(field, SLICE("Authentication-Results: mx.here.example;\r\n\tspf=pass (")));
	slice_split(&field, ':');
	assert_int_equal(authres_parse(field, &a, &r), OK);
	assert_slice(r.id, "mx.here.example");
	assert_slice(r.results->method, "spf");
	assert_slice(authres_get(r.results, SLICE("smtp"), SLICE("mailfrom")), "x.example");
	assert_slice(authres_get(r.results, SLICE("policy"), SLICE("x")), "a; dmarc=pass \"(\\??x");
	assert_slice(r.results->next->method, "dkim");
	assert_null(r.results->next->next);
}

static void test_authres_read(void **state)
{
	ARENA_LOCAL(a, ARENA);
	struct authres r;
	assert_int_equal(
	    authres_parse(
		SLICE(" (c) \"mx.x.example\" 1 ;\r\n spf=pass (ok) smtp.mailfrom=a@x.example;"
		      " dkim/1 = pass reason=\"good; really\" header.d = x.example header.b=ab/c+=; none"),
		&a, &r),
	    BAD);
	assert_int_equal(
	    authres_parse(SLICE("mx.x.example; dkim = pass reason=\"good; really\" header.d = x.example "
				"header.b=ab/c+="),
		&a, &r),
	    OK);
	assert_slice(r.results->reason, "good; really");
	assert_slice(authres_get(r.results, SLICE("header"), SLICE("b")), "ab/c+=");
	assert_int_equal(authres_parse(SLICE("mx.x.example; none"), &a, &r), OK);
	assert_null(r.results);
	assert_int_equal(authres_parse(SLICE("mx.x.example; dmarc=pass (unfinished"), &a, &r), BAD);
}

static void test_authres_claims(void **state)
{
	static const char *const ours[] = {" mx.here.example; spf=pass", "\r\n\tMX.HERE.Example 1; none",
	    "\"mx.here.example\"; x", "(mx.elsewhere.example) mx.here.example; x", "mx.here.example.; x",
	    "a.mx.here.example; x", "", "; x", "(unfinished"};
	static const char *const others[] = {
	    "mx.there.example; spf=pass", "here.example; spf=pass", "xmx.here.example; x"};
	for (size_t i = 0; i < COUNT(ours); i++)
		assert_true(authres_claims(slice_str(ours[i]), SLICE("mx.here.example")));
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(authres_claims(slice_str(others[i]), SLICE("mx.here.example")));
}

/* ---- the public suffix list's own tests ---- */

static void test_public_suffixes(void **state)
{
	BUF_LOCAL(text, (size_t)1 << 20);
	unsigned n = 0;
	if (!corpora_read("dmarc-psl/tests.txt", &text))
		skip();
	struct slice rest = buf_slice(&text);
	while (rest.n) {
		struct slice line = slice_trim(slice_split(&rest, '\n')), input = slice_split(&line, ' ');
		if (input.n == 0 || slice_starts(input, SLICE("//")))
			continue;
		ARENA_LOCAL(a, ARENA);
		char *lower = arena_z(&a, slice_trim(line));
		for (char *p = lower; *p; p++)
			*p = ascii_lower(*p);
		struct slice got =
		    slice_eq(input, SLICE("null")) ? SLICE_NONE : dmarc_listed_organisation(input);
		struct slice want = slice_eq(slice_str(lower), SLICE("null")) ? SLICE_NONE : slice_str(lower);
		if (!slice_ieq(got, want))
			fail_msg(SLICE_FMT ": " SLICE_FMT " instead of " SLICE_FMT, SLICE_ARG(input),
			    SLICE_ARG(got), SLICE_ARG(want));
		n++;
	}
	printf("%u of %u lines of the public suffix list's tests\n", n, n);
	assert_int_equal(n, 78);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spf_limits),
	    cmocka_unit_test(test_spf_addresses),
	    cmocka_unit_test(test_authors),
	    cmocka_unit_test(test_too_many_authors),
	    cmocka_unit_test(test_dmarc),
	    cmocka_unit_test(test_dmarc_several_authors),
	    cmocka_unit_test(test_dmarc_uris),
	    cmocka_unit_test(test_authres_written),
	    cmocka_unit_test(test_authres_read),
	    cmocka_unit_test(test_authres_claims),
	    cmocka_unit_test(test_public_suffixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
