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

int main(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL); /* as the roles do: OpenSSL writes without MSG_NOSIGNAL */
	const struct CMUnitTest tests[] = {cmocka_unit_test(output_goes_before_waiting)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
