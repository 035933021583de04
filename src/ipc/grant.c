/*
 * A sealed grant: version, account, issued_ms (both 8 octets, big-endian), length and octets of the service, 2 octets
 * of length and the octets of the login, then the HMAC of all that.
 */
#include "ipc/grant.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define VERSION 1
#define MAC ((size_t)32)
#define SERVICE_MOST 32
/* The two roles read the same clock; it may be set back a little between the two readings. */
#define CLOCK_SLACK_MS (5 * SECOND_MS)

static void mac_of(struct slice key, struct slice text, char out[MAC])
{
	unsigned n = 0;
	if (key.n != GRANT_KEY || !HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p,
				      text.n, (unsigned char *)out, &n))
		abort();
}

static void put_number(struct buf *b, uint64_t v, unsigned octets)
{
	for (unsigned i = octets; i-- > 0;)
		buf_putc(b, (char)(v >> (8 * i)));
}

static uint64_t take_number(struct cursor *c, unsigned octets)
{
	uint64_t v = 0;
	struct slice s = cursor_bytes(c, octets);
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

enum result ipc_grant_seal(struct slice key, const struct ipc_grant *g, struct buf *out)
{
	if (g->service.n > SERVICE_MOST || g->login.n > LIMIT_LOGIN_NAME)
		return FULL;
	BUF_LOCAL(b, GRANT_MOST);
	buf_putc(&b, VERSION);
	put_number(&b, g->account, 8);
	put_number(&b, (uint64_t)g->issued_ms, 8);
	put_number(&b, g->service.n, 1);
	buf_put(&b, g->service);
	put_number(&b, g->login.n, 2);
	buf_put(&b, g->login);
	char mac[MAC];
	mac_of(key, buf_slice(&b), mac);
	buf_put(&b, slice_of(mac, sizeof mac));
	buf_put(out, buf_slice(&b));
	return buf_result(out) == OK ? buf_result(&b) : FULL;
}

enum result ipc_grant_verify(struct slice key, struct slice sealed, int64_t now_ms, struct ipc_grant *out)
{
	if (sealed.n < MAC || sealed.n > GRANT_MOST)
		return BAD;
	struct slice text = slice_sub(sealed, 0, sealed.n - MAC);
	char mac[MAC];
	mac_of(key, text, mac);
	if (!slice_eq_secret(slice_of(mac, MAC), slice_sub(sealed, text.n, MAC)))
		return DENY;
	struct cursor c = cursor_of(text);
	struct ipc_grant g = {0};
	if (cursor_take(&c) != VERSION)
		return BAD;
	g.account = take_number(&c, 8);
	g.issued_ms = (int64_t)take_number(&c, 8);
	g.service = cursor_bytes(&c, (size_t)take_number(&c, 1));
	g.login = cursor_bytes(&c, (size_t)take_number(&c, 2));
	if (cursor_done(&c) != OK)
		return BAD;
	if (now_ms < g.issued_ms - CLOCK_SLACK_MS || now_ms > g.issued_ms + GRANT_MS)
		return DENY;
	*out = g;
	return OK;
}
