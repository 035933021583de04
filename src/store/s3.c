#include "store/s3.h"
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_MOST 32 /* connections kept */
#define TRIES 3
#define CONNECT_MS 3000L
#define WHOLE_MS 120000L
#define SLOW_OCTETS 1024L /* a second, for SLOW_SECONDS: too slow */
#define SLOW_SECONDS 10L
#define DOWN_MS (3 * SECOND_MS)
#define ERROR_MOST 65536
#define LIST_MOST ((size_t)4 << 20)
#define HOST_MOST 300

struct s3 {
	const struct s3_settings *settings;
	char host[HOST_MOST]; /* as in the Host field */
	struct curl_slist *resolve;
	pthread_mutex_t lock;
	CURL *idle[IDLE_MOST];
	size_t n_idle;
	_Atomic int64_t down_until; /* monotonic */
};

struct request {
	const char *method, *path, *query; /* query: encoded and in order, "" for none */
	struct slice body;
	size_t sent;
	const char *range; /* NULL: none */
	struct buf *out;
	long status;
	int64_t modified, date; /* seconds since 1970; -1: not said */
	curl_off_t length;
};

/* ---- signing ---- */

static void sha256_hex(struct slice s, char out[65])
{
	uint8_t digest[32];
	SHA256((const uint8_t *)s.p, s.n, digest);
	for (unsigned i = 0; i < 32; i++)
		snprintf(out + i * 2, 3, "%02x", digest[i]);
}

static void hmac(struct slice key, struct slice text, uint8_t out[32])
{
	unsigned n = 32;
	HMAC(EVP_sha256(), key.p, (int)key.n, (const uint8_t *)text.p, text.n, out, &n);
}

static void sign(const struct s3_settings *c, const char *day, struct slice text, char out[65])
{
	BUF_LOCAL(first, 1024);
	uint8_t key[32];
	const char *const parts[] = {day, c->region, "s3", "aws4_request"};
	buf_printf(&first, "AWS4%s", c->secret);
	hmac(buf_slice(&first), slice_str(parts[0]), key);
	for (size_t i = 1; i < COUNT(parts); i++)
		hmac(slice_of(key, 32), slice_str(parts[i]), key);
	hmac(slice_of(key, 32), text, key);
	for (unsigned i = 0; i < 32; i++)
		snprintf(out + i * 2, 3, "%02x", key[i]);
	OPENSSL_cleanse(first.p, first.n);
	OPENSSL_cleanse(key, sizeof key);
}

/* The request's fields; the wall clock is the real one, which a demo may have shifted. */
static struct curl_slist *fields_of(const struct s3 *s, const struct request *q)
{
	const struct s3_settings *c = s->settings;
	time_t now = (time_t)(clock_utc_ms() / 1000 - clock_shifted());
	struct tm tm;
	char stamp[32], payload[65], hashed[65], signature[65];
	BUF_LOCAL(canonical, 16384);
	BUF_LOCAL(text, 1024);
	BUF_LOCAL(field, 1024);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	sha256_hex(q->body, payload);
	buf_printf(&canonical,
	    "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\nhost;x-amz-content-sha256;x-amz-"
	    "date\n%s",
	    q->method, q->path, q->query, s->host, payload, stamp, payload);
	sha256_hex(buf_slice(&canonical), hashed);
	buf_printf(
	    &text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", stamp, stamp, c->region, hashed);
	char day[9];
	memcpy(day, stamp, 8);
	day[8] = 0;
	sign(c, day, buf_slice(&text), signature);
	buf_printf(&field,
	    "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
	    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s",
	    c->key_id, day, c->region, signature);
	struct curl_slist *list = curl_slist_append(NULL, buf_z(&field));
	buf_clear(&field);
	buf_printf(&field, "x-amz-date: %s", stamp);
	list = curl_slist_append(list, buf_z(&field));
	buf_clear(&field);
	buf_printf(&field, "x-amz-content-sha256: %s", payload);
	list = curl_slist_append(list, buf_z(&field));
	list = curl_slist_append(list, "Expect:");
	return curl_slist_append(list, "Content-Type: application/octet-stream");
}

/* ---- one request ---- */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct request *q = arg;
	struct slice part = slice_sub(q->body, q->sent, size * n);
	if (part.n)
		memcpy(to, part.p, part.n);
	q->sent += part.n;
	return part.n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct request *q = arg;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > q->body.n)
		return CURL_SEEKFUNC_FAIL;
	q->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
	struct request *q = arg;
	buf_put(q->out, slice_of(p, size * n));
	return q->out->over ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct request *q = arg;
	struct slice value = slice_of(p, size * n), name = slice_split(&value, ':');
	if (slice_ieq(name, SLICE("Date"))) {
		BUF_LOCAL(text, 256);
		buf_put(&text, slice_trim(value));
		q->date = curl_getdate(buf_z(&text), NULL);
	}
	return size * n;
}

static CURL *handle_take(struct s3 *s)
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

static void handle_give(struct s3 *s, CURL *h)
{
	curl_easy_reset(h); /* the connection stays */
	pthread_mutex_lock(&s->lock);
	if (s->n_idle < IDLE_MOST) {
		s->idle[s->n_idle++] = h;
		h = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (h)
		curl_easy_cleanup(h);
}

static void set_up(const struct s3 *s, CURL *h, struct request *q, const char *url)
{
	const struct slice ca = s->settings->ca_pem;
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, WHOLE_MS);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, SLOW_OCTETS);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	curl_easy_setopt(h, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(h, CURLOPT_RESOLVE, s->resolve);
	if (ca.n) {
		struct curl_blob blob = {(void *)(uintptr_t)ca.p, ca.n, CURL_BLOB_NOCOPY};
		curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &blob);
	}
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, q);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, q);
	if (q->range)
		curl_easy_setopt(h, CURLOPT_RANGE, q->range);
	if (strcmp(q->method, "PUT") == 0) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body.n);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h, CURLOPT_READDATA, q);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, q);
	} else if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else if (strcmp(q->method, "DELETE") == 0) {
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, "DELETE");
	}
}

static enum result judge(const struct request *q, CURLcode code)
{
	if (code != CURLE_OK) {
		EVENT(STORE_ERROR, KZ("what", "object store"), KZ("why", curl_easy_strerror(code)));
		return LATER;
	}
	if (q->status / 100 == 2)
		return OK;
	if (q->status == 404 || q->status == 416)
		return GONE;
	BUF_LOCAL(why, 256);
	buf_printf(&why, "%s: HTTP status %ld", q->method, q->status);
	EVENT(STORE_ERROR, KZ("what", "object store"), KZ("why", buf_z(&why)));
	return LATER;
}

static enum result ask_once(struct s3 *s, struct request *q)
{
	BUF_LOCAL(url, 16384);
	BUF_LOCAL(error, ERROR_MOST);
	struct buf *out = q->out ? q->out : &error;
	size_t start = out->n;
	q->out = out;
	q->sent = 0;
	q->date = -1;
	buf_printf(&url, "%s%s%s%s", s->settings->endpoint, q->path, *q->query ? "?" : "", q->query);
	struct curl_slist *fields = fields_of(s, q);
	CURL *h = handle_take(s);
	set_up(s, h, q, buf_z(&url));
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
	CURLcode code = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &q->status);
	curl_off_t modified = -1;
	curl_easy_getinfo(h, CURLINFO_FILETIME_T, &modified);
	curl_easy_getinfo(h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &q->length);
	q->modified = modified;
	handle_give(s, h);
	curl_slist_free_all(fields);
	enum result r = judge(q, code);
	if (r != OK) /* what came is the server's excuse */
		out->n = start;
	if (out == &error)
		q->out = NULL;
	return r;
}

static enum result ask(struct s3 *s, struct request *q)
{
	enum result r = LATER;
	if (!s3_is_up(s))
		return LATER;
	for (unsigned i = 0; i < TRIES && r == LATER; i++) {
		if (i)
			poll(NULL, 0, 100 << (2 * i - 2));
		r = ask_once(s, q);
	}
	if (r == LATER)
		atomic_store(&s->down_until, clock_mono_ms() + DOWN_MS);
	return r;
}

bool s3_is_up(struct s3 *s)
{
	return clock_mono_ms() >= atomic_load(&s->down_until);
}

/* ---- what bodies need ---- */

static void put_path(const struct s3 *s, const char *name, struct buf *out)
{
	buf_printf(out, "/%s%s%s", s->settings->bucket, *name ? "/" : "", name);
}

enum result s3_put(struct s3 *s, const char *name, struct slice octets)
{
	BUF_LOCAL(path, 4096);
	put_path(s, name, &path);
	struct request q = {.method = "PUT", .path = buf_z(&path), .query = "", .body = octets};
	enum result r = ask(s, &q);
	return r == GONE ? LATER : r; /* the bucket is not there */
}

enum result s3_get(struct s3 *s, const char *name, uint64_t offset, size_t n, struct buf *out)
{
	BUF_LOCAL(path, 4096);
	char range[64];
	put_path(s, name, &path);
	snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)offset,
	    (unsigned long long)(offset + n - 1));
	struct request q = {.method = "GET", .path = buf_z(&path), .query = "", .range = range, .out = out};
	return ask(s, &q);
}

enum result s3_delete(struct s3 *s, const char *name)
{
	BUF_LOCAL(path, 4096);
	put_path(s, name, &path);
	struct request q = {.method = "DELETE", .path = buf_z(&path), .query = ""};
	enum result r = ask(s, &q);
	return r == GONE ? OK : r;
}

enum result s3_head(struct s3 *s, const char *name, uint64_t *size_out, int64_t *age_ms_out)
{
	BUF_LOCAL(path, 4096);
	put_path(s, name, &path);
	struct request q = {.method = "HEAD", .path = buf_z(&path), .query = ""};
	enum result r = ask(s, &q);
	if (r != OK)
		return r;
	if (q.length < 0 || q.modified < 0 || q.date < 0)
		return LATER;
	*size_out = (uint64_t)q.length;
	*age_ms_out = (q.date - q.modified) * 1000;
	return OK;
}

/* A query's value: RFC 3986 unreserved characters stay. */
static void put_encoded(struct buf *out, const char *z)
{
	for (; *z; z++)
		if (isalnum((unsigned char)*z) || strchr("-_.~", *z))
			buf_putc(out, *z);
		else
			buf_printf(out, "%%%02X", (unsigned char)*z);
}

enum result s3_list(struct s3 *s, const char *prefix, const char *after,
    void (*each)(void *arg, const char *name), void *arg, size_t *n_out)
{
	BUF_LOCAL(path, 4096);
	BUF_LOCAL(query, 4096);
	BUF_LOCAL(answer, LIST_MOST);
	put_path(s, "", &path);
	buf_puts(&query, "list-type=2&max-keys=1000&prefix=");
	put_encoded(&query, prefix);
	buf_puts(&query, "&start-after=");
	put_encoded(&query, after);
	struct request q = {.method = "GET", .path = buf_z(&path), .query = buf_z(&query), .out = &answer};
	enum result r = ask(s, &q);
	*n_out = 0;
	if (r != OK)
		return r == GONE ? LATER : r;
	/* Our names need no unescaping, and nothing else of the answer is looked at. */
	struct slice rest = buf_slice(&answer);
	for (ptrdiff_t at; (at = slice_search(rest, SLICE("<Key>"))) >= 0;) {
		BUF_LOCAL(name, 1024);
		rest = slice_sub(rest, (size_t)at + 5, rest.n);
		ptrdiff_t end = slice_find(rest, '<');
		if (end < 0)
			break;
		buf_put(&name, slice_sub(rest, 0, (size_t)end));
		(*n_out)++;
		each(arg, buf_z(&name));
	}
	return OK;
}

/* ---- the endpoint ---- */

struct endpoint {
	bool tls;
	struct slice host; /* without brackets */
	uint16_t port;
	bool told; /* the port stands there */
};

static bool take_apart(const char *z, struct endpoint *e)
{
	struct slice s = slice_str(z), port = SLICE_NONE;
	uint32_t number = 0;
	*e = (struct endpoint){.tls = slice_starts(s, SLICE("https://"))};
	if (!e->tls && !slice_starts(s, SLICE("http://")))
		return false;
	s = slice_sub(s, e->tls ? 8 : 7, s.n);
	if (slice_starts(s, SLICE("["))) {
		s = slice_sub(s, 1, s.n);
		e->host = slice_split(&s, ']');
		if (s.n && s.p[0] != ':')
			return false;
		port = slice_sub(s, 1, s.n);
	} else {
		port = s;
		e->host = slice_split(&port, ':');
	}
	e->port = e->tls ? 443 : 80;
	e->told = port.n > 0;
	if (e->told && (num_u32(port, UINT16_MAX, &number) != OK || !number))
		return false;
	if (e->told)
		e->port = (uint16_t)number;
	return e->host.n && e->host.n < 256 && slice_find(e->host, '/') < 0;
}

enum result s3_find(const char *endpoint, struct buf *resolve, uint16_t *port_out, const char **why_out)
{
	struct endpoint e;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	BUF_LOCAL(host, 300);
	*why_out = "not an address of the form https://host or https://host:port";
	if (!take_apart(endpoint, &e))
		return BAD;
	buf_put(&host, e.host);
	*port_out = e.port;
	if (getaddrinfo(buf_z(&host), NULL, &hints, &found) != 0) {
		*why_out = "the host is not known";
		return LATER;
	}
	bool here = true;
	buf_printf(resolve, "%s:%u:", buf_z(&host), e.port);
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		char text[64];
		if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		here &= strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0;
		buf_printf(resolve, "%s%s%s%s", at == found ? "" : ",", at->ai_family == AF_INET6 ? "[" : "",
		    text, at->ai_family == AF_INET6 ? "]" : "");
	}
	freeaddrinfo(found);
	*why_out = "without TLS (http://) only a server on this machine may be used";
	return e.tls || here ? buf_result(resolve) : DENY;
}

struct s3 *s3_new(const struct s3_settings *settings)
{
	struct s3 *s = calloc(1, sizeof *s);
	struct endpoint e;
	if (!s || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
	s->settings = settings;
	if (take_apart(settings->endpoint, &e)) {
		bool six = slice_find(e.host, ':') >= 0;
		int n = snprintf(s->host, sizeof s->host, "%s" SLICE_FMT "%s", six ? "[" : "",
		    SLICE_ARG(e.host), six ? "]" : "");
		if (e.told && e.port != (e.tls ? 443 : 80))
			snprintf(s->host + n, sizeof s->host - (size_t)n, ":%u", e.port);
	}
	if (settings->resolve)
		s->resolve = curl_slist_append(NULL, settings->resolve);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void s3_free(struct s3 *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_idle; i++)
		curl_easy_cleanup(s->idle[i]);
	curl_slist_free_all(s->resolve);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
