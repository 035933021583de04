/*
 * A private key whose only operation is a question to keys.
 *
 * EC_KEY_METHOD and RSA_METHOD are deprecated in favour of providers, yet they are the documented way to put a single
 * operation elsewhere and leave everything else to OpenSSL: two callbacks here against a provider's key management,
 * encoders and signature contexts. When OpenSSL drops them, this file is what changes.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls/inner.h"
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>

struct remote {
	struct ipc_trunk *keys;
	char *id;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *ec_method;
static RSA_METHOD *rsa_method;
static int ec_index, rsa_index;

/* One question to keys: OK and exactly what it answered, at most room octets. */
static bool ask_sign(const struct remote *r, Sekisho__SignAsk__Operation operation, struct slice in,
    unsigned char *out, size_t room, size_t *n_out)
{
	ARENA_LOCAL(a, 65536);
	struct ipc *c = ipc_thread(r->keys);
	Sekisho__SignAsk ask = SEKISHO__SIGN_ASK__INIT;
	Sekisho__SignAnswer *answer;
	ask.key = r->id;
	ask.operation = operation;
	ask.input = (ProtobufCBinaryData){in.n, (uint8_t *)(uintptr_t)in.p};
	if (!c || ipc_call(c, ASK_KEYS_SIGN, &ask, NULL, &a, &answer, NULL) != OK)
		return false;
	if (answer->output.len == 0 || answer->output.len > room)
		return false;
	memcpy(out, answer->output.data, answer->output.len);
	*n_out = answer->output.len;
	return true;
}

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *signature,
    unsigned *signature_n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	size_t got;
	if (!ask_sign(EC_KEY_get_ex_data(key, ec_index), SEKISHO__SIGN_ASK__OPERATION__ECDSA,
		slice_of(digest, (size_t)n), signature, (size_t)ECDSA_size(key), &got))
		return 0;
	*signature_n = (unsigned)got;
	return 1;
}

static int rsa_private_encrypt(int n, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
	unsigned char block[1024];
	int size = RSA_size(key);
	size_t got;
	if (size > (int)sizeof block || n > size)
		return -1;
	if (padding == RSA_PKCS1_PADDING) {
		if (RSA_padding_add_PKCS1_type_1(block, size, from, n) != 1)
			return -1;
	} else if (padding == RSA_NO_PADDING && n == size) {
		memcpy(block, from, (size_t)n);
	} else {
		return -1;
	}
	if (!ask_sign(RSA_get_ex_data(key, rsa_index), SEKISHO__SIGN_ASK__OPERATION__RSA_RAW,
		slice_of(block, (size_t)size), to, (size_t)size, &got))
		return -1;
	return got == (size_t)size ? size : -1;
}

/* No suite with RSA key exchange is offered, so nothing asks for a decryption. */
static int rsa_private_decrypt(int n, const unsigned char *from, unsigned char *to, RSA *key, int padding)
{
	return -1;
}

static void remote_free(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct remote *r = p;
	if (r)
		free(r->id);
	free(r);
}

static void methods_new(void)
{
	ec_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EC_KEY, 0, NULL, NULL, NULL, remote_free);
	rsa_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_RSA, 0, NULL, NULL, NULL, remote_free);
	ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	if (ec_index < 0 || rsa_index < 0 || !ec_method || !rsa_method)
		abort();
	EC_KEY_METHOD_set_sign(ec_method, ec_sign, NULL, NULL);
	if (!RSA_meth_set1_name(rsa_method, "keys") ||
	    !RSA_meth_set_priv_enc(rsa_method, rsa_private_encrypt) ||
	    !RSA_meth_set_priv_dec(rsa_method, rsa_private_decrypt) ||
	    !RSA_meth_set_flags(rsa_method, RSA_FLAG_EXT_PKEY | RSA_METHOD_FLAG_NO_CHECK))
		abort();
}

static struct remote *remote_new(struct ipc_trunk *keys, const char *id)
{
	struct remote *r = calloc(1, sizeof *r);
	if (!r || !(r->id = strdup(id)))
		abort();
	r->keys = keys;
	return r;
}

static EVP_PKEY *ec_key_new(EVP_PKEY *public, struct remote *r)
{
	EC_KEY *key = EC_KEY_dup(EVP_PKEY_get0_EC_KEY(public));
	EVP_PKEY *p = EVP_PKEY_new();
	if (!key || !p || EC_KEY_set_method(key, ec_method) != 1 || !EC_KEY_set_ex_data(key, ec_index, r) ||
	    EVP_PKEY_assign_EC_KEY(p, key) != 1)
		abort();
	return p;
}

static EVP_PKEY *rsa_key_new(EVP_PKEY *public, struct remote *r)
{
	RSA *key = RSAPublicKey_dup(EVP_PKEY_get0_RSA(public));
	EVP_PKEY *p = EVP_PKEY_new();
	if (!key || !p || RSA_set_method(key, rsa_method) != 1 || !RSA_set_ex_data(key, rsa_index, r) ||
	    EVP_PKEY_assign_RSA(p, key) != 1)
		abort();
	RSA_set_flags(key, RSA_FLAG_EXT_PKEY);
	return p;
}

EVP_PKEY *remote_key_new(X509 *leaf, struct ipc_trunk *keys, const char *id)
{
	EVP_PKEY *public = X509_get0_pubkey(leaf);
	pthread_once(&once, methods_new);
	if (public && EVP_PKEY_is_a(public, "EC") && EVP_PKEY_get0_EC_KEY(public))
		return ec_key_new(public, remote_new(keys, id));
	if (public && EVP_PKEY_is_a(public, "RSA") && EVP_PKEY_get0_RSA(public))
		return rsa_key_new(public, remote_new(keys, id));
	return NULL;
}
