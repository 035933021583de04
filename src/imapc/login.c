/* login: the best the server offers and we can do: SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN. */
#include "imapc/inner.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define LINE 8192
#define ITERATIONS_MOST 1000000

struct exchange {
	struct imapc *c;
	const EVP_MD *md;
	size_t size;
	struct buf bare, signed_text; /* client-first-message-bare; AuthMessage */
	uint8_t server_key[EVP_MAX_MD_SIZE];
};

static void put_line(struct imapc *c, struct slice message)
{
	BUF_LOCAL(b, LINE * 2);
	buf_base64(&b, message);
	stream_put(c->stream, buf_slice(&b));
	stream_puts(c->stream, "\r\n");
	OPENSSL_cleanse(b.p, b.n);
}

static void hmac(const struct exchange *x, const uint8_t *key, struct slice text, uint8_t *out)
{
	unsigned n = 0;
	HMAC(x->md, key, (int)x->size, (const uint8_t *)text.p, text.n, out, &n);
}

/* "=2C" and "=3D", RFC 5802 5.1. */
static void put_name(struct buf *b, struct slice user)
{
	for (size_t i = 0; i < user.n; i++)
		if (user.p[i] == ',')
			buf_puts(b, "=2C");
		else if (user.p[i] == '=')
			buf_puts(b, "=3D");
		else
			buf_putc(b, user.p[i]);
}

/* The value of "k=" in a message of attributes divided by commas. */
static struct slice attribute(struct slice message, char key)
{
	while (message.n) {
		struct slice one = slice_split(&message, ',');
		if (one.n >= 2 && one.p[0] == key && one.p[1] == '=')
			return slice_sub(one, 2, one.n);
	}
	return SLICE_NONE;
}

static enum result challenge(struct imapc *c, struct buf *out)
{
	struct slice text;
	buf_clear(out);
	enum result r = imapc_continue(c, &text);
	if (r == STOP)
		return imapc_fail(c, BAD, "the login ended too soon");
	return r == OK ? base64_decode(text, out) : r;
}

static void make_proof(
    struct exchange *x, struct slice password, struct slice salt, int rounds, uint8_t *proof)
{
	uint8_t salted[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE], sign[EVP_MAX_MD_SIZE];
	PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const uint8_t *)salt.p, (int)salt.n, rounds, x->md,
	    (int)x->size, salted);
	hmac(x, salted, SLICE("Client Key"), key);
	hmac(x, salted, SLICE("Server Key"), x->server_key);
	EVP_Digest(key, x->size, stored, NULL, x->md, NULL);
	hmac(x, stored, buf_slice(&x->signed_text), sign);
	for (size_t i = 0; i < x->size; i++)
		proof[i] = key[i] ^ sign[i];
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(key, sizeof key);
}

/* The answer to server-first-message; BAD when it is none, or its nonce does not begin with ours. */
static enum result answer(struct exchange *x, struct slice first, struct slice nonce, struct slice password)
{
	BUF_LOCAL(salt, 1024);
	BUF_LOCAL(final, LINE);
	uint32_t rounds;
	uint8_t proof[EVP_MAX_MD_SIZE];
	struct slice whole = attribute(first, 'r');
	if (!slice_starts(whole, nonce) || whole.n == nonce.n ||
	    base64_decode(attribute(first, 's'), &salt) != OK ||
	    num_u32(attribute(first, 'i'), ITERATIONS_MOST, &rounds) != OK || !rounds)
		return BAD;
	buf_printf(&final, "c=biws,r=" SLICE_FMT, SLICE_ARG(whole));
	buf_printf(&x->signed_text, SLICE_FMT "," SLICE_FMT "," SLICE_FMT, SLICE_ARG(buf_slice(&x->bare)),
	    SLICE_ARG(first), SLICE_ARG(buf_slice(&final)));
	make_proof(x, password, buf_slice(&salt), (int)rounds, proof);
	buf_puts(&final, ",p=");
	buf_base64(&final, slice_of(proof, x->size));
	put_line(x->c, buf_slice(&final));
	return buf_result(&final);
}

/* The server must know the password's verifier too: it signs. */
static enum result check_server(struct exchange *x, struct slice last)
{
	uint8_t sign[EVP_MAX_MD_SIZE];
	BUF_LOCAL(got, 256);
	hmac(x, x->server_key, buf_slice(&x->signed_text), sign);
	if (base64_decode(attribute(last, 'v'), &got) != OK ||
	    !slice_eq_secret(buf_slice(&got), slice_of(sign, x->size)))
		return imapc_fail(x->c, DENY, "the server does not know the password itself");
	return OK;
}

static enum result scram_steps(struct exchange *x, struct slice nonce, struct slice password)
{
	struct imapc *c = x->c;
	BUF_LOCAL(message, LINE);
	enum result r = challenge(c, &message); /* empty: our turn */
	if (r != OK)
		return r;
	BUF_LOCAL(first, LINE);
	buf_printf(&first, "n,," SLICE_FMT, SLICE_ARG(buf_slice(&x->bare)));
	put_line(c, buf_slice(&first));
	r = challenge(c, &message);
	if (r == OK && answer(x, buf_slice(&message), nonce, password) != OK)
		r = imapc_fail(c, BAD, "a SCRAM message that cannot be understood");
	if (r == OK)
		r = challenge(c, &message);
	if (r == OK)
		r = check_server(x, buf_slice(&message));
	if (r != OK)
		return r;
	stream_puts(c->stream, "\r\n");
	return imapc_finish(c, NULL, NULL);
}

static enum result scram(
    struct imapc *c, const char *mechanism, const EVP_MD *md, struct slice user, struct slice password)
{
	struct exchange x = {.c = c, .md = md, .size = (size_t)EVP_MD_get_size(md)};
	uint8_t random[18];
	BUF_LOCAL(nonce, 64);
	if (RAND_bytes(random, sizeof random) != 1)
		return LATER;
	buf_base64(&nonce, slice_of(random, sizeof random));
	buf_init(&x.bare, LINE);
	buf_init(&x.signed_text, LINE * 3);
	buf_puts(&x.bare, "n=");
	put_name(&x.bare, user);
	buf_printf(&x.bare, ",r=%s", buf_z(&nonce));
	imapc_begin(c);
	stream_printf(c->stream, "AUTHENTICATE %s\r\n", mechanism);
	enum result r = scram_steps(&x, buf_slice(&nonce), password);
	buf_free(&x.bare);
	buf_free(&x.signed_text);
	OPENSSL_cleanse(x.server_key, sizeof x.server_key);
	return r;
}

static enum result plain(struct imapc *c, struct slice user, struct slice password)
{
	struct slice rest;
	BUF_LOCAL(b, LINE);
	imapc_begin(c);
	stream_puts(c->stream, "AUTHENTICATE PLAIN\r\n");
	enum result r = imapc_continue(c, &rest);
	if (r != OK)
		return r == STOP ? BAD : r;
	buf_putc(&b, 0);
	buf_put(&b, user);
	buf_putc(&b, 0);
	buf_put(&b, password);
	put_line(c, buf_slice(&b));
	buf_free_secret(&b);
	return imapc_finish(c, NULL, NULL);
}

static enum result login(struct imapc *c, struct slice user, struct slice password)
{
	imapc_begin(c);
	stream_puts(c->stream, "LOGIN ");
	enum result r = imapc_put_string(c, user);
	stream_puts(c->stream, " ");
	if (r == OK)
		r = imapc_put_string(c, password);
	stream_puts(c->stream, "\r\n");
	return r == OK ? imapc_finish(c, NULL, NULL) : r;
}

enum result imapc_login(struct imapc *c, struct slice user, struct slice password, struct buf *why)
{
	enum result r;
	if (user.n > LIMIT_LOGIN_NAME || password.n > 1024)
		r = imapc_fail(c, DENY, "the user name or the password is too long");
	else if (imapc_can(c, "AUTH=SCRAM-SHA-256"))
		r = scram(c, "SCRAM-SHA-256", EVP_sha256(), user, password);
	else if (imapc_can(c, "AUTH=SCRAM-SHA-1"))
		r = scram(c, "SCRAM-SHA-1", EVP_sha1(), user, password);
	else if (imapc_can(c, "AUTH=PLAIN"))
		r = plain(c, user, password);
	else if (imapc_can(c, "LOGINDISABLED"))
		r = imapc_fail(c, DENY, "the server offers no way to log in that is understood here");
	else
		r = login(c, user, password);
	buf_clear(&c->capability);
	if (r == OK)
		r = imapc_capability(c);
	if (r != OK)
		buf_puts(why, imapc_why(c));
	return r;
}
