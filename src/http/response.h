/* response: the one encoder of answers (RFC 9110 6.6.1, 8.6; RFC 9112 4-7). */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http.h"

/* q may be NULL: what came was no request. `keep`: the connection could go on after it. */
void http_response_init(
    struct http_response *p, const struct http_request *q, bool tls, struct stream *stream, bool keep);
/* Puts all of it, or the end of what http_send_part began, into the stream. p->keep says whether to go on. */
void http_response_put(struct http_response *p);
void http_response_free(struct http_response *p);
/* IMF-fixdate, RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
void http_date_put(struct buf *b, int64_t utc_ms);

#endif
