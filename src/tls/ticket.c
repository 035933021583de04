/*
 * Session tickets (RFC 5077, RFC 8446 2.2): sealed with keys that only this process knows. Each key seals for an hour and
 * opens for two, so that what is stolen from memory opens at most the last hours' sessions.
 */
#include "tls/inner.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#define SEALS_MS HOUR_MS
#define OPENS_MS (2 * HOUR_MS)
#define KEYS 3

struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
	int64_t made_ms; /* 0: none */
};

struct tickets {
	pthread_mutex_t lock;
	struct ticket_key keys[KEYS];
	unsigned now; /* the one that seals */
};

static int index_in_ctx;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void tickets_free(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct tickets *t = p;
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(t, sizeof *t);
	free(t);
}

static void index_new(void)
{
	index_in_ctx = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tickets_free);
	if (index_in_ctx < 0)
		abort();
}

/* With the lock held: drops keys that are too old, makes a new one to seal with when it is time. */
static void rotate(struct tickets *t, int64_t now)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (t->keys[i].made_ms && now - t->keys[i].made_ms > OPENS_MS)
			explicit_bzero(&t->keys[i], sizeof t->keys[i]);
	struct ticket_key *k = &t->keys[t->now];
	if (k->made_ms && now - k->made_ms <= SEALS_MS)
		return;
	t->now = (t->now + 1) % KEYS;
	k = &t->keys[t->now];
	if (RAND_bytes(k->name, sizeof k->name) != 1 || RAND_bytes(k->cipher, sizeof k->cipher) != 1 ||
	    RAND_bytes(k->mac, sizeof k->mac) != 1)
		abort();
	k->made_ms = MAX(now, 1);
}

/* The key to seal with, or the one that sealed a ticket of that name; false: too old or not ours. */
static bool find_key(
    struct tickets *t, bool seal, const unsigned char *name, struct ticket_key *out, bool *renew_out)
{
	bool found = false;
	pthread_mutex_lock(&t->lock);
	rotate(t, clock_mono_ms());
	for (unsigned i = 0; i < KEYS && !found; i++) {
		const struct ticket_key *k = &t->keys[i];
		found = seal ? i == t->now : k->made_ms && memcmp(k->name, name, sizeof k->name) == 0;
		if (found) {
			*out = *k;
			*renew_out = i != t->now;
		}
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int on_ticket(
    SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct tickets *t = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index_in_ctx);
	struct ticket_key k;
	bool renew = false, done;
	if (!find_key(t, seal, name, &k, &renew))
		return 0;
	if (seal) {
		memcpy(name, k.name, sizeof k.name);
		done = RAND_bytes(iv, 16) == 1 &&
		       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	} else {
		done = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	}
	done = done && set_mac(mac, &k);
	explicit_bzero(&k, sizeof k);
	return !done ? -1 : renew ? 2 : 1;
}

void tickets_use(SSL_CTX *ctx)
{
	pthread_once(&once, index_new);
	struct tickets *t = calloc(1, sizeof *t);
	if (!t || !SSL_CTX_set_ex_data(ctx, index_in_ctx, t))
		abort();
	pthread_mutex_init(&t->lock, NULL);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_timeout(ctx, SEALS_MS / SECOND_MS);
	SSL_CTX_set_num_tickets(ctx, 1);
}
