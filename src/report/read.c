/* read: the report in a message, whatever the message says it is. */
#include "report/inner.h"
#include "mail/facts.h"
#include "mail/transfer.h"
#include <stdlib.h>

/* One document on its way through: archives, then what its first octets say. */
enum shape { SHAPE_UNKNOWN, SHAPE_XML, SHAPE_JSON };
struct intake {
	struct report_sink sink; /* first */
	struct arena *arena;
	enum shape shape;
	struct dmarc_reader *xml;
	struct buf json;
	struct unpack *unpack;
};

/* ---- documents ---- */

/* Blanks and a mark of UTF-8 before it, which XML would not bear. */
static struct slice without_lead(struct slice s)
{
	if (slice_starts(s, SLICE("\xef\xbb\xbf")))
		s = slice_sub(s, 3, s.n);
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
		s = slice_sub(s, 1, s.n);
	return s;
}

static bool is_utf16(struct slice s)
{
	return slice_starts(s, SLICE("\xff\xfe")) || slice_starts(s, SLICE("\xfe\xff"));
}

/* OK with a shape, or with none when only blanks came so far. */
static enum result find_shape(struct intake *in, struct slice *piece)
{
	bool utf16 = is_utf16(*piece);
	if (!utf16)
		*piece = without_lead(*piece);
	if (!piece->n)
		return OK;
	if (!utf16 && piece->p[0] == '{') {
		in->shape = SHAPE_JSON;
		return OK;
	}
	if (!utf16 && piece->p[0] != '<')
		return BAD; /* nothing of ours: no reason given */
	in->shape = SHAPE_XML;
	in->xml = dmarc_reader_new(in->arena, utf16);
	return in->xml ? OK : FULL;
}

static enum result take_piece(struct report_sink *s, struct slice piece)
{
	struct intake *in = (struct intake *)s;
	if (in->shape == SHAPE_UNKNOWN) {
		enum result r = find_shape(in, &piece);
		if (r != OK || in->shape == SHAPE_UNKNOWN)
			return r;
	}
	if (in->shape == SHAPE_XML)
		return dmarc_reader_put(in->xml, piece, &s->why);
	buf_put(&in->json, piece);
	if (in->json.over)
		s->why = "the JSON is too large (LIMIT_REPORT_JSON)";
	return in->json.over ? FULL : OK;
}

static void intake_start(struct intake *in, struct arena *a)
{
	*in = (struct intake){.sink.take = take_piece, .arena = a, .json.max = LIMIT_REPORT_JSON};
	in->unpack = unpack_new(&in->sink);
}

static void intake_free(struct intake *in)
{
	unpack_free(in->unpack);
	dmarc_reader_free(in->xml);
	buf_free(&in->json);
}

/* What it was, into *out; NONE when it was nothing. r: how putting it went. */
static void intake_end(struct intake *in, enum result r, Sekisho__Report *out)
{
	const char *why = NULL;
	if (r == OK)
		r = unpack_end(in->unpack);
	if (r == OK && in->shape == SHAPE_XML)
		r = dmarc_reader_end(in->xml, &out->dmarc, &why);
	else if (r == OK && in->shape == SHAPE_JSON)
		r = tls_report_read(buf_slice(&in->json), in->arena, &out->tls, &why);
	else if (r == OK)
		r = BAD;
	if (r == OK)
		out->kind =
		    in->shape == SHAPE_XML ? SEKISHO__REPORT__KIND__DMARC : SEKISHO__REPORT__KIND__TLS;
	if (r != OK && !why)
		why = unpack_why(in->unpack);
	out->octets = unpack_octets(in->unpack);
	out->why = out->kind || !why ? out->why : (char *)(uintptr_t)why;
}

/* ---- messages ---- */

struct search {
	struct slice message;
	struct arena *arena;
	Sekisho__Report *out;
};

/* mail_transfer_decode says what is odd about the encoding, not what the sink said. */
struct decoding {
	struct intake *in;
	enum result result;
};

static enum result take_decoded(void *context, struct slice piece)
{
	struct decoding *d = context;
	d->result = unpack_put(d->in->unpack, piece);
	return d->result;
}

static void try_document(struct search *s, const Sekisho__Part *p)
{
	struct intake in;
	struct decoding d = {.in = &in};
	mail_defects ignored = {0};
	intake_start(&in, s->arena);
	mail_transfer_decode(mail_encoding_parse(slice_str(p->encoding), &ignored),
	    slice_sub(s->message, p->body_offset, p->body_length), take_decoded, &d);
	const char *before = s->out->why;
	intake_end(&in, d.result, s->out);
	if (!s->out->kind && *before) /* the first reason is the one that is told */
		s->out->why = (char *)(uintptr_t)before;
	intake_free(&in);
}

static void try_failure(struct search *s, const Sekisho__Part *p)
{
	const char *why = NULL;
	BUF_LOCAL(fields, LIMIT_REPORT_JSON);
	mail_facts_octets(s->message, p, &fields);
	if (failure_report_read(buf_slice(&fields), s->arena, &s->out->failure, &why) == OK)
		s->out->kind = SEKISHO__REPORT__KIND__FAILURE;
	else if (why)
		s->out->why = (char *)(uintptr_t)why;
}

static bool is(const char *z, const char *what)
{
	return strcmp(z, what) == 0;
}

/* What is likely a report by its name or type goes first; then everything else that is a leaf. */
static bool is_likely(const Sekisho__Part *p)
{
	static const struct slice ends[] = {
	    SLICE(".xml"), SLICE(".gz"), SLICE(".zip"), SLICE(".json"), SLICE(".gzip")};
	static const char *const types[] = {"gzip", "x-gzip", "zip", "x-zip", "x-zip-compressed", "xml",
	    "json", "tlsrpt+gzip", "tlsrpt+json", "octet-stream"};
	for (size_t i = 0; i < COUNT(ends); i++)
		if (slice_iends(slice_str(p->file_name), ends[i]))
			return true;
	for (size_t i = 0; i < COUNT(types); i++)
		if (is(p->subtype, types[i]))
			return true;
	return false;
}

static void look(struct search *s, const Sekisho__Part *p, bool likely)
{
	bool feedback = is(p->type, "message") && is(p->subtype, "feedback-report");
	for (size_t i = 0; i < p->n_parts && !s->out->kind; i++)
		look(s, p->parts[i], likely);
	if (p->n_parts || s->out->kind)
		return;
	if (feedback && likely)
		try_failure(s, p);
	else if (!feedback && is_likely(p) == likely)
		try_document(s, p);
}

static Sekisho__Report *report_new(struct arena *a)
{
	Sekisho__Report *r = arena_new(a, Sekisho__Report);
	if (r)
		sekisho__report__init(r);
	return r;
}

enum result report_read(
    struct slice message, const Sekisho__Facts *facts, struct arena *a, Sekisho__Report **out)
{
	struct search s = {message, a, report_new(a)};
	if (!s.out)
		return FULL;
	if (facts->root) {
		look(&s, facts->root, true);
		if (!s.out->kind && !*s.out->why)
			look(&s, facts->root, false);
	}
	*out = s.out;
	return arena_full(a) ? FULL : OK;
}

enum result report_read_file(struct slice octets, struct arena *a, Sekisho__Report **out)
{
	struct intake in;
	enum result r = OK;
	*out = report_new(a);
	if (!*out)
		return FULL;
	intake_start(&in, a);
	while (octets.n && r == OK) {
		struct slice piece = slice_sub(octets, 0, 65536);
		octets = slice_sub(octets, piece.n, octets.n);
		r = unpack_put(in.unpack, piece);
	}
	intake_end(&in, r, *out);
	intake_free(&in);
	return arena_full(a) ? FULL : OK;
}
