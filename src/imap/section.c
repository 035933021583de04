/*
 * section: BODY[...] from offsets (RFC 3501 6.4.5, part numbers).
 *
 * Every section but a choice of header fields is one range of octets of the stored message; a range comes from the row's
 * own body, from the header kept in the facts, or from store in pieces, so that no message need be in memory whole.
 */
#include "facts.h"
#include "fetch.h"

#define PIECE 98304u /* octets a STORE_BODY answers at most */

static bool is_message(const Sekisho__Part *part)
{
	return part->n_parts == 1 && strcmp(part->type, "message") == 0;
}

const Sekisho__Part *imap_section_part(const Sekisho__Part *root, const struct imap_section *sec)
{
	const Sekisho__Part *at = root;
	for (unsigned i = 0; i < sec->levels; i++) {
		if (i && is_message(at))
			at = at->parts[0];
		else if (i && !(at->n_parts && strcmp(at->type, "multipart") == 0))
			return NULL;
		uint32_t n = sec->path[i];
		if (at->n_parts && strcmp(at->type, "multipart") == 0) {
			if (n > at->n_parts)
				return NULL;
			at = at->parts[n - 1];
		} else if (n != 1) {
			return NULL;
		}
	}
	return at;
}

/* HEADER, TEXT and their kin: of the message itself, or of one that is a part. */
static const Sekisho__Part *message_at(const Sekisho__Part *root, const struct imap_section *sec)
{
	const Sekisho__Part *at = imap_section_part(root, sec);
	if (!sec->levels)
		return at;
	return at && is_message(at) ? at->parts[0] : NULL;
}

bool imap_section_range(
    const Sekisho__Part *root, uint64_t size, const struct imap_section *sec, struct imap_range *out)
{
	bool of_message = sec->kind == SECTION_HEADER || sec->kind == SECTION_TEXT;
	const Sekisho__Part *at = of_message ? message_at(root, sec) : imap_section_part(root, sec);
	if (!at)
		return false;
	if (sec->kind == SECTION_HEADER || sec->kind == SECTION_MIME)
		*out = (struct imap_range){at->header_offset, at->header_length};
	else if (sec->kind == SECTION_ALL && !sec->levels)
		*out = (struct imap_range){0, size};
	else if (at == root && !sec->levels)
		*out = (struct imap_range){
		    at->body_offset, at->body_offset <= size ? size - at->body_offset : 0};
	else
		*out = (struct imap_range){at->body_offset, at->body_length};
	return out->offset <= size && out->length <= size - out->offset;
}

/* ---- names ---- */

static void put_name(struct stream *out, const struct imap_section *sec)
{
	static const char *const words[] = {
	    "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
	if (sec->legacy) {
		stream_puts(out, sec->legacy);
		stream_put(out, SLICE(" "));
		return;
	}
	static const char *const items[] = {"BODY[", "BINARY[", "BINARY.SIZE["};
	stream_puts(out, items[sec->binary]);
	for (unsigned i = 0; i < sec->levels; i++) {
		if (i)
			stream_put(out, SLICE("."));
		imap_put_number(out, sec->path[i]);
	}
	if (sec->levels && sec->kind != SECTION_ALL)
		stream_put(out, SLICE("."));
	stream_puts(out, words[sec->kind]);
	for (unsigned i = 0; i < sec->n_fields; i++) {
		stream_puts(out, i ? " " : " (");
		imap_put_astring(out, sec->fields[i]);
	}
	stream_puts(out, sec->n_fields ? ")]" : "]");
	if (sec->partial) {
		stream_put(out, SLICE("<"));
		imap_put_number(out, sec->offset);
		stream_put(out, SLICE(">"));
	}
	stream_put(out, SLICE(" "));
}

/* ---- octets ---- */

/* What a partial leaves of n octets; *skip_out of them are passed over. */
static uint64_t cut(const struct imap_section *sec, uint64_t n, uint64_t *skip_out)
{
	*skip_out = 0;
	if (!sec->partial)
		return n;
	*skip_out = MIN(sec->offset, n);
	return MIN(sec->length, n - *skip_out);
}

enum result imap_section_pieces(
    struct imap_message *m, struct imap_range r, imap_piece_fn *each, void *context)
{
	while (r.length) {
		Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
		Sekisho__BodyAnswer *answer = NULL;
		ask.uid = m->row->uid;
		ask.mailbox = (char *)(uintptr_t)(m->mailbox ? m->mailbox : "");
		ask.offset = r.offset;
		ask.length = (uint32_t)MIN(r.length, PIECE);
		ARENA_LOCAL(piece, 4 * PIECE);
		if (ipc_call(&m->s->store, ASK_STORE_BODY, &ask, NULL, &piece, &answer, NULL) != OK ||
		    answer->data.len != ask.length)
			return STOP;
		enum result taken = each(context, slice_of(answer->data.data, answer->data.len));
		if (taken != OK)
			return taken;
		r.offset += ask.length;
		r.length -= ask.length;
	}
	return OK;
}

bool imap_section_at_hand(const struct imap_message *m, struct imap_range r, struct slice *out)
{
	if (m->row->has_body && m->row->body.len == m->row->size) {
		*out = slice_sub(
		    slice_of(m->row->body.data, m->row->body.len), (size_t)r.offset, (size_t)r.length);
		return true;
	}
	struct slice header = imap_facts_top(m->packed).header;
	if (!header.n || r.offset + r.length > header.n)
		return false;
	*out = slice_sub(header, (size_t)r.offset, (size_t)r.length);
	return true;
}

static enum result put_piece(void *context, struct slice piece)
{
	imap_put_octets(context, piece);
	return OK;
}

/* Not OK: a literal of known length was begun, and nothing else can follow it. */
static enum result put_octets(struct imap_message *m, struct imap_range r)
{
	struct slice octets;
	if (!imap_section_at_hand(m, r, &octets))
		return imap_section_pieces(m, r, put_piece, m->s->base.stream);
	imap_put_octets(m->s->base.stream, octets);
	return OK;
}

static enum result put_range(struct imap_message *m, const struct imap_section *sec, struct imap_range r)
{
	uint64_t skip;
	uint64_t n = cut(sec, r.length, &skip);
	imap_put_literal_start(m->s->base.stream, n);
	return put_octets(m, (struct imap_range){r.offset + skip, n});
}

/* ---- HEADER.FIELDS ---- */

static bool is_chosen(const struct imap_section *sec, struct slice name)
{
	bool named = false;
	for (unsigned i = 0; !named && i < sec->n_fields; i++)
		named = slice_ieq(sec->fields[i], name);
	return named == (sec->kind == SECTION_FIELDS);
}

struct ranges {
	struct imap_range *v;
	size_t n, room;
	uint64_t total;
};

static bool add_range(struct imap_message *m, struct ranges *r, uint64_t offset, uint64_t length)
{
	if (length > m->row->size || offset > m->row->size - length)
		return true; /* not in this message: facts and message do not fit */
	r->total += length;
	if (r->n && r->v[r->n - 1].offset + r->v[r->n - 1].length == offset) {
		r->v[r->n - 1].length += length;
		return true;
	}
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct imap_range *v = arena_array(m->arena, room, sizeof *v);
		if (!v)
			return false;
		if (r->n)
			memcpy(v, r->v, r->n * sizeof *v);
		r->v = v;
		r->room = room;
	}
	r->v[r->n++] = (struct imap_range){offset, length};
	return true;
}

/* Of the message itself: straight from the packed facts. */
static bool top_fields(struct imap_message *m, const struct imap_section *sec, struct ranges *r)
{
	struct cursor c = cursor_of(imap_facts_top(m->packed).root);
	struct imap_field f;
	while (imap_facts_next_field(&c, &f))
		if (is_chosen(sec, f.name) && !add_range(m, r, f.offset, f.length))
			return false;
	return true;
}

static bool part_fields(
    struct imap_message *m, const struct imap_section *sec, const Sekisho__Part *at, struct ranges *r)
{
	for (size_t i = 0; i < at->n_fields; i++) {
		const Sekisho__Field *f = at->fields[i];
		if (is_chosen(sec, slice_str(f->name)) && !add_range(m, r, f->offset, f->length))
			return false;
	}
	return true;
}

/* The chosen fields, cut as a partial wants them, and the empty line. */
static enum result put_fields(struct imap_message *m, const struct imap_section *sec, const struct ranges *r)
{
	struct stream *out = m->s->base.stream;
	uint64_t skip;
	uint64_t left = cut(sec, r->total + 2, &skip);
	imap_put_literal_start(out, left);
	for (size_t i = 0; i < r->n && left; i++) {
		struct imap_range one = r->v[i];
		uint64_t pass = MIN(skip, one.length);
		skip -= pass;
		one = (struct imap_range){one.offset + pass, MIN(one.length - pass, left)};
		left -= one.length;
		if (put_octets(m, one) != OK)
			return STOP;
	}
	stream_put(out, slice_sub(SLICE("\r\n"), (size_t)skip, (size_t)left));
	return OK;
}

static enum result put_fields_section(struct imap_message *m, const struct imap_section *sec)
{
	struct ranges r = {0};
	if (!sec->levels)
		return top_fields(m, sec, &r) ? put_fields(m, sec, &r) : STOP;
	const Sekisho__Part *at = message_at(imap_message_root(m), sec);
	if (!at) {
		stream_put(m->s->base.stream, SLICE("NIL"));
		return OK;
	}
	return part_fields(m, sec, at, &r) ? put_fields(m, sec, &r) : STOP;
}

/* ---- a section ---- */

static bool quick_range(struct imap_message *m, const struct imap_section *sec, struct imap_range *out)
{
	if (sec->levels ||
	    (sec->kind != SECTION_ALL && sec->kind != SECTION_HEADER && sec->kind != SECTION_TEXT))
		return false;
	uint64_t size = m->row->size;
	struct imap_header_place h = imap_facts_header_place(imap_facts_top(m->packed).root);
	if (sec->kind == SECTION_ALL)
		*out = (struct imap_range){0, size};
	else if (sec->kind == SECTION_HEADER)
		*out = (struct imap_range){h.offset, h.length};
	else
		*out = (struct imap_range){h.body_offset, h.body_offset <= size ? size - h.body_offset : 0};
	return out->offset <= size && out->length <= size - out->offset;
}

enum result imap_put_section(struct imap_message *m, const struct imap_section *sec)
{
	struct imap_range r;
	put_name(m->s->base.stream, sec);
	if (sec->binary != IMAP_ENCODED)
		return imap_put_binary(m, sec);
	if (sec->kind == SECTION_FIELDS || sec->kind == SECTION_FIELDS_NOT)
		return put_fields_section(m, sec);
	if (quick_range(m, sec, &r) || imap_section_range(imap_message_root(m), m->row->size, sec, &r))
		return put_range(m, sec, r);
	stream_put(m->s->base.stream, SLICE("NIL"));
	return OK;
}

static enum result copy_range(struct imap_message *m, struct imap_range r, imap_piece_fn *each, void *context)
{
	struct slice octets;
	if (imap_section_at_hand(m, r, &octets))
		return each(context, octets);
	return imap_section_pieces(m, r, each, context);
}

enum result imap_section_copy(
    struct imap_message *m, const struct imap_section *sec, imap_piece_fn *each, void *context)
{
	struct imap_range range;
	struct ranges chosen = {0};
	if (sec->kind != SECTION_FIELDS && sec->kind != SECTION_FIELDS_NOT) {
		if (!imap_section_range(imap_message_root(m), m->row->size, sec, &range))
			return GONE;
		return copy_range(m, range, each, context);
	}
	const Sekisho__Part *at = message_at(imap_message_root(m), sec);
	if (!at)
		return GONE;
	if (!part_fields(m, sec, at, &chosen))
		return FULL;
	enum result r = OK;
	for (size_t i = 0; i < chosen.n && r == OK; i++)
		r = copy_range(m, chosen.v[i], each, context);
	return r == OK ? each(context, SLICE("\r\n")) : r;
}
