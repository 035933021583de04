/*
 * http: the server's side of HTTP/1.1 (RFC 9110, 9112), for the front `web`. The door of the room.
 *
 *   methods.def, status.def   the words of the protocol
 *   parse.h      the octets of a head to a request, strictly; pure      body.h      length and chunked bodies; pure
 *   request.c    looking things up in a request                         router.h    a path to its handler
 *   response.h   the one encoder of responses                           session.c   the loop; sleep between octets
 *   acme.c       what a certificate authority asks of port 80
 *   signin.c     people sign in to the API; cookies      secrets.c   what they do with their secrets; qr.c
 *   webauthn.h   passkeys as browsers hand them over; cbor.h
 *   api.h        /api/v1, its arguments and its OpenAPI document, of one table (api.def)
 *   scim.c       /scim/v2: people and groups kept by an identity provider
 *   oauth.h      tokens for programs: OAuth 2.0, OpenID Connect
 *   setup.h      settings for mail programs, the MTA-STS policy
 *   console.h    the pages of the browser's console
 *   monitor.c    /healthz and /metrics                                  metrics.h   the text that Prometheus reads
 *
 * A request is read without a thread waiting for it: whatever has arrived is taken in, then the session sleeps in the
 * lobby (base/session.h) until more comes or the time for it is over. A thread is held only while a handler works and
 * while the answer is written. Nothing is guessed: what two readers could understand in two ways (RFC 9112 11.2) is 400,
 * and the connection ends.
 */
#ifndef HTTP_H
#define HTTP_H

#include "ipc/ipc.h"
#include <pthread.h>
#include <stdatomic.h>

enum http_method {
#define X(name) HTTP_##name,
#include "methods.def"
#undef X
	HTTP_METHODS
};
#define HTTP_IS(method) (1u << HTTP_##method) /* a bit of a route's methods */

enum http_status {
	HTTP_STATUS_NONE = 0,
#define X(name, code, reason) HTTP_STATUS_##name = (code),
#include "status.def"
#undef X
};

/* ---- a request ---- */

#define HTTP_PARAMS 8 /* {names} in one pattern */

struct http_field {
	struct slice name, value; /* value without blanks around */
};
struct http_param {
	struct slice name, value; /* value decoded */
};

/* Everything in it lives until the handler returns. */
struct http_request {
	enum http_method method;
	unsigned minor;     /* HTTP/1.minor: 0 or 1 */
	struct slice path;  /* as sent, checked, never empty: "/..." or "*" */
	struct slice query; /* as sent, checked, without "?"; p is NULL when there was none */
	struct slice host;  /* host or host:port as the client knows us; empty only in HTTP/1.0 */
	const struct http_field *fields;
	size_t field_n;
	struct http_param params[HTTP_PARAMS];
	size_t param_n;
	struct slice body;
	int body_fd; /* a sealed memfd with the same octets when the body is large, or -1 */
	const struct http_service *service;
	const struct http_route *route; /* the row that serves it */
	const char *ip;
	unsigned port;
	bool tls;
	struct arena *arena; /* for whatever the handler makes; 1 MiB */
};

/* The value of the first field of that name (any case); p is NULL when there is none. */
struct slice http_header(const struct http_request *q, struct slice name);
/* The value of {name} in the route's pattern; p is NULL when the pattern has none. */
struct slice http_param(const struct http_request *q, struct slice name);
/* Is `token` (any case) a member of the comma-separated list that all fields of that name make together? */
bool http_header_lists(const struct http_request *q, struct slice name, struct slice token);
/* Does the client ask for JSON by name, and not for plain text rather? (Accept, RFC 9110 12.5.1) */
bool http_wants_json(const struct http_request *q);

/* Goes through name=value&...; names and values come decoded ("+" is a space) and live in the request's arena. */
struct http_query {
	struct slice rest;
	struct arena *arena;
};
struct http_query http_query_of(const struct http_request *q);
bool http_query_next(struct http_query *it, struct slice *name_out, struct slice *value_out);

const char *http_method_name(enum http_method m);
const char *http_reason(enum http_status s); /* "Not Found" */

/* ---- its answer ---- */

/*
 * Filled by a handler. Every answer carries Date, the security fields (response.c) and, unless the handler gives one, a
 * Cache-Control of no-store. A flaw in what a handler gives (a field that is not clean, a body above
 * LIMIT_HTTP_RESPONSE) turns the answer into a 500.
 */
struct http_response {
	enum http_status status; /* 200 until set */
	const char *type;        /* Content-Type; NULL: none */
	struct buf body;
	struct slice lasting; /* follows the body; octets that outlive the answer */
	/* The rest is the room's. */
	struct buf fields;
	unsigned given; /* bits of the standard fields that the handler gave itself */
	bool flaw;
	bool begun; /* the head has gone out, parts follow */
	bool keep;  /* the connection goes on after it */
	const struct http_request *request;
	struct stream *stream;
};

/*
 * A field. The name is a token, the value visible text, blanks and octets above 0x7f: CR, LF, NUL or another control in
 * it is a flaw, and so are the fields the encoder writes (Date, Content-*, Transfer-Encoding, Connection).
 */
void http_put_header(struct http_response *p, const char *name, struct slice value);
/* Status, a text/plain body of "404 Not Found", or of `why` when it is not NULL. */
void http_refuse(struct http_response *p, enum http_status status, const char *why);
/*
 * For bodies of unknown length: the first part sends the head, further ones follow in chunks; p->body is not used then.
 * Not OK: the client is gone, stop.
 */
NODISCARD enum result http_send_part(struct http_response *p, struct slice part);
/* "..." with JSON's escapes. Octets that are not UTF-8 become U+FFFD. */
void http_put_json(struct buf *b, struct slice text);

/* ---- routes ---- */

typedef void http_handler(struct http_request *q, struct http_response *p);

/*
 * A pattern is "/", or segments of fixed text or {name}, which takes one segment. HEAD is served by GET's handler, OPTIONS
 * by the router. The first row that fits wins.
 */
struct http_route {
	unsigned methods; /* HTTP_IS() bits */
	const char *pattern;
	http_handler *handler;
	unsigned needs;     /* bits of the guard's own; 0: open to everybody */
	uint64_t body_most; /* octets; 413 above */
};

/* Which rows a service has is which table it is given. */
struct http_routes {
	const struct http_route *at;
	size_t n;
	/* Asked before the body is read for routes that need something; false: p is the refusal. NULL: none needs. */
	bool (*guard)(struct http_request *q, struct http_response *p, unsigned needs);
	http_handler *otherwise;        /* what no row has, before any body is read; NULL: 404 or 405 */
	const struct http_routes *next; /* looked into when nothing here fits; NULL: no more */
};

/* ---- monitoring ---- */

struct http_metrics {
	const _Atomic uint64_t *counters; /* [role * EV_COUNT + event] */
	unsigned roles;
	const char *const *role_names;
	/* Calls `each` for every certificate in use, with its first name and its end, UTC ms. NULL: there are none. */
	void (*certificates)(
	    void *context, void (*each)(void *arg, const char *name, int64_t ends_ms), void *arg);
	void *context;
};

/* What /healthz and /metrics know of the store; one for a process. One ask at a time, an answer serves for a second. */
struct http_monitor {
	struct ipc_trunk *store;
	struct http_metrics metrics;
	int64_t started_utc_ms;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct ipc channel; /* belongs to the thread that set `asking` */
	bool asking, known;
	int64_t asked_ms; /* mono: when the last answer, or the lack of one, came */
	const char *why;  /* NULL: it answered with these */
	Sekisho__GaugesAnswer gauges;
};
void http_monitor_init(struct http_monitor *m, struct ipc_trunk *store, const struct http_metrics *metrics);
void http_monitor_end(struct http_monitor *m); /* no request may be in hand */

extern const struct http_routes
    http_routes_local; /* for loopback, without TLS: /, /healthz, /metrics, setup */
extern const struct http_routes
    http_routes_public; /* for everybody: the console, /healthz, setup, and the API's */
extern const struct http_routes http_routes_scim; /* /scim/v2, for identity providers; and the API's */
extern const struct http_routes http_routes_api;  /* /api/v1, for those who have a token */
extern const struct http_routes
    http_routes_acme; /* for port 80: a certificate authority's questions, else go to https */

/* ---- settings for mail programs (setup.h) ---- */

struct http_setup {
	struct ipc_trunk *store;
	const char *hostname;
	unsigned imaps, pop3s, submissions, https; /* ports; 0: not offered */
	unsigned imap, pop3, submission;
	const char *issuer; /* of tokens, https://...; NULL: none are given out */
	/* Signs with the server's certificate (CMS); false: it cannot. NULL: nothing is signed. */
	bool (*sign)(void *context, struct slice content, struct buf *out);
	void *sign_context;
};

/* ---- the console (console.h) ---- */

struct http_console;
/* The pages of `file`, which must outlive them. NULL: it is no such file. */
struct http_console *http_console_read(struct slice file);

/* ---- the service ---- */

/* Octets of unfinished request bodies that all sessions of a process may hold together; 503 above it. */
struct http_budget {
	uint64_t most;
	_Atomic uint64_t used;
};

/* One listening service. Never changed once sessions run; outlives them; shared by all threads. */
struct http_service {
	const char *name; /* "http", "https": what events show */
	const char *hostname;
	bool implicit_tls;
	SSL_CTX *tls;
	const struct http_routes *routes;
	struct http_monitor *monitor;   /* for the routes of monitoring */
	struct ipc_trunk *keys;         /* for a certificate authority's questions; NULL: none are answered */
	const struct http_setup *setup; /* NULL: no settings are given out */
	const struct http_console *console; /* NULL: "/" says that there is none */
	struct http_budget *budget;         /* NULL: no limit */
	int64_t first_ms;                   /* until the first octet of a new connection */
	int64_t idle_ms;                    /* between requests */
	int64_t head_ms;                    /* from a request's first octet to the end of its head */
	int64_t body_grace_ms;              /* what a body may take beyond its size divided by the rate */
	size_t rate;      /* octets a second that a body and the reading of an answer must reach */
	int64_t write_ms; /* the longest pause of a client that reads an answer, or shakes hands */
	int64_t close_ms; /* after the last answer, for the client to hang up first (RFC 9112 9.6) */
};

/* Everything but names, routes, roles and TLS. */
void http_service_defaults(struct http_service *service);

/* A session for a new connection; takes the stream. `ip` is copied. Serves nothing before its first run(). */
struct session *http_session_new(
    const struct http_service *service, struct stream *stream, const char *ip, unsigned port);

#endif
