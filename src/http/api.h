/*
 * api: /api/v1 for programs and for the console. Every row of api.def is a verb of the store, which alone decides whether a
 * token may do it; here a request only becomes a verb and its arguments, and the answer a status and JSON (errors as RFC 9457).
 * Inside the room only.
 */
#ifndef HTTP_API_H
#define HTTP_API_H

#include "http.h"
#include <jansson.h>

#define API_ROOT "/api/v1"

struct api_row {
	enum http_method method;
	const char *path, *verb, *args, *en, *ja;
};
extern const struct api_row api_rows[];
extern const size_t api_row_count;

/* One argument of a row: "target?..." and the like. */
struct api_arg {
	struct slice name;
	bool optional, many;
	enum { API_TEXT, API_INTEGER, API_BOOLEAN, API_OBJECT } type; /* the last: in bodies only */
};
/* Cuts the next off; false at the end. */
bool api_arg_next(struct slice *rest, struct api_arg *out);

/* The OpenAPI 3.1 document of the table. The caller frees it. */
json_t *api_document(void);

/* What a result of the store is in HTTP. */
enum http_status api_status(enum result r);
/* Answers with this value, which is taken. */
void api_put(struct http_response *p, json_t *v);
/* Answers with a problem (RFC 9457). */
void api_refuse(struct http_response *p, enum http_status status, const char *detail);

/*
 * The arguments of a request for this row, from path, query and body. NULL: `why` (constant text, or in the request's arena)
 * says what is wrong with them. The caller frees them.
 */
json_t *api_args(const struct http_request *q, const struct api_row *row, const char **why);

http_handler api_call, api_get_document;

/* ---- who asks (signin.c) ---- */

/*
 * A cookie comes by itself with whatever a browser is made to send: a request that may change something has to come from a page
 * of ours, too (Sec-Fetch-Site, else Origin). False: p is the refusal.
 */
bool api_is_ours(const struct http_request *q, struct http_response *p);
/* The one cookie of a session; empty when there is none, or several. */
struct slice api_cookie(const struct http_request *q);
struct slice api_bearer(const struct http_request *q);
/* Rows that do not go to the store as they are; NULL: this one does. `args` are its arguments. */
typedef void api_special(
    struct http_request *q, struct http_response *p, const struct api_row *row, const json_t *args);
api_special *api_special_of(const char *verb);
/* Runs a verb of the store; the answer's pieces go into json. NULL: p is the refusal. */
const char *api_ask_with(struct http_request *q, struct http_response *p, struct slice cookie,
    const char *verb, const json_t *args, struct arena *a,
    struct buf *json); /* with another cookie; only a look */
/* The same, but for a refusal: OK, or the status for it with words. */
enum http_status api_try(struct http_request *q, const char *verb, const json_t *args, struct arena *a,
    struct buf *json, const char **why_out);
const char *api_ask(struct http_request *q, struct http_response *p, const char *verb, const json_t *args,
    struct arena *a, struct buf *json);
#define API_ARENA ((size_t)32 << 20)

#endif
