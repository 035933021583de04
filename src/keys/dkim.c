/*
 * Keys of DKIM: made here, kept by store in a form that only this role can open (several servers on one database share
 * them so, as they share the master key), and used here. Each is sealed for its domain and selector: another's name does not
 * open it. Opened keys are remembered, since opening one costs as much as a signature of Ed25519.
 */
#include "keys/inner.h"
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define RSA_BITS 2048
#define DER_MOST 4096
#define ITEMS 64 /* of one ask */
#define REMEMBERED 256
#define DIGEST 32

/* ---- opened keys ---- */

struct remembered {
	unsigned char name[DIGEST]; /* of the sealed key */
	EVP_PKEY *key;
	uint64_t used;
};

struct dkim_cache {
	pthread_mutex_t lock;
	uint64_t turn;
	struct remembered list[REMEMBERED];
};

static struct dkim_cache *cache_of(struct keys *k)
{
	struct dkim_cache *c = atomic_load(&k->dkim), *none = NULL;
	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (!c)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	if (atomic_compare_exchange_strong(&k->dkim, &none, c))
		return c;
	pthread_mutex_destroy(&c->lock);
	free(c);
	return none;
}

void dkim_cache_free(struct dkim_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < REMEMBERED; i++)
		EVP_PKEY_free(c->list[i].key);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The key with a reference of its own, or NULL. */
static EVP_PKEY *recall(struct dkim_cache *c, const unsigned char name[DIGEST])
{
	EVP_PKEY *key = NULL;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < REMEMBERED && !key; i++) {
		struct remembered *r = &c->list[i];
		if (!r->key || memcmp(r->name, name, DIGEST) != 0)
			continue;
		r->used = ++c->turn;
		key = r->key;
		EVP_PKEY_up_ref(key);
	}
	pthread_mutex_unlock(&c->lock);
	return key;
}

static void remember(struct dkim_cache *c, const unsigned char name[DIGEST], EVP_PKEY *key)
{
	pthread_mutex_lock(&c->lock);
	struct remembered *oldest = &c->list[0];
	for (size_t i = 1; i < REMEMBERED; i++)
		if (c->list[i].used < oldest->used)
			oldest = &c->list[i];
	EVP_PKEY_free(oldest->key);
	EVP_PKEY_up_ref(key);
	memcpy(oldest->name, name, DIGEST);
	oldest->key = key;
	oldest->used = ++c->turn;
	pthread_mutex_unlock(&c->lock);
}

/* ---- sealing ---- */

static bool is_known(Sekisho__DkimAlgorithm a)
{
	return a == SEKISHO__DKIM_ALGORITHM__DKIM_RSA || a == SEKISHO__DKIM_ALGORITHM__DKIM_ED25519;
}

static void put_place(const char *domain, const char *selector, Sekisho__DkimAlgorithm a, struct buf *out)
{
	buf_printf(out, "dkim %u %s %s", (unsigned)a, selector, domain);
}

static EVP_PKEY *unwrap(struct keys *k, const Sekisho__DkimSignItem *item)
{
	struct slice wrapped = slice_of(item->wrapped.data, item->wrapped.len);
	BUF_LOCAL(place, 1024);
	SECRET_LOCAL(der, DER_MOST);
	put_place(item->domain, item->selector, item->algorithm, &place);
	if (buf_result(&place) != OK ||
	    vault_unseal(k->vault, VAULT_DKIM, buf_slice(&place), wrapped, &der) != OK)
		return NULL;
	const unsigned char *p = (const unsigned char *)der.p;
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &p, (long)der.n);
	ERR_clear_error();
	return key;
}

/*
 * What it is remembered by: the sealed octets and what they were sealed for, so that a remembered key opens for no other name
 * either.
 */
static void name_it(const Sekisho__DkimSignItem *item, unsigned char out[DIGEST])
{
	BUF_LOCAL(text, DER_MOST + 2048);
	put_place(item->domain, item->selector, item->algorithm, &text);
	buf_putc(&text, '\0');
	buf_put(&text, slice_of(item->wrapped.data, item->wrapped.len));
	if (EVP_Digest(text.p, text.n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

static EVP_PKEY *key_of(struct keys *k, const Sekisho__DkimSignItem *item)
{
	unsigned char name[DIGEST];
	if (!is_known(item->algorithm) || item->wrapped.len > DER_MOST ||
	    strlen(item->domain) + strlen(item->selector) > 2 * LIMIT_DNS_NAME)
		return NULL;
	name_it(item, name);
	struct dkim_cache *c = cache_of(k);
	EVP_PKEY *key = recall(c, name);
	if (key)
		return key;
	key = unwrap(k, item);
	if (key)
		remember(c, name, key);
	return key;
}

/* ---- making ---- */

static EVP_PKEY *make(Sekisho__DkimAlgorithm a)
{
	EVP_PKEY *key = a == SEKISHO__DKIM_ALGORITHM__DKIM_ED25519
			    ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
			    : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
	ERR_clear_error();
	return key;
}

/* RSA as SubjectPublicKeyInfo, Ed25519 as its 32 octets (RFC 8463 4.2). */
static void put_public(EVP_PKEY *key, struct buf *out)
{
	unsigned char raw[64], *der = NULL;
	size_t n = sizeof raw;
	if (EVP_PKEY_is_a(key, "ED25519")) {
		if (EVP_PKEY_get_raw_public_key(key, raw, &n) == 1)
			buf_put(out, slice_of(raw, n));
		return;
	}
	int length = i2d_PUBKEY(key, &der);
	if (length > 0)
		buf_put(out, slice_of(der, (size_t)length));
	OPENSSL_free(der);
}

static void put_private(EVP_PKEY *key, struct buf *out)
{
	unsigned char *der = NULL;
	int length = i2d_PrivateKey(key, &der);
	if (length > 0) {
		buf_put(out, slice_of(der, (size_t)length));
		OPENSSL_cleanse(der, (size_t)length);
	}
	OPENSSL_free(der);
}

void keys_on_dkim_make(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__DkimMakeAsk *ask = t->ask;
	BUF_LOCAL(place, 1024);
	BUF_LOCAL(public_key, DER_MOST);
	BUF_LOCAL(wrapped, DER_MOST);
	SECRET_LOCAL(der, DER_MOST - VAULT_MORE);
	put_place(ask->domain, ask->selector, ask->algorithm, &place);
	if (!is_known(ask->algorithm) || buf_result(&place) != OK) {
		ipc_refuse(t, BAD, "no such kind of key");
		return;
	}
	EVP_PKEY *key = make(ask->algorithm);
	if (key) {
		put_public(key, &public_key);
		put_private(key, &der);
		EVP_PKEY_free(key);
	}
	if (!public_key.n || !der.n) {
		ipc_refuse(t, LATER, "the key could not be made");
		return;
	}
	vault_seal(k->vault, VAULT_DKIM, buf_slice(&place), buf_slice(&der), &wrapped);
	Sekisho__DkimMakeAnswer answer = SEKISHO__DKIM_MAKE_ANSWER__INIT;
	answer.public_key = (ProtobufCBinaryData){public_key.n, (uint8_t *)public_key.p};
	answer.wrapped = (ProtobufCBinaryData){wrapped.n, (uint8_t *)wrapped.p};
	ipc_answer(t, &answer, NULL);
}

/* ---- signing ---- */

static bool sign_rsa(EVP_PKEY *key, const uint8_t digest[DIGEST], unsigned char *out, size_t *n)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	bool done = x && EVP_PKEY_sign_init(x) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()) == 1 &&
		    EVP_PKEY_sign(x, out, n, digest, DIGEST) == 1;
	EVP_PKEY_CTX_free(x);
	return done;
}

static bool sign_ed25519(EVP_PKEY *key, const uint8_t digest[DIGEST], unsigned char *out, size_t *n)
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	bool done = x && EVP_DigestSignInit(x, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(x, out, n, digest, DIGEST) == 1;
	EVP_MD_CTX_free(x);
	return done;
}

static struct slice sign(struct keys *k, const Sekisho__DkimSignItem *item, struct arena *a)
{
	unsigned char octets[RSA_BITS / 8];
	size_t n = sizeof octets;
	EVP_PKEY *key = item->digest.len == DIGEST ? key_of(k, item) : NULL;
	bool done = key && (item->algorithm == SEKISHO__DKIM_ALGORITHM__DKIM_RSA
				   ? sign_rsa(key, item->digest.data, octets, &n)
				   : sign_ed25519(key, item->digest.data, octets, &n));
	EVP_PKEY_free(key);
	ERR_clear_error();
	return done ? arena_dup(a, slice_of(octets, n)) : SLICE_NONE;
}

void keys_on_dkim_sign(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__DkimSignAsk *ask = t->ask;
	Sekisho__DkimSignAnswer answer = SEKISHO__DKIM_SIGN_ANSWER__INIT;
	answer.signatures = arena_array(&t->arena, ask->n_items + 1, sizeof *answer.signatures);
	if (!answer.signatures || ask->n_items > ITEMS) {
		ipc_refuse(t, FULL, "too many signatures");
		return;
	}
	for (size_t i = 0; i < ask->n_items; i++) {
		struct slice s = sign(k, ask->items[i], &t->arena);
		answer.signatures[answer.n_signatures++] =
		    (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
	}
	ipc_answer(t, &answer, NULL);
}
