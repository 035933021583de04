/*
 * stream: a conversation with one peer; waiting, deadlines, line caps and TLS are inside it.
 *
 * Protocol code says what it wants to read or say and never sees a poll, a partial read or a timer. Output is
 * collected and goes out when the stream must wait for input (so pipelined commands are answered in one go), when
 * 16 KiB are waiting, or by stream_flush(). The first failure sticks: every later call returns it at once.
 *
 *   LATER  the peer let a deadline pass or was slower than the minimum rate
 *   GONE   the peer closed, or the connection failed
 *   BAD    the peer broke the framing (a bare CR or LF, a NUL where none may be)
 *   FULL   a line was longer than the caller's limit
 *
 * BAD and FULL do not stick: what remains of the offending line is skipped, so that the session can answer 500 and go
 * on. One thread uses a stream at a time. Memory: about 200 octets, plus 16 KiB for each direction in use; a stream
 * at rest (stream_rest) holds no buffers.
 */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include "buf.h"
#include "result.h"
#include "slice.h"
#include <openssl/ssl.h>

struct stream;

/* A connected, non-blocking socket, which the stream closes. */
struct stream *stream_socket(int fd);
/*
 * For tests and fuzzers: `input` is what the peer says, served `step` octets at a time (0: all at once); what we say
 * is added to *output. At the end of the input the peer is GONE. stream_tls_accept succeeds at once and changes
 * nothing but what stream_is_tls and its like say from then on; the exporter gives 32 octets 'x'.
 */
struct stream *stream_memory(struct slice input, size_t step, struct buf *output);
/* The same for a peer that waits: it says parts[i + 1] only when all of parts[i] was read. The array must stay. */
struct stream *stream_memory_parts(const struct slice *parts, size_t n, size_t step, struct buf *output);
/* Closes (TLS close_notify first, without waiting) and frees; NULL is allowed. */
void stream_close(struct stream *s);

/* The longest a single wait for the peer may take; the default is 5 minutes. */
void stream_timeout(struct stream *s, int64_t ms);
/* From now on until stream_rate(s, 0): the peer must move at least this many octets a second, after 30 s of grace. */
void stream_rate(struct stream *s, size_t octets_a_second);

/*
 * One line without its CRLF, at most max octets of it. The slice lives until the next read. A bare CR or bare LF is
 * BAD: SMTP smuggling lives there (RFC 5321 2.3.8).
 */
NODISCARD enum result stream_line(struct stream *s, size_t max, struct slice *line_out);
/* The same without waiting: LATER, which does not stick, when the line has not come whole; what came is kept. */
NODISCARD enum result stream_try_line(struct stream *s, size_t max, struct slice *line_out);
/* At least one octet, at most max, of what has arrived; waits only when nothing has. Lives until the next read. */
NODISCARD enum result stream_some(struct stream *s, size_t max, struct slice *some_out);
/*
 * The same without waiting: LATER, which does not stick, when nothing can be had yet (with TLS also when a part of a
 * record came). Then wait for the socket in the lobby; stream_wait knows that part is not yet input.
 */
NODISCARD enum result stream_try(struct stream *s, size_t max, struct slice *some_out);
/* Exactly n octets into p. */
NODISCARD enum result stream_exact(struct stream *s, void *p, size_t n);
/* Gives back the last n octets that stream_some handed out. */
void stream_unread(struct stream *s, size_t n);

void stream_put(struct stream *s, struct slice bytes);
void stream_puts(struct stream *s, const char *z);
void stream_printf(struct stream *s, const char *fmt, ...) PRINTF(2, 3);
NODISCARD enum result stream_flush(struct stream *s);
/* The failure that stuck, or OK. */
NODISCARD enum result stream_state(const struct stream *s);

/*
 * TLS in place. Input that arrived before the handshake makes it BAD (STARTTLS injection, RFC 3207 section 6): the
 * caller closes. For the client side `host` is sent as SNI (and checked only if ctx asks for it); may be NULL.
 */
NODISCARD enum result stream_tls_accept(struct stream *s, SSL_CTX *ctx);
/* The same without waiting: LATER, which does not stick, until more came from the client. Then call it again. */
NODISCARD enum result stream_tls_try_accept(struct stream *s, SSL_CTX *ctx);
NODISCARD enum result stream_tls_connect(struct stream *s, SSL_CTX *ctx, const char *host);
/* The same; before the handshake `prepare` says what this connection needs. Where it returns false none is tried: GONE. */
typedef bool stream_tls_prepare(SSL *ssl, void *context);
NODISCARD enum result stream_tls_connect_as(
    struct stream *s, SSL_CTX *ctx, const char *host, stream_tls_prepare *prepare, void *context);
bool stream_is_tls(const struct stream *s);
SSL *stream_ssl(const struct stream *s);                /* NULL without TLS */
const char *stream_tls_version(const struct stream *s); /* "" without TLS */
const char *stream_tls_cipher(const struct stream *s);
/* Channel binding for SCRAM-PLUS: tls-exporter (RFC 9266), 32 octets. */
NODISCARD enum result stream_tls_exporter(const struct stream *s, char out[32]);

/*
 * From now on both sides are compressed (raw DEFLATE, RFC 4978), inside TLS. BAD when input has arrived that was said
 * before. Every flush ends at an octet that the peer can read up to. What is inflated passes through the same buffers and
 * caps as any input, 16 KiB at most at a time. At rest only the last 32 KiB or less of the peer's text stay (its compressor
 * may point back to them).
 */
NODISCARD enum result stream_deflate(struct stream *s);
bool stream_is_deflated(const struct stream *s); /* by us, or by TLS */

/* Input is waiting in our own buffer (or OpenSSL's): reading will not touch the socket. */
bool stream_buffered(const struct stream *s);
/* Waits up to ms for input; OK when there is some (or the peer closed), LATER when not. Flushes first. */
NODISCARD enum result stream_wait(struct stream *s, int64_t ms);
/* Waits as stream_wait does, but also for other_fd; *other_out: it is readable, whether or not the stream is too. */
NODISCARD enum result stream_wait_or(struct stream *s, int other_fd, int64_t ms, bool *other_out);
/* Flushes and frees the buffers, but for input that is half a line: before the session goes to sleep in the lobby. */
NODISCARD enum result stream_rest(struct stream *s);
int stream_fd(const struct stream *s); /* -1 for a memory stream */
uint64_t stream_octets_in(const struct stream *s);
uint64_t stream_octets_out(const struct stream *s);

#endif
