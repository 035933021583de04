/* http: clients that dawdle inside TLS hold no thread; a good one is served beside them. */
#include "http_net.h"
#include "tls/tls.h"
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static void on_get(struct http_request *q, struct http_response *p)
{
	buf_puts(&p->body, q->tls ? "over TLS" : "in the open");
}

static const struct http_route rows[] = {{HTTP_IS(GET), "/", on_get, 0, 0}};
static const struct http_routes routes = {rows, 1, NULL};
static struct http_service service = {
    .name = "https", .hostname = "mail.example.org", .implicit_tls = true, .routes = &routes};
static struct sockaddr_in where;

static SSL_CTX *server_context(void)
{
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key, 65536);
	struct slice name = SLICE("mail.example.org");
	assert_int_equal(tls_make_self_signed(&name, 1, 10, &cert, &key), OK);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *c = BIO_new_mem_buf(cert.p, (int)cert.n), *k = BIO_new_mem_buf(key.p, (int)key.n);
	X509 *x = PEM_read_bio_X509(c, NULL, NULL, NULL);
	EVP_PKEY *p = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p), 1);
	X509_free(x);
	EVP_PKEY_free(p);
	BIO_free(c);
	BIO_free(k);
	return ctx;
}

/* A client whose octets go out only when the test lets them. */
struct client {
	int fd;
	SSL *ssl;
	BIO *out;
};

static SSL_CTX *client_ctx;

static struct client client_new(void)
{
	struct client c = {.fd = connect_to(&where), .ssl = SSL_new(client_ctx), .out = BIO_new(BIO_s_mem())};
	BIO *in = BIO_new_socket(c.fd, BIO_NOCLOSE);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	SSL_set_bio(c.ssl, in, c.out);
	return c;
}

static void client_free(struct client *c)
{
	SSL_free(c->ssl);
	ERR_clear_error();
	close(c->fd);
}

/* Lets at most n of the waiting octets go. */
static void let_go(struct client *c, size_t n)
{
	char *p;
	long have = BIO_get_mem_data(c->out, &p);
	size_t go = MIN(n, (size_t)have);
	char copy[65536];
	assert_true(go <= sizeof copy);
	assert_int_equal(BIO_read(c->out, copy, (int)go), (int)go);
	assert_int_equal(fd_write_all(c->fd, slice_of(copy, go)), OK);
}

static void wait_input(const struct client *c)
{
	struct pollfd pf = {.fd = c->fd, .events = POLLIN};
	assert_int_equal(poll(&pf, 1, 2000), 1);
}

static void shake(struct client *c)
{
	for (int r; (r = SSL_connect(c->ssl)) != 1;) {
		assert_int_equal(SSL_get_error(c->ssl, r), SSL_ERROR_WANT_READ);
		let_go(c, SIZE_MAX);
		wait_input(c);
	}
	let_go(c, SIZE_MAX);
}

static void say_tls(struct client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void hear_tls(struct client *c, const char *what)
{
	BUF_LOCAL(heard, 65536);
	while (slice_search(buf_slice(&heard), slice_str(what)) < 0) {
		char p[4096];
		int n = SSL_read(c->ssl, p, sizeof p);
		if (n <= 0) {
			assert_int_equal(SSL_get_error(c->ssl, n), SSL_ERROR_WANT_READ);
			wait_input(c);
			continue;
		}
		buf_put(&heard, slice_of(p, (size_t)n));
	}
}

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static void serve_one(void)
{
	struct client c = client_new();
	int64_t before = clock_mono_ms();
	shake(&c);
	for (int i = 0; i < 3; i++) {
		say_tls(&c, REQUEST);
		let_go(&c, SIZE_MAX);
		hear_tls(&c, "\r\n\r\nover TLS");
		usleep(40000); /* asleep between */
	}
	assert_in_range(clock_mono_ms() - before, 0, 1000);
	client_free(&c);
}

static void handshakes_that_stop_cost_no_thread(void **state)
{
	struct client crowd[30];
	for (size_t i = 0; i < COUNT(crowd); i++) {
		crowd[i] = client_new();
		SSL_connect(crowd[i].ssl);
		let_go(&crowd[i], 1 + i * 5);
	}
	serve_one();
	shake(&crowd[3]); /* goes on where it stopped */
	say_tls(&crowd[3], REQUEST);
	let_go(&crowd[3], SIZE_MAX);
	hear_tls(&crowd[3], "over TLS");
	for (size_t i = 0; i < COUNT(crowd); i++) {
		if (i != 3)
			assert_true(is_over(crowd[i].fd, 4000));
		client_free(&crowd[i]);
	}
}

static void records_that_stop_cost_no_thread(void **state)
{
	struct client crowd[30];
	for (size_t i = 0; i < COUNT(crowd); i++) {
		crowd[i] = client_new();
		shake(&crowd[i]);
		say_tls(&crowd[i], REQUEST);
		let_go(&crowd[i], 1 + i);
	}
	serve_one();
	for (size_t i = 0; i < COUNT(crowd); i += 3) { /* octet by octet, and in time */
		while (BIO_pending(crowd[i].out))
			let_go(&crowd[i], 1);
		hear_tls(&crowd[i], "\r\n\r\nover TLS");
	}
	for (size_t i = 0; i < COUNT(crowd); i++)
		client_free(&crowd[i]);
}

static void plain_text_is_hung_up_on(void **state)
{
	int fd = connect_to(&where);
	say(fd, REQUEST);
	assert_false(hear(fd, "HTTP", 2000));
	close(fd);
	serve_one();
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	client_ctx = SSL_CTX_new(TLS_client_method());
	http_service_defaults(&service);
	service.tls = server_context();
	service.first_ms = service.head_ms = 2000;
	where = serve(&service, 2);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(handshakes_that_stop_cost_no_thread),
	    cmocka_unit_test(records_that_stop_cost_no_thread),
	    cmocka_unit_test(plain_text_is_hung_up_on),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	SSL_CTX_free(client_ctx);
	return failed;
}
