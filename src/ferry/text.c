#include "ferry/inner.h"
#include <zlib.h>
#include <zstd.h>

bool ferry_is_wire(struct slice text)
{
	ptrdiff_t at = slice_find(text, '\n');
	return at > 0 && text.p[at - 1] == '\r';
}

void ferry_to_wire(struct slice text, struct buf *out)
{
	while (text.n) {
		ptrdiff_t at = slice_find(text, '\n');
		if (at < 0) {
			buf_put(out, text);
			return;
		}
		struct slice line = slice_sub(text, 0, (size_t)at);
		buf_put(out, line);
		buf_puts(out, line.n && line.p[line.n - 1] == '\r' ? "\n" : "\r\n");
		text = slice_sub(text, (size_t)at + 1, text.n);
	}
}

bool ferry_to_lf(struct slice text, struct buf *out)
{
	size_t start = out->n;
	bool good = ferry_is_wire(text) || slice_find(text, '\n') < 0;
	while (good && text.n) {
		ptrdiff_t at = slice_find(text, '\n');
		if (at < 0) {
			buf_put(out, text);
			break;
		}
		good = at > 0 && text.p[at - 1] == '\r' && !(at > 1 && text.p[at - 2] == '\r');
		buf_put(out, slice_sub(text, 0, (size_t)at - 1));
		buf_putc(out, '\n');
		text = slice_sub(text, (size_t)at + 1, text.n);
	}
	if (!good)
		out->n = start;
	return good;
}

/* ---- compressed files ---- */

static enum result inflate_all(struct slice packed, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
	if (packed.n > UINT32_MAX || inflateInit2(&z, 15 + 32) != Z_OK)
		return BAD;
	int done = Z_OK;
	while (done == Z_OK) {
		char *p = buf_room(out, 65536);
		if (!p)
			break;
		z.next_out = (Bytef *)p;
		z.avail_out = 65536;
		done = inflate(&z, Z_NO_FLUSH);
		buf_wrote(out, 65536 - z.avail_out);
	}
	inflateEnd(&z);
	return done == Z_STREAM_END ? OK : done == Z_OK ? FULL : BAD;
}

static enum result unzstd_all(struct slice packed, struct buf *out)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = {packed.p, packed.n, 0};
	size_t left = 1;
	enum result r = OK;
	while (z && r == OK && left && !ZSTD_isError(left)) {
		char *p = buf_room(out, 65536);
		ZSTD_outBuffer to = {p, 65536, 0};
		if (!p) {
			r = FULL;
			break;
		}
		size_t before = in.pos;
		left = ZSTD_decompressStream(z, &to, &in);
		buf_wrote(out, to.pos);
		if (left && in.pos == before && !to.pos)
			r = BAD; /* it ends too soon */
	}
	if (ZSTD_isError(left))
		r = BAD;
	ZSTD_freeDStream(z);
	return r;
}

enum result ferry_unpack(struct slice packed, struct buf *out)
{
	if (slice_starts(packed, SLICE("\x1f\x8b")))
		return inflate_all(packed, out);
	if (slice_starts(packed, SLICE("\x28\xb5\x2f\xfd")))
		return unzstd_all(packed, out);
	/* zlib has no magic; a field's name can begin with 'x' too, so what does not open is taken for a message. */
	if (packed.n > 2 && packed.p[0] == 0x78 && (0x7800 | (unsigned char)packed.p[1]) % 31 == 0) {
		size_t start = out->n;
		enum result r = inflate_all(packed, out);
		if (r != BAD)
			return r;
		out->n = start;
	}
	return GONE;
}

/* ---- flags as letters ---- */

struct letter {
	char letter;
	uint32_t flag;
};

static uint32_t flags_of(struct slice letters, const struct letter *table, size_t n)
{
	uint32_t flags = 0;
	for (size_t i = 0; i < letters.n; i++)
		for (size_t k = 0; k < n; k++)
			if (letters.p[i] == table[k].letter)
				flags |= table[k].flag;
	return flags;
}

/* In the order in which Maildir wants them: ASCII. */
static const struct letter info_letters[] = {{'D', SEKISHO__FLAG__FLAG_DRAFT},
    {'F', SEKISHO__FLAG__FLAG_FLAGGED}, {'R', SEKISHO__FLAG__FLAG_ANSWERED}, {'S', SEKISHO__FLAG__FLAG_SEEN},
    {'T', SEKISHO__FLAG__FLAG_DELETED}};
static const struct letter status_letters[] = {{'R', SEKISHO__FLAG__FLAG_SEEN},
    {'A', SEKISHO__FLAG__FLAG_ANSWERED}, {'F', SEKISHO__FLAG__FLAG_FLAGGED},
    {'D', SEKISHO__FLAG__FLAG_DELETED}, {'T', SEKISHO__FLAG__FLAG_DRAFT}};

uint32_t ferry_info_flags(struct slice letters)
{
	return flags_of(letters, info_letters, COUNT(info_letters));
}

uint32_t ferry_status_flags(struct slice letters)
{
	return flags_of(letters, status_letters, COUNT(status_letters));
}

void ferry_put_info(struct buf *out, uint32_t flags)
{
	for (size_t i = 0; i < COUNT(info_letters); i++)
		if (flags & info_letters[i].flag)
			buf_putc(out, info_letters[i].letter);
}
