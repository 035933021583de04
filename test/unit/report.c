/* report: what is read of reports, what is refused, and that what we write is read again. */
#include "base/base.h"
#include "mail/facts.h"
#include "mail/build.h"
#include "report/report.h"
#include "resolver/fixture.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>
#include <cmocka.h>

#define ARENA ((size_t)64 << 20)

#define META                                                                                                 \
	"<report_metadata><org_name>Org &amp; "                                                              \
	"Co</org_name><email>r@org.test</email><report_id>id-1</report_id>"                                  \
	"<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>"          \
	"<policy_published><domain>Example.JP</domain><p>none</p><adkim>r</adkim></policy_published>"
#define RECORD(ip, count, dkim, spf)                                                                         \
	"<record><row><source_ip>" ip "</source_ip><count>" count                                            \
	"</count><policy_evaluated><disposition>none</disposition><dkim>" dkim "</dkim><spf>" spf            \
	"</spf></policy_evaluated></row><identifiers><header_from>example.jp</header_from></identifiers>"    \
	"<auth_results><dkim><domain>other.test</domain><selector>a</selector><result>fail</result></dkim>"  \
	"<dkim><domain>example.jp</domain><selector>b</selector><result>pass</result></dkim>"                \
	"<spf><domain>bounce.test</domain><result>softfail</result></spf></auth_results></record>"
#define FEEDBACK(inside) "<?xml version=\"1.0\"?>\n<feedback>" inside "</feedback>"

static Sekisho__Report *read_file(struct slice s, struct arena *a)
{
	Sekisho__Report *r;
	assert_int_equal(report_read_file(s, a, &r), OK);
	return r;
}

static Sekisho__Report *read_message(struct slice s, struct arena *a)
{
	Sekisho__Facts *facts;
	Sekisho__Report *r;
	assert_int_equal(mail_facts_extract(s, a, &facts), OK);
	assert_int_equal(report_read(s, facts, a, &r), OK);
	return r;
}

static void gzip(struct slice s, struct buf *out)
{
	struct report_gzip *g = report_gzip_new(out);
	report_gzip_put(g, s);
	assert_int_equal(report_gzip_end(g), OK);
}

/* ---- DMARC ---- */

static void rows_that_agree_are_one_source(void **state)
{
	ARENA_LOCAL(a, ARENA);
	const Sekisho__Report *r = read_file(
	    SLICE(FEEDBACK(
		META RECORD("192.0.2.1", "3", "pass", "fail") RECORD("192.0.2.1", "4", "pass", "fail")
		    RECORD("192.0.2.1", "2", "fail", "fail") RECORD("2001:db8::1", " 5 ", "fail", "pass"))),
	    &a);
	assert_int_equal(r->kind, SEKISHO__REPORT__KIND__DMARC);
	const Sekisho__DmarcReport *d = r->dmarc;
	assert_string_equal(d->org, "Org & Co");
	assert_string_equal(d->domain, "example.jp");
	assert_int_equal(d->begin_s, 1700000000);
	assert_int_equal(d->rows, 4);
	assert_int_equal(d->messages, 14);
	assert_int_equal(d->aligned, 12);
	assert_int_equal(d->n_sources, 3);
	assert_int_equal(d->sources[0]->messages, 7);
	assert_string_equal(d->sources[0]->dkim_domain, "example.jp");
	assert_string_equal(d->sources[0]->dkim_selector, "b");
	assert_string_equal(d->sources[0]->spf_domain, "bounce.test");
	assert_string_equal(d->sources[2]->ip, "2001:db8::1");
}

static void deviations_are_read(void **state)
{
	static const struct slice cases[] = {
	    SLICE("\r\n " FEEDBACK(META RECORD("192.0.2.1", "3", "pass", "fail"))),
	    SLICE("\xef\xbb\xbf" FEEDBACK(META RECORD("192.0.2.1", "3", "pass", "fail"))),
	    SLICE(FEEDBACK(
		META RECORD("192.0.2.1", "3", "pass", "fail")) "\n--\nSent by our mailer & more <b>"),
	    SLICE("<ns:feedback xmlns:ns=\"x\">" META RECORD(
		"192.0.2.1", "3", "pass", "fail") "</ns:feedback>"),
	    SLICE(
		FEEDBACK("<extra a=\"b\"><x><y/></x></extra>" META RECORD("192.0.2.1", "3", "pass", "fail"))),
	    SLICE(FEEDBACK(
		META RECORD("192.0.2.1", "3", "pass", "fail") RECORD("nowhere", "7", "pass", "pass"))),
	    SLICE(FEEDBACK(
		"<report_metadata><org_name>A & B &nbsp; \xff\x01</org_name></report_metadata>" META RECORD(
		    "192.0.2.1", "3", "pass", "fail"))),
	    SLICE("<?xml version=\"1.0\" encoding=\"windows-1252\"?><feedback>" META RECORD(
		"192.0.2.1", "3.0", "Pass", "fail") "</feedback>"),
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, ARENA);
		const Sekisho__Report *r = read_file(cases[i], &a);
		if (r->kind != SEKISHO__REPORT__KIND__DMARC || r->dmarc->messages != 3 ||
		    r->dmarc->aligned != 3)
			fail_msg("case %zu: %s", i, r->why);
	}
}

/* Cut anywhere into two pieces of a message's decoding, what is read is the same. */
static void pieces_make_no_difference(void **state)
{
	static const struct slice text = SLICE(
	    FEEDBACK("<report_metadata><org_name>A &amp; \xe9\x96\xa2 & \xe9\x96 &#x41; &toolong;</org_name>"
		     "</report_metadata>" META RECORD("192.0.2.1", "3", "pass", "fail")));
	ARENA_LOCAL(a, ARENA);
	const Sekisho__Report *whole = read_file(text, &a);
	assert_int_equal(whole->kind, SEKISHO__REPORT__KIND__DMARC);
	assert_string_equal(whole->dmarc->org, "A & \xe9\x96\xa2 & ?? A &toolong;");
	for (size_t cut = 1; cut < text.n; cut++) {
		/* Two gzip members: the reader gets the pieces as they were. */
		BUF_LOCAL(packed, 1 << 20);
		ARENA_LOCAL(b, ARENA);
		gzip(slice_sub(text, 0, cut), &packed);
		gzip(slice_sub(text, cut, text.n), &packed);
		const Sekisho__Report *r = read_file(buf_slice(&packed), &b);
		if (r->kind != SEKISHO__REPORT__KIND__DMARC || strcmp(r->dmarc->org, whole->dmarc->org) != 0)
			fail_msg("cut at %zu: %s", cut, r->why);
	}
}

static void what_is_no_report_is_refused_with_a_reason(void **state)
{
	static const struct {
		struct slice text;
		const char *why;
	} cases[] = {
	    {SLICE("<?xml version=\"1.0\"?><!DOCTYPE feedback [<!ENTITY a \"b\">]><feedback>&a;</feedback>"),
		"DTD"},
	    {SLICE("<?xml version=\"1.0\"?><!DOCTYPE feedback SYSTEM \"http://x.test/\"><feedback/>"), "DTD"},
	    {SLICE("<html><body>hello</body></html>"), "no aggregate report"},
	    {SLICE("<feedback>" META), "cut short"},
	    {SLICE("<feedback><a></b></feedback>"), "malformed"},
	    {SLICE("<feedback></feedback>"), "whose policy"},
	    {SLICE("<feedback><policy_published><domain>a.test</domain></policy_published></feedback>"),
		"which time"},
	    {SLICE(FEEDBACK(META RECORD("x", "1", "pass", "pass"))), "no row"},
	    {SLICE("{\"a\":1}"), "no TLS report"},
	    {SLICE("{\"a\":"), "malformed"},
	    {SLICE("\x1f\x8b\x08zzzzzzzzzzzz"), "gzip"},
	    {SLICE("PK\3\4zzzzzzzzzzzz"), "zip"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, ARENA);
		const Sekisho__Report *r = read_file(cases[i].text, &a);
		if (r->kind || !strstr(r->why, cases[i].why))
			fail_msg("case %zu: kind %d, %s", i, r->kind, r->why);
	}
}

static void depth_is_limited(void **state)
{
	ARENA_LOCAL(a, ARENA);
	BUF_LOCAL(text, 1 << 20);
	buf_puts(&text, "<feedback>");
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "<a>");
	assert_non_null(strstr(read_file(buf_slice(&text), &a)->why, "LIMIT_REPORT_DEPTH"));
}

/* ---- archives ---- */

static void bombs_are_refused(void **state)
{
	BUF_LOCAL(packed, 16 << 20);
	BUF_LOCAL(nested, 16 << 20);
	ARENA_LOCAL(a, ARENA);
	struct report_gzip *g = report_gzip_new(&packed);
	report_gzip_put(g, SLICE("<feedback>"));
	char *blanks = malloc(1 << 20);
	memset(blanks, ' ', 1 << 20);
	for (int i = 0; i < 300; i++)
		report_gzip_put(g, slice_of(blanks, 1 << 20));
	free(blanks);
	assert_int_equal(report_gzip_end(g), OK);
	assert_non_null(strstr(read_file(buf_slice(&packed), &a)->why, "LIMIT_REPORT_RATIO"));
	gzip(SLICE(FEEDBACK(META)), &nested);
	for (int i = 0; i < 2; i++) {
		const Sekisho__Report *r = read_file(buf_slice(&nested), &a);
		assert_int_equal(r->kind, SEKISHO__REPORT__KIND__DMARC);
		buf_clear(&packed);
		gzip(buf_slice(&nested), &packed);
		buf_clear(&nested);
		buf_put(&nested, buf_slice(&packed));
	}
	assert_non_null(strstr(read_file(buf_slice(&nested), &a)->why, "LIMIT_REPORT_NESTING"));
}

static void what_is_cut_short_is_refused(void **state)
{
	BUF_LOCAL(packed, 1 << 20);
	gzip(SLICE(FEEDBACK(META RECORD("192.0.2.1", "3", "pass", "fail"))), &packed);
	unsigned read = 0;
	for (size_t n = 0; n < packed.n; n++) {
		ARENA_LOCAL(a, ARENA);
		read += read_file(slice_sub(buf_slice(&packed), 0, n), &a)->kind != 0;
	}
	/* Only the checksum may be missing. */
	assert_true(read <= 16);
}

/* ---- messages ---- */

static void put_message(const char *type, const char *name, struct slice body, struct buf *out)
{
	buf_puts(out,
	    "From: r@org.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Type: text/html\r\n\r\n<html><body>A report is "
	    "attached</body></html>\r\n--b\r\n");
	buf_printf(out,
	    "Content-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    type, name);
	mail_put_base64(out, body);
	buf_puts(out, "\r\n--b--\r\n");
}

static void content_types_do_not_matter(void **state)
{
	static const struct {
		const char *type, *name;
		bool packed;
	} cases[] = {{"application/gzip", "a.xml.gz", true}, {"application/zip", "a.zip", true},
	    {"application/octet-stream", "a", true}, {"text/plain", "a.txt", false},
	    {"text/xml", "a.xml", false}, {"application/pdf", "a.pdf", true}, {"text/plain", "a.txt", true},
	    {"image/png", "x.png", false}};
	BUF_LOCAL(packed, 1 << 20);
	static const struct slice text = SLICE(FEEDBACK(META RECORD("192.0.2.1", "3", "pass", "fail")));
	gzip(text, &packed);
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, ARENA);
		BUF_LOCAL(message, 1 << 20);
		put_message(
		    cases[i].type, cases[i].name, cases[i].packed ? buf_slice(&packed) : text, &message);
		const Sekisho__Report *r = read_message(buf_slice(&message), &a);
		if (r->kind != SEKISHO__REPORT__KIND__DMARC)
			fail_msg("%s: %s", cases[i].type, r->why);
	}
	ARENA_LOCAL(a, ARENA);
	const Sekisho__Report *r = read_message(
	    SLICE("From: a@b.test\r\nSubject: Report Domain: x\r\n\r\nPlease find the report attached.\r\n"),
	    &a);
	assert_int_equal(r->kind, SEKISHO__REPORT__KIND__NONE);
	assert_string_equal(r->why, "");
}

static void failure_reports_are_read(void **state)
{
	ARENA_LOCAL(a, ARENA);
	const Sekisho__Report *r = read_message(
	    SLICE("From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; "
		  "report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: "
		  "message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nSource-IP: 192.0.2.9\r\n"
		  "Reported-Domain: Example.JP\r\nAuth-Failure: dmarc\r\nOriginal-Rcpt-To: secret@b.test\r\n"
		  "User-Agent: x\r\n y\r\n--b--\r\n"),
	    &a);
	assert_int_equal(r->kind, SEKISHO__REPORT__KIND__FAILURE);
	assert_string_equal(r->failure->domain, "example.jp");
	assert_string_equal(r->failure->source_ip, "192.0.2.9");
	assert_int_equal(r->failure->incidents, 1);
}

/* ---- what we write is read ---- */

static const struct report_about about = {.org = SLICE("Sekisho <&> 関所"),
    .email = SLICE("postmaster@ours.test"),
    .submitter = SLICE("ours.test"),
    .domain = SLICE("example.jp"),
    .id = SLICE("19700-abc"),
    .begin_s = 1702080000,
    .end_s = 1702166399};

static void mail_it(struct slice text, bool tls, struct buf *out)
{
	static const struct slice to[] = {SLICE("rua@example.jp"), SLICE("too@reports.test")};
	BUF_LOCAL(packed, 1 << 20);
	gzip(text, &packed);
	struct report_mail m = {&about, tls, SLICE("mx.ours.test"), to, 2, buf_slice(&packed), 1702200000000};
	report_mail_put(&m, out);
}

static void dmarc_comes_back(void **state)
{
	ARENA_LOCAL(a, ARENA);
	BUF_LOCAL(xml, 1 << 20);
	BUF_LOCAL(message, 1 << 20);
	Sekisho__ReportTargetsAnswer policy = SEKISHO__REPORT_TARGETS_ANSWER__INIT;
	Sekisho__DmarcCount c = SEKISHO__DMARC_COUNT__INIT;
	Sekisho__TrustSpf spf = SEKISHO__TRUST_SPF__INIT;
	Sekisho__TrustDkim dkim = SEKISHO__TRUST_DKIM__INIT, *list[] = {&dkim};
	policy.p = "reject";
	policy.strict_dkim = true;
	c.source_ip = "192.0.2.77";
	c.header_from = "mail.example.jp";
	c.envelope_from = "b<ad>.test";
	c.reason = "trusted_forwarder";
	c.comment = "arc=pass & more";
	spf.result = "fail";
	spf.domain = "b.test";
	c.spf = &spf;
	dkim.domain = "example.jp";
	dkim.selector = "s1";
	dkim.result = "pass";
	c.dkim_aligned = true;
	c.dkim = list;
	c.n_dkim = 1;
	report_dmarc_begin(&about, &policy, &xml);
	report_dmarc_record(&c, 42, &xml);
	report_dmarc_end(&xml);
	mail_it(buf_slice(&xml), false, &message);
	const Sekisho__Report *r = read_message(buf_slice(&message), &a);
	if (r->kind != SEKISHO__REPORT__KIND__DMARC)
		fail_msg("%s", r->why);
	assert_string_equal(r->dmarc->org, "Sekisho <&> 関所");
	assert_string_equal(r->dmarc->id, "19700-abc");
	assert_string_equal(r->dmarc->p, "reject");
	assert_string_equal(r->dmarc->adkim, "s");
	assert_int_equal(r->dmarc->end_s, about.end_s);
	assert_int_equal(r->dmarc->messages, 42);
	const Sekisho__DmarcSource *s = r->dmarc->sources[0];
	assert_string_equal(s->reason, "trusted_forwarder");
	assert_string_equal(s->header_from, "mail.example.jp");
	assert_string_equal(s->envelope_from, "b<ad>.test");
	assert_true(s->dkim_aligned && !s->spf_aligned);
	assert_true(slice_search(buf_slice(&message),
			SLICE("ours.test!example.jp!1702080000!1702166399!19700-abc.xml.gz")) > 0);
}

static void tls_comes_back(void **state)
{
	ARENA_LOCAL(a, ARENA);
	BUF_LOCAL(message, 1 << 20);
	json_t *json = report_tls_begin(&about);
	json_t *policy =
	    report_tls_policy(json, &(struct report_tls_policy){"sts",
					SLICE("version: STSv1\r\nmode: enforce\r\nmx: *.example.jp\r\n"),
					SLICE("example.jp"), 10, 3});
	report_tls_failure(
	    policy, &(struct report_tls_failure){"certificate-expired", SLICE("mx1.example.jp"), SLICE_NONE,
			SLICE("192.0.2.1"), SLICE("expired"), 3});
	char *text = json_dumps(json, 0);
	mail_it(slice_str(text), true, &message);
	free(text);
	json_decref(json);
	const Sekisho__Report *r = read_message(buf_slice(&message), &a);
	if (r->kind != SEKISHO__REPORT__KIND__TLS)
		fail_msg("%s", r->why);
	const Sekisho__TlsPolicy *p = r->tls->policies[0];
	assert_int_equal(r->tls->begin_s, about.begin_s);
	assert_int_equal(p->n_text, 3);
	assert_string_equal(p->mx[0], "*.example.jp");
	assert_int_equal(p->good, 10);
	assert_int_equal(p->bad, 3);
	assert_string_equal(p->failures[0]->result, "certificate-expired");
	assert_string_equal(p->failures[0]->mx, "mx1.example.jp");
	assert_true(slice_search(buf_slice(&message), SLICE("TLS-Report-Domain: example.jp\r\n")) > 0);
	assert_true(slice_search(buf_slice(&message), SLICE("TLS-Report-Submitter: ours.test\r\n")) > 0);
}

/* ---- where to ---- */

static const char zone[] =
    "example.jp._report._dmarc.reports.test TXT \"v=DMARC1;\"\n"
    "away._report._dmarc.slow.test TIMEOUT\n"
    "example.jp._report._dmarc.slow.test TIMEOUT\n"
    "_smtp._tls.example.jp TXT \"v=TLSRPTv1; rua=mailto:tls@example.jp,https://r.test/v1?x=1\"\n";

static void targets(const char *record, const char *want, bool unsure)
{
	ARENA_LOCAL(a, 1 << 20);
	BUF_LOCAL(why, 1000);
	BUF_LOCAL(got, 10000);
	struct fixture *f;
	Sekisho__ReportTargetsAsk ask = SEKISHO__REPORT_TARGETS_ASK__INIT;
	Sekisho__ReportTargetsAnswer out;
	assert_int_equal(fixture_parse(slice_str(zone), &f, &why), OK);
	ask.domain = "example.jp";
	ask.record = (char *)(uintptr_t)record;
	assert_true(report_targets(&ask, fixture_dns(f), &a, &out));
	for (size_t i = 0; i < out.n_targets; i++)
		buf_printf(&got, "%s%s%s %llu", i ? ", " : "", out.targets[i]->https ? "https " : "",
		    out.targets[i]->uri, (unsigned long long)out.targets[i]->most);
	assert_string_equal(buf_z(&got), want);
	assert_int_equal(out.unsure, unsure);
	fixture_free(f);
}

static void reports_go_where_they_are_wanted(void **state)
{
	targets("", "tls@example.jp 0, https https://r.test/v1?x=1 0", false);
	targets("v=DMARC1; p=none", "", false);
	targets("v=DMARC1; p=none; rua=mailto:a@example.jp", "a@example.jp 0", false);
	targets("v=DMARC1; p=none; rua=mailto:a@sub.example.jp!10m, mailto:b%2Bc@reports.test!50k",
	    "a@sub.example.jp 10485760, b+c@reports.test 51200", false);
	targets("v=DMARC1; p=none; rua=mailto:a@nobody.test", "", false);
	targets("v=DMARC1; p=none; rua=mailto:a@slow.test,mailto:a@example.jp", "a@example.jp 0", true);
	targets("v=DMARC1; p=none; rua=http://example.jp/x,mailto:a@example.jp,mailto:A@example.jp",
	    "a@example.jp 0", false);
	targets("v=DMARC1; p=none; rua=mailto:%0d%0aX@example.jp,mailto:a b@example.jp,mailto:@", "", false);
	targets("v=DMARC1; p=none; "
		"rua=mailto:1@example.jp,mailto:2@example.jp,mailto:3@example.jp,mailto:4@example.jp,"
		"mailto:5@example.jp,mailto:6@example.jp",
	    "1@example.jp 0, 2@example.jp 0, 3@example.jp 0, 4@example.jp 0, 5@example.jp 0", false);
}

/* ---- much ---- */

static void hundred_thousand_rows(void **state)
{
	BUF_LOCAL(packed, 32 << 20);
	ARENA_LOCAL(a, ARENA);
	struct timespec from, to;
	struct report_gzip *g = report_gzip_new(&packed);
	report_gzip_put(g, SLICE("<feedback>" META));
	for (unsigned i = 0; i < 100000; i++) {
		BUF_LOCAL(row, 4096);
		unsigned x = i * 2654435761u;
		buf_printf(&row, RECORD("10.%u.%u.%u", "%u", "fail", "fail"), x >> 24, x >> 16 & 255,
		    x >> 8 & 255, i % 7 + 1);
		report_gzip_put(g, buf_slice(&row));
	}
	report_gzip_put(g, SLICE("</feedback>"));
	assert_int_equal(report_gzip_end(g), OK);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	const Sekisho__Report *r = read_file(buf_slice(&packed), &a);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	assert_int_equal(r->kind, SEKISHO__REPORT__KIND__DMARC);
	assert_int_equal(r->dmarc->rows, 100000);
	assert_true(r->dmarc->cut);
	assert_int_equal(r->dmarc->n_sources, LIMIT_REPORT_SOURCES + 1);
	uint64_t sum = 0;
	for (size_t i = 0; i < r->dmarc->n_sources; i++)
		sum += r->dmarc->sources[i]->messages;
	assert_int_equal(sum, r->dmarc->messages);
	print_message("100,000 rows: %llu octets in %zu packed, %ld ms of CPU, %zu octets of arena\n",
	    (unsigned long long)r->octets, packed.n,
	    (long)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000), a.used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_that_agree_are_one_source),
	    cmocka_unit_test(deviations_are_read),
	    cmocka_unit_test(pieces_make_no_difference),
	    cmocka_unit_test(what_is_no_report_is_refused_with_a_reason),
	    cmocka_unit_test(depth_is_limited),
	    cmocka_unit_test(bombs_are_refused),
	    cmocka_unit_test(what_is_cut_short_is_refused),
	    cmocka_unit_test(content_types_do_not_matter),
	    cmocka_unit_test(failure_reports_are_read),
	    cmocka_unit_test(dmarc_comes_back),
	    cmocka_unit_test(tls_comes_back),
	    cmocka_unit_test(reports_go_where_they_are_wanted),
	    cmocka_unit_test(hundred_thousand_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
