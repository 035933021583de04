/*
 * Logins: passwords and SCRAM.
 *
 * A password is looked up among the remembered verdicts; only what was not asked before waits for a hasher thread. Every
 * refusal has the same words, and a login that does not exist costs what one that does costs.
 */
#include "keys/inner.h"
#include <stdlib.h>

#define SCRAM_MS MINUTE_MS /* between the server's first and the client's last message */

static const char refused[] = "login name or password is wrong";

static struct slice slice_b(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static const char *ip_of(const Sekisho__Client *c)
{
	return c ? c->ip : "";
}

static const char *service_of(const Sekisho__Client *c)
{
	return c ? c->service : "";
}

static const char *wait_text(struct ipc_turn *t, int64_t wait)
{
	return arena_printf(&t->arena, "too many failed logins, try again in %lld s",
	    (long long)((wait + SECOND_MS - 1) / SECOND_MS));
}

static struct attempt attempt_of(const struct login *l, const char *ip, struct slice password)
{
	return (struct attempt){.login = l->name, .account = l->account, .ip = ip, .password = password};
}

/* The refusal of a client that may not try now; NULL: it may, or *refused_out. */
static Sekisho__GrantAnswer *held_back(struct ipc_turn *t, const struct login *l, const char *service,
    const struct attempt *a, bool *refused_out)
{
	struct keys *k = ipc_server_context(t);
	struct attempt_view seen;
	attempts_look(k->attempts, a, clock_utc_ms(), &seen);
	*refused_out = seen.wait_ms || seen.blocked;
	if (!*refused_out)
		return NULL;
	struct granted g = {.login = l,
	    .service = service,
	    .verdict = seen.blocked ? GRANT_BLOCKED : GRANT_WAITS,
	    .seen = &seen,
	    .result = LATER,
	    .why = seen.blocked ? "too many failed logins" : wait_text(t, seen.wait_ms)};
	return keys_grant(t, &g);
}

/* ---- hashers ---- */

/* The same work whether the login exists or not. */
static enum verdict verify(struct keys *k, const struct check *c)
{
	const char *hash = c->exists ? c->login.secret.hash : k->nobody.hash;
	enum result r = password_verify(c->password, hash);
	return r == OK && c->exists ? VERDICT_RIGHT : VERDICT_WRONG;
}

/* Hashes made with older parameters are made anew; when that cannot be stored, the old one still serves. */
static void renew(struct keys *k, struct check *c)
{
	struct login_secret *s = &c->login.secret;
	if (!password_hash_is_old(s->hash) && s->scram.iterations == SCRAM_ITERATIONS)
		return;
	login_secret_make(c->password, s, s);
	result_ignore(login_store(k, &c->login));
}

/* With a second factor the password alone is for the web, where that is asked for. */
static bool is_enough(const char *service, unsigned factors)
{
	return !(factors & FACTORS_PROVING) || !app_service(slice_str(service));
}

static void check_wipe(struct check *c)
{
	wipe((void *)(uintptr_t)c->password.p, c->password.n);
	explicit_bzero(&c->login.secret, sizeof c->login.secret);
}

/* A right password that is not enough here is no guess: nothing is counted. */
static void check_end(struct keys *k, struct check *c, enum verdict verdict)
{
	bool right = verdict == VERDICT_RIGHT, enough = c->app || is_enough(c->service, c->factors);
	struct attempt a = attempt_of(&c->login, c->ip, c->password);
	struct attempt_view seen = {0};
	if (right && enough)
		attempts_right(k->attempts, &a, clock_utc_ms(), &seen);
	else if (!right)
		attempts_failed(k->attempts, &a, clock_utc_ms(), &seen);
	check_wipe(c);
	struct granted g = {
	    .login = &c->login, .service = c->service, .factors = c->factors, .app = c->app, .seen = &seen};
	if (!right || !enough) {
		g.verdict = right ? GRANT_FACTOR : c->exists ? GRANT_WRONG : GRANT_NO_LOGIN;
		g.result = DENY;
		g.why = refused;
	}
	keys_answer_grant(c->turn, &g);
}

/*
 * Whoever has to wait hears only that a guess was wrong before: a right one that is remembered, answered at once, would
 * make every other answer a "wrong". True when the turn was refused.
 */
static bool check_waits(struct check *c, enum verdict v)
{
	struct attempt a = attempt_of(&c->login, c->ip, c->password);
	bool waits = false;
	Sekisho__GrantAnswer *answer =
	    v == VERDICT_WRONG ? NULL : held_back(c->turn, &c->login, c->service, &a, &waits);
	if (!waits)
		return false;
	check_wipe(c);
	if (answer)
		ipc_answer(c->turn, answer, NULL);
	return true;
}

static void check_run(struct keys *k, struct check *c)
{
	/* Of many connections with the same password that came at once only the first needs the hash. */
	enum verdict v = verdict_get(&k->verdicts, c->name, clock_mono_ms());
	/* Again: guesses that came at once with this one may have failed meanwhile. */
	if (check_waits(c, v))
		return;
	if (v == VERDICT_NONE) {
		v = verify(k, c);
		verdict_put(&k->verdicts, c->name, v, clock_mono_ms());
		if (v == VERDICT_RIGHT)
			renew(k, c);
	}
	check_end(k, c, v);
}

static void *hasher(void *arg)
{
	struct keys *k = arg;
	pthread_mutex_lock(&k->checks_lock);
	while (!k->stopping) {
		struct check *c = k->checks;
		if (!c) {
			pthread_cond_wait(&k->checks_wait, &k->checks_lock);
			continue;
		}
		if (!(k->checks = c->next))
			k->checks_end = &k->checks;
		k->checks_n--;
		pthread_mutex_unlock(&k->checks_lock);
		check_run(k, c);
		pthread_mutex_lock(&k->checks_lock);
	}
	pthread_mutex_unlock(&k->checks_lock);
	return NULL;
}

void hashers_start(struct keys *k)
{
	pthread_mutex_init(&k->checks_lock, NULL);
	pthread_cond_init(&k->checks_wait, NULL);
	k->checks_end = &k->checks;
	for (size_t i = 0; i < KEYS_HASHERS; i++)
		if (pthread_create(&k->hashers[i], NULL, hasher, k) != 0)
			abort();
}

void hashers_stop(struct keys *k)
{
	pthread_mutex_lock(&k->checks_lock);
	k->stopping = true;
	pthread_cond_broadcast(&k->checks_wait);
	pthread_mutex_unlock(&k->checks_lock);
	for (size_t i = 0; i < KEYS_HASHERS; i++)
		pthread_join(k->hashers[i], NULL);
	pthread_mutex_destroy(&k->checks_lock);
	pthread_cond_destroy(&k->checks_wait);
}

static bool check_wait(struct keys *k, struct check *c)
{
	pthread_mutex_lock(&k->checks_lock);
	bool room = k->checks_n < KEYS_WAITING;
	if (room) {
		*k->checks_end = c;
		k->checks_end = &c->next;
		k->checks_n++;
		pthread_cond_signal(&k->checks_wait);
	}
	pthread_mutex_unlock(&k->checks_lock);
	return room;
}

/* ---- passwords ---- */

/* Fills in the check: OK, or DENY for a login or password that cannot exist, LATER when the book cannot be read. */
static enum result check_make(struct ipc_turn *t, struct check *c)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__PasswordAsk *ask = t->ask;
	BUF_LOCAL(login, 8192);
	SECRET_LOCAL(password, 8192);
	*c = (struct check){.turn = t, .ip = ip_of(ask->client), .service = service_of(ask->client)};
	enum result named = login_prepare(slice_str(ask->login), &login);
	enum result typed = password_prepare(slice_b(ask->password), &password);
	if (named == FULL || typed == FULL || login.n == 0)
		return DENY;
	enum result found = login_find(k, buf_slice(&login), &t->arena, &c->login);
	if (found != OK && found != GONE)
		return found;
	c->exists = found == OK;
	c->password = arena_dup(&t->arena, buf_slice(&password));
	struct credentials all = {0};
	enum result r = c->exists ? credentials_of(k, c->login.account, &t->arena, &all) : OK;
	if (r != OK)
		return r;
	c->factors = credentials_factors(&all);
	c->app = app_find(k, &all, c->password, app_service(slice_str(c->service)));
	verdict_name(k->vault, c->login.name, c->password, c->exists ? c->login.version : 0, c->name);
	return OK;
}

void keys_on_password(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__PasswordAsk *ask = t->ask;
	struct check *c = arena_new(&t->arena, struct check);
	enum result r = c ? check_make(t, c) : LATER;
	wipe(ask->password.data, ask->password.len);
	if (r != OK) {
		ipc_refuse(t, r, r == DENY ? refused : "logins cannot be checked now");
		return;
	}
	enum verdict v = c->app ? VERDICT_RIGHT : verdict_get(&k->verdicts, c->name, clock_mono_ms());
	if (check_waits(c, v))
		return;
	if (v != VERDICT_NONE) {
		if (c->app)
			app_used(k, c->app);
		check_end(k, c, v);
		return;
	}
	if (!check_wait(k, c)) {
		check_wipe(c);
		ipc_refuse(t, LATER, "too many logins at once");
	}
}

/* ---- tokens ---- */

/* Store knows them; here is counted who tries wrong ones, together with passwords. */
static enum result bearer_login(struct ipc_turn *t, struct login *l)
{
	const Sekisho__BearerAsk *ask = t->ask;
	BUF_LOCAL(name, 8192);
	*l = (struct login){0};
	if (login_prepare(slice_str(ask->login), &name) == FULL)
		return DENY;
	enum result r = login_find(ipc_server_context(t), buf_slice(&name), &t->arena, l);
	explicit_bzero(&l->secret, sizeof l->secret);
	return r == GONE ? OK : r;
}

void keys_on_bearer(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__BearerAsk *ask = t->ask;
	Sekisho__GrantAnswer may = SEKISHO__GRANT_ANSWER__INIT;
	struct login l;
	bool waits = false;
	enum result r = bearer_login(t, &l);
	if (r != OK) {
		ipc_refuse(t, r, r == DENY ? refused : "logins cannot be checked now");
		return;
	}
	struct attempt a = attempt_of(&l, ip_of(ask->client), slice_b(ask->wrong));
	if (ask->wrong.len) {
		struct attempt_view seen = {0};
		attempts_failed(k->attempts, &a, clock_utc_ms(), &seen);
		keys_answer_grant(t, &(struct granted){.login = &l,
					 .service = service_of(ask->client),
					 .verdict = l.account ? GRANT_WRONG : GRANT_NO_LOGIN,
					 .seen = &seen,
					 .result = DENY,
					 .why = refused});
		return;
	}
	const Sekisho__GrantAnswer *answer = held_back(t, &l, service_of(ask->client), &a, &waits);
	if (!waits || answer)
		ipc_answer(t, waits ? answer : &may, NULL);
}

/* ---- SCRAM ---- */

/*
 * Between the two messages nothing is kept here: the state travels with the front, sealed by a key of this process: time,
 * login, client's first message, our first message, each text with its length.
 */
struct scram_state {
	int64_t issued_ms;
	struct slice login, client_first, server_first;
};

static void put_field(struct buf *b, struct slice s)
{
	uint32_t n = (uint32_t)s.n;
	buf_put(b, slice_of(&n, sizeof n));
	buf_put(b, s);
}

static struct slice take_field(struct cursor *c)
{
	uint32_t n = 0;
	struct slice head = cursor_bytes(c, sizeof n);
	if (head.n)
		memcpy(&n, head.p, sizeof n);
	return cursor_bytes(c, n);
}

static void state_seal(const struct keys *k, const struct scram_state *s, struct buf *out)
{
	BUF_LOCAL(b, 8192);
	buf_put(&b, slice_of(&s->issued_ms, sizeof s->issued_ms));
	put_field(&b, s->login);
	put_field(&b, s->client_first);
	put_field(&b, s->server_first);
	vault_seal(k->vault, VAULT_STATE, SLICE("scram"), buf_slice(&b), out);
}

static enum result state_open(
    const struct keys *k, struct slice sealed, struct buf *text, struct scram_state *out)
{
	if (vault_unseal(k->vault, VAULT_STATE, SLICE("scram"), sealed, text) != OK)
		return DENY;
	struct cursor c = cursor_of(buf_slice(text));
	struct slice issued = cursor_bytes(&c, sizeof out->issued_ms);
	out->login = take_field(&c);
	out->client_first = take_field(&c);
	out->server_first = take_field(&c);
	if (cursor_done(&c) != OK)
		return DENY;
	memcpy(&out->issued_ms, issued.p, issued.n);
	return clock_mono_ms() - out->issued_ms <= SCRAM_MS ? OK : DENY;
}

/* A login that does not exist gets a salt too, always the same one. */
static void salt_of_nobody(const struct keys *k, struct slice name, struct login_secret *out)
{
	char made[32];
	vault_mac(k->vault, VAULT_SALT, name, made);
	*out = k->nobody;
	memcpy(out->scram.salt, made, SCRAM_SALT);
}

void keys_on_scram_start(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__ScramStartAsk *ask = t->ask;
	struct slice bare = slice_b(ask->client_first_bare), nonce;
	BUF_LOCAL(typed, SCRAM_MESSAGE);
	BUF_LOCAL(name, 8192);
	if (scram_bare_parse(bare, &typed, &nonce) != OK ||
	    !slice_eq(buf_slice(&typed), slice_str(ask->login)) ||
	    login_prepare(buf_slice(&typed), &name) == FULL) {
		ipc_refuse(t, BAD, "malformed SCRAM message");
		return;
	}
	struct login l;
	enum result r = login_find(k, buf_slice(&name), &t->arena, &l);
	if (r == GONE)
		salt_of_nobody(k, buf_slice(&name), &l.secret);
	else if (r != OK) {
		ipc_refuse(t, LATER, "logins cannot be checked now");
		return;
	}
	Sekisho__ScramStartAnswer answer = SEKISHO__SCRAM_START_ANSWER__INIT;
	struct attempt a = attempt_of(&l, ip_of(ask->client), SLICE_NONE);
	bool waits;
	answer.refusal = held_back(t, &l, service_of(ask->client), &a, &waits);
	if (waits) {
		explicit_bzero(&l.secret, sizeof l.secret);
		if (answer.refusal)
			ipc_answer(t, &answer, NULL);
		return;
	}
	char octets[18];
	BUF_LOCAL(ours, 64);
	BUF_LOCAL(first, SCRAM_MESSAGE * 2);
	BUF_LOCAL(state, 8192);
	vault_random(octets, sizeof octets);
	buf_base64(&ours, slice_of(octets, sizeof octets));
	scram_server_first(nonce, buf_slice(&ours), slice_of(l.secret.scram.salt, SCRAM_SALT),
	    l.secret.scram.iterations, &first);
	explicit_bzero(&l.secret, sizeof l.secret);
	struct scram_state s = {clock_mono_ms(), buf_slice(&name), bare, buf_slice(&first)};
	state_seal(k, &s, &state);
	answer.server_first = (ProtobufCBinaryData){first.n, (uint8_t *)first.p};
	answer.state = (ProtobufCBinaryData){state.n, (uint8_t *)state.p};
	ipc_answer(t, &answer, NULL);
}

struct scram_try {
	const Sekisho__ScramFinishAsk *ask;
	struct slice auth;
	const struct login *login;
	bool exists;
	struct arena *arena;
};

/* The proof may be of the password or of any application's: all have the login's salt. */
static enum result scram_any(
    struct keys *k, const struct scram_try *s, struct granted *granted, struct buf *final_out)
{
	struct credentials all = {0};
	const char *service = service_of(s->ask->client);
	unsigned bit = app_service(slice_str(service));
	struct slice proof = slice_b(s->ask->proof);
	enum result r = s->exists ? credentials_of(k, s->login->account, s->arena, &all) : OK;
	if (r != OK)
		return LATER;
	*granted =
	    (struct granted){.login = s->login, .service = service, .factors = credentials_factors(&all)};
	r = scram_finish(&s->login->secret.scram, s->auth, proof, final_out);
	if (r == OK)
		return s->exists && is_enough(service, granted->factors) ? OK : DENY;
	for (size_t i = 0; i < all.n && r == DENY; i++) {
		struct scram_keys keys = s->login->secret.scram;
		if (!app_opens(&all.at[i], bit))
			continue;
		app_scram(&all.at[i], &keys);
		r = scram_finish(&keys, s->auth, proof, final_out);
		granted->app = r == OK ? &all.at[i] : NULL;
		explicit_bzero(&keys, sizeof keys);
	}
	return r;
}

/* OK with the login and "v=..." when the proof is right; the same steps for a login that does not exist. */
static enum result scram_check(struct keys *k, const Sekisho__ScramFinishAsk *ask,
    const struct scram_state *s, struct arena *a, struct login *l, struct granted *granted,
    struct buf *final_out)
{
	struct slice last = slice_b(ask->client_final_without_proof);
	if (last.n > SCRAM_MESSAGE || !slice_eq(scram_nonce(last), scram_nonce(s->server_first)))
		return DENY;
	enum result found = login_find(k, s->login, a, l);
	if (found == GONE)
		salt_of_nobody(k, s->login, &l->secret);
	else if (found != OK)
		return LATER;
	BUF_LOCAL(auth, SCRAM_MESSAGE * 4);
	buf_put(&auth, s->client_first);
	buf_putc(&auth, ',');
	buf_put(&auth, s->server_first);
	buf_putc(&auth, ',');
	buf_put(&auth, last);
	enum result r =
	    scram_any(k, &(struct scram_try){ask, buf_slice(&auth), l, found == OK, a}, granted, final_out);
	explicit_bzero(&l->secret, sizeof l->secret);
	return r;
}

void keys_on_scram_finish(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__ScramFinishAsk *ask = t->ask;
	struct scram_state s;
	struct login l = {0};
	struct granted granted = {0};
	BUF_LOCAL(text, 8192);
	BUF_LOCAL(final, 128);
	if (state_open(k, slice_b(ask->state), &text, &s) != OK) {
		ipc_refuse(t, DENY, refused);
		return;
	}
	l.name = s.login;
	bool waits;
	struct attempt a = attempt_of(&l, ip_of(ask->client), SLICE_NONE);
	struct attempt_view seen = {0};
	Sekisho__GrantAnswer *wait = held_back(t, &l, service_of(ask->client), &a, &waits);
	if (waits) {
		if (wait)
			ipc_answer(t, wait, NULL);
		return;
	}
	enum result r = scram_check(k, ask, &s, &t->arena, &l, &granted, &final);
	if (r != OK && r != DENY) {
		ipc_refuse(t, r, "logins cannot be checked now");
		return;
	}
	a.account = l.account;
	granted.login = &l;
	granted.service = service_of(ask->client);
	granted.seen = &seen;
	if (r == OK) {
		attempts_right(k->attempts, &a, clock_utc_ms(), &seen);
		if (granted.app)
			app_used(k, granted.app);
		granted.server_final = buf_slice(&final);
	} else {
		attempts_failed(k->attempts, &a, clock_utc_ms(), &seen);
		granted.app = NULL;
		granted.verdict = l.account ? GRANT_WRONG : GRANT_NO_LOGIN;
		granted.result = DENY;
		granted.why = refused;
	}
	keys_answer_grant(t, &granted);
}
