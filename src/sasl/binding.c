#include "binding.h"
#include <openssl/err.h>
#include <openssl/x509.h>

/* Before TLS 1.3 two connections can be made to share their keys unless the master secret is extended (RFC 9266 4.2). */
static bool exporter_unique(const struct stream *stream)
{
	SSL *ssl = stream_ssl(stream);
	return !ssl || SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

bool sasl_can_bind(const struct stream *stream)
{
	char exported[32];
	return stream_is_tls(stream) && exporter_unique(stream) &&
	       stream_tls_exporter(stream, exported) == OK;
}

/* The hash of our certificate by the function of its own signature, SHA-256 in place of MD5 and SHA-1. */
static enum result server_end_point(const struct stream *stream, struct buf *out)
{
	SSL *ssl = stream_ssl(stream);
	X509 *certificate = ssl ? SSL_get_certificate(ssl) : NULL;
	int hash = NID_undef;
	if (!certificate || !OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, NULL) ||
	    hash == NID_undef)
		return BAD;
	const EVP_MD *md = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!md || !X509_digest(certificate, md, digest, &n)) {
		ERR_clear_error();
		return BAD;
	}
	buf_put(out, slice_of(digest, n));
	return OK;
}

enum result sasl_binding(const struct stream *stream, struct slice type, struct buf *out)
{
	if (slice_eq(type, SLICE("tls-server-end-point")))
		return server_end_point(stream, out);
	char exported[32];
	if (!slice_eq(type, SLICE("tls-exporter")) || !sasl_can_bind(stream) ||
	    stream_tls_exporter(stream, exported) != OK)
		return BAD;
	buf_put(out, slice_of(exported, sizeof exported));
	return OK;
}
