/*
 * Who somebody is, told to programs: id_tokens (OpenID Connect Core 2), signed by a key that is made of the master key, so that
 * every server with the same keys signs with the same one, and nothing has to be kept.
 */
#include "keys/inner.h"
#include "keys/jose.h"

#define JWK_MOST 1024

static EVP_PKEY *key_of(struct keys *k)
{
	unsigned char seed[JOSE_SEED];
	vault_mac(k->vault, VAULT_OAUTH, SLICE("id token key, first half"), (char *)seed);
	vault_mac(k->vault, VAULT_OAUTH, SLICE("id token key, second half"), (char *)seed + JOSE_SEED / 2);
	EVP_PKEY *key = jose_key_derive(seed);
	explicit_bzero(seed, sizeof seed);
	return key;
}

enum result keys_id_token(struct keys *k, struct slice claims, struct buf *out)
{
	EVP_PKEY *key = key_of(k);
	BUF_LOCAL(header, JWK_MOST);
	buf_puts(&header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"");
	jose_thumbprint(key, &header);
	buf_puts(&header, "\"}");
	enum result r = jose_sign_compact(key, buf_slice(&header), claims, out);
	EVP_PKEY_free(key);
	return r;
}

void keys_on_oauth_keys(struct ipc_turn *t)
{
	Sekisho__OauthKeysAnswer answer = SEKISHO__OAUTH_KEYS_ANSWER__INIT;
	EVP_PKEY *key = key_of(ipc_server_context(t));
	BUF_LOCAL(jwk, JWK_MOST);
	BUF_LOCAL(set, 2 * JWK_MOST);
	jose_jwk_put(&jwk, key);
	buf_puts(&set, "{\"keys\":[");
	buf_put(&set, slice_sub(buf_slice(&jwk), 0, jwk.n - 1));
	buf_puts(&set, ",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"");
	jose_thumbprint(key, &set);
	buf_puts(&set, "\"}]}\n");
	EVP_PKEY_free(key);
	answer.jwks = arena_z(&t->arena, buf_slice(&set));
	ipc_answer(t, &answer, NULL);
}
