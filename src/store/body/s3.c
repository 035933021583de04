#include "store/body/s3.h"
#include "https/https.h"
#include "mail/date.h"
#include <ctype.h>
#include <netdb.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_MOST 32 /* connections kept */
#define TRIES 3
#define CONNECT_MS (3 * SECOND_MS)
#define WHOLE_MS (2 * MINUTE_MS)
#define DOWN_MS (3 * SECOND_MS)
#define ERROR_MOST 65536
#define LIST_MOST ((size_t)4 << 20)
#define HOST_MOST 300
#define STAMP 20

struct s3 {
	const struct s3_settings *settings;
	char host[HOST_MOST]; /* as in the Host field */
	struct https_settings client;
	struct https *https;
	_Atomic int64_t down_until; /* monotonic */
};

struct request {
	const char *method, *path, *query; /* query: encoded and in order, "" for none */
	struct slice body;
	struct slice range; /* empty: all of it */
	struct buf *out;    /* NULL: nothing is wanted */
	uint64_t length;    /* of a HEAD's answer */
	int64_t age_ms;     /* by the server's own clock */
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

/* The Authorization field; the wall clock is the real one, which a demo may have shifted. */
static void authorize(
    const struct s3 *s, const struct request *q, char stamp[STAMP], char payload[65], struct buf *out)
{
	const struct s3_settings *c = s->settings;
	time_t now = (time_t)(clock_utc_ms() / 1000 - clock_shifted());
	struct tm tm;
	char hashed[65], signature[65], day[9];
	BUF_LOCAL(canonical, 16384);
	BUF_LOCAL(text, 1024);
	gmtime_r(&now, &tm);
	strftime(stamp, STAMP, "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof day, "%Y%m%d", &tm);
	sha256_hex(q->body, payload);
	buf_printf(&canonical,
	    "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\nhost;x-amz-content-sha256;x-amz-"
	    "date\n%s",
	    q->method, q->path, q->query, s->host, payload, stamp, payload);
	sha256_hex(buf_slice(&canonical), hashed);
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", stamp, day, c->region, hashed);
	sign(c, day, buf_slice(&text), signature);
	buf_printf(out,
	    "AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
	    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s",
	    c->key_id, day, c->region, signature);
}

/* ---- one request ---- */

static enum result cannot(const char *why)
{
	EVENT(STORE_ERROR, KZ("what", "object store"), KZ("why", why));
	return LATER;
}

static int64_t time_in(const struct https_answer *answer, struct slice name)
{
	struct mail_date d;
	return mail_date_parse(https_field(answer, name), &d) == OK ? d.ms : -1;
}

/* What a HEAD is asked for. */
static enum result read_head(struct request *q, const struct https_answer *answer)
{
	int64_t modified = time_in(answer, SLICE("Last-Modified")), date = time_in(answer, SLICE("Date"));
	if (num_u64(https_field(answer, SLICE("Content-Length")), UINT64_MAX, &q->length) != OK ||
	    modified < 0 || date < 0)
		return cannot("HEAD: an answer without size or times");
	q->age_ms = date - modified;
	return OK;
}

static enum result judge(struct request *q, const struct https_answer *answer, enum result r)
{
	BUF_LOCAL(why, 256);
	if (r != OK)
		return cannot(answer->why);
	if (answer->status / 100 == 2)
		return strcmp(q->method, "HEAD") == 0 ? read_head(q, answer) : OK;
	if (answer->status == 404 || answer->status == 416)
		return GONE;
	buf_printf(&why, "%s: HTTP status %u", q->method, answer->status);
	return cannot(buf_z(&why));
}

static enum result ask_once(struct s3 *s, struct request *q)
{
	ARENA_LOCAL(a, 1 << 20);
	BUF_LOCAL(url, 16384);
	BUF_LOCAL(authorization, 1024);
	BUF_LOCAL(error, ERROR_MOST);
	char stamp[STAMP], payload[65];
	struct https_answer answer;
	struct buf *out = q->out ? q->out : &error;
	size_t start = out->n;
	buf_printf(&url, "%s%s%s%s", s->settings->endpoint, q->path, *q->query ? "?" : "", q->query);
	authorize(s, q, stamp, payload, &authorization);
	const struct https_field fields[] = {
	    {SLICE("Authorization"), buf_slice(&authorization)},
	    {SLICE("x-amz-date"), slice_str(stamp)},
	    {SLICE("x-amz-content-sha256"), slice_str(payload)},
	    {SLICE("Content-Type"), SLICE("application/octet-stream")},
	    {SLICE("Range"), q->range},
	};
	const struct https_request ask = {.method = q->method,
	    .url = buf_slice(&url),
	    .fields = fields,
	    .fields_n = COUNT(fields) - (q->range.n == 0),
	    .body = q->body,
	    .deadline_ms = WHOLE_MS,
	    .connect_ms = CONNECT_MS};
	enum result r = judge(q, &answer, https_ask(s->https, &ask, &a, out, &answer));
	if (r != OK) /* what came is the server's excuse */
		out->n = start;
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
	BUF_LOCAL(range, 64);
	put_path(s, name, &path);
	buf_printf(
	    &range, "bytes=%llu-%llu", (unsigned long long)offset, (unsigned long long)(offset + n - 1));
	struct request q = {
	    .method = "GET", .path = buf_z(&path), .query = "", .range = buf_slice(&range), .out = out};
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
	*size_out = q.length;
	*age_ms_out = q.age_ms;
	return r;
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

enum result s3_find(const char *endpoint, struct buf *resolve, uint16_t *port_out, const char **why_out)
{
	struct https_url url;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	BUF_LOCAL(host, 300);
	*why_out = "not an address of the form https://host or https://host:port";
	if (https_url_parse(slice_str(endpoint), &url) != OK || url.path.n)
		return BAD;
	buf_put(&host, url.host);
	*port_out = url.port;
	if (getaddrinfo(buf_z(&host), NULL, &hints, &found) != 0) {
		*why_out = "the host is not known";
		return LATER;
	}
	bool here = true;
	buf_printf(resolve, "%s:%u:", buf_z(&host), url.port);
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
	return url.tls || here ? buf_result(resolve) : DENY;
}

static void put_host(const struct https_url *url, char host[HOST_MOST])
{
	bool six = slice_find(url->host, ':') >= 0;
	int n = snprintf(
	    host, HOST_MOST, "%s" SLICE_FMT "%s", six ? "[" : "", SLICE_ARG(url->host), six ? "]" : "");
	if (url->port != (url->tls ? 443 : 80))
		snprintf(host + n, HOST_MOST - (size_t)n, ":%u", url->port);
	for (char *p = host; *p; p++)
		*p = ascii_lower(*p);
}

struct s3 *s3_new(const struct s3_settings *settings)
{
	struct s3 *s = calloc(1, sizeof *s);
	struct https_url url;
	if (!s)
		abort();
	s->settings = settings;
	if (https_url_parse(slice_str(settings->endpoint), &url) == OK)
		put_host(&url, s->host);
	s->client = (struct https_settings){.resolve = settings->resolve,
	    .trust = https_trust(settings->ca_pem),
	    .inside = true,
	    .keep = IDLE_MOST};
	s->https = https_new(&s->client);
	return s;
}

void s3_free(struct s3 *s)
{
	if (!s)
		return;
	https_free(s->https);
	X509_STORE_free(s->client.trust);
	free(s);
}
