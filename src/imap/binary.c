/*
 * binary: BINARY[...] and BINARY.SIZE[...] (RFC 3516): a part's octets without their transfer encoding.
 *
 * The length goes before the octets, so a part is decoded twice: once to count, once to send. A part that did not come
 * with its row is collected in a memory file first; decoding itself needs no memory.
 */
#include "fetch.h"
#include "mail/transfer.h"

/* What a section names, and how it is encoded. False: there is no such part. */
static bool locate(
    struct imap_message *m, const struct imap_section *sec, struct imap_range *range, enum mail_encoding *e)
{
	const Sekisho__Part *root = imap_message_root(m), *part = imap_section_part(root, sec);
	mail_defects defects = 0;
	if (!part || !imap_section_range(root, m->row->size, sec, range))
		return false;
	/* The whole message, a multipart and a message in a message are shown as they are. */
	*e = sec->levels && !part->n_parts ? mail_encoding_parse(slice_str(part->encoding), &defects)
					   : MAIL_ENC_NONE;
	return true;
}

bool imap_binary_known(struct imap_message *m, const struct imap_section *sec)
{
	const Sekisho__Part *part = imap_section_part(imap_message_root(m), sec);
	mail_defects defects = 0;
	if (!sec->levels || !part || part->n_parts)
		return true;
	return mail_encoding_parse(slice_str(part->encoding), &defects) != MAIL_ENC_NONE ||
	       !(defects & MAIL_DEFECT_BIT(MAIL_DEFECT_encoding_malformed));
}

/* Counts, and then sends, what a partial leaves of the decoded octets. */
struct output {
	struct stream *stream; /* NULL: only count */
	uint64_t skip, most;   /* octets passed over, and taken after these */
	uint64_t at;           /* octets seen */
	uint64_t taken;
	bool nul; /* among what was taken */
};

static enum result take(void *context, struct slice piece)
{
	struct output *o = context;
	uint64_t pass = o->at < o->skip ? MIN(o->skip - o->at, piece.n) : 0;
	struct slice s = slice_sub(piece, (size_t)pass, (size_t)MIN(piece.n - pass, o->most - o->taken));
	o->at += piece.n;
	o->taken += s.n;
	if (o->stream)
		stream_put(o->stream, s);
	else
		o->nul |= s.n && memchr(s.p, 0, s.n);
	return o->taken == o->most ? STOP : OK;
}

static void put_decoded(
    struct stream *stream, const struct imap_section *sec, enum mail_encoding e, struct slice octets)
{
	struct output o = {.most = UINT64_MAX};
	if (sec->partial) {
		o.skip = sec->offset;
		o.most = sec->length;
	}
	mail_transfer_decode(e, octets, take, &o);
	if (sec->binary == IMAP_BINARY_SIZE) {
		imap_put_number(stream, o.taken);
		return;
	}
	if (o.nul)
		stream_put(stream, SLICE("~"));
	imap_put_literal_start(stream, o.taken);
	struct output again = {.stream = stream, .skip = o.skip, .most = o.taken};
	if (o.taken)
		mail_transfer_decode(e, octets, take, &again);
}

static enum result add_to_file(void *context, struct slice piece)
{
	return fd_write_all(*(const int *)context, piece);
}

/* The part's octets, collected from store. */
static enum result map_part(struct imap_message *m, struct imap_range range, struct slice *map_out)
{
	FD_LOCAL fd = fd_memory("part");
	if (fd < 0 || imap_section_pieces(m, range, add_to_file, &fd) != OK || fd_seal(fd) != OK)
		return STOP;
	return fd_map_sealed(fd, range.length, map_out) == OK ? OK : STOP;
}

enum result imap_put_binary(struct imap_message *m, const struct imap_section *sec)
{
	struct stream *out = m->s->base.stream;
	struct imap_range range;
	enum mail_encoding e;
	struct slice octets;
	if (!locate(m, sec, &range, &e)) {
		stream_puts(out, sec->binary == IMAP_BINARY_SIZE ? "0" : "NIL");
		return OK;
	}
	if (e == MAIL_ENC_NONE && sec->binary == IMAP_BINARY_SIZE) {
		imap_put_number(out, range.length);
		return OK;
	}
	if (!range.length || imap_section_at_hand(m, range, &octets)) {
		if (!range.length)
			octets = SLICE_NONE;
		put_decoded(out, sec, e, octets);
		return OK;
	}
	if (map_part(m, range, &octets) != OK)
		return STOP; /* the answer was begun: nothing else can follow */
	put_decoded(out, sec, e, octets);
	fd_unmap(&octets);
	return OK;
}
