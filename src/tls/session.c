/*
 * Sessions of our connections to other servers, to be resumed (RFC 5077, RFC 8446 2.2). A session carries the verdict on
 * the certificate it was made with, so it is offered only under the very key it was kept with: the key names the server and
 * all that was demanded of it.
 */
#include "tls/inner.h"
#include <pthread.h>
#include <stdlib.h>

#define PLACES 4096 /* one session each; a newer one takes the place */

struct place {
	char *key; /* NULL: empty */
	SSL_SESSION *session;
};

struct tls_sessions {
	pthread_mutex_t lock;
	struct place places[PLACES];
};

/* What an SSL keeps of tls_sessions_use(). */
struct use {
	struct tls_sessions *sessions;
	char key[];
};

static int index_in_ssl;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void use_free(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	free(p);
}

static void index_new(void)
{
	index_in_ssl = SSL_get_ex_new_index(0, NULL, NULL, NULL, use_free);
	if (index_in_ssl < 0)
		abort();
}

static struct place *place_of(struct tls_sessions *s, const char *key)
{
	uint32_t h = 2166136261u;
	for (const char *p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return &s->places[h % PLACES];
}

static void clear(struct place *p)
{
	free(p->key);
	SSL_SESSION_free(p->session);
	*p = (struct place){0};
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct use *u = SSL_get_ex_data(ssl, index_in_ssl);
	if (!u || !SSL_SESSION_is_resumable(session))
		return 0;
	pthread_mutex_lock(&u->sessions->lock);
	struct place *p = place_of(u->sessions, u->key);
	clear(p);
	*p = (struct place){strdup(u->key), session};
	if (!p->key)
		abort();
	pthread_mutex_unlock(&u->sessions->lock);
	return 1; /* the reference is ours now */
}

void sessions_collect(SSL_CTX *ctx)
{
	pthread_once(&once, index_new);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
}

struct tls_sessions *tls_sessions_new(void)
{
	struct tls_sessions *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void tls_sessions_free(struct tls_sessions *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < PLACES; i++)
		clear(&s->places[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void tls_sessions_use(struct tls_sessions *s, SSL *ssl, const char *key)
{
	size_t n = strlen(key) + 1;
	struct use *u = malloc(sizeof *u + n);
	if (!u || SSL_set_ex_data(ssl, index_in_ssl, u) != 1)
		abort();
	u->sessions = s;
	memcpy(u->key, key, n);
	pthread_mutex_lock(&s->lock);
	struct place *p = place_of(s, key);
	if (p->key && strcmp(p->key, key) == 0) {
		(void)SSL_set_session(ssl, p->session);
		/* With TLS 1.3 each goes once, so that observers cannot link connections by it (RFC 8446 C.4). */
		if (SSL_SESSION_get_protocol_version(p->session) >= TLS1_3_VERSION)
			clear(p);
	}
	pthread_mutex_unlock(&s->lock);
}
