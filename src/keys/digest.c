#include "ipc/digest.h"
#include "keys/inner.h"
#include <openssl/evp.h>
#include <stdlib.h>

#define LINK 32

static EVP_PKEY *key_of(const struct keys *k)
{
	EVP_PKEY *key =
	    EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->vault->key[VAULT_AUDIT], VAULT_KEY);
	if (!key)
		abort();
	return key;
}

static void sign(EVP_PKEY *key, struct slice text, uint8_t out[DIGEST_SIGNATURE])
{
	size_t n = DIGEST_SIGNATURE;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!c || EVP_DigestSignInit(c, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(c, out, &n, (const unsigned char *)text.p, text.n) != 1)
		abort();
	EVP_MD_CTX_free(c);
}

void keys_on_digest(struct ipc_turn *t)
{
	const Sekisho__DigestAsk *ask = t->ask;
	Sekisho__DigestAnswer answer = SEKISHO__DIGEST_ANSWER__INIT;
	uint8_t signature[DIGEST_SIGNATURE], public[DIGEST_PUBLIC];
	size_t n = sizeof public;
	BUF_LOCAL(text, 256);
	if (ask->number < 0 || (ask->number && ask->link.len != LINK)) {
		ipc_refuse(t, BAD, "not a digest");
		return;
	}
	EVP_PKEY *key = key_of(ipc_server_context(t));
	if (EVP_PKEY_get_raw_public_key(key, public, &n) != 1)
		abort();
	answer.public_key = (ProtobufCBinaryData){n, public};
	if (ask->number) {
		digest_put(&text, ask->day, ask->number, slice_of(ask->link.data, ask->link.len));
		sign(key, buf_slice(&text), signature);
		answer.signature = (ProtobufCBinaryData){sizeof signature, signature};
	}
	EVP_PKEY_free(key);
	ipc_answer(t, &answer, NULL);
}
