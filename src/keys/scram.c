#include "keys/scram.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

static void mac(const char key[SCRAM_KEY], struct slice text, char out[SCRAM_KEY])
{
	unsigned n = 0;
	if (!HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.p, text.n, (unsigned char *)out,
		&n))
		abort();
}

static void hash(const char in[SCRAM_KEY], char out[SCRAM_KEY])
{
	SHA256((const unsigned char *)in, SCRAM_KEY, (unsigned char *)out);
}

void scram_derive(struct slice password, struct slice salt, struct scram_keys *k)
{
	char salted[SCRAM_KEY], client[SCRAM_KEY];
	if (PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
		(int)k->iterations, EVP_sha256(), SCRAM_KEY, (unsigned char *)salted) != 1)
		abort();
	mac(salted, SLICE("Client Key"), client);
	hash(client, k->stored);
	mac(salted, SLICE("Server Key"), k->server);
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client, sizeof client);
}

/* printable of RFC 5802 section 7: visible ASCII without the comma. */
static bool is_printable(char c)
{
	return c > ' ' && c <= '~' && c != ',';
}

static bool is_value_safe(char c)
{
	return c != '\0' && c != ',';
}

/* saslname: "=2C" and "=3D" stand for comma and equals sign, no other use of "=". */
static enum result decode_name(struct slice s, struct buf *out)
{
	while (s.n) {
		size_t n = 1;
		char c = s.p[0];
		if (c == '=') {
			struct slice code = slice_sub(s, 0, 3);
			n = 3;
			if (slice_eq(code, SLICE("=2C")))
				c = ',';
			else if (!slice_eq(code, SLICE("=3D")))
				return BAD;
		}
		buf_putc(out, c);
		s = slice_sub(s, n, s.n);
	}
	return buf_result(out);
}

enum result scram_bare_parse(struct slice bare, struct buf *login, struct slice *nonce_out)
{
	struct cursor c = cursor_of(bare);
	if (bare.n > SCRAM_MESSAGE)
		return FULL;
	cursor_need(&c, 'n');
	cursor_need(&c, '=');
	struct slice name = cursor_while1(&c, is_value_safe);
	cursor_need(&c, ',');
	cursor_need(&c, 'r');
	cursor_need(&c, '=');
	*nonce_out = cursor_while1(&c, is_printable);
	while (c.err == OK && cursor_try(&c, ',')) {
		if (!ascii_alpha((char)cursor_peek(&c)) || cursor_peek(&c) == 'm')
			cursor_fail(&c);
		(void)cursor_take(&c);
		cursor_need(&c, '=');
		(void)cursor_while1(&c, is_value_safe);
	}
	enum result r = cursor_done(&c);
	return r == OK ? decode_name(name, login) : r;
}

void scram_server_first(struct slice client_nonce, struct slice our_nonce, struct slice salt,
    uint32_t iterations, struct buf *out)
{
	buf_puts(out, "r=");
	buf_put(out, client_nonce);
	buf_put(out, our_nonce);
	buf_puts(out, ",s=");
	buf_base64(out, salt);
	buf_printf(out, ",i=%u", iterations);
}

struct slice scram_nonce(struct slice message)
{
	while (message.n) {
		struct slice field = slice_split(&message, ',');
		if (slice_starts(field, SLICE("r=")))
			return slice_sub(field, 2, field.n);
	}
	return SLICE_NONE;
}

enum result scram_finish(
    const struct scram_keys *k, struct slice auth_message, struct slice proof, struct buf *final_out)
{
	char signature[SCRAM_KEY], client[SCRAM_KEY] = {0}, stored[SCRAM_KEY];
	mac(k->stored, auth_message, signature);
	for (size_t i = 0; i < SCRAM_KEY && i < proof.n; i++)
		client[i] = (char)(proof.p[i] ^ signature[i]);
	hash(client, stored);
	bool right = CRYPTO_memcmp(stored, k->stored, SCRAM_KEY) == 0;
	explicit_bzero(client, sizeof client);
	if (!right || proof.n != SCRAM_KEY)
		return DENY;
	mac(k->server, auth_message, signature);
	buf_puts(final_out, "v=");
	buf_base64(final_out, slice_of(signature, sizeof signature));
	return buf_result(final_out);
}
