#include "imapc/inner.h"
#include "tls/tls.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS (30 * SECOND_MS)
#define CAPABILITY_MOST 16384
#define BESIDES_MOST ((size_t)4 << 20) /* octets of a response beside the message in it */
#define PIECE 65536
#define LINES_MOST 4096

enum result imapc_fail(struct imapc *c, enum result r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_clear(&c->why);
	buf_vprintf(&c->why, fmt, ap);
	va_end(ap);
	return r;
}

const char *imapc_why(struct imapc *c)
{
	return buf_z(&c->why);
}

/* ---- connecting ---- */

static int wait_connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t n = sizeof err;
	if (poll(&p, 1, (int)CONNECT_MS) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 ? err : errno;
}

static int connect_one(const struct addrinfo *at, int *err_out)
{
	int on = 1;
	FD_LOCAL fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*err_out = errno;
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*err_out = connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
	if (*err_out == EINPROGRESS)
		*err_out = wait_connected(fd);
	if (*err_out)
		return -1;
	int done = fd;
	fd = -1;
	return done;
}

static int connect_to(const char *host, uint16_t port, struct buf *why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char service[16];
	snprintf(service, sizeof service, "%u", port);
	int bad = getaddrinfo(host, service, &hints, &list);
	if (bad) {
		buf_printf(why, "%s: %s", host, gai_strerror(bad));
		return -1;
	}
	int fd = -1, err = 0;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = connect_one(at, &err);
	freeaddrinfo(list);
	if (fd < 0)
		buf_printf(why, "%s port %u: %s", host, port, strerrordesc_np(err));
	return fd;
}

struct imapc *imapc_over(struct stream *stream, uint64_t message_most)
{
	struct imapc *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->stream = stream;
	c->message_most = message_most;
	buf_init(&c->capability, CAPABILITY_MOST);
	buf_init(&c->why, 4096);
	buf_init(&c->text, message_most + BESIDES_MOST);
	arena_init(&c->arena, BESIDES_MOST * 4);
	return c;
}

void imapc_close(struct imapc *c)
{
	if (!c)
		return;
	if (stream_state(c->stream) == OK) {
		imapc_begin(c);
		stream_puts(c->stream, "LOGOUT\r\n");
		stream_timeout(c->stream, 2 * SECOND_MS);
		result_ignore(imapc_finish(c, NULL, NULL)); /* it is over either way */
	}
	stream_close(c->stream);
	buf_free(&c->capability);
	buf_free(&c->why);
	buf_free(&c->text);
	arena_free(&c->arena);
	free(c);
}

/* ---- reading ---- */

static enum result read_literal(struct imapc *c, uint64_t n)
{
	if (n > c->message_most)
		return imapc_fail(c, FULL, "the server sent %llu octets at once", (unsigned long long)n);
	while (n) {
		size_t piece = MIN(n, (uint64_t)PIECE);
		char *p = buf_room(&c->text, piece);
		enum result r = p ? stream_exact(c->stream, p, piece) : FULL;
		if (r != OK)
			return r;
		buf_wrote(&c->text, piece);
		n -= piece;
	}
	return OK;
}

static enum result read_text(struct imapc *c)
{
	bool status = false;
	buf_clear(&c->text);
	for (unsigned lines = 0;; lines++) {
		struct slice line;
		uint64_t n;
		enum result r = stream_line(c->stream, BESIDES_MOST, &line);
		if (r != OK || lines > LINES_MOST)
			return r != OK ? r : FULL;
		if (lines == 0)
			status = imapc_is_status(line);
		buf_put(&c->text, line);
		buf_puts(&c->text, "\r\n");
		if (status || !imapc_literal(line, &n))
			return buf_result(&c->text);
		r = read_literal(c, n);
		if (r != OK)
			return r;
	}
}

enum result imapc_read(struct imapc *c, struct imapc_reply *out)
{
	arena_reset(&c->arena);
	enum result r = read_text(c);
	if (r == OK)
		r = imapc_reply_parse(buf_slice(&c->text), out);
	if (r == LATER)
		return imapc_fail(c, r, "the server did not answer in time");
	if (r == GONE)
		return imapc_fail(c, r, "the server closed the connection");
	if (r == BAD)
		return imapc_fail(c, r, "not an IMAP response");
	if (r == OK && out->kind == IMAPC_UNTAGGED && slice_ieq(out->word, SLICE("BYE")))
		imapc_fail(c, GONE, "the server said: " SLICE_FMT, SLICE_ARG(out->rest));
	return r;
}

void imapc_begin(struct imapc *c)
{
	stream_printf(c->stream, "s%u ", ++c->tag);
}

static bool is_ours(const struct imapc *c, const struct imapc_reply *r)
{
	char tag[16];
	snprintf(tag, sizeof tag, "s%u", c->tag);
	return r->kind == IMAPC_TAGGED && slice_eq(r->tag, slice_str(tag));
}

static enum result ended(struct imapc *c, const struct imapc_reply *r)
{
	if (slice_ieq(r->word, SLICE("OK")))
		return OK;
	return imapc_fail(c, slice_ieq(r->word, SLICE("NO")) ? DENY : BAD,
	    "the server said: " SLICE_FMT " " SLICE_FMT, SLICE_ARG(r->word), SLICE_ARG(r->rest));
}

/* The server's capabilities, wherever they are told. */
static void notice(struct imapc *c, const struct imapc_reply *r)
{
	struct slice code, argument;
	if (r->kind == IMAPC_UNTAGGED && !r->numbered && slice_ieq(r->word, SLICE("CAPABILITY"))) {
		buf_clear(&c->capability);
		buf_put(&c->capability, r->rest);
	} else if (!r->numbered && slice_ieq(r->word, SLICE("OK")) && imapc_code(r->rest, &code, &argument) &&
		   slice_ieq(code, SLICE("CAPABILITY"))) {
		buf_clear(&c->capability);
		buf_put(&c->capability, argument);
	} else if (r->numbered && slice_ieq(r->word, SLICE("EXPUNGE"))) {
		c->expunged++;
	}
}

enum result imapc_finish(
    struct imapc *c, enum result (*each)(struct imapc *c, struct imapc_reply *r, void *arg), void *arg)
{
	for (;;) {
		struct imapc_reply reply;
		enum result r = imapc_read(c, &reply);
		if (r != OK)
			return r;
		notice(c, &reply);
		if (is_ours(c, &reply))
			return ended(c, &reply);
		if (reply.kind == IMAPC_CONTINUE)
			return imapc_fail(c, BAD, "the server asked for more where there is none");
		r = each && reply.kind == IMAPC_UNTAGGED ? each(c, &reply, arg) : OK;
		if (r != OK)
			return r;
	}
}

enum result imapc_continue(struct imapc *c, struct slice *rest_out)
{
	for (;;) {
		struct imapc_reply reply;
		enum result r = imapc_read(c, &reply);
		if (r != OK)
			return r;
		notice(c, &reply);
		*rest_out = reply.rest;
		if (reply.kind == IMAPC_CONTINUE)
			return OK;
		if (is_ours(c, &reply)) {
			r = ended(c, &reply);
			return r == OK ? STOP : r;
		}
	}
}

enum result imapc_put_string(struct imapc *c, struct slice s)
{
	bool plain = s.n < 1000;
	for (size_t i = 0; i < s.n; i++)
		plain &= (unsigned char)s.p[i] >= ' ' && (unsigned char)s.p[i] < 0x7f;
	if (!plain) {
		struct slice rest;
		stream_printf(c->stream, "{%zu}\r\n", s.n);
		enum result r = imapc_continue(c, &rest);
		if (r == OK)
			stream_put(c->stream, s);
		return r == STOP ? BAD : r;
	}
	stream_puts(c->stream, "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			stream_puts(c->stream, "\\");
		stream_put(c->stream, slice_sub(s, i, 1));
	}
	stream_puts(c->stream, "\"");
	return OK;
}

enum result imapc_capability(struct imapc *c)
{
	buf_clear(&c->capability);
	imapc_begin(c);
	stream_puts(c->stream, "CAPABILITY\r\n");
	return imapc_finish(c, NULL, NULL);
}

bool imapc_can(const struct imapc *c, const char *capability)
{
	struct slice rest = buf_slice(&c->capability);
	while (rest.n)
		if (slice_ieq(slice_split(&rest, ' '), slice_str(capability)))
			return true;
	return false;
}

/* ---- opening ---- */

static enum result start_tls(struct imapc *c, const struct imapc_settings *s)
{
	SSL_CTX *ctx = tls_client_context(s->unverified ? TLS_UNVERIFIED : TLS_VERIFIED, s->ca_file);
	if (!ctx)
		return imapc_fail(c, DENY, "the file of trusted authorities cannot be read");
	enum result r = stream_tls_connect(c->stream, ctx, s->host);
	SSL_CTX_free(ctx);
	if (r == OK && !s->unverified && !tls_peer_is(stream_ssl(c->stream), s->host))
		r = DENY;
	c->encrypted = r == OK;
	return r == OK ? OK
		       : imapc_fail(
			     c, r, "%s: no TLS with a certificate that is trusted and of this name", s->host);
}

static enum result greet(struct imapc *c)
{
	struct imapc_reply reply;
	enum result r = imapc_read(c, &reply);
	if (r != OK)
		return r;
	notice(c, &reply);
	bool good = reply.kind == IMAPC_UNTAGGED && (slice_ieq(reply.word, SLICE("OK")));
	return good ? OK
		    : imapc_fail(c, DENY, "the server's greeting: " SLICE_FMT " " SLICE_FMT,
			  SLICE_ARG(reply.word), SLICE_ARG(reply.rest));
}

static enum result begin(struct imapc *c, const struct imapc_settings *s)
{
	enum result r = s->tls == IMAPC_TLS ? start_tls(c, s) : OK;
	if (r == OK)
		r = greet(c);
	if (r == OK && s->tls == IMAPC_STARTTLS) {
		imapc_begin(c);
		stream_puts(c->stream, "STARTTLS\r\n");
		r = imapc_finish(c, NULL, NULL);
		if (r == OK)
			r = start_tls(c, s);
		buf_clear(&c->capability); /* what was told in clear is worth nothing */
	}
	return r == OK && !c->capability.n ? imapc_capability(c) : r;
}

enum result imapc_open(const struct imapc_settings *s, struct buf *why, struct imapc **out)
{
	*out = NULL;
	int fd = connect_to(s->host, s->port ? s->port : s->tls == IMAPC_TLS ? 993 : 143, why);
	if (fd < 0)
		return GONE;
	struct imapc *c = imapc_over(stream_socket(fd), s->message_most);
	stream_timeout(c->stream, s->timeout_ms ? s->timeout_ms : 5 * MINUTE_MS);
	enum result r = begin(c, s);
	if (r != OK) {
		buf_puts(why, imapc_why(c));
		imapc_close(c);
		return r;
	}
	*out = c;
	return OK;
}
