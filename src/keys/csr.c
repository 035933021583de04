#include "keys/csr.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define ALPN_OID "1.3.6.1.5.5.7.1.31" /* id-pe-acmeIdentifier */
#define ALPN_HOURS 24

EVP_PKEY *csr_key_new(bool rsa)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	if (!key)
		abort();
	return key;
}

bool csr_is_name(struct slice name, bool wildcard)
{
	bool dots = false;
	if (wildcard && slice_starts(name, SLICE("*.")))
		name = slice_sub(name, 2, name.n);
	if (name.n == 0 || name.n > 253 || name.p[name.n - 1] == '.')
		return false;
	for (struct slice rest = name; rest.n;) {
		struct slice label = slice_split(&rest, '.');
		dots = dots || rest.n;
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if ((label.p[i] < 'a' || label.p[i] > 'z') && !ascii_digit(label.p[i]) &&
			    label.p[i] != '-')
				return false;
	}
	return dots;
}

static X509_EXTENSION *extension_names(char *const *names, size_t n)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	for (size_t i = 0; i < n; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();
		if (!g || !s || ASN1_STRING_set(s, names[i], (int)strlen(names[i])) != 1)
			abort();
		GENERAL_NAME_set0_value(g, GEN_DNS, s);
		if (!sk_GENERAL_NAME_push(all, g))
			abort();
	}
	X509_EXTENSION *e = X509V3_EXT_i2d(NID_subject_alt_name, 0, all);
	GENERAL_NAMES_free(all);
	if (!e)
		abort();
	return e;
}

enum result csr_put(EVP_PKEY *key, char *const *names, size_t n, struct buf *der)
{
	for (size_t i = 0; i < n; i++)
		if (!csr_is_name(slice_str(names[i]), true))
			return BAD;
	X509_REQ *r = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	unsigned char *p = NULL;
	if (!r || !list || !sk_X509_EXTENSION_push(list, extension_names(names, n)) ||
	    X509_REQ_set_version(r, 0) != 1 || X509_REQ_set_pubkey(r, key) != 1 ||
	    X509_REQ_add_extensions(r, list) != 1 || X509_REQ_sign(r, key, EVP_sha256()) <= 0)
		abort();
	int length = i2d_X509_REQ(r, &p);
	if (length <= 0)
		abort();
	buf_put(der, slice_of(p, (size_t)length));
	OPENSSL_free(p);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	X509_REQ_free(r);
	return buf_result(der);
}

/* Critical, an OCTET STRING with the digest. */
static X509_EXTENSION *extension_digest(struct slice authorization)
{
	unsigned char digest[2 + SHA256_DIGEST_LENGTH] = {0x04, SHA256_DIGEST_LENGTH};
	SHA256((const unsigned char *)authorization.p, authorization.n, digest + 2);
	ASN1_OBJECT *oid = OBJ_txt2obj(ALPN_OID, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	if (!oid || !s || ASN1_OCTET_STRING_set(s, digest, sizeof digest) != 1)
		abort();
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, s);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(oid);
	if (!e)
		abort();
	return e;
}

static void add(X509 *x, X509_EXTENSION *e)
{
	if (X509_add_ext(x, e, -1) != 1)
		abort();
	X509_EXTENSION_free(e);
}

static X509 *make_alpn(EVP_PKEY *key, const char *name, struct slice authorization)
{
	X509 *x = X509_new();
	char *names[] = {(char *)(uintptr_t)name};
	if (!x || X509_set_version(x, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set_int64(X509_get_serialNumber(x), 1) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(x), -3600) ||
	    !X509_gmtime_adj(X509_getm_notAfter(x), ALPN_HOURS * 3600) || X509_set_pubkey(x, key) != 1)
		abort();
	X509_NAME *who = X509_get_subject_name(x);
	if (X509_NAME_add_entry_by_txt(
		who, "CN", MBSTRING_ASC, (const unsigned char *)"ACME challenge", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(x, who) != 1)
		abort();
	add(x, extension_names(names, 1));
	add(x, extension_digest(authorization));
	if (X509_sign(x, key, EVP_sha256()) <= 0)
		abort();
	return x;
}

enum result csr_alpn_certificate(const char *name, struct slice authorization, struct certificate **out)
{
	const char *why;
	char *p;
	if (!csr_is_name(slice_str(name), false))
		return BAD;
	EVP_PKEY *key = csr_key_new(false);
	X509 *x = make_alpn(key, name, authorization);
	BIO *chain = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = i2d_PrivateKey(key, &der);
	if (!chain || PEM_write_bio_X509(chain, x) != 1 || n <= 0)
		abort();
	long length = BIO_get_mem_data(chain, &p);
	enum result r =
	    certificate_read(slice_of(p, (size_t)length), slice_of(der, (size_t)n), true, out, &why);
	OPENSSL_clear_free(der, (size_t)n);
	BIO_free(chain);
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}
