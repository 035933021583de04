/* TLS in place, and what is to be known of it. */
#include "stream_inner.h"
#include <openssl/err.h>
#include <stdlib.h>

/* Goes on with a handshake; LATER that does not stick only while trying. */
static enum result tls_shake(struct stream *s, bool server)
{
	for (;;) {
		ERR_clear_error();
		int r = server ? SSL_accept(s->ssl) : SSL_connect(s->ssl);
		enum result again = r == 1 ? OK : stream_tls_again(s, SSL_get_error(s->ssl, r));
		if (r == 1 || again != OK)
			return again;
	}
}

/* What a client wants of its connection; all zero for a server. */
struct wish {
	const char *host;
	stream_tls_prepare *prepare;
	void *context;
};

static enum result tls_start(struct stream *s, SSL_CTX *ctx, bool server, const struct wish *w)
{
	if (s->in_from != s->in_to || s->memory_in.n)
		return BAD;
	if (stream_flush(s) != OK)
		return s->stuck;
	if (s->fd < 0) {
		s->memory_tls = server;
		return server ? OK : stream_fail(s, GONE);
	}
	s->ssl = SSL_new(ctx);
	if (!s->ssl)
		abort();
	SSL_set_mode(s->ssl,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_read_ahead(s->ssl, 1); /* a record by one read, not two */
	if (!SSL_set_fd(s->ssl, s->fd))
		return stream_fail(s, GONE);
	if (w->host && !SSL_set_tlsext_host_name(s->ssl, w->host))
		return stream_fail(s, GONE);
	if (w->prepare && !w->prepare(s->ssl, w->context))
		return stream_fail(s, GONE);
	return tls_shake(s, server);
}

enum result stream_tls_accept(struct stream *s, SSL_CTX *ctx)
{
	return tls_start(s, ctx, true, &(struct wish){0});
}

enum result stream_tls_try_accept(struct stream *s, SSL_CTX *ctx)
{
	s->trying = true;
	enum result r = s->ssl ? tls_shake(s, true) : tls_start(s, ctx, true, &(struct wish){0});
	s->trying = false;
	return r;
}

enum result stream_tls_connect(struct stream *s, SSL_CTX *ctx, const char *host)
{
	return tls_start(s, ctx, false, &(struct wish){.host = host});
}

enum result stream_tls_connect_as(
    struct stream *s, SSL_CTX *ctx, const char *host, stream_tls_prepare *prepare, void *context)
{
	return tls_start(s, ctx, false, &(struct wish){host, prepare, context});
}

bool stream_is_tls(const struct stream *s)
{
	return s->ssl || s->memory_tls;
}

SSL *stream_ssl(const struct stream *s)
{
	return s->ssl;
}

const char *stream_tls_version(const struct stream *s)
{
	return s->ssl ? SSL_get_version(s->ssl) : s->memory_tls ? "TLSv1.3" : "";
}

const char *stream_tls_cipher(const struct stream *s)
{
	return s->ssl ? SSL_get_cipher_name(s->ssl) : s->memory_tls ? "TLS_AES_128_GCM_SHA256" : "";
}

enum result stream_tls_exporter(const struct stream *s, char out[32])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	if (s->memory_tls) {
		memset(out, 'x', 32);
		return OK;
	}
	if (!s->ssl || SSL_export_keying_material(
			   s->ssl, (unsigned char *)out, 32, label, sizeof label - 1, NULL, 0, 0) != 1)
		return BAD;
	return OK;
}
