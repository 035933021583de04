/*
 * SCIM 2.0 (RFC 7644) at /scim/v2, for identity providers with a token of the role `provisioning`: a request becomes
 * a verb of the store (scim.user.*, scim.group.*), its answer a resource with its places, a refusal an error as 3.12
 * has it. A password is never taken, nor passed on to where it would be recorded.
 */
#include "api.h"
#include "scim/scim.h"

#define ROOT "/scim/v2"
#define TYPE "application/scim+json"
#define NESTED 10

/* ---- answers ---- */

static void put(struct http_response *p, json_t *v)
{
	api_put(p, v);
	p->type = TYPE;
}

static void refuse(struct http_response *p, enum http_status status, const char *type, const char *why)
{
	p->status = status;
	buf_clear(&p->body);
	if (status == HTTP_STATUS_UNAUTHORIZED)
		http_put_header(p, "WWW-Authenticate", SLICE("Bearer"));
	if (status == HTTP_STATUS_UNAVAILABLE)
		http_put_header(p, "Retry-After", SLICE("5"));
	json_t *v = json_pack("{s:[s],s:o}", "schemas", "urn:ietf:params:scim:api:messages:2.0:Error",
	    "status", json_sprintf("%u", (unsigned)status));
	if (type)
		json_object_set_new(v, "scimType", json_string(type));
	BUF_LOCAL(detail, 4096);
	http_put_json(&detail, slice_str(why)); /* what is not UTF-8 is mended */
	json_object_set_new(v, "detail", json_loadb(detail.p, detail.n, JSON_DECODE_ANY, NULL));
	put(p, v);
}

static void refuse_as_store(struct http_response *p, enum http_status status, const char *text)
{
	const char *why, *type = scim_fault_read(text, &why);
	if (type && strcmp(type, "invalidVers") == 0) {
		status = HTTP_STATUS_PRECONDITION_FAILED;
		type = NULL;
	} else if (type && strcmp(type, "uniqueness") == 0) {
		status = HTTP_STATUS_CONFLICT;
	} else if (type || status == HTTP_STATUS_UNPROCESSABLE_CONTENT || status == HTTP_STATUS_CONFLICT) {
		type = type ? type : status == HTTP_STATUS_CONFLICT ? "tooMany" : "invalidValue";
		status = HTTP_STATUS_BAD_REQUEST;
	}
	refuse(p, status, type, why);
}

static const char *root_of(const struct http_request *q)
{
	return arena_printf(q->arena, "%s://" SLICE_FMT ROOT, q->tls ? "https" : "http",
	    SLICE_ARG(q->host.n ? q->host : slice_str(q->service->hostname)));
}

/* Where something is: its id is part of a path (RFC 3986 3.3). */
static json_t *place(const char *root, const char *kind, const char *id)
{
	static const char good[] = "-._~@!$&'()*+,;=:";
	BUF_LOCAL(b, 4096);
	buf_printf(&b, "%s/%s/", root, kind);
	for (; id && *id; id++) {
		if (ascii_alpha(*id) || ascii_digit(*id) || strchr(good, *id))
			buf_putc(&b, *id);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*id);
	}
	return json_string(buf_z(&b));
}

static const char *text_of(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

static void put_refs(json_t *list, const char *root, const char *otherwise)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		const char *type = text_of(v, "type");
		bool group = strcmp(otherwise, "Groups") == 0 || (type && strcmp(type, "Group") == 0);
		json_object_set_new(
		    v, "$ref", place(root, group ? "Groups" : otherwise, text_of(v, "value")));
	}
}

static void put_places(json_t *resource, const char *root, enum scim_schema kind)
{
	json_t *manager = json_object_get(json_object_get(resource, SCIM_ENTERPRISE_URN), "manager");
	json_object_set_new(json_object_get(resource, "meta"), "location",
	    place(root, kind == SCIM_USER ? "Users" : "Groups", text_of(resource, "id")));
	put_refs(json_object_get(resource, "groups"), root, "Groups");
	put_refs(json_object_get(resource, "members"), root, "Users");
	if (manager)
		json_object_set_new(manager, "$ref", place(root, "Users", text_of(manager, "value")));
}

/* ---- what is asked ---- */

struct wanted {
	struct slice filter, attributes, excluded;
	uint64_t start, count;
	bool counted;
};

static uint64_t number_of(struct slice text)
{
	uint64_t n;
	return num_u64(text, INT64_MAX, &n) == OK ? n : 0; /* a negative one is 0 (RFC 7644 table 6) */
}

static void read_query(const struct http_request *q, struct wanted *w)
{
	struct http_query it = http_query_of(q);
	struct slice name, text;
	*w = (struct wanted){.start = 1};
	while (http_query_next(&it, &name, &text)) {
		if (slice_ieq(name, SLICE("filter")))
			w->filter = text;
		else if (slice_ieq(name, SLICE("attributes")))
			w->attributes = text;
		else if (slice_ieq(name, SLICE("excludedAttributes")))
			w->excluded = text;
		else if (slice_ieq(name, SLICE("startIndex")))
			w->start = number_of(text);
		else if (slice_ieq(name, SLICE("count"))) {
			w->count = number_of(text);
			w->counted = true;
		}
	}
}

static struct slice list_of(const json_t *v, struct arena *a)
{
	BUF_LOCAL(b, 8192);
	for (size_t i = 0; i < json_array_size(v); i++)
		buf_printf(&b, "%s%s", i ? "," : "",
		    json_is_string(json_array_get(v, i)) ? json_string_value(json_array_get(v, i)) : "");
	return arena_dup(a, buf_slice(&b));
}

/* POST .search (RFC 7644 3.4.3). */
static void read_search(const struct http_request *q, const json_t *body, struct wanted *w)
{
	const json_t *filter = json_object_get(body, "filter"), *count = json_object_get(body, "count");
	json_int_t start = json_integer_value(json_object_get(body, "startIndex"));
	*w = (struct wanted){.filter = slice_of(json_string_value(filter), json_string_length(filter)),
	    .attributes = list_of(json_object_get(body, "attributes"), q->arena),
	    .excluded = list_of(json_object_get(body, "excludedAttributes"), q->arena),
	    .start = start > 0 ? (uint64_t)start : 1,
	    .count = json_integer_value(count) > 0 ? (uint64_t)json_integer_value(count) : 0,
	    .counted = json_is_integer(count)};
}

/* Members of groups are many: they are not asked for when they would not be shown. */
static bool is_brief(const struct wanted *w)
{
	return slice_search(w->excluded, SLICE("members")) >= 0 ||
	       (w->attributes.n && slice_search(w->attributes, SLICE("members")) < 0);
}

static enum scim_schema kind_of(const struct http_request *q)
{
	return strncmp(q->route->pattern, ROOT "/Users", sizeof ROOT "/Users" - 1) == 0 ? SCIM_USER
											: SCIM_GROUP;
}

static bool is_password(const char *key)
{
	return key && slice_iends(slice_str(key), SLICE("password"));
}

/* As a name or a path, at any depth; what is nested deeper than any resource is taken for one. */
static bool has_password(const json_t *v, unsigned depth)
{
	const char *key;
	json_t *one;
	size_t i;
	if (depth > NESTED)
		return true;
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		bool path = slice_ieq(slice_str(key), SLICE("path"));
		if (is_password(key) || (path && is_password(json_string_value(one))) ||
		    has_password(one, depth + 1))
			return true;
	}
	json_array_foreach(v, i, one)
	{
		if (has_password(one, depth + 1))
			return true;
	}
	return false;
}

static json_t *read_body(const struct http_request *q, struct http_response *p)
{
	json_t *body = json_loadb(q->body.p ? q->body.p : "", q->body.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		refuse(p, HTTP_STATUS_BAD_REQUEST, "invalidSyntax", "the body is not a JSON object");
		return NULL;
	}
	if (!has_password(body, 0))
		return body;
	json_decref(body);
	refuse(p, HTTP_STATUS_BAD_REQUEST, "mutability", "passwords are not set by SCIM");
	return NULL;
}

/* Runs a verb; args are taken. NULL: p is the refusal. */
static json_t *ask(struct http_request *q, struct http_response *p, const char *what, json_t *args)
{
	ARENA_LOCAL(a, API_ARENA);
	BUF_LOCAL(json, (size_t)64 << 20);
	const char *why = NULL;
	const char *verb = arena_printf(&a, "scim.%s.%s", kind_of(q) == SCIM_USER ? "user" : "group", what);
	enum http_status status = api_try(q, verb, args, &a, &json, &why);
	json_decref(args);
	if (status != HTTP_STATUS_OK) {
		refuse_as_store(p, status, why);
		return NULL;
	}
	json_t *v = json_loadb(json.p, json.n, JSON_DECODE_ANY, NULL);
	if (!v)
		refuse(p, HTTP_STATUS_INTERNAL_ERROR, NULL, "the answer is too large");
	return v;
}

static json_t *args_of(const struct http_request *q)
{
	struct slice id = http_param(q, SLICE("id")), match = http_header(q, SLICE("If-Match"));
	json_t *args = json_object(), *name = json_stringn(id.p ? id.p : "", id.n);
	json_object_set_new(args, "id", name ? name : json_string(""));
	if (match.n && !slice_eq(match, SLICE("*")) && slice_is_utf8(match))
		json_object_set_new(args, "version", json_stringn(match.p, match.n));
	return args;
}

/* ---- handlers ---- */

static void show(struct http_request *q, struct http_response *p, json_t *resource, const struct wanted *w)
{
	const char *version = text_of(json_object_get(resource, "meta"), "version");
	if (version)
		http_put_header(p, "ETag", slice_str(arena_printf(q->arena, "%s", version)));
	put_places(resource, root_of(q), kind_of(q));
	scim_select(kind_of(q), resource, w->attributes, w->excluded, q->arena);
	put(p, resource);
}

static void get_one(struct http_request *q, struct http_response *p)
{
	struct wanted w;
	read_query(q, &w);
	json_t *args = args_of(q);
	json_object_del(args, "version");
	if (kind_of(q) == SCIM_GROUP && is_brief(&w))
		json_object_set_new(args, "brief", json_true());
	json_t *v = ask(q, p, "show", args);
	struct slice known = http_header(q, SLICE("If-None-Match"));
	const char *version = text_of(json_object_get(v, "meta"), "version");
	if (version && known.n && slice_search(known, slice_str(version)) >= 0) {
		p->status = HTTP_STATUS_NOT_MODIFIED;
		http_put_header(p, "ETag", slice_str(arena_printf(q->arena, "%s", version)));
		json_decref(v);
	} else if (v) {
		show(q, p, v, &w);
	}
}

static void list(struct http_request *q, struct http_response *p, const struct wanted *w)
{
	size_t i;
	json_t *one, *args = json_pack("{s:I}", "start", (json_int_t)w->start);
	json_t *filter = w->filter.n ? json_stringn(w->filter.p, w->filter.n) : NULL;
	if (w->filter.n && !filter) {
		json_decref(args);
		refuse(p, HTTP_STATUS_BAD_REQUEST, "invalidFilter", "the filter is not UTF-8");
		return;
	}
	if (filter)
		json_object_set_new(args, "filter", filter);
	if (w->counted)
		json_object_set_new(args, "count", json_integer((json_int_t)w->count));
	if (kind_of(q) == SCIM_GROUP && is_brief(w))
		json_object_set_new(args, "brief", json_true());
	json_t *v = ask(q, p, "list", args);
	if (!v)
		return;
	const char *root = root_of(q);
	json_array_foreach(json_object_get(v, "Resources"), i, one)
	{
		put_places(one, root, kind_of(q));
		scim_select(kind_of(q), one, w->attributes, w->excluded, q->arena);
	}
	put(p, v);
}

static void get_list(struct http_request *q, struct http_response *p)
{
	struct wanted w;
	read_query(q, &w);
	list(q, p, &w);
}

static void post_search(struct http_request *q, struct http_response *p)
{
	struct wanted w;
	json_t *body = read_body(q, p);
	if (!body)
		return;
	read_search(q, body, &w);
	list(q, p, &w);
	json_decref(body);
}

static void change(struct http_request *q, struct http_response *p, const char *verb, const char *member,
    enum http_status status)
{
	struct wanted w;
	json_t *body = read_body(q, p);
	if (!body)
		return;
	read_query(q, &w);
	json_t *args = args_of(q);
	json_object_set_new(args, member, body);
	json_t *v = ask(q, p, verb, args);
	if (!v)
		return;
	p->status = status;
	if (status == HTTP_STATUS_CREATED) {
		json_t *where =
		    place(root_of(q), kind_of(q) == SCIM_USER ? "Users" : "Groups", text_of(v, "id"));
		http_put_header(
		    p, "Location", slice_str(arena_printf(q->arena, "%s", json_string_value(where))));
		json_decref(where);
	}
	show(q, p, v, &w);
}

static void post_one(struct http_request *q, struct http_response *p)
{
	change(q, p, "add", "resource", HTTP_STATUS_CREATED);
}

static void put_one(struct http_request *q, struct http_response *p)
{
	change(q, p, "put", "resource", HTTP_STATUS_OK);
}

static void patch_one(struct http_request *q, struct http_response *p)
{
	change(q, p, "patch", "change", HTTP_STATUS_OK);
}

static void delete_one(struct http_request *q, struct http_response *p)
{
	json_t *v = ask(q, p, "remove", args_of(q));
	if (v)
		p->status = HTTP_STATUS_NO_CONTENT;
	json_decref(v);
}

/* ---- discovery ---- */

static const enum scim_schema resource_types[] = {SCIM_USER, SCIM_GROUP};
static const enum scim_schema schemas[] = {SCIM_USER, SCIM_ENTERPRISE, SCIM_GROUP};

typedef json_t *describe(enum scim_schema s, const char *root);

static void put_all(
    struct http_request *q, struct http_response *p, describe *each, const enum scim_schema *of, size_t n)
{
	json_t *all = json_array();
	if (http_query_of(q).rest.n && slice_search(q->query, SLICE("filter")) >= 0) {
		json_decref(all);
		refuse(p, HTTP_STATUS_FORBIDDEN, NULL, "this is not filtered"); /* RFC 7644 4 */
		return;
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, each(of[i], root_of(q)));
	put(p, json_pack("{s:[s],s:I,s:I,s:I,s:o}", "schemas",
		   "urn:ietf:params:scim:api:messages:2.0:ListResponse", "totalResults", (json_int_t)n,
		   "startIndex", (json_int_t)1, "itemsPerPage", (json_int_t)n, "Resources", all));
}

static void put_named(
    struct http_request *q, struct http_response *p, describe *each, const enum scim_schema *of, size_t n)
{
	struct slice id = http_param(q, SLICE("id"));
	for (size_t i = 0; i < n; i++) {
		json_t *v = each(of[i], root_of(q));
		if (slice_eq(id, slice_str(text_of(v, "id")))) {
			put(p, v);
			return;
		}
		json_decref(v);
	}
	refuse(p, HTTP_STATUS_NOT_FOUND, NULL, "there is no such thing");
}

static void get_config(struct http_request *q, struct http_response *p)
{
	put(p, scim_config_json(root_of(q)));
}

static void get_types(struct http_request *q, struct http_response *p)
{
	put_all(q, p, scim_resource_type_json, resource_types, COUNT(resource_types));
}

static void get_type(struct http_request *q, struct http_response *p)
{
	put_named(q, p, scim_resource_type_json, resource_types, COUNT(resource_types));
}

static void get_schemas(struct http_request *q, struct http_response *p)
{
	put_all(q, p, scim_schema_json, schemas, COUNT(schemas));
}

static void get_schema(struct http_request *q, struct http_response *p)
{
	put_named(q, p, scim_schema_json, schemas, COUNT(schemas));
}

static void get_nothing(struct http_request *q, struct http_response *p)
{
	refuse(p, HTTP_STATUS_NOT_FOUND, NULL, "there is no such thing");
}

/* Users and groups are not looked through at once (RFC 7644 3.4.3). */
static void post_search_all(struct http_request *q, struct http_response *p)
{
	refuse(p, HTTP_STATUS_NOT_IMPLEMENTED, NULL, "search in /Users or in /Groups");
}

static bool guard(struct http_request *q, struct http_response *p, unsigned needs)
{
	if (api_bearer(q).n)
		return true;
	refuse(p, HTTP_STATUS_UNAUTHORIZED, NULL, "send a token: Authorization: Bearer TOKEN");
	return false;
}

#define RESOURCES(name)                                                                                      \
	{HTTP_IS(GET), ROOT name, get_list, 1, 0}, {HTTP_IS(POST), ROOT name, post_one, 1, LIMIT_SCIM_BODY}, \
	    {HTTP_IS(POST), ROOT name "/.search", post_search, 1, LIMIT_SCIM_BODY},                          \
	    {HTTP_IS(GET), ROOT name "/{id}", get_one, 1, 0},                                                \
	    {HTTP_IS(PUT), ROOT name "/{id}", put_one, 1, LIMIT_SCIM_BODY},                                  \
	    {HTTP_IS(PATCH), ROOT name "/{id}", patch_one, 1, LIMIT_SCIM_BODY},                              \
	{                                                                                                    \
		HTTP_IS(DELETE), ROOT name "/{id}", delete_one, 1, 0                                         \
	}

static const struct http_route routes[] = {
    {HTTP_IS(GET), ROOT "/ServiceProviderConfig", get_config, 0, 0},
    {HTTP_IS(GET), ROOT "/ResourceTypes", get_types, 0, 0},
    {HTTP_IS(GET), ROOT "/ResourceTypes/{id}", get_type, 0, 0},
    {HTTP_IS(GET), ROOT "/Schemas", get_schemas, 0, 0},
    {HTTP_IS(GET), ROOT "/Schemas/{id}", get_schema, 0, 0},
    RESOURCES("/Users"),
    RESOURCES("/Groups"),
    {HTTP_IS(POST), ROOT "/.search", post_search_all, 1, LIMIT_SCIM_BODY},
    {HTTP_IS(GET), ROOT "/{any}", get_nothing, 0, 0},
};

const struct http_routes http_routes_scim = {
    .at = routes, .n = COUNT(routes), .guard = guard, .next = &http_routes_api};
