/* A healthy domain, and one that is broken in each way the assistant knows of. */
#include "resolver/fixture.h"
#include "trust/assist.h"
#include "trust/dns_update.h"
#include "trust/own_sts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* RSA keys of 512, 1024 and 2048 bits, made for this test. */
#include "trust_assist_keys.h"

static const char healthy[] =
    "example.jp SOA ns.example.jp root.example.jp 1 3600 600 86400 300\n"
    "example.jp NS ns.example.jp\n"
    "example.jp MX 10 mail.example.jp\n"
    "mail.example.jp A 198.51.100.7\n"
    "mail.example.jp AAAA 2001:db8:1::7\n"
    "mail.example.jp SECURE\n"
    "7.100.51.198.in-addr.arpa PTR mail.example.jp\n"
    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.example.jp\n"
    "example.jp TXT v=spf1 a:mail.example.jp -all\n"
    "k1._domainkey.example.jp TXT v=DKIM1; k=rsa; p=" KEY_2048 "\n"
    "_dmarc.example.jp TXT v=DMARC1; p=reject; rua=mailto:postmaster@example.jp\n"
    "_mta-sts.example.jp TXT v=STSv1; id=abc123\n"
    "mta-sts.example.jp CNAME mail.example.jp\n"
    "_smtp._tls.example.jp TXT v=TLSRPTv1; rua=mailto:postmaster@example.jp\n"
    "_25._tcp.mail.example.jp TLSA 3 1 1 " DIGEST_1 "\n"
    "_imaps._tcp.example.jp SRV 0 1 993 mail.example.jp\n"
    "autoconfig.example.jp CNAME mail.example.jp\n"
    "autodiscover.example.jp CNAME mail.example.jp\n"
    "example.jp CAA 0 issue \"letsencrypt.org\"\n";

struct breakage {
	const char *code;   /* that must be found */
	const char *remove; /* lines that begin so are left out */
	const char *add;
	enum { NORMAL, SILENT, TESTING, NEXT_KEY, NO_KEYS, NO_CERTIFICATE, UNUSED, SHORT_NAME } how;
};

#define SPF(text) "example.jp TXT v=spf1", "example.jp TXT v=spf1 " text "\n"
#define DMARC(text) "_dmarc", "_dmarc.example.jp TXT " text "\n"
#define DKIM(text) "k1._domainkey", "k1._domainkey.example.jp TXT " text "\n"
#define INCLUDES(a) "include:" a "1.test include:" a "2.test include:" a "3.test "
#define EMPTY_SPF(a)                                                                                         \
	a "1.test TXT v=spf1 ip4:203.0.113.1 -all\n" a "2.test TXT v=spf1 ip4:203.0.113.1 -all\n" a          \
	  "3.test TXT v=spf1 ip4:203.0.113.1 -all\n"

static const struct breakage breakages[] = {
    {"domain_missing", "", "example.jp NXDOMAIN\n"},
    {"unanswered", "example.jp MX", "example.jp MX SERVFAIL\n"},
    {"bogus", "example.jp MX", "example.jp MX BOGUS\n"},
    {"unused", NULL, "", UNUSED},
    {"mx_missing", "example.jp MX", ""},
    {"mx_null", "example.jp MX", "example.jp MX 0 .\n"},
    {"mx_null_mixed", NULL, "example.jp MX 0 .\n"},
    {"mx_ip", "example.jp MX", "example.jp MX 10 198.51.100.7\n"},
    {"mx_cname", "example.jp MX", "example.jp MX 10 mx.example.jp\nmx.example.jp CNAME mail.example.jp\n"},
    {"mx_no_address", NULL, "example.jp MX 20 gone.example.jp\n"},
    {"mx_not_ours", "example.jp MX", "example.jp MX 10 mx.isp.test\nmx.isp.test A 203.0.113.9\n"},
    {"mx_others", NULL, "example.jp MX 20 mx.isp.test\nmx.isp.test A 203.0.113.9\n"},
    {"host_not_whole", NULL, "", SHORT_NAME},
    {"host_missing", "mail.example.jp", ""},
    {"host_no_ipv4", "mail.example.jp A ", ""},
    {"host_no_aaaa", "mail.example.jp AAAA", ""},
    {"host_cname", "mail.example.jp", "mail.example.jp CNAME vps.isp.test\nvps.isp.test A 198.51.100.7\n"},
    {"host_other", "mail.example.jp A ", "mail.example.jp A 203.0.113.5\n"},
    {"host_lacks", "mail.example.jp A ", "mail.example.jp A 203.0.113.5\n"},
    {"host_private", "mail.example.jp A ", "mail.example.jp A 192.168.0.5\n"},
    {"ptr_missing", "7.100.51", ""},
    {"ptr_other", "7.100.51", "7.100.51.198.in-addr.arpa PTR x7.isp.test\nx7.isp.test A 198.51.100.7\n"},
    {"ptr_unconfirmed", "7.100.51", "7.100.51.198.in-addr.arpa PTR x7.isp.test\n"},
    {"ptr_many", NULL, "7.100.51.198.in-addr.arpa PTR other.example.jp\n"},
    {"spf_missing", "example.jp TXT v=spf1", ""},
    {"spf_several", NULL, "example.jp TXT v=spf1 include:a1.test ~all\n"},
    {"spf_bad", SPF("ip4:nonsense -all")},
    {"spf_lookups", SPF(INCLUDES("a") INCLUDES("b") INCLUDES("c") INCLUDES("d") "-all") EMPTY_SPF("a")
			EMPTY_SPF("b") EMPTY_SPF("c") EMPTY_SPF("d")},
    {"spf_lookups_near",
	SPF(INCLUDES("a") INCLUDES("b") "include:c1.test include:c2.test a:mail.example.jp -all")
	    EMPTY_SPF("a") EMPTY_SPF("b") EMPTY_SPF("c")},
    {"spf_void", SPF("a:mail.example.jp a:no.example.jp -all")},
    {"spf_plus_all", SPF("+all")},
    {"spf_neutral_all", SPF("a:mail.example.jp ?all")},
    {"spf_no_all", SPF("a:mail.example.jp")},
    {"spf_soft_all", SPF("a:mail.example.jp ~all")},
    {"spf_not_us", SPF("ip4:203.0.113.1 -all")},
    {"spf_silent", NULL, "", SILENT},
    {"spf_ptr", SPF("ptr a:mail.example.jp -all")},
    {"dkim_no_key", NULL, "", NO_KEYS},
    {"dkim_missing", "k1._domainkey", ""},
    {"dkim_other", DKIM("v=DKIM1; k=rsa; p=" KEY_1024)},
    {"dkim_several", NULL, "k1._domainkey.example.jp TXT v=DKIM1; p=" KEY_1024 "\n"},
    {"dkim_revoked", DKIM("v=DKIM1; k=rsa; p=")},
    {"dkim_testing", DKIM("v=DKIM1; t=y; k=rsa; p=" KEY_2048)},
    {"dkim_short", DKIM("v=DKIM1; k=rsa; p=" KEY_512)},
    {"dkim_weak", DKIM("v=DKIM1; k=rsa; p=" KEY_1024)},
    {"dmarc_missing", "_dmarc", ""},
    {"dmarc_several", NULL, "_dmarc.example.jp TXT v=DMARC1; p=none\n"},
    {"dmarc_bad", DMARC("v=DMARC1; p=perhaps")},
    {"dmarc_none", DMARC("v=DMARC1; p=none; rua=mailto:postmaster@example.jp")},
    {"dmarc_quarantine", DMARC("v=DMARC1; p=quarantine; rua=mailto:postmaster@example.jp")},
    {"dmarc_no_rua", DMARC("v=DMARC1; p=reject")},
    {"dmarc_rua_elsewhere", DMARC("v=DMARC1; p=reject; rua=mailto:d@reports.test")},
    {"dmarc_sub_weaker", DMARC("v=DMARC1; p=reject; sp=none; rua=mailto:postmaster@example.jp")},
    {"dmarc_part", DMARC("v=DMARC1; p=reject; pct=20; rua=mailto:postmaster@example.jp")},
    {"dmarc_silent", DMARC("v=DMARC1; p=none"), SILENT},
    {"sts_missing", "_mta-sts", ""},
    {"sts_several", NULL, "_mta-sts.example.jp TXT v=STSv1; id=2\n"},
    {"sts_bad", "_mta-sts", "_mta-sts.example.jp TXT v=STSv1; id\n"},
    {"sts_id", "_mta-sts", "_mta-sts.example.jp TXT v=STSv1; id=old\n"},
    {"sts_host", "mta-sts", ""},
    {"sts_testing", NULL, "", TESTING},
    {"rpt_missing", "_smtp._tls", ""},
    {"rpt_several", NULL, "_smtp._tls.example.jp TXT v=TLSRPTv1; rua=mailto:a@example.jp\n"},
    {"rpt_bad", "_smtp._tls", "_smtp._tls.example.jp TXT v=TLSRPTv1; who=x\n"},
    {"tlsa_unsigned", "_25._tcp", "", NEXT_KEY /* whatever: without SECURE below */},
    {"tlsa_missing", "_25._tcp", ""},
    {"tlsa_wrong", "_25._tcp", "_25._tcp.mail.example.jp TLSA 3 1 1 " DIGEST_2 "\n"},
    {"tlsa_next", NULL, "", NEXT_KEY},
    {"tlsa_no_key", NULL, "", NO_CERTIFICATE},
    {"srv_missing", "_imaps", ""},
    {"srv_other", "_imaps", "_imaps._tcp.example.jp SRV 0 1 993 imap.isp.test\n"},
    {"auto_missing", "autoconfig", ""},
    {"auto_other", "autoconfig", "autoconfig.example.jp A 203.0.113.77\n"},
    {"caa_missing", "example.jp CAA", ""},
    {"caa_forbids", "example.jp CAA", "example.jp CAA 0 issue \"other.test\"\n"},
    {"bimi_early", "_dmarc",
	"_dmarc.example.jp TXT v=DMARC1; p=none; rua=mailto:postmaster@example.jp\n"
	"default._bimi.example.jp TXT v=BIMI1; l=https://example.jp/logo.svg\n"},
    {"bimi_bad", NULL, "default._bimi.example.jp TXT v=BIMI1; l=http://example.jp/logo.svg\n"},
    {"bimi_bad", NULL, "default._bimi.example.jp TXT v=BIMI1; l=https://example.jp/logo.png\n"},
    {"bimi_early", "_dmarc",
	"_dmarc.example.jp TXT v=DMARC1; p=reject; sp=none; rua=mailto:postmaster@example.jp\n"
	"default._bimi.example.jp TXT v=BIMI1; l=https://example.jp/logo.svg; "
	"a=https://example.jp/vmc.pem\n"},
    {"bimi_no_mark", NULL, "default._bimi.example.jp TXT v=BIMI1; l=https://example.jp/logo.svg\n"},
    {"bimi_several", NULL,
	"default._bimi.example.jp TXT v=BIMI1; l=https://example.jp/logo.svg\n"
	"default._bimi.example.jp TXT v=BIMI1; l=\n"},
};

/* ---- the check ---- */

static char *const addresses[] = {"198.51.100.7", "2001:db8:1::7"};
static Sekisho__AssistKey key = SEKISHO__ASSIST_KEY__INIT, *keys[] = {&key};
static Sekisho__AssistService imaps = SEKISHO__ASSIST_SERVICE__INIT, *services[] = {&imaps};

static void fill(Sekisho__AssistAsk *ask, int how, struct arena *a)
{
	static uint8_t digests[2][32];
	static ProtobufCBinaryData tlsa[] = {{32, digests[0]}, {32, digests[1]}};
	BUF_LOCAL(one, 32);
	BUF_LOCAL(two, 32);
	assert_int_equal(hex_decode(SLICE(DIGEST_1), &one), OK);
	assert_int_equal(hex_decode(SLICE(DIGEST_2), &two), OK);
	memcpy(digests[0], one.p, 32);
	memcpy(digests[1], two.p, 32);
	key.selector = "k1";
	key.value = "v=DKIM1; k=rsa; p=" KEY_2048;
	imaps.name = "_imaps._tcp";
	imaps.port = 993;
	sekisho__assist_ask__init(ask);
	ask->domain = "example.jp";
	ask->host = how == SHORT_NAME ? "mail" : "mail.example.jp";
	ask->addresses = (char **)(uintptr_t)addresses;
	ask->n_addresses = 2;
	ask->silent = how == SILENT;
	ask->unused = how == UNUSED;
	ask->dkim = keys;
	ask->n_dkim = how == NO_KEYS ? 0 : 1;
	ask->tlsa = tlsa;
	ask->n_tlsa = how == NO_CERTIFICATE ? 0 : how == NEXT_KEY ? 2 : 1;
	ask->sts_id = "abc123";
	ask->sts_testing = how == TESTING;
	ask->services = services;
	ask->n_services = 1;
	ask->ca = "letsencrypt.org";
	ask->reports = ask->tls_reports = "postmaster@example.jp";
}

static void put_zone(const struct breakage *x, struct buf *out)
{
	struct slice rest = slice_str(healthy);
	bool unsigned_zone = strcmp(x->code, "tlsa_unsigned") == 0;
	while (rest.n) {
		struct slice line = slice_split(&rest, '\n');
		bool dropped = x->remove && slice_starts(line, slice_str(x->remove));
		if (dropped || (unsigned_zone && slice_iends(line, SLICE("SECURE"))))
			continue;
		buf_put(out, line);
		buf_putc(out, '\n');
	}
	buf_puts(out, x->add ? x->add : "");
}

static Sekisho__AssistAnswer *run(const struct breakage *x, struct arena *a)
{
	BUF_LOCAL(zone, 100000);
	BUF_LOCAL(why, 1000);
	struct fixture *f;
	Sekisho__AssistAsk ask;
	fill(&ask, x->how, a);
	put_zone(x, &zone);
	if (fixture_parse(buf_slice(&zone), &f, &why) != OK)
		fail_msg("%s: %s", x->code, buf_z(&why));
	Sekisho__AssistAnswer *answer = trust_assist(&ask, fixture_dns(f), 10000, a);
	assert_non_null(answer);
	fixture_free(f);
	return answer;
}

static const Sekisho__AssistFinding *find(const Sekisho__AssistAnswer *answer, const char *code)
{
	for (size_t i = 0; i < answer->n_findings; i++)
		if (strcmp(answer->findings[i]->code, code) == 0)
			return answer->findings[i];
	return NULL;
}

static const Sekisho__AssistRecord *record(
    const Sekisho__AssistAnswer *answer, const char *name, const char *type)
{
	for (size_t i = 0; i < answer->n_records; i++)
		if (strcmp(answer->records[i]->name, name) == 0 &&
		    strcmp(answer->records[i]->type, type) == 0)
			return answer->records[i];
	fail_msg("no record %s %s", name, type);
	return NULL;
}

/* ---- tests ---- */

static void healthy_domain_has_no_findings(void **state)
{
	ARENA_LOCAL(a, 16 << 20);
	Sekisho__AssistAnswer *answer = run(&(struct breakage){.code = "healthy"}, &a);
	for (size_t i = 0; i < answer->n_findings; i++)
		fail_msg("%s: %s", answer->findings[i]->code, answer->findings[i]->en);
	assert_int_equal(answer->worst, SEKISHO__ASSIST_STATE__FINE);
	assert_string_equal(answer->zone, "example.jp");
	for (size_t i = 0; i < answer->n_records; i++)
		assert_int_equal(answer->records[i]->state, SEKISHO__ASSIST_STATE__FINE);
}

static void each_breakage_is_found(void **state)
{
	for (size_t i = 0; i < COUNT(breakages); i++) {
		ARENA_LOCAL(a, 16 << 20);
		const Sekisho__AssistFinding *f = find(run(&breakages[i], &a), breakages[i].code);
		if (!f)
			fail_msg("%s is not found", breakages[i].code);
		assert_true(*f->en && *f->en_do && *f->ja && *f->ja_do);
		assert_null(strchr(f->en, '{'));
		assert_null(strchr(f->ja_do, '{'));
		assert_true(slice_is_utf8(slice_str(f->ja)));
	}
}

/* TTL_LONG needs a resolver that tells other times than the fixture's. */
static void all_findings_have_a_breakage(void **state)
{
	static const char *const codes[] = {
#define X(code, ...) #code,
#include "trust/assist_texts.def"
#undef X
	};
	for (size_t i = 0; i < COUNT(codes); i++) {
		bool found = strcmp(codes[i], "TTL_LONG") == 0;
		for (size_t j = 0; j < COUNT(breakages); j++)
			found = found || strcasecmp(breakages[j].code, codes[i]) == 0;
		if (!found)
			fail_msg("nothing shows %s", codes[i]);
	}
}

static struct dns *long_inner;
static void ask_long(struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	dns_ask(long_inner, name, type, a, out);
	out->ttl = 7 * 86400;
}

static void long_times_are_noticed(void **state)
{
	struct dns d = {.ask = ask_long};
	struct fixture *f;
	Sekisho__AssistAsk ask;
	ARENA_LOCAL(a, 16 << 20);
	fill(&ask, NORMAL, &a);
	assert_int_equal(fixture_parse(slice_str(healthy), &f, NULL), OK);
	long_inner = fixture_dns(f);
	assert_non_null(find(trust_assist(&ask, &d, 10000, &a), "ttl_long"));
	fixture_free(f);
}

static void spf_records_are_merged(void **state)
{
	ARENA_LOCAL(a, 16 << 20);
	const struct breakage two = {"spf_several", "example.jp TXT",
	    "example.jp TXT v=spf1 include:a.test ~all\nexample.jp TXT v=spf1 ip4:203.0.113.1 -all\n"};
	assert_string_equal(record(run(&two, &a), "example.jp", "TXT")->value,
	    "v=spf1 a:mail.example.jp include:a.test ip4:203.0.113.1 -all");
	struct breakage x = {"spf_not_us", "example.jp TXT",
	    "example.jp TXT v=spf1 include:a.test ~all\na.test TXT v=spf1 ip4:203.0.113.1 -all\n"};
	assert_string_equal(
	    record(run(&x, &a), "example.jp", "TXT")->value, "v=spf1 a:mail.example.jp include:a.test ~all");
}

static void records_are_ready_to_paste(void **state)
{
	ARENA_LOCAL(a, 16 << 20);
	const Sekisho__AssistAnswer *answer =
	    run(&(struct breakage){"dkim_missing", "k1._domainkey", ""}, &a);
	const Sekisho__AssistRecord *r = record(answer, "k1._domainkey.example.jp", "TXT");
	assert_string_equal(r->label, "k1._domainkey");
	assert_int_equal(r->n_parts, 2);
	assert_int_equal(strlen(r->parts[0]), 255);
	assert_int_equal(strlen(r->parts[0]) + strlen(r->parts[1]), strlen(r->value));
	assert_true(
	    slice_starts(slice_str(r->line), SLICE("k1._domainkey.example.jp. 3600 IN TXT \"v=DKIM1; ")));
	assert_string_equal(record(answer, "example.jp", "MX")->label, "@");
	assert_string_equal(
	    record(answer, "example.jp", "MX")->line, "example.jp. 3600 IN MX 10 mail.example.jp.");
}

/* A resolver that never answers is not asked for ever. */
static unsigned asked;
static void ask_nobody(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	asked++;
	*out = (struct dns_answer){.status = DNS_TIMEOUT, .canonical = arena_z(a, name)};
}

static void dead_resolver_is_given_up(void **state)
{
	struct dns d = {.ask = ask_nobody};
	Sekisho__AssistAsk ask;
	ARENA_LOCAL(a, 16 << 20);
	fill(&ask, NORMAL, &a);
	Sekisho__AssistAnswer *answer = trust_assist(&ask, &d, 10000, &a);
	assert_int_equal(asked, 3);
	assert_int_equal(answer->worst, SEKISHO__ASSIST_STATE__UNKNOWN);
}

static void sts_id_follows_the_policy(void **state)
{
	char one[OWN_STS_ID + 1], two[OWN_STS_ID + 1];
	BUF_LOCAL(b, 1000);
	struct own_sts s = {"testing", "mail.example.jp", 7 * DAY_MS};
	trust_own_sts_put(&s, &b);
	assert_string_equal(
	    buf_z(&b), "version: STSv1\r\nmode: testing\r\nmx: mail.example.jp\r\nmax_age: 604800\r\n");
	trust_own_sts_id(&s, one);
	s.mode = "enforce";
	trust_own_sts_id(&s, two);
	assert_string_not_equal(one, two);
}

/* ---- dynamic updates ---- */

static enum result good_mac(void *context, struct slice input, uint8_t out[DNS_MAC])
{
	memset(out, 7, DNS_MAC);
	out[0] = (uint8_t)input.n;
	return OK;
}

struct server {
	unsigned rcode;
	bool unsigned_answer, wrong_mac, late;
	size_t octets;
};

static enum result serve(void *context, struct slice message, uint16_t id, struct slice mac, struct arena *a,
    struct dns_update_answer *out)
{
	struct server *s = context;
	s->octets = message.n;
	*out = (struct dns_update_answer){.rcode = s->rcode,
	    .mac =
		s->unsigned_answer
		    ? SLICE_NONE
		    : arena_dup(a, slice_of("\x03"
					    "\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7",
				       32)),
	    .input = s->wrong_mac ? SLICE("wrong") : SLICE("abc"),
	    .signed_s = (uint64_t)(clock_utc_ms() / 1000) - (s->late ? 4000 : 0)};
	return OK;
}

static void updates_believe_signed_answers_only(void **state)
{
	static const struct {
		struct server server;
		enum result r;
	} cases[] = {{{0}, OK}, {{.rcode = 5}, DENY}, {{.unsigned_answer = true}, LATER},
	    {{.wrong_mac = true}, LATER}, {{.late = true}, LATER}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct server s = cases[i].server;
		struct dns_update_door door = {"key.example.", good_mac, serve, &s};
		const char *why = "";
		ARENA_LOCAL(a, 1 << 20);
		assert_int_equal(trust_dns_update_txt(&door, "example.jp", "_acme-challenge.example.jp",
				     SLICE("token"), false, &a, &why),
		    cases[i].r);
		assert_true(s.octets > 100);
	}
}

/* What Knot 3.2 said to an update, signed with the key of the e2e test. */
static void answers_of_a_real_server_are_read(void **state)
{
	static const char hex[] = "1234a8020001000000000001047a6f6e65076578616d706c650000060001046f7572730000"
				  "fa00ff00000000003d0b686d61"
				  "632d7368613235360000006b029e49012c002065e5e20d54eef01e8487df71f7c4b9c8176b"
				  "2efa4c8c51ad68b4e9d4f984ab"
				  "85123400000000";
	static const char *const names[] = {"ours.", "ours", "OURS"};
	BUF_LOCAL(answer, 1000);
	assert_int_equal(hex_decode(slice_str(hex), &answer), OK);
	for (size_t i = 0; i < COUNT(names); i++) {
		ARENA_LOCAL(a, 1 << 20);
		struct dns_update_answer out;
		struct slice mac = SLICE("0123456789abcdef0123456789abcdef");
		assert_int_equal(
		    trust_dns_update_read(buf_slice(&answer), 0x1234, names[i], mac, &a, &out), OK);
		assert_int_equal(out.rcode, 2);
		assert_int_equal(out.mac.n, 32);
		assert_int_equal(out.signed_s, 0x6b029e49);
		assert_int_equal(
		    trust_dns_update_read(buf_slice(&answer), 0x1235, names[i], mac, &a, &out), BAD);
		assert_int_equal(
		    trust_dns_update_read(buf_slice(&answer), 0x1234, "theirs.", mac, &a, &out), BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(healthy_domain_has_no_findings),
	    cmocka_unit_test(each_breakage_is_found),
	    cmocka_unit_test(all_findings_have_a_breakage),
	    cmocka_unit_test(long_times_are_noticed),
	    cmocka_unit_test(spf_records_are_merged),
	    cmocka_unit_test(records_are_ready_to_paste),
	    cmocka_unit_test(dead_resolver_is_given_up),
	    cmocka_unit_test(sts_id_follows_the_policy),
	    cmocka_unit_test(updates_believe_signed_answers_only),
	    cmocka_unit_test(answers_of_a_real_server_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
