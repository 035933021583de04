/*
 * tls: the TLS contexts of this server. The one door of the room.
 *
 *   front.c    what clients shake hands with; certificates come from keys, and so does each signature
 *   remote.c   a private key that is somewhere else
 *   ticket.c   session tickets under keys that live for an hour in this process
 *   client.c   what relay shakes hands with
 *   session.c  sessions with other servers, to be resumed
 *   make.c     certificates of our own making: the first start, the demo, tests
 *
 * TLS 1.2 with ECDHE and AEAD suites, or 1.3; no compression, no renegotiation.
 */
#ifndef TLS_H
#define TLS_H

#include "ipc/ipc.h"
#include <openssl/ssl.h>

/*
 * The context of a front, for the life of the process; call it once. A thread of its own fetches the certificates from
 * keys, again whenever keys notes that they changed (NOTE_KEYS), and again after keys came back. SNI chooses among them;
 * without a match the first one serves. Before the first certificates have come, and when there are none, handshakes fail.
 * A handshake's signature is asked for over ipc_thread(keys) by the thread that shakes hands.
 */
SSL_CTX *tls_front_context(struct ipc_trunk *keys);
/*
 * Also answers a certificate authority's questions of the type tls-alpn-01 (RFC 8737), asking keys for each. Call it before
 * the first handshake. Only a role that may ask KEYS_ACME_ANSWER can.
 */
void tls_front_answer_acme(SSL_CTX *front);
/* Calls `each` for every certificate that is served, with its first name and its end, UTC ms. */
void tls_front_each(SSL_CTX *front, void (*each)(void *arg, const char *name, int64_t ends_ms), void *arg);
int64_t tls_time_ms(const ASN1_TIME *t); /* UTC; 0 when it is none */
/* Waits up to ms until certificates have come. LATER: not yet. */
NODISCARD enum result tls_front_wait(const SSL_CTX *front, int64_t ms);
/*
 * Signs with the first certificate, its chain along (CMS, RFC 5652, the content inside, DER). LATER: there is none, or keys
 * does not answer. FULL: out is.
 */
NODISCARD enum result tls_front_sign(const SSL_CTX *front, struct slice content, struct buf *out);
/* Does the pattern ("mail.example.jp", "*.example.jp") cover the host name? RFC 6125 section 6.4, ASCII. */
bool tls_name_covers(const char *pattern, const char *host);

enum tls_check {
	TLS_UNVERIFIED, /* encryption only: what opportunistic SMTP can have; tls_peer_is() tells what it was */
	TLS_VERIFIED,   /* the chain must lead to a known authority; then ask tls_peer_is() */
	TLS_BY_CALLER   /* no authority is known: the caller says for each connection what it trusts */
};
/*
 * For relay. ca_file: PEM of authorities to trust, NULL: the system's; read here, before the jail. NULL when it cannot be
 * read.
 */
SSL_CTX *tls_client_context(enum tls_check check, const char *ca_file);
/* After a handshake: is the peer's certificate for that host name, and from a known authority? */
bool tls_peer_is(const SSL *ssl, const char *host);
/*
 * Before a handshake: it shall fail unless the certificate is for one of the names, of which one that begins with a dot
 * stands for all below it. False: they cannot be names.
 */
NODISCARD bool tls_peer_must_be(SSL *ssl, const char *const *names, size_t n);

/* Sessions to resume. Any thread. */
struct tls_sessions;
struct tls_sessions *tls_sessions_new(void);
void tls_sessions_free(struct tls_sessions *s);
/*
 * Before a handshake with a context of ours: offers what was kept under that key, and keeps what the server gives. The key
 * must tell apart all that was demanded of the certificate.
 */
void tls_sessions_use(struct tls_sessions *s, SSL *ssl, const char *key);

/*
 * ECDSA P-256 certificates. names: DNS names or IP addresses, at least one. PEM is added to the buffers; the caller wipes
 * key_pem (buf_free_secret). BAD: a name cannot stand in a certificate. FULL: a buffer is.
 */
NODISCARD enum result tls_make_authority(
    const char *common_name, unsigned days, struct buf *cert_pem, struct buf *key_pem);
NODISCARD enum result tls_make_leaf(struct slice authority_pem, struct slice authority_key_pem,
    const struct slice *names, size_t n, unsigned days, struct buf *chain_pem, struct buf *key_pem);
NODISCARD enum result tls_make_self_signed(
    const struct slice *names, size_t n, unsigned days, struct buf *cert_pem, struct buf *key_pem);

#endif
