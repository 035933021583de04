/*
 * A sealed grant: version, numbers (big-endian), length and octets of the service, 2 octets of length and the octets of the
 * login, then the HMAC of all that. Warrants and receipts are made alike, and begin with other octets.
 */
#include "ipc/grant.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define VERSION 3
#define WARRANT 'W'
#define RECEIPT 'R'
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

/* Adds the octets of b with their HMAC to out. */
static enum result seal(struct slice key, struct buf *b, struct buf *out)
{
	char mac[MAC];
	mac_of(key, buf_slice(b), mac);
	buf_put(b, slice_of(mac, sizeof mac));
	buf_put(out, buf_slice(b));
	return buf_result(out) == OK ? buf_result(b) : FULL;
}

/* What was sealed; BAD, DENY as ipc_grant_verify. */
static enum result unseal(struct slice key, struct slice sealed, size_t most, struct slice *text_out)
{
	if (sealed.n < MAC || sealed.n > most)
		return BAD;
	struct slice text = slice_sub(sealed, 0, sealed.n - MAC);
	char mac[MAC];
	mac_of(key, text, mac);
	if (!slice_eq_secret(slice_of(mac, MAC), slice_sub(sealed, text.n, MAC)))
		return DENY;
	*text_out = text;
	return OK;
}

#define PROVEN 1u
#define CHANGE 2u

enum result ipc_grant_seal(struct slice key, const struct ipc_grant *g, struct buf *out)
{
	if (g->service.n > SERVICE_MOST || g->login.n > LIMIT_LOGIN_NAME)
		return FULL;
	BUF_LOCAL(b, GRANT_MOST);
	buf_putc(&b, VERSION);
	put_number(&b, g->account, 8);
	put_number(&b, (uint64_t)g->issued_ms, 8);
	put_number(&b, g->credential, 8);
	put_number(&b, g->epoch, 8);
	put_number(&b, (uint64_t)g->made_ms, 8);
	put_number(&b, g->session, 8);
	put_number(&b, g->factors, 1);
	put_number(&b, (g->proven ? PROVEN : 0u) | (g->change ? CHANGE : 0u), 1);
	put_number(&b, (uint64_t)g->verdict, 1);
	put_number(&b, g->flags, 4);
	put_number(&b, g->suspect, 8);
	put_number(&b, g->service.n, 1);
	buf_put(&b, g->service);
	put_number(&b, g->login.n, 2);
	buf_put(&b, g->login);
	return seal(key, &b, out);
}

enum result ipc_grant_verify(struct slice key, struct slice sealed, int64_t now_ms, struct ipc_grant *out)
{
	struct slice text;
	enum result r = unseal(key, sealed, GRANT_MOST, &text);
	if (r != OK)
		return r;
	struct cursor c = cursor_of(text);
	struct ipc_grant g = {0};
	if (cursor_take(&c) != VERSION)
		return BAD;
	g.account = take_number(&c, 8);
	g.issued_ms = (int64_t)take_number(&c, 8);
	g.credential = take_number(&c, 8);
	g.epoch = take_number(&c, 8);
	g.made_ms = (int64_t)take_number(&c, 8);
	g.session = take_number(&c, 8);
	g.factors = (unsigned)take_number(&c, 1);
	unsigned flags = (unsigned)take_number(&c, 1);
	g.proven = flags & PROVEN;
	g.change = flags & CHANGE;
	g.verdict = (enum grant_verdict)take_number(&c, 1);
	g.flags = (uint32_t)take_number(&c, 4);
	g.suspect = take_number(&c, 8);
	g.service = cursor_bytes(&c, (size_t)take_number(&c, 1));
	g.login = cursor_bytes(&c, (size_t)take_number(&c, 2));
	if (cursor_done(&c) != OK || g.verdict >= GRANT_VERDICTS)
		return BAD;
	if (now_ms < g.issued_ms - CLOCK_SLACK_MS || now_ms > g.issued_ms + GRANT_MS)
		return DENY;
	*out = g;
	return OK;
}

enum result ipc_warrant_seal(struct slice key, const struct ipc_warrant *w, bool receipt, struct buf *out)
{
	if (w->text.n > WARRANT_TEXT || w->login.n > LIMIT_LOGIN_NAME)
		return FULL;
	BUF_LOCAL(b, WARRANT_MOST);
	buf_putc(&b, receipt ? RECEIPT : WARRANT);
	put_number(&b, w->act, 1);
	put_number(&b, w->account, 8);
	put_number(&b, w->epoch, 8);
	put_number(&b, w->session, 8);
	put_number(&b, (uint64_t)w->until_ms, 8);
	put_number(&b, (uint64_t)w->ends_ms, 8);
	put_number(&b, w->bits, 4);
	put_number(&b, w->login.n, 2);
	buf_put(&b, w->login);
	put_number(&b, w->text.n, 2);
	buf_put(&b, w->text);
	return seal(key, &b, out);
}

enum result ipc_warrant_verify(
    struct slice key, struct slice sealed, bool receipt, int64_t now_ms, struct ipc_warrant *out)
{
	struct slice text;
	enum result r = unseal(key, sealed, WARRANT_MOST, &text);
	if (r != OK)
		return r;
	struct cursor c = cursor_of(text);
	struct ipc_warrant w = {0};
	if (cursor_take(&c) != (receipt ? RECEIPT : WARRANT))
		return BAD;
	w.act = (enum warrant_act)take_number(&c, 1);
	w.account = take_number(&c, 8);
	w.epoch = take_number(&c, 8);
	w.session = take_number(&c, 8);
	w.until_ms = (int64_t)take_number(&c, 8);
	w.ends_ms = (int64_t)take_number(&c, 8);
	w.bits = (unsigned)take_number(&c, 4);
	w.login = cursor_bytes(&c, (size_t)take_number(&c, 2));
	w.text = cursor_bytes(&c, (size_t)take_number(&c, 2));
	if (cursor_done(&c) != OK)
		return BAD;
	if (now_ms > w.until_ms)
		return DENY;
	*out = w;
	return OK;
}
