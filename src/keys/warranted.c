/* KEYS_WARRANTED: what store has allowed, done with a secret that it does not see. The answer has a receipt for store. */
#include "keys/inner.h"
#include "keys/jose.h"
#include "keys/passkey.h"
#include "keys/totp.h"
#include <openssl/sha.h>

#define RECOVERY_LETTERS 10

struct warranted {
	struct keys *keys;
	struct arena *arena;
	const Sekisho__WarrantedAsk *ask;
	struct ipc_warrant warrant; /* becomes the receipt */
	Sekisho__WarrantedAnswer *answer;
	const char *why;
};

static struct slice slice_b(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static const char *ip_of(const struct warranted *w)
{
	return w->ask->client ? w->ask->client->ip : "";
}

static enum result refuse(struct warranted *w, enum result r, const char *why)
{
	w->why = why;
	return r;
}

static ProtobufCBinaryData keep(struct warranted *w, struct slice s)
{
	s = arena_dup(w->arena, s);
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* The login that the warrant names. */
static enum result find_login(struct warranted *w, struct login *out)
{
	BUF_LOCAL(name, 8192);
	enum result r = login_prepare(w->warrant.login, &name) == FULL
			    ? GONE
			    : login_find(w->keys, buf_slice(&name), w->arena, out);
	return r == OK ? OK : refuse(w, LATER, "the login cannot be read");
}

/* ---- passwords ---- */

static enum result set_password(struct warranted *w, bool change)
{
	const struct ipc_warrant *warrant = &w->warrant;
	struct keys_password p = {.account = warrant->account,
	    .login = warrant->login,
	    .password = slice_b(w->ask->secret),
	    .words = warrant->text,
	    .epoch = warrant->epoch,
	    .change = change};
	return keys_set_password(w->keys, &p, &w->why);
}

static enum result check_old(struct warranted *w)
{
	struct login l;
	SECRET_LOCAL(password, 8192);
	struct keys *k = w->keys;
	enum result r = find_login(w, &l);
	if (r != OK)
		return r;
	struct attempt a = {.login = l.name, .account = l.account, .ip = ip_of(w)};
	struct attempt_view seen;
	attempts_look(k->attempts, &a, clock_utc_ms(), &seen);
	if (seen.wait_ms || seen.blocked)
		return refuse(w, LATER, "too many wrong passwords, try again later");
	if (password_prepare(slice_b(w->ask->old), &password) == FULL ||
	    password_verify(buf_slice(&password), l.secret.hash) != OK) {
		a.password = buf_slice(&password);
		attempts_failed(k->attempts, &a, clock_utc_ms(), &seen);
		r = refuse(w, DENY, "the password as it is now is wrong");
	}
	explicit_bzero(&l.secret, sizeof l.secret);
	return r;
}

static enum result do_password_set(struct warranted *w)
{
	enum result r = check_old(w);
	return r == OK ? set_password(w, false) : r;
}

static enum result do_password_reset(struct warranted *w)
{
	return set_password(w, w->warrant.bits & 1);
}

/* ---- codes ---- */

static enum result find_kind(
    struct warranted *w, enum credential_kind kind, bool waits, struct credential *out)
{
	struct credentials all;
	enum result r = credentials_of(w->keys, w->warrant.account, w->arena, &all);
	for (size_t i = 0; i < all.n && r == OK; i++)
		if (all.at[i].kind == kind && all.at[i].waits == waits) {
			*out = all.at[i];
			return OK;
		}
	return r == OK ? GONE : r;
}

/* A new key that waits for its first code, in place of another that did. */
static enum result do_totp_begin(struct warranted *w)
{
	char key[TOTP_KEY];
	struct credential c = {
	    .account = w->warrant.account, .kind = CREDENTIAL_TOTP, .made_ms = clock_utc_ms()};
	enum result r = find_kind(w, CREDENTIAL_TOTP, true, &c);
	if (r != OK && r != GONE)
		return r;
	vault_random(key, sizeof key);
	c.waits = true;
	c.epoch = w->warrant.epoch;
	c.made_ms = clock_utc_ms();
	c.secret = slice_of(key, sizeof key);
	r = credential_put(w->keys, &c);
	if (r == OK)
		w->answer->secret = keep(w, c.secret);
	w->answer->credential = c.id;
	explicit_bzero(key, sizeof key);
	return r;
}

static enum result make_recovery(struct warranted *w);

/* The one that waits takes the place of the one there is. */
static enum result do_totp_confirm(struct warranted *w)
{
	struct keys *k = w->keys;
	struct credential c, old;
	struct login l;
	enum result r = find_kind(w, CREDENTIAL_TOTP, true, &c);
	if (r != OK)
		return refuse(w, r, "begin with a new key first");
	if (attempts_factor_wait(k->attempts, c.account, clock_utc_ms()))
		return refuse(w, LATER, "too many wrong codes, try again later");
	if (totp_check(c.secret, slice_b(w->ask->secret), clock_utc_ms(), 0, &c.counter) != OK) {
		attempts_factor_failed(k->attempts, c.account, clock_utc_ms());
		return refuse(w, DENY, "the code is wrong; is the clock of the device right?");
	}
	r = find_login(w, &l);
	if (r != OK)
		return r;
	w->warrant.bits = l.change;
	explicit_bzero(&l.secret, sizeof l.secret);
	bool replaces = find_kind(w, CREDENTIAL_TOTP, false, &old) == OK;
	c.waits = false;
	r = credential_put(k, &c);
	if (r == OK && replaces)
		r = book_credential_remove(k->book, old.account, old.id);
	return r == OK && find_kind(w, CREDENTIAL_RECOVERY, false, &old) == GONE ? make_recovery(w) : r;
}

/* New codes; the old ones are good no more. */
static enum result make_recovery(struct warranted *w)
{
	char macs[RECOVERY_CODES * CREDENTIAL_MAC];
	struct credential c = {.account = w->warrant.account, .kind = CREDENTIAL_RECOVERY};
	enum result r = find_kind(w, CREDENTIAL_RECOVERY, false, &c);
	if (r != OK && r != GONE)
		return r;
	char **codes = arena_array(w->arena, RECOVERY_CODES, sizeof *codes);
	for (size_t i = 0; i < RECOVERY_CODES && codes; i++) {
		SECRET_LOCAL(text, 64);
		code_make(&text, RECOVERY_LETTERS);
		code_mac(w->keys, c.account, buf_slice(&text), macs + i * CREDENTIAL_MAC);
		codes[i] = arena_z(w->arena, buf_slice(&text));
	}
	if (arena_full(w->arena))
		return FULL;
	c.epoch = w->warrant.epoch;
	c.made_ms = clock_utc_ms();
	c.used_ms = 0;
	c.secret = slice_of(macs, sizeof macs);
	r = credential_put(w->keys, &c);
	if (r == OK) {
		w->answer->codes = codes;
		w->answer->n_codes = RECOVERY_CODES;
	}
	return r;
}

static enum result do_recovery_make(struct warranted *w)
{
	struct credentials all;
	if (credentials_of(w->keys, w->warrant.account, w->arena, &all) != OK ||
	    !(credentials_factors(&all) & FACTORS_PROVING))
		return refuse(w, DENY, "there is no second factor to recover from");
	return make_recovery(w);
}

/* The first code of a new address. It takes the place of the address there is. */
static enum result do_code_confirm(struct warranted *w)
{
	struct keys *k = w->keys;
	enum credential_kind kind = sent_kind(w->warrant.bits);
	struct credential c, old;
	struct login l;
	enum result r = kind ? find_kind(w, kind, true, &c) : GONE;
	if (r != OK)
		return refuse(w, r, "ask for a code first");
	if (attempts_factor_wait(k->attempts, c.account, clock_utc_ms()))
		return refuse(w, LATER, "too many wrong codes, try again later");
	r = sent_check(k, &c, slice_b(w->ask->secret), clock_utc_ms());
	if (r == DENY) {
		attempts_factor_failed(k->attempts, c.account, clock_utc_ms());
		return refuse(w, DENY, "the code is wrong, or its ten minutes are over");
	}
	/* What was read before the check is not what is kept now. */
	if (r == OK)
		r = find_kind(w, kind, true, &c);
	if (r == OK)
		r = find_login(w, &l);
	if (r != OK)
		return r;
	w->warrant.bits = l.change;
	explicit_bzero(&l.secret, sizeof l.secret);
	bool replaces = find_kind(w, kind, false, &old) == OK;
	c.waits = false;
	r = credential_put(k, &c);
	if (r == OK && replaces)
		r = book_credential_remove(k->book, old.account, old.id);
	return r == OK && find_kind(w, CREDENTIAL_RECOVERY, false, &old) == GONE ? make_recovery(w) : r;
}

/* ---- an application's password ---- */

static enum result do_app_add(struct warranted *w)
{
	const struct ipc_warrant *warrant = &w->warrant;
	struct login l;
	char secret[APP_SECRET];
	SECRET_LOCAL(text, 64);
	enum result r = find_login(w, &l);
	if (r != OK)
		return r;
	app_make(w->keys, &l.secret.scram, &text, secret);
	code_mac(w->keys, warrant->account, buf_slice(&text), secret);
	explicit_bzero(&l.secret, sizeof l.secret);
	struct credential c = {.account = warrant->account,
	    .kind = CREDENTIAL_APP,
	    .epoch = warrant->epoch,
	    .made_ms = clock_utc_ms(),
	    .ends_ms = warrant->ends_ms,
	    .bits = warrant->bits,
	    .name = warrant->text,
	    .secret = slice_of(secret, sizeof secret)};
	r = credential_put(w->keys, &c);
	w->answer->secret = keep(w, buf_slice(&text));
	w->answer->credential = c.id;
	return r == FULL ? refuse(w, FULL, "there are too many; remove one first") : r;
}

/* ---- passkeys ---- */

/* The handles of those there are, for a browser to look for. */
static enum result list_passkeys(struct warranted *w)
{
	struct credentials all;
	struct passkey p;
	enum result r = credentials_of(w->keys, w->warrant.account, w->arena, &all);
	char **handles = arena_array(w->arena, LIMIT_CREDENTIALS, sizeof *handles);
	w->answer->codes = handles;
	for (size_t i = 0; i < all.n && r == OK && handles; i++) {
		BUF_LOCAL(text, PASSKEY_ID * 2);
		if (all.at[i].kind != CREDENTIAL_PASSKEY || passkey_read(all.at[i].secret, &p) != OK)
			continue;
		jose_base64url(&text, p.id);
		handles[w->answer->n_codes++] = arena_z(w->arena, buf_slice(&text));
	}
	return arena_full(w->arena) ? FULL : r;
}

/* The credential with this handle; GONE: there is none. */
static enum result find_passkey(
    struct warranted *w, struct slice id, struct credential *out, struct passkey *passkey_out)
{
	struct credentials all;
	enum result r = credentials_of(w->keys, w->warrant.account, w->arena, &all);
	for (size_t i = 0; i < all.n && r == OK; i++)
		if (all.at[i].kind == CREDENTIAL_PASSKEY &&
		    passkey_read(all.at[i].secret, passkey_out) == OK && slice_eq(passkey_out->id, id)) {
			*out = all.at[i];
			return OK;
		}
	return r == OK ? GONE : r;
}

/* The challenge was a warrant for this, too: given to the same session a moment ago. */
static enum result check_challenge(struct warranted *w)
{
	struct ipc_warrant asked;
	struct slice challenge = slice_b(w->ask->secret);
	enum result r =
	    ipc_warrant_verify(slice_of(w->keys->grant, GRANT_KEY), challenge, false, clock_utc_ms(), &asked);
	if (r != OK || asked.act != w->warrant.act || asked.account != w->warrant.account ||
	    asked.session != w->warrant.session)
		return DENY;
	return passkey_client(
	    slice_b(w->ask->passkey->client), "webauthn.create", challenge, w->keys->hostname);
}

static enum result do_passkey_add(struct warranted *w)
{
	const Sekisho__Passkey *made = w->ask->passkey;
	struct credential c = {.account = w->warrant.account,
	    .kind = CREDENTIAL_PASSKEY,
	    .epoch = w->warrant.epoch,
	    .made_ms = clock_utc_ms(),
	    .name = w->warrant.text};
	struct credential other;
	struct passkey there;
	struct login l;
	uint32_t counter = 0;
	BUF_LOCAL(secret, LIMIT_CREDENTIAL);
	if (!made)
		return list_passkeys(w);
	struct passkey p = {made->algorithm, slice_b(made->id), slice_b(made->key)};
	if (check_challenge(w) != OK || passkey_check(&p) != OK ||
	    passkey_authenticator(slice_b(made->authenticator), w->keys->hostname, &counter) != OK)
		return refuse(w, DENY, "this is no passkey for this server");
	if (find_passkey(w, p.id, &other, &there) != GONE)
		return refuse(w, DENY, "this passkey is there already");
	enum result r = find_login(w, &l);
	if (r != OK)
		return r;
	w->warrant.bits = l.change;
	explicit_bzero(&l.secret, sizeof l.secret);
	passkey_put(&p, &secret);
	c.counter = counter;
	c.secret = buf_slice(&secret);
	r = buf_result(&secret) == OK ? credential_put(w->keys, &c) : FULL;
	w->answer->credential = c.id;
	if (r == FULL)
		return refuse(w, FULL, "there are too many, or it is too long");
	return r == OK && find_kind(w, CREDENTIAL_RECOVERY, false, &other) == GONE ? make_recovery(w) : r;
}

/* With the lock. A counter that goes back is a copy's; those that never count stay at 0. */
static enum result check_signature(struct warranted *w)
{
	const Sekisho__Passkey *shown = w->ask->passkey;
	struct credential c;
	struct passkey p;
	uint32_t counter;
	struct slice authenticator = slice_b(shown->authenticator), client = slice_b(shown->client);
	enum result r = find_passkey(w, slice_b(shown->id), &c, &p);
	if (r != OK)
		return r == GONE ? DENY : r;
	if (passkey_client(client, "webauthn.get", slice_b(w->ask->warrant), w->keys->hostname) != OK ||
	    passkey_authenticator(authenticator, w->keys->hostname, &counter) != OK ||
	    passkey_verify(&p, authenticator, client, slice_b(shown->signature)) != OK ||
	    ((counter || c.counter) && counter <= c.counter))
		return DENY;
	c.counter = counter;
	c.used_ms = clock_utc_ms();
	return credential_put(w->keys, &c);
}

static enum result check_passkey(struct warranted *w)
{
	struct keys *k = w->keys;
	if (attempts_factor_wait(k->attempts, w->warrant.account, clock_utc_ms()))
		return LATER;
	pthread_mutex_lock(&k->credentials_lock);
	enum result r = check_signature(w);
	pthread_mutex_unlock(&k->credentials_lock);
	if (r == DENY)
		attempts_factor_failed(k->attempts, w->warrant.account, clock_utc_ms());
	return r;
}

/* ---- a second factor is shown ---- */

static enum result grant(struct warranted *w)
{
	struct login l;
	struct credentials all;
	BUF_LOCAL(sealed, GRANT_MOST);
	enum result r = find_login(w, &l);
	if (r == OK)
		r = credentials_of(w->keys, w->warrant.account, w->arena, &all);
	if (r != OK)
		return r;
	struct granted granted = {.login = &l, .service = "web", .factors = credentials_factors(&all)};
	r = keys_seal_grant(w->keys, &granted, w->warrant.session, true, &sealed);
	explicit_bzero(&l.secret, sizeof l.secret);
	w->answer->grant = keep(w, buf_slice(&sealed));
	return r;
}

/* Takes the lock itself. Without a kind: which passkeys there are. */
static enum result do_factor_check(struct warranted *w)
{
	if (!w->ask->kind)
		return list_passkeys(w);
	enum result r = w->ask->passkey
			    ? check_passkey(w)
			    : factor_check(w->keys, w->warrant.account, (enum ipc_factor)w->ask->kind,
				  slice_b(w->ask->secret), clock_utc_ms());
	if (r == OK)
		return grant(w);
	return refuse(w, r, r == DENY ? "the code is wrong" : "too many wrong codes, try again later");
}

/* ---- identities ---- */

static enum result do_id_token(struct warranted *w)
{
	struct slice claims = slice_b(w->ask->secret);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(token, ID_TOKEN_MOST);
	SHA256((const unsigned char *)claims.p, claims.n, digest);
	if (!slice_eq(w->warrant.text, slice_of(digest, sizeof digest)))
		return refuse(w, DENY, "these are not the claims that were allowed");
	enum result r = keys_id_token(w->keys, claims, &token);
	w->answer->secret = keep(w, buf_slice(&token));
	return r == OK ? OK : refuse(w, FULL, "the claims are too long");
}

/* ---- the ask ---- */

static const struct act {
	enum result (*run)(struct warranted *w);
	bool locked; /* credentials_lock */
} acts[] = {
    [WARRANT_FACTOR_CHECK] = {do_factor_check, false},
    [WARRANT_PASSWORD_SET] = {do_password_set, false},
    [WARRANT_PASSWORD_RESET] = {do_password_reset, false},
    [WARRANT_TOTP_BEGIN] = {do_totp_begin, true},
    [WARRANT_TOTP_CONFIRM] = {do_totp_confirm, true},
    [WARRANT_RECOVERY_MAKE] = {do_recovery_make, true},
    [WARRANT_APP_ADD] = {do_app_add, true},
    [WARRANT_PASSKEY_ADD] = {do_passkey_add, true},
    [WARRANT_CODE_CONFIRM] = {do_code_confirm, true},
    [WARRANT_ID_TOKEN] = {do_id_token, false},
};

static enum result run(struct warranted *w)
{
	const struct act *act = w->warrant.act < COUNT(acts) ? &acts[w->warrant.act] : NULL;
	if (!act || !act->run)
		return refuse(w, BAD, "nobody knows how to do this");
	if (act->locked)
		pthread_mutex_lock(&w->keys->credentials_lock);
	enum result r = act->run(w);
	if (act->locked)
		pthread_mutex_unlock(&w->keys->credentials_lock);
	return r;
}

void keys_on_warranted(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__WarrantedAsk *ask = t->ask;
	Sekisho__WarrantedAnswer answer = SEKISHO__WARRANTED_ANSWER__INIT;
	BUF_LOCAL(receipt, WARRANT_MOST);
	struct warranted w = {.keys = k, .arena = &t->arena, .ask = ask, .answer = &answer};
	struct slice key = slice_of(k->grant, GRANT_KEY);
	enum result r = ipc_warrant_verify(key, slice_b(ask->warrant), false, clock_utc_ms(), &w.warrant);
	r = r == OK ? run(&w) : refuse(&w, DENY, "this is not, or no longer, allowed");
	wipe(ask->secret.data, ask->secret.len);
	wipe(ask->old.data, ask->old.len);
	w.warrant.until_ms = clock_utc_ms() + MINUTE_MS;
	if (r == OK)
		r = ipc_warrant_seal(key, &w.warrant, true, &receipt);
	if (r != OK) {
		ipc_refuse(t, r, "%s", w.why ? w.why : "the key store cannot be used now");
		return;
	}
	answer.receipt = keep(&w, buf_slice(&receipt));
	ipc_answer(t, &answer, NULL);
}
