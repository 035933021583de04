/* Codes that people type: those of an authenticator (RFC 6238), and recovery codes. */
#include "keys/credential.h"
#include "keys/inner.h"
#include "keys/totp.h"

/* 31 letters and digits without look-alikes: a little under 5 bits each. */
void code_make(struct buf *out, size_t n)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	unsigned limit = 256 - 256 % (sizeof letters - 1); /* above it letters would not be equally likely */
	for (size_t made = 0; made < n;) {
		unsigned char octet;
		vault_random(&octet, 1);
		if (octet >= limit)
			continue;
		if (made && made % 5 == 0)
			buf_putc(out, '-');
		buf_putc(out, letters[octet % (sizeof letters - 1)]);
		made++;
	}
}

void code_mac(struct keys *k, uint64_t account, struct slice typed, char out[CREDENTIAL_MAC])
{
	SECRET_LOCAL(b, LIMIT_PASSWORD + 64);
	buf_puts(&b, "code");
	buf_put(&b, slice_of(&account, sizeof account));
	for (size_t i = 0; i < typed.n; i++)
		if (typed.p[i] != '-' && typed.p[i] != ' ')
			buf_putc(&b, ascii_lower(typed.p[i]));
	vault_mac(k->vault, VAULT_CODES, buf_slice(&b), out);
}

/* ---- checking; with the lock ---- */

static enum result check_totp(struct keys *k, struct credential *c, struct slice code, int64_t now_ms)
{
	uint64_t step;
	if (totp_check(c->secret, code, now_ms, c->counter, &step) != OK)
		return DENY;
	c->counter = step;
	c->used_ms = now_ms;
	return credential_put(k, c);
}

static enum result check_recovery(struct keys *k, struct credential *c, struct slice code, int64_t now_ms)
{
	char mac[CREDENTIAL_MAC], left[RECOVERY_CODES * CREDENTIAL_MAC];
	bool found = false;
	if (c->secret.n != sizeof left)
		return DENY;
	memcpy(left, c->secret.p, sizeof left);
	code_mac(k, c->account, code, mac);
	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		char *at = left + i * CREDENTIAL_MAC;
		if (!slice_eq_secret(slice_of(at, CREDENTIAL_MAC), slice_of(mac, CREDENTIAL_MAC)))
			continue;
		memset(at, 0, CREDENTIAL_MAC);
		found = true;
	}
	if (!found)
		return DENY;
	c->secret = slice_of(left, sizeof left);
	c->used_ms = now_ms;
	return credential_put(k, c);
}

static enum result check_one(
    struct keys *k, struct credential *c, enum ipc_factor kind, struct slice code, int64_t now_ms)
{
	if (kind == FACTOR_TOTP && c->kind == CREDENTIAL_TOTP && !c->waits)
		return check_totp(k, c, code, now_ms);
	if (kind == FACTOR_RECOVERY && c->kind == CREDENTIAL_RECOVERY)
		return check_recovery(k, c, code, now_ms);
	if (sent_kind(kind) == c->kind && !c->waits)
		return sent_check(k, c, code, now_ms);
	return DENY;
}

enum result factor_check(
    struct keys *k, uint64_t account, enum ipc_factor kind, struct slice code, int64_t now_ms)
{
	struct credentials all;
	ARENA_LOCAL(a, LIMIT_CREDENTIALS * LIMIT_CREDENTIAL);
	if (attempts_factor_wait(k->attempts, account, clock_utc_ms()))
		return LATER;
	pthread_mutex_lock(&k->credentials_lock);
	enum result r = credentials_of(k, account, &a, &all), done = r == OK ? DENY : r;
	for (size_t i = 0; i < all.n && done == DENY; i++)
		done = check_one(k, &all.at[i], kind, code, now_ms);
	pthread_mutex_unlock(&k->credentials_lock);
	if (done == DENY)
		attempts_factor_failed(k->attempts, account, clock_utc_ms());
	return done;
}
