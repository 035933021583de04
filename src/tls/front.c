/* The fronts' context: certificates from keys, chosen by SNI in each handshake. */
#include "tls/inner.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define START_MS (10 * SECOND_MS) /* after a start clients wait so long for certificates, and never later */
#define RETRY_MS 500              /* between two attempts to reach keys */
#define MOST 200                  /* certificates */

struct served {
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf */
	EVP_PKEY *key;
	char **names;
	size_t names_n;
};

struct front {
	int64_t began_ms;
	struct ipc_trunk *keys;
	pthread_rwlock_t lock; /* guards what follows */
	struct served *list;
	size_t n;
	_Atomic bool loaded;
};

static int index_in_ctx, index_in_ssl;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void index_new(void)
{
	index_in_ctx = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	index_in_ssl = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (index_in_ctx < 0 || index_in_ssl < 0)
		abort();
}

/* ---- choosing ---- */

bool tls_name_covers(const char *pattern, const char *host)
{
	if (strcasecmp(pattern, host) == 0)
		return true;
	if (pattern[0] != '*' || pattern[1] != '.')
		return false;
	const char *dot = strchr(host, '.');
	return dot && dot != host && strcasecmp(dot, pattern + 1) == 0;
}

static bool covers(const struct served *s, const char *host)
{
	for (size_t i = 0; i < s->names_n; i++)
		if (tls_name_covers(s->names[i], host))
			return true;
	return false;
}

/* Offers the first certificate of each kind of key that covers the host; OpenSSL takes what the client can check. */
static size_t offer(const struct front *f, SSL *ssl, const char *host)
{
	int kinds[2];
	size_t kinds_n = 0;
	for (size_t i = 0; i < f->n && kinds_n < COUNT(kinds); i++) {
		const struct served *s = &f->list[i];
		int kind = EVP_PKEY_get_base_id(s->key);
		if (!covers(s, host) || (kinds_n && kinds[0] == kind))
			continue;
		if (SSL_use_cert_and_key(ssl, s->leaf, s->key, s->chain, 1) == 1)
			kinds[kinds_n++] = kind;
	}
	return kinds_n;
}

static bool answer_acme(const struct front *f, SSL *ssl, const char *host);

static bool wait_loaded(const struct front *f, int64_t ms)
{
	for (int64_t end = clock_mono_ms() + ms; !atomic_load(&f->loaded);) {
		if (clock_mono_ms() >= end)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return true;
}

static int on_certificate(SSL *ssl, void *context)
{
	struct front *f = context;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	size_t offered = 0;
	if (SSL_get_ex_data(ssl, index_in_ssl))
		return host && answer_acme(f, ssl, host);
	if (!wait_loaded(
		f, f->began_ms + START_MS - clock_mono_ms())) /* keys has not said yet what there is */
		return 0;
	pthread_rwlock_rdlock(&f->lock);
	if (host)
		offered = offer(f, ssl, host);
	if (!offered && f->n)
		offered = offer(f, ssl, f->list[0].names[0]);
	pthread_rwlock_unlock(&f->lock);
	ERR_clear_error();
	return offered > 0;
}

/* ---- fetching ---- */

static void served_free(struct served *s)
{
	X509_free(s->leaf);
	sk_X509_pop_free(s->chain, X509_free);
	EVP_PKEY_free(s->key);
	for (size_t i = 0; i < s->names_n; i++)
		free(s->names[i]);
	free(s->names);
}

static void list_free(struct served *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		served_free(&list[i]);
	free(list);
}

static bool read_chain(struct served *s, ProtobufCBinaryData pem)
{
	BIO *b = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x;
	s->chain = sk_X509_new_null();
	if (!b || !s->chain)
		abort();
	s->leaf = PEM_read_bio_X509(b, NULL, NULL, NULL);
	while (s->leaf && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (!sk_X509_push(s->chain, x))
			abort();
	BIO_free(b);
	ERR_clear_error();
	return s->leaf != NULL;
}

static bool served_make(const struct front *f, const Sekisho__Certificate *c, struct served *s)
{
	*s = (struct served){0};
	if (c->n_names == 0 || c->chain_pem.len > INT32_MAX || !read_chain(s, c->chain_pem) ||
	    !(s->key = remote_key_new(s->leaf, f->keys, c->key))) {
		served_free(s);
		return false;
	}
	s->names = calloc(c->n_names, sizeof *s->names);
	if (!s->names)
		abort();
	for (; s->names_n < c->n_names; s->names_n++)
		if (!(s->names[s->names_n] = strdup(c->names[s->names_n])))
			abort();
	return true;
}

/* ---- a certificate authority's question, RFC 8737 ---- */

static bool answer_acme(const struct front *f, SSL *ssl, const char *host)
{
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__AcmeAnswerAsk ask = SEKISHO__ACME_ANSWER_ASK__INIT;
	Sekisho__AcmeAnswerAnswer *answer;
	struct ipc *c = ipc_thread(f->keys);
	struct served s = {0};
	char *name = arena_z(&a, slice_str(host));
	for (char *p = name; p && *p; p++)
		*p = ascii_lower(*p);
	ask.name = name;
	bool done = c && name && ipc_call(c, ASK_KEYS_ACME_ANSWER, &ask, NULL, &a, &answer, NULL) == OK &&
		    read_chain(&s, answer->certificate_pem) &&
		    (s.key = remote_key_new(s.leaf, f->keys, answer->key)) &&
		    SSL_use_cert_and_key(ssl, s.leaf, s.key, s.chain, 1) == 1;
	served_free(&s);
	ERR_clear_error();
	return done;
}

/* The question offers this one protocol, and nobody else does. */
static int on_hello(SSL *ssl, int *alert, void *context)
{
	static const struct slice offer_of_one = {"\x00\x0b\x0a"
						  "acme-tls/1",
	    13};
	const unsigned char *p;
	size_t n;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n) == 1 &&
	    slice_eq(slice_of(p, n), offer_of_one))
		SSL_set_ex_data(ssl, index_in_ssl, context);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
    unsigned in_n, void *context)
{
	if (!SSL_get_ex_data(ssl, index_in_ssl))
		return SSL_TLSEXT_ERR_NOACK;
	*out = in + 1;
	*n = in[0];
	return SSL_TLSEXT_ERR_OK;
}

void tls_front_answer_acme(SSL_CTX *front)
{
	SSL_CTX_set_client_hello_cb(front, on_hello, SSL_CTX_get_ex_data(front, index_in_ctx));
	SSL_CTX_set_alpn_select_cb(front, on_protocols, NULL);
}

/* ---- the list ---- */

static enum result fetch(struct front *f, struct ipc *c)
{
	ARENA_LOCAL(a, 32u << 20);
	Sekisho__CertificateAsk ask = SEKISHO__CERTIFICATE_ASK__INIT;
	Sekisho__CertificateAnswer *answer;
	struct served *list = calloc(MOST, sizeof *list);
	size_t n = 0;
	if (!list)
		abort();
	enum result r = ipc_call(c, ASK_KEYS_CERTIFICATES, &ask, NULL, &a, &answer, NULL);
	while (r == OK) {
		for (size_t i = 0; i < answer->n_certificates && n < MOST; i++)
			n += served_make(f, answer->certificates[i], &list[n]);
		if (!c->more)
			break;
		r = ipc_more(c, &a, &answer, NULL);
	}
	if (r != OK) {
		list_free(list, n);
		return r;
	}
	pthread_rwlock_wrlock(&f->lock);
	struct served *old = f->list;
	size_t old_n = f->n;
	f->list = list;
	f->n = n;
	pthread_rwlock_unlock(&f->lock);
	atomic_store(&f->loaded, n > 0);
	list_free(old, old_n);
	return OK;
}

/* Stays with one channel to keys until it breaks: certificates at first, and again at each note. */
static void watch(struct front *f, struct ipc *c)
{
	c->notes = NOTE_KEYS;
	while (c->fd >= 0) {
		if (c->notes & NOTE_KEYS) {
			c->notes = 0;
			if (fetch(f, c) != OK)
				return;
			continue; /* a note may have come with the answer */
		}
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		if (poll(&p, 1, -1) > 0 && ipc_poll(c) != OK)
			return;
	}
}

static void *watcher(void *arg)
{
	struct front *f = arg;
	for (;;) {
		struct ipc c;
		if (ipc_open(f->keys, &c) == OK) {
			watch(f, &c);
			ipc_close(&c);
		}
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
	}
	return NULL;
}

/* ---- the context ---- */

static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
					 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
					 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		abort();
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sekisho", 7);
	tickets_use(ctx);
	return ctx;
}

SSL_CTX *tls_front_context(struct ipc_trunk *keys)
{
	pthread_once(&once, index_new);
	struct front *f = calloc(1, sizeof *f);
	SSL_CTX *ctx = server_context();
	if (!f || !SSL_CTX_set_ex_data(ctx, index_in_ctx, f))
		abort();
	f->keys = keys;
	f->began_ms = clock_mono_ms();
	pthread_rwlock_init(&f->lock, NULL);
	SSL_CTX_set_cert_cb(ctx, on_certificate, f);
	pthread_t t;
	if (pthread_create(&t, NULL, watcher, f) != 0)
		abort();
	pthread_detach(t);
	return ctx;
}

enum result tls_front_wait(const SSL_CTX *front, int64_t ms)
{
	return wait_loaded(SSL_CTX_get_ex_data(front, index_in_ctx), ms) ? OK : LATER;
}

int64_t tls_time_ms(const ASN1_TIME *t)
{
	struct tm tm = {0};
	return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) * SECOND_MS : 0;
}

void tls_front_each(SSL_CTX *front, void (*each)(void *arg, const char *name, int64_t ends_ms), void *arg)
{
	struct front *f = SSL_CTX_get_ex_data(front, index_in_ctx);
	pthread_rwlock_rdlock(&f->lock);
	for (size_t i = 0; i < f->n; i++)
		each(arg, f->list[i].names[0], tls_time_ms(X509_get0_notAfter(f->list[i].leaf)));
	pthread_rwlock_unlock(&f->lock);
}

/* ---- signing documents ---- */

/* The first certificate that is served, with references of the caller's. False: there is none. */
static bool first_served(struct front *f, struct served *out)
{
	pthread_rwlock_rdlock(&f->lock);
	bool any = f->n > 0;
	if (any) {
		*out = (struct served){.leaf = f->list[0].leaf,
		    .chain = X509_chain_up_ref(f->list[0].chain),
		    .key = f->list[0].key};
		X509_up_ref(out->leaf);
		EVP_PKEY_up_ref(out->key);
	}
	pthread_rwlock_unlock(&f->lock);
	return any;
}

static enum result put_signed(CMS_ContentInfo *cms, struct buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_CMS_ContentInfo(cms, &der);
	if (n > 0)
		buf_put(out, slice_of(der, (size_t)n));
	OPENSSL_free(der);
	return n > 0 ? buf_result(out) : LATER;
}

enum result tls_front_sign(const SSL_CTX *front, struct slice content, struct buf *out)
{
	struct served s = {0};
	enum result r = LATER;
	if (!first_served(SSL_CTX_get_ex_data(front, index_in_ctx), &s))
		return LATER;
	BIO *in = BIO_new_mem_buf(content.p, (int)content.n);
	CMS_ContentInfo *cms = in ? CMS_sign(s.leaf, s.key, s.chain, in, CMS_BINARY | CMS_NOSMIMECAP) : NULL;
	if (cms)
		r = put_signed(cms, out);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	served_free(&s);
	ERR_clear_error();
	return r;
}
