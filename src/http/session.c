/* The loop: takes in what has arrived, serves what is complete, sleeps otherwise. */
#include "body.h"
#include "parse.h"
#include "response.h"
#include "router.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/random.h>

#define REQUEST_ARENA ((size_t)1 << 20)
#define READ_MOST ((size_t)16384)
#define DRAIN_MOST ((uint64_t)1 << 20) /* octets read for nothing after the last answer */

enum phase {
	PHASE_CONNECTED, /* has not run yet */
	PHASE_TLS,       /* waits for the first octet of the handshake */
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_CLOSING, /* the last answer is out, the client may hang up */
};

struct http {
	struct session base; /* first: a session is one of these */
	const struct http_service *service;
	enum phase phase;
	char ip[48], id[20];
	unsigned port;
	int64_t began_ms;
	int64_t until_ms; /* mono: when the phase's patience ends */
	unsigned requests;
	const char *end_why;
	uint64_t drained;
	struct http_head head;
	struct http_body body;
	int64_t body_since_ms, request_since_us;
	struct arena arena; /* of the request in hand */
	struct http_request request;
	const struct http_route *route;
	bool keep;
};

void http_service_defaults(struct http_service *service)
{
	service->first_ms = 30 * SECOND_MS;
	service->idle_ms = 2 * MINUTE_MS;
	service->head_ms = 20 * SECOND_MS;
	service->body_grace_ms = 30 * SECOND_MS;
	service->rate = 500;
	service->write_ms = 20 * SECOND_MS;
	service->close_ms = 2 * SECOND_MS;
}

static void begin_phase(struct http *s, enum phase phase, int64_t ms)
{
	s->phase = phase;
	s->until_ms = clock_mono_ms() + ms;
}

/* Waits for the next request. */
static void begin_request(struct http *s)
{
	arena_reset(&s->arena);
	buf_free(&s->head.octets);
	http_head_init(&s->head);
	begin_phase(s, PHASE_HEAD, s->requests ? s->service->idle_ms : s->service->first_ms);
}

/* ---- answering ---- */

/* The last answer went out: we say that nothing more comes, and let the client hang up (RFC 9112 9.6). */
static enum result begin_closing(struct http *s)
{
	struct stream *stream = s->base.stream;
	if (stream_flush(stream) != OK || stream_fd(stream) < 0)
		return STOP;
	if (stream_ssl(stream)) {
		SSL_shutdown(stream_ssl(stream));
		ERR_clear_error();
	}
	shutdown(stream_fd(stream), SHUT_WR);
	begin_phase(s, PHASE_CLOSING, s->service->close_ms);
	return OK;
}

static void log_request(const struct http *s, enum http_status status, bool parsed)
{
	EVENT(HTTP_REQUEST, KZ("method", parsed ? http_method_name(s->request.method) : ""),
	    KV("path", parsed ? s->request.path : SLICE_NONE), KN("status", status),
	    KN("us", clock_mono_us() - s->request_since_us));
}

/* Sends p, ends the request, and begins to wait for the next or to close. */
static enum result answer(struct http *s, struct http_response *p)
{
	stream_timeout(s->base.stream, s->service->write_ms);
	stream_rate(s->base.stream, s->service->rate);
	http_response_put(p);
	stream_rate(s->base.stream, 0);
	log_request(s, p->status, p->request != NULL);
	bool keep = p->keep;
	http_response_free(p);
	http_body_free(&s->body);
	if (stream_state(s->base.stream) != OK)
		return STOP;
	if (!keep) {
		s->end_why = "done";
		return begin_closing(s);
	}
	begin_request(s);
	return OK;
}

/* What cannot be understood, or not be taken; after it the connection ends. */
static enum result refuse(struct http *s, enum http_status status, bool parsed)
{
	struct http_response p;
	http_response_init(&p, parsed ? &s->request : NULL, s->service->implicit_tls, s->base.stream, false);
	http_refuse(&p, status, NULL);
	if (status == HTTP_STATUS_UNAVAILABLE)
		http_put_header(&p, "Retry-After", SLICE("10"));
	return answer(s, &p);
}

static enum result refuse_method(struct http *s, enum http_status status, unsigned allowed, bool keep)
{
	BUF_LOCAL(list, 256);
	struct http_response p;
	http_response_init(&p, &s->request, s->service->implicit_tls, s->base.stream, keep);
	if (status != HTTP_STATUS_NO_CONTENT)
		http_refuse(&p, status, NULL);
	p.status = status;
	http_allow_put(&list, allowed);
	if (allowed)
		http_put_header(&p, "Allow", buf_slice(&list));
	return answer(s, &p);
}

/* The request is whole. */
static enum result serve(struct http *s)
{
	if (http_body_finish(&s->body, &s->request.body) != OK)
		return refuse(s, HTTP_STATUS_UNAVAILABLE, true);
	s->request.body_fd = s->body.fd;
	struct http_response p;
	http_response_init(&p, &s->request, s->service->implicit_tls, s->base.stream, s->keep);
	stream_timeout(s->base.stream, s->service->write_ms);
	stream_rate(s->base.stream, s->service->rate);
	s->route->handler(&s->request, &p);
	return answer(s, &p);
}

/* ---- from head to body ---- */

/* No row has this path, or not with this method. */
static enum result serve_unrouted(struct http *s, unsigned allowed, bool keep)
{
	struct http_request *q = &s->request;
	if (s->service->routes->otherwise) {
		struct http_response p;
		http_response_init(&p, q, s->service->implicit_tls, s->base.stream, keep);
		s->service->routes->otherwise(q, &p);
		return answer(s, &p);
	}
	if (slice_eq(q->path, SLICE("*")))
		for (const struct http_routes *t = s->service->routes; t; t = t->next)
			for (size_t i = 0; i < t->n; i++)
				allowed |= t->at[i].methods;
	if (!allowed)
		return refuse_method(s, HTTP_STATUS_NOT_FOUND, 0, keep);
	return refuse_method(s,
	    q->method == HTTP_OPTIONS ? HTTP_STATUS_NO_CONTENT : HTTP_STATUS_METHOD_NOT_ALLOWED, allowed,
	    keep);
}

/* Expect, RFC 9110 10.1.1: nothing but 100-continue can be expected of us. */
static enum http_status check_expect(const struct http_request *q)
{
	struct slice expect = http_header(q, SLICE("Expect"));
	if (!expect.n || !q->minor || slice_ieq(expect, SLICE("100-continue")))
		return HTTP_STATUS_NONE;
	return HTTP_STATUS_EXPECTATION_FAILED;
}

static bool guard_refuses(struct http *s, bool keep, enum result *r_out)
{
	const struct http_routes *routes = http_routes_of(s->service->routes, s->route);
	struct http_response p;
	if (!s->route->needs || !routes->guard)
		return false;
	http_response_init(&p, &s->request, s->service->implicit_tls, s->base.stream, keep);
	if (routes->guard(&s->request, &p, s->route->needs)) {
		http_response_free(&p);
		return false;
	}
	*r_out = answer(s, &p);
	return true;
}

/* A body for PUT, POST and PATCH has a length that is known or comes in chunks (RFC 9110 8.6). */
static bool misses_length(const struct http_request *q, enum http_framing framing)
{
	return framing == FRAMING_NONE && q->minor == 0 &&
	       (q->method == HTTP_POST || q->method == HTTP_PUT || q->method == HTTP_PATCH);
}

/* Who is asked, and may it be? An answer given before the body was read ends the connection if there is one. */
static enum result begin_body(struct http *s, enum http_framing framing, uint64_t length)
{
	struct http_request *q = &s->request;
	bool body = framing == FRAMING_CHUNKED || length;
	unsigned allowed;
	enum result r = OK;
	s->keep = q->minor && ++s->requests < LIMIT_HTTP_REQUESTS &&
		  !http_header_lists(q, SLICE("Connection"), SLICE("close"));
	s->base.silent = false;
	s->route = http_route_find(s->service->routes, q, &allowed);
	if (!s->route)
		return serve_unrouted(s, allowed, s->keep && !body);
	q->route = s->route;
	enum http_status status = check_expect(q);
	if (!status && misses_length(q, framing))
		status = HTTP_STATUS_LENGTH_REQUIRED;
	if (status)
		return refuse(s, status, true);
	if (guard_refuses(s, s->keep && !body, &r))
		return r;
	http_body_init(&s->body, framing, length, s->route->body_most, s->service->budget);
	if (s->body.status)
		return refuse(s, s->body.status, true);
	if (http_body_done(&s->body))
		return serve(s);
	if (q->minor && http_header(q, SLICE("Expect")).n)
		stream_puts(s->base.stream, "HTTP/1.1 100 Continue\r\n\r\n");
	s->body_since_ms = clock_mono_ms();
	begin_phase(s, PHASE_BODY, s->service->body_grace_ms);
	return OK;
}

static enum result end_head(struct http *s)
{
	enum http_framing framing;
	uint64_t length;
	s->request = (struct http_request){
	    .service = s->service,
	    .ip = s->ip,
	    .port = s->port,
	    .tls = stream_is_tls(s->base.stream),
	    .body_fd = -1,
	    .arena = &s->arena,
	};
	enum http_status status = http_head_parse(buf_slice(&s->head.octets), &s->request, &framing, &length);
	return status ? refuse(s, status, false) : begin_body(s, framing, length);
}

/* ---- what has arrived ---- */

static enum result take_head(struct http *s, struct slice in)
{
	size_t used;
	if (!s->head.octets.n) {
		s->request_since_us = clock_mono_us();
		begin_phase(s, PHASE_HEAD, s->service->head_ms);
	}
	enum http_status status = http_head_take(&s->head, in, &used);
	stream_unread(s->base.stream, in.n - used);
	if (status)
		return refuse(s, status, false);
	return s->head.done ? end_head(s) : OK;
}

static enum result take_body(struct http *s, struct slice in)
{
	size_t used = http_body_take(&s->body, in);
	stream_unread(s->base.stream, in.n - used);
	if (s->body.status)
		return refuse(s, s->body.status, true);
	if (http_body_done(&s->body))
		return serve(s);
	int64_t earned_ms = (int64_t)(s->body.came * 1000 / MAX(s->service->rate, 1));
	s->until_ms = s->body_since_ms + s->service->body_grace_ms + earned_ms;
	return OK;
}

static enum result take_nothing(struct http *s, struct slice in)
{
	s->drained += in.n;
	return s->drained > DRAIN_MOST ? STOP : OK;
}

/* A certificate authority that shook hands to see our answer (RFC 8737): there is nothing more to say. */
static bool was_question(const SSL *ssl)
{
	const unsigned char *p = NULL;
	unsigned n = 0;
	if (ssl)
		SSL_get0_alpn_selected(ssl, &p, &n);
	return slice_eq(slice_of(p, n), SLICE("acme-tls/1"));
}

static enum result begin_tls(struct http *s)
{
	struct stream *stream = s->base.stream;
	if (!stream_ssl(stream))
		begin_phase(s, PHASE_TLS, s->service->head_ms);
	enum result r = stream_tls_try_accept(stream, s->service->tls);
	if (r == LATER && stream_state(stream) == OK)
		return LATER;
	if (r != OK) {
		s->end_why = "TLS failed";
		EVENT(TLS_FAILED, KZ("service", s->service->name), KZ("ip", s->ip),
		    KZ("why", r == LATER ? "too slow" : "handshake"));
		return STOP;
	}
	const char *sni =
	    stream_ssl(stream) ? SSL_get_servername(stream_ssl(stream), TLSEXT_NAMETYPE_host_name) : NULL;
	EVENT(TLS_START, KZ("service", s->service->name), KZ("version", stream_tls_version(stream)),
	    KZ("cipher", stream_tls_cipher(stream)), KZ("sni", sni));
	if (was_question(stream_ssl(stream))) {
		s->end_why = "done";
		return begin_closing(s);
	}
	begin_request(s);
	return OK;
}

/* LATER: nothing whole has come yet. */
static enum result take(struct http *s)
{
	struct slice in;
	if (s->phase == PHASE_TLS)
		return begin_tls(s);
	enum result r = stream_try(s->base.stream, READ_MOST, &in);
	if (r != OK)
		return r;
	switch (s->phase) {
	case PHASE_HEAD:
		return take_head(s, in);
	case PHASE_BODY:
		return take_body(s, in);
	default:
		return take_nothing(s, in);
	}
}

/* ---- patience ---- */

/* The phase lasted too long. Who has begun a request is told, without waiting. */
static enum session_next give_up(struct http *s)
{
	if (s->phase == PHASE_CLOSING)
		return SESSION_END;
	bool begun = s->phase == PHASE_BODY || (s->phase == PHASE_HEAD && s->head.octets.n);
	s->end_why = begun ? "too slow" : "idle";
	if (begun) {
		struct http_response p;
		bool parsed = s->phase == PHASE_BODY;
		http_response_init(
		    &p, parsed ? &s->request : NULL, s->service->implicit_tls, s->base.stream, false);
		http_refuse(&p, HTTP_STATUS_REQUEST_TIMEOUT, NULL);
		http_response_put(&p);
		http_response_free(&p);
		log_request(s, HTTP_STATUS_REQUEST_TIMEOUT, parsed);
	}
	stream_timeout(s->base.stream, 0);
	result_ignore(stream_flush(s->base.stream)); /* the session ends either way */
	return SESSION_END;
}

static enum session_next go_to_sleep(struct http *s)
{
	int64_t left = s->until_ms - clock_mono_ms();
	if (left <= 0)
		return give_up(s);
	if (s->phase == PHASE_HEAD && !s->head.octets.n) {
		arena_free(&s->arena);
		buf_free(&s->head.octets);
	}
	s->base.sleep_ms = left;
	return stream_rest(s->base.stream) == OK ? SESSION_SLEEP : SESSION_END;
}

/*
 * Lingers for the next request of a client that was just served. In all other cases who lets us wait may be a crowd that
 * does nothing else.
 */
static enum result wait_for_more(struct http *s)
{
	bool woken;
	if (s->phase == PHASE_HEAD && s->requests && !s->head.octets.n)
		return session_wait(&s->base, &woken);
	return stream_wait(s->base.stream, 0);
}

static enum session_next converse(struct http *s)
{
	stream_timeout(s->base.stream, s->service->write_ms);
	for (;;) {
		enum result r = wait_for_more(s);
		if (r == OK && clock_mono_ms() > s->until_ms)
			return give_up(s);
		if (r == OK)
			r = take(s);
		if (r == LATER && stream_state(s->base.stream) == OK)
			return go_to_sleep(s);
		if (r != OK) {
			result_ignore(stream_flush(s->base.stream)); /* the session ends either way */
			return SESSION_END;
		}
	}
}

/* ---- the session ---- */

static void begin(struct http *s)
{
	EVENT(CONNECT, KZ("service", s->service->name), KZ("ip", s->ip), KN("port", s->port));
	if (s->service->implicit_tls)
		begin_phase(s, PHASE_TLS, s->service->first_ms);
	else
		begin_request(s);
}

static enum session_next http_run(struct session *base)
{
	struct http *s = (struct http *)base;
	event_session(s->id);
	if (s->phase == PHASE_CONNECTED)
		begin(s);
	enum session_next next = converse(s);
	event_session(NULL);
	return next;
}

static enum session_next http_expired(struct session *base)
{
	struct http *s = (struct http *)base;
	event_session(s->id);
	stream_timeout(base->stream, 0);
	enum session_next next = give_up(s);
	event_session(NULL);
	return next;
}

static void http_end(struct session *base)
{
	struct http *s = (struct http *)base;
	event_session(s->id);
	if (s->phase != PHASE_CONNECTED)
		EVENT(DISCONNECT, KZ("service", s->service->name), KZ("ip", s->ip), KZ("why", s->end_why),
		    KN("in", stream_octets_in(base->stream)), KN("out", stream_octets_out(base->stream)),
		    KN("ms", clock_mono_ms() - s->began_ms));
	event_session(NULL);
	stream_close(base->stream);
	http_body_free(&s->body);
	buf_free(&s->head.octets);
	arena_free(&s->arena);
	free(s);
}

static void make_id(char id[20])
{
	uint64_t n;
	if (getrandom(&n, sizeof n, 0) != sizeof n)
		abort();
	snprintf(id, 20, "%016llx", (unsigned long long)n);
}

struct session *http_session_new(
    const struct http_service *service, struct stream *stream, const char *ip, unsigned port)
{
	static const struct session_ops ops = {"http", http_run, http_expired, http_end};
	struct http *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = (struct session){.ops = &ops, .stream = stream, .wake_fd = -1, .silent = true};
	s->service = service;
	s->port = port;
	s->began_ms = clock_mono_ms();
	s->end_why = "hung up";
	s->body.fd = -1;
	snprintf(s->ip, sizeof s->ip, "%s", ip);
	make_id(s->id);
	arena_init(&s->arena, REQUEST_ARENA);
	http_head_init(&s->head);
	return &s->base;
}
