#include "store/body/seal.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#define NONCE 12

static const char *const labels[SEAL_USES] = {
    [SEAL_BLOBS] = "sekisho blobs",
    [SEAL_COLUMNS] = "sekisho columns",
    [SEAL_DIGESTS] = "sekisho digests",
    [SEAL_TOKENS] = "sekisho tokens",
    [SEAL_SENDERS] = "sekisho senders",
};

struct seal {
	uint64_t number; /* tells a thread's contexts of this struct from those of an earlier one */
	uint8_t keys[SEAL_USES][SEAL_KEY];
};

/* Algorithms are looked up once; contexts are kept by each thread, since making one costs more than using it. */
static EVP_MAC *hmac;
static EVP_CIPHER *gcm;
static EVP_MD *sha256;
static pthread_key_t contexts_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct contexts {
	uint64_t number;
	EVP_MAC_CTX *macs[SEAL_USES];
	EVP_CIPHER_CTX *seal, *open;
	EVP_MD_CTX *digest;
};

static void contexts_free(void *p)
{
	struct contexts *c = p;
	for (unsigned i = 0; i < SEAL_USES; i++)
		EVP_MAC_CTX_free(c->macs[i]);
	EVP_CIPHER_CTX_free(c->seal);
	EVP_CIPHER_CTX_free(c->open);
	EVP_MD_CTX_free(c->digest);
	free(c);
}

static void start(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!hmac || !gcm || !sha256 || pthread_key_create(&contexts_key, contexts_free) != 0)
		abort();
}

/* OpenSSL fails here only without memory or by our mistake. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

static struct contexts *contexts(void)
{
	pthread_once(&once, start);
	struct contexts *c = pthread_getspecific(contexts_key);
	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (!c || !(c->seal = EVP_CIPHER_CTX_new()) || !(c->open = EVP_CIPHER_CTX_new()) ||
	    !(c->digest = EVP_MD_CTX_new()))
		abort();
	must(EVP_EncryptInit_ex2(c->seal, gcm, NULL, NULL, NULL));
	must(EVP_DecryptInit_ex2(c->open, gcm, NULL, NULL, NULL));
	pthread_setspecific(contexts_key, c);
	return c;
}

void seal_random(void *p, size_t n)
{
	must(RAND_bytes(p, (int)n));
}

void seal_sha256(struct slice data, uint8_t out[32])
{
	struct contexts *c = contexts();
	must(EVP_DigestInit_ex2(c->digest, sha256, NULL));
	must(EVP_DigestUpdate(c->digest, data.p, data.n));
	must(EVP_DigestFinal_ex(c->digest, out, NULL));
}

static EVP_MAC_CTX *mac_new(const uint8_t key[SEAL_KEY])
{
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *m = EVP_MAC_CTX_new(hmac);
	if (!m)
		abort();
	must(EVP_MAC_init(m, key, SEAL_KEY, params));
	return m;
}

static void mac_run(EVP_MAC_CTX *m, struct slice data, uint8_t out[SEAL_MAC])
{
	size_t n;
	must(EVP_MAC_update(m, (const uint8_t *)data.p, data.n));
	must(EVP_MAC_final(m, out, &n, SEAL_MAC));
}

void seal_hmac(const uint8_t key[SEAL_KEY], struct slice data, uint8_t out[SEAL_MAC])
{
	contexts();
	EVP_MAC_CTX *m = mac_new(key);
	mac_run(m, data, out);
	EVP_MAC_CTX_free(m);
}

struct seal *seal_new(const uint8_t data_key[SEAL_KEY])
{
	static _Atomic uint64_t count;
	struct seal *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->number = ++count;
	for (unsigned i = 0; i < SEAL_USES; i++)
		seal_hmac(data_key, slice_str(labels[i]), s->keys[i]);
	return s;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	OPENSSL_cleanse(s, sizeof *s);
	free(s);
}

void seal_mac(const struct seal *s, enum seal_use use, struct slice data, uint8_t out[SEAL_MAC])
{
	struct contexts *c = contexts();
	if (c->number != s->number) {
		for (unsigned i = 0; i < SEAL_USES; i++) {
			EVP_MAC_CTX_free(c->macs[i]);
			c->macs[i] = mac_new(s->keys[i]);
		}
		c->number = s->number;
	} else {
		must(EVP_MAC_init(c->macs[use], NULL, 0, NULL));
	}
	mac_run(c->macs[use], data, out);
}

int64_t seal_token(const struct seal *s, const char *kind, struct slice text)
{
	BUF_LOCAL(b, 70000);
	buf_puts(&b, kind);
	buf_putc(&b, '\0');
	text = slice_sub(text, 0, 65536);
	char *p = buf_room(&b, text.n);
	for (size_t i = 0; i < text.n; i++)
		p[i] = ascii_lower(text.p[i]);
	buf_wrote(&b, text.n);
	uint8_t mac[SEAL_MAC];
	seal_mac(s, SEAL_TOKENS, buf_slice(&b), mac);
	uint64_t v;
	memcpy(&v, mac, sizeof v);
	return (int64_t)(v & INT64_MAX);
}

void seal_blob_key(const struct seal *s, const uint8_t id[SEAL_ID], uint8_t key_out[SEAL_KEY])
{
	seal_mac(s, SEAL_BLOBS, slice_of(id, SEAL_ID), key_out);
}

static void nonce_of(uint32_t counter, uint8_t nonce[NONCE])
{
	memset(nonce, 0, NONCE);
	memcpy(nonce, &counter, sizeof counter);
}

void seal_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice plain, char *out)
{
	EVP_CIPHER_CTX *c = contexts()->seal;
	uint8_t nonce[NONCE], *to = (uint8_t *)out;
	int n;
	nonce_of(counter, nonce);
	must(EVP_EncryptInit_ex2(c, NULL, key, nonce, NULL));
	must(EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)bound.p, (int)bound.n));
	if (plain.n)
		must(EVP_EncryptUpdate(c, to, &n, (const uint8_t *)plain.p, (int)plain.n));
	must(EVP_EncryptFinal_ex(c, to + plain.n, &n));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, to + plain.n));
}

enum result seal_open_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice sealed, char *out)
{
	if (sealed.n < SEAL_TAG)
		return BAD;
	EVP_CIPHER_CTX *c = contexts()->open;
	uint8_t nonce[NONCE], tag[SEAL_TAG];
	size_t n = sealed.n - SEAL_TAG;
	int done;
	nonce_of(counter, nonce);
	memcpy(tag, sealed.p + n, SEAL_TAG);
	must(EVP_DecryptInit_ex2(c, NULL, key, nonce, NULL));
	must(EVP_DecryptUpdate(c, NULL, &done, (const uint8_t *)bound.p, (int)bound.n));
	if (n)
		must(EVP_DecryptUpdate(c, (uint8_t *)out, &done, (const uint8_t *)sealed.p, (int)n));
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag));
	return EVP_DecryptFinal_ex(c, (uint8_t *)out + n, &done) == 1 ? OK : BAD;
}

void seal_put(const struct seal *s, struct slice plain, struct slice bound, struct buf *out)
{
	char *to = buf_room(out, plain.n + SEAL_OVERHEAD);
	if (!to)
		return;
	uint8_t key[SEAL_KEY];
	seal_random(to, SEAL_ID);
	seal_mac(s, SEAL_COLUMNS, slice_of(to, SEAL_ID), key);
	seal_piece(key, 0, bound, plain, to + SEAL_ID);
	buf_wrote(out, plain.n + SEAL_OVERHEAD);
}

enum result seal_get(const struct seal *s, struct slice sealed, struct slice bound, struct buf *out)
{
	if (sealed.n < SEAL_OVERHEAD)
		return BAD;
	size_t n = sealed.n - SEAL_OVERHEAD;
	char *to = buf_room(out, n + 1);
	if (!to)
		return FULL;
	uint8_t key[SEAL_KEY];
	seal_mac(s, SEAL_COLUMNS, slice_of(sealed.p, SEAL_ID), key);
	if (seal_open_piece(key, 0, bound, slice_sub(sealed, SEAL_ID, sealed.n), to) != OK)
		return BAD;
	buf_wrote(out, n);
	return OK;
}
