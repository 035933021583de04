/*
 * A service and clients for the tests of http: each transcript is replayed whole, octet by octet and at random cuts. The
 * fields that every answer has are taken out of what was said.
 */
#ifndef HTTP_PLAY_H
#define HTTP_PLAY_H

#include "http/http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- a service ---- */

static void on_echo(struct http_request *q, struct http_response *p)
{
	p->type = "application/octet-stream";
	assert_true((q->body_fd >= 0) == (q->body.n > LIMIT_HTTP_BODY_SMALL));
	assert_true(q->body_fd < 0 || fd_is_sealed(q->body_fd));
	buf_put(&p->body, q->body);
}

static void on_file(struct http_request *q, struct http_response *p)
{
	struct slice name, value;
	buf_printf(&p->body, "%s %s ", http_method_name(q->method), q->tls ? "tls" : "plain");
	buf_printf(&p->body, SLICE_FMT "|", SLICE_ARG(q->host));
	buf_printf(&p->body, SLICE_FMT "|", SLICE_ARG(http_param(q, SLICE("user"))));
	buf_printf(&p->body, SLICE_FMT, SLICE_ARG(http_param(q, SLICE("file"))));
	for (struct http_query it = http_query_of(q); http_query_next(&it, &name, &value);)
		buf_printf(&p->body, "|" SLICE_FMT "=" SLICE_FMT, SLICE_ARG(name), SLICE_ARG(value));
}

static void on_parts(struct http_request *q, struct http_response *p)
{
	for (int i = 0; i < 3; i++)
		if (http_send_part(p, SLICE("0123456789ABCDEF!")) != OK)
			return;
}

static void on_broken_parts(struct http_request *q, struct http_response *p)
{
	result_ignore(http_send_part(p, SLICE("half")));
	p->flaw = true;
}

static void on_header(struct http_request *q, struct http_response *p)
{
	buf_puts(&p->body, "secret");
	http_put_header(p, "X-Copy", http_param(q, SLICE("value")));
	struct slice name, value;
	for (struct http_query it = http_query_of(q); http_query_next(&it, &name, &value);)
		http_put_header(p, "X-Query", value);
}

static void on_own_fields(struct http_request *q, struct http_response *p)
{
	http_put_header(p, "cache-control", SLICE("max-age=60"));
	http_put_header(p, "Content-Security-Policy", SLICE("default-src 'self'"));
	p->status = HTTP_STATUS_CREATED;
}

static void on_flood(struct http_request *q, struct http_response *p)
{
	for (size_t i = 0; i <= LIMIT_HTTP_RESPONSE / 16; i++)
		buf_puts(&p->body, "0123456789abcdef");
}

static void on_nothing(struct http_request *q, struct http_response *p)
{
	p->status = q->method == HTTP_DELETE ? HTTP_STATUS_NO_CONTENT : HTTP_STATUS_NOT_MODIFIED;
}

static void on_json(struct http_request *q, struct http_response *p)
{
	buf_puts(&p->body, http_wants_json(q) ? "json" : "text");
}

static const struct http_route routes[] = {
    {HTTP_IS(GET), "/users/{user}/files/{file}", on_file, 0, 0},
    {HTTP_IS(POST) | HTTP_IS(PUT), "/echo", on_echo, 0, 1000000},
    {HTTP_IS(PATCH), "/echo", on_echo, 0, 4},
    {HTTP_IS(GET), "/parts", on_parts, 0, 0},
    {HTTP_IS(GET), "/broken-parts", on_broken_parts, 0, 0},
    {HTTP_IS(GET), "/header/{value}", on_header, 0, 0},
    {HTTP_IS(GET), "/own", on_own_fields, 0, 0},
    {HTTP_IS(GET), "/flood", on_flood, 0, 0},
    {HTTP_IS(GET) | HTTP_IS(DELETE), "/nothing", on_nothing, 0, 0},
    {HTTP_IS(GET), "/json", on_json, 0, 0},
    {HTTP_IS(POST), "/guarded", on_echo, 2, 100},
};

static bool guard(struct http_request *q, struct http_response *p, unsigned needs)
{
	assert_int_equal(needs, 2);
	if (slice_eq(http_header(q, SLICE("authorization")), SLICE("yes")))
		return true;
	http_refuse(p, HTTP_STATUS_UNAUTHORIZED, "who are you?");
	http_put_header(p, "WWW-Authenticate", SLICE("Test"));
	return false;
}

static const struct http_routes table = {routes, COUNT(routes), guard};
static struct http_budget budget = {.most = 2000000};
static struct http_service service = {.name = "http", .hostname = "mail.example.org", .routes = &table};

/* ---- playing a client ---- */

static const char *const everywhere[] = {"Date: ", "X-Content-Type-Options: nosniff",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'", "Referrer-Policy: no-referrer",
    "Cache-Control: no-store"};

static bool is_everywhere(struct slice line)
{
	for (size_t i = 0; i < COUNT(everywhere); i++)
		if (slice_starts(line, slice_str(everywhere[i])))
			return true;
	return false;
}

static void put_said(struct buf *b, struct slice said)
{
	while (said.n) {
		ptrdiff_t lf = slice_find(said, '\n');
		struct slice line = slice_sub(said, 0, lf < 0 ? said.n : (size_t)lf + 1);
		if (!is_everywhere(line))
			buf_put(b, line);
		said = slice_sub(said, line.n, said.n);
	}
}

static void play(struct stream *s)
{
	struct session *session = http_session_new(&service, s, "192.0.2.1", 4711);
	while (session->ops->run(session) == SESSION_SLEEP)
		;
	session->ops->end(session);
	assert_int_equal(atomic_load(&budget.used), 0);
}

static void ask(struct slice in, size_t step, struct buf *said)
{
	BUF_LOCAL(raw, (size_t)64 << 20);
	play(stream_memory(in, step, &raw));
	put_said(said, buf_slice(&raw));
}

static uint32_t dice_state = 2463534242u;
static uint32_t dice(uint32_t below) /* the same throws in every run */
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 17;
	dice_state ^= dice_state << 5;
	return dice_state % below;
}

#define CUTS 40
static void ask_in_cuts(struct slice in, struct buf *said)
{
	struct slice parts[CUTS];
	size_t n = 0;
	while (in.n && n < CUTS - 1) {
		parts[n] = slice_sub(in, 0, 1 + dice((uint32_t)MIN(in.n, 200)));
		in = slice_sub(in, parts[n].n, in.n);
		n++;
	}
	parts[n++] = in;
	BUF_LOCAL(raw, (size_t)64 << 20);
	play(stream_memory_parts(parts, n, 0, &raw));
	put_said(said, buf_slice(&raw));
}

/* What is said must not depend on how the octets arrive. */
static void expect(struct slice in, struct slice want)
{
	BUF_LOCAL(whole, (size_t)64 << 20);
	ask(in, 0, &whole);
	if (!slice_eq(buf_slice(&whole), want))
		print_message("asked:\n" SLICE_FMT "\nsaid:\n" SLICE_FMT "\nnot:\n" SLICE_FMT "\n",
		    SLICE_ARG(slice_sub(in, 0, 500)), SLICE_ARG(slice_sub(buf_slice(&whole), 0, 1000)),
		    SLICE_ARG(want));
	assert_true(slice_eq(buf_slice(&whole), want));
	for (int i = 0; i < 6; i++) {
		BUF_LOCAL(cut, (size_t)64 << 20);
		if (i == 0)
			ask(in, 1, &cut);
		else
			ask_in_cuts(in, &cut);
		assert_true(slice_eq(buf_slice(&cut), want));
	}
}
#define TALK(in, out) expect(SLICE(in), SLICE(out))

/* Refused with that status, and nothing behind it was taken for a request. */
static void refused(struct slice in, enum http_status status)
{
	BUF_LOCAL(with_more, (size_t)4 << 20);
	BUF_LOCAL(want, 1024);
	BUF_LOCAL(body, 100);
	buf_put(&with_more, in);
	buf_puts(&with_more, "GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
	buf_printf(&body, "%u %s\n", (unsigned)status, http_reason(status));
	buf_printf(&want,
	    "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nConnection: "
	    "close\r\n"
	    "\r\n" SLICE_FMT,
	    (unsigned)status, http_reason(status), body.n, SLICE_ARG(buf_slice(&body)));
	expect(buf_slice(&with_more), buf_slice(&want));
}
#define REFUSED(in, status) refused(SLICE(in), HTTP_STATUS_##status)

#define H "Host: a\r\n"
#define FILE_OK "HTTP/1.1 200 OK\r\nContent-Length: "
#define OCTETS "Content-Type: application/octet-stream\r\n"

static void http_play_begin(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	http_service_defaults(&service);
	service.budget = &budget;
}

#endif
