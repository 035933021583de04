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

void keys_answer_grant(
    struct ipc_turn *t, const struct login *l, const char *service, struct slice server_final)
{
	const struct keys *k = ipc_server_context(t);
	struct ipc_grant g = {.account = l->account,
	    .issued_ms = clock_utc_ms(),
	    .login = l->spelled,
	    .service = slice_str(service)};
	BUF_LOCAL(sealed, GRANT_MOST);
	char *login = arena_z(&t->arena, l->spelled);
	if (!login || ipc_grant_seal(slice_of(k->grant, GRANT_KEY), &g, &sealed) != OK) {
		ipc_refuse(t, BAD, "the service's name is too long");
		return;
	}
	Sekisho__GrantAnswer answer = SEKISHO__GRANT_ANSWER__INIT;
	answer.grant = bytes_of(buf_slice(&sealed));
	answer.login = login;
	answer.server_final = bytes_of(server_final);
	ipc_answer(t, &answer, NULL);
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

static void admin_end(struct ipc_turn *t, const char *verb, struct slice who, enum result r, const char *why)
{
	EVENT(ADMIN, KZ("verb", verb), KV("who", who), KZ("result", result_name(r)));
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	if (r == OK)
		ipc_answer(t, &empty, NULL);
	else
		ipc_refuse(t, r, "%s", why);
}

static void on_set_password(struct ipc_turn *t)
{
	const Sekisho__SetPasswordAsk *ask = t->ask;
	const char *why;
	enum result r = keys_set_password(
	    ipc_server_context(t), ask->account, slice_str(ask->login), slice_b(ask->password), &why);
	explicit_bzero(ask->password.data, ask->password.len);
	admin_end(t, "set password", slice_str(ask->login), r, why);
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
	explicit_bzero(ask->key_pem.data, ask->key_pem.len);
	admin_end(t, "install certificate", SLICE_NONE, r, why);
}

ipc_handler *const keys_handlers[ASK_MAX] = {
    [ASK_KEYS_CERTIFICATES] = on_certificates,
    [ASK_KEYS_SIGN] = on_sign,
    [ASK_KEYS_PASSWORD] = keys_on_password,
    [ASK_KEYS_SCRAM_START] = keys_on_scram_start,
    [ASK_KEYS_SCRAM_FINISH] = keys_on_scram_finish,
    [ASK_KEYS_DATA_KEY] = on_data_key,
    [ASK_KEYS_SET_PASSWORD] = on_set_password,
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
    [ASK_KEYS_DKIM_MAKE] = keys_on_dkim_make,
    [ASK_KEYS_DKIM_SIGN] = keys_on_dkim_sign,
    [ASK_KEYS_TSIG] = on_tsig,
};
