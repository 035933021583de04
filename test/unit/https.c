/* https against a TLS server of ours that says what it is told to, octet by octet: good answers, and what hostile ones try. */
#include "https/https.h"
#include "resolver/fixture.h"
#include "tls/tls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct buf authority = {.max = 65536}, authority_key = {.max = 65536};
static struct dns *names;

/* ---- the server ---- */

struct server {
	int fd;
	uint16_t port;
	SSL_CTX *ctx; /* NULL: plain */
	const char *answer;
	const char *again; /* repeated for ever after the answer; NULL: nothing */
	bool stays;        /* says nothing more and does not close */
	struct buf heard;
	_Atomic unsigned connections;
	pthread_t thread;
};

static SSL_CTX *server_ctx(const char *name, const struct buf *ca, const struct buf *ca_key)
{
	BUF_LOCAL(chain, 65536);
	BUF_LOCAL(key, 65536);
	struct slice list[] = {slice_str(name)};
	assert_int_equal(tls_make_leaf(buf_slice(ca), buf_slice(ca_key), list, 1, 1, &chain, &key), OK);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *b = BIO_new_mem_buf(chain.p, (int)chain.n), *k = BIO_new_mem_buf(key.p, (int)key.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	EVP_PKEY *p = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p), 1);
	X509_free(x);
	EVP_PKEY_free(p);
	BIO_free(b);
	BIO_free(k);
	return ctx;
}

/* One request: its head, and as much body as its Content-Length says. */
static bool read_request(struct server *v, struct stream *s)
{
	struct slice line;
	uint32_t length = 0;
	buf_clear(&v->heard);
	do {
		if (stream_line(s, 8192, &line) != OK)
			return false;
		buf_put(&v->heard, line);
		buf_putc(&v->heard, '\n');
		if (slice_istarts(line, SLICE("Content-Length: ")))
			result_ignore(num_u32(slice_sub(line, 16, line.n), 1u << 20, &length));
	} while (line.n);
	while (length) {
		struct slice some;
		if (stream_some(s, length, &some) != OK)
			return false;
		buf_put(&v->heard, some);
		length -= (uint32_t)some.n;
	}
	return true;
}

static void talk(struct server *v, struct stream *s)
{
	stream_timeout(s, 5000);
	if (v->ctx && stream_tls_accept(s, v->ctx) != OK)
		return;
	while (read_request(v, s)) {
		stream_puts(s, v->answer);
		if (stream_flush(s) != OK)
			return;
		while (v->again) {
			stream_puts(s, v->again);
			if (stream_state(s) != OK)
				return;
		}
		if (v->stays)
			result_ignore(stream_wait(s, 4000));
		if (!strstr(v->answer, "keep-alive"))
			return;
	}
}

static void *server_main(void *arg)
{
	struct server *v = arg;
	for (;;) {
		int fd = accept4(v->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		v->connections++;
		struct stream *s = stream_socket(fd);
		talk(v, s);
		stream_close(s);
	}
}

static void server_start(struct server *v, const char *name)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(v->fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(v->fd, 16), 0);
	assert_int_equal(getsockname(v->fd, (struct sockaddr *)&sa, &n), 0);
	v->port = ntohs(sa.sin_port);
	v->connections = 0;
	v->ctx = name ? server_ctx(name, &authority, &authority_key) : NULL;
	buf_init(&v->heard, 1 << 21);
	assert_int_equal(pthread_create(&v->thread, NULL, server_main, v), 0);
}

static void server_stop(struct server *v)
{
	shutdown(v->fd, SHUT_RDWR);
	pthread_join(v->thread, NULL);
	close(v->fd);
	SSL_CTX_free(v->ctx);
	buf_free(&v->heard);
}

/* ---- one request ---- */

struct outcome {
	enum result result;
	struct https_answer answer;
	struct buf body;
	struct arena arena;
};

static struct https_settings settings;

static void ask(struct outcome *o, const char *url, const struct https_request *like, size_t most)
{
	struct https_request q = like ? *like : (struct https_request){.method = "GET"};
	struct https *h = https_new(&settings);
	q.url = slice_str(url);
	if (!q.deadline_ms)
		q.deadline_ms = 5000;
	arena_init(&o->arena, 1 << 20);
	buf_init(&o->body, most);
	o->result = https_ask(h, &q, &o->arena, &o->body, &o->answer);
	https_free(h);
}

static void outcome_free(struct outcome *o)
{
	arena_free(&o->arena);
	buf_free(&o->body);
}

/* What comes of an answer of that server under its name. */
static void try(struct outcome *o, struct server *v, const char *name, size_t most)
{
	char url[200];
	struct https_request q = {.method = "GET", .deadline_ms = v->stays ? 500 : 5000};
	server_start(v, name);
	snprintf(url, sizeof url, "%s://ca.example:%u/dir?x=1", name ? "https" : "http", v->port);
	ask(o, url, &q, most);
	server_stop(v);
}

static void expect_failure(struct server v, const char *name, size_t most, enum https_failure f)
{
	struct outcome o;
	try(&o, &v, name, most);
	if (o.result == OK || o.answer.failure != f)
		print_error("%s %s\n", https_failure_name(o.answer.failure), o.answer.why);
	assert_int_not_equal(o.result, OK);
	assert_int_equal(o.answer.failure, f);
	assert_true(*o.answer.why);
	assert_int_equal(o.body.n, 0);
	assert_int_equal(o.answer.fields_n, 0);
	outcome_free(&o);
}

static int set_up(void **state)
{
	BUF_LOCAL(why, 1000);
	struct fixture *f;
	assert_int_equal(tls_make_authority("test", 1, &authority, &authority_key), OK);
	assert_int_equal(fixture_parse(SLICE("ca.example A 127.0.0.1\nother.example A 127.0.0.1\n"
					     "late.example TIMEOUT\nwide.example A 192.0.2.1\n"),
			     &f, &why),
	    OK);
	names = fixture_dns(f);
	settings = (struct https_settings){
	    .dns = names, .trust = https_trust(buf_slice(&authority)), .user_agent = "test", .inside = true};
	assert_non_null(settings.trust);
	return 0;
}

static int tear_down(void **state)
{
	X509_STORE_free(settings.trust);
	buf_free(&authority);
	buf_free(&authority_key);
	return 0;
}

/* ---- tests ---- */

#define GOOD                                                                                                 \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nReplay-Nonce:  abc \r\nContent-Length: "       \
	"2\r\n\r\n{}"

static void good_answer(void **state)
{
	struct server v = {.answer = GOOD};
	struct outcome o;
	try(&o, &v, "ca.example", 100);
	assert_int_equal(o.result, OK);
	assert_int_equal(o.answer.status, 200);
	assert_true(slice_eq(buf_slice(&o.body), SLICE("{}")));
	assert_true(slice_eq(https_field(&o.answer, SLICE("replay-nonce")), SLICE("abc")));
	assert_null(https_field(&o.answer, SLICE("Location")).p);
	outcome_free(&o);
}

static void what_is_sent(void **state)
{
	struct server v = {.answer = GOOD};
	struct outcome o;
	char url[200];
	struct https_field fields[] = {{SLICE("Content-Type"), SLICE("application/jose+json")}};
	struct https_request q = {.method = "POST", .fields = fields, .fields_n = 1, .body = SLICE("hello")};
	server_start(&v, "ca.example");
	snprintf(url, sizeof url, "HTTPS://CA.example:%u?a", v.port);
	for (int put = 0; put < 2; put++) {
		q.method = put ? "PUT" : "POST";
		ask(&o, url, &q, 100);
		assert_int_equal(o.result, OK);
		outcome_free(&o);
		const char *heard = buf_z(&v.heard);
		assert_true(
		    strncmp(heard,
			put ? "PUT /?a HTTP/1.1\nHost: ca.example:" : "POST /?a HTTP/1.1\nHost: ca.example:",
			put ? 33 : 34) == 0);
		assert_non_null(strstr(heard, "\nContent-Type: application/jose+json\n"));
		assert_non_null(strstr(heard, "\n\nhello"));
		assert_null(strstr(heard, "Expect"));
		assert_null(strstr(heard, "Accept-Encoding"));
	}
	fields[0].value = SLICE("a\r\nEvil: yes");
	ask(&o, url, &q, 100);
	assert_int_equal(o.result, DENY);
	outcome_free(&o);
	q = (struct https_request){.method = "HEAD"};
	ask(&o, url, &q, 100);
	assert_int_equal(o.result, OK);
	outcome_free(&o);
	server_stop(&v);
}

static void kept_connection(void **state)
{
	struct server v = {
	    .answer = "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"};
	struct https_settings s = settings;
	s.keep = 2;
	char url[200];
	server_start(&v, "ca.example");
	struct https *h = https_new(&s);
	snprintf(url, sizeof url, "https://ca.example:%u/", v.port);
	for (int i = 0; i < 3; i++) {
		ARENA_LOCAL(a, 1 << 20);
		BUF_LOCAL(body, 10);
		struct https_answer answer;
		struct https_request q = {.method = "GET", .url = slice_str(url), .deadline_ms = 5000};
		assert_int_equal(https_ask(h, &q, &a, &body, &answer), OK);
		assert_int_equal(answer.status, 204);
	}
	https_free(h);
	assert_int_equal(v.connections, 1);
	server_stop(&v);
}

static void nothing_followed_nothing_unpacked(void **state)
{
	struct outcome o;
	struct server v = {
	    .answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"};
	try(&o, &v, "ca.example", 100);
	assert_int_equal(o.result, OK);
	assert_int_equal(o.answer.status, 302);
	outcome_free(&o);
	v.answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8bZZ";
	try(&o, &v, "ca.example", 100);
	assert_int_equal(o.result, OK);
	assert_true(slice_eq(buf_slice(&o.body), SLICE("\x1f\x8bZZ")));
	outcome_free(&o);
}

static void interim_answers_and_trailers(void **state)
{
	struct outcome o;
	struct server v = {.answer = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
				     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\n\r\n"
				     "2\r\nab\r\n0\r\nTrailer: x\r\n\r\n"};
	try(&o, &v, "ca.example", 100);
	assert_int_equal(o.result, OK);
	assert_true(slice_eq(buf_slice(&o.body), SLICE("ab")));
	assert_null(https_field(&o.answer, SLICE("Link")).p);
	assert_null(https_field(&o.answer, SLICE("Trailer")).p);
	assert_true(slice_eq(https_field(&o.answer, SLICE("A")), SLICE("1")));
	outcome_free(&o);
}

static void hostile_answers(void **state)
{
	expect_failure(
	    (struct server){.answer = "HTTP/1.1 200 OK\r\n", .again = "A: bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"},
	    "ca.example", 100, HTTPS_SIZE);
	expect_failure(
	    (struct server){.answer = "HTTP/1.1 200 OK\r\n\r\n", .again = "cccccccccccccccccccccccccc"},
	    "ca.example", 100000, HTTPS_SIZE);
	expect_failure((struct server){.answer = "", .again = "HTTP/1.1 100 Continue\r\n\r\n"}, "ca.example",
	    100, HTTPS_SIZE);
	expect_failure((struct server){.answer = GOOD}, "ca.example", 1, HTTPS_SIZE);
	expect_failure(
	    (struct server){.answer = "220 mail.example ESMTP\r\n"}, "ca.example", 100, HTTPS_PROTOCOL);
	expect_failure((struct server){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"},
	    "ca.example", 100, HTTPS_CONNECT);
	expect_failure(
	    (struct server){.answer = "HTTP/1.1 200 OK\r\n", .stays = true}, "ca.example", 100, HTTPS_TIME);
	expect_failure((struct server){.answer = ""}, "ca.example", 100, HTTPS_CONNECT);
}

static void certificates(void **state)
{
	expect_failure((struct server){.answer = GOOD}, "other.example", 100, HTTPS_PEER);
	BUF_LOCAL(ca, 65536);
	BUF_LOCAL(key, 65536);
	X509_STORE *mine = settings.trust;
	assert_int_equal(tls_make_authority("another", 1, &ca, &key), OK);
	settings.trust = https_trust(buf_slice(&ca));
	expect_failure((struct server){.answer = GOOD}, "ca.example", 100, HTTPS_PEER);
	X509_STORE_free(settings.trust);
	settings.trust = mine;
	assert_null(https_trust(SLICE("no certificates")));
}

static void failure(const char *url, enum https_failure f)
{
	struct outcome o;
	struct https_request q = {.method = "GET", .deadline_ms = 2000};
	ask(&o, url, &q, 100);
	if (o.answer.failure != f)
		print_error("%s: %s %s\n", url, https_failure_name(o.answer.failure), o.answer.why);
	assert_int_equal(o.answer.failure, f);
	outcome_free(&o);
}

static void where_it_goes(void **state)
{
	struct server v = {.answer = GOOD};
	struct outcome o;
	char url[200];
	failure("https://nowhere.example/", HTTPS_DNS);
	failure("https://late.example/", HTTPS_DNS);
	failure("https://127.0.0.1:1/", HTTPS_CONNECT);
	failure("http://wide.example/", HTTPS_ADDRESS); /* without TLS only to this machine */
	try(&o, &v, NULL, 100);
	assert_int_equal(o.result, OK);
	outcome_free(&o);
	settings.inside = false;
	server_start(&v, "ca.example");
	snprintf(url, sizeof url, "https://ca.example:%u/", v.port);
	failure(url, HTTPS_ADDRESS);
	snprintf(url, sizeof url, "https://127.0.0.1:%u/", v.port);
	failure(url, HTTPS_ADDRESS);
	snprintf(url, sizeof url, "http://ca.example:%u/", v.port);
	failure(url, HTTPS_URL);
	assert_int_equal(v.connections, 0);
	server_stop(&v);
	settings.inside = true;
}

static void addresses_taken_apart(void **state)
{
	static const char *const bad[] = {"", "https://", "ftp://a/", "https:/a", "https://a b/",
	    "https://u@a/", "https://a:/", "https://a:0/", "https://a:65536/", "https://a:1x/",
	    "https://a/#f", "https://a/\r\nX: y", "https://a\\b/", "https://.a/", "https://a..b/",
	    "https://a./", "https://1/", "https://0x7f.1/", "https://a.0x7f/", "https://127.1/",
	    "https://2130706433/", "https://256.1.1.1/", "https://[::1/", "https://[127.0.0.1]/",
	    "https://[::1]x/", "https://[fe80::1%25eth0]/", "https://\xe3\x81\x82.jp/", "https://a/\"",
	    "https://a/<", "//a/", "https://a%2eb/"};
	static const struct {
		const char *text, *host, *path;
		unsigned port;
		bool tls;
	} good[] = {
	    {"https://ca.example/dir", "ca.example", "/dir", 443, true},
	    {"HTTPS://CA.example", "CA.example", "", 443, true},
	    {"http://127.0.0.1:8080?x=y/z", "127.0.0.1", "?x=y/z", 8080, false},
	    {"https://[2001:db8::1]:444/", "2001:db8::1", "/", 444, true},
	    {"https://_acme.a1/~b;c,d=e:f@g", "_acme.a1", "/~b;c,d=e:f@g", 443, true},
	};
	struct https_url u;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (https_url_parse(slice_str(bad[i]), &u) == OK)
			fail_msg("%s", bad[i]);
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(https_url_parse(slice_str(good[i].text), &u), OK);
		assert_true(slice_eq(u.host, slice_str(good[i].host)));
		assert_true(slice_eq(u.path, slice_str(good[i].path)));
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.tls, good[i].tls);
	}
}

static void public_addresses(void **state)
{
	static const char *const inner[] = {"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255",
	    "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
	    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9", "224.0.0.1",
	    "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
	    "64:ff9b::7f00:1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "2001::1",
	    "2002:7f00:1::", "3fff::1", "4000::1", "::7f00:1"};
	static const char *const outer[] = {"1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1",
	    "172.32.0.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "2001:200::1",
	    "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450::1"};
	struct dns_ip ip;
	for (size_t i = 0; i < COUNT(inner); i++) {
		assert_int_equal(dns_ip_read(slice_str(inner[i]), &ip), OK);
		if (https_address_is_public(&ip))
			fail_msg("%s", inner[i]);
	}
	for (size_t i = 0; i < COUNT(outer); i++) {
		assert_int_equal(dns_ip_read(slice_str(outer[i]), &ip), OK);
		if (!https_address_is_public(&ip))
			fail_msg("%s", outer[i]);
	}
}

static void retry_after(void **state)
{
	struct https_field f = {SLICE("retry-after"), SLICE("7")};
	struct https_answer answer = {.fields = &f, .fields_n = 1};
	assert_int_equal(https_retry_after(&answer, 1000, 60000), 7000);
	f.value = SLICE("99999");
	assert_int_equal(https_retry_after(&answer, 1000, 60000), 60000);
	f.value = SLICE("Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(https_retry_after(&answer, 1000, 60000), 1000);
	f.value = SLICE("soon");
	assert_int_equal(https_retry_after(&answer, 1000, 60000), 1000);
	f.value = SLICE("Fri, 06 Nov 2093 08:49:37 GMT");
	assert_int_equal(https_retry_after(&answer, 1000, 60000), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_answer),
	    cmocka_unit_test(what_is_sent),
	    cmocka_unit_test(kept_connection),
	    cmocka_unit_test(nothing_followed_nothing_unpacked),
	    cmocka_unit_test(interim_answers_and_trailers),
	    cmocka_unit_test(hostile_answers),
	    cmocka_unit_test(certificates),
	    cmocka_unit_test(where_it_goes),
	    cmocka_unit_test(addresses_taken_apart),
	    cmocka_unit_test(public_addresses),
	    cmocka_unit_test(retry_after),
	};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
