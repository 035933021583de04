/* smtp: the session on real sockets: sleeping, waking, hanging up, counting asks, TLS. */
#include "kit/roles.h"
#include "smtp/smtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct roles *roles;
static struct smtp_budget budget;

/* One conversation, both ends in this thread: say something, run the session until it sleeps, look at the answer. */
struct talk {
	struct smtp_service service;
	struct session *session;
	const char *ip;
	int client;
	enum session_next next;
	struct buf heard;
};

static void talk_open(struct talk *t)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	t->client = ends[0];
	t->session = smtp_session_new(&t->service, stream_socket(ends[1]), t->ip, 40000);
	buf_init(&t->heard, 1 << 20);
}

static void talk_prepare(struct talk *t, bool submission)
{
	*t = (struct talk){
	    .service = {.name = "smtp", .hostname = "mx.our.example", .submission = submission}};
	t->ip = "2001:db8::7";
	smtp_service_defaults(&t->service);
	t->service.greeting_ms = 0;
	t->service.store = roles_store(roles, submission);
	t->service.scan = roles_scan(roles, submission);
	t->service.keys = roles_keys(roles);
	budget = (struct smtp_budget){.most = 1 << 30};
	t->service.budget = &budget;
	roles_reset(roles);
}

static void talk_say(struct talk *t, const char *text)
{
	assert_int_equal(fd_write_all(t->client, slice_str(text)), OK);
}

static void talk_run(struct talk *t)
{
	t->next = t->session->ops->run(t->session);
}

/* What has been heard since the last time. */
static struct slice talk_heard(struct talk *t)
{
	buf_clear(&t->heard);
	for (;;) {
		char part[4096];
		ssize_t n = read(t->client, part, sizeof part);
		if (n <= 0)
			return buf_slice(&t->heard);
		buf_put(&t->heard, slice_of(part, (size_t)n));
	}
}

/* Says it, runs, and the last line of the answer begins with this. */
static void talk_expect(struct talk *t, const char *text, const char *last)
{
	talk_say(t, text);
	talk_run(t);
	struct slice heard = talk_heard(t);
	ptrdiff_t end = slice_rfind(slice_sub(heard, 0, heard.n ? heard.n - 1 : 0), '\n');
	struct slice line = slice_sub(heard, (size_t)(end + 1), heard.n);
	if (!slice_starts(line, slice_str(last)))
		fail_msg("expected %s, got " SLICE_FMT, last, SLICE_ARG(heard));
}

static void talk_close(struct talk *t)
{
	close(t->client);
	t->session->ops->end(t->session);
	buf_free(&t->heard);
	assert_int_equal(budget.used, 0);
}

#define ENVELOPE "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<anna@our.example>\r\n"

static void the_greeting_is_held_back(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	t.service.greeting_ms = 70;
	talk_open(&t);
	assert_true(t.session->silent);
	talk_run(&t);
	assert_int_equal(t.next, SESSION_SLEEP);
	assert_int_equal(t.session->sleep_ms, 70);
	assert_int_equal(talk_heard(&t).n, 0);
	assert_int_equal(t.session->ops->expired(t.session), SESSION_SLEEP);
	assert_int_equal(t.session->sleep_ms, t.service.idle_ms);
	assert_true(slice_starts(talk_heard(&t), SLICE("220 mx.our.example ESMTP")));
	talk_expect(&t, "EHLO x\r\n", "250 ");
	assert_false(t.session->silent);
	assert_int_equal(t.session->ops->expired(t.session), SESSION_END);
	assert_true(slice_starts(talk_heard(&t), SLICE("421 4.4.2 ")));
	talk_close(&t);
}

/* Whoever waited once is greeted at once; others are not. */
static void patience_is_remembered(void **state)
{
	struct talk t;
	for (int time = 0; time < 3; time++) {
		talk_prepare(&t, false);
		t.service.greeting_ms = 70;
		t.ip = time < 2 ? "192.0.2.50" : "192.0.2.51";
		talk_open(&t);
		talk_run(&t);
		bool greeted = talk_heard(&t).n > 0;
		assert_int_equal(greeted, time == 1);
		if (!greeted)
			assert_int_equal(t.session->ops->expired(t.session), SESSION_SLEEP);
		talk_close(&t);
	}
}

static void early_talkers(void **state)
{
	struct talk t;
	for (int before = 0; before < 2; before++) {
		talk_prepare(&t, false);
		t.service.greeting_ms = 70;
		t.service.refuse_early = true;
		t.ip = "192.0.2.99";
		talk_open(&t);
		if (!before)
			talk_run(&t);
		talk_expect(&t, "EHLO x\r\n", "554 5.5.1 ");
		assert_int_equal(t.next, SESSION_END);
		talk_close(&t);
	}
	talk_prepare(&t, false); /* by default it is only noted */
	t.service.greeting_ms = 70;
	t.ip = "192.0.2.99";
	talk_open(&t);
	talk_expect(&t, "EHLO x\r\n", "250 ");
	talk_close(&t);
}

static void sleeps_between_commands(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	talk_open(&t);
	talk_expect(&t, "", "220 ");
	assert_int_equal(t.next, SESSION_SLEEP);
	static const char *const steps[][2] = {{"EHLO x\r\n", "250 "},
	    {"MAIL FROM:<a@b.example>\r\n", "250 2.1.0"}, {"RCPT TO:<anna@our.example>\r\n", "250 2.1.5"},
	    {"BDAT 3\r\na\r\n", "250 2.0.0"}, {"NOOP\r\n", "250 2.0.0"},
	    {"BDAT 3 LAST\r\nb\r\n", "250 2.0.0 kept"}};
	for (size_t i = 0; i < COUNT(steps); i++) {
		talk_expect(&t, steps[i][0], steps[i][1]);
		assert_int_equal(t.next, SESSION_SLEEP);
		assert_int_equal(t.session->sleep_ms, t.service.idle_ms);
	}
	assert_true(slice_search(roles_message(roles), SLICE("\r\na\r\nb\r\n")) > 0);
	assert_true(slice_search(roles_message(roles), SLICE("[IPv6:2001:db8::7]")) > 0);
	shutdown(t.client, SHUT_WR);
	talk_run(&t);
	assert_int_equal(t.next, SESSION_END);
	talk_close(&t);
}

static void a_message_costs_three_asks(void **state)
{
	struct talk t;
	BUF_LOCAL(all, 1 << 20);
	talk_prepare(&t, false);
	talk_open(&t);
	buf_puts(&all, "EHLO x\r\nMAIL FROM:<a@b.example>\r\n");
	for (int i = 0; i < 100; i++)
		buf_puts(&all, "RCPT TO:<anna@our.example>\r\n");
	buf_puts(&all, "DATA\r\nx\r\n.\r\n");
	talk_expect(&t, buf_z(&all), "250 2.0.0 kept");
	assert_int_equal(roles_asked(roles, ASK_STORE_RCPT), 1);
	assert_int_equal(roles_asked(roles, ASK_SCAN_MESSAGE), 1);
	assert_int_equal(roles_asked(roles, ASK_STORE_DELIVER), 1);
	assert_int_equal(roles_asked(roles, ASK_STORE_SENDER), 0);
	talk_close(&t);
}

/* A thousand recipients with long addresses do not fit one packet: as many as do, then 452. */
static void many_long_recipients(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	talk_open(&t);
	roles_directive(roles, SLICE("SCAN message ok large"));
	talk_expect(&t, "EHLO x\r\nMAIL FROM:<a@b.example>\r\n", "250 ");
	size_t accepted = 0, refused = 0;
	for (int batch = 0; batch < 20; batch++) {
		BUF_LOCAL(all, 1 << 20);
		for (int i = 0; i < 50; i++)
			buf_printf(&all, "RCPT TO:<anna@our.example> ORCPT=rfc822;%0400d@x.example\r\n", i);
		talk_say(&t, buf_z(&all));
		talk_run(&t);
		struct slice heard = talk_heard(&t);
		while (heard.n) {
			struct slice line = slice_split(&heard, '\n');
			accepted += slice_starts(line, SLICE("250 2.1.5"));
			refused += slice_starts(line, SLICE("452 4.5.3"));
		}
	}
	assert_int_equal(accepted + refused, 1000);
	assert_in_range(accepted, 150, 300);
	talk_expect(&t, "DATA\r\nx\r\n.\r\n", "250 2.0.0 kept");
	talk_close(&t);
}

static void hanging_up_delivers_nothing(void **state)
{
	static const char *const parts[] = {"", "EHL", ENVELOPE, ENVELOPE "DATA\r\n",
	    ENVELOPE "DATA\r\nx\r\n.\r", ENVELOPE "BDAT 10 LAST\r\nx", ENVELOPE "BDAT 3\r\nx\r\n"};
	for (size_t i = 0; i < COUNT(parts); i++) {
		struct talk t;
		talk_prepare(&t, false);
		talk_open(&t);
		talk_say(&t, parts[i]);
		shutdown(t.client, SHUT_WR);
		talk_run(&t);
		assert_int_equal(t.next, SESSION_END);
		talk_close(&t);
		assert_int_equal(roles_asked(roles, ASK_STORE_DELIVER), 0);
	}
}

static void half_a_command_does_not_hold_a_thread(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	t.service.line_ms = 50;
	talk_open(&t);
	talk_expect(&t, "", "220 ");
	talk_say(&t, "EHL");
	talk_run(&t);
	assert_int_equal(t.next, SESSION_SLEEP);
	assert_in_range(t.session->sleep_ms, 1, 50);
	talk_expect(&t, "O x\r\nMAIL FROM:<a@b", "250 "); /* the rest came; and half of the next */
	assert_int_equal(t.next, SESSION_SLEEP);
	usleep(60000);
	talk_expect(&t, ".", "421 4.4.2 "); /* octet by octet is too slow */
	assert_int_equal(t.next, SESSION_END);
	talk_close(&t);
	/* Half a command does not keep whole ones from being answered. */
	talk_prepare(&t, false);
	talk_open(&t);
	talk_expect(&t, ENVELOPE "RCPT TO:<bob@", "250 2.1.5");
	talk_expect(&t, "our.example>\r\n", "250 2.1.5");
	talk_close(&t);
	talk_prepare(&t, false);
	t.service.data_ms = 50;
	talk_open(&t);
	talk_expect(&t, ENVELOPE "DATA\r\n", "421 4.4.2 ");
	assert_int_equal(t.next, SESSION_END);
	talk_close(&t);
	talk_prepare(&t, false);
	t.service.data_ms = 50;
	talk_open(&t);
	talk_say(&t, ENVELOPE "DATA\r\nhalf a message");
	talk_run(&t);
	assert_int_equal(t.next, SESSION_END);
	talk_close(&t);
}

/* A client that ends its lines with LF waits for an answer that no CRLF.CRLF will bring. */
static void rubbish_is_answered_when_it_stops(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	t.service.line_ms = 50;
	talk_open(&t);
	talk_expect(&t, ENVELOPE "DATA\r\nhello\n.\n", "550 5.6.0 the message has a bare CR or LF");
	assert_int_equal(t.next, SESSION_END);
	assert_int_equal(roles_asked(roles, ASK_STORE_DELIVER), 0);
	talk_close(&t);
}

static void a_thousand_messages_a_session(void **state)
{
	struct talk t;
	talk_prepare(&t, false);
	talk_open(&t);
	talk_expect(&t, "EHLO x\r\n", "250 ");
	for (int i = 0; i < LIMIT_SMTP_MAILS; i++)
		talk_expect(
		    &t, "MAIL FROM:<>\r\nRCPT TO:<anna@our.example>\r\nDATA\r\nx\r\n.\r\n", "250 2.0.0 kept");
	talk_expect(&t, "MAIL FROM:<>\r\n", "421 4.7.0 too many messages");
	assert_int_equal(t.next, SESSION_END);
	talk_close(&t);
}

/* Large messages go through the memfd, and arrive to the octet. */
static void large_messages(void **state)
{
	static const size_t sizes[] = {60000, 65000, 65536, 66000, 200000, 3000000};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		BUF_LOCAL(message, 4000000);
		BUF_LOCAL(output, 1 << 20);
		BUF_LOCAL(input, 8000000);
		while (message.n < sizes[i])
			buf_printf(&message, "%zu is where this line starts, .\r\n", message.n);
		buf_printf(&input, ENVELOPE "BDAT %zu LAST\r\n", message.n);
		buf_put(&input, buf_slice(&message));
		struct talk t;
		talk_prepare(&t, false);
		t.session = smtp_session_new(
		    &t.service, stream_memory(buf_slice(&input), 0, &output), "192.0.2.1", 1);
		talk_run(&t);
		t.session->ops->end(t.session);
		assert_true(slice_search(buf_slice(&output), SLICE("250 2.0.0 kept")) > 0);
		struct slice got = roles_message(roles);
		assert_true(got.n > message.n);
		assert_true(slice_eq(slice_sub(got, got.n - message.n, message.n), buf_slice(&message)));
		assert_int_equal(budget.used, 0);
	}
}

static void silent_sessions_cost_little(void **state)
{
	enum { MANY = 400 };
	static struct talk talks[MANY];
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		talk_prepare(&talks[i], false);
		talks[i].service.implicit_tls = true;
		talk_open(&talks[i]);
		talk_run(&talks[i]);
		assert_int_equal(talks[i].next, SESSION_SLEEP);
	}
	size_t each = (mallinfo2().uordblks - before) / MANY;
	print_message("%zu octets a silent session\n", each);
	assert_true(each < 2048);
	for (int i = 0; i < MANY; i++)
		talk_close(&talks[i]);
}

/* ---- TLS and logins ---- */

static SSL_CTX *server_tls, *client_tls;

static void make_certificate(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha384());
	server_tls = SSL_CTX_new(TLS_server_method());
	client_tls = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(server_tls, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server_tls, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* The client's side of a submission over TLS, in a thread of its own. */
struct tls_client {
	int fd;
	int version;
	bool implicit;
	bool suspended;      /* after the login store ends the session */
	const char *binding; /* SCRAM-PLUS by this; NULL: PLAIN */
	char answers[16384]; /* all that was heard under TLS */
	size_t heard;
	SSL *ssl;
};

static void tls_ask(struct tls_client *c, const char *text)
{
	if (*text)
		SSL_write(c->ssl, text, (int)strlen(text));
	for (;;) {
		size_t from = c->heard;
		int n = SSL_read(c->ssl, c->answers + from, (int)(sizeof c->answers - 1 - from));
		if (n <= 0)
			return;
		c->heard += (size_t)n;
		/* The last line of an answer has a blank behind its code. */
		struct slice all = slice_of(c->answers, c->heard - 1);
		ptrdiff_t line = slice_rfind(all, '\n') + 1;
		if (c->answers[c->heard - 1] == '\n' && c->answers[line + 3] == ' ')
			return;
	}
}

static void put_binding(struct tls_client *c, struct buf *out)
{
	char data[64];
	unsigned n = 32;
	buf_printf(out, "p=%s,,", c->binding);
	if (strcmp(c->binding, "tls-exporter") == 0) {
		SSL_export_keying_material(
		    c->ssl, (unsigned char *)data, 32, "EXPORTER-Channel-Binding", 24, NULL, 0, 0);
	} else {
		X509 *x = SSL_get1_peer_certificate(c->ssl);
		X509_digest(x, EVP_sha384(), (unsigned char *)data, &n);
		X509_free(x);
	}
	buf_put(out, slice_of(data, n));
}

static void tls_login(struct tls_client *c)
{
	if (!c->binding) {
		tls_ask(c, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
		return;
	}
	BUF_LOCAL(first, 1000);
	BUF_LOCAL(binding, 1000);
	BUF_LOCAL(final, 1000);
	BUF_LOCAL(line, 2000);
	buf_printf(&first, "p=%s,,n=user,r=rOprNGfwEbeRWgbNEkqO", c->binding);
	buf_puts(&line, "AUTH SCRAM-SHA-256-PLUS ");
	buf_base64(&line, buf_slice(&first));
	buf_puts(&line, "\r\n");
	tls_ask(c, buf_z(&line));
	put_binding(c, &binding);
	buf_puts(&final, "c=");
	buf_base64(&final, buf_slice(&binding));
	buf_puts(&final, ",r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
			 "Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	buf_clear(&line);
	buf_base64(&line, buf_slice(&final));
	buf_puts(&line, "\r\n");
	tls_ask(c, buf_z(&line));
	tls_ask(c, "\r\n");
}

/* Says it and listens, octet by octet, up to the line that begins with `last`. */
static void clear_ask(int fd, const char *text, const char *last)
{
	BUF_LOCAL(line, 4096);
	char c = 0;
	result_ignore(fd_write_all(fd, slice_str(text)));
	while (!(c == '\n' && slice_starts(buf_slice(&line), slice_str(last)))) {
		if (c == '\n')
			buf_clear(&line);
		if (read(fd, &c, 1) != 1)
			return;
		buf_putc(&line, c);
	}
}

static void *tls_client_run(void *arg)
{
	struct tls_client *c = arg;
	if (!c->implicit) {
		clear_ask(c->fd, "EHLO x\r\n", "250 ");
		clear_ask(c->fd, "STARTTLS\r\n", "220 2.0.0");
	}
	c->ssl = SSL_new(client_tls);
	SSL_set_max_proto_version(c->ssl, c->version);
	SSL_set_fd(c->ssl, c->fd);
	if (SSL_connect(c->ssl) == 1) {
		if (c->implicit)
			tls_ask(c, "");
		tls_ask(c, "EHLO x\r\n");
		tls_login(c);
		if (c->suspended) {
			roles_note(roles, NOTE_END);
			tls_ask(c, "");
		}
		tls_ask(c, "MAIL FROM:<anna@our.example>\r\n");
		tls_ask(c, "RCPT TO:<x@other.example>\r\n");
		tls_ask(c, "DATA\r\n");
		tls_ask(c, "Subject: x\r\n\r\n.\r\n");
		tls_ask(c, "QUIT\r\n");
		SSL_shutdown(c->ssl);
	}
	SSL_free(c->ssl);
	close(c->fd);
	return NULL;
}

static void over_tls(struct tls_client c)
{
	struct talk t;
	talk_prepare(&t, true);
	t.service.name = "submission";
	t.service.tls = server_tls;
	t.service.implicit_tls = c.implicit;
	talk_open(&t);
	fcntl(t.client, F_SETFL, 0);
	c.fd = t.client;
	t.client = -1;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, tls_client_run, &c), 0);
	struct pollfd p[2] = {{.fd = stream_fd(t.session->stream), .events = POLLIN}, {.events = POLLIN}};
	do {
		talk_run(&t);
		p[1].fd = t.session->wake_fd;
	} while (t.next == SESSION_SLEEP && poll(p, 2, 5000) > 0);
	assert_int_equal(t.next, SESSION_END);
	t.session->ops->end(t.session);
	pthread_join(thread, NULL);
	buf_free(&t.heard);
	if (slice_search(
		slice_str(c.answers), c.suspended ? SLICE("421 4.3.2") : SLICE("250 2.0.0 kept as")) < 0)
		fail_msg("%s", c.answers);
	if (c.suspended)
		return;
	assert_true(slice_search(slice_str(c.answers), SLICE("AUTH PLAIN LOGIN SCRAM-SHA-256\r\n")) > 0);
	assert_true(slice_search(roles_message(roles), SLICE("with ESMTPSA\r\n\t(TLSv1.")) > 0);
	if (c.binding)
		assert_int_equal(roles_asked(roles, ASK_KEYS_SCRAM_FINISH), 1);
}

static void a_suspended_account_is_sent_away(void **state)
{
	over_tls((struct tls_client){.version = TLS1_3_VERSION, .suspended = true});
}

static void submission_over_real_tls(void **state)
{
	over_tls((struct tls_client){.version = TLS1_3_VERSION});
	over_tls((struct tls_client){.version = TLS1_3_VERSION, .implicit = true});
	over_tls((struct tls_client){.version = TLS1_3_VERSION, .binding = "tls-exporter"});
	over_tls((struct tls_client){
	    .version = TLS1_3_VERSION, .binding = "tls-server-end-point", .implicit = true});
	over_tls((struct tls_client){.version = TLS1_2_VERSION, .binding = "tls-exporter"});
	over_tls((struct tls_client){.version = TLS1_2_VERSION, .binding = "tls-server-end-point"});
}

static void garbage_instead_of_a_handshake(void **state)
{
	struct talk t;
	for (int implicit = 0; implicit < 2; implicit++)
		for (int silent = 0; silent < 2; silent++) {
			talk_prepare(&t, true);
			t.service.tls = server_tls;
			t.service.implicit_tls = implicit;
			talk_open(&t);
			if (!implicit)
				talk_say(&t, "EHLO x\r\nSTARTTLS\r\n");
			talk_run(&t);
			assert_int_equal(t.next, SESSION_SLEEP);
			assert_in_range(t.session->sleep_ms, 1, t.service.line_ms);
			talk_heard(&t);
			if (silent) {
				assert_int_equal(t.session->ops->expired(t.session), SESSION_END);
			} else {
				talk_say(&t, "EHLO x\r\n");
				talk_run(&t);
				assert_int_equal(t.next, SESSION_END);
			}
			assert_true(slice_search(talk_heard(&t), SLICE("250")) < 0);
			talk_close(&t);
		}
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	session_linger(0);
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
	roles = roles_start();
	make_certificate();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_greeting_is_held_back),
	    cmocka_unit_test(patience_is_remembered),
	    cmocka_unit_test(early_talkers),
	    cmocka_unit_test(sleeps_between_commands),
	    cmocka_unit_test(a_message_costs_three_asks),
	    cmocka_unit_test(many_long_recipients),
	    cmocka_unit_test(hanging_up_delivers_nothing),
	    cmocka_unit_test(half_a_command_does_not_hold_a_thread),
	    cmocka_unit_test(rubbish_is_answered_when_it_stops),
	    cmocka_unit_test(a_thousand_messages_a_session),
	    cmocka_unit_test(large_messages),
	    cmocka_unit_test(silent_sessions_cost_little),
	    cmocka_unit_test(submission_over_real_tls),
	    cmocka_unit_test(a_suspended_account_is_sent_away),
	    cmocka_unit_test(garbage_instead_of_a_handshake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
