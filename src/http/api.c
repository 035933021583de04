#include "api.h"
#include <stdlib.h>

#define BODY_MOST ((uint64_t)1 << 20)
#define ARGS_IN_PACKET ((size_t)LIMIT_IPC_PACKET / 2) /* longer ones go in a sealed file */

const struct api_row api_rows[] = {
#define X(method, path, verb, args, en, ja) {HTTP_##method, path, verb, args, en, ja},
#include "api.def"
#undef X
};
const size_t api_row_count = COUNT(api_rows);

static const struct http_route routes[] = {
#define X(method, path, verb, args, en, ja) {HTTP_IS(method), API_ROOT path, api_call, 1, BODY_MOST},
#include "api.def"
#undef X
    {HTTP_IS(GET), API_ROOT "/openapi.json", api_get_document, 0, 0},
};
static_assert(
    COUNT(routes) == COUNT(api_rows) + 1, "the routes are the rows, in their order, and the document");

/* ---- answers ---- */

void api_refuse(struct http_response *p, enum http_status status, const char *detail)
{
	p->status = status;
	p->type = "application/problem+json";
	if (status == HTTP_STATUS_UNAUTHORIZED)
		http_put_header(p, "WWW-Authenticate", SLICE("Bearer"));
	if (status == HTTP_STATUS_UNAVAILABLE)
		http_put_header(p, "Retry-After", SLICE("5"));
	buf_puts(&p->body, "{\"title\":");
	http_put_json(&p->body, slice_str(http_reason(status)));
	buf_printf(&p->body, ",\"status\":%u,\"detail\":", (unsigned)status);
	http_put_json(&p->body, slice_str(detail));
	buf_puts(&p->body, "}\n");
}

enum http_status api_status(enum result r)
{
	switch (r) {
	case OK:
		return HTTP_STATUS_OK;
	case BAD:
		return HTTP_STATUS_BAD_REQUEST;
	case DENY:
		return HTTP_STATUS_UNPROCESSABLE_CONTENT;
	case GONE:
		return HTTP_STATUS_NOT_FOUND;
	case FULL:
		return HTTP_STATUS_CONFLICT;
	case LATER:
	case STOP:
		return HTTP_STATUS_UNAVAILABLE;
	}
	return HTTP_STATUS_INTERNAL_ERROR;
}

/* ---- who asks ---- */

static bool may_change(const struct http_request *q)
{
	return q->method != HTTP_GET && q->method != HTTP_HEAD;
}

/* Before the body is read: whoever shows nothing is not listened to. Whether it opens anything, the store says. */
static bool guard(struct http_request *q, struct http_response *p, unsigned needs)
{
	if (api_bearer(q).n)
		return true;
	if (strcmp(api_rows[q->route - routes].verb, "session.open") == 0)
		return api_is_ours(q, p);
	if (api_cookie(q).n)
		return !may_change(q) || api_is_ours(q, p);
	api_refuse(p, HTTP_STATUS_UNAUTHORIZED, "sign in, or send a token: Authorization: Bearer TOKEN");
	return false;
}

/* ---- the call ---- */

struct asker {
	struct slice token, cookie;
	bool changes;
};

/* Puts all pieces but the last into json; that one is returned. NULL: the store does not answer. */
static Sekisho__ApiAnswer *ask_store(const struct http_request *q, const struct asker *who, const char *verb,
    char *args, struct arena *a, struct buf *json)
{
	struct ipc *store = ipc_thread(q->service->monitor->store);
	struct slice token = who->token, cookie = who->cookie;
	struct slice csrf = http_header(q, SLICE("X-Sekisho-CSRF"));
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	Sekisho__ApiAsk ask = SEKISHO__API_ASK__INIT;
	Sekisho__ApiAnswer *answer = NULL;
	FD_LOCAL file = -1;
	if (strlen(args) > ARGS_IN_PACKET) {
		file = fd_memory("args");
		if (file < 0 || fd_write_all(file, slice_str(args)) != OK || fd_seal(file) != OK)
			return NULL;
		args = (char *)(uintptr_t) "";
	}
	struct ipc_fds fds = {.fd = {file}, .n = file >= 0};
	client.ip = (char *)(uintptr_t)q->ip;
	ask.token = (ProtobufCBinaryData){token.n, (uint8_t *)(uintptr_t)token.p};
	ask.cookie = (ProtobufCBinaryData){cookie.n, (uint8_t *)(uintptr_t)cookie.p};
	ask.csrf = (ProtobufCBinaryData){csrf.n, (uint8_t *)(uintptr_t)csrf.p};
	ask.changes = who->changes;
	ask.verb = (char *)(uintptr_t)verb;
	ask.args = args;
	ask.client = &client;
	enum result r = store ? ipc_call(store, ASK_STORE_API, &ask, &fds, a, &answer, NULL) : GONE;
	while (r == OK && store->more) {
		buf_puts(json, answer->json);
		r = ipc_more(store, a, &answer, NULL);
	}
	return r == OK ? answer : NULL;
}

static enum http_status status_of(const Sekisho__ApiAnswer *answer)
{
	switch (answer->outcome) {
	case SEKISHO__API_ANSWER__OUTCOME__NO_TOKEN:
		return HTTP_STATUS_UNAUTHORIZED;
	case SEKISHO__API_ANSWER__OUTCOME__NOT_ALLOWED:
		return HTTP_STATUS_FORBIDDEN;
	case SEKISHO__API_ANSWER__OUTCOME__REFUSED:
		return api_status((enum result)answer->result);
	default:
		return HTTP_STATUS_OK;
	}
}

static enum http_status try_as(const struct http_request *q, const struct asker *who, const char *verb,
    const json_t *args, struct arena *a, struct buf *json, const char **why_out)
{
	char *text = json_dumps(args, JSON_COMPACT);
	Sekisho__ApiAnswer *answer = text ? ask_store(q, who, verb, text, a, json) : NULL;
	enum http_status status = answer ? status_of(answer) : HTTP_STATUS_UNAVAILABLE;
	free(text);
	*why_out = answer ? answer->why : "the store does not answer";
	if (status == HTTP_STATUS_OK)
		buf_puts(json, answer->json);
	return status;
}

static const char *ask_as(struct http_request *q, struct http_response *p, const struct asker *who,
    const char *verb, const json_t *args, struct arena *a, struct buf *json)
{
	const char *why;
	enum http_status status = try_as(q, who, verb, args, a, json, &why);
	if (status == HTTP_STATUS_OK)
		return buf_z(json);
	api_refuse(p, status, why);
	return NULL;
}

static struct asker asker_of(const struct http_request *q)
{
	struct asker who = {.token = api_bearer(q), .changes = may_change(q)};
	who.cookie = who.token.n ? SLICE_NONE : api_cookie(q);
	return who;
}

enum http_status api_try(struct http_request *q, const char *verb, const json_t *args, struct arena *a,
    struct buf *json, const char **why_out)
{
	struct asker who = asker_of(q);
	return try_as(q, &who, verb, args, a, json, why_out);
}

const char *api_ask(struct http_request *q, struct http_response *p, const char *verb, const json_t *args,
    struct arena *a, struct buf *json)
{
	struct asker who = asker_of(q);
	return ask_as(q, p, &who, verb, args, a, json);
}

const char *api_ask_with(struct http_request *q, struct http_response *p, struct slice cookie,
    const char *verb, const json_t *args, struct arena *a, struct buf *json)
{
	return ask_as(q, p, &(struct asker){.cookie = cookie}, verb, args, a, json);
}

void api_call(struct http_request *q, struct http_response *p)
{
	const struct api_row *row = &api_rows[q->route - routes];
	const char *why;
	json_t *args = api_args(q, row, &why);
	if (!args) {
		api_refuse(p, HTTP_STATUS_BAD_REQUEST, why);
		return;
	}
	api_special *special = api_special_of(row->verb);
	ARENA_LOCAL(a, API_ARENA);
	if (special)
		special(q, p, row, args);
	else if (api_ask(q, p, row->verb, args, &a, &p->body))
		p->type = "application/json";
	json_decref(args);
}

void api_put(struct http_response *p, json_t *v)
{
	char *text = json_dumps(v, JSON_INDENT(1) | JSON_ENCODE_ANY);
	json_decref(v);
	if (!text)
		abort();
	p->type = "application/json";
	buf_puts(&p->body, text);
	free(text);
}

void api_get_document(struct http_request *q, struct http_response *p)
{
	api_put(p, api_document());
}

const struct http_routes http_routes_api = {routes, COUNT(routes), guard};
