#include "keys/jose.h"
#include "keys/vault.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define COORDINATE 32
#define PROTECTED_MOST 8192

void jose_base64url(struct buf *out, struct slice s)
{
	BUF_LOCAL(plain, s.n * 4 / 3 + 8);
	buf_base64(&plain, s);
	for (size_t i = 0; i < plain.n && plain.p[i] != '='; i++)
		buf_putc(out, plain.p[i] == '+' ? '-' : plain.p[i] == '/' ? '_' : plain.p[i]);
}

enum result jose_base64url_read(struct slice s, struct buf *out)
{
	BUF_LOCAL(plain, s.n + 4);
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return BAD;
		buf_putc(&plain, s.p[i] == '-' ? '+' : s.p[i] == '_' ? '/' : s.p[i]);
	}
	while (plain.n % 4)
		buf_putc(&plain, '=');
	return base64_decode(buf_slice(&plain), out);
}

bool jose_is_clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

EVP_PKEY *jose_key_new(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	if (!key)
		abort();
	return key;
}

/* d = seed mod (n - 1) + 1; the seed is so much longer than n that no value is likelier than another. */
static BIGNUM *derive_private(const EC_GROUP *group, const unsigned char seed[JOSE_SEED])
{
	BN_CTX *c = BN_CTX_secure_new();
	BIGNUM *most = BN_dup(EC_GROUP_get0_order(group)), *d = BN_secure_new(), *all = BN_secure_new();
	if (!c || !most || !d || !all || !BN_bin2bn(seed, JOSE_SEED, all) || !BN_sub_word(most, 1) ||
	    !BN_mod(d, all, most, c) || !BN_add_word(d, 1))
		abort();
	BN_free(most);
	BN_clear_free(all);
	BN_CTX_free(c);
	return d;
}

EVP_PKEY *jose_key_derive(const unsigned char seed[JOSE_SEED])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = group ? EC_POINT_new(group) : NULL;
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	unsigned char public[1 + 2 * COORDINATE];
	if (!point || !b || !c)
		abort();
	BIGNUM *d = derive_private(group, seed);
	if (EC_POINT_mul(group, point, d, NULL, NULL, NULL) != 1 ||
	    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public, sizeof public, NULL) !=
		sizeof public ||
	    !OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof public) ||
	    !OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d))
		abort();
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(b);
	if (!parameters || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, parameters) != 1)
		abort();
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	BN_clear_free(d);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	return key;
}

static void put_coordinate(struct buf *out, EVP_PKEY *key, const char *which)
{
	BIGNUM *n = NULL;
	unsigned char octets[COORDINATE];
	if (EVP_PKEY_get_bn_param(key, which, &n) != 1 || BN_bn2binpad(n, octets, sizeof octets) < 0)
		abort();
	BN_free(n);
	jose_base64url(out, slice_of(octets, sizeof octets));
}

void jose_jwk_put(struct buf *out, EVP_PKEY *key)
{
	buf_puts(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	put_coordinate(out, key, OSSL_PKEY_PARAM_EC_PUB_X);
	buf_puts(out, "\",\"y\":\"");
	put_coordinate(out, key, OSSL_PKEY_PARAM_EC_PUB_Y);
	buf_puts(out, "\"}");
}

void jose_thumbprint(EVP_PKEY *key, struct buf *out)
{
	BUF_LOCAL(jwk, 512);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	jose_jwk_put(&jwk, key);
	SHA256((const unsigned char *)jwk.p, jwk.n, digest);
	jose_base64url(out, slice_of(digest, sizeof digest));
}

/* r and s, each in 32 octets (RFC 7518 3.4). */
static void sign_es256(EVP_PKEY *key, struct slice text, unsigned char out[2 * COORDINATE])
{
	unsigned char der[256];
	const unsigned char *p = der;
	size_t n = sizeof der;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!c || EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(c, der, &n, (const unsigned char *)text.p, text.n) != 1)
		abort();
	EVP_MD_CTX_free(c);
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
	if (!s || BN_bn2binpad(ECDSA_SIG_get0_r(s), out, COORDINATE) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(s), out + COORDINATE, COORDINATE) < 0)
		abort();
	ECDSA_SIG_free(s);
}

/* "protected.payload", which is what is signed; *dot_out is where the dot stands. */
static void put_input(struct buf *input, const struct buf *protected, struct slice payload, size_t *dot_out)
{
	jose_base64url(input, buf_slice(protected));
	*dot_out = input->n;
	buf_putc(input, '.');
	jose_base64url(input, payload);
}

static enum result put_flat(struct buf *out, const struct buf *input, size_t dot, struct slice signature)
{
	if (buf_result(input) != OK)
		return FULL;
	buf_puts(out, "{\"protected\":\"");
	buf_put(out, slice_of(input->p, dot));
	buf_puts(out, "\",\"payload\":\"");
	buf_put(out, slice_sub(buf_slice(input), dot + 1, input->n));
	buf_puts(out, "\",\"signature\":\"");
	jose_base64url(out, signature);
	buf_puts(out, "\"}");
	return buf_result(out);
}

enum result jose_sign(EVP_PKEY *key, const struct jose_head *head, struct slice payload, struct buf *out)
{
	BUF_LOCAL(protected, PROTECTED_MOST);
	BUF_LOCAL(input, out->max);
	unsigned char signature[2 * COORDINATE];
	size_t dot;
	if (!jose_is_clean(head->url) || !jose_is_clean(head->nonce) || !jose_is_clean(head->account))
		return BAD;
	buf_puts(&protected, "{\"alg\":\"ES256\",");
	if (head->account.n) {
		buf_printf(&protected, "\"kid\":\"" SLICE_FMT "\",", SLICE_ARG(head->account));
	} else {
		buf_puts(&protected, "\"jwk\":");
		jose_jwk_put(&protected, key);
		buf_putc(&protected, ',');
	}
	if (head->nonce.n)
		buf_printf(&protected, "\"nonce\":\"" SLICE_FMT "\",", SLICE_ARG(head->nonce));
	buf_printf(&protected, "\"url\":\"" SLICE_FMT "\"}", SLICE_ARG(head->url));
	if (buf_result(&protected) != OK)
		return FULL;
	put_input(&input, &protected, payload, &dot);
	if (buf_result(&input) != OK)
		return FULL;
	sign_es256(key, buf_slice(&input), signature);
	return put_flat(out, &input, dot, slice_of(signature, sizeof signature));
}

enum result jose_sign_compact(EVP_PKEY *key, struct slice header, struct slice payload, struct buf *out)
{
	BUF_LOCAL(protected, PROTECTED_MOST);
	BUF_LOCAL(input, out->max);
	unsigned char signature[2 * COORDINATE];
	size_t dot;
	buf_put(&protected, header);
	put_input(&input, &protected, payload, &dot);
	if (buf_result(&input) != OK || buf_result(&protected) != OK)
		return FULL;
	sign_es256(key, buf_slice(&input), signature);
	buf_put(out, buf_slice(&input));
	buf_putc(out, '.');
	jose_base64url(out, slice_of(signature, sizeof signature));
	return buf_result(out);
}

enum result jose_bind(
    struct slice mac_key, struct slice key_id, struct slice url, struct slice payload, struct buf *out)
{
	BUF_LOCAL(protected, PROTECTED_MOST);
	BUF_LOCAL(input, out->max);
	unsigned char mac[SHA256_DIGEST_LENGTH];
	unsigned n = sizeof mac;
	size_t dot;
	if (!jose_is_clean(key_id) || !jose_is_clean(url))
		return BAD;
	buf_printf(&protected, "{\"alg\":\"HS256\",\"kid\":\"" SLICE_FMT "\",\"url\":\"" SLICE_FMT "\"}",
	    SLICE_ARG(key_id), SLICE_ARG(url));
	put_input(&input, &protected, payload, &dot);
	if (buf_result(&protected) != OK || buf_result(&input) != OK)
		return FULL;
	if (!HMAC(EVP_sha256(), mac_key.p, (int)mac_key.n, (const unsigned char *)input.p, input.n, mac, &n))
		abort();
	return put_flat(out, &input, dot, slice_of(mac, sizeof mac));
}
