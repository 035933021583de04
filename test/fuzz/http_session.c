/*
 * http: a connection full of requests is answered the same whether its octets come at once or in pieces (the first octet
 * says how large), and whatever is said is a row of answers with nothing strange in their heads.
 */
#include "http/http.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void on_echo(struct http_request *q, struct http_response *p)
{
	struct slice name, value;
	buf_put(&p->body, q->body);
	http_put_header(p, "X-Path", q->path);
	for (struct http_query it = http_query_of(q); http_query_next(&it, &name, &value);)
		http_put_header(p, "X-Query", value);
	p->type = http_wants_json(q) ? "application/json" : "text/plain";
}

static void on_parts(struct http_request *q, struct http_response *p)
{
	http_put_header(p, "X-Id", http_param(q, SLICE("id")));
	if (http_send_part(p, q->host) == OK)
		result_ignore(http_send_part(p, q->query));
}

static bool guard(struct http_request *q, struct http_response *p, unsigned needs)
{
	http_refuse(p, HTTP_STATUS_FORBIDDEN, NULL);
	return http_header(q, SLICE("x-key")).n > 2;
}

static const struct http_route rows[] = {
    {HTTP_IS(GET) | HTTP_IS(POST) | HTTP_IS(PUT), "/", on_echo, 0, 200000},
    {HTTP_IS(GET), "/a/{id}", on_parts, 0, 0},
    {HTTP_IS(PATCH) | HTTP_IS(DELETE), "/a/{id}", on_echo, 1, 10},
};
static const struct http_routes routes = {rows, COUNT(rows), guard};

static void serve(struct slice in, size_t step, struct buf *said)
{
	static struct http_budget budget = {.most = 100000};
	struct http_service service = {.name = "http", .hostname = "a", .routes = &routes, .budget = &budget};
	http_service_defaults(&service);
	struct session *s = http_session_new(&service, stream_memory(in, step, said), "192.0.2.1", 1);
	while (s->ops->run(s) == SESSION_SLEEP)
		;
	s->ops->end(s);
	assert(atomic_load(&budget.used) == 0);
}

/* The clock may tick between two runs. */
static void blank_dates(struct buf *b)
{
	struct slice rest = buf_slice(b);
	for (ptrdiff_t at; (at = slice_search(rest, SLICE("\r\nDate: "))) >= 0;) {
		rest = slice_sub(rest, (size_t)at + 8, SIZE_MAX);
		size_t from = (size_t)(rest.p - b->p);
		memset(b->p + from, 'x', MIN(b->n - from, 29));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool quiet;
	if (!quiet)
		event_start("fuzz", EVENT_LOGFMT, EVENT_ERROR + 1);
	quiet = true;
	if (n < 1 || n > 150000)
		return 0;
	struct slice in = slice_of(data + 1, n - 1);
	BUF_LOCAL(whole, (size_t)64 << 20);
	BUF_LOCAL(pieces, (size_t)64 << 20);
	serve(in, 0, &whole);
	serve(in, data[0] % 32 + 1, &pieces);
	blank_dates(&whole);
	blank_dates(&pieces);
	assert(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	assert(whole.n == 0 || slice_starts(buf_slice(&whole), SLICE("HTTP/1.1 ")));
	return 0;
}
