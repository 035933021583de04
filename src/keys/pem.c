#include "keys/pem.h"
#include "keys/jose.h"
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static enum result deny(const char **why_out, const char *why)
{
	ERR_clear_error();
	*why_out = why;
	return DENY;
}

/* Never asks a terminal. */
static int no_passphrase(char *p, int n, int writing, void *context)
{
	return -1;
}

static BIO *bio_of(struct slice s)
{
	BIO *b = BIO_new_mem_buf(s.n ? s.p : "", (int)MIN(s.n, (size_t)PEM_OCTETS));
	if (!b)
		abort();
	return b;
}

static STACK_OF(X509) * read_chain(struct slice pem)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *b = bio_of(pem);
	X509 *x;
	while ((x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)))
		if (!sk_X509_push(chain, x))
			abort();
	unsigned long err = ERR_peek_last_error();
	bool at_end = ERR_GET_LIB(err) == ERR_LIB_PEM && ERR_GET_REASON(err) == PEM_R_NO_START_LINE;
	BIO_free(b);
	ERR_clear_error();
	if (!at_end || sk_X509_num(chain) == 0 || sk_X509_num(chain) > PEM_CHAIN) {
		sk_X509_pop_free(chain, X509_free);
		return NULL;
	}
	return chain;
}

static EVP_PKEY *read_key(struct slice key, bool stored)
{
	if (stored) {
		const unsigned char *p = (const unsigned char *)key.p;
		return d2i_AutoPrivateKey(NULL, &p, (long)key.n);
	}
	BIO *b = bio_of(key);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
	BIO_free(b);
	return k;
}

static bool key_is_usable(const EVP_PKEY *k)
{
	char group[32] = "";
	int bits = EVP_PKEY_get_bits(k);
	if (EVP_PKEY_is_a(k, "RSA"))
		return bits >= 2048 && bits <= 4096;
	return EVP_PKEY_is_a(k, "EC") && EVP_PKEY_get_group_name(k, group, sizeof group, NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0);
}

static bool chain_is_linked(STACK_OF(X509) * chain)
{
	for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
		X509 *issuer = sk_X509_value(chain, i + 1);
		if (X509_check_issued(issuer, sk_X509_value(chain, i)) != X509_V_OK ||
		    X509_verify(sk_X509_value(chain, i), X509_get0_pubkey(issuer)) != 1)
			return false;
	}
	return true;
}

static bool is_host_octet(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '*' || c == '_';
}

static void add_name(struct certificate *c, struct slice name)
{
	if (c->names_n == PEM_NAMES || name.n == 0 || name.n > LIMIT_DNS_NAME)
		return;
	char *z = malloc(name.n + 1);
	if (!z)
		abort();
	for (size_t i = 0; i < name.n; i++) {
		if (!is_host_octet(name.p[i])) {
			free(z);
			return;
		}
		z[i] = ascii_lower(name.p[i]);
	}
	z[name.n] = '\0';
	c->names[c->names_n++] = z;
}

static void read_names(struct certificate *c, X509 *leaf)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		if (g->type == GEN_DNS)
			add_name(c, slice_of(ASN1_STRING_get0_data(g->d.dNSName),
					(size_t)ASN1_STRING_length(g->d.dNSName)));
	}
	GENERAL_NAMES_free(all);
	if (c->names_n)
		return;
	char common[LIMIT_DNS_NAME + 1];
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common, sizeof common);
	if (n > 0)
		add_name(c, slice_of(common, (size_t)n));
}

static void name_key(struct certificate *c, X509 *leaf)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (X509_pubkey_digest(leaf, EVP_sha256(), md, &n) != 1)
		abort();
	BUF_LOCAL(hex, PEM_ID);
	buf_hex(&hex, slice_of(md, PEM_ID / 2));
	memcpy(c->id, buf_z(&hex), PEM_ID + 1);
}

static void write_chain(STACK_OF(X509) * chain, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (PEM_write_bio_X509(b, sk_X509_value(chain, i)) != 1)
			abort();
	long n = BIO_get_mem_data(b, &p);
	buf_put(out, slice_of(p, (size_t)n));
	BIO_free(b);
}

/* Why this chain and key cannot be used together, or NULL. */
static const char *wrong_with(STACK_OF(X509) * chain, EVP_PKEY *key, bool stored)
{
	X509 *leaf = sk_X509_value(chain, 0);
	if (!key_is_usable(key))
		return "the key is neither ECDSA P-256 or P-384 nor RSA of 2048 to 4096 bits";
	if (X509_check_private_key(leaf, key) != 1)
		return "the private key does not belong to the first certificate";
	if (!chain_is_linked(chain))
		return "each certificate of the chain must be issued by the next";
	if (!stored && X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
		return "the certificate has expired";
	return NULL;
}

enum result certificate_read(
    struct slice chain_pem, struct slice key, bool stored, struct certificate **out, const char **why_out)
{
	if (chain_pem.n > PEM_OCTETS || key.n > PEM_OCTETS)
		return deny(why_out, "the certificate or the key is too long");
	STACK_OF(X509) *chain = read_chain(chain_pem);
	if (!chain)
		return deny(why_out, "the certificate is not a PEM chain of 1 to 10 certificates");
	EVP_PKEY *k = read_key(key, stored);
	const char *wrong =
	    k ? wrong_with(chain, k, stored) : "the private key is not PEM, or is protected by a passphrase";
	struct certificate *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	buf_init(&c->chain_pem, PEM_OCTETS);
	c->key = k;
	if (!wrong) {
		read_names(c, sk_X509_value(chain, 0));
		name_key(c, sk_X509_value(chain, 0));
		write_chain(chain, &c->chain_pem);
		if (c->names_n == 0 || buf_result(&c->chain_pem) != OK)
			wrong = "the certificate has no DNS names, or its chain is too long";
	}
	sk_X509_pop_free(chain, X509_free);
	if (wrong) {
		certificate_free(c);
		return deny(why_out, wrong);
	}
	*out = c;
	return OK;
}

void certificate_free(struct certificate *c)
{
	EVP_PKEY_free(c->key);
	buf_free(&c->chain_pem);
	for (size_t i = 0; i < c->names_n; i++)
		free(c->names[i]);
	free(c);
}

/* ---- what the leaf says ---- */

static X509 *leaf_of(const struct certificate *c)
{
	BIO *b = bio_of(buf_slice(&c->chain_pem));
	X509 *x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
	if (!x)
		abort(); /* it was written by us */
	BIO_free(b);
	return x;
}

static int64_t time_ms(const ASN1_TIME *t)
{
	struct tm tm = {0};
	return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) * SECOND_MS : 0;
}

void certificate_validity(const struct certificate *c, int64_t *from_out, int64_t *to_out)
{
	X509 *x = leaf_of(c);
	*from_out = time_ms(X509_get0_notBefore(x));
	*to_out = time_ms(X509_get0_notAfter(x));
	X509_free(x);
}

void certificate_leaf_put(const struct certificate *c, struct buf *der)
{
	X509 *x = leaf_of(c);
	unsigned char *p = NULL;
	int n = i2d_X509(x, &p);
	if (n <= 0)
		abort();
	buf_put(der, slice_of(p, (size_t)n));
	OPENSSL_free(p);
	X509_free(x);
}

void certificate_renewal_id(const struct certificate *c, struct buf *out)
{
	X509 *x = leaf_of(c);
	const ASN1_OCTET_STRING *issuer = X509_get0_authority_key_id(x);
	unsigned char *serial = NULL;
	int n = i2d_ASN1_INTEGER(X509_get_serialNumber(x), &serial);
	if (issuer && n > 2 && serial[1] < 0x80) { /* the content follows a tag and a short length */
		jose_base64url(
		    out, slice_of(ASN1_STRING_get0_data(issuer), (size_t)ASN1_STRING_length(issuer)));
		buf_putc(out, '.');
		jose_base64url(out, slice_of(serial + 2, (size_t)n - 2));
	}
	OPENSSL_free(serial);
	X509_free(x);
}

void certificate_key_put(const struct certificate *c, struct buf *der)
{
	unsigned char *p = NULL;
	int n = i2d_PrivateKey(c->key, &p);
	if (n <= 0)
		abort();
	buf_put(der, slice_of(p, (size_t)n));
	OPENSSL_clear_free(p, (size_t)n);
}

static bool has_name(const struct certificate *c, const char *name)
{
	for (size_t i = 0; i < c->names_n; i++)
		if (strcmp(c->names[i], name) == 0)
			return true;
	return false;
}

bool certificate_overlaps(const struct certificate *c, const struct certificate *old)
{
	bool any = false;
	for (size_t i = 0; i < old->names_n; i++)
		any = any || has_name(c, old->names[i]);
	return any && EVP_PKEY_get_base_id(c->key) == EVP_PKEY_get_base_id(old->key);
}

bool certificate_replaces(const struct certificate *c, const struct certificate *old)
{
	if (EVP_PKEY_get_base_id(c->key) != EVP_PKEY_get_base_id(old->key))
		return false;
	for (size_t i = 0; i < old->names_n; i++)
		if (!has_name(c, old->names[i]))
			return false;
	return true;
}

/* Signs what is given, hashing nothing. */
static enum result sign(EVP_PKEY *key, bool raw_rsa, struct slice in, struct buf *out)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	unsigned char signature[1024];
	size_t n = sizeof signature;
	bool done = c && EVP_PKEY_sign_init(c) == 1 &&
		    (!raw_rsa || EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING) == 1) &&
		    EVP_PKEY_sign(c, signature, &n, (const unsigned char *)in.p, in.n) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	if (!done)
		return DENY;
	buf_put(out, slice_of(signature, n));
	return buf_result(out);
}

enum result certificate_sign_ecdsa(const struct certificate *c, struct slice digest, struct buf *out)
{
	if (!EVP_PKEY_is_a(c->key, "EC") || digest.n < 20 || digest.n > 64)
		return DENY;
	return sign(c->key, false, digest, out);
}

enum result certificate_sign_rsa(const struct certificate *c, struct slice block, struct buf *out)
{
	if (!EVP_PKEY_is_a(c->key, "RSA") || block.n != (size_t)EVP_PKEY_get_size(c->key))
		return DENY;
	/* RFC 8017: a PKCS #1 v1.5 signature block begins 00 01 ff, a PSS block ends with bc. */
	bool v15 = slice_starts(block, SLICE("\x00\x01\xff"));
	bool pss = (unsigned char)block.p[block.n - 1] == 0xbc;
	return v15 || pss ? sign(c->key, true, block, out) : DENY;
}
