/* relay: what TLS towards a destination has to be, by DANE, by MTA-STS, by the administrator, by the message. */
#include "kit/relay_world.h"
#include "relay/inner.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define SENT SEKISHO__ATTEMPT__OUTCOME__SENT
#define DEFERRED SEKISHO__ATTEMPT__OUTCOME__DEFERRED
#define FAILED SEKISHO__ATTEMPT__OUTCOME__FAILED

#define PLAIN SEKISHO__ATTEMPT__SECURED__PLAIN
#define TLS SEKISHO__ATTEMPT__SECURED__TLS
#define NAMED SEKISHO__ATTEMPT__SECURED__NAMED
#define STS SEKISHO__ATTEMPT__SECURED__STS
#define DANE SEKISHO__ATTEMPT__SECURED__DANE

#define MESSAGE "Message-ID: <1@example.jp>\r\nSubject: x\r\n\r\nbye\r\n"
#define HELLO "> 220 mx ESMTP\n< EHLO relay.test\n> 250-mx\n"
#define HELLO_CLEAR HELLO "> 250 PIPELINING\n"
#define HELLO_TLS HELLO "> 250-PIPELINING\n> 250 STARTTLS\n< STARTTLS\n"
#define AGAIN "< EHLO relay.test\n> 250-mx\n> 250 PIPELINING\n"
#define GROUP "< MAIL FROM:<sender@example.jp>\n< RCPT TO:<r\n< DATA\n"
#define TAKE GROUP "> 250 2.1.0 ok\n> 250 2.1.5 ok\n> 354 go\n.\n> 250 2.0.0 queued as 1\n"
#define REST "i\n"
#define SECURED HELLO_TLS "> 220 go\nt\n" AGAIN TAKE REST
#define REFUSED HELLO_TLS "> 220 go\nt\n"
#define OPEN HELLO_CLEAR TAKE REST

#define HOSTED "one.test MX 10 mx1.test\nmx1.test A 127.0.0.1\n"
#define SIGNED HOSTED "one.test SECURE\nmx1.test SECURE\n"
#define TLSA "_%u._tcp.mx1.test "

/* ---- DANE ---- */

struct dane_case {
	const char *what;
	const char *zone;     /* a line for each TLSA record is added, "@" stands for its owner's name */
	const char *lines[4]; /* "3 1 1" alone: the servers' own; longer: as it is */
	const char *script;
	unsigned outcome, secured;
	const char *status;
};

static void add_tlsa(struct world *w, const char *line, struct buf *zone)
{
	BUF_LOCAL(data, 100000);
	unsigned u = 0, s = 0, m = 0;
	if (strlen(line) == 5) {
		u = (unsigned)(line[0] - '0'), s = (unsigned)(line[2] - '0'), m = (unsigned)(line[4] - '0');
		world_tlsa(w, u, s, m, &data);
	} else {
		buf_puts(&data, line);
	}
	buf_printf(zone, TLSA "TLSA " SLICE_FMT "\n", world_port(), SLICE_ARG(buf_slice(&data)));
}

static void check_dane(const struct dane_case *c)
{
	struct world *w = world_new(HOSTED);
	BUF_LOCAL(zone, 200000);
	w->careless = true; /* a handshake that fails is what many of them want */
	world_host(w, 1, c->script, c->script, NULL);
	buf_puts(&zone, c->zone);
	for (size_t i = 0; i < COUNT(c->lines) && c->lines[i]; i++)
		if (strstr(c->lines[i], "SECURE") || strstr(c->lines[i], "SERVFAIL") ||
		    strstr(c->lines[i], "BOGUS"))
			buf_printf(&zone, TLSA "%s\n", world_port(), c->lines[i]);
		else
			add_tlsa(w, c->lines[i], &zone);
	world_zone(w, buf_z(&zone));
	world_start(w);
	world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
	const struct report *r = world_report(w, 1);
	if (r->outcome != c->outcome || r->secured != c->secured || strcmp(r->status, c->status) != 0)
		fail_msg("%s: outcome %u, secured %u, status %s, %s, %s", c->what, r->outcome, r->secured,
		    r->status, r->text, r->tls);
	world_end(w);
}

#define WRONG "3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void dane_decides(void **state)
{
	static const struct dane_case cases[] = {
	    {"the key", SIGNED, {"SECURE", "3 1 1"}, SECURED, SENT, DANE, "2.0.0"},
	    {"the whole certificate, SHA-512", SIGNED, {"SECURE", "3 0 2"}, SECURED, SENT, DANE, "2.0.0"},
	    {"the key itself", SIGNED, {"SECURE", "3 1 0"}, SECURED, SENT, DANE, "2.0.0"},
	    {"one of several", SIGNED, {"SECURE", WRONG, "3 1 1"}, SECURED, SENT, DANE, "2.0.0"},
	    {"another key", SIGNED, {"SECURE", WRONG}, REFUSED, DEFERRED, PLAIN, "4.7.5"},
	    {"a self-signed certificate is no anchor", SIGNED, {"SECURE", "2 1 1"}, REFUSED, DEFERRED, PLAIN,
		"4.7.5"},
	    {"TLS is not offered", SIGNED, {"SECURE", "3 1 1"}, OPEN, DEFERRED, PLAIN, "4.7.10"},
	    {"TLS is refused", SIGNED, {"SECURE", "3 1 1"}, HELLO_TLS "> 454 no\n" REST, DEFERRED, PLAIN,
		"4.7.10"},
	    {"the handshake breaks", SIGNED, {"SECURE", "3 1 1"}, HELLO_TLS "> 220 go\nt!\n", DEFERRED, PLAIN,
		"4.4.2"},
	    {"not signed", SIGNED, {WRONG}, SECURED, SENT, TLS, "2.0.0"},
	    {"the host is not signed", HOSTED "one.test SECURE\n", {"SECURE", WRONG}, SECURED, SENT, TLS,
		"2.0.0"},
	    {"the MX is not signed", HOSTED "mx1.test SECURE\n", {"SECURE", WRONG}, SECURED, SENT, TLS,
		"2.0.0"},
	    {"PKIX-EE is not for SMTP: TLS it must be", SIGNED, {"SECURE", "1 1 1"}, SECURED, SENT, TLS,
		"2.0.0"},
	    {"the same without TLS", SIGNED, {"SECURE", "1 1 1"}, OPEN, DEFERRED, PLAIN, "4.7.10"},
	    {"unknown selector", SIGNED, {"SECURE", "3 7 1 00"}, OPEN, DEFERRED, PLAIN, "4.7.10"},
	    {"a digest too short", SIGNED, {"SECURE", "3 1 1 0011"}, SECURED, SENT, TLS, "2.0.0"},
	    {"unusable beside good", SIGNED, {"SECURE", "3 7 1 00", "3 1 1"}, SECURED, SENT, DANE, "2.0.0"},
	    {"unusable beside wrong", SIGNED, {"SECURE", "3 7 1 00", WRONG}, REFUSED, DEFERRED, PLAIN,
		"4.7.5"},
	    {"the lookup fails", SIGNED, {"SERVFAIL"}, SECURED, DEFERRED, PLAIN, "4.7.5"},
	    {"the lookup is forged", SIGNED, {"BOGUS"}, OPEN, DEFERRED, PLAIN, "4.7.5"},
	    {"none at all", SIGNED, {NULL}, OPEN, SENT, PLAIN, "2.0.0"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		check_dane(&cases[i]);
}

static void dane_of_an_alias(void **state)
{
	static const char zone[] =
	    "one.test MX 10 mail.one.test\nmail.one.test CNAME mx1.test\nmx1.test A 127.0.0.1\n"
	    "one.test SECURE\nmail.one.test SECURE\nmx1.test SECURE\n";
	struct dane_case under_target = {
	    "under the alias's target", zone, {"SECURE", "3 1 1"}, SECURED, SENT, DANE, "2.0.0"};
	check_dane(&under_target);
	/* Where the alias leads out of DNSSEC, records under the alias itself count. */
	static const char out[] =
	    "one.test MX 10 mail.one.test\nmail.one.test CNAME mx1.test\nmx1.test A 127.0.0.1\n"
	    "one.test SECURE\nmail.one.test SECURE\n";
	struct dane_case insecure_target = {
	    "the target is not signed", out, {"SECURE", WRONG}, OPEN, SENT, PLAIN, "2.0.0"};
	check_dane(&insecure_target);
}

/* The domain has no MX, and DNSSEC says so. */
static void dane_without_mx(void **state)
{
	struct dane_case c = {"without MX", "one.test A 127.0.0.1\none.test SECURE\nmx1.test SECURE\n",
	    {NULL}, OPEN, SENT, PLAIN, "2.0.0"};
	check_dane(&c);
}

/* ---- the administrator ---- */

static const struct report *send_as(struct world *w, uint64_t row, Sekisho__Job__Tls tls, const char *names)
{
	Sekisho__Job *j = world_job(w, "one.test", row, 1, MESSAGE);
	j->tls = tls;
	j->tls_names = arena_z(&w->arena, slice_str(names));
	world_give(w, j);
	return world_report(w, row);
}

static void the_administrator_decides(void **state)
{
	static const struct {
		const char *script, *zone, *names;
		Sekisho__Job__Tls tls;
		unsigned outcome, secured;
		const char *status;
	} cases[] = {
	    {OPEN, HOSTED, "", SEKISHO__JOB__TLS__DEFAULT, SENT, PLAIN, "2.0.0"},
	    {OPEN, HOSTED, "", SEKISHO__JOB__TLS__ENCRYPTED, DEFERRED, PLAIN, "4.7.10"},
	    {SECURED, HOSTED, "", SEKISHO__JOB__TLS__ENCRYPTED, SENT, TLS, "2.0.0"},
	    /* Anybody could have said that mx1.test is the server. */
	    {SECURED, HOSTED, "", SEKISHO__JOB__TLS__VERIFIED, DEFERRED, PLAIN, "4.7.5"},
	    {SECURED, SIGNED, "", SEKISHO__JOB__TLS__VERIFIED, SENT, NAMED, "2.0.0"},
	    {SECURED, HOSTED, "mx1.test", SEKISHO__JOB__TLS__VERIFIED, SENT, NAMED, "2.0.0"},
	    {SECURED, HOSTED, "other.test .test", SEKISHO__JOB__TLS__VERIFIED, SENT, NAMED, "2.0.0"},
	    {REFUSED, HOSTED, "other.test", SEKISHO__JOB__TLS__VERIFIED, DEFERRED, PLAIN, "4.7.5"},
	    {SECURED, "one.test MX 1 mx1.one.test\nmx1.one.test A 127.0.0.1\n", "",
		SEKISHO__JOB__TLS__VERIFIED, SENT, NAMED, "2.0.0"},
	    {OPEN, SIGNED, "", SEKISHO__JOB__TLS__OPPORTUNISTIC, SENT, PLAIN, "2.0.0"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new(cases[i].zone);
		w->careless = true;
		w->settings.verified = world_trusts_itself(w);
		if (i == COUNT(cases) - 1)
			w->settings.tls = RELAY_TLS_MUST;
		world_host(w, 1, cases[i].script, cases[i].script, NULL);
		world_start(w);
		const struct report *r = send_as(w, 1, cases[i].tls, cases[i].names);
		if (r->outcome != cases[i].outcome || r->secured != cases[i].secured ||
		    strcmp(r->status, cases[i].status) != 0)
			fail_msg("case %zu: outcome %u, secured %u, status %s, %s, %s", i, r->outcome,
			    r->secured, r->status, r->text, r->tls);
		world_end(w);
	}
}

/* ---- MTA-STS ---- */

#define POLICY(mode, mx) "version: STSv1\nmode: " mode "\nmx: " mx "\nmax_age: 86400\n"

static void sts_decides(void **state)
{
	static const struct {
		const char *what, *policy, *script;
		bool trusted;
		unsigned outcome, secured, result;
		const char *status;
	} cases[] = {
	    {"enforce, all is well", POLICY("enforce", "mx1.test"), SECURED, true, SENT, STS, TLSRPT_OK,
		"2.0.0"},
	    {"enforce, a wildcard", POLICY("enforce", "*.test"), SECURED, true, SENT, STS, TLSRPT_OK,
		"2.0.0"},
	    {"enforce, another MX", POLICY("enforce", "mx.test"), SECURED, true, DEFERRED, PLAIN,
		TLSRPT_VALIDATION_FAILURE, "4.7.5"},
	    {"enforce, STARTTLS taken away", POLICY("enforce", "mx1.test"), OPEN, true, DEFERRED, PLAIN,
		TLSRPT_STARTTLS_NOT_SUPPORTED, "4.7.10"},
	    {"enforce, nobody known signed it", POLICY("enforce", "mx1.test"), REFUSED, false, DEFERRED,
		PLAIN, TLSRPT_CERTIFICATE_NOT_TRUSTED, "4.7.5"},
	    {"testing, all is well", POLICY("testing", "mx1.test"), SECURED, true, SENT, TLS, TLSRPT_OK,
		"2.0.0"},
	    {"testing, another MX", POLICY("testing", "mx.test"), SECURED, true, SENT, TLS,
		TLSRPT_VALIDATION_FAILURE, "2.0.0"},
	    {"testing, STARTTLS taken away", POLICY("testing", "mx1.test"), OPEN, true, SENT, PLAIN,
		TLSRPT_STARTTLS_NOT_SUPPORTED, "2.0.0"},
	    {"testing, nobody known signed it", POLICY("testing", "mx1.test"), SECURED, false, SENT, TLS,
		TLSRPT_CERTIFICATE_NOT_TRUSTED, "2.0.0"},
	    {"none", "version: STSv1\nmode: none\nmax_age: 1\n", OPEN, true, SENT, PLAIN,
		TLSRPT_STARTTLS_NOT_SUPPORTED, "2.0.0"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new(HOSTED);
		w->careless = true;
		w->sts = cases[i].policy;
		w->settings.verified =
		    cases[i].trusted ? world_trusts_itself(w) : tls_client_context(TLS_BY_CALLER, NULL);
		SSL_CTX_free(w->settings.unverified);
		w->settings.unverified =
		    cases[i].trusted ? world_trusts_itself(w) : tls_client_context(TLS_BY_CALLER, NULL);
		SSL_CTX_set_verify(w->settings.unverified, SSL_VERIFY_NONE, NULL);
		world_host(w, 1, cases[i].script, cases[i].script, NULL);
		world_start(w);
		world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
		const struct report *r = world_report(w, 1);
		if (r->outcome != cases[i].outcome || r->secured != cases[i].secured ||
		    strcmp(r->status, cases[i].status) != 0)
			fail_msg("%s: outcome %u, secured %u, status %s, %s, %s", cases[i].what, r->outcome,
			    r->secured, r->status, r->text, r->tls);
		bool counted = false;
		for (size_t k = 0; k < w->trials_n; k++)
			counted |= w->trials[k].result == cases[i].result && w->trials[k].count == 1 &&
				   strcmp(w->trials[k].domain, "one.test") == 0;
		if (!counted)
			fail_msg("%s: %zu kinds of sessions, the first %u", cases[i].what, w->trials_n,
			    w->trials[0].result);
		world_end(w);
	}
}

/* RFC 8461 2: DANE decides where it is there. */
static void dane_goes_before_sts(void **state)
{
	struct world *w = world_new(HOSTED);
	BUF_LOCAL(zone, 10000);
	w->careless = true;
	w->sts = POLICY("enforce", "mx.elsewhere.test");
	world_host(w, 1, SECURED, NULL);
	buf_puts(&zone, SIGNED);
	buf_printf(&zone, TLSA "SECURE\n", world_port());
	add_tlsa(w, "3 1 1", &zone);
	world_zone(w, buf_z(&zone));
	world_start(w);
	world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
	assert_int_equal(world_report(w, 1)->secured, DANE);
	assert_int_equal(w->trials[0].policy, TLSRPT_TLSA);
	assert_int_equal(strncmp(w->trials[0].text, "3 1 1 ", 6), 0);
	world_end(w);
}

/* ---- what the sender says ---- */

#define REQUIRING HELLO_TLS "> 220 go\nt\n< EHLO\n> 250-mx\n> 250-REQUIRETLS\n> 250 PIPELINING\n"

static void the_sender_requires_tls(void **state)
{
	static const struct {
		const char *script, *zone, *status;
		bool notice;
		unsigned outcome, secured;
	} cases[] = {
	    {REQUIRING "< MAIL FROM:<sender@example.jp> REQUIRETLS\n< RCPT\n< DATA\n> 250 ok\n> 250 ok\n> "
		       "354 go\n.\n"
		       "> 250 2.0.0 ok\n" REST,
		SIGNED, "2.0.0", false, SENT, NAMED},
	    {REQUIRING REST, HOSTED, "4.7.5", false, DEFERRED, PLAIN}, /* anybody could have named that MX */
	    {HELLO_TLS "> 220 go\nt\n" AGAIN REST, SIGNED, "5.7.30", false, FAILED, PLAIN},
	    {OPEN, SIGNED, "4.7.10", false, DEFERRED, PLAIN},
	    /* A notice is not lost for it, RFC 8689 4.2.2. */
	    {HELLO_TLS "> 220 go\nt\n" AGAIN
		       "< MAIL FROM:<>\n< RCPT\n< DATA\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 ok\n" REST,
		SIGNED, "2.0.0", true, SENT, TLS},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new(cases[i].zone);
		w->careless = i > 0;
		w->settings.verified = world_trusts_itself(w);
		world_host(w, 1, cases[i].script, NULL);
		world_start(w);
		Sekisho__Job *j = world_job(w, "one.test", 1, 1, MESSAGE);
		j->require_tls = true;
		if (cases[i].notice)
			j->sender->local.len = j->sender->domain.len = 0;
		world_give(w, j);
		const struct report *r = world_report(w, 1);
		if (r->outcome != cases[i].outcome || r->secured != cases[i].secured ||
		    strcmp(r->status, cases[i].status) != 0)
			fail_msg("case %zu: outcome %u, secured %u, status %s, %s, %s", i, r->outcome,
			    r->secured, r->status, r->text, r->tls);
		world_end(w);
	}
}

/* TLS-Required: No: what the domain publishes does not count, what the administrator says does. */
static void the_sender_does_without(void **state)
{
	for (int admin = 0; admin < 2; admin++) {
		struct world *w = world_new(HOSTED);
		w->careless = true;
		w->sts = POLICY("enforce", "mx1.test");
		world_host(w, 1, OPEN, NULL);
		world_start(w);
		Sekisho__Job *j = world_job(w, "one.test", 1, 1, MESSAGE);
		j->tls_optional = true;
		j->tls = admin ? SEKISHO__JOB__TLS__ENCRYPTED : SEKISHO__JOB__TLS__DEFAULT;
		world_give(w, j);
		assert_int_equal(world_report(w, 1)->outcome, admin ? DEFERRED : SENT);
		world_end(w);
	}
}

/* A connection that was good enough for one message is not for another that wants more. */
static void connections_are_kept_apart(void **state)
{
	struct world *w = world_new(SIGNED);
	w->settings.verified = world_trusts_itself(w);
	world_host(w, 1, SECURED, SECURED, SECURED, NULL);
	world_start(w);
	assert_int_equal(send_as(w, 1, SEKISHO__JOB__TLS__DEFAULT, "")->secured, TLS);
	assert_int_equal(send_as(w, 2, SEKISHO__JOB__TLS__VERIFIED, "")->secured, NAMED);
	assert_int_equal(send_as(w, 3, SEKISHO__JOB__TLS__VERIFIED, "mx1.test")->secured, NAMED);
	assert_int_equal(w->connections, 3);
	world_end(w);
}

/* What comes between STARTTLS and the handshake is somebody else's: it ends the connection, and nothing of it counts. */
static void words_before_the_handshake(void **state)
{
	for (int must = 0; must < 2; must++) {
		struct world *w = world_new(HOSTED);
		w->careless = true;
		w->settings.tls = must ? RELAY_TLS_MUST : RELAY_TLS_MAY;
		world_host(w, 1, HELLO_TLS "& 220 go\n> 250-mx\n> 250 DSN\nw 300\n", OPEN, NULL);
		world_start(w);
		world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
		const struct report *r = world_report(w, 1);
		assert_int_equal(r->outcome, must ? DEFERRED : SENT);
		assert_false(r->remote_dsn);
		assert_int_equal(w->connections, must ? 1 : 2);
		world_end(w);
	}
}

/* ---- where an MX may lead ---- */

static void private_addresses(void **state)
{
	static const struct {
		const char *address;
		bool world, private;
	} cases[] = {
	    {"A 198.51.99.1", true, true},
	    {"A 10.1.2.3", false, true},
	    {"A 172.16.0.1", false, true},
	    {"A 172.31.255.1", false, true},
	    {"A 172.32.0.1", true, true},
	    {"A 192.168.7.1", false, true},
	    {"A 169.254.169.254", false, true},
	    {"A 100.64.0.1", false, true},
	    {"A 127.0.0.1", false, false},
	    {"A 0.0.0.0", false, false},
	    {"A 224.0.0.1", false, false},
	    {"AAAA 2606:4700::1", true, true},
	    {"AAAA fd00::1", false, true},
	    {"AAAA fe80::1", false, true},
	    {"AAAA ::1", false, false},
	    {"AAAA ::ffff:10.0.0.1", false, true},
	    {"AAAA ::ffff:127.0.0.1", false, false},
	    {"AAAA 64:ff9b::a00:1", false, true},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int private = 0; private < 2; private ++) {
			struct slice rest = slice_str(cases[i].address);
			struct dns_ip ip;
			slice_split(&rest, ' ');
			assert_int_equal(dns_ip_read(rest, &ip), OK);
			struct relay_settings s = {.private = private};
			bool may = route_may_reach(&s, &ip);
			if (may != (private ? cases[i].private : cases[i].world))
				fail_msg("%s, private %d: %d", cases[i].address, private, may);
		}
}

int main(int argc, char **argv)
{
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dane_decides),
	    cmocka_unit_test(dane_of_an_alias),
	    cmocka_unit_test(dane_without_mx),
	    cmocka_unit_test(the_administrator_decides),
	    cmocka_unit_test(sts_decides),
	    cmocka_unit_test(dane_goes_before_sts),
	    cmocka_unit_test(the_sender_requires_tls),
	    cmocka_unit_test(the_sender_does_without),
	    cmocka_unit_test(connections_are_kept_apart),
	    cmocka_unit_test(words_before_the_handshake),
	    cmocka_unit_test(private_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
