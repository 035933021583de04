/*
 * tls: real handshakes of a front that holds no private key, and a look into its memory.
 *
 * The front is a child process, forked before any key exists; this process plays keys, makes the certificates, and at the
 * end reads the child's memory in search of the keys.
 */
#include "keys/inner.h"
#include "tls/tls.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char answered_certificate[256]; /* subject alternative name the client saw, or "none" */

/* ---- the front's side, in the child ---- */

struct handshake {
	SSL_CTX *ctx;
	int fd;
	enum result result;
	char version[16];
	bool resumed;
};

static void *serve_one(void *arg)
{
	struct handshake *h = arg;
	struct stream *s = stream_socket(h->fd);
	stream_timeout(s, 5000);
	h->result = stream_tls_accept(s, h->ctx);
	if (h->result == OK) {
		struct slice line;
		snprintf(h->version, sizeof h->version, "%s", stream_tls_version(s));
		h->resumed = SSL_session_reused(stream_ssl(s));
		h->result = stream_line(s, 100, &line);
		stream_put(s, line);
		stream_puts(s, "\r\n");
		if (stream_flush(s) != OK)
			h->result = GONE;
	}
	stream_close(s);
	return NULL;
}

struct client {
	const char *host;
	int version;            /* TLS1_2_VERSION ... */
	const char *signatures; /* what the client can check; NULL: all */
	SSL_SESSION *session;   /* to be resumed; NULL: none */
};

/* The names of the peer's certificate, joined by commas. */
static void read_names(const SSL *ssl)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *all = x ? X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL) : NULL;
	BUF_LOCAL(b, sizeof answered_certificate - 1);
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
		buf_printf(&b, "%s%s", i ? "," : "",
		    (const char *)ASN1_STRING_get0_data(sk_GENERAL_NAME_value(all, i)->d.dNSName));
	buf_printf(&b, " %s", x ? EVP_PKEY_get0_type_name(X509_get0_pubkey(x)) : "none");
	memcpy(answered_certificate, buf_z(&b), b.n + 1);
	GENERAL_NAMES_free(all);
}

/* A client's handshake and one line there and back; true when all went well. The session is kept in c->session. */
static bool talk(SSL_CTX *ctx, int fd, struct client *c)
{
	char back[8] = "";
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	SSL_set_min_proto_version(ssl, c->version);
	SSL_set_max_proto_version(ssl, c->version);
	if (c->host)
		SSL_set_tlsext_host_name(ssl, c->host);
	if (c->signatures)
		SSL_set1_sigalgs_list(ssl, c->signatures);
	if (c->session)
		SSL_set_session(ssl, c->session);
	bool done = SSL_connect(ssl) == 1 && SSL_write(ssl, "hello\r\n", 7) == 7 &&
		    SSL_read(ssl, back, sizeof back - 1) == 7 && strcmp(back, "hello\r\n") == 0;
	read_names(ssl);
	SSL_SESSION_free(c->session);
	c->session = SSL_get1_session(ssl);
	SSL_shutdown(ssl); /* what was not shut down is not resumed */
	SSL_free(ssl);
	ERR_clear_error();
	return done;
}

static bool shake_hands(SSL_CTX *front, struct client *c, struct handshake *h)
{
	int fds[2];
	pthread_t t;
	SSL_CTX *ctx = tls_client_context(TLS_UNVERIFIED, NULL);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*h = (struct handshake){.ctx = front, .fd = fds[0]};
	pthread_create(&t, NULL, serve_one, h);
	bool done = talk(ctx, fds[1], c);
	close(fds[1]);
	pthread_join(t, NULL);
	SSL_CTX_free(ctx);
	return done && h->result == OK;
}

#define MUST(what)                                                                                           \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			dprintf(2, "%s:%d: %s (certificate: %s)\n", __FILE__, __LINE__, #what,               \
			    answered_certificate);                                                           \
			return 1;                                                                            \
		}                                                                                            \
	} while (0)

static bool saw(const char *certificate)
{
	return strcmp(answered_certificate, certificate) == 0;
}

static int try_versions(SSL_CTX *front)
{
	static const struct {
		int version;
		const char *name, *signatures, *kind;
	} cases[] = {
	    {TLS1_2_VERSION, "TLSv1.2", "ECDSA+SHA256", "mail.example.jp,*.example.jp EC"},
	    {TLS1_3_VERSION, "TLSv1.3", "ECDSA+SHA256", "mail.example.jp,*.example.jp EC"},
	    {TLS1_2_VERSION, "TLSv1.2", "RSA+SHA256", "mail.example.jp RSA"},
	    {TLS1_2_VERSION, "TLSv1.2", "rsa_pss_rsae_sha256", "mail.example.jp RSA"},
	    {TLS1_3_VERSION, "TLSv1.3", "rsa_pss_rsae_sha256", "mail.example.jp RSA"},
	    {TLS1_3_VERSION, "TLSv1.3", NULL, "mail.example.jp,*.example.jp EC"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c = {"mail.example.jp", cases[i].version, cases[i].signatures, NULL};
		struct handshake h;
		MUST(shake_hands(front, &c, &h));
		MUST(strcmp(h.version, cases[i].name) == 0);
		MUST(saw(cases[i].kind));
		MUST(!h.resumed);
		MUST(shake_hands(front, &c, &h));
		MUST(h.resumed);
		SSL_SESSION_free(c.session);
	}
	struct client old = {"mail.example.jp", TLS1_1_VERSION, NULL, NULL};
	struct handshake h;
	MUST(!shake_hands(front, &old, &h));
	SSL_SESSION_free(old.session);
	return 0;
}

static int try_names(SSL_CTX *front)
{
	static const struct {
		const char *host, *kind;
	} cases[] = {
	    {"MAIL.example.jp", "mail.example.jp,*.example.jp EC"},
	    {"imap.example.jp", "mail.example.jp,*.example.jp EC"},
	    {"a.b.example.jp", "mail.example.jp,*.example.jp EC"}, /* no match: the first one */
	    {"mail.other.example", "mail.other.example EC"},
	    {NULL, "mail.example.jp,*.example.jp EC"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c = {cases[i].host, TLS1_3_VERSION, NULL, NULL};
		struct handshake h;
		MUST(shake_hands(front, &c, &h));
		MUST(saw(cases[i].kind));
		SSL_SESSION_free(c.session);
	}
	return 0;
}

static void step_done(int fd, char *answer)
{
	if (write(fd, "d", 1) != 1 || read(fd, answer, 1) != 1)
		_exit(2);
}

/* The child: everything is tried, then it waits while its memory is read, then for a new certificate, then for keys' end. */
static int front_main(int trunk_fd, int step_fd)
{
	char answer;
	struct ipc_trunk *trunk = ipc_trunk_new("keys");
	ipc_trunk_set(trunk, trunk_fd);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	SSL_CTX *front = tls_front_context(trunk);
	MUST(tls_front_wait(front, 5000) == OK);
	MUST(try_versions(front) == 0);
	MUST(try_names(front) == 0);
	step_done(step_fd, &answer); /* memory is read; a certificate for new.example comes */
	struct client c = {"new.example", TLS1_3_VERSION, NULL, NULL};
	struct handshake h;
	for (int i = 0; i < 500 && !saw("new.example EC"); i++) {
		MUST(shake_hands(front, &c, &h));
		SSL_SESSION_free(c.session);
		c.session = NULL;
		usleep(10000);
	}
	MUST(saw("new.example EC"));
	/* Without keys there is no handshake, and nothing else breaks. */
	ipc_trunk_set(trunk, -1);
	MUST(!shake_hands(front, &c, &h));
	MUST(h.result != OK);
	return 0;
}

/* ---- keys' side ---- */

struct world {
	char dir[64];
	struct keys *keys;
	struct ipc_server *server;
	pid_t front;
	int step;
	struct buf secrets[3]; /* what must not be in the front's memory */
};

static void install(struct world *w, EVP_PKEY *key, const char *names)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), -1000);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key_pem, 65536);
	char *p;
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, x);
	long n = BIO_get_mem_data(b, &p);
	buf_put(&cert, slice_of(p, (size_t)n));
	(void)BIO_reset(b);
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(b, &p);
	buf_put(&key_pem, slice_of(p, (size_t)n));
	BIO_free(b);
	X509_free(x);
	const char *why;
	assert_int_equal(keys_install_certificate(w->keys, buf_slice(&cert), buf_slice(&key_pem), &why), OK);
}

/* A number of the private key in the order in which OpenSSL keeps it in memory (little-endian words). */
static void keep_secret(struct buf *b, EVP_PKEY *key, const char *name, bool native)
{
	BIGNUM *n = NULL;
	unsigned char octets[512];
	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
	int size = native ? BN_bn2lebinpad(n, octets, BN_num_bytes(n)) : BN_bn2bin(n, octets);
	assert_true(size >= 24);
	buf_init(b, 512);
	buf_put(b, slice_of(octets, 24));
	BN_clear_free(n);
}

static void tell_front(void *context)
{
	struct world *w = context;
	if (w->server)
		ipc_server_note(w->server, 1u << PEER_MX, NOTE_KEYS);
}

/* Occurrences of any secret in the process's writable memory; *octets_out says how much was read. */
static int search_memory(pid_t pid, const struct buf *secrets, size_t n, size_t *octets_out)
{
	char path[64], line[512];
	int found = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "r");
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	FD_LOCAL mem = open(path, O_RDONLY);
	assert_non_null(maps);
	assert_true(mem >= 0);
	*octets_out = 0;
	while (fgets(line, sizeof line, maps)) {
		char *end;
		unsigned long from = (strtoul)(line, &end, 16), to = (strtoul)(end + 1, &end, 16);
		if (!strstr(end, "rw") || to - from > 256u << 20)
			continue;
		char *p = malloc(to - from);
		ssize_t got = pread(mem, p, to - from, (off_t)from);
		for (size_t i = 0; got > 0 && i < n; i++)
			found += memmem(p, (size_t)got, secrets[i].p, secrets[i].n) != NULL;
		*octets_out += got > 0 ? (size_t)got : 0;
		free(p);
	}
	fclose(maps);
	return found;
}

static void wait_step(struct world *w)
{
	char c;
	assert_int_equal(read(w->step, &c, 1), 1);
}

static void handshakes_without_a_key(void **state)
{
	struct world w = {.dir = "/tmp/keys-tls-XXXXXX"};
	int trunk[2], step[2];
	assert_int_equal(ipc_pair(trunk), OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, step), 0);
	w.front = fork();
	if (w.front == 0)
		_exit(front_main(trunk[0], step[1]));
	close(trunk[0]);
	close(step[1]);
	w.step = step[0];
	assert_non_null(mkdtemp(w.dir));
	static const char octets[32] = "0123456789abcdef0123456789abcde";
	struct keys_settings s = {.dir = w.dir,
	    .master = slice_of(octets, 32),
	    .grant = slice_of(octets, 32),
	    .certificates_changed = tell_front,
	    .context = &w};
	assert_int_equal(keys_open(&s, &w.keys), OK);
	EVP_PKEY *ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048), *other = EVP_EC_gen("P-256"),
		 *later = EVP_EC_gen("P-256");
	keep_secret(&w.secrets[0], ec, OSSL_PKEY_PARAM_PRIV_KEY, true);
	keep_secret(&w.secrets[1], rsa, OSSL_PKEY_PARAM_RSA_D, true);
	keep_secret(&w.secrets[2], rsa, OSSL_PKEY_PARAM_RSA_FACTOR1, true);
	install(&w, ec, "DNS:mail.example.jp,DNS:*.example.jp");
	install(&w, rsa, "DNS:mail.example.jp");
	install(&w, other, "DNS:mail.other.example");
	w.server = ipc_server_new(keys_handlers, 2, w.keys);
	ipc_server_add(w.server, trunk[1], PEER_MX, NULL, NULL, NULL);
	wait_step(&w);
	size_t octets_read;
	assert_int_equal(search_memory(w.front, w.secrets, COUNT(w.secrets), &octets_read), 0);
	assert_true(octets_read > 500000);
	/* The search can find: the keys are in our own memory. */
	assert_true(search_memory(getpid(), w.secrets, 1, &octets_read) > 0);
	install(&w, later, "DNS:new.example");
	assert_int_equal(write(w.step, "g", 1), 1);
	int status;
	assert_int_equal(waitpid(w.front, &status, 0), w.front);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	EVP_PKEY *const keys[] = {ec, rsa, other, later};
	for (size_t i = 0; i < COUNT(keys); i++)
		EVP_PKEY_free(keys[i]);
	for (size_t i = 0; i < COUNT(w.secrets); i++)
		buf_free_secret(&w.secrets[i]);
	char path[100];
	snprintf(path, sizeof path, "%s/keys.db", w.dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/keys.db-wal", w.dir);
	unlink(path);
	rmdir(w.dir);
}

/* ---- certificates of our own making ---- */

static X509 *read_pem(struct slice pem)
{
	BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_non_null(x);
	return x;
}

static void made_certificates_verify(void **state)
{
	BUF_LOCAL(ca, 65536);
	BUF_LOCAL(ca_key, 65536);
	BUF_LOCAL(chain, 65536);
	BUF_LOCAL(key, 65536);
	struct slice names[] = {
	    SLICE("mail.example.jp"), SLICE("localhost"), SLICE("127.0.0.1"), SLICE("::1")};
	assert_int_equal(tls_make_authority("Demo authority", 3650, &ca, &ca_key), OK);
	assert_int_equal(
	    tls_make_leaf(buf_slice(&ca), buf_slice(&ca_key), names, COUNT(names), 825, &chain, &key), OK);
	X509 *leaf = read_pem(buf_slice(&chain)), *authority = read_pem(buf_slice(&ca));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE_add_cert(store, authority);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	assert_int_equal(X509_verify_cert(ctx), 1);
	assert_int_equal(X509_check_host(leaf, "mail.example.jp", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
	assert_int_equal(X509_check_host(leaf, "other.example.jp", 0, 0, NULL), 0);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(leaf);
	X509_free(authority);
	struct certificate *c;
	const char *why;
	assert_int_equal(certificate_read(buf_slice(&chain), buf_slice(&key), false, &c, &why), OK);
	assert_int_equal(c->names_n, 2);
	certificate_free(c);
	struct slice bad[] = {SLICE("mail example"), SLICE(".example"), SLICE("")};
	for (size_t i = 0; i < COUNT(bad); i++) {
		BUF_LOCAL(one, 65536);
		BUF_LOCAL(two, 65536);
		assert_int_equal(tls_make_self_signed(&bad[i], 1, 10, &one, &two), BAD);
	}
	BUF_LOCAL(own, 65536);
	BUF_LOCAL(own_key, 65536);
	assert_int_equal(tls_make_self_signed(names, 2, 10, &own, &own_key), OK);
	assert_int_equal(certificate_read(buf_slice(&own), buf_slice(&own_key), false, &c, &why), OK);
	certificate_free(c);
}

static void names_cover_hosts(void **state)
{
	assert_true(tls_name_covers("mail.example.jp", "MAIL.example.jp"));
	assert_true(tls_name_covers("*.example.jp", "mail.example.jp"));
	assert_false(tls_name_covers("*.example.jp", "example.jp"));
	assert_false(tls_name_covers("*.example.jp", "a.b.example.jp"));
	assert_false(tls_name_covers("*.example.jp", ".example.jp"));
	assert_false(tls_name_covers("mail.example.jp", "mail.example.jp.evil"));
	assert_false(tls_name_covers("*", "jp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(handshakes_without_a_key),
	    cmocka_unit_test(made_certificates_verify), cmocka_unit_test(names_cover_hosts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
