/*
 * parse: the head of a request, from its octets to values (RFC 9112 2-6). Pure.
 *
 * A line ends in CRLF and in nothing else. No line folding, no blank before a field's colon, no control in a value, one
 * way only to say where the body ends. What is refused comes back as the status to answer with; the connection must
 * then end, for nobody knows where the next request begins.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "http.h"

/* The octets of a head as they come. Any division of the input gives the same result. */
struct http_head {
	struct buf octets; /* request line and fields, each with its CRLF */
	size_t line;       /* where the line in hand begins */
	size_t fields;     /* where the fields begin; 0 while the request line is in hand */
	size_t field_n;
	bool blank; /* an empty line stood before the request line; RFC 9112 2.2 asks to bear one */
	bool done;
};

void http_head_init(struct http_head *h);
/* Takes octets up to the end of the head or of `in`; *used_out says how many. The status to refuse with, or NONE. */
enum http_status http_head_take(struct http_head *h, struct slice in, size_t *used_out);

enum http_framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED };

/*
 * The octets of a whole head, which must stay, to q: method, minor, path, query, host, fields (in q->arena). How the body
 * comes goes to *framing_out and *length_out. The status to refuse with, or NONE.
 */
enum http_status http_head_parse(
    struct slice octets, struct http_request *q, enum http_framing *framing_out, uint64_t *length_out);

bool http_is_token(struct slice s);       /* RFC 9110 5.6.2; not empty */
bool http_is_field_value(struct slice s); /* RFC 9110 5.5 */
/*
 * Decodes %XX, and "+" as a space if `plus`. A % without two hex digits stays as it is (the
 * parser lets none through). An empty slice when the arena is full. Without anything to decode it is s itself.
 */
struct slice http_decode(struct slice s, bool plus, struct arena *a);

#endif
