/* bodystructure: BODY and BODYSTRUCTURE (RFC 3501 7.4.2, RFC 9051 7.5.2). Depth is limited by LIMIT_MIME_DEPTH in the facts. */
#include "fetch.h"

/*
 * Whether a value is still in RFC 2231's extended form, charset'language'octets: its name then keeps the asterisk
 * (RFC 2231 section 6). A plain value that only looks so decodes to itself.
 */
static bool is_extended(const Sekisho__Param *p)
{
	struct slice raw = imap_octets(p->raw);
	ptrdiff_t quote = slice_find(raw, '\'');
	if (quote < 0 || slice_find(slice_sub(raw, (size_t)quote + 1, raw.n), '\'') < 0)
		return false;
	return !slice_eq(raw, slice_str(p->text));
}

static void put_param(struct stream *out, const Sekisho__Param *p)
{
	BUF_LOCAL(name, LIMIT_HEADER_FIELD);
	buf_puts(&name, p->name);
	if (is_extended(p))
		buf_puts(&name, "*");
	imap_put_string(out, buf_slice(&name));
	stream_put(out, SLICE(" "));
	imap_put_string(out, imap_octets(p->raw));
}

static void put_params(struct stream *out, Sekisho__Param *const *v, size_t n)
{
	if (!n) {
		stream_put(out, SLICE("NIL"));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		stream_puts(out, i ? " " : "(");
		put_param(out, v[i]);
	}
	stream_put(out, SLICE(")"));
}

/* Of a leaf: a text without a charset is in US-ASCII (RFC 2045 5.2), and says so. */
static void put_leaf_params(struct stream *out, const Sekisho__Part *p)
{
	bool told = strcmp(p->type, "text") != 0;
	for (size_t i = 0; i < p->n_params; i++)
		told |= strcmp(p->params[i]->name, "charset") == 0;
	if (told) {
		put_params(out, p->params, p->n_params);
		return;
	}
	stream_put(out, SLICE("("));
	for (size_t i = 0; i < p->n_params; i++) {
		put_param(out, p->params[i]);
		stream_put(out, SLICE(" "));
	}
	stream_put(out, SLICE("\"charset\" \"us-ascii\")"));
}

static void put_disposition(struct stream *out, const Sekisho__Part *p)
{
	if (!p->disposition[0]) {
		stream_put(out, SLICE("NIL"));
		return;
	}
	stream_put(out, SLICE("("));
	imap_put_string(out, slice_str(p->disposition));
	stream_put(out, SLICE(" "));
	put_params(out, p->disposition_params, p->n_disposition_params);
	stream_put(out, SLICE(")"));
}

/* Always a list, as clients are used to, though the grammar lets one stand alone. */
static void put_languages(struct stream *out, const Sekisho__Part *p)
{
	if (p->n_language == 0)
		stream_put(out, SLICE("NIL"));
	for (size_t i = 0; i < p->n_language; i++) {
		stream_puts(out, i ? " " : "(");
		imap_put_string(out, slice_str(p->language[i]));
		if (i + 1 == p->n_language)
			stream_put(out, SLICE(")"));
	}
}

/* disposition, language, location: the end of both extended forms */
static void put_extension_end(struct stream *out, const Sekisho__Part *p)
{
	stream_put(out, SLICE(" "));
	put_disposition(out, p);
	stream_put(out, SLICE(" "));
	put_languages(out, p);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(p->location), p->has_location);
}

static void put_multipart(struct stream *out, const Sekisho__Part *p, enum imap_form form)
{
	for (size_t i = 0; i < p->n_parts; i++)
		imap_put_bodystructure(out, p->parts[i], form);
	if (!p->n_parts) { /* the grammar wants one: an empty text */
		stream_puts(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
		stream_puts(out, form & IMAP_EXTENDED ? " NIL NIL NIL NIL)" : ")");
	}
	stream_put(out, SLICE(" "));
	imap_put_string(out, slice_str(p->subtype));
	if (!(form & IMAP_EXTENDED))
		return;
	stream_put(out, SLICE(" "));
	put_params(out, p->params, p->n_params);
	put_extension_end(out, p);
}

static void put_fields(struct stream *out, const Sekisho__Part *p)
{
	imap_put_string(out, slice_str(p->type));
	stream_put(out, SLICE(" "));
	imap_put_string(out, slice_str(p->subtype));
	stream_put(out, SLICE(" "));
	put_leaf_params(out, p);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(p->id), p->has_id);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(p->description), p->has_description);
	stream_put(out, SLICE(" "));
	imap_put_string(out, slice_str(p->encoding));
	stream_put(out, SLICE(" "));
	imap_put_number(out, p->body_length);
}

static void put_leaf(struct stream *out, const Sekisho__Part *p, enum imap_form form)
{
	/* RFC 3501 shows message/global like any other leaf. */
	bool is_message = p->n_parts == 1 && strcmp(p->type, "message") == 0 &&
			  (strcmp(p->subtype, "rfc822") == 0 || form & IMAP_GLOBAL);
	put_fields(out, p);
	if (is_message) {
		stream_put(out, SLICE(" "));
		imap_put_envelope(out, p->parts[0]->envelope);
		stream_put(out, SLICE(" "));
		imap_put_bodystructure(out, p->parts[0], form);
	}
	if (is_message || strcmp(p->type, "text") == 0) {
		stream_put(out, SLICE(" "));
		imap_put_number(out, p->lines);
	}
	if (!(form & IMAP_EXTENDED))
		return;
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(p->md5), p->has_md5);
	put_extension_end(out, p);
}

void imap_put_bodystructure(struct stream *out, const Sekisho__Part *part, enum imap_form form)
{
	stream_put(out, SLICE("("));
	if (strcmp(part->type, "multipart") == 0)
		put_multipart(out, part, form);
	else
		put_leaf(out, part, form);
	stream_put(out, SLICE(")"));
}
