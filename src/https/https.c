#include "https/https.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_MOST 64
#define DEADLINE_MS (30 * SECOND_MS)
#define CONNECT_MS (10 * SECOND_MS)
#define SLOW_OCTETS 1000L /* a second, for SLOW_SECONDS: too slow */
#define SLOW_SECONDS 10L
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt" /* Debian's bundle */

struct https {
	const struct https_settings *settings;
	pthread_mutex_t lock;
	CURL *idle[KEEP_MOST];
	size_t n_idle;
};

/* One request in hand. */
struct turn {
	const struct https_settings *settings;
	const struct https_request *q;
	struct arena *arena;
	struct buf *body;
	struct https_answer *answer;
	size_t sent;
	size_t head_octets; /* of all heads and trailers */
	bool head_over;     /* the body has begun: what comes now are trailers */
	bool here_only;     /* without TLS: to this machine */
	bool refused;       /* an address was */
	char error[CURL_ERROR_SIZE];
};

const char *https_failure_name(enum https_failure f)
{
	static const char *const names[] = {
	    "none", "url", "dns", "address", "connect", "tls", "peer", "time", "size", "protocol"};
	return (unsigned)f < COUNT(names) ? names[f] : "?";
}

/* Words of strangers may be in it. */
static void put_why(struct https_answer *answer, const char *text)
{
	size_t n = 0;
	for (; text[n] && n + 1 < sizeof answer->why; n++)
		answer->why[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	answer->why[n] = '\0';
}

static enum result fail(struct https_answer *answer, enum https_failure f, const char *why)
{
	answer->failure = f;
	put_why(answer, why);
	switch (f) {
	case HTTPS_PROTOCOL:
		return BAD;
	case HTTPS_SIZE:
		return FULL;
	case HTTPS_URL:
	case HTTPS_ADDRESS:
	case HTTPS_PEER:
		return DENY;
	default:
		return LATER;
	}
}

static bool is_loopback(const struct dns_ip *ip)
{
	static const unsigned char one[16] = {[15] = 1};
	return ip->family == AF_INET ? ip->octets[0] == 127 : memcmp(ip->octets, one, 16) == 0;
}

/* ---- what libcurl calls ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct turn *t = arg;
	t->head_over = true;
	buf_put(t->body, slice_of(p, size * n));
	return t->body->over ? 0 : size * n;
}

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct turn *t = arg;
	struct slice part = slice_sub(t->q->body, t->sent, size * n);
	if (part.n)
		memcpy(to, part.p, part.n);
	t->sent += part.n;
	return part.n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct turn *t = arg;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->q->body.n)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* One line of a head, with its line end. A new status line begins a new head: what came before was a 1xx. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct turn *t = arg;
	struct https_answer *answer = t->answer;
	struct slice value = slice_of(p, size * n);
	t->head_octets += value.n;
	if (t->head_octets > LIMIT_HTTPS_HEADER)
		return 0;
	if (t->head_over)
		return value.n;
	if (slice_starts(value, SLICE("HTTP/"))) {
		answer->fields_n = 0;
		return value.n;
	}
	if (slice_find(value, ':') <= 0)
		return value.n;
	if (answer->fields_n == LIMIT_HTTPS_FIELDS)
		return 0;
	struct slice name = slice_split(&value, ':');
	answer->fields[answer->fields_n++] = (struct https_field){
	    arena_dup(t->arena, slice_trim(name)), arena_dup(t->arena, slice_trim(value))};
	return arena_full(t->arena) ? 0 : size * n;
}

/* The address that is really connected to, whatever name or number led here. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct turn *t = arg;
	struct dns_ip ip = {.family = to->family};
	if (to->family == AF_INET)
		memcpy(ip.octets, &((struct sockaddr_in *)&to->addr)->sin_addr, 4);
	else if (to->family == AF_INET6)
		memcpy(ip.octets, &((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr, 16);
	if (t->here_only ? !is_loopback(&ip) : !t->settings->inside && !https_address_is_public(&ip)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static CURLcode on_tls(CURL *h, void *ctx, void *arg)
{
	const struct turn *t = arg;
	SSL_CTX_set1_cert_store(ctx, t->settings->trust);
	return CURLE_OK;
}

/* ---- a request made ready ---- */

static bool is_clean(const struct https_field *f)
{
	for (size_t i = 0; i < f->name.n; i++)
		if (!ascii_alpha(f->name.p[i]) && !ascii_digit(f->name.p[i]) && f->name.p[i] != '-')
			return false;
	for (size_t i = 0; i < f->value.n; i++)
		if ((unsigned char)f->value.p[i] < ' ' || f->value.p[i] == 0x7f)
			return false;
	return f->name.n && f->value.n;
}

static struct curl_slist *append(struct curl_slist *list, const char *text)
{
	list = curl_slist_append(list, text);
	if (!list)
		abort();
	return list;
}

/* NULL: one of them is not clean. "Expect:" takes away what libcurl would add. */
static struct curl_slist *fields_of(const struct https_request *q)
{
	struct curl_slist *list = append(NULL, "Expect:");
	for (size_t i = 0; i < q->fields_n; i++) {
		BUF_LOCAL(line, 16384);
		buf_put(&line, q->fields[i].name);
		buf_puts(&line, ": ");
		buf_put(&line, q->fields[i].value);
		if (!is_clean(&q->fields[i]) || buf_result(&line) != OK) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = append(list, buf_z(&line));
	}
	return list;
}

static void put_host(const struct https_url *u, struct buf *out)
{
	bool six = slice_find(u->host, ':') >= 0;
	buf_puts(out, six ? "[" : "");
	for (size_t i = 0; i < u->host.n; i++)
		buf_putc(out, ascii_lower(u->host.p[i]));
	buf_puts(out, six ? "]" : "");
}

/* Written anew: nothing that we read otherwise than libcurl gets through. */
static void put_url(const struct https_url *u, struct buf *out)
{
	buf_puts(out, u->tls ? "https://" : "http://");
	put_host(u, out);
	if (u->port != (u->tls ? 443 : 80))
		buf_printf(out, ":%u", u->port);
	if (u->path.n == 0 || u->path.p[0] != '/')
		buf_putc(out, '/');
	buf_put(out, u->path);
}

/* "host:port:address,address" from our resolver. */
static enum result look_up(const struct turn *t, const struct https_url *u, struct buf *out)
{
	struct dns_ip_list list;
	struct dns_ip ip;
	if (dns_ip_read(u->host, &ip) == OK)
		return OK;
	if (!t->settings->dns)
		return t->settings->resolve ? OK
					    : fail(t->answer, HTTPS_DNS, "names cannot be looked up here");
	dns_ips(t->settings->dns, u->host, t->arena, &list);
	if (!list.n) {
		BUF_LOCAL(why, 200);
		buf_printf(&why, "%s: the host has no address", dns_status_name(list.status));
		return fail(t->answer, HTTPS_DNS, buf_z(&why));
	}
	put_host(u, out);
	buf_printf(out, ":%u:", u->port);
	for (size_t i = 0; i < list.n; i++) {
		char text[DNS_IP_TEXT];
		bool six = list.ip[i].family == AF_INET6;
		buf_printf(out, "%s%s%s%s", i ? "," : "", six ? "[" : "", dns_ip_text(&list.ip[i], text),
		    six ? "]" : "");
	}
	return buf_result(out) == OK ? OK : fail(t->answer, HTTPS_DNS, "the host has too many addresses");
}

static void set_method(CURL *h, struct turn *t)
{
	const char *method = t->q->method;
	if (strcmp(method, "PUT") == 0) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->q->body.n);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h, CURLOPT_READDATA, t);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
	} else if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(h, CURLOPT_POST, 1L);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->q->body.n);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, t->q->body.n ? t->q->body.p : "");
	} else if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	}
}

static void set_up(CURL *h, struct turn *t, const char *url, int64_t left_ms)
{
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_USERAGENT, t->settings->user_agent);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(
	    h, CURLOPT_CONNECTTIMEOUT_MS, (long)(t->q->connect_ms ? t->q->connect_ms : CONNECT_MS));
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, SLOW_OCTETS);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* No files: on_tls gives the authorities. */
	curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, t);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, t->settings->keep ? 0L : 1L);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->error);
	set_method(h, t);
}

/* ---- connections kept ---- */

static CURL *handle_take(struct https *s)
{
	CURL *h = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->n_idle)
		h = s->idle[--s->n_idle];
	pthread_mutex_unlock(&s->lock);
	if (!h && !(h = curl_easy_init()))
		abort();
	return h;
}

static void handle_give(struct https *s, CURL *h)
{
	curl_easy_reset(h); /* the connection stays */
	pthread_mutex_lock(&s->lock);
	if (s->n_idle < MIN(s->settings->keep, (unsigned)KEEP_MOST)) {
		s->idle[s->n_idle++] = h;
		h = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (h)
		curl_easy_cleanup(h);
}

/* ---- the call ---- */

static enum https_failure failure_of(const struct turn *t, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTPS_DNS;
	case CURLE_PEER_FAILED_VERIFICATION:
		return HTTPS_PEER;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
		return HTTPS_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTPS_TIME;
	case CURLE_WRITE_ERROR: /* on_body or on_header refused it */
		return HTTPS_SIZE;
	case CURLE_URL_MALFORMAT:
		return HTTPS_URL;
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: the answer did not begin as one */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_OUT_OF_MEMORY: /* a line of a head beyond libcurl's own cap */
		return HTTPS_PROTOCOL;
	default:
		return HTTPS_CONNECT;
	}
}

static enum result judge(struct turn *t, CURLcode code, long status)
{
	if (t->refused && code != CURLE_OK)
		return fail(t->answer, HTTPS_ADDRESS,
		    t->here_only ? "without TLS only to this machine"
				 : "the host's address is not a public one");
	if (code != CURLE_OK) {
		enum https_failure f = failure_of(t, code);
		if (f == HTTPS_SIZE)
			return fail(t->answer, f, "the answer is longer than allowed");
		return fail(t->answer, f, *t->error ? t->error : curl_easy_strerror(code));
	}
	if (status < 200 || status > 599)
		return fail(t->answer, HTTPS_PROTOCOL, "no HTTP status");
	t->answer->status = (unsigned)status;
	return OK;
}

static enum result perform(
    struct https *s, struct turn *t, const struct https_url *u, struct curl_slist *fields, int64_t end_ms)
{
	BUF_LOCAL(url, LIMIT_HTTPS_URL + 64);
	BUF_LOCAL(resolve, 16384);
	enum result r = look_up(t, u, &resolve);
	int64_t left = end_ms - clock_mono_ms();
	if (r != OK)
		return r;
	if (left <= 0)
		return fail(t->answer, HTTPS_TIME, "the host's address was found too late");
	put_url(u, &url);
	struct curl_slist *known = NULL;
	if (resolve.n || t->settings->resolve)
		known = append(NULL, resolve.n ? buf_z(&resolve) : t->settings->resolve);
	CURL *h = handle_take(s);
	long status = 0;
	set_up(h, t, buf_z(&url), left);
	curl_easy_setopt(h, CURLOPT_RESOLVE, known);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
	CURLcode code = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	handle_give(s, h);
	curl_slist_free_all(known);
	ERR_clear_error();
	return judge(t, code, status);
}

enum result https_ask(struct https *s, const struct https_request *q, struct arena *a, struct buf *body,
    struct https_answer *out)
{
	struct turn t = {.settings = s->settings, .q = q, .arena = a, .body = body, .answer = out};
	struct https_url u;
	int64_t end = clock_mono_ms() + (q->deadline_ms ? q->deadline_ms : DEADLINE_MS);
	size_t start = body->n;
	*out = (struct https_answer){.fields = arena_array(a, LIMIT_HTTPS_FIELDS, sizeof *out->fields)};
	if (!out->fields)
		return fail(out, HTTPS_SIZE, "no room for an answer");
	if (https_url_parse(q->url, &u) != OK)
		return fail(out, HTTPS_URL, "not an address of the form https://host/path");
	if (!u.tls && !s->settings->inside)
		return fail(out, HTTPS_URL, "it is not https");
	t.here_only = !u.tls;
	struct curl_slist *fields = fields_of(q);
	if (!fields)
		return fail(out, HTTPS_URL, "a field of the request is not clean");
	enum result r = perform(s, &t, &u, fields, end);
	curl_slist_free_all(fields);
	if (r != OK) {
		body->n = start;
		body->over = false;
		out->fields_n = 0;
	}
	return r;
}

struct slice https_field(const struct https_answer *answer, struct slice name)
{
	for (size_t i = 0; i < answer->fields_n; i++)
		if (slice_ieq(answer->fields[i].name, name))
			return answer->fields[i].value;
	return SLICE_NONE;
}

int64_t https_retry_after(const struct https_answer *answer, int64_t least, int64_t most)
{
	struct slice value = https_field(answer, SLICE("Retry-After"));
	uint64_t seconds;
	BUF_LOCAL(text, 100);
	if (num_u64(value, UINT32_MAX, &seconds) == OK)
		return MAX(least, MIN((int64_t)seconds * SECOND_MS, most));
	buf_put(&text, value);
	time_t at = buf_result(&text) == OK && value.n ? curl_getdate(buf_z(&text), NULL) : -1;
	if (at < 0)
		return least;
	return MAX(least, MIN((int64_t)at * SECOND_MS - clock_utc_ms(), most));
}

/* ---- opening ---- */

static BIO *authorities(struct slice ca_pem)
{
	if (!ca_pem.n)
		return BIO_new_file(SYSTEM_AUTHORITIES, "r");
	return ca_pem.n <= INT32_MAX ? BIO_new_mem_buf(ca_pem.p, (int)ca_pem.n) : NULL;
}

X509_STORE *https_trust(struct slice ca_pem)
{
	X509_STORE *trust = X509_STORE_new();
	BIO *b = authorities(ca_pem);
	X509 *x;
	size_t n = 0;
	if (!trust)
		abort();
	while (b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(trust, x) == 1;
		X509_free(x);
	}
	BIO_free(b);
	ERR_clear_error();
	if (n)
		return trust;
	X509_STORE_free(trust);
	return NULL;
}

struct https *https_new(const struct https_settings *settings)
{
	struct https *s = calloc(1, sizeof *s);
	if (!s || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	s->settings = settings;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void https_free(struct https *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_idle; i++)
		curl_easy_cleanup(s->idle[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
