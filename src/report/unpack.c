/* unpack: gzip (RFC 1952) and zip in front of a document. Nothing is ever unpacked whole. */
#include "report/inner.h"
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <zlib.h>

#define PIECE ((size_t)65536)
#define SNIFF 4
#define EITHER_HEADER (15 + 16)        /* inflate's window, with gzip around it */
#define RATIO_FROM ((uint64_t)1 << 20) /* a smaller document harms nobody */

enum kind { UNKNOWN, PLAIN, GZIP, ZIP };

/* What all levels of one document share. */
struct budget {
	uint64_t in, out;
	const char *why;
	bool done; /* the sink has all that it wants */
};

struct unpack {
	struct report_sink *to;
	struct budget own, *budget;
	unsigned depth;
	enum kind kind;
	char first[SNIFF];
	size_t n_first;
	z_stream stream;
	bool open, ended; /* the inflater; its stream came to its end */
	struct buf zip;
	struct unpack *inside;
};

static struct unpack *level_new(struct report_sink *to, struct budget *budget, unsigned depth)
{
	struct unpack *u = calloc(1, sizeof *u);
	if (!u)
		abort();
	u->to = to;
	u->budget = budget ? budget : &u->own;
	u->depth = depth;
	buf_init(&u->zip, LIMIT_REPORT_ZIP);
	return u;
}

struct unpack *unpack_new(struct report_sink *to)
{
	return level_new(to, NULL, 0);
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	unpack_free(u->inside);
	if (u->open)
		inflateEnd(&u->stream);
	buf_free(&u->zip);
	free(u);
}

const char *unpack_why(const struct unpack *u)
{
	return u->budget->why;
}

uint64_t unpack_octets(const struct unpack *u)
{
	return u->budget->out;
}

static enum result refuse_it(struct unpack *u, enum result r, const char *why)
{
	if (!u->budget->why)
		u->budget->why = why;
	return r;
}

/* ---- what it is ---- */

static enum kind kind_of(const struct unpack *u)
{
	struct slice first = slice_of(u->first, u->n_first);
	if (slice_starts(first, SLICE("\x1f\x8b")))
		return GZIP;
	return slice_eq(first, SLICE("PK\3\4")) ? ZIP : PLAIN;
}

static enum result begin(struct unpack *u)
{
	u->kind = kind_of(u);
	if (u->kind == PLAIN)
		return OK;
	if (u->depth == LIMIT_REPORT_NESTING)
		return refuse_it(u, FULL, "archives in archives (LIMIT_REPORT_NESTING)");
	if (u->kind == ZIP)
		return OK;
	if (inflateInit2(&u->stream, EITHER_HEADER) != Z_OK)
		abort();
	u->open = true;
	u->inside = level_new(u->to, u->budget, u->depth + 1);
	return OK;
}

/* ---- octets ---- */

static enum result take(struct unpack *u, struct slice piece);

static enum result give_plain(struct unpack *u, struct slice piece)
{
	struct budget *b = u->budget;
	if (b->done || !piece.n)
		return OK;
	enum result r = u->to->take(u->to, piece);
	b->done = r == STOP;
	return r == OK || r == STOP ? OK : refuse_it(u, r, u->to->why);
}

/* What came out of an archive, into the next level. */
static enum result give_unpacked(struct unpack *u, struct slice piece)
{
	struct budget *b = u->budget;
	b->out += piece.n;
	if (b->out > LIMIT_REPORT_OCTETS)
		return refuse_it(u, FULL, "it unpacks to too much (LIMIT_REPORT_OCTETS)");
	if (b->out > RATIO_FROM && b->out / LIMIT_REPORT_RATIO > b->in)
		return refuse_it(u, FULL, "it unpacks to many times its size (LIMIT_REPORT_RATIO)");
	return take(u->inside, piece);
}

static enum result inflate_piece(struct unpack *u, struct slice piece)
{
	unsigned char out[PIECE];
	z_stream *z = &u->stream;
	z->next_in = (unsigned char *)(uintptr_t)piece.p;
	z->avail_in = (unsigned)piece.n;
	do {
		if (u->ended) {
			/* Another member may follow; anything else is somebody's padding. */
			if (!z->avail_in || z->next_in[0] != 0x1f)
				return OK;
			inflateReset(z);
			u->ended = false;
		}
		z->next_out = out;
		z->avail_out = sizeof out;
		int r = inflate(z, Z_NO_FLUSH);
		enum result given = give_unpacked(u, slice_of(out, sizeof out - z->avail_out));
		if (given != OK)
			return given;
		u->ended = r == Z_STREAM_END;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return u->budget->done ? OK : refuse_it(u, BAD, "the gzip is broken");
	} while (!u->budget->done && (z->avail_in || !z->avail_out));
	return OK;
}

static enum result take_known(struct unpack *u, struct slice piece)
{
	if (u->kind == GZIP) {
		enum result r = OK;
		while (piece.n && r == OK && !u->budget->done) {
			struct slice some = slice_sub(piece, 0, PIECE);
			piece = slice_sub(piece, some.n, piece.n);
			r = inflate_piece(u, some);
		}
		return r;
	}
	if (u->kind == PLAIN)
		return give_plain(u, piece);
	buf_put(&u->zip, piece);
	return u->zip.over ? refuse_it(u, FULL, "the archive is too large (LIMIT_REPORT_ZIP)") : OK;
}

static enum result take(struct unpack *u, struct slice piece)
{
	if (u->kind == UNKNOWN) {
		while (u->n_first < SNIFF && piece.n) {
			u->first[u->n_first++] = piece.p[0];
			piece = slice_sub(piece, 1, piece.n);
		}
		if (u->n_first < SNIFF)
			return OK;
		enum result r = begin(u);
		if (r == OK)
			r = take_known(u, slice_of(u->first, u->n_first));
		if (r != OK)
			return r;
	}
	return take_known(u, piece);
}

enum result unpack_put(struct unpack *u, struct slice piece)
{
	u->budget->in += piece.n;
	if (!u->budget->done && u->budget->in > LIMIT_REPORT_OCTETS)
		return refuse_it(u, FULL, "it is too large (LIMIT_REPORT_OCTETS)");
	return u->budget->done ? OK : take(u, piece);
}

/* ---- zip ---- */

static bool is_document(struct archive_entry *e)
{
	struct slice name = slice_str(archive_entry_pathname(e));
	return archive_entry_filetype(e) != AE_IFDIR && !slice_iends(name, SLICE("/")) &&
	       !slice_starts(name, SLICE("__MACOSX")) && !slice_starts(name, SLICE("."));
}

static enum result read_entry(struct unpack *u, struct archive *z)
{
	char piece[PIECE];
	enum result r = OK;
	while (r == OK && !u->budget->done) {
		la_ssize_t n = archive_read_data(z, piece, sizeof piece);
		if (n < 0)
			return u->budget->done ? OK : refuse_it(u, BAD, "the zip is broken or encrypted");
		if (n == 0)
			break;
		r = give_unpacked(u, slice_of(piece, (size_t)n));
	}
	return r;
}

static enum result read_zip(struct unpack *u)
{
	struct archive *z = archive_read_new();
	struct archive_entry *e;
	if (!z)
		abort();
	archive_read_support_format_zip_seekable(z); /* by its directory only, as in inspect/zip.c */
	enum result r = refuse_it(u, BAD, NULL);
	if (archive_read_open_memory(z, u->zip.p, u->zip.n) == ARCHIVE_OK) {
		unsigned files = 0;
		int next = ARCHIVE_OK;
		while (files < LIMIT_REPORT_FILES &&
		       ((next = archive_read_next_header(z, &e)) == ARCHIVE_OK || next == ARCHIVE_WARN)) {
			files++;
			if (!is_document(e))
				continue;
			u->inside = level_new(u->to, u->budget, u->depth + 1);
			r = read_entry(u, z);
			if (r == OK)
				r = unpack_end(u->inside);
			break;
		}
	}
	archive_read_free(z);
	return r == OK ? OK : refuse_it(u, r, "there is no file in the zip that could be read");
}

enum result unpack_end(struct unpack *u)
{
	enum result r = OK;
	if (u->kind == UNKNOWN) { /* shorter than what archives begin with */
		u->kind = PLAIN;
		return give_plain(u, slice_of(u->first, u->n_first));
	}
	if (u->kind == ZIP)
		return read_zip(u);
	if (u->kind == GZIP) {
		r = unpack_end(u->inside);
		if (r == OK && !u->ended && !u->budget->done)
			r = refuse_it(u, BAD, "the gzip was cut short");
	}
	return r;
}
