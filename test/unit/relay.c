/* relay: conversations with scripted servers, and what store is told of them. */
#include "kit/relay_world.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENT SEKISHO__ATTEMPT__OUTCOME__SENT
#define DEFERRED SEKISHO__ATTEMPT__OUTCOME__DEFERRED
#define FAILED SEKISHO__ATTEMPT__OUTCOME__FAILED

#define ZONE                                                                                                 \
	"one.test MX 10 mx1.test\n"                                                                          \
	"two.test MX 10 mx1.test\ntwo.test MX 20 mx2.test\n"                                                 \
	"mx1.test A 127.0.0.1\nmx2.test A 127.0.0.2\nmx3.test A 127.0.0.3\n"

#define MESSAGE "Message-ID: <1@example.jp>\r\nSubject: x\r\n\r\n.hidden\r\n..\r\nbye\r\n"

#define HELLO "> 220 mx ESMTP\n< EHLO relay.test\n> 250-mx\n"
#define HELLO_PIPELINING HELLO "> 250-SIZE 1000000\n> 250-8BITMIME\n> 250 PIPELINING\n"
#define HELLO_PLAIN HELLO "> 250 HELP\n"
#define GROUP "< MAIL FROM:<sender@example.jp>\n< RCPT TO:<r\n< DATA\n"
#define TAKE GROUP "> 250 2.1.0 ok\n> 250 2.1.5 ok\n> 354 go\n.\n> 250 2.0.0 queued as 1\n"
#define REST "i\n"

static const struct report *send_one(struct world *w, const char *domain, uint64_t row)
{
	world_give(w, world_job(w, domain, row, 1, MESSAGE));
	return world_report(w, row);
}

static void a_message_is_delivered(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	const struct report *r = send_one(w, "one.test", 1);
	assert_int_equal(r->outcome, SENT);
	assert_int_equal(r->code, 250);
	assert_string_equal(r->status, "2.0.0");
	assert_string_equal(r->text, "250 2.0.0 queued as 1");
	assert_string_equal(r->host, "mx1.test");
	assert_string_equal(r->ip, "127.0.0.1");
	assert_string_equal(r->tls, "");
	assert_true(world_heard(w, "MAIL FROM:<sender@example.jp> SIZE=60\nRCPT TO:<r1@one.test>\nDATA\n"));
	assert_true(world_heard(w, "\n\n..hidden\n...\nbye\n.\n"));
	world_end(w);
}

static void a_server_without_pipelining(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    HELLO_PLAIN
	    "< MAIL FROM:<sender@example.jp>\nw 20\n> 250 ok\n< RCPT\nw 20\n> 250 ok\n< RCPT\n> 550 no\n"
	    "< DATA\n> 354 go\n.\n> 250 ok\n" REST,
	    NULL);
	world_start(w);
	world_give(w, world_job(w, "one.test", 1, 2, MESSAGE));
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	assert_int_equal(world_report(w, 2)->outcome, FAILED);
	assert_string_equal(world_report(w, 2)->status, "5.0.0");
	world_end(w);
}

static void helo_where_ehlo_is_unknown(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    "> 220 old\n< EHLO\n> 502 what?\n< HELO relay.test\n> 250 old\n< MAIL "
	    "FROM:<sender@example.jp>\n> 250 ok\n"
	    "< RCPT\n> 250 ok\n< DATA\n> 354 go\n.\n> 250 ok\n" REST,
	    NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	world_end(w);
}

static void each_recipient_has_its_outcome(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    HELLO_PIPELINING "< MAIL\n< RCPT\n< RCPT\n< RCPT\n< DATA\n> 250 ok\n> 250 ok\n> 550-5.1.1 no\n> "
			     "550 5.1.1 such user\n"
			     "> 451 4.2.1 later\n> 354 go\n.\n> 250 2.6.0 ok\n" REST,
	    NULL);
	world_host(w, 2, HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	world_give(w, world_job(w, "two.test", 1, 3, MESSAGE));
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	assert_int_equal(world_report(w, 2)->outcome, FAILED);
	assert_string_equal(world_report(w, 2)->status, "5.1.1");
	assert_string_equal(world_report(w, 2)->text, "550 5.1.1 no 5.1.1 such user");
	/* Another host took the one that was to come later. */
	assert_int_equal(world_report(w, 3)->outcome, SENT);
	assert_string_equal(world_report(w, 3)->host, "mx2.test");
	assert_true(world_heard(w, "RCPT TO:<r3@two.test>\nDATA"));
	world_end(w);
}

static void refusals_of_the_whole(void **state)
{
	static const struct {
		const char *script;
		unsigned outcome;
		const char *status;
	} cases[] = {
	    {HELLO_PIPELINING GROUP "> 550 5.7.1 go away\n> 503 no\n> 503 no\n" REST, FAILED, "5.7.1"},
	    {HELLO_PIPELINING GROUP "> 450 4.7.1 grey\n> 503 no\n> 503 no\n" REST, DEFERRED, "4.7.1"},
	    {HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 554 5.6.0 no data\n" REST, FAILED, "5.6.0"},
	    {HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n.\n> 552 5.2.2 full\n" REST, FAILED,
		"5.2.2"},
	    {HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n.\n> 452 4.3.1 full\n" REST, DEFERRED,
		"4.3.1"},
	    {HELLO_PIPELINING GROUP "> 250 ok\n> 550 5.1.1 no\n> 354 go\n.\n> 554 5.5.1 none\n" REST, FAILED,
		"5.1.1"},
	    {HELLO_PIPELINING GROUP "> 421 4.3.2 bye\n", DEFERRED, "4.3.2"},
	    {"> 554 5.3.2 no service\n" REST, FAILED, "5.3.2"},
	    {"> 421 4.3.2 busy\n", DEFERRED, "4.3.2"},
	    {"> 220 x\n< EHLO\n> 421 4.3.2 busy\n", DEFERRED, "4.3.2"},
	    {"> 220 x\n< EHLO\n> 500 no\n< HELO\n> 550 5.7.0 no\n" REST, FAILED, "5.7.0"},
	    {"> hello there\n" REST, DEFERRED, "4.5.0"},
	    {"> 220-x\n> 221 y\n" REST, DEFERRED, "4.5.0"},
	    {"# 220 x\nw 100\n", DEFERRED, "4.4.2"},
	    {HELLO_PIPELINING GROUP "> 250 2.1.0 ok\n> 250 4.1.5 ok\n> 354 go\n.\n> 250 5.0.0 odd\n" REST,
		SENT, "2.0.0"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new(ZONE);
		world_host(w, 1, cases[i].script, NULL);
		world_start(w);
		const struct report *r = send_one(w, "one.test", 1);
		assert_int_equal(r->outcome, cases[i].outcome);
		assert_string_equal(r->status, cases[i].status);
		world_end(w);
	}
}

/* Until the end of the data was sent, the next host gets the message; after it, nobody does. */
static void connections_are_lost_anywhere(void **state)
{
	static const char *const scripts[] = {
	    "",
	    "> 220 mx\n",
	    "> 220 mx\n< EHLO\n",
	    "> 220 mx\n< EHLO\n# 250-m\n",
	    HELLO_PIPELINING,
	    HELLO_PIPELINING GROUP,
	    HELLO_PIPELINING GROUP "> 250 ok\n",
	    HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n",
	    HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n# 354 g\n",
	    HELLO_PLAIN "< MAIL\n",
	    HELLO_PLAIN "< MAIL\n> 250 ok\n< RCPT\n",
	    HELLO_PLAIN "< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n",
	};
	for (size_t i = 0; i < COUNT(scripts); i++) {
		struct world *w = world_new(ZONE);
		world_host(w, 1, scripts[i], NULL);
		world_host(w, 2, HELLO_PIPELINING TAKE REST, NULL);
		world_start(w);
		const struct report *r = send_one(w, "two.test", 1);
		assert_int_equal(r->outcome, SENT);
		assert_string_equal(r->host, "mx2.test");
		world_end(w);
	}
	static const char *const unclear[] = {
	    HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n.\n",
	    HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n.\n# 25\n",
	    HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n.\nw 2500\n",
	    HELLO "> 250-CHUNKING\n> 250 PIPELINING\n< MAIL\n< RCPT\n< BDAT 60 LAST\n= 60\n",
	    HELLO
	    "> 250-CHUNKING\n> 250 PIPELINING\n< MAIL\n< RCPT\n< BDAT 60 LAST\n= 60\n> 250 ok\n> 250 ok\n",
	};
	for (size_t i = 0; i < COUNT(unclear); i++) {
		struct world *w = world_new(ZONE);
		world_host(w, 1, unclear[i], NULL);
		world_host(w, 2, HELLO_PIPELINING TAKE REST, NULL);
		world_start(w);
		const struct report *r = send_one(w, "two.test", 1);
		assert_int_equal(r->outcome, DEFERRED);
		assert_string_equal(r->host, "mx1.test");
		assert_non_null(strstr(r->text, "whether it arrived is not known"));
		assert_int_equal(w->connections, 1);
		world_end(w);
	}
}

static void slow_and_strange_replies(void **state)
{
	struct world *w = world_new(ZONE);
	static char huge[300000], endless[60000];
	snprintf(huge, sizeof huge,
	    "> 220-%02000d\n> 220 x\n< EHLO\n> 250-mx\n> 250-%01900d\n> 250 PIPELINING\n" TAKE REST, 7, 7);
	size_t n = 0;
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(endless + n, sizeof endless - n, "> 220-hello %d\n", i);
	world_host(w, 1, "b\n" HELLO_PIPELINING TAKE REST, NULL);
	world_host(w, 2, huge, NULL);
	world_host(w, 3, endless, NULL);
	world_host(w, 4, "w 2500\n", NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	assert_int_equal(send_one(w, "[127.0.0.2]", 2)->outcome, SENT);
	assert_int_equal(send_one(w, "[127.0.0.3]", 3)->outcome, DEFERRED);
	assert_string_equal(world_report(w, 3)->status, "4.5.0");
	assert_int_equal(send_one(w, "[127.0.0.4]", 4)->outcome, DEFERRED);
	assert_non_null(strstr(world_report(w, 4)->text, "no answer in time"));
	world_end(w);
}

/* ---- whom the mail goes to ---- */

static void domains_and_their_hosts(void **state)
{
	struct world *w = world_new(
	    ZONE "null.test MX 0 .\n"
		 "implicit.test A 127.0.0.1\n"
		 "alias.test CNAME one.test\n"
		 "slow.test TIMEOUT\n"
		 "broken.test MX SERVFAIL\n"
		 "self.test MX 10 RELAY.test\nself.test MX 20 mx1.test\n"
		 "second.test MX 10 mx1.test\nsecond.test MX 20 relay.test\nsecond.test MX 30 mx2.test\n"
		 "nohost.test MX 10 nothing.test\n"
		 "late.test MX 10 host.late.test\nhost.late.test SERVFAIL\n");
	for (int i = 0; i < 4; i++)
		world_host(w, 1, HELLO_PIPELINING TAKE, NULL);
	world_start(w);
	static const struct {
		const char *domain, *status;
		unsigned outcome;
	} cases[] = {
	    {"implicit.test", "2.0.0", SENT},
	    {"alias.test", "2.0.0", SENT},
	    {"second.test", "2.0.0", SENT},
	    {"[127.0.0.1]", "2.0.0", SENT},
	    {"null.test", "5.1.10", FAILED},
	    {"nothing.test", "5.1.2", FAILED},
	    {"slow.test", "4.4.3", DEFERRED},
	    {"broken.test", "4.4.3", DEFERRED},
	    {"self.test", "5.4.6", FAILED},
	    {"relay.test", "5.1.2", FAILED},
	    {"nohost.test", "5.1.2", FAILED},
	    {"late.test", "4.4.3", DEFERRED},
	    {"[127.0.0]", "5.1.2", FAILED},
	    {"mx1..test", "5.1.2", FAILED},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct report *r = send_one(w, cases[i].domain, i + 1);
		if (r->outcome != cases[i].outcome || strcmp(r->status, cases[i].status) != 0)
			fail_msg("%s: %u %s %s", cases[i].domain, r->outcome, r->status, r->text);
	}
	world_end(w);
}

static void loopback_is_not_the_world(void **state)
{
	struct world *w =
	    world_new(ZONE "zero.test A 0.0.0.0\nsix.test AAAA ::1\nmapped.test AAAA ::ffff:127.0.0.1\n");
	w->settings.loopback = false;
	world_host(w, 1, NULL);
	world_start(w);
	static const char *const domains[] = {
	    "one.test", "zero.test", "six.test", "mapped.test", "[127.0.0.1]"};
	for (size_t i = 0; i < COUNT(domains); i++) {
		assert_int_equal(send_one(w, domains[i], i + 1)->outcome, FAILED);
		assert_string_equal(world_report(w, i + 1)->status, "5.4.4");
	}
	assert_int_equal(w->connections, 0);
	world_end(w);
}

static void we_meet_ourselves(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, "> 220 x\n< EHLO\n> 250-relay.TEST greets you\n> 250 SIZE\n" REST, NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, FAILED);
	assert_string_equal(world_report(w, 1)->status, "5.4.6");
	world_end(w);
}

static void hosts_are_tried_in_order(void **state)
{
	struct world *w = world_new(
	    "three.test MX 30 mx3.test\nthree.test MX 10 mx1.test\nthree.test MX 20 mx2.test\n" ZONE);
	world_host(w, 3, HELLO_PIPELINING TAKE REST, NULL);
	world_host(w, 1, "> 554 5.3.2 closed\n", NULL);
	/* Nobody listens at mx2. */
	world_start(w);
	const struct report *r = send_one(w, "three.test", 1);
	assert_int_equal(r->outcome, SENT);
	assert_string_equal(r->host, "mx3.test");
	world_end(w);
}

/* When no host can be reached, what waits for the destination does not wait for each connect again. */
static void an_unreachable_destination_is_left_alone(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 2, NULL); /* only to have a port */
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, DEFERRED);
	assert_string_equal(world_report(w, 1)->status, "4.4.1");
	assert_int_equal(send_one(w, "one.test", 2)->outcome, DEFERRED);
	assert_string_equal(world_report(w, 2)->text, world_report(w, 1)->text);
	world_host(w, 1, HELLO_PIPELINING TAKE REST, NULL);
	usleep(400000);
	assert_int_equal(send_one(w, "one.test", 3)->outcome, SENT);
	world_end(w);
}

/* ---- TLS and logins ---- */

#define HELLO_TLS "> 220 mx\n< EHLO\n> 250-mx\n> 250-PIPELINING\n> 250 STARTTLS\n< STARTTLS\n"
#define HELLO_AGAIN "< EHLO\n> 250-mx\n> 250 PIPELINING\n"

static void tls_when_offered(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO_TLS "> 220 go\nt\n" HELLO_AGAIN TAKE REST, NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	assert_true(strncmp(world_report(w, 1)->tls, "TLSv1.3 TLS_", 12) == 0);
	world_end(w);
}

static void tls_that_fails_is_done_without(void **state)
{
	static const char *const broken[] = {"> 220 go\nt!\n", "> 220 go\n", "# 2\n", "> 220 go\nw 2500\n"};
	for (size_t i = 0; i < COUNT(broken); i++) {
		struct world *w = world_new(ZONE);
		char *script = arena_printf(&w->arena, "%s%s", HELLO_TLS, broken[i]);
		world_host(w, 1, script, HELLO "> 250-STARTTLS\n> 250 PIPELINING\n" TAKE REST, NULL);
		world_start(w);
		assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
		assert_string_equal(world_report(w, 1)->tls, "none (the handshake failed)");
		world_end(w);
	}
	/* Refused STARTTLS: on with the same connection. */
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO_TLS "> 454 4.7.0 not now\n" TAKE REST, NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	assert_string_equal(world_report(w, 1)->tls, "");
	world_end(w);
}

static void tls_that_is_required(void **state)
{
	static const struct {
		enum relay_tls tls;
		const char *script, *status;
		unsigned outcome;
	} cases[] = {
	    {RELAY_TLS_MUST, HELLO_TLS "> 220 go\nt\n" HELLO_AGAIN TAKE REST, "2.0.0", SENT},
	    {RELAY_TLS_MUST, HELLO_TLS "> 220 go\nt!\n", "4.4.2", DEFERRED},
	    {RELAY_TLS_MUST, HELLO_TLS "> 454 no\n" REST, "4.7.10", DEFERRED},
	    {RELAY_TLS_MUST, HELLO_PIPELINING REST, "4.7.10", DEFERRED},
	    {RELAY_TLS_VERIFIED, HELLO_TLS "> 220 go\nt\n", "4.7.5", DEFERRED}, /* self-signed */
	    {RELAY_TLS_NEVER, "> 220 mx\n< EHLO\n> 250-mx\n> 250-PIPELINING\n> 250 STARTTLS\n" TAKE REST,
		"2.0.0", SENT},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new(ZONE "one.test SECURE\n");
		w->settings.tls = cases[i].tls;
		w->settings.verified = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_verify(w->settings.verified, SSL_VERIFY_PEER, NULL);
		world_host(w, 1, cases[i].script, NULL);
		world_start(w);
		const struct report *r = send_one(w, "one.test", 1);
		assert_int_equal(r->outcome, cases[i].outcome);
		assert_string_equal(r->status, cases[i].status);
		if (cases[i].outcome == DEFERRED)
			assert_int_equal(w->connections, 1);
		w->careless = true; /* a handshake that fails is what was wanted */
		world_end(w);
	}
}

/* A smart host: everything goes there, with a login, after TLS, and only to the host that the certificate names. */
static void a_smart_host(void **state)
{
	static const struct {
		const char *host, *script, *status;
		unsigned outcome;
	} cases[] = {
	    {"smart.test",
		HELLO_TLS "> 220 go\nt\n< EHLO\n> 250-mx\n> 250-PIPELINING\n> 250 AUTH LOGIN PLAIN\n"
			  "< AUTH PLAIN AHVzZXIAc2VjcmV0\n> 235 2.7.0 in\n" TAKE REST,
		"2.0.0", SENT},
	    {"smart.test",
		HELLO_TLS "> 220 go\nt\n< EHLO\n> 250-mx\n> 250-PIPELINING\n> 250 AUTH LOGIN\n"
			  "< AUTH LOGIN\n> 334 VXNlcm5hbWU6\n< dXNlcg==\n> 334 UGFzc3dvcmQ6\n< c2VjcmV0\n> "
			  "235 in\n" TAKE REST,
		"2.0.0", SENT},
	    {"smart.test",
		HELLO_TLS
		"> 220 go\nt\n< EHLO\n> 250-mx\n> 250 AUTH PLAIN\n< AUTH PLAIN\n> 535 5.7.8 wrong\n" REST,
		"4.7.8", DEFERRED},
	    {"smart.test", HELLO_TLS "> 220 go\nt\n" HELLO_AGAIN REST, "4.7.0", DEFERRED},
	    {"smart.test", HELLO "> 250 AUTH PLAIN\n" REST, "4.7.10", DEFERRED},
	    {"other.test", HELLO_TLS "> 220 go\nt\n" REST, "4.7.5", DEFERRED},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_new("smart.test A 127.0.0.1\nother.test A 127.0.0.1\n");
		world_host(w, 1, cases[i].script, NULL);
		struct relay_route route = {.host = cases[i].host,
		    .port = world_port(),
		    .tls = RELAY_TLS_VERIFIED,
		    .user = "user",
		    .password = "secret"};
		w->settings.routes = &route;
		w->settings.routes_n = 1;
		w->settings.loopback = false;
		w->settings.verified = SSL_CTX_new(TLS_client_method());
		X509_STORE_add_cert(
		    SSL_CTX_get_cert_store(w->settings.verified), SSL_CTX_get0_certificate(w->tls));
		SSL_CTX_set_verify(w->settings.verified, SSL_VERIFY_PEER, NULL);
		world_start(w);
		const struct report *r = send_one(w, "anywhere.example", 1);
		if (r->outcome != cases[i].outcome || strcmp(r->status, cases[i].status) != 0)
			fail_msg("case %zu: %u %s %s", i, r->outcome, r->status, r->text);
		if (r->outcome == SENT)
			assert_non_null(strstr(r->tls, " verified"));
		world_end(w);
	}
}

static void routes(void **state)
{
	struct world *w = world_new(ZONE "smart.test A 127.0.0.3\n");
	world_host(w, 2, "t\n" HELLO_PIPELINING TAKE REST, NULL);
	world_host(w, 3, HELLO_PIPELINING TAKE TAKE REST, NULL);
	struct relay_route list[] = {
	    {.domain = "one.test", .host = "127.0.0.2", .port = world_port(), .implicit_tls = true},
	    {.host = "smart.test", .port = world_port()},
	};
	w->settings.routes = list;
	w->settings.routes_n = 2;
	world_start(w);
	assert_string_equal(send_one(w, "one.test", 1)->ip, "127.0.0.2");
	assert_true(strncmp(world_report(w, 1)->tls, "TLSv1.3", 7) == 0);
	assert_string_equal(send_one(w, "two.test", 2)->ip, "127.0.0.3");
	/* Another domain, the same smart host: the same connection. */
	assert_int_equal(send_one(w, "example.org", 3)->outcome, SENT);
	assert_int_equal(w->connections, 2);
	world_end(w);
}

/* ---- connections that are used again ---- */

static void a_connection_is_used_again(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    HELLO_PIPELINING TAKE GROUP
	    "> 250 ok\n> 550 5.1.1 no\n> 503 no\n"
	    "< RSET\n" GROUP "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 2.0.0 ok\n" TAKE REST,
	    NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	assert_int_equal(send_one(w, "one.test", 2)->outcome, FAILED);
	assert_int_equal(send_one(w, "one.test", 3)->outcome, SENT);
	assert_int_equal(send_one(w, "one.test", 4)->outcome, SENT);
	assert_int_equal(w->connections, 1);
	assert_true(world_heard(w, "QUIT")); /* after its idle time */
	world_end(w);
}

static void an_idle_connection_that_ended(void **state)
{
	struct world *w = world_new(ZONE);
	/* Ended before the next message, announced, or found out only when it is used. */
	world_host(w, 1, HELLO_PIPELINING TAKE, HELLO_PIPELINING TAKE "> 421 4.4.2 bye\n",
	    HELLO_PIPELINING TAKE GROUP, HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	for (uint64_t row = 1; row <= 4; row++) {
		assert_int_equal(send_one(w, "one.test", row)->outcome, SENT);
		usleep(100000);
	}
	assert_int_equal(w->connections, 4);
	world_end(w);
}

/* A server that sends each reply by itself waits for our acknowledgements; we must not hold them back for 40 ms. */
static void replies_one_by_one_cost_no_time(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO_PIPELINING TAKE TAKE TAKE TAKE TAKE TAKE TAKE TAKE REST, NULL);
	world_start(w);
	unsigned least = 1000;
	for (uint64_t row = 1; row <= 8; row++) {
		assert_int_equal(send_one(w, "one.test", row)->outcome, SENT);
		least = MIN(least, world_report(w, row)->ms);
	}
	assert_true(least < 35);
	world_end(w);
}

static void a_server_says_how_many(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO "> 250-PIPELINING\n> 250 LIMITS MAILMAX=1 RCPTMAX=100\n" TAKE "< QUIT\n",
	    HELLO "> 250-PIPELINING\n> 250 LIMITS RCPTMAX=2\n"
		  "< MAIL\n< RCPT TO:<r2@\n< RCPT TO:<r3@\n< DATA\n> 250 ok\n> 250 ok\n> 250 ok\n> 354 "
		  "go\n.\n> 250 ok\n"
		  "< MAIL\n< RCPT TO:<r4@\n< DATA\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 ok\n"
		  /* 452: too many at a time (RFC 5321 4.5.3.1.10) */
		  "< MAIL\n< RCPT TO:<r5@\n< RCPT TO:<r6@\n< DATA\n> 250 ok\n> 250 ok\n> 452 4.5.3 many\n> "
		  "354 go\n.\n> 250 ok\n"
		  "< MAIL\n< RCPT TO:<r6@\n< DATA\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 ok\n" REST,
	    NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	world_give(w, world_job(w, "one.test", 2, 3, MESSAGE));
	assert_int_equal(world_report(w, 2)->outcome, SENT);
	assert_int_equal(world_report(w, 4)->outcome, SENT);
	world_give(w, world_job(w, "one.test", 5, 2, MESSAGE));
	assert_int_equal(world_report(w, 6)->outcome, SENT);
	assert_int_equal(w->connections, 2);
	world_end(w);
}

/* ---- what servers can take ---- */

static void chunks(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    HELLO "> 250-PIPELINING\n> 250-BINARYMIME\n> 250 CHUNKING\n"
		  "< MAIL\n< RCPT\n< BDAT 60 LAST\n= 60\n> 250 ok\n> 250 ok\n> 250 2.0.0 chunky\n"
		  "< MAIL FROM:<sender@example.jp> BODY=BINARYMIME\n< RCPT\n< BDAT 5 LAST\n= 5\n> 250 ok\n> "
		  "250 ok\n> 250 ok\n"
		  "< MAIL\n< RCPT\n< BDAT 60 LAST\n= 60\n> 250 ok\n> 550 5.1.1 no\n> 554 5.5.1 none\n" REST,
	    NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	assert_string_equal(world_report(w, 1)->text, "250 2.0.0 chunky");
	assert_true(world_heard(w, "\r\n.hidden\r\n..\r\nbye\r\n"));
	Sekisho__Job *binary = world_job(w, "one.test", 2, 1, "a\nb\rc");
	binary->body = 2;
	world_give(w, binary);
	assert_int_equal(world_report(w, 2)->outcome, SENT);
	assert_int_equal(send_one(w, "one.test", 3)->outcome, FAILED);
	assert_string_equal(world_report(w, 3)->status, "5.1.1");
	world_end(w);
}

static void eight_bits_for_a_server_of_seven(void **state)
{
	struct world *w = world_new(ZONE);
	w->seven = "Subject: x\r\n\r\n=E9\r\n.dot\r\n";
	world_host(w, 1, HELLO "> 250-SIZE 1000\n> 250 PIPELINING\n" TAKE TAKE REST, NULL);
	world_start(w);
	for (uint32_t body = 1; body <= 2; body++) {
		Sekisho__Job *job = world_job(w, "one.test", body, 1, "Subject: x\r\n\r\n\351\r\n.dot\r\n");
		job->body = body;
		world_give(w, job);
		assert_int_equal(world_report(w, body)->outcome, SENT);
	}
	/* the signature of what is sent, and its size */
	assert_true(world_heard(w, "MAIL FROM:<sender@example.jp> SIZE=36\n"));
	assert_true(world_heard(w, "\nSigned: x\nSubject: x\n\n=E9\n..dot\n.\n"));
	assert_false(world_heard(w, "BODY="));
	world_end(w);
}

static void what_a_server_cannot_take(void **state)
{
	struct world *w = world_new(ZONE "xn--wgv71a119e.test MX 10 mx1.test\n");
	world_host(w, 1,
	    "> 220 mx\n< EHLO\n> 250-mx\n> 250-PIPELINING\n> 250 SIZE 100\n"
	    "< MAIL FROM:<sender@example.jp> SIZE=60\n< RCPT TO:<r9@xn--wgv71a119e.test>\n< DATA\n> 250 "
	    "ok\n> 250 ok\n> 354 go\n.\n> 250 ok\n" REST,
	    NULL);
	world_start(w);
	struct {
		Sekisho__Job *job;
		const char *status;
	} cases[] = {
	    {world_job(w, "one.test", 1, 1, MESSAGE MESSAGE), "5.3.4"},
	    {world_job(w, "one.test", 2, 1, MESSAGE), "5.6.3"},
	    {world_job(w, "one.test", 3, 1, MESSAGE), "5.6.3"},
	    {world_job(w, "one.test", 4, 1, "Subject: 日本\r\n\r\nx\r\n"), "5.6.7"},
	    {world_job(w, "one.test", 5, 1, MESSAGE), "5.6.7"},
	    {world_job(w, "one.test", 6, 1, "Subject: x\n\nbare\n"), "5.6.0"},
	    {world_job(w, "one.test", 7, 1, "Subject: x\r\n\r\nbare\r\r\n"), "5.6.0"},
	    {world_job(w, "one.test", 8, 1, "Subject: x\r\n\r\nbare\r"), "5.6.0"},
	};
	cases[1].job->body = 1;
	cases[2].job->body = 2;
	cases[3].job->smtputf8 = true;
	cases[4].job->smtputf8 = true;
	cases[4].job->rcpts[0]->addr->local = (ProtobufCBinaryData){6, (uint8_t *)"日本"};
	for (size_t i = 0; i < COUNT(cases); i++) {
		world_give(w, cases[i].job);
		const struct report *r = world_report(w, i + 1);
		assert_int_equal(r->outcome, FAILED);
		assert_string_equal(r->status, cases[i].status);
	}
	/* Only the domain needs UTF-8: it has another form. */
	Sekisho__Job *idn = world_job(w, "日本語.test", 9, 1, MESSAGE);
	idn->smtputf8 = true;
	world_give(w, idn);
	assert_int_equal(world_report(w, 9)->outcome, SENT);
	world_end(w);
}

static void parameters(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1,
	    HELLO "> 250-PIPELINING\n> 250-DSN\n> 250-SMTPUTF8\n> 250 8BITMIME\n"
		  "< MAIL FROM:<sender@example.jp> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc\n"
		  "< RCPT TO:<日本@one.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@one.test\n"
		  "< RCPT TO:<\"two words\"@one.test> NOTIFY=NEVER\n"
		  "< DATA\n> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 ok\n"
		  "< MAIL FROM:<>\n< RCPT TO:<r3@one.test>\n< DATA\n> 250 ok\n> 250 ok\n> 354 go\n.\n> 250 "
		  "ok\n" REST,
	    NULL);
	world_start(w);
	char envid[] = "a+b=c", orcpt[] = "rfc822;x+y@one.test";
	Sekisho__Job *j = world_job(w, "one.test", 1, 2, MESSAGE);
	j->smtputf8 = true;
	j->body = 1;
	j->ret = 2;
	j->envid = envid;
	j->rcpts[0]->notify = 5;
	j->rcpts[0]->orcpt = orcpt;
	j->rcpts[0]->addr->local = (ProtobufCBinaryData){6, (uint8_t *)"日本"};
	j->rcpts[1]->notify = 8;
	j->rcpts[1]->addr->local = (ProtobufCBinaryData){9, (uint8_t *)"two words"};
	world_give(w, j);
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	assert_true(world_report(w, 1)->remote_dsn);
	Sekisho__Job *bounce = world_job(w, "one.test", 3, 1, MESSAGE);
	bounce->sender->local.len = bounce->sender->domain.len = 0;
	world_give(w, bounce);
	assert_int_equal(world_report(w, 3)->outcome, SENT);
	/* An address that would end the line never gets out. */
	Sekisho__Job *evil = world_job(w, "one.test", 4, 1, MESSAGE);
	evil->rcpts[0]->addr->local = (ProtobufCBinaryData){16, (uint8_t *)"x>\r\nRCPT TO:<y@z"};
	world_give(w, evil);
	assert_int_equal(world_report(w, 4)->outcome, FAILED);
	world_end(w);
}

/* ---- store ---- */

static void a_large_message_comes_in_parts(void **state)
{
	struct world *w = world_new(ZONE);
	BUF_LOCAL(body, 1 << 20);
	buf_puts(&body, "Subject: large\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&body, "%s line %d\r\n", i % 7 ? "" : ".", i);
	w->body = buf_slice(&body);
	world_host(w, 1,
	    HELLO_PLAIN "< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n.\n> 250 ok\n" REST, NULL);
	world_start(w);
	Sekisho__Job *j = world_job(w, "one.test", 1, 1, "");
	j->has_data = false;
	j->size = body.n;
	world_give(w, j);
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	/* What was heard, dots undone, is the message. */
	ptrdiff_t from = slice_search(buf_slice(&w->heard), SLICE("Subject: large"));
	struct slice heard = slice_sub(buf_slice(&w->heard), (size_t)from, w->heard.n),
		     sent = buf_slice(&body);
	while (sent.n) {
		struct slice line = slice_split(&sent, '\r'), got = slice_split(&heard, '\n');
		sent = slice_sub(sent, 1, sent.n);
		if (slice_starts(got, SLICE(".")))
			got = slice_sub(got, 1, got.n);
		assert_true(slice_eq(line, got));
	}
	assert_true(slice_starts(heard, SLICE(".\n")));
	world_end(w);
}

static void a_message_that_ends_early_is_never_finished(void **state)
{
	struct world *w = world_new(ZONE);
	w->body = SLICE("Subject: x\r\n\r\nshort\r\n");
	world_host(w, 1, HELLO_PIPELINING GROUP "> 250 ok\n> 250 ok\n> 354 go\n" REST, NULL);
	world_start(w);
	Sekisho__Job *j = world_job(w, "one.test", 1, 1, "");
	j->has_data = false;
	j->size = 1000;
	world_give(w, j);
	assert_int_equal(world_report(w, 1)->outcome, FAILED);
	assert_string_equal(world_report(w, 1)->status, "5.6.0");
	world_end(w);
	assert_int_equal(slice_search(buf_slice(&w->heard), SLICE("\n.\n")), -1);
}

static void reports_are_offered_until_taken(void **state)
{
	struct world *w = world_new(ZONE);
	w->report_failures = 3;
	world_host(w, 1, HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	/* The same row again while it is not reported: it is in hand, and not sent twice. */
	world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
	world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	usleep(300000);
	assert_int_equal(w->connections, 1);
	assert_int_equal(world_outcomes(w, SENT), 1);
	world_end(w);
}

static unsigned refusals_left(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	unsigned left = w->report_failures;
	pthread_mutex_unlock(&w->lock);
	return left;
}

/* One message is sent, and its report refused for so long that others wait. */
static struct world *world_that_refuses_reports(unsigned times)
{
	struct world *w = world_new(ZONE);
	w->report_failures = times + 5; /* five take a second */
	world_host(w, 1, HELLO_PIPELINING TAKE REST, HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	world_give(w, world_job(w, "one.test", 1, 1, MESSAGE));
	while (refusals_left(w) > times)
		usleep(1000);
	w->careless = true; /* a second connection, or none */
	return w;
}

/* What is sent while store takes no reports would be sent again, were the relay to die now. */
static void nothing_is_begun_that_cannot_be_reported(void **state)
{
	struct world *w = world_that_refuses_reports(10);
	world_give(w, world_job(w, "one.test", 2, 1, MESSAGE));
	for (bool heard = false; refusals_left(w) > 1; usleep(10000)) {
		heard = world_heard(w, "r2@one.test");
		assert_false(heard && refusals_left(w) > 1);
	}
	assert_int_equal(world_report(w, 2)->outcome, SENT);
	assert_int_equal(world_report(w, 1)->outcome, SENT);
	world_end(w);
}

/* It stops without having begun what waits for that. */
static void stopping_does_not_wait_for_reports_to_begin(void **state)
{
	struct world *w = world_that_refuses_reports(10);
	world_give(w, world_job(w, "one.test", 2, 1, MESSAGE));
	usleep(200000);
	world_end(w);
	assert_int_equal(world_outcomes(w, SENT), 1);
	assert_int_equal(world_outcomes(w, SEKISHO__ATTEMPT__OUTCOME__RELEASED), 1);
}

static void store_comes_back(void **state)
{
	struct world *w = world_new(ZONE);
	world_host(w, 1, HELLO_PIPELINING TAKE TAKE REST, NULL);
	world_start(w);
	assert_int_equal(send_one(w, "one.test", 1)->outcome, SENT);
	ipc_trunk_set(w->trunk, -1);
	usleep(100000);
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(w->store, fds[1], PEER_RELAY, NULL, NULL, NULL);
	ipc_trunk_set(w->trunk, fds[0]);
	assert_int_equal(send_one(w, "one.test", 2)->outcome, SENT);
	world_end(w);
}

/* Many messages to many destinations, few connections to each. */
static void many_at_once(void **state)
{
	static char script[40000];
	size_t n = (size_t)snprintf(script, sizeof script, "%s", HELLO_PIPELINING);
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(script + n, sizeof script - n, "%s", TAKE);
	struct world *w = world_new(ZONE);
	w->settings.per_destination = 4;
	for (unsigned h = 1; h <= 3; h++)
		for (int i = 0; i < 40; i++)
			world_host(w, h, script, NULL);
	world_start(w);
	static const char *const domains[] = {"[127.0.0.1]", "[127.0.0.2]", "[127.0.0.3]"};
	for (uint64_t row = 1; row <= 600; row++) {
		while (row > 200 && world_outcomes(w, SENT) + 200 < row)
			usleep(1000);
		world_give(w, world_job(w, domains[row % 3], row, 1, MESSAGE));
	}
	for (uint64_t row = 1; row <= 600; row++)
		assert_int_equal(world_report(w, row)->outcome, SENT);
	assert_true(w->connections <= 12 + 6);
	assert_int_equal(world_outcomes(w, SENT), 600);
	w->careless = true; /* scripts end with the connection */
	world_end(w);
}

static void stopping_gives_back_what_was_not_begun(void **state)
{
	struct world *w = world_new(ZONE);
	w->settings.per_destination = 1;
	world_host(w, 1, "w 300\n" HELLO_PIPELINING TAKE REST, NULL);
	world_start(w);
	for (uint64_t row = 1; row <= 5; row++)
		world_give(w, world_job(w, "one.test", row, 1, MESSAGE));
	usleep(150000);
	world_end(w);
	assert_int_equal(world_outcomes(w, SENT), 1);
	assert_int_equal(world_outcomes(w, SEKISHO__ATTEMPT__OUTCOME__RELEASED), 4);
}

int main(int argc, char **argv)
{
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_is_delivered),
	    cmocka_unit_test(a_server_without_pipelining),
	    cmocka_unit_test(helo_where_ehlo_is_unknown),
	    cmocka_unit_test(each_recipient_has_its_outcome),
	    cmocka_unit_test(refusals_of_the_whole),
	    cmocka_unit_test(connections_are_lost_anywhere),
	    cmocka_unit_test(slow_and_strange_replies),
	    cmocka_unit_test(domains_and_their_hosts),
	    cmocka_unit_test(loopback_is_not_the_world),
	    cmocka_unit_test(we_meet_ourselves),
	    cmocka_unit_test(hosts_are_tried_in_order),
	    cmocka_unit_test(an_unreachable_destination_is_left_alone),
	    cmocka_unit_test(tls_when_offered),
	    cmocka_unit_test(tls_that_fails_is_done_without),
	    cmocka_unit_test(tls_that_is_required),
	    cmocka_unit_test(a_smart_host),
	    cmocka_unit_test(routes),
	    cmocka_unit_test(a_connection_is_used_again),
	    cmocka_unit_test(an_idle_connection_that_ended),
	    cmocka_unit_test(replies_one_by_one_cost_no_time),
	    cmocka_unit_test(a_server_says_how_many),
	    cmocka_unit_test(chunks),
	    cmocka_unit_test(eight_bits_for_a_server_of_seven),
	    cmocka_unit_test(what_a_server_cannot_take),
	    cmocka_unit_test(parameters),
	    cmocka_unit_test(a_large_message_comes_in_parts),
	    cmocka_unit_test(a_message_that_ends_early_is_never_finished),
	    cmocka_unit_test(reports_are_offered_until_taken),
	    cmocka_unit_test(nothing_is_begun_that_cannot_be_reported),
	    cmocka_unit_test(stopping_does_not_wait_for_reports_to_begin),
	    cmocka_unit_test(store_comes_back),
	    cmocka_unit_test(many_at_once),
	    cmocka_unit_test(stopping_gives_back_what_was_not_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
