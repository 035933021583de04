/*
 * body: a request's body while it arrives (RFC 9112 6, 7.1). What is small stays in memory, what grows beyond
 * LIMIT_HTTP_BODY_SMALL goes on into a memfd, which is sealed in the end.
 *
 * Owner: the session. Octets that are held count against the budget until http_body_free. Any division of the input
 * gives the same result.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "parse.h"

struct http_body {
	enum http_framing framing;
	enum {
		BODY_SIZE, /* in the line of a chunk's size */
		BODY_DATA,
		BODY_DATA_END, /* the CRLF after a chunk */
		BODY_TRAILER,
		BODY_DONE,
	} at;
	uint64_t left; /* of the chunk, or of all */
	uint64_t most;
	uint64_t size;    /* octets of content so far */
	uint64_t came;    /* octets of the connection so far */
	size_t extra;     /* octets of chunk extensions and trailers so far */
	struct buf line;  /* the line in hand, without CRLF once it is whole */
	struct buf small; /* the content while fd is -1 */
	int fd;
	struct slice mapped; /* of fd, after the end */
	struct http_budget *budget;
	uint64_t reserved;
	enum http_status status; /* why it was refused; sticky */
};

/* `length` is for FRAMING_LENGTH. Without a body it is done at once. */
void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length, uint64_t most,
    struct http_budget *budget);
/* Takes octets up to the end of the body or of `in`; returns how many. */
size_t http_body_take(struct http_body *b, struct slice in);
static inline bool http_body_done(const struct http_body *b)
{
	return b->at == BODY_DONE || b->status;
}
/* Once done without a status: seals. The content lives until http_body_free. */
NODISCARD enum result http_body_finish(struct http_body *b, struct slice *content_out);
void http_body_free(struct http_body *b);

#endif
