#include "deflate.h"
#include <stdlib.h>
#include <zlib.h>

#define WINDOW 32768
#define PIECE 16384
#define RAW (-15)    /* bits of the window; negative: without zlib's own header */
#define AT_BLOCK 128 /* data_type of an inflater that stands before a block, no bit of it read */

struct deflate {
	z_stream out, in;
	bool out_open, in_open;
	bool unflushed;        /* text was put since the last flush */
	bool pending;          /* the inflater filled all the room it was given */
	unsigned char *window; /* of the inflater at rest */
	unsigned window_n;
};

struct deflate *deflate_new(void)
{
	struct deflate *d = calloc(1, sizeof *d);
	if (!d)
		abort();
	return d;
}

static void close_out(struct deflate *d)
{
	if (d->out_open)
		deflateEnd(&d->out);
	d->out_open = false;
}

static void close_in(struct deflate *d)
{
	if (d->in_open)
		inflateEnd(&d->in);
	d->in_open = false;
}

void deflate_free(struct deflate *d)
{
	if (!d)
		return;
	close_out(d);
	close_in(d);
	free(d->window);
	free(d);
}

static void open_out(struct deflate *d)
{
	d->out = (z_stream){0};
	if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* no memory */
	d->out_open = true;
}

/* Where it rested. */
static void open_in(struct deflate *d)
{
	d->in = (z_stream){0};
	if (inflateInit2(&d->in, RAW) != Z_OK ||
	    (d->window_n && inflateSetDictionary(&d->in, d->window, d->window_n) != Z_OK))
		abort();
	d->in_open = true;
	free(d->window);
	d->window = NULL;
	d->window_n = 0;
}

enum result deflate_put(struct deflate *d, struct slice text, bool flush, deflate_sink *sink, void *context)
{
	unsigned char piece[PIECE];
	d->unflushed |= text.n > 0;
	if (!d->unflushed)
		return OK;
	if (!d->out_open)
		open_out(d);
	d->out.next_in = (unsigned char *)(uintptr_t)text.p;
	d->out.avail_in = (unsigned)text.n;
	do {
		d->out.next_out = piece;
		d->out.avail_out = sizeof piece;
		deflate(&d->out, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		size_t n = sizeof piece - d->out.avail_out;
		enum result r = n ? sink(context, slice_of(piece, n)) : OK;
		if (r != OK)
			return r;
	} while (!d->out.avail_out);
	d->unflushed = !flush;
	return OK;
}

enum result deflate_take(
    struct deflate *d, struct slice in, size_t *used_out, char *p, size_t n, size_t *made_out)
{
	if (!d->in_open)
		open_in(d);
	d->in.next_in = (unsigned char *)(uintptr_t)in.p;
	d->in.avail_in = (unsigned)in.n;
	d->in.next_out = (unsigned char *)p;
	d->in.avail_out = (unsigned)n;
	int r = inflate(&d->in, Z_SYNC_FLUSH);
	*used_out = in.n - d->in.avail_in;
	*made_out = n - d->in.avail_out;
	d->pending = r == Z_OK && !d->in.avail_out;
	if (r == Z_OK || r == Z_BUF_ERROR)
		return OK;
	return BAD;
}

bool deflate_pending(const struct deflate *d)
{
	return d->pending;
}

void deflate_rest(struct deflate *d)
{
	unsigned char window[WINDOW];
	unsigned n = 0;
	if (!d->unflushed)
		close_out(d);
	/* In the middle of a block it must go on as it is. */
	if (!d->in_open || d->pending || d->in.data_type != AT_BLOCK ||
	    inflateGetDictionary(&d->in, window, &n) != Z_OK)
		return;
	close_in(d);
	if (n && !(d->window = malloc(n)))
		abort();
	if (n)
		memcpy(d->window, window, n);
	d->window_n = n;
}
