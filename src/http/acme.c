/*
 * What a certificate authority asks on port 80 (RFC 8555 8.3): the answer is asked of keys. Everything else on that port
 * is sent to https.
 */
#include "acme.h"
#include "parse.h"

bool http_acme_is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n && s.n <= LIMIT_ACME_TOKEN;
}

void http_acme_challenge(struct http_request *q, struct http_response *p)
{
	ARENA_LOCAL(a, 65536);
	struct slice token = http_param(q, SLICE("token"));
	Sekisho__AcmeAnswerAsk ask = SEKISHO__ACME_ANSWER_ASK__INIT;
	Sekisho__AcmeAnswerAnswer *answer;
	if (!q->service->keys || !http_acme_is_token(token)) {
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
		return;
	}
	ask.token = arena_z(&a, token);
	struct ipc *c = ipc_thread(q->service->keys);
	enum result r = c ? ipc_call(c, ASK_KEYS_ACME_ANSWER, &ask, NULL, &a, &answer, NULL) : LATER;
	if (r != OK) {
		http_refuse(
		    p, r == GONE && c->fd >= 0 ? HTTP_STATUS_NOT_FOUND : HTTP_STATUS_UNAVAILABLE, NULL);
		return;
	}
	p->type = "application/octet-stream";
	buf_puts(&p->body, answer->authorization);
}

bool http_acme_host(struct slice host, struct slice *out)
{
	if (slice_starts(host, SLICE("["))) {
		ptrdiff_t end = slice_find(host, ']');
		*out = slice_sub(host, 0, end < 0 ? 0 : (size_t)end + 1);
	} else {
		ptrdiff_t colon = slice_find(host, ':');
		*out = colon < 0 ? host : slice_sub(host, 0, (size_t)colon);
	}
	for (size_t i = 0; i < out->n; i++)
		if (!ascii_alpha(out->p[i]) && !ascii_digit(out->p[i]) &&
		    (!out->p[i] || !strchr("-.:[]", out->p[i])))
			return false;
	return out->n > 0;
}

/* The same place with TLS, under the name the client knows us by. */
static void go_to_https(struct http_request *q, struct http_response *p)
{
	BUF_LOCAL(place, 16384);
	struct slice host;
	if ((q->method != HTTP_GET && q->method != HTTP_HEAD) || !slice_starts(q->path, SLICE("/"))) {
		http_refuse(p, HTTP_STATUS_FORBIDDEN, "Only https serves this.");
		return;
	}
	if (!http_acme_host(q->host, &host))
		host = slice_str(q->service->hostname);
	buf_puts(&place, "https://");
	buf_put(&place, host);
	buf_put(&place, q->path);
	if (q->query.p) {
		buf_putc(&place, '?');
		buf_put(&place, q->query);
	}
	http_refuse(p, HTTP_STATUS_MOVED, NULL);
	http_put_header(p, "Location", buf_slice(&place));
}

static const struct http_route rows[] = {
    {HTTP_IS(GET), HTTP_ACME_PATTERN, http_acme_challenge, 0, 0},
};
const struct http_routes http_routes_acme = {rows, COUNT(rows), NULL, go_to_https};
