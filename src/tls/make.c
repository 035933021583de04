/* Certificates of our own making: ECDSA P-256, X.509 v3, 128-bit random serial numbers. */
#include "tls/tls.h"
#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define DAY_S (86400L)
#define DAYS_MOST 36500

static void must(bool done)
{
	if (!done)
		abort();
}

static X509 *certificate_new(EVP_PKEY *key, unsigned days)
{
	X509 *x = X509_new();
	unsigned char serial[16];
	must(x && RAND_bytes(serial, sizeof serial) == 1);
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40); /* positive, of full length */
	BIGNUM *n = BN_bin2bn(serial, sizeof serial, NULL);
	must(n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
	BN_free(n);
	must(X509_set_version(x, X509_VERSION_3) == 1 && X509_set_pubkey(x, key) == 1);
	/* A day in the past: clients whose clocks are slow. */
	must(X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(x), (long)MIN(days, DAYS_MOST) * DAY_S) != NULL);
	return x;
}

static bool set_subject(X509 *x, const char *common_name)
{
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
		   (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static bool is_host_name(struct slice s)
{
	if (s.n == 0 || s.n > LIMIT_DNS_NAME)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr("-._*", s.p[i]))
			return false;
	return s.p[0] != '.' && s.p[s.n - 1] != '.';
}

static enum result add_name(GENERAL_NAMES *all, struct slice name)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	char z[INET6_ADDRSTRLEN] = "";
	unsigned char ip[16];
	must(g != NULL);
	if (name.n < sizeof z)
		memcpy(z, name.p, name.n);
	size_t ip_n = inet_pton(AF_INET, z, ip) == 1 ? 4 : inet_pton(AF_INET6, z, ip) == 1 ? 16 : 0;
	bool valid = ip_n || is_host_name(name);
	if (valid) {
		ASN1_STRING *s =
		    ip_n ? (ASN1_STRING *)ASN1_OCTET_STRING_new() : (ASN1_STRING *)ASN1_IA5STRING_new();
		must(s &&
		     ASN1_STRING_set(s, ip_n ? (const void *)ip : name.p, (int)(ip_n ? ip_n : name.n)) == 1);
		GENERAL_NAME_set0_value(g, ip_n ? GEN_IPADD : GEN_DNS, s);
		must(sk_GENERAL_NAME_push(all, g) > 0);
	} else {
		GENERAL_NAME_free(g);
	}
	return valid ? OK : BAD;
}

static enum result add_names(X509 *x, const struct slice *names, size_t n)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	enum result r = n ? OK : BAD;
	must(all != NULL);
	for (size_t i = 0; i < n && r == OK; i++)
		r = add_name(all, names[i]);
	if (r == OK)
		must(X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1);
	GENERAL_NAMES_free(all);
	return r;
}

static void put_bio(BIO *b, struct buf *out)
{
	char *p = NULL;
	long n = BIO_get_mem_data(b, &p);
	buf_put(out, slice_of(p, (size_t)n));
	if (p)
		explicit_bzero(p, (size_t)n);
	BIO_free(b);
}

static void put_certificate(X509 *x, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	must(b && PEM_write_bio_X509(b, x) == 1);
	put_bio(b, out);
}

static void put_key(EVP_PKEY *key, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	must(b && PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1);
	put_bio(b, out);
}

static EVP_PKEY *key_new(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	must(key != NULL);
	return key;
}

static enum result both_fit(const struct buf *a, const struct buf *b)
{
	return buf_result(a) == OK && buf_result(b) == OK ? OK : FULL;
}

enum result tls_make_authority(
    const char *common_name, unsigned days, struct buf *cert_pem, struct buf *key_pem)
{
	EVP_PKEY *key = key_new();
	X509 *x = certificate_new(key, days);
	enum result r = set_subject(x, common_name) ? OK : BAD;
	if (r == OK) {
		must(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1);
		add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
		add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
		add_extension(x, x, NID_subject_key_identifier, "hash");
		must(X509_sign(x, key, EVP_sha256()) > 0);
		put_certificate(x, cert_pem);
		put_key(key, key_pem);
		r = both_fit(cert_pem, key_pem);
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}

/* A server's certificate, issued by `issuer` with its key, or by itself when issuer is NULL. */
static enum result make_server(X509 *issuer, EVP_PKEY *issuer_key, const struct slice *names, size_t n,
    unsigned days, struct buf *cert_pem, struct buf *key_pem)
{
	EVP_PKEY *key = key_new();
	X509 *x = certificate_new(key, days);
	/* Common names end at 64 characters; the names that count stand in the extension. */
	ARENA_LOCAL(a, 4096);
	char *common = arena_z(&a, n && names[0].n <= 64 ? names[0] : SLICE("mail server"));
	enum result r = add_names(x, names, n);
	if (r == OK && !set_subject(x, common))
		r = BAD;
	if (r == OK) {
		X509 *by = issuer ? issuer : x;
		must(X509_set_issuer_name(x, X509_get_subject_name(by)) == 1);
		add_extension(x, by, NID_basic_constraints, "critical,CA:FALSE");
		add_extension(x, by, NID_key_usage, "critical,digitalSignature");
		add_extension(x, by, NID_ext_key_usage, "serverAuth");
		add_extension(x, by, NID_subject_key_identifier, "hash");
		if (issuer)
			add_extension(x, by, NID_authority_key_identifier, "keyid");
		must(X509_sign(x, issuer ? issuer_key : key, EVP_sha256()) > 0);
		put_certificate(x, cert_pem);
		put_key(key, key_pem);
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return r;
}

enum result tls_make_self_signed(
    const struct slice *names, size_t n, unsigned days, struct buf *cert_pem, struct buf *key_pem)
{
	enum result r = make_server(NULL, NULL, names, n, days, cert_pem, key_pem);
	return r == OK ? both_fit(cert_pem, key_pem) : r;
}

/* Never asks a terminal. */
static int no_passphrase(char *p, int n, int writing, void *context)
{
	return -1;
}

enum result tls_make_leaf(struct slice authority_pem, struct slice authority_key_pem,
    const struct slice *names, size_t n, unsigned days, struct buf *chain_pem, struct buf *key_pem)
{
	BIO *cert = BIO_new_mem_buf(authority_pem.p, (int)authority_pem.n);
	BIO *secret = BIO_new_mem_buf(authority_key_pem.p, (int)authority_key_pem.n);
	X509 *issuer = cert ? PEM_read_bio_X509(cert, NULL, no_passphrase, NULL) : NULL;
	EVP_PKEY *key = secret ? PEM_read_bio_PrivateKey(secret, NULL, no_passphrase, NULL) : NULL;
	enum result r = BAD;
	if (issuer && key && X509_check_private_key(issuer, key) == 1)
		r = make_server(issuer, key, names, n, days, chain_pem, key_pem);
	if (r == OK) {
		put_certificate(issuer, chain_pem);
		r = both_fit(chain_pem, key_pem);
	}
	X509_free(issuer);
	EVP_PKEY_free(key);
	BIO_free(cert);
	BIO_free(secret);
	ERR_clear_error();
	return r;
}
