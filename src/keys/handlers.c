/* What is asked of keys, but for logins (check.c). */
#include "keys/inner.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

static struct slice slice_b(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

enum result keys_seal_grant(
    struct keys *k, const struct granted *granted, uint64_t session, bool proven, struct buf *out)
{
	const struct login *l = granted->login;
	struct ipc_grant g = {.account = l->account,
	    .issued_ms = clock_utc_ms(),
	    .verdict = granted->verdict,
	    .flags = granted->seen ? granted->seen->flags : 0,
	    .suspect = granted->seen ? granted->seen->suspect : 0,
	    .login = l->spelled.n ? l->spelled : l->name,
	    .service = slice_str(granted->service),
	    .credential = granted->app ? granted->app->id : 0,
	    .epoch = granted->app ? granted->app->epoch : l->epoch,
	    .made_ms = granted->app ? 0 : l->made_ms,
	    .session = session,
	    .factors = granted->factors,
	    .proven = proven,
	    .change = !granted->app && l->change};
	return ipc_grant_seal(slice_of(k->grant, GRANT_KEY), &g, out);
}

Sekisho__GrantAnswer *keys_grant(struct ipc_turn *t, const struct granted *granted)
{
	struct keys *k = ipc_server_context(t);
	Sekisho__GrantAnswer *answer = arena_new(&t->arena, Sekisho__GrantAnswer);
	const struct login *l = granted->login;
	BUF_LOCAL(sealed, GRANT_MOST);
	char *login = arena_z(&t->arena, l->spelled.n ? l->spelled : l->name);
	if (!answer || !login || keys_seal_grant(k, granted, 0, false, &sealed) != OK) {
		ipc_refuse(t, BAD, "the service's name is too long");
		return NULL;
	}
	sekisho__grant_answer__init(answer);
	answer->grant = bytes_of(arena_dup(&t->arena, buf_slice(&sealed)));
	answer->login = login;
	answer->server_final = bytes_of(granted->server_final);
	answer->result = granted->result;
	answer->why = (char *)(uintptr_t)(granted->why ? granted->why : "");
	return answer;
}

void keys_answer_grant(struct ipc_turn *t, const struct granted *granted)
{
	const Sekisho__GrantAnswer *answer = keys_grant(t, granted);
	if (answer)
		ipc_answer(t, answer, NULL);
}

/* One certificate a packet; the lock is not held while the peer reads. */
static void on_certificates(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	pthread_rwlock_rdlock(&k->certificates_lock);
	size_t n = k->certificates_n;
	Sekisho__Certificate *list = arena_array(&t->arena, n ? n : 1, sizeof *list);
	for (size_t i = 0; list && i < n; i++) {
		const struct certificate *c = k->certificates[i];
		list[i] = (Sekisho__Certificate)SEKISHO__CERTIFICATE__INIT;
		list[i].key = arena_z(&t->arena, slice_str(c->id));
		list[i].chain_pem = bytes_of(arena_dup(&t->arena, buf_slice(&c->chain_pem)));
		list[i].n_names = c->names_n;
		list[i].names = arena_array(&t->arena, c->names_n, sizeof *list[i].names);
		for (size_t j = 0; list[i].names && j < c->names_n; j++)
			list[i].names[j] = arena_z(&t->arena, slice_str(c->names[j]));
	}
	pthread_rwlock_unlock(&k->certificates_lock);
	if (arena_full(&t->arena)) {
		ipc_refuse(t, FULL, "too many certificates");
		return;
	}
	Sekisho__CertificateAnswer answer = SEKISHO__CERTIFICATE_ANSWER__INIT;
	for (size_t i = 0; i < n; i++) {
		Sekisho__Certificate *one = &list[i];
		answer.certificates = &one;
		answer.n_certificates = 1;
		if (i + 1 < n)
			ipc_answer_part(t, &answer, NULL);
		else
			ipc_answer(t, &answer, NULL);
	}
	if (n == 0)
		ipc_answer(t, &answer, NULL);
}

static enum result sign(struct keys *k, const Sekisho__SignAsk *ask, struct buf *out)
{
	for (size_t i = 0; i < k->certificates_n; i++) {
		const struct certificate *c = k->certificates[i];
		if (strcmp(c->id, ask->key) != 0)
			continue;
		if (ask->operation == SEKISHO__SIGN_ASK__OPERATION__ECDSA)
			return certificate_sign_ecdsa(c, slice_b(ask->input), out);
		return certificate_sign_rsa(c, slice_b(ask->input), out);
	}
	return GONE;
}

/* The answer to an authority's question is shaken hands with, too. */
static enum result sign_answer(struct keys *k, const Sekisho__SignAsk *ask, struct buf *out)
{
	pthread_mutex_lock(&k->acme->lock);
	const struct certificate *c = acme_alpn_key(k->acme, ask->key);
	enum result r = c ? certificate_sign_ecdsa(c, slice_b(ask->input), out) : GONE;
	pthread_mutex_unlock(&k->acme->lock);
	return r;
}

static void on_sign(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	BUF_LOCAL(signature, 1024);
	pthread_rwlock_rdlock(&k->certificates_lock);
	enum result r = sign(k, t->ask, &signature);
	pthread_rwlock_unlock(&k->certificates_lock);
	if (r == GONE)
		r = sign_answer(k, t->ask, &signature);
	if (r != OK) {
		ipc_refuse(t, r, r == GONE ? "no such key" : "this is not for signing");
		return;
	}
	Sekisho__SignAnswer answer = SEKISHO__SIGN_ANSWER__INIT;
	answer.output = bytes_of(buf_slice(&signature));
	ipc_answer(t, &answer, NULL);
}

static void on_data_key(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__DataKeyAsk *ask = t->ask;
	SECRET_LOCAL(key, VAULT_KEY + 1);
	BUF_LOCAL(wrapped, 256);
	if (ask->wrapped.len == 0) {
		char *p = buf_room(&key, VAULT_KEY);
		vault_random(p, VAULT_KEY);
		buf_wrote(&key, VAULT_KEY);
		vault_seal(k->vault, VAULT_DATA_KEY, SLICE("data key"), buf_slice(&key), &wrapped);
	} else {
		buf_put(&wrapped, slice_b(ask->wrapped));
		if (buf_result(&wrapped) != OK ||
		    vault_unseal(k->vault, VAULT_DATA_KEY, SLICE("data key"), buf_slice(&wrapped), &key) !=
			OK ||
		    key.n != VAULT_KEY) {
			ipc_refuse(t, DENY, "this data key was not wrapped by this master key");
			return;
		}
	}
	Sekisho__DataKeyAnswer answer = SEKISHO__DATA_KEY_ANSWER__INIT;
	answer.key = bytes_of(buf_slice(&key));
	answer.wrapped = bytes_of(buf_slice(&wrapped));
	ipc_answer(t, &answer, NULL);
}

/* RFC 8945, for dynamic updates of the DNS. */
static void on_tsig(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__TsigAsk *ask = t->ask;
	unsigned char mac[32];
	unsigned n = sizeof mac;
	if (!k->tsig.n) {
		ipc_refuse(t, DENY, "dns_update_key_file is not set, or holds no key");
		return;
	}
	if (!HMAC(EVP_sha256(), k->tsig.p, (int)k->tsig.n, ask->input.data, ask->input.len, mac, &n))
		abort();
	Sekisho__TsigAnswer answer = SEKISHO__TSIG_ANSWER__INIT;
	answer.mac = (ProtobufCBinaryData){n, mac};
	ipc_answer(t, &answer, NULL);
}

/* ---- the administrator ---- */

static bool pardon(struct keys *k, const Sekisho__AttemptsAsk *ask)
{
	struct ip_net net;
	BUF_LOCAL(login, 8192);
	if (*ask->network)
		return ip_net_read(slice_str(ask->network), &net) == OK &&
		       attempts_pardon(k->attempts, &net, SLICE_NONE);
	return login_prepare(slice_str(ask->login), &login) == OK &&
	       attempts_pardon(k->attempts, NULL, buf_slice(&login));
}

void keys_on_attempts(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__AttemptsAsk *ask = t->ask;
	Sekisho__AttemptsAnswer answer = SEKISHO__ATTEMPTS_ANSWER__INIT;
	if ((*ask->network || *ask->login) && !pardon(k, ask)) {
		ipc_refuse(t, GONE, "nothing is held against it");
		return;
	}
	struct sentence list[LIMIT_SENTENCES];
	size_t n = attempts_sentences(k->attempts, clock_utc_ms(), list, COUNT(list));
	Sekisho__Sentence *at = arena_array(&t->arena, n + 1, sizeof *at);
	answer.sentences = arena_array(&t->arena, n + 1, sizeof *answer.sentences);
	for (size_t i = 0; at && answer.sentences && i < n; i++) {
		char z[IP_NET_TEXT];
		at[i] = (Sekisho__Sentence)SEKISHO__SENTENCE__INIT;
		at[i].network = arena_printf(&t->arena, "%s", ip_net_text(&list[i].net, z));
		at[i].prefix = list[i].kind == SENTENCE_PREFIX;
		at[i].until_ms = list[i].until_ms;
		at[i].times = (uint32_t)list[i].times;
		answer.sentences[answer.n_sentences++] = &at[i];
	}
	ipc_answer(t, &answer, NULL);
}

/* store has seen what nobody who belongs here does: a decoy was tried. */
static void on_condemn(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__CondemnAsk *ask = t->ask;
	if (attempts_condemn(k->attempts, ask->ip, clock_utc_ms()))
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, BAD, "not an address");
}

static void admin_end(struct ipc_turn *t, const char *verb, struct slice who, enum result r, const char *why)
{
	EVENT(ADMIN, KZ("verb", verb), KV("who", who), KZ("result", result_name(r)));
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	if (r == OK)
		ipc_answer(t, &empty, NULL);
	else
		ipc_refuse(t, r, "%s", why);
}

static void on_remove_login(struct ipc_turn *t)
{
	const Sekisho__LoginNameAsk *ask = t->ask;
	enum result r = keys_remove_login(ipc_server_context(t), slice_str(ask->login));
	admin_end(t, "remove login", slice_str(ask->login), r,
	    r == GONE ? "no such login" : "the key store cannot be written");
}

static void on_rename_login(struct ipc_turn *t)
{
	const Sekisho__LoginNameAsk *ask = t->ask;
	const char *why;
	enum result r =
	    keys_rename_login(ipc_server_context(t), slice_str(ask->login), slice_str(ask->to), &why);
	admin_end(t, "rename login", slice_str(ask->login), r, why);
}

static void on_install_certificate(struct ipc_turn *t)
{
	const Sekisho__InstallCertificateAsk *ask = t->ask;
	const char *why;
	enum result r = keys_install_certificate(
	    ipc_server_context(t), slice_b(ask->chain_pem), slice_b(ask->key_pem), &why);
	wipe(ask->key_pem.data, ask->key_pem.len);
	admin_end(t, "install certificate", SLICE_NONE, r, why);
}

/* ---- credentials ---- */

struct listing {
	struct arena *arena;
	Sekisho__Credential **at;
	size_t n, room;
};

static uint32_t codes_left(const struct credential *c)
{
	uint32_t left = 0;
	for (size_t i = 0; i + CREDENTIAL_MAC <= c->secret.n; i += CREDENTIAL_MAC)
		left += c->secret.p[i] || c->secret.p[i + 1] || c->secret.p[i + 2] || c->secret.p[i + 3];
	return left;
}

static enum result list_one(void *context, const struct credential *c)
{
	struct listing *l = context;
	Sekisho__Credential *v = arena_new(l->arena, Sekisho__Credential);
	if (c->waits)
		return OK;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		Sekisho__Credential **at = arena_array(l->arena, room, sizeof *at);
		if (at && l->n)
			memcpy(at, l->at, l->n * sizeof *at);
		l->at = at;
		l->room = room;
	}
	if (!v || !l->at)
		return FULL;
	*v = (Sekisho__Credential)SEKISHO__CREDENTIAL__INIT;
	v->account = c->account;
	v->id = c->id;
	v->kind = c->kind;
	v->name = arena_z(l->arena, c->name);
	v->made_ms = c->made_ms;
	v->used_ms = c->used_ms;
	v->ends_ms = c->ends_ms;
	v->bits = c->bits;
	v->epoch = c->epoch;
	v->left = c->kind == CREDENTIAL_RECOVERY ? codes_left(c) : 0;
	l->at[l->n++] = v;
	return arena_full(l->arena) ? FULL : OK;
}

#define CREDENTIALS_A_PACKET 200

static void on_credentials(struct ipc_turn *t)
{
	const Sekisho__CredentialsAsk *ask = t->ask;
	struct listing l = {.arena = &t->arena};
	enum result r = credentials_all(ipc_server_context(t), ask->account, list_one, &l);
	if (r != OK) {
		ipc_refuse(t, r, "the key store cannot be read");
		return;
	}
	Sekisho__CredentialsAnswer answer = SEKISHO__CREDENTIALS_ANSWER__INIT;
	for (size_t i = 0; l.n - i > CREDENTIALS_A_PACKET; i += CREDENTIALS_A_PACKET) {
		answer.credentials = l.at + i;
		answer.n_credentials = CREDENTIALS_A_PACKET;
		ipc_answer_part(t, &answer, NULL);
	}
	size_t sent = l.n ? (l.n - 1) / CREDENTIALS_A_PACKET * CREDENTIALS_A_PACKET : 0;
	answer.credentials = l.at + sent;
	answer.n_credentials = l.n - sent;
	ipc_answer(t, &answer, NULL);
}

static enum result revoke_factors(struct keys *k, uint64_t account, struct arena *a)
{
	struct credentials all;
	enum result r = credentials_of(k, account, a, &all);
	for (size_t i = 0; i < all.n && r == OK; i++)
		if (all.at[i].kind != CREDENTIAL_APP)
			r = book_credential_remove(k->book, account, all.at[i].id);
	return r;
}

static void on_revoke(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__RevokeAsk *ask = t->ask;
	pthread_mutex_lock(&k->credentials_lock);
	enum result r = ask->id ? book_credential_remove(k->book, ask->account, ask->id)
				: revoke_factors(k, ask->account, &t->arena);
	pthread_mutex_unlock(&k->credentials_lock);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, r, r == GONE ? "there is no such thing" : "the key store cannot be written");
}

ipc_handler *const keys_handlers[ASK_MAX] = {
    [ASK_KEYS_CERTIFICATES] = on_certificates,
    [ASK_KEYS_SIGN] = on_sign,
    [ASK_KEYS_PASSWORD] = keys_on_password,
    [ASK_KEYS_SCRAM_START] = keys_on_scram_start,
    [ASK_KEYS_SCRAM_FINISH] = keys_on_scram_finish,
    [ASK_KEYS_BEARER] = keys_on_bearer,
    [ASK_KEYS_OAUTH_KEYS] = keys_on_oauth_keys,
    [ASK_KEYS_DATA_KEY] = on_data_key,
    [ASK_KEYS_ATTEMPTS] = keys_on_attempts,
    [ASK_KEYS_CODE] = keys_on_code,
    [ASK_KEYS_CONDEMN] = on_condemn,
    [ASK_KEYS_WARRANTED] = keys_on_warranted,
    [ASK_KEYS_CREDENTIALS] = on_credentials,
    [ASK_KEYS_REVOKE] = on_revoke,
    [ASK_KEYS_REMOVE_LOGIN] = on_remove_login,
    [ASK_KEYS_RENAME_LOGIN] = on_rename_login,
    [ASK_KEYS_INSTALL_CERTIFICATE] = on_install_certificate,
    [ASK_KEYS_ACME_NEXT] = keys_on_acme_next,
    [ASK_KEYS_ACME_SIGN] = keys_on_acme_sign,
    [ASK_KEYS_ACME_CHALLENGE] = keys_on_acme_challenge,
    [ASK_KEYS_ACME_INSTALL] = keys_on_acme_install,
    [ASK_KEYS_ACME_REPORT] = keys_on_acme_report,
    [ASK_KEYS_ACME_ANSWER] = keys_on_acme_answer,
    [ASK_KEYS_ACME_ADMIN] = keys_on_acme_admin,
    [ASK_KEYS_DIGEST] = keys_on_digest,
    [ASK_KEYS_DKIM_MAKE] = keys_on_dkim_make,
    [ASK_KEYS_DKIM_SIGN] = keys_on_dkim_sign,
    [ASK_KEYS_TSIG] = on_tsig,
};
