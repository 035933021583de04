/*
 * dane: TLSA records of mail servers (RFC 7672, RFC 7671), and making OpenSSL hold a chain against them. Pure.
 *
 * The caller has the records from DNSSEC-validated answers; others are no records at all.
 */
#ifndef TRUST_DANE_H
#define TRUST_DANE_H

#include "ipc/dns.h"
#include <openssl/ssl.h>

/* For SMTP: usage DANE-TA or DANE-EE (RFC 7672 3.1.3), a known selector and matching type, data that fit them. */
bool dane_usable(const struct dns_tlsa *t);
/*
 * Moves the usable records to the front; how many there are. None of several: TLS must be used, and nothing can be
 * verified (RFC 7672 2.2).
 */
size_t dane_pick(struct dns_tlsa *t, size_t n);
/* "3 1 1 0123..", as in a zone file. */
void dane_put(const struct dns_tlsa *t, struct buf *out);

/* A client's context for dane_demand(). */
void dane_prepare(SSL_CTX *ctx);
/*
 * Before the handshake: it shall succeed only with a certificate that one of these usable records vouches for. For
 * DANE-TA it must also be for `base` (where the TLSA records stand; it is sent as SNI) or for one of the further names;
 * for DANE-EE neither names nor dates count (RFC 7672 3.1.1). False: OpenSSL takes none of them.
 */
NODISCARD bool dane_demand(SSL *ssl, const char *base, const char *const *names, size_t names_n,
    const struct dns_tlsa *tlsa, size_t n);

#endif
