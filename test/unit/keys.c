/* keys: logins, SCRAM, throttling, data keys, certificates and signatures, through the asks. */
#include "keys/inner.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char master[KEYS_MASTER] = "0123456789abcdef0123456789abcde";
static const char grant_key[GRANT_KEY] = "fedcba9876543210fedcba987654321";
static unsigned changes;

static void count_change(void *context)
{
	changes++;
}

struct world {
	char dir[64];
	struct keys *keys;
	struct ipc_server *server;
	struct arena arena;
};

static struct keys *open_keys(const char *dir)
{
	struct keys_settings s = {.dir = dir,
	    .master = slice_of(master, sizeof master),
	    .grant = slice_of(grant_key, sizeof grant_key),
	    .certificates_changed = count_change};
	struct keys *k;
	assert_int_equal(keys_open(&s, &k), OK);
	return k;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	memcpy(w->dir, "/tmp/keys-test-XXXXXX", 22);
	assert_non_null(mkdtemp(w->dir));
	w->keys = open_keys(w->dir);
	w->server = ipc_server_new(keys_handlers, 2, w->keys);
	arena_init(&w->arena, 1 << 22);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	static const char *const files[] = {"keys.db", "keys.db-wal", "keys.db-journal", "master"};
	/* The server's threads end with the process; the key store stays open behind them. */
	for (size_t i = 0; i < COUNT(files); i++) {
		char *path = arena_printf(&w->arena, "%s/%s", w->dir, files[i]);
		unlink(path);
	}
	rmdir(w->dir);
	arena_free(&w->arena);
	free(w);
	return 0;
}

static struct ipc connect_as(struct world *w, enum ipc_peer peer)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(w->server, fds[1], peer, NULL, NULL, NULL);
	return (struct ipc){.fd = fds[0], .why = ""};
}

static enum result set_password(
    struct keys *k, uint64_t account, struct slice login, struct slice password, const char **why_out)
{
	return keys_set_password(
	    k, &(struct keys_password){.account = account, .login = login, .password = password}, why_out);
}

static void add_login(struct world *w, uint64_t account, const char *login, const char *password)
{
	const char *why;
	assert_int_equal(set_password(w->keys, account, slice_str(login), slice_str(password), &why), OK);
}

/* What the last one was told, and store will read. */
static struct ipc_grant tried;
static const char *tried_why = "";

static enum result try_password(
    struct world *w, struct ipc *c, const char *login, const char *password, const char *ip)
{
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	client.ip = arena_z(&w->arena, slice_str(ip));
	client.service = arena_z(&w->arena, SLICE("imap"));
	Sekisho__PasswordAsk ask = SEKISHO__PASSWORD_ASK__INIT;
	ask.login = arena_z(&w->arena, slice_str(login));
	ask.password.data = (uint8_t *)arena_z(&w->arena, slice_str(password));
	ask.password.len = strlen(password);
	ask.client = &client;
	Sekisho__GrantAnswer *answer;
	enum result r = ipc_call(c, ASK_KEYS_PASSWORD, &ask, NULL, &w->arena, &answer, NULL);
	if (r != OK)
		return r;
	struct ipc_grant g;
	assert_int_equal(ipc_grant_verify(slice_of(grant_key, sizeof grant_key),
			     slice_of(answer->grant.data, answer->grant.len), clock_utc_ms(), &g),
	    OK);
	tried = g;
	tried_why = answer->why;
	assert_int_equal(answer->result == OK, g.verdict == GRANT_RIGHT);
	if (answer->result != OK)
		return (enum result)answer->result;
	assert_int_equal(g.account, 7);
	assert_true(slice_eq(g.login, SLICE("Hana@example.jp")));
	assert_true(slice_eq(g.service, SLICE("imap")));
	assert_string_equal(answer->login, "Hana@example.jp");
	return r;
}

static void passwords(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_USER);
	add_login(w, 7, "Hana@example.jp", "correct horse battery");
	assert_int_equal(try_password(w, &c, "hana@EXAMPLE.jp", "correct horse battery", "192.0.2.1"), OK);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.1"), OK);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct hors", "192.0.2.1"), DENY);
	const char *why = tried_why;
	assert_int_equal(tried.verdict, GRANT_WRONG);
	assert_int_equal(tried.account, 7);
	assert_int_equal(
	    try_password(w, &c, "nobody@example.jp", "correct horse battery", "192.0.2.1"), DENY);
	assert_string_equal(tried_why, why);
	assert_int_equal(tried.verdict, GRANT_NO_LOGIN);
	assert_int_equal(tried.account, 0);
	assert_true(slice_eq(tried.login, SLICE("nobody@example.jp")));
	assert_int_equal(try_password(w, &c, "", "correct horse battery", "192.0.2.1"), DENY);
	add_login(w, 7, "Hana@example.jp", "another horse entirely");
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.1"), DENY);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "another horse entirely", "192.0.2.1"), OK);
	assert_int_equal(keys_remove_login(w->keys, SLICE("hana@example.jp")), OK);
	assert_int_equal(keys_remove_login(w->keys, SLICE("hana@example.jp")), GONE);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "another horse entirely", "192.0.2.1"), DENY);
	ipc_close(&c);
}

static void passwords_outlive_a_restart(void **state)
{
	struct world *w = *state;
	char *dir = arena_printf(&w->arena, "%s/again", w->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	struct keys *k = open_keys(dir);
	const char *why;
	assert_int_equal(set_password(k, 7, SLICE("a@example.jp"), SLICE("surely long enough"), &why), OK);
	keys_close(k);
	struct keys_settings s = {.dir = dir,
	    .master = slice_of(grant_key, sizeof grant_key),
	    .grant = slice_of(grant_key, sizeof grant_key)};
	assert_int_equal(keys_open(&s, &k), DENY);
	k = open_keys(dir);
	struct login l;
	assert_int_equal(login_find(k, SLICE("a@example.jp"), &w->arena, &l), OK);
	assert_int_equal(password_verify(SLICE("surely long enough"), l.secret.hash), OK);
	assert_int_equal(login_find(k, SLICE("b@example.jp"), &w->arena, &l), GONE);
	assert_int_equal(keys_rename_login(k, SLICE("A@example.jp"), SLICE("B@example.jp"), &why), OK);
	assert_int_equal(login_find(k, SLICE("b@example.jp"), &w->arena, &l), OK);
	assert_int_equal(login_find(k, SLICE("a@example.jp"), &w->arena, &l), GONE);
	assert_int_equal(set_password(k, 8, SLICE("c@example.jp"), SLICE("surely long enough"), &why), OK);
	assert_int_equal(keys_rename_login(k, SLICE("c@example.jp"), SLICE("b@example.jp"), &why), DENY);
	assert_int_equal(keys_rename_login(k, SLICE("x@example.jp"), SLICE("y@example.jp"), &why), GONE);
	keys_close(k);
	char *db = arena_printf(&w->arena, "%s/keys.db", dir);
	unlink(db);
	rmdir(dir);
}

static void weak_passwords_are_refused(void **state)
{
	struct world *w = *state;
	const char *why;
	static const char *const weak[] = {"", "1234567", "aaaaaaaaaaaa", "longname@example.jp", "LONGNAME",
	    "bad\001octets", "\xff\xfe\xfd\xfc????"};
	for (size_t i = 0; i < COUNT(weak); i++) {
		assert_int_equal(
		    set_password(w->keys, 1, SLICE("longname@example.jp"), slice_str(weak[i]), &why), DENY);
		assert_true(strlen(why) > 10);
	}
	char many[LIMIT_PASSWORD + 1];
	for (size_t i = 0; i < sizeof many; i++)
		many[i] = (char)('a' + i * i * 7 % 26);
	assert_int_equal(
	    set_password(w->keys, 1, SLICE("l@example.jp"), slice_of(many, sizeof many), &why), DENY);
	assert_int_equal(
	    set_password(w->keys, 1, SLICE("l@example.jp"), slice_of(many, LIMIT_PASSWORD), &why), OK);
	assert_int_equal(set_password(w->keys, 1, SLICE("l@example.jp"),
			     SLICE("十五文字以上ある長い日本語の合言葉"), &why),
	    OK);
}

/* Full-width and half-width forms of the same characters are one password (RFC 4013). */
static void typed_text_is_prepared(void **state)
{
	BUF_LOCAL(a, 8192);
	BUF_LOCAL(b, 8192);
	assert_int_equal(password_prepare(SLICE("Ｐａｓｓ １２３"), &a), OK);
	assert_true(slice_eq(buf_slice(&a), SLICE("Pass 123")));
	assert_int_equal(login_prepare(SLICE("Hana@Example.JP"), &b), OK);
	assert_true(slice_eq(buf_slice(&b), SLICE("hana@example.jp")));
	BUF_LOCAL(c, 8192);
	assert_int_equal(password_prepare(SLICE("\x93\xfa\x96\x7b"), &c), BAD);
	assert_true(slice_eq(buf_slice(&c), SLICE("\x93\xfa\x96\x7b")));
}

static void old_hashes_are_made_anew(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_USER);
	add_login(w, 7, "Hana@example.jp", "correct horse battery");
	struct login l;
	assert_int_equal(login_find(w->keys, SLICE("hana@example.jp"), &w->arena, &l), OK);
	l.secret.scram.iterations = 4096;
	assert_int_equal(login_store(w->keys, &l), OK);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.1"), OK);
	assert_int_equal(login_find(w->keys, SLICE("hana@example.jp"), &w->arena, &l), OK);
	assert_int_equal(l.secret.scram.iterations, SCRAM_ITERATIONS);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.1"), OK);
	ipc_close(&c);
}

static void guessing_is_slow(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_USER);
	add_login(w, 7, "Hana@example.jp", "correct horse battery");
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.9"), OK);
	enum result r = DENY;
	int tries = 0;
	for (; r == DENY && tries < 30; tries++) {
		char *guess = arena_printf(&w->arena, "guess %d", tries);
		r = try_password(w, &c, "hana@example.jp", guess, "203.0.113.5");
	}
	assert_int_equal(r, LATER);
	assert_int_equal(tries, 11);
	/*
	 * From a new place even the right password waits, although its verdict is remembered: an answer at once would let
	 * guesses through. From where the owner always is it does not.
	 */
	assert_int_equal(
	    try_password(w, &c, "hana@example.jp", "correct horse battery", "198.51.100.1"), LATER);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.9"), OK);
	ipc_close(&c);
}

#define BURST 40

struct guesser {
	struct world *w;
	int number;
	enum result r;
};

static void *guess_once(void *arg)
{
	struct guesser *g = arg;
	struct ipc c = connect_as(g->w, PEER_USER);
	struct arena mem = {.cap = 65536};
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	Sekisho__PasswordAsk ask = SEKISHO__PASSWORD_ASK__INIT;
	Sekisho__GrantAnswer *answer;
	client.ip = (char *)(uintptr_t) "203.0.113.6";
	client.service = (char *)(uintptr_t) "imap";
	ask.login = (char *)(uintptr_t) "hana@example.jp";
	ask.password.data = (uint8_t *)arena_printf(&mem, "burst %d", g->number);
	ask.password.len = strlen((const char *)ask.password.data);
	ask.client = &client;
	g->r = ipc_call(&c, ASK_KEYS_PASSWORD, &ask, NULL, &mem, &answer, NULL);
	if (g->r == OK)
		g->r = (enum result)answer->result;
	ipc_close(&c);
	arena_free(&mem);
	return NULL;
}

/* Guesses that were let in before the first of them had failed do not all get an answer. */
static void a_burst_of_guesses_is_slow_too(void **state)
{
	struct world *w = *state;
	pthread_t threads[BURST];
	struct guesser guessers[BURST];
	int denied = 0;
	add_login(w, 7, "Hana@example.jp", "correct horse battery");
	for (int i = 0; i < BURST; i++) {
		guessers[i] = (struct guesser){w, i, OK};
		assert_int_equal(pthread_create(&threads[i], NULL, guess_once, &guessers[i]), 0);
	}
	for (int i = 0; i < BURST; i++) {
		pthread_join(threads[i], NULL);
		assert_true(guessers[i].r == DENY || guessers[i].r == LATER);
		denied += guessers[i].r == DENY;
	}
	assert_in_range(denied, 1, 10 + KEYS_HASHERS);
}

static void an_old_password_on_a_phone_counts_once(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_USER);
	add_login(w, 7, "Hana@example.jp", "correct horse battery");
	for (int i = 0; i < 50; i++)
		assert_int_equal(try_password(w, &c, "hana@example.jp", "former horse", "192.0.2.1"), DENY);
	assert_int_equal(try_password(w, &c, "hana@example.jp", "correct horse battery", "192.0.2.1"), OK);
	ipc_close(&c);
}

static void lru_keeps_the_used(void **state)
{
	struct lru l;
	lru_init(&l, 10);
	for (int i = 0; i < 1000; i++) {
		char key[32] = {0};
		memcpy(key, &i, sizeof i);
		lru_put(&l, key)->a = i;
		int zero = 0;
		memcpy(key, &zero, sizeof zero);
		assert_non_null(lru_get(&l, key));
		int seen = 0;
		for (int j = 0; j <= i; j++) {
			memcpy(key, &j, sizeof j);
			/* Look without touching: through the chain only. */
			for (uint32_t at = 1; at <= l.used; at++)
				seen += memcmp(l.entries[at].key, key, 32) == 0;
		}
		assert_int_equal(seen, MIN(i + 1, 10));
	}
	lru_free(&l);
}

/* ---- SCRAM ---- */

/* RFC 7677 section 3. */
static void scram_vector(void **state)
{
	struct scram_keys k = {.iterations = 4096};
	BUF_LOCAL(salt, 64);
	BUF_LOCAL(proof, 64);
	BUF_LOCAL(final, 128);
	assert_int_equal(base64_decode(SLICE("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt), OK);
	assert_int_equal(base64_decode(SLICE("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), &proof), OK);
	scram_derive(SLICE("pencil"), buf_slice(&salt), &k);
	struct slice auth = SLICE(
	    "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	assert_int_equal(scram_finish(&k, auth, buf_slice(&proof), &final), OK);
	assert_true(slice_eq(buf_slice(&final), SLICE("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	proof.p[31] ^= 1;
	assert_int_equal(scram_finish(&k, auth, buf_slice(&proof), &final), DENY);
	proof.p[31] ^= 1;
	assert_int_equal(scram_finish(&k, auth, slice_of(proof.p, 31), &final), DENY);
	assert_int_equal(scram_finish(&k, auth, SLICE_NONE, &final), DENY);
	BUF_LOCAL(first, 256);
	scram_server_first(SLICE("rOprNGfwEbeRWgbNEkqO"), SLICE("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
	    buf_slice(&salt), 4096, &first);
	assert_true(slice_search(auth, buf_slice(&first)) > 0);
}

static void scram_messages(void **state)
{
	static const struct {
		const char *text;
		enum result result;
		const char *login;
	} cases[] = {
	    {"n=user,r=abc", OK, "user"},
	    {"n=a=2Cb=3Dc,r=abc", OK, "a,b=c"},
	    {"n=user,r=abc,x=ext,y=1", OK, "user"},
	    {"n=user,r=abc,m=ext", BAD, NULL},
	    {"m=x,n=user,r=abc", BAD, NULL},
	    {"n=a=2cb,r=abc", BAD, NULL},
	    {"n=,r=abc", BAD, NULL},
	    {"n=user,r=", BAD, NULL},
	    {"n=user,r=a b", BAD, NULL},
	    {"n=user,r=abc,", BAD, NULL},
	    {"n=user", BAD, NULL},
	    {"", BAD, NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(login, 100);
		struct slice nonce;
		assert_int_equal(scram_bare_parse(slice_str(cases[i].text), &login, &nonce), cases[i].result);
		if (cases[i].result == OK) {
			assert_true(slice_eq(buf_slice(&login), slice_str(cases[i].login)));
			assert_true(slice_eq(nonce, SLICE("abc")));
		}
	}
}

static enum result scram_start(
    struct world *w, struct ipc *c, const char *login, Sekisho__ScramStartAnswer **out)
{
	Sekisho__ScramStartAsk ask = SEKISHO__SCRAM_START_ASK__INIT;
	ask.login = arena_z(&w->arena, slice_str(login));
	char *bare = arena_printf(&w->arena, "n=%s,r=clientnonce", login);
	ask.client_first_bare = (ProtobufCBinaryData){strlen(bare), (uint8_t *)bare};
	return ipc_call(c, ASK_KEYS_SCRAM_START, &ask, NULL, &w->arena, out, NULL);
}

/* The client's side of the exchange. */
static enum result scram_end(struct world *w, struct ipc *c, const char *login, const char *password,
    const Sekisho__ScramStartAnswer *start, Sekisho__GrantAnswer **out)
{
	struct slice first = slice_of(start->server_first.data, start->server_first.len), rest = first;
	struct slice nonce = scram_nonce(first);
	(void)slice_split(&rest, ',');
	struct slice salt64 = slice_sub(slice_split(&rest, ','), 2, 100);
	BUF_LOCAL(salt, 64);
	assert_int_equal(base64_decode(salt64, &salt), OK);
	struct scram_keys k = {0};
	assert_int_equal(num_u32(slice_sub(rest, 2, 10), 1000000, &k.iterations), OK);
	char *last = arena_printf(&w->arena, "c=biws,r=%.*s", SLICE_ARG(nonce));
	char *auth = arena_printf(&w->arena, "n=%s,r=clientnonce,%.*s,%s", login, SLICE_ARG(first), last);
	/* Salted password -> client key -> proof. */
	unsigned char salted[32], client[32], stored[32], signature[32];
	unsigned n = 0;
	PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (unsigned char *)salt.p, (int)salt.n,
	    (int)k.iterations, EVP_sha256(), 32, salted);
	HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Client Key", 10, client, &n);
	EVP_Digest(client, 32, stored, &n, EVP_sha256(), NULL);
	HMAC(EVP_sha256(), stored, 32, (const unsigned char *)auth, strlen(auth), signature, &n);
	for (int i = 0; i < 32; i++)
		client[i] ^= signature[i];
	Sekisho__Client who = SEKISHO__CLIENT__INIT;
	who.ip = arena_z(&w->arena, SLICE("192.0.2.1"));
	who.service = arena_z(&w->arena, SLICE("imaps"));
	Sekisho__ScramFinishAsk ask = SEKISHO__SCRAM_FINISH_ASK__INIT;
	ask.state = start->state;
	ask.client_final_without_proof = (ProtobufCBinaryData){strlen(last), (uint8_t *)last};
	ask.proof = (ProtobufCBinaryData){32, client};
	ask.client = &who;
	enum result r = ipc_call(c, ASK_KEYS_SCRAM_FINISH, &ask, NULL, &w->arena, out, NULL);
	return r == OK ? (enum result)(*out)->result : r;
}

static void scram_exchange(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_USER);
	add_login(w, 7, "hana@example.jp", "correct horse battery");
	Sekisho__ScramStartAnswer *start, *again;
	Sekisho__GrantAnswer *grant;
	assert_int_equal(scram_start(w, &c, "hana@example.jp", &start), OK);
	assert_int_equal(scram_end(w, &c, "hana@example.jp", "correct horse battery", start, &grant), OK);
	assert_true(slice_starts(slice_of(grant->server_final.data, grant->server_final.len), SLICE("v=")));
	struct ipc_grant g;
	assert_int_equal(ipc_grant_verify(slice_of(grant_key, sizeof grant_key),
			     slice_of(grant->grant.data, grant->grant.len), clock_utc_ms(), &g),
	    OK);
	assert_int_equal(g.account, 7);
	assert_int_equal(scram_end(w, &c, "hana@example.jp", "wrong horse", start, &grant), DENY);
	start->state.data[20] ^= 1;
	assert_int_equal(scram_end(w, &c, "hana@example.jp", "correct horse battery", start, &grant), DENY);
	/* A login that does not exist looks the same, and the same each time. */
	assert_int_equal(scram_start(w, &c, "nobody@example.jp", &start), OK);
	assert_int_equal(scram_start(w, &c, "nobody@example.jp", &again), OK);
	assert_int_equal(start->server_first.len, again->server_first.len);
	struct slice tail = slice_of(start->server_first.data, start->server_first.len);
	assert_int_equal(slice_search(slice_of(again->server_first.data, again->server_first.len),
			     slice_sub(tail, tail.n - 32, 32)),
	    tail.n - 32);
	assert_int_equal(scram_end(w, &c, "nobody@example.jp", "nobody's password", start, &grant), DENY);
	ipc_close(&c);
}

/* ---- data keys ---- */

static void data_keys(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_STORE);
	Sekisho__DataKeyAsk ask = SEKISHO__DATA_KEY_ASK__INIT;
	Sekisho__DataKeyAnswer *made, *opened;
	assert_int_equal(ipc_call(&c, ASK_KEYS_DATA_KEY, &ask, NULL, &w->arena, &made, NULL), OK);
	assert_int_equal(made->key.len, 32);
	ask.wrapped = made->wrapped;
	assert_int_equal(ipc_call(&c, ASK_KEYS_DATA_KEY, &ask, NULL, &w->arena, &opened, NULL), OK);
	assert_memory_equal(made->key.data, opened->key.data, 32);
	for (size_t i = 0; i < ask.wrapped.len; i++) {
		ask.wrapped.data[i] ^= 0x40;
		assert_int_equal(ipc_call(&c, ASK_KEYS_DATA_KEY, &ask, NULL, &w->arena, &opened, NULL), DENY);
		ask.wrapped.data[i] ^= 0x40;
	}
	ipc_close(&c);
	struct ipc user = connect_as(w, PEER_USER);
	assert_int_equal(ipc_call(&user, ASK_KEYS_DATA_KEY, &ask, NULL, &w->arena, &opened, NULL), GONE);
}

/* ---- DKIM ---- */

static bool signature_is_right(
    const Sekisho__DkimMakeAnswer *made, bool rsa, ProtobufCBinaryData s, const uint8_t digest[32])
{
	const unsigned char *p = made->public_key.data;
	EVP_PKEY *key = rsa ? d2i_PUBKEY(NULL, &p, (long)made->public_key.len)
			    : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p, made->public_key.len);
	assert_non_null(key);
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	bool right = rsa ? EVP_PKEY_verify_init(x) == 1 &&
			       EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
			       EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()) == 1 &&
			       EVP_PKEY_verify(x, s.data, s.len, digest, 32) == 1
			 : EVP_DigestVerifyInit(m, NULL, NULL, NULL, key) == 1 &&
			       EVP_DigestVerify(m, s.data, s.len, digest, 32) == 1;
	if (rsa)
		assert_int_equal(EVP_PKEY_get_bits(key), 2048);
	EVP_PKEY_CTX_free(x);
	EVP_MD_CTX_free(m);
	EVP_PKEY_free(key);
	return right;
}

static size_t sign_with(
    struct ipc *c, struct arena *a, const Sekisho__DkimSignItem *item, ProtobufCBinaryData *out)
{
	Sekisho__DkimSignItem *list[2] = {
	    (Sekisho__DkimSignItem *)(uintptr_t)item, (Sekisho__DkimSignItem *)(uintptr_t)item};
	Sekisho__DkimSignAsk ask = SEKISHO__DKIM_SIGN_ASK__INIT;
	Sekisho__DkimSignAnswer *answer;
	ask.items = list;
	ask.n_items = 2;
	assert_int_equal(ipc_call(c, ASK_KEYS_DKIM_SIGN, &ask, NULL, a, &answer, NULL), OK);
	assert_int_equal(answer->n_signatures, 2);
	*out = answer->signatures[0];
	return out->len;
}

/* A key signs for its own domain, selector and kind, and only for store; the private half never comes out. */
static void dkim_keys(void **state)
{
	struct world *w = *state;
	for (int rsa = 0; rsa < 2; rsa++) {
		struct ipc c = connect_as(w, PEER_STORE);
		uint8_t digest[32] = {1, 2, 3};
		ProtobufCBinaryData s;
		Sekisho__DkimMakeAsk ask = SEKISHO__DKIM_MAKE_ASK__INIT;
		Sekisho__DkimMakeAnswer *made;
		Sekisho__DkimSignItem item = SEKISHO__DKIM_SIGN_ITEM__INIT;
		ask.domain = item.domain = "example.jp";
		ask.selector = item.selector = "s1";
		ask.algorithm = item.algorithm =
		    rsa ? SEKISHO__DKIM_ALGORITHM__DKIM_RSA : SEKISHO__DKIM_ALGORITHM__DKIM_ED25519;
		assert_int_equal(ipc_call(&c, ASK_KEYS_DKIM_MAKE, &ask, NULL, &w->arena, &made, NULL), OK);
		item.wrapped = made->wrapped;
		item.digest = (ProtobufCBinaryData){sizeof digest, digest};
		for (int i = 0; i < 2; i++) { /* opened, and remembered */
			assert_true(sign_with(&c, &w->arena, &item, &s) > 0);
			assert_true(signature_is_right(made, rsa, s, digest));
		}
		digest[0]++;
		assert_false(signature_is_right(made, rsa, s, digest));
		item.domain = "example.net";
		assert_int_equal(sign_with(&c, &w->arena, &item, &s), 0);
		item.domain = ask.domain;
		item.selector = "s2";
		assert_int_equal(sign_with(&c, &w->arena, &item, &s), 0);
		item.selector = ask.selector;
		item.algorithm = SEKISHO__DKIM_ALGORITHM__DKIM_NO_ALGORITHM;
		assert_int_equal(sign_with(&c, &w->arena, &item, &s), 0);
		item.algorithm = ask.algorithm;
		item.digest.len = 31;
		assert_int_equal(sign_with(&c, &w->arena, &item, &s), 0);
		item.digest.len = 32;
		item.wrapped.data[item.wrapped.len / 2] ^= 1;
		assert_int_equal(sign_with(&c, &w->arena, &item, &s), 0);
		ask.algorithm = SEKISHO__DKIM_ALGORITHM__DKIM_NO_ALGORITHM;
		assert_int_equal(ipc_call(&c, ASK_KEYS_DKIM_MAKE, &ask, NULL, &w->arena, &made, NULL), BAD);
		ipc_close(&c);
		struct ipc user = connect_as(w, PEER_USER);
		assert_int_equal(
		    ipc_call(&user, ASK_KEYS_DKIM_MAKE, &ask, NULL, &w->arena, &made, NULL), GONE);
	}
}

/* ---- certificates ---- */

static EVP_PKEY *make_key(bool rsa)
{
	EVP_PKEY *k = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	assert_non_null(k);
	return k;
}

/* A certificate for names ("DNS:a,DNS:b"), signed by itself, good for `days` from now. */
static void make_pem(EVP_PKEY *key, const char *names, int days, struct buf *cert, struct buf *key_pem)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), days);
	X509_gmtime_adj(X509_getm_notBefore(x), -100000);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	assert_non_null(san);
	X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	PEM_write_bio_X509(b, x);
	long n = BIO_get_mem_data(b, &p);
	buf_put(cert, slice_of(p, (size_t)n));
	(void)BIO_reset(b);
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(b, &p);
	buf_put(key_pem, slice_of(p, (size_t)n));
	BIO_free(b);
	X509_free(x);
}

static enum result install(struct world *w, EVP_PKEY *key, const char *names, int days)
{
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key_pem, 65536);
	const char *why;
	make_pem(key, names, days, &cert, &key_pem);
	return keys_install_certificate(w->keys, buf_slice(&cert), buf_slice(&key_pem), &why);
}

/* All names of the certificates in order, as the fronts get them. */
static char *served(struct world *w, struct ipc *c)
{
	Sekisho__CertificateAsk ask = SEKISHO__CERTIFICATE_ASK__INIT;
	Sekisho__CertificateAnswer *answer;
	BUF_LOCAL(b, 4096);
	assert_int_equal(ipc_call(c, ASK_KEYS_CERTIFICATES, &ask, NULL, &w->arena, &answer, NULL), OK);
	for (;;) {
		for (size_t i = 0; i < answer->n_certificates; i++)
			for (size_t j = 0; j < answer->certificates[i]->n_names; j++)
				buf_printf(&b, "%s%s", b.n ? " " : "", answer->certificates[i]->names[j]);
		if (!c->more)
			return arena_z(&w->arena, buf_slice(&b));
		assert_int_equal(ipc_more(c, &w->arena, &answer, NULL), OK);
	}
}

static void certificates(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_MX);
	EVP_PKEY *ec = make_key(false), *rsa = make_key(true), *other = make_key(false);
	assert_string_equal(served(w, &c), "");
	changes = 0;
	assert_int_equal(install(w, ec, "DNS:Mail.Example.JP,DNS:example.jp", 10), OK);
	assert_int_equal(install(w, rsa, "DNS:mail.example.jp", 10), OK);
	assert_string_equal(served(w, &c), "mail.example.jp example.jp mail.example.jp");
	assert_int_equal(changes, 2);
	/* A renewal takes the place of what it covers. */
	assert_int_equal(install(w, other, "DNS:mail.example.jp,DNS:example.jp,DNS:www.example.jp", 20), OK);
	assert_string_equal(served(w, &c), "mail.example.jp example.jp www.example.jp mail.example.jp");
	assert_int_equal(install(w, ec, "DNS:mail.example.jp", -1), DENY);
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key_pem, 65536);
	BUF_LOCAL(unused, 65536);
	const char *why;
	make_pem(ec, "DNS:a.example", 1, &cert, &unused);
	make_pem(other, "DNS:a.example", 1, &unused, &key_pem);
	assert_int_equal(
	    keys_install_certificate(w->keys, buf_slice(&cert), buf_slice(&key_pem), &why), DENY);
	assert_string_equal(why, "the private key does not belong to the first certificate");
	assert_int_equal(keys_install_certificate(w->keys, SLICE("hello"), buf_slice(&key_pem), &why), DENY);
	assert_int_equal(keys_install_certificate(w->keys, buf_slice(&cert), SLICE("hello"), &why), DENY);
	assert_int_equal(changes, 3);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
	ipc_close(&c);
}

static enum result sign(
    struct world *w, struct ipc *c, const char *key, bool rsa, struct slice in, struct slice *out)
{
	Sekisho__SignAsk ask = SEKISHO__SIGN_ASK__INIT;
	Sekisho__SignAnswer *answer;
	ask.key = arena_z(&w->arena, slice_str(key));
	ask.operation = rsa ? SEKISHO__SIGN_ASK__OPERATION__RSA_RAW : SEKISHO__SIGN_ASK__OPERATION__ECDSA;
	ask.input = (ProtobufCBinaryData){in.n, (uint8_t *)(uintptr_t)in.p};
	enum result r = ipc_call(c, ASK_KEYS_SIGN, &ask, NULL, &w->arena, &answer, NULL);
	if (r == OK)
		*out = slice_of(answer->output.data, answer->output.len);
	return r;
}

static void signatures(void **state)
{
	struct world *w = *state;
	struct ipc c = connect_as(w, PEER_MX);
	EVP_PKEY *ec = make_key(false), *rsa = make_key(true);
	assert_int_equal(install(w, ec, "DNS:ec.example", 10), OK);
	assert_int_equal(install(w, rsa, "DNS:rsa.example", 10), OK);
	char digest[32] = "0123456789abcdef0123456789abcde";
	const char *ec_id = w->keys->certificates[0]->id, *rsa_id = w->keys->certificates[1]->id;
	struct slice out;
	assert_int_equal(sign(w, &c, ec_id, false, slice_of(digest, 32), &out), OK);
	EVP_PKEY_CTX *v = EVP_PKEY_CTX_new(ec, NULL);
	EVP_PKEY_verify_init(v);
	assert_int_equal(
	    EVP_PKEY_verify(v, (const unsigned char *)out.p, out.n, (unsigned char *)digest, 32), 1);
	EVP_PKEY_CTX_free(v);
	unsigned char block[256];
	memset(block, 0xff, sizeof block);
	block[0] = 0;
	block[1] = 1;
	block[220] = 0;
	assert_int_equal(sign(w, &c, rsa_id, true, slice_of(block, 256), &out), OK);
	unsigned char back[256];
	size_t n = sizeof back;
	v = EVP_PKEY_CTX_new(rsa, NULL);
	EVP_PKEY_encrypt_init(v);
	EVP_PKEY_CTX_set_rsa_padding(v, RSA_NO_PADDING);
	assert_int_equal(EVP_PKEY_encrypt(v, back, &n, (const unsigned char *)out.p, out.n), 1);
	assert_memory_equal(back, block, 256);
	EVP_PKEY_CTX_free(v);
	/* Never a decryption, never with another kind of key, never with no key. */
	block[1] = 2;
	assert_int_equal(sign(w, &c, rsa_id, true, slice_of(block, 256), &out), DENY);
	assert_int_equal(sign(w, &c, rsa_id, true, slice_of(block, 255), &out), DENY);
	assert_int_equal(sign(w, &c, rsa_id, false, slice_of(digest, 32), &out), DENY);
	assert_int_equal(sign(w, &c, ec_id, true, slice_of(block, 256), &out), DENY);
	assert_int_equal(sign(w, &c, "none", false, slice_of(digest, 32), &out), GONE);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	ipc_close(&c);
}

/* ---- the master key's file; what lies on the disk ---- */

static void master_key_file(void **state)
{
	struct world *w = *state;
	char *path = arena_printf(&w->arena, "%s/master", w->dir);
	char key[KEYS_MASTER], same[KEYS_MASTER];
	assert_int_equal(keys_master_read(path, key), DENY);
	assert_int_equal(keys_master_create(path), OK);
	assert_int_equal(keys_master_create(path), DENY);
	assert_int_equal(keys_master_read(path, key), OK);
	assert_int_equal(keys_master_read(path, same), OK);
	assert_memory_equal(key, same, sizeof key);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	chmod(path, 0644);
	assert_int_equal(keys_master_read(path, key), DENY);
	chmod(path, 0600);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(keys_master_read(path, key), DENY);
}

static void the_disk_shows_no_secret(void **state)
{
	struct world *w = *state;
	EVP_PKEY *key = make_key(false);
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key_pem, 65536);
	const char *why;
	make_pem(key, "DNS:secret.example", 10, &cert, &key_pem);
	assert_int_equal(keys_install_certificate(w->keys, buf_slice(&cert), buf_slice(&key_pem), &why), OK);
	add_login(w, 7, "hana@example.jp", "correct horse battery");
	struct buf der = {.max = PEM_OCTETS};
	certificate_key_put(w->keys->certificates[0], &der);
	static const char *const files[] = {"keys.db", "keys.db-wal"};
	bool login_seen = false;
	for (size_t i = 0; i < COUNT(files); i++) {
		FD_LOCAL fd = open(arena_printf(&w->arena, "%s/%s", w->dir, files[i]), O_RDONLY);
		BUF_LOCAL(all, 1 << 22);
		char *p = buf_room(&all, 1 << 21);
		ssize_t n = read(fd, p, 1 << 21);
		struct slice text = slice_of(p, n > 0 ? (size_t)n : 0);
		login_seen = login_seen || slice_search(text, SLICE("hana@example.jp")) >= 0;
		assert_int_equal(slice_search(text, SLICE("argon2id")), -1);
		assert_int_equal(slice_search(text, slice_of(der.p + 8, 24)), -1);
	}
	assert_true(login_seen);
	buf_free_secret(&der);
	EVP_PKEY_free(key);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(passwords),
	    WORLD_TEST(passwords_outlive_a_restart),
	    WORLD_TEST(weak_passwords_are_refused),
	    WORLD_TEST(typed_text_is_prepared),
	    WORLD_TEST(old_hashes_are_made_anew),
	    WORLD_TEST(guessing_is_slow),
	    WORLD_TEST(a_burst_of_guesses_is_slow_too),
	    WORLD_TEST(an_old_password_on_a_phone_counts_once),
	    cmocka_unit_test(lru_keeps_the_used),
	    cmocka_unit_test(scram_vector),
	    cmocka_unit_test(scram_messages),
	    WORLD_TEST(scram_exchange),
	    WORLD_TEST(data_keys),
	    WORLD_TEST(dkim_keys),
	    WORLD_TEST(certificates),
	    WORLD_TEST(signatures),
	    WORLD_TEST(master_key_file),
	    WORLD_TEST(the_disk_shows_no_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
