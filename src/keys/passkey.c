#include "keys/passkey.h"
#include "keys/jose.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>

#define HEAD 37 /* octets of an authenticator's data: hash of the host, flags, counter */
#define USER_PRESENT 1
#define POINT 64
#define EXPONENT 3
#define MODULUS_LEAST 256
#define MODULUS_MOST 512

void passkey_put(const struct passkey *p, struct buf *out)
{
	uint32_t algorithm = (uint32_t)p->algorithm;
	for (unsigned i = 0; i < 4; i++)
		buf_putc(out, (char)(algorithm >> (8 * i)));
	buf_putc(out, (char)(p->id.n >> 8));
	buf_putc(out, (char)p->id.n);
	buf_put(out, p->id);
	buf_put(out, p->key);
}

enum result passkey_read(struct slice secret, struct passkey *out)
{
	struct cursor c = cursor_of(secret);
	uint32_t algorithm = 0;
	for (unsigned i = 0; i < 4; i++)
		algorithm |= (uint32_t)(cursor_take(&c) & 255) << (8 * i);
	size_t high = (size_t)(cursor_take(&c) & 255), low = (size_t)(cursor_take(&c) & 255);
	*out = (struct passkey){.algorithm = (int32_t)algorithm, .id = cursor_bytes(&c, high << 8 | low)};
	out->key = cursor_bytes(&c, c.rest.n);
	return cursor_done(&c);
}

/* ---- the key ---- */

static EVP_PKEY *from_parameters(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
	if (c && parameters && EVP_PKEY_fromdata_init(c) == 1 &&
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		key = NULL;
	OSSL_PARAM_free(parameters);
	EVP_PKEY_CTX_free(c);
	return key;
}

static EVP_PKEY *p256(struct slice xy)
{
	unsigned char point[1 + POINT] = {4};
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;
	if (xy.n == POINT && build) {
		memcpy(point + 1, xy.p, POINT);
		if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
			1)
			key = from_parameters("EC", build);
	}
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *rsa(struct slice ne)
{
	size_t modulus = ne.n - EXPONENT;
	if (ne.n < MODULUS_LEAST + EXPONENT || ne.n > MODULUS_MOST + EXPONENT)
		return NULL;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn((const unsigned char *)ne.p, (int)modulus, NULL);
	BIGNUM *e = BN_bin2bn((const unsigned char *)ne.p + modulus, EXPONENT, NULL);
	EVP_PKEY *key = NULL;
	if (build && n && e && BN_is_odd(e) && !BN_is_one(e) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = from_parameters("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return key;
}

/* NULL: it cannot be one. */
static EVP_PKEY *key_of(const struct passkey *p)
{
	switch (p->algorithm) {
	case PASSKEY_ES256:
		return p256(p->key);
	case PASSKEY_EDDSA:
		return EVP_PKEY_new_raw_public_key(
		    EVP_PKEY_ED25519, NULL, (const unsigned char *)p->key.p, p->key.n);
	case PASSKEY_RS256:
		return rsa(p->key);
	default:
		return NULL;
	}
}

enum result passkey_check(const struct passkey *p)
{
	EVP_PKEY *key = p->id.n && p->id.n <= PASSKEY_ID ? key_of(p) : NULL;
	EVP_PKEY_free(key);
	return key ? OK : DENY;
}

/* ---- what was signed ---- */

static bool is_base64url(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static void need(struct cursor *c, struct slice text)
{
	if (!slice_eq(cursor_bytes(c, text.n), text))
		cursor_fail(c);
}

/* {"type":T,"challenge":C,"origin":O,"crossOrigin":false and then anything: the client writes it so, section 5.8.1.1. */
enum result passkey_client(struct slice data, const char *type, struct slice challenge, struct slice host)
{
	BUF_LOCAL(wanted, 4096);
	struct cursor c = cursor_of(data);
	jose_base64url(&wanted, challenge);
	need(&c, SLICE("{\"type\":\""));
	need(&c, slice_str(type));
	need(&c, SLICE("\",\"challenge\":\""));
	struct slice said = cursor_while1(&c, is_base64url);
	need(&c, SLICE("\",\"origin\":\"https://"));
	need(&c, host);
	if (cursor_try(&c, ':'))
		(void)cursor_u64(&c, UINT16_MAX);
	need(&c, SLICE("\""));
	if (slice_starts(c.rest, SLICE(",\"crossOrigin\":")))
		need(&c, SLICE(",\"crossOrigin\":false"));
	if (c.err == OK && cursor_peek(&c) != ',' && cursor_peek(&c) != '}')
		cursor_fail(&c);
	return c.err == OK && buf_result(&wanted) == OK && slice_eq_secret(said, buf_slice(&wanted)) ? OK
												     : DENY;
}

enum result passkey_authenticator(struct slice data, struct slice host, uint32_t *counter_out)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	const unsigned char *p = (const unsigned char *)data.p;
	if (data.n < HEAD)
		return DENY;
	SHA256((const unsigned char *)host.p, host.n, hash);
	*counter_out = (uint32_t)p[33] << 24 | (uint32_t)p[34] << 16 | (uint32_t)p[35] << 8 | p[36];
	return memcmp(p, hash, sizeof hash) == 0 && (p[32] & USER_PRESENT) ? OK : DENY;
}

enum result passkey_verify(
    const struct passkey *p, struct slice authenticator, struct slice client, struct slice signature)
{
	BUF_LOCAL(text, 8192);
	unsigned char hash[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)client.p, client.n, hash);
	buf_put(&text, authenticator);
	buf_put(&text, slice_of(hash, sizeof hash));
	EVP_PKEY *key = buf_result(&text) == OK ? key_of(p) : NULL;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool right = key && c &&
		     EVP_DigestVerifyInit(
			 c, NULL, p->algorithm == PASSKEY_EDDSA ? NULL : EVP_sha256(), NULL, key) == 1 &&
		     EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n,
			 (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	return right ? OK : DENY;
}
