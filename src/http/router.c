#include "router.h"
#include "parse.h"
#include <assert.h>

/* One segment of the pattern against one of the path. */
static bool segment_fits(struct slice pattern, struct slice segment, struct http_request *q)
{
	if (pattern.n < 3 || pattern.p[0] != '{') {
		struct slice decoded = http_decode(segment, false, q->arena);
		return slice_eq(pattern, decoded);
	}
	if (!segment.n)
		return false;
	assert(q->param_n < HTTP_PARAMS);
	q->params[q->param_n++] =
	    (struct http_param){slice_sub(pattern, 1, pattern.n - 2), http_decode(segment, false, q->arena)};
	return true;
}

static bool path_fits(const char *pattern, struct http_request *q)
{
	struct slice want = slice_str(pattern + 1), have = slice_sub(q->path, 1, SIZE_MAX);
	q->param_n = 0;
	if (q->path.p[0] != '/')
		return false;
	for (;;) {
		bool last = slice_find(want, '/') < 0;
		if (last != (slice_find(have, '/') < 0))
			return false;
		if (!segment_fits(slice_split(&want, '/'), slice_split(&have, '/'), q))
			return false;
		if (last)
			return true;
	}
}

const struct http_route *http_route_find(
    const struct http_routes *routes, struct http_request *q, unsigned *allowed_out)
{
	unsigned method = q->method == HTTP_HEAD ? HTTP_IS(GET) | HTTP_IS(HEAD) : 1u << q->method;
	*allowed_out = 0;
	for (; routes; routes = routes->next)
		for (size_t i = 0; i < routes->n; i++) {
			const struct http_route *r = &routes->at[i];
			if (!path_fits(r->pattern, q))
				continue;
			if (r->methods & method)
				return r;
			*allowed_out |= r->methods;
		}
	q->param_n = 0;
	return NULL;
}

const struct http_routes *http_routes_of(const struct http_routes *routes, const struct http_route *row)
{
	while (routes && !(row >= routes->at && row < routes->at + routes->n))
		routes = routes->next;
	return routes;
}

void http_allow_put(struct buf *b, unsigned methods)
{
	if (methods & HTTP_IS(GET))
		methods |= HTTP_IS(HEAD);
	methods |= HTTP_IS(OPTIONS);
	for (enum http_method m = 0; m < HTTP_METHODS; m++)
		if (methods & 1u << m)
			buf_printf(b, "%s%s", b->n ? ", " : "", http_method_name(m));
}
