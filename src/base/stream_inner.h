/* stream_inner: what the files of stream share. */
#ifndef BASE_STREAM_INNER_H
#define BASE_STREAM_INNER_H

#include "deflate.h"
#include "stream.h"

struct stream {
	int fd;   /* -1: memory */
	SSL *ssl; /* NULL: plain */
	enum result stuck;
	bool trying;    /* nothing may wait for input now: LATER, which does not stick */
	bool skip_line; /* the rest of an overlong or broken line is to be dropped */
	int64_t timeout_ms;
	size_t rate;        /* octets a second, 0: none */
	int64_t rate_since; /* mono ms */
	uint64_t rate_base; /* octets_in when it began */
	char *in;           /* CHUNK or larger while a long line is read; NULL at rest */
	size_t in_cap, in_from, in_to;
	char *out; /* CHUNK; NULL at rest */
	size_t out_n;
	uint64_t octets_in, octets_out;
	struct deflate *deflate; /* NULL: nothing is compressed */
	char *raw;               /* CHUNK: what arrived and was not yet inflated; NULL at rest */
	size_t raw_from, raw_to;
	struct slice memory_in;           /* memory streams: what is still to be said ... */
	const struct slice *memory_parts; /* ... and after it, once it was read */
	size_t memory_parts_n;
	size_t memory_step;
	bool memory_tls;
	struct buf *memory_out;
};

/* The first failure sticks. */
enum result stream_fail(struct stream *s, enum result r);
/* What OpenSSL wants next (SSL_get_error, asked before anything else was done with it), as a wait: OK to try again. */
enum result stream_tls_again(struct stream *s, int want);

#endif
