/* csr: certificate requests, and the certificates that answer a tls-alpn-01 question (RFC 2986, RFC 8737). Pure. */
#ifndef KEYS_CSR_H
#define KEYS_CSR_H

#include "keys/pem.h"

EVP_PKEY *csr_key_new(bool rsa); /* ECDSA P-256, or RSA 2048 */
/* DER of a request for these DNS names. BAD: one cannot stand in a certificate. */
NODISCARD enum result csr_put(EVP_PKEY *key, char *const *names, size_t n, struct buf *der);
/* A self-signed certificate for the name with the digest of the key authorization, under a key of its own. */
NODISCARD enum result csr_alpn_certificate(
    const char *name, struct slice authorization, struct certificate **out);
/* A host name as it can stand in a certificate: lower case letters, digits, hyphens, dots; "*." first if allowed. */
bool csr_is_name(struct slice name, bool wildcard);

#endif
