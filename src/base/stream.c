#include "stream_inner.h"
#include "clock.h"
#include "num.h"
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK ((size_t)16384)
#define RATE_GRACE_MS (30 * SECOND_MS)

static struct stream *stream_new(int fd)
{
	struct stream *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->fd = fd;
	s->timeout_ms = 5 * MINUTE_MS;
	return s;
}

struct stream *stream_socket(int fd)
{
	return stream_new(fd);
}

struct stream *stream_memory(struct slice input, size_t step, struct buf *output)
{
	struct stream *s = stream_new(-1);
	s->memory_in = input;
	s->memory_step = step ? step : SIZE_MAX;
	s->memory_out = output;
	return s;
}

struct stream *stream_memory_parts(const struct slice *parts, size_t n, size_t step, struct buf *output)
{
	struct stream *s = stream_memory(SLICE_NONE, step, output);
	s->memory_parts = parts;
	s->memory_parts_n = n;
	return s;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	if (s->ssl) {
		if (s->stuck == OK)
			SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
		ERR_clear_error();
	}
	if (s->fd >= 0)
		close(s->fd);
	deflate_free(s->deflate);
	free(s->raw);
	free(s->in);
	free(s->out);
	free(s);
}

void stream_timeout(struct stream *s, int64_t ms)
{
	s->timeout_ms = ms;
}

void stream_rate(struct stream *s, size_t octets_a_second)
{
	s->rate = octets_a_second;
	s->rate_since = clock_mono_ms();
	s->rate_base = s->octets_in + s->octets_out;
}

enum result stream_fail(struct stream *s, enum result r)
{
	if (s->stuck == OK)
		s->stuck = r;
	return s->stuck;
}

enum result stream_state(const struct stream *s)
{
	return s->stuck;
}

static bool too_slow(const struct stream *s)
{
	if (!s->rate)
		return false;
	int64_t ms = clock_mono_ms() - s->rate_since - RATE_GRACE_MS;
	return ms > 0 && s->octets_in + s->octets_out - s->rate_base < (uint64_t)ms / 1000 * s->rate;
}

/* Waits until the socket is ready; OK, or LATER (and stuck) when the deadline passed. */
static enum result wait_ready(struct stream *s, short events)
{
	if (too_slow(s))
		return stream_fail(s, LATER);
	if (s->trying && events == POLLIN)
		return LATER;
	int64_t end = clock_mono_ms() + s->timeout_ms;
	for (;;) {
		int64_t left = end - clock_mono_ms();
		struct pollfd p = {.fd = s->fd, .events = events};
		int n = poll(&p, 1, left > 0 ? (int)MIN(left, INT32_MAX) : 0);
		if (n > 0)
			return OK;
		if (n == 0)
			return stream_fail(s, LATER);
		if (errno != EINTR)
			return stream_fail(s, GONE);
	}
}

enum result stream_tls_again(struct stream *s, int want)
{
	switch (want) {
	case SSL_ERROR_WANT_READ:
		return wait_ready(s, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return wait_ready(s, POLLOUT);
	default:
		ERR_clear_error();
		return stream_fail(s, GONE);
	}
}

/* Sends all of it as it is, waiting where needed. */
static enum result send_raw(struct stream *s, const char *p, size_t n)
{
	while (n && s->stuck == OK) {
		size_t wrote = 0;
		if (s->fd < 0) {
			buf_put(s->memory_out, slice_of(p, n));
			wrote = n;
		} else if (s->ssl) {
			ERR_clear_error();
			int r = SSL_write_ex(s->ssl, p, n, &wrote);
			if (r <= 0 && stream_tls_again(s, SSL_get_error(s->ssl, r)) != OK)
				return s->stuck;
		} else {
			ssize_t r = send(s->fd, p, n, MSG_NOSIGNAL);
			if (r >= 0)
				wrote = (size_t)r;
			else if (errno == EAGAIN || errno == EWOULDBLOCK)
				result_ignore(wait_ready(s, POLLOUT));
			else if (errno != EINTR)
				return stream_fail(s, GONE);
		}
		p += wrote;
		n -= wrote;
		s->octets_out += wrote;
	}
	return s->stuck;
}

static enum result send_piece(void *context, struct slice piece)
{
	return send_raw(context, piece.p, piece.n);
}

static enum result send_all(struct stream *s, const char *p, size_t n)
{
	if (!s->deflate)
		return send_raw(s, p, n);
	result_ignore(deflate_put(s->deflate, slice_of(p, n), false, send_piece, s));
	return s->stuck;
}

enum result stream_flush(struct stream *s)
{
	size_t n = s->out_n;
	s->out_n = 0;
	if (n && s->stuck == OK)
		result_ignore(send_all(s, s->out, n));
	if (s->deflate && s->stuck == OK)
		result_ignore(deflate_put(s->deflate, SLICE_NONE, true, send_piece, s));
	return s->stuck;
}

/* Whole chunks leave from where they lie; a smaller rest waits for what follows it. */
void stream_put(struct stream *s, struct slice bytes)
{
	while (bytes.n && s->stuck == OK) {
		if (s->out_n == 0 && bytes.n >= CHUNK) {
			size_t whole = bytes.n / CHUNK * CHUNK;
			result_ignore(send_all(s, bytes.p, whole));
			bytes = slice_sub(bytes, whole, bytes.n);
			continue;
		}
		if (!s->out && !(s->out = malloc(CHUNK)))
			abort();
		size_t n = MIN(bytes.n, CHUNK - s->out_n);
		memcpy(s->out + s->out_n, bytes.p, n);
		s->out_n += n;
		bytes = slice_sub(bytes, n, bytes.n);
		if (s->out_n == CHUNK)
			result_ignore(stream_flush(s));
	}
}

void stream_puts(struct stream *s, const char *z)
{
	stream_put(s, slice_str(z));
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	BUF_LOCAL(b, 65536);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	stream_put(s, buf_slice(&b));
}

static size_t read_memory(struct stream *s, char *p, size_t n)
{
	while (s->memory_in.n == 0 && s->memory_parts_n) {
		s->memory_in = *s->memory_parts++;
		s->memory_parts_n--;
	}
	size_t got = MIN(MIN(n, s->memory_step), s->memory_in.n);
	if (got == 0) {
		stream_fail(s, GONE);
		return 0;
	}
	memcpy(p, s->memory_in.p, got);
	s->memory_in = slice_sub(s->memory_in, got, s->memory_in.n);
	return got;
}

/* One read, without waiting while trying: octets read, 0 when there is nothing yet. */
static size_t read_raw(struct stream *s, char *p, size_t n)
{
	size_t got = 0;
	if (s->fd < 0) {
		got = read_memory(s, p, n);
	} else if (s->ssl) {
		ERR_clear_error();
		int r = SSL_read_ex(s->ssl, p, n, &got);
		if (r <= 0) {
			int want = SSL_get_error(s->ssl, r);
			got = 0;
			if (stream_flush(s) == OK)
				result_ignore(stream_tls_again(s, want));
		}
	} else {
		ssize_t r = recv(s->fd, p, n, 0);
		if (r > 0)
			got = (size_t)r;
		else if (r == 0)
			stream_fail(s, GONE);
		else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (stream_flush(s) == OK)
				result_ignore(wait_ready(s, POLLIN));
		} else if (errno != EINTR)
			stream_fail(s, GONE);
	}
	s->octets_in += got;
	return got;
}

/* The same of what the peer said before it was compressed: never more at once than there is room for. */
static size_t read_once(struct stream *s, char *p, size_t n)
{
	if (!s->deflate)
		return read_raw(s, p, n);
	for (;;) {
		struct slice in =
		    s->raw ? slice_of(s->raw + s->raw_from, s->raw_to - s->raw_from) : SLICE_NONE;
		size_t used = 0, made = 0;
		if ((in.n || deflate_pending(s->deflate)) &&
		    deflate_take(s->deflate, in, &used, p, n, &made) != OK)
			stream_fail(s, GONE);
		s->raw_from += used;
		if (made || s->stuck != OK)
			return made;
		if (!s->raw && !(s->raw = malloc(CHUNK)))
			abort();
		s->raw_from = 0;
		s->raw_to = read_raw(s, s->raw, CHUNK);
		if (!s->raw_to)
			return 0;
	}
}

enum result stream_deflate(struct stream *s)
{
	if (s->in_from != s->in_to || s->memory_in.n || s->deflate)
		return BAD;
	if (stream_flush(s) == OK)
		s->deflate = deflate_new();
	return s->stuck;
}

bool stream_is_deflated(const struct stream *s)
{
	return s->deflate || (s->ssl && SSL_get_current_compression(s->ssl));
}

/* Adds at least one octet to the input buffer, which grows up to `most`. */
static enum result fill(struct stream *s, size_t most)
{
	if (s->in_from == s->in_to)
		s->in_from = s->in_to = 0;
	if (s->in_from && s->in_to == s->in_cap) {
		memmove(s->in, s->in + s->in_from, s->in_to - s->in_from);
		s->in_to -= s->in_from;
		s->in_from = 0;
	}
	if (s->in_to == s->in_cap) {
		size_t cap = MAX(s->in_cap * 2, CHUNK);
		if (s->in_cap && cap > MAX(most, CHUNK) * 2)
			return FULL;
		char *p = realloc(s->in, cap);
		if (!p)
			abort();
		s->in = p;
		s->in_cap = cap;
	}
	/* Output goes out before we may have to wait, never while more input is at hand. */
	while (s->stuck == OK) {
		if (s->fd < 0 && s->memory_in.n == 0)
			result_ignore(stream_flush(s));
		size_t got = read_once(s, s->in + s->in_to, s->in_cap - s->in_to);
		s->in_to += got;
		if (got)
			return OK;
		if (s->trying && s->stuck == OK)
			return LATER;
	}
	return s->stuck;
}

/* Drops octets up to and with the next LF: the rest of a line that was refused. */
static enum result skip_rest(struct stream *s)
{
	while (s->skip_line) {
		char *from = s->in + s->in_from;
		char *lf = s->in_to > s->in_from ? memchr(from, '\n', s->in_to - s->in_from) : NULL;
		if (lf) {
			s->in_from = (size_t)(lf + 1 - s->in);
			s->skip_line = false;
			break;
		}
		s->in_from = s->in_to;
		enum result r = fill(s, CHUNK);
		if (r != OK)
			return r;
	}
	return OK;
}

static enum result refuse_line(struct stream *s, enum result r)
{
	s->skip_line = true;
	return r;
}

enum result stream_line(struct stream *s, size_t max, struct slice *line_out)
{
	enum result r = s->skip_line ? skip_rest(s) : OK;
	if (r != OK)
		return r;
	size_t looked = 0;
	for (;;) {
		size_t have = s->in_to - s->in_from;
		char *from = s->in ? s->in + s->in_from : NULL;
		char *lf = have > looked ? memchr(from + looked, '\n', have - looked) : NULL;
		if (lf) {
			size_t n = (size_t)(lf - from);
			s->in_from += n + 1;
			if (n >
			    max +
				1) /* before all else: the answer must not depend on how the octets arrived */
				return FULL;
			if (n == 0 || from[n - 1] != '\r' || memchr(from, '\r', n - 1))
				return BAD;
			*line_out = slice_of(from, n - 1);
			return OK;
		}
		if (have > max + 1)
			return refuse_line(s, FULL);
		looked = have;
		r = fill(s, max + 2);
		if (r != OK)
			return r;
	}
}

enum result stream_try_line(struct stream *s, size_t max, struct slice *line_out)
{
	s->trying = true;
	enum result r = stream_line(s, max, line_out);
	s->trying = false;
	return r;
}

enum result stream_some(struct stream *s, size_t max, struct slice *some_out)
{
	enum result r = s->skip_line ? skip_rest(s) : OK;
	if (r == OK && s->in_from == s->in_to)
		r = fill(s, CHUNK);
	if (r != OK)
		return r;
	size_t n = MIN(max, s->in_to - s->in_from);
	*some_out = slice_of(s->in + s->in_from, n);
	s->in_from += n;
	return OK;
}

enum result stream_try(struct stream *s, size_t max, struct slice *some_out)
{
	s->trying = true;
	enum result r = stream_some(s, max, some_out);
	s->trying = false;
	return r;
}

void stream_unread(struct stream *s, size_t n)
{
	s->in_from -= MIN(n, s->in_from);
}

enum result stream_exact(struct stream *s, void *p, size_t n)
{
	char *at = p;
	while (n) {
		struct slice some;
		enum result r = stream_some(s, n, &some);
		if (r != OK)
			return r;
		memcpy(at, some.p, some.n);
		at += some.n;
		n -= some.n;
	}
	return OK;
}

bool stream_buffered(const struct stream *s)
{
	/* What is compressed need not be input, only the end of one. */
	bool pending = s->ssl && !s->deflate && SSL_pending(s->ssl) > 0;
	return s->in_from != s->in_to || pending || (s->fd < 0 && s->memory_in.n);
}

/*
 * Records that OpenSSL has read ahead, and what was not yet inflated, do not show at the socket: true when they gave
 * input, or the end of it.
 */
static bool pull_ahead(struct stream *s)
{
	bool inside = s->deflate && (s->raw_from != s->raw_to || deflate_pending(s->deflate));
	if (!inside && (!s->ssl || !SSL_has_pending(s->ssl)))
		return false;
	s->trying = true;
	enum result r = fill(s, CHUNK);
	s->trying = false;
	return r == OK || s->stuck != OK;
}

enum result stream_wait_or(struct stream *s, int other_fd, int64_t ms, bool *other_out)
{
	*other_out = false;
	if (stream_buffered(s))
		return OK;
	if (stream_flush(s) != OK)
		return s->stuck;
	if (pull_ahead(s))
		return OK;
	if (s->fd < 0)
		return OK; /* the next read says GONE */
	struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = other_fd, .events = POLLIN}};
	int64_t end = clock_mono_ms() + ms;
	for (;;) {
		int64_t left = end - clock_mono_ms();
		int n = poll(p, other_fd >= 0 ? 2 : 1, left > 0 ? (int)MIN(left, INT32_MAX) : 0);
		if (n == 0)
			return LATER;
		if (n < 0 && errno != EINTR)
			return stream_fail(s, GONE);
		if (n > 0) {
			*other_out = other_fd >= 0 && p[1].revents != 0;
			return OK;
		}
	}
}

enum result stream_wait(struct stream *s, int64_t ms)
{
	bool other;
	return stream_wait_or(s, -1, ms, &other);
}

enum result stream_rest(struct stream *s)
{
	enum result r = stream_flush(s);
	free(s->out);
	s->out = NULL;
	size_t n = s->in_to - s->in_from;
	char *kept = NULL;
	if (n && !(kept = malloc(n)))
		abort();
	if (n)
		memcpy(kept, s->in + s->in_from, n);
	free(s->in);
	s->in = kept;
	s->in_from = 0;
	s->in_cap = s->in_to = n;
	if (s->deflate)
		deflate_rest(s->deflate);
	if (s->raw_from == s->raw_to) {
		free(s->raw);
		s->raw = NULL;
		s->raw_from = s->raw_to = 0;
	}
	return r;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

uint64_t stream_octets_in(const struct stream *s)
{
	return s->octets_in;
}

uint64_t stream_octets_out(const struct stream *s)
{
	return s->octets_out;
}
