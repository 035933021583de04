#include "tls/inner.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* Debian's bundle; OpenSSL's own default is a directory that it reads during handshakes, which a jail forbids. */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

SSL_CTX *tls_client_context(enum tls_check check, const char *ca_file)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		abort();
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	sessions_collect(ctx);
	bool loaded = check == TLS_BY_CALLER ||
		      SSL_CTX_load_verify_file(ctx, ca_file ? ca_file : SYSTEM_AUTHORITIES) == 1;
	ERR_clear_error();
	if (check != TLS_UNVERIFIED) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		if (loaded)
			return ctx;
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* The alternative is no encryption: an old server's short keys are still better than that. */
	if (SSL_CTX_set_cipher_list(ctx, "DEFAULT:!aNULL:@SECLEVEL=1") != 1)
		abort();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return ctx;
}

bool tls_peer_is(const SSL *ssl, const char *host)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	if (!x || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	return X509_check_host(x, host, 0, HOST_FLAGS, NULL) == 1 || X509_check_ip_asc(x, host, 0) == 1;
}

bool tls_peer_must_be(SSL *ssl, const char *const *names, size_t n)
{
	SSL_set_hostflags(ssl, HOST_FLAGS);
	for (size_t i = 0; i < n; i++) {
		/* An address is one name alone: OpenSSL wants either. */
		bool address = n == 1 && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), names[i]) == 1;
		if (!address && SSL_add1_host(ssl, names[i]) != 1)
			return false;
	}
	ERR_clear_error();
	return n > 0;
}
