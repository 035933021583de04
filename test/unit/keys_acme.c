/*
 * keys and a certificate authority: what relay gets signed and what not, through the asks; that nothing is lost over a
 * restart; the form of what is signed, checked by OpenSSL.
 */
#include "keys/inner.h"
#include "keys/jose.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DIRECTORY "https://ca.example/dir"
#define STEP(s) SEKISHO__ACME_SIGN_ASK__STEP__##s
#define VERB(v) SEKISHO__ACME_ADMIN_ASK__VERB__##v
#define KIND(k) SEKISHO__ACME_TASK__KIND__##k
#define REPORT(k) SEKISHO__ACME_REPORT_ASK__KIND__##k

static const char master[KEYS_MASTER] = "0123456789abcdef0123456789abcde";
static const char grant_key[GRANT_KEY] = "fedcba9876543210fedcba987654321";

struct world {
	char dir[64];
	struct keys_acme acme;
	struct keys_settings settings;
	struct keys *keys;
	struct ipc_server *server;
	struct ipc relay, admin, web;
	struct arena arena;
	unsigned woken;
};

static void on_wanted(void *context)
{
	struct world *w = context;
	w->woken++;
}

static struct ipc connect_as(struct world *w, enum ipc_peer peer)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(w->server, fds[1], peer, NULL, NULL, NULL);
	return (struct ipc){.fd = fds[0], .why = ""};
}

static void begin(struct world *w)
{
	assert_int_equal(keys_open(&w->settings, &w->keys), OK);
	w->server = ipc_server_new(keys_handlers, 2, w->keys);
	w->relay = connect_as(w, PEER_RELAY);
	w->admin = connect_as(w, PEER_ADMIN);
	w->web = connect_as(w, PEER_WEB);
}

/* As after a crash: the server's threads stay behind with a key store nobody asks any more. */
static void begin_again(struct world *w)
{
	ipc_close(&w->relay);
	ipc_close(&w->admin);
	ipc_close(&w->web);
	usleep(50000);
	keys_close(w->keys);
	begin(w);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	memcpy(w->dir, "/tmp/keys-acme-XXXXXX", 22);
	assert_non_null(mkdtemp(w->dir));
	arena_init(&w->arena, 1 << 24);
	w->acme = (struct keys_acme){.directory = DIRECTORY,
	    .contact = "a@example.jp, b@example.jp",
	    .hostname = "mail.example.jp",
	    .hosts = ""};
	w->settings = (struct keys_settings){.dir = w->dir,
	    .master = slice_of(master, sizeof master),
	    .grant = slice_of(grant_key, sizeof grant_key),
	    .acme = &w->acme,
	    .acme_wanted = on_wanted,
	    .context = w};
	begin(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	static const char *const files[] = {"keys.db", "keys.db-wal", "keys.db-journal"};
	for (size_t i = 0; i < COUNT(files); i++)
		unlink(arena_printf(&w->arena, "%s/%s", w->dir, files[i]));
	rmdir(w->dir);
	arena_free(&w->arena);
	free(w);
	return 0;
}

/* ---- asks ---- */

static Sekisho__AcmeTask *next(struct world *w)
{
	Sekisho__AcmeNextAsk ask = SEKISHO__ACME_NEXT_ASK__INIT;
	Sekisho__AcmeTask *task;
	assert_int_equal(ipc_call(&w->relay, ASK_KEYS_ACME_NEXT, &ask, NULL, &w->arena, &task, NULL), OK);
	return task;
}

static enum result admin(
    struct world *w, Sekisho__AcmeAdminAsk__Verb verb, const char *name, Sekisho__AcmeAdminAnswer **out)
{
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	char *names[] = {(char *)(uintptr_t)name};
	ask.verb = verb;
	ask.names = names;
	ask.n_names = name ? 1 : 0;
	ask.accept_terms = true;
	return ipc_call(&w->admin, ASK_KEYS_ACME_ADMIN, &ask, NULL, &w->arena, out, NULL);
}

static enum result report(
    struct world *w, const Sekisho__AcmeTask *task, Sekisho__AcmeReportAsk__Kind kind, const char *text)
{
	Sekisho__AcmeReportAsk ask = SEKISHO__ACME_REPORT_ASK__INIT;
	ask.task = task->id;
	ask.kind = kind;
	ask.text = (char *)(uintptr_t)text;
	return ipc_call(&w->relay, ASK_KEYS_ACME_REPORT, &ask, NULL, &w->arena, NULL, NULL);
}

static enum result sign_with(struct world *w, const Sekisho__AcmeTask *task, Sekisho__AcmeSignAsk__Step step,
    const char *url, const char *nonce, struct slice *out)
{
	Sekisho__AcmeSignAsk ask = SEKISHO__ACME_SIGN_ASK__INIT;
	Sekisho__AcmeSignAnswer *answer;
	ask.task = task->id;
	ask.step = step;
	ask.url = (char *)(uintptr_t)url;
	ask.nonce = (char *)(uintptr_t)nonce;
	enum result r = ipc_call(&w->relay, ASK_KEYS_ACME_SIGN, &ask, NULL, &w->arena, &answer, NULL);
	if (r == OK)
		*out = slice_of(answer->body.data, answer->body.len);
	return r;
}

/* ---- what is signed, taken apart ---- */

struct jws {
	json_t *head, *payload;
	struct buf input, signature;
};

static json_t *decoded(struct world *w, const json_t *v)
{
	BUF_LOCAL(text, 1 << 17);
	assert_int_equal(jose_base64url_read(slice_str(json_string_value(v)), &text), OK);
	return text.n ? json_loadb(text.p, text.n, 0, NULL) : json_null();
}

static void jws_read(struct world *w, struct slice body, struct jws *out)
{
	json_t *j = json_loadb(body.p, body.n, 0, NULL);
	assert_non_null(j);
	const json_t *head = json_object_get(j, "protected"), *payload = json_object_get(j, "payload");
	out->head = decoded(w, head);
	out->payload = decoded(w, payload);
	buf_init(&out->input, 1 << 18);
	buf_init(&out->signature, 256);
	buf_printf(&out->input, "%s.%s", json_string_value(head), json_string_value(payload));
	assert_int_equal(jose_base64url_read(
			     slice_str(json_string_value(json_object_get(j, "signature"))), &out->signature),
	    OK);
	json_decref(j);
}

static void jws_free(struct jws *j)
{
	json_decref(j->head);
	json_decref(j->payload);
	buf_free(&j->input);
	buf_free(&j->signature);
}

/* The public key of a "jwk". */
static EVP_PKEY *key_of(const json_t *jwk)
{
	BUF_LOCAL(point, 65);
	EVP_PKEY *key = EVP_PKEY_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char group[] = "prime256v1";
	buf_putc(&point, 4);
	assert_int_equal(
	    jose_base64url_read(slice_str(json_string_value(json_object_get(jwk, "x"))), &point), OK);
	assert_int_equal(
	    jose_base64url_read(slice_str(json_string_value(json_object_get(jwk, "y"))), &point), OK);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n),
	    OSSL_PARAM_construct_end()};
	EVP_PKEY_free(key);
	key = NULL;
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	EVP_PKEY_CTX_free(c);
	return key;
}

static bool verifies(const struct jws *j, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	const unsigned char *p = (const unsigned char *)j->signature.p;
	assert_int_equal(j->signature.n, 64);
	ECDSA_SIG *s = ECDSA_SIG_new();
	ECDSA_SIG_set0(s, BN_bin2bn(p, 32, NULL), BN_bin2bn(p + 32, 32, NULL));
	int n = i2d_ECDSA_SIG(s, &der);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key);
	bool good = EVP_DigestVerify(c, der, (size_t)n, (const unsigned char *)j->input.p, j->input.n) == 1;
	EVP_MD_CTX_free(c);
	OPENSSL_free(der);
	ECDSA_SIG_free(s);
	ERR_clear_error();
	return good;
}

/* ---- common beginnings ---- */

static EVP_PKEY *account_key;

/* An account is there: its key, as the authority saw it. */
static void make_account(struct world *w)
{
	Sekisho__AcmeAdminAnswer *answer;
	struct slice body;
	struct jws j;
	assert_int_equal(admin(w, VERB(REGISTER), NULL, &answer), OK);
	assert_int_equal(w->woken, 1);
	Sekisho__AcmeTask *task = next(w);
	assert_int_equal(task->kind, KIND(REGISTER));
	assert_int_equal(
	    sign_with(w, task, STEP(ACCOUNT), "https://ca.example/new-account", "n1", &body), OK);
	jws_read(w, body, &j);
	EVP_PKEY_free(account_key);
	account_key = key_of(json_object_get(j.head, "jwk"));
	assert_true(verifies(&j, account_key));
	assert_null(json_object_get(j.head, "kid"));
	assert_true(json_is_true(json_object_get(j.payload, "termsOfServiceAgreed")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(j.payload, "contact"), 1)),
	    "mailto:b@example.jp");
	jws_free(&j);
	assert_int_equal(report(w, task, REPORT(ACCOUNT), "https://ca.example/account/1"), OK);
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
}

/* A chain of one for the request in a FINALIZE payload, by an authority of the test. */
static void issue(const json_t *payload, const char *const *names, size_t n, int days, struct buf *chain)
{
	BUF_LOCAL(der, 1 << 16);
	assert_int_equal(
	    jose_base64url_read(slice_str(json_string_value(json_object_get(payload, "csr"))), &der), OK);
	const unsigned char *p = (const unsigned char *)der.p;
	X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)der.n);
	assert_non_null(r);
	EVP_PKEY *key = X509_REQ_get_pubkey(r), *ca = EVP_EC_gen("P-256");
	assert_int_equal(X509_REQ_verify(r, key), 1);
	X509 *x = X509_new();
	BUF_LOCAL(san, 4096);
	for (size_t i = 0; i < n; i++)
		buf_printf(&san, "%sDNS:%s", i ? "," : "", names[i]);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 77);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), (long)days * 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_issuer_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, buf_z(&san));
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, ca, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *pem;
	PEM_write_bio_X509(b, x);
	long length = BIO_get_mem_data(b, &pem);
	buf_put(chain, slice_of(pem, (size_t)length));
	BIO_free(b);
	X509_free(x);
	X509_REQ_free(r);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca);
}

static enum result install(struct world *w, const Sekisho__AcmeTask *task, const struct buf *chain)
{
	Sekisho__AcmeInstallAsk ask = SEKISHO__ACME_INSTALL_ASK__INIT;
	ask.task = task->id;
	ask.chain_pem = (ProtobufCBinaryData){chain->n, (uint8_t *)chain->p};
	return ipc_call(&w->relay, ASK_KEYS_ACME_INSTALL, &ask, NULL, &w->arena, NULL, NULL);
}

static void finalize(struct world *w, const Sekisho__AcmeTask *task, struct jws *out)
{
	struct slice body;
	assert_int_equal(
	    sign_with(w, task, STEP(FINALIZE), "https://ca.example/finalize/1", "n2", &body), OK);
	jws_read(w, body, out);
	assert_true(verifies(out, account_key));
	assert_string_equal(
	    json_string_value(json_object_get(out->head, "kid")), "https://ca.example/account/1");
}

/* ---- tests ---- */

static void nothing_before_the_terms(void **state)
{
	struct world *w = *state;
	Sekisho__AcmeAdminAnswer *answer;
	struct slice body;
	Sekisho__AcmeTask *task = next(w);
	assert_int_equal(task->kind, KIND(NONE));
	assert_true(task->wait_ms > 0);
	for (int step = 0; step < 12; step++)
		assert_int_equal(
		    sign_with(w, task, (Sekisho__AcmeSignAsk__Step)step, "https://ca.example/x", "n", &body),
		    GONE);
	assert_int_equal(admin(w, VERB(RENEW), "mail.example.jp", &answer), OK);
	task = next(w);
	assert_int_equal(task->kind, KIND(NONE));
	assert_int_equal(admin(w, VERB(STATUS), NULL, &answer), OK);
	assert_false(answer->agreed);
}

static void only_what_the_task_needs_is_signed(void **state)
{
	struct world *w = *state;
	struct slice body;
	make_account(w);
	Sekisho__AcmeTask *task = next(w);
	assert_int_equal(task->kind, KIND(ISSUE));
	assert_int_equal(task->n_names, 1);
	static const Sekisho__AcmeSignAsk__Step never[] = {STEP(REVOKE), STEP(CONTACT), STEP(ROLLOVER),
	    STEP(DEACTIVATE), STEP(FIND_NEXT), (Sekisho__AcmeSignAsk__Step)10, (Sekisho__AcmeSignAsk__Step)31,
	    (Sekisho__AcmeSignAsk__Step)32, (Sekisho__AcmeSignAsk__Step)-1};
	for (size_t i = 0; i < COUNT(never); i++)
		assert_int_equal(sign_with(w, task, never[i], "https://ca.example/x", "n", &body), DENY);
	static const char *const dirty[] = {
	    "", "https://a/\"", "https://a/\\", "https://a/\n", "https://a/\x7f"};
	for (size_t i = 0; i < COUNT(dirty); i++)
		assert_int_equal(sign_with(w, task, STEP(FETCH), dirty[i], "n", &body), BAD);
	assert_int_equal(sign_with(w, task, STEP(FETCH), "https://ca.example/x", "", &body), BAD);
	assert_int_equal(sign_with(w, task, STEP(FETCH), "https://ca.example/x", "n\",\"x\":\"", &body), BAD);
	Sekisho__AcmeTask other = *task;
	other.id++;
	assert_int_equal(sign_with(w, &other, STEP(FETCH), "https://ca.example/x", "n", &body), GONE);
	/* The order is for the names that are wanted, whatever relay would like. */
	struct jws j;
	assert_int_equal(sign_with(w, task, STEP(ORDER), "https://ca.example/new-order", "n", &body), OK);
	jws_read(w, body, &j);
	assert_true(verifies(&j, account_key));
	const json_t *ids = json_object_get(j.payload, "identifiers");
	assert_int_equal(json_array_size(ids), 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(ids, 0), "value")), "mail.example.jp");
	assert_string_equal(json_string_value(json_object_get(j.head, "nonce")), "n");
	assert_string_equal(
	    json_string_value(json_object_get(j.head, "url")), "https://ca.example/new-order");
	jws_free(&j);
}

static void who_may_ask_what(void **state)
{
	struct world *w = *state;
	struct ipc user = connect_as(w, PEER_USER);
	Sekisho__AcmeNextAsk ask = SEKISHO__ACME_NEXT_ASK__INIT;
	Sekisho__AcmeAdminAsk act = SEKISHO__ACME_ADMIN_ASK__INIT;
	Sekisho__SignAsk sign = SEKISHO__SIGN_ASK__INIT;
	assert_int_not_equal(ipc_call(&user, ASK_KEYS_ACME_NEXT, &ask, NULL, &w->arena, NULL, NULL), OK);
	assert_int_not_equal(ipc_call(&w->web, ASK_KEYS_ACME_NEXT, &ask, NULL, &w->arena, NULL, NULL), OK);
	/* relay is no administrator, and shakes no hands under our certificates. */
	struct ipc relay = connect_as(w, PEER_RELAY);
	assert_int_not_equal(ipc_call(&relay, ASK_KEYS_ACME_ADMIN, &act, NULL, &w->arena, NULL, NULL), OK);
	relay = connect_as(w, PEER_RELAY);
	assert_int_not_equal(ipc_call(&relay, ASK_KEYS_SIGN, &sign, NULL, &w->arena, NULL, NULL), OK);
	ipc_close(&relay);
	ipc_close(&user);
}

static void a_certificate_is_installed_and_kept(void **state)
{
	struct world *w = *state;
	static const char *const wrong[] = {"other.example.jp"}, *const right[] = {"mail.example.jp"};
	Sekisho__AcmeAdminAnswer *answer;
	struct jws j;
	make_account(w);
	Sekisho__AcmeTask *task = next(w);
	BUF_LOCAL(chain, 65536);
	assert_int_equal(install(w, task, &chain), DENY); /* nothing was asked for */
	finalize(w, task, &j);
	assert_int_equal(install(w, task, &chain), DENY);
	issue(j.payload, wrong, 1, 90, &chain);
	assert_int_equal(install(w, task, &chain), DENY);
	buf_clear(&chain);
	issue(j.payload, right, 1, 90, &chain);
	assert_int_equal(install(w, task, &chain), OK);
	jws_free(&j);
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
	begin_again(w);
	assert_int_equal(admin(w, VERB(STATUS), NULL, &answer), OK);
	assert_string_equal(answer->account, "https://ca.example/account/1");
	assert_int_equal(answer->n_sets, 1);
	const Sekisho__AcmeSet *s = answer->sets[0];
	assert_true(*s->certificate);
	assert_int_equal(s->failures, 0);
	int64_t in = s->renew_ms - clock_utc_ms();
	assert_true(in > 59 * DAY_MS && in < 61 * DAY_MS);
	/* The authority's window comes first. */
	task = next(w);
	assert_int_equal(task->kind, KIND(RENEWAL_INFO));
	Sekisho__AcmeReportAsk window = SEKISHO__ACME_REPORT_ASK__INIT;
	window.task = task->id;
	window.kind = REPORT(RENEWAL);
	window.from_ms = clock_utc_ms() - 2 * DAY_MS;
	window.to_ms = clock_utc_ms() - DAY_MS;
	assert_int_equal(ipc_call(&w->relay, ASK_KEYS_ACME_REPORT, &window, NULL, &w->arena, NULL, NULL), OK);
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
	assert_int_equal(next(w)->kind, KIND(ISSUE));
}

/* Windows that no authority should give: renewal still comes well before the end. */
static void odd_windows_do_no_harm(void **state)
{
	struct world *w = *state;
	static const char *const right[] = {"mail.example.jp"};
	static const int windows[][2] = {
	    {10, 20}, {80, 400}, {20, 10}, {0, 0}, {5000, 6000}}; /* days from now */
	int64_t began = clock_utc_ms();
	struct jws j;
	BUF_LOCAL(chain, 65536);
	make_account(w);
	Sekisho__AcmeTask *task = next(w);
	finalize(w, task, &j);
	issue(j.payload, right, 1, 90, &chain);
	assert_int_equal(install(w, task, &chain), OK);
	jws_free(&j);
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
	for (size_t i = 0; i < COUNT(windows); i++) {
		Sekisho__AcmeAdminAnswer *answer;
		Sekisho__AcmeReportAsk window = SEKISHO__ACME_REPORT_ASK__INIT;
		task = next(w);
		assert_int_equal(task->kind, KIND(RENEWAL_INFO));
		window.task = task->id;
		window.kind = REPORT(RENEWAL);
		window.from_ms = windows[i][0] ? clock_utc_ms() + windows[i][0] * DAY_MS : 0;
		window.to_ms = windows[i][1] ? clock_utc_ms() + windows[i][1] * DAY_MS : 0;
		assert_int_equal(
		    ipc_call(&w->relay, ASK_KEYS_ACME_REPORT, &window, NULL, &w->arena, NULL, NULL), OK);
		assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
		assert_int_equal(admin(w, VERB(STATUS), NULL, &answer), OK);
		int64_t at = answer->sets[0]->renew_ms;
		assert_true(at > clock_utc_ms() && at < began + 82 * DAY_MS);
		if (i == 0)
			assert_true(at >= began + 10 * DAY_MS && at <= began + 21 * DAY_MS);
		clock_shift(clock_shifted() + 2 * HOUR_MS / SECOND_MS);
	}
	clock_shift(0);
}

static void failures_wait_longer_each_time(void **state)
{
	struct world *w = *state;
	Sekisho__AcmeAdminAnswer *answer;
	int64_t before = 0;
	make_account(w);
	Sekisho__AcmeTask *task = next(w);
	for (unsigned i = 1; i <= 14; i++) {
		assert_int_equal(task->kind, KIND(ISSUE));
		if (i % 2)
			assert_int_equal(report(w, task, REPORT(FAILED), "no"), OK);
		else
			assert_int_equal(next(w)->kind, KIND(NONE)); /* relay died in the middle */
		assert_int_equal(admin(w, VERB(STATUS), NULL, &answer), OK);
		int64_t wait = answer->sets[0]->next_ms - clock_utc_ms();
		assert_int_equal(answer->sets[0]->failures, i);
		assert_true(wait > before * 3 / 2 || wait > 11 * HOUR_MS);
		assert_true(wait <= 12 * HOUR_MS);
		before = wait;
		assert_int_equal(next(w)->kind, KIND(NONE));
		assert_int_equal(admin(w, VERB(RENEW), "mail.example.jp", &answer), OK);
		task = next(w);
	}
}

static void questions_are_answered(void **state)
{
	struct world *w = *state;
	Sekisho__AcmeChallengeAsk ask = SEKISHO__ACME_CHALLENGE_ASK__INIT;
	Sekisho__AcmeChallengeAnswer *record;
	Sekisho__AcmeAnswerAsk question = SEKISHO__ACME_ANSWER_ASK__INIT;
	Sekisho__AcmeAnswerAnswer *answer;
	make_account(w);
	Sekisho__AcmeTask *task = next(w);
	question.token = (char *)(uintptr_t) "token-1";
	assert_int_equal(
	    ipc_call(&w->web, ASK_KEYS_ACME_ANSWER, &question, NULL, &w->arena, &answer, NULL), GONE);
	ask.task = task->id;
	ask.name = (char *)(uintptr_t) "mail.example.jp";
	static const char *const bad[] = {"", "../x", "a b", "a.b", "a\r\nb", "a\"b"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		ask.token = (char *)(uintptr_t)bad[i];
		assert_int_equal(
		    ipc_call(&w->relay, ASK_KEYS_ACME_CHALLENGE, &ask, NULL, &w->arena, &record, NULL), DENY);
	}
	ask.token = (char *)(uintptr_t) "token-1";
	ask.name = (char *)(uintptr_t) "other.example.jp";
	assert_int_equal(
	    ipc_call(&w->relay, ASK_KEYS_ACME_CHALLENGE, &ask, NULL, &w->arena, &record, NULL), DENY);
	ask.name = (char *)(uintptr_t) "mail.example.jp";
	assert_int_equal(
	    ipc_call(&w->relay, ASK_KEYS_ACME_CHALLENGE, &ask, NULL, &w->arena, &record, NULL), OK);
	assert_int_equal(
	    ipc_call(&w->web, ASK_KEYS_ACME_ANSWER, &question, NULL, &w->arena, &answer, NULL), OK);
	BUF_LOCAL(wanted, 256);
	buf_puts(&wanted, "token-1.");
	jose_thumbprint(account_key, &wanted);
	assert_string_equal(answer->authorization, buf_z(&wanted));
	/* dns-01: the digest of the same. */
	unsigned char digest[32];
	BUF_LOCAL(value, 64);
	SHA256((const unsigned char *)wanted.p, wanted.n, digest);
	jose_base64url(&value, slice_of(digest, 32));
	assert_string_equal(record->record_name, "_acme-challenge.mail.example.jp");
	assert_string_equal(record->record_value, buf_z(&value));
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
	assert_int_equal(
	    ipc_call(&w->web, ASK_KEYS_ACME_ANSWER, &question, NULL, &w->arena, &answer, NULL), GONE);
}

static void a_rollover_that_was_cut_off(void **state)
{
	struct world *w = *state;
	Sekisho__AcmeAdminAnswer *answer;
	struct slice body;
	struct jws outer, find;
	make_account(w);
	assert_int_equal(admin(w, VERB(ROLLOVER), NULL, &answer), OK);
	Sekisho__AcmeTask *task = next(w);
	assert_int_equal(task->kind, KIND(ROLLOVER));
	assert_false(task->resumed);
	assert_int_equal(
	    sign_with(w, task, STEP(FIND_NEXT), "https://ca.example/new-account", "n", &body), GONE);
	assert_int_equal(sign_with(w, task, STEP(ROLLOVER), "https://ca.example/key-change", "n", &body), OK);
	jws_read(w, body, &outer);
	assert_true(verifies(&outer, account_key));
	json_t *inner_head = decoded(w, json_object_get(outer.payload, "protected"));
	assert_null(json_object_get(inner_head, "nonce"));
	EVP_PKEY *fresh = key_of(json_object_get(inner_head, "jwk"));
	json_t *inner = decoded(w, json_object_get(outer.payload, "payload"));
	assert_string_equal(
	    json_string_value(json_object_get(inner, "account")), "https://ca.example/account/1");
	/* The answer is lost and the server dies: the new key is still there, and asked about. */
	begin_again(w);
	assert_int_equal(admin(w, VERB(ROLLOVER), NULL, &answer), OK);
	task = next(w);
	assert_true(task->resumed);
	assert_int_equal(
	    sign_with(w, task, STEP(FIND_NEXT), "https://ca.example/new-account", "n", &body), OK);
	jws_read(w, body, &find);
	assert_true(verifies(&find, fresh));
	assert_true(json_is_true(json_object_get(find.payload, "onlyReturnExisting")));
	assert_int_equal(report(w, task, REPORT(ROLLED), ""), OK);
	assert_int_equal(report(w, task, REPORT(DONE), ""), OK);
	task = next(w);
	assert_int_equal(task->kind, KIND(ISSUE));
	jws_free(&find);
	assert_int_equal(sign_with(w, task, STEP(FETCH), "https://ca.example/order/1", "n", &body), OK);
	jws_read(w, body, &find);
	assert_true(verifies(&find, fresh));
	assert_false(verifies(&find, account_key));
	EVP_PKEY_free(fresh);
	json_decref(inner);
	json_decref(inner_head);
	jws_free(&find);
	jws_free(&outer);
}

static void names_that_cannot_be(void **state)
{
	struct world *w = *state;
	Sekisho__AcmeAdminAnswer *answer;
	static const char *const bad[] = {"", "localhost", "-a.example", "a-.example", "a..example",
	    ".a.example", "a.example.", "a b.example", "a\".example", "*.a.example", "a.*.example",
	    "a_b.example", "\xe3\x81\x82.example"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (admin(w, VERB(ISSUE), bad[i], &answer) != DENY)
			fail_msg("%s", bad[i]);
	assert_int_equal(admin(w, VERB(ISSUE), "mail.example.jp", &answer), DENY); /* configured */
	assert_int_equal(admin(w, VERB(FORGET), "mail.example.jp", &answer), DENY);
	assert_int_equal(admin(w, VERB(ISSUE), "a.example", &answer), OK);
	assert_int_equal(admin(w, VERB(FORGET), "a.example", &answer), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_before_the_terms, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(only_what_the_task_needs_is_signed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_may_ask_what, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_certificate_is_installed_and_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(odd_windows_do_no_harm, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failures_wait_longer_each_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(questions_are_answered, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_rollover_that_was_cut_off, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(names_that_cannot_be, set_up, tear_down),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(account_key);
	return failed;
}
