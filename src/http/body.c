#include "body.h"

static size_t refuse(struct http_body *b, enum http_status status)
{
	b->status = status;
	return 0;
}

void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length, uint64_t most,
    struct http_budget *budget)
{
	*b = (struct http_body){.framing = framing, .left = length, .most = most, .fd = -1, .budget = budget};
	buf_init(&b->line, LIMIT_HTTP_HEADER);
	buf_init(&b->small, LIMIT_HTTP_BODY_SMALL);
	if (framing == FRAMING_LENGTH)
		b->at = length ? BODY_DATA : BODY_DONE;
	else
		b->at = framing == FRAMING_CHUNKED ? BODY_SIZE : BODY_DONE;
	if (length > most)
		b->status = HTTP_STATUS_CONTENT_TOO_LARGE;
}

/* ---- content ---- */

static bool reserve(struct http_body *b, uint64_t n)
{
	if (!b->budget)
		return true;
	if (atomic_fetch_add(&b->budget->used, n) + n > b->budget->most) {
		atomic_fetch_sub(&b->budget->used, n);
		return false;
	}
	b->reserved += n;
	return true;
}

static enum result keep(struct http_body *b, struct slice part)
{
	if (b->fd < 0 && b->small.n + part.n <= LIMIT_HTTP_BODY_SMALL) {
		buf_put(&b->small, part);
		return OK;
	}
	if (b->fd < 0) {
		b->fd = fd_memory("body");
		if (b->fd < 0 || fd_write_all(b->fd, buf_slice(&b->small)) != OK)
			return LATER;
		buf_free(&b->small);
	}
	return fd_write_all(b->fd, part);
}

static size_t take_data(struct http_body *b, struct slice in)
{
	struct slice part = slice_sub(in, 0, b->left);
	if (!reserve(b, part.n) || keep(b, part) != OK)
		return refuse(b, HTTP_STATUS_UNAVAILABLE);
	b->size += part.n;
	b->left -= part.n;
	if (!b->left)
		b->at = b->framing == FRAMING_LENGTH ? BODY_DONE : BODY_DATA_END;
	return part.n;
}

/* ---- lines between the chunks ---- */

/*
 * Adds to the line in hand up to its LF; *whole_out when that came. A line that has no CR before it, or is longer than
 * `most`, is refused.
 */
static size_t take_line(struct http_body *b, struct slice in, size_t most, bool *whole_out)
{
	ptrdiff_t lf = slice_find(in, '\n');
	size_t n = lf < 0 ? in.n : (size_t)lf + 1;
	*whole_out = false;
	if (b->line.n + n > most + 2)
		return refuse(b, HTTP_STATUS_BAD_REQUEST);
	buf_put(&b->line, slice_sub(in, 0, n));
	if (lf < 0)
		return n;
	if (b->line.n < 2 || b->line.p[b->line.n - 2] != '\r')
		return refuse(b, HTTP_STATUS_BAD_REQUEST);
	b->line.n -= 2;
	*whole_out = true;
	return n;
}

static bool is_hex(char c)
{
	return ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 1*HEXDIG, then nothing or ";" and an extension, which means nothing to us but must be clean. */
static bool parse_size(struct slice line, uint64_t *size_out, struct slice *extension_out)
{
	struct cursor c = cursor_of(line);
	struct slice digits = cursor_while1(&c, is_hex);
	*extension_out = c.rest;
	*size_out = 0;
	if (c.err != OK || digits.n > 15 || !http_is_field_value(c.rest))
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		unsigned digit = ascii_digit(digits.p[i]) ? (unsigned)(digits.p[i] - '0')
							  : (unsigned)(ascii_lower(digits.p[i]) - 'a') + 10;
		*size_out = *size_out * 16 + digit;
	}
	return cursor_end(&c) || cursor_try(&c, ';');
}

static size_t take_size(struct http_body *b, struct slice in)
{
	bool whole;
	struct slice extension;
	size_t n = take_line(b, in, LIMIT_HTTP_CHUNK_LINE, &whole);
	if (!whole)
		return n;
	if (!parse_size(buf_slice(&b->line), &b->left, &extension))
		return refuse(b, HTTP_STATUS_BAD_REQUEST);
	b->extra += extension.n;
	buf_clear(&b->line);
	if (b->extra > LIMIT_HTTP_HEADER)
		return refuse(b, HTTP_STATUS_BAD_REQUEST);
	if (b->left > b->most - b->size)
		return refuse(b, HTTP_STATUS_CONTENT_TOO_LARGE);
	b->at = b->left ? BODY_DATA : BODY_TRAILER;
	return n;
}

static size_t take_data_end(struct http_body *b, struct slice in)
{
	bool whole;
	size_t n = take_line(b, in, 0, &whole);
	if (whole) {
		b->at = BODY_SIZE;
		buf_clear(&b->line);
	}
	return n;
}

/* Trailers are read as strictly as fields and forgotten: nobody here asks for them (RFC 9110 6.5.1). */
static size_t take_trailer(struct http_body *b, struct slice in)
{
	bool whole;
	size_t n = take_line(b, in, LIMIT_HTTP_HEADER - 2, &whole);
	if (!whole)
		return n;
	struct slice line = buf_slice(&b->line);
	if (!line.n) {
		b->at = BODY_DONE;
		return n;
	}
	struct slice name = slice_split(&line, ':');
	b->extra += b->line.n;
	if (name.n == b->line.n || !http_is_token(name) || !http_is_field_value(line) ||
	    b->extra > LIMIT_HTTP_HEADER)
		return refuse(b, HTTP_STATUS_BAD_REQUEST);
	buf_clear(&b->line);
	return n;
}

size_t http_body_take(struct http_body *b, struct slice in)
{
	static size_t (*const take[])(struct http_body *, struct slice) = {
	    [BODY_SIZE] = take_size,
	    [BODY_DATA] = take_data,
	    [BODY_DATA_END] = take_data_end,
	    [BODY_TRAILER] = take_trailer,
	};
	size_t used = 0;
	while (used < in.n && !http_body_done(b))
		used += take[b->at](b, slice_sub(in, used, SIZE_MAX));
	b->came += used;
	return used;
}

/* ---- the end ---- */

enum result http_body_finish(struct http_body *b, struct slice *content_out)
{
	*content_out = buf_slice(&b->small);
	if (b->fd < 0)
		return OK;
	if (fd_seal(b->fd) != OK || fd_map_sealed(b->fd, b->most, &b->mapped) != OK)
		return LATER;
	*content_out = b->mapped;
	return OK;
}

void http_body_free(struct http_body *b)
{
	if (b->budget)
		atomic_fetch_sub(&b->budget->used, b->reserved);
	fd_unmap(&b->mapped);
	fd_close(&b->fd);
	buf_free(&b->line);
	buf_free(&b->small);
	*b = (struct http_body){.fd = -1};
}
