#include "trust/dane.h"
#include "base/base.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum usage { DANE_TA = 2, DANE_EE = 3 };
enum selector { WHOLE_CERTIFICATE = 0, PUBLIC_KEY = 1 };
enum matching { FULL_DATA = 0, DIGEST_256 = 1, DIGEST_512 = 2 };

/* The data are DER of what the selector says, with nothing behind it. */
static bool is_der(unsigned selector, struct slice data)
{
	const unsigned char *p = (const unsigned char *)data.p, *end = p + data.n;
	bool good = false;
	if (data.n > INT32_MAX)
		return false;
	if (selector == WHOLE_CERTIFICATE) {
		X509 *x = d2i_X509(NULL, &p, (long)data.n);
		good = x && p == end && X509_get0_pubkey(x);
		X509_free(x);
	} else {
		EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)data.n);
		good = key && p == end;
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	return good;
}

bool dane_usable(const struct dns_tlsa *t)
{
	if ((t->usage != DANE_TA && t->usage != DANE_EE) || t->selector > PUBLIC_KEY)
		return false;
	switch (t->matching) {
	case FULL_DATA:
		return is_der(t->selector, t->data);
	case DIGEST_256:
		return t->data.n == 32;
	case DIGEST_512:
		return t->data.n == 64;
	default:
		return false;
	}
}

size_t dane_pick(struct dns_tlsa *t, size_t n)
{
	size_t usable = 0;
	for (size_t i = 0; i < n; i++) {
		if (!dane_usable(&t[i]))
			continue;
		struct dns_tlsa swap = t[usable];
		t[usable++] = t[i];
		t[i] = swap;
	}
	return usable;
}

void dane_put(const struct dns_tlsa *t, struct buf *out)
{
	buf_printf(out, "%u %u %u ", t->usage, t->selector, t->matching);
	buf_hex(out, t->data);
}

void dane_prepare(SSL_CTX *ctx)
{
	if (SSL_CTX_dane_enable(ctx) != 1)
		abort();
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
}

bool dane_demand(SSL *ssl, const char *base, const char *const *names, size_t names_n,
    const struct dns_tlsa *tlsa, size_t n)
{
	bool good = SSL_dane_enable(ssl, base) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; good && i < names_n; i++)
		good = SSL_add1_host(ssl, names[i]) == 1;
	size_t taken = 0;
	for (size_t i = 0; good && i < n; i++)
		taken += SSL_dane_tlsa_add(ssl, tlsa[i].usage, tlsa[i].selector, tlsa[i].matching,
			     (const unsigned char *)tlsa[i].data.p, tlsa[i].data.n) > 0;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	return good && taken;
}
