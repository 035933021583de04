/* What the files of the room share; nobody outside includes this. */
#ifndef TLS_INNER_H
#define TLS_INNER_H

#include "tls/tls.h"
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* RFC 9525: names of the extension only, and no wildcards inside of labels. */
#define HOST_FLAGS (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* The private key of this certificate as keys holds it under that name; NULL for a kind that keys does not sign with. */
EVP_PKEY *remote_key_new(X509 *leaf, struct ipc_trunk *keys, const char *id);

/* Makes ctx give out and accept session tickets. */
void tickets_use(SSL_CTX *ctx);

/* Makes ctx hand its connections' sessions to tls_sessions_use(). */
void sessions_collect(SSL_CTX *ctx);

#endif
