/* stream over TLS: what was put goes out before a read waits, and the wait is for the right thing. */
#include "base/base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *server_context(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* Says a line, and its second only after it has heard "+" as the answer to the first. */
static void *client(void *arg)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct stream *s = stream_socket((int)(intptr_t)arg);
	struct slice line;
	long good = stream_tls_connect(s, ctx, NULL) == OK;
	for (int i = 0; good && i < 3; i++) {
		stream_puts(s, "announce\r\n");
		good = stream_line(s, 100, &line) == OK && slice_eq(line, SLICE("+"));
		usleep(20000);
	}
	stream_puts(s, "done\r\n");
	good =
	    good && stream_flush(s) == OK && stream_line(s, 100, &line) == OK && slice_eq(line, SLICE("bye"));
	stream_close(s);
	SSL_CTX_free(ctx);
	return (void *)good;
}

static void output_goes_before_waiting(void **state)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	pthread_t t;
	pthread_create(&t, NULL, client, (void *)(intptr_t)fds[1]);
	SSL_CTX *ctx = server_context();
	struct stream *s = stream_socket(fds[0]);
	struct slice line = SLICE_NONE;
	stream_timeout(s, 5000);
	assert_int_equal(stream_tls_accept(s, ctx), OK);
	while (stream_line(s, 100, &line) == OK && !slice_eq(line, SLICE("done")))
		stream_puts(s, "+\r\n");
	assert_true(slice_eq(line, SLICE("done")));
	stream_puts(s, "bye\r\n");
	assert_int_equal(stream_flush(s), OK);
	void *good;
	pthread_join(t, &good);
	assert_non_null(good);
	stream_close(s);
	SSL_CTX_free(ctx);
}

/* Two records, a line each, and only then the sign that they are there. */
static void *two_records(void *arg)
{
	const int *fds = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct stream *s = stream_socket(fds[0]);
	struct slice line;
	long good = stream_tls_connect(s, ctx, NULL) == OK;
	for (int i = 0; i < 2; i++) {
		stream_puts(s, i ? "two\r\n" : "one\r\n");
		good = good && stream_flush(s) == OK;
	}
	good = good && write(fds[1], "x", 1) == 1 && stream_line(s, 100, &line) == OK;
	stream_close(s);
	SSL_CTX_free(ctx);
	return (void *)good;
}

/* What OpenSSL has read ahead is input: a wait must not look at the socket only. */
static void read_ahead_is_input(void **state)
{
	int fds[2], sign[2];
	char c;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(pipe(sign), 0);
	int theirs[2] = {fds[1], sign[1]};
	pthread_t t;
	pthread_create(&t, NULL, two_records, theirs);
	SSL_CTX *ctx = server_context();
	struct stream *s = stream_socket(fds[0]);
	struct slice line;
	stream_timeout(s, 5000);
	assert_int_equal(stream_tls_accept(s, ctx), OK);
	assert_int_equal(read(sign[0], &c, 1), 1);
	assert_int_equal(stream_line(s, 100, &line), OK);
	assert_true(slice_eq(line, SLICE("one")));
	assert_int_equal(stream_wait(s, 1000), OK);
	assert_int_equal(stream_line(s, 100, &line), OK);
	assert_true(slice_eq(line, SLICE("two")));
	assert_int_equal(stream_wait(s, 0), LATER);
	stream_puts(s, "bye\r\n");
	assert_int_equal(stream_flush(s), OK);
	void *good;
	pthread_join(t, &good);
	assert_non_null(good);
	close(sign[0]);
	close(sign[1]);
	stream_close(s);
	SSL_CTX_free(ctx);
}

int main(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL); /* as the roles do: OpenSSL writes without MSG_NOSIGNAL */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(output_goes_before_waiting),
	    cmocka_unit_test(read_ahead_is_input),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
