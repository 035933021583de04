#include "cli/cli.h"
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

/*
 * A certificate to begin with, until one from a public authority takes its place: an authority of its own signs it and
 * its key is forgotten at once, so that a client which trusts the authority's certificate trusts this server only.
 */

#define VALID_DAYS 397 /* what clients accept at most */
#define BACKDATE_S (24L * 3600)

static bool set_serial(X509 *x)
{
	unsigned char octets[16];
	if (RAND_bytes(octets, sizeof octets) != 1)
		return false;
	octets[0] &= 0x7f;
	BIGNUM *n = BN_bin2bn(octets, sizeof octets, NULL);
	bool good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return good;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = e && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return good;
}

static X509 *certificate_new(const char *common_name, EVP_PKEY *key, X509_NAME *issuer, long days)
{
	X509 *x = X509_new();
	X509_NAME *name = x ? X509_get_subject_name(x) : NULL;
	if (x && X509_set_version(x, 2) == 1 && set_serial(x) &&
	    X509_gmtime_adj(X509_getm_notBefore(x), -BACKDATE_S) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), days * 24 * 3600) && X509_set_pubkey(x, key) == 1 &&
	    X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, issuer ? issuer : name) == 1)
		return x;
	X509_free(x);
	return NULL;
}

static X509 *make_authority(EVP_PKEY *key)
{
	X509 *x = certificate_new("Sekisho first start", key, NULL, 10 * VALID_DAYS);
	if (x && add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	    add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	    add_extension(x, x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static void put_names(struct buf *b, const char *const *names, size_t n)
{
	unsigned char address[16];
	for (size_t i = 0; i < n; i++) {
		bool literal =
		    inet_pton(AF_INET, names[i], address) == 1 || inet_pton(AF_INET6, names[i], address) == 1;
		buf_printf(b, "%s%s:%s", i ? "," : "", literal ? "IP" : "DNS", names[i]);
	}
}

static X509 *make_leaf(
    const char *const *names, size_t n, EVP_PKEY *key, X509 *authority, EVP_PKEY *authority_key)
{
	BUF_LOCAL(alternative, 65536);
	put_names(&alternative, names, n);
	X509 *x = certificate_new(names[0], key, X509_get_subject_name(authority), VALID_DAYS);
	if (x && add_extension(x, authority, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(x, authority, NID_key_usage, "critical,digitalSignature") &&
	    add_extension(x, authority, NID_ext_key_usage, "serverAuth") &&
	    add_extension(x, authority, NID_subject_key_identifier, "hash") &&
	    add_extension(x, authority, NID_authority_key_identifier, "keyid") &&
	    add_extension(x, authority, NID_subject_alt_name, buf_z(&alternative)) &&
	    X509_sign(x, authority_key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static bool put_memory(struct buf *b, BIO *bio, int wrote)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);
	if (wrote == 1 && n > 0)
		buf_put(b, slice_of(p, (size_t)n));
	BIO_free(bio);
	return wrote == 1 && n > 0 && buf_result(b) == OK;
}

static bool put_certificate(struct buf *b, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	return bio && put_memory(b, bio, PEM_write_bio_X509(bio, x));
}

static bool put_key(struct buf *b, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	return bio && put_memory(b, bio, PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
}

enum result cli_make_certificate(
    const char *const *names, size_t n, struct buf *authority_pem, struct buf *chain_pem, struct buf *key_pem)
{
	EVP_PKEY *authority_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *authority = authority_key ? make_authority(authority_key) : NULL;
	X509 *leaf = authority && key ? make_leaf(names, n, key, authority, authority_key) : NULL;
	bool good = leaf && put_certificate(authority_pem, authority) && put_certificate(chain_pem, leaf) &&
		    put_key(key_pem, key);
	X509_free(leaf);
	X509_free(authority);
	EVP_PKEY_free(key);
	EVP_PKEY_free(authority_key);
	return good ? OK : LATER;
}
