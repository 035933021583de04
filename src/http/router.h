/* router: from a method and a path to the row that serves it. Pure. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http.h"

/*
 * The row for q->method and q->path, with q->params filled. NULL when there is none: *allowed_out then has the methods
 * (HTTP_IS bits) that the path knows, 0 when there is no such path. HEAD finds GET's row; OPTIONS only a row of its own.
 */
const struct http_route *http_route_find(
    const struct http_routes *routes, struct http_request *q, unsigned *allowed_out);
/* Which of these tables has the row. */
const struct http_routes *http_routes_of(const struct http_routes *routes, const struct http_route *row);
/* "GET, HEAD, OPTIONS" for the methods and those that come with them. */
void http_allow_put(struct buf *b, unsigned methods);

#endif
