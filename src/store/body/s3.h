/*
 * s3: the few requests to an S3-compatible object store that bodies need (over src/https; AWS Signature Version 4, path-style
 * addresses, signed payloads: the server refuses what was changed on its way).
 *
 * Any thread may ask; connections are kept and reused. Each request is tried again with growing pauses while the server is
 * away or says 5xx. After a request that failed so, all others fail at once for a few seconds, so that nobody waits in a row.
 *
 * Results: OK; GONE no such object, or nothing at this range; LATER the server cannot be reached or cannot do it now (also
 * when it refuses our key: STORE_ERROR says so).
 */
#ifndef STORE_BODY_S3_H
#define STORE_BODY_S3_H

#include "base/base.h"

/* Kept as it is, not copied. */
struct s3_settings {
	const char *endpoint; /* "https://s3.example.jp", "http://127.0.0.1:9000"; NULL: there is none */
	const char *
	    resolve; /* libcurl's "host:port:address,address": nothing is looked up later; NULL: as it comes */
	const char *bucket, *region, *key_id, *secret;
	struct slice ca_pem; /* authorities to trust; empty: the system's */
};

struct s3;
struct s3 *s3_new(const struct s3_settings *settings);
void s3_free(struct s3 *s);

NODISCARD enum result s3_put(struct s3 *s, const char *name, struct slice octets);
/* Adds octets [offset, offset + n) to out, fewer at the object's end. */
NODISCARD enum result s3_get(struct s3 *s, const char *name, uint64_t offset, size_t n, struct buf *out);
NODISCARD enum result s3_delete(struct s3 *s, const char *name);
/* Octets, and how old it is by the server's own clock. */
NODISCARD enum result s3_head(struct s3 *s, const char *name, uint64_t *size_out, int64_t *age_ms_out);
/* At most 1,000 names after `after` ("" from the start) that begin with prefix, in order. *n_out is how many. */
NODISCARD enum result s3_list(struct s3 *s, const char *prefix, const char *after,
    void (*each)(void *arg, const char *name), void *arg, size_t *n_out);
/* False for some seconds after it could not be reached. */
bool s3_is_up(struct s3 *s);

/*
 * The configured endpoint taken apart for a process that may look nothing up any more: `resolve` gets libcurl's line, *port_out
 * the port. BAD: not http(s)://host[:port]. DENY: without TLS only to this machine. *why_out says so.
 */
NODISCARD enum result s3_find(
    const char *endpoint, struct buf *resolve, uint16_t *port_out, const char **why_out);

#endif
