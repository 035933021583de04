#include "inspect/doc.h"
#include "inspect/file.h"
#include "mail/charset.h"

#define PIECE_MOST ((size_t)32 << 20) /* of one part, decoded: more than a doc can hold */

struct doc {
	struct slice message;
	unsigned want;
	struct buf *out;
	struct inspect_budget budget;
};

/* ---- fields ---- */

bool inspect_field_is_trace(struct slice name)
{
	static const struct slice whole[] = {SLICE("Received"), SLICE("DKIM-Signature"),
	    SLICE("DomainKey-Signature"), SLICE("X-Received"), SLICE("X-Gm-Message-State")};
	static const struct slice starts[] = {SLICE("ARC-"), SLICE("X-Google-"), SLICE("X-MS-Exchange-"),
	    SLICE("X-Microsoft-"), SLICE("X-Forefront-")};
	for (size_t i = 0; i < COUNT(whole); i++)
		if (slice_ieq(name, whole[i]))
			return true;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (slice_istarts(name, starts[i]))
			return true;
	return false;
}

static void put_piece(struct doc *d, enum inspect_piece kind, struct slice text)
{
	buf_putc(d->out, (char)kind);
	mail_text_fold(text, d->out);
}

static void put_field(struct doc *d, enum inspect_piece kind, const Sekisho__Field *f)
{
	struct slice all = slice_sub(d->message, f->offset, MIN(f->length, (uint32_t)LIMIT_HEADER_FIELD));
	ptrdiff_t colon = slice_find(all, ':');
	BUF_LOCAL(value, all.n * 4 + 16);
	BUF_LOCAL(whole, all.n * 5 + 300);
	mail_words_decode(slice_sub(all, (size_t)(colon + 1), all.n), &value);
	buf_puts(&whole, f->name);
	buf_puts(&whole, ": ");
	buf_put(&whole, slice_trim(buf_slice(&value)));
	put_piece(d, kind, buf_slice(&whole));
}

static void put_address(struct buf *b, const Sekisho__Address *a)
{
	if (a->kind == SEKISHO__ADDRESS__KIND__GROUP_END) {
		buf_puts(b, ";");
		return;
	}
	buf_puts(b, b->n && b->p[b->n - 1] != ' ' ? ", " : "");
	if (a->name_text[0])
		buf_puts(b, a->name_text);
	else
		buf_put(b, slice_of(a->name.data, a->name.len));
	if (a->kind == SEKISHO__ADDRESS__KIND__GROUP_START) {
		buf_puts(b, ": ");
		return;
	}
	buf_puts(b, " <");
	buf_put(b, slice_of(a->local.data, a->local.len));
	buf_puts(b, "@");
	buf_put(b, slice_of(a->domain.data, a->domain.len));
	buf_puts(b, ">");
}

static void put_addresses(struct doc *d, const char *name, Sekisho__Address *const *v, size_t n)
{
	if (!n)
		return;
	BUF_LOCAL(text, LIMIT_HEADER_BYTES);
	buf_puts(&text, name);
	buf_puts(&text, ": ");
	for (size_t i = 0; i < n; i++)
		put_address(&text, v[i]);
	put_piece(d, INSPECT_ADDRESS, buf_slice(&text));
}

static void put_envelope(struct doc *d, const Sekisho__Envelope *e)
{
	put_addresses(d, "from", e->from, e->n_from);
	put_addresses(d, "to", e->to, e->n_to);
	put_addresses(d, "cc", e->cc, e->n_cc);
	put_addresses(d, "bcc", e->bcc, e->n_bcc);
}

static void put_header(struct doc *d, const Sekisho__Part *root)
{
	for (size_t i = 0; i < root->n_fields; i++) {
		const Sekisho__Field *f = root->fields[i];
		bool trace = inspect_field_is_trace(slice_str(f->name));
		if (!trace)
			put_field(d, INSPECT_FIELD, f);
		else if (d->want & INSPECT_WANT_TRACE)
			put_field(d, INSPECT_TRACE, f);
	}
	if (root->envelope)
		put_envelope(d, root->envelope);
}

/* ---- body ---- */

static void put_text_part(struct doc *d, const Sekisho__Part *part)
{
	BUF_LOCAL(text, PIECE_MOST);
	if (slice_eq(slice_str(part->subtype), SLICE("html"))) {
		BUF_LOCAL(octets, MIN(part->body_length, PIECE_MOST));
		BUF_LOCAL(html, PIECE_MOST);
		mail_facts_octets(d->message, part, &octets);
		mail_text_decode(slice_str(part->charset), buf_slice(&octets), &html);
		inspect_html_text(&d->budget, buf_slice(&html), &text);
	} else {
		mail_facts_text(d->message, part, &text);
	}
	put_piece(d, INSPECT_BODY, buf_slice(&text));
}

static void put_attachment(struct doc *d, const Sekisho__Part *part)
{
	struct inspect_file f = {.name = slice_str(part->file_name),
	    .type = slice_str(part->type),
	    .subtype = slice_str(part->subtype)};
	if (!inspect_file_may_have_text(&f))
		return;
	BUF_LOCAL(octets, MIN(part->body_length, (uint64_t)LIMIT_MESSAGE_MOST));
	BUF_LOCAL(text, PIECE_MOST);
	mail_facts_octets(d->message, part, &octets);
	f.octets = buf_slice(&octets);
	inspect_file_text(&d->budget, &f, &text);
	if (text.over)
		d->budget.notes |= INSPECT_CUT;
	put_piece(d, INSPECT_FILE, buf_slice(&text));
}

static void put_part(struct doc *d, const Sekisho__Part *part, bool top)
{
	if (d->out->over)
		return;
	if (!top && part->envelope)
		for (size_t i = 0; i < part->n_fields; i++)
			if (!inspect_field_is_trace(slice_str(part->fields[i]->name)))
				put_field(d, INSPECT_BODY, part->fields[i]);
	if (part->file_name[0])
		put_piece(d, INSPECT_FILE, slice_str(part->file_name));
	for (size_t i = 0; i < part->n_parts; i++)
		put_part(d, part->parts[i], false);
	if (part->n_parts)
		return;
	if (slice_eq(slice_str(part->type), SLICE("text")))
		put_text_part(d, part);
	else if (d->want & INSPECT_WANT_ATTACHMENTS)
		put_attachment(d, part);
}

void inspect_doc_make(
    struct slice message, const Sekisho__Facts *facts, unsigned want, struct buf *out, unsigned *notes_out)
{
	struct doc d = {.message = message, .want = want, .out = out};
	inspect_budget_start(&d.budget);
	if (facts->root) {
		put_header(&d, facts->root);
		if (want & INSPECT_WANT_BODY)
			put_part(&d, facts->root, true);
	}
	*notes_out = d.budget.notes | (out->over ? INSPECT_CUT : 0u);
}

/* ---- from facts ---- */

static void put_names(struct doc *d, const Sekisho__Part *part)
{
	if (part->file_name[0])
		put_piece(d, INSPECT_FILE, slice_str(part->file_name));
	for (size_t i = 0; i < part->n_parts; i++)
		put_names(d, part->parts[i]);
}

void inspect_doc_of_facts(const Sekisho__Facts *facts, struct buf *out)
{
	struct doc d = {.out = out};
	const Sekisho__Envelope *e = facts->root ? facts->root->envelope : NULL;
	BUF_LOCAL(field, LIMIT_HEADER_BYTES);
	buf_printf(&field, "subject: %s", facts->subject);
	put_piece(&d, INSPECT_FIELD, buf_slice(&field));
	if (e) {
		buf_clear(&field);
		buf_puts(&field, "message-id: ");
		buf_put(&field, slice_of(e->message_id.data, e->message_id.len));
		put_piece(&d, INSPECT_FIELD, buf_slice(&field));
		put_envelope(&d, e);
	}
	put_piece(&d, INSPECT_BODY, slice_str(facts->preview));
	if (facts->root)
		put_names(&d, facts->root);
}

/* ---- matching ---- */

bool inspect_doc_next(struct slice *rest, enum inspect_piece *kind_out, struct slice *text_out)
{
	while (rest->n &&
	       ((unsigned char)rest->p[0] < INSPECT_FIELD || (unsigned char)rest->p[0] > INSPECT_FILE))
		*rest = slice_sub(*rest, 1, rest->n);
	if (!rest->n)
		return false;
	size_t n = 1;
	*kind_out = (enum inspect_piece)rest->p[0];
	if (*kind_out >= INSPECT_BODY)
		while (n < rest->n && rest->p[n] != INSPECT_BODY && rest->p[n] != INSPECT_FILE)
			n++;
	else
		while (n < rest->n && (unsigned char)rest->p[n] >= ' ')
			n++;
	*text_out = slice_sub(*rest, 1, n - 1);
	*rest = slice_sub(*rest, n, rest->n);
	return true;
}

static bool field_matches(struct slice piece, const struct inspect_needle *n)
{
	if (piece.n < n->field.n + 2 || memcmp(piece.p, n->field.p, n->field.n) != 0 ||
	    memcmp(piece.p + n->field.n, ": ", 2) != 0)
		return false;
	return !n->text.n || slice_search(slice_sub(piece, n->field.n + 2, piece.n), n->text) >= 0;
}

static bool header_matches(struct slice doc, const struct inspect_needle *n)
{
	enum inspect_piece kind;
	struct slice piece;
	while (inspect_doc_next(&doc, &kind, &piece) && kind < INSPECT_BODY)
		if (field_matches(piece, n))
			return true;
	return false;
}

/* Where the body begins. */
static size_t body_at(struct slice doc)
{
	const char *at = doc.n ? memchr(doc.p, INSPECT_BODY, doc.n) : NULL;
	size_t n = at ? (size_t)(at - doc.p) : doc.n;
	at = n ? memchr(doc.p, INSPECT_FILE, n) : NULL;
	return at ? (size_t)(at - doc.p) : n;
}

static bool beside_trace(struct slice doc, struct slice text)
{
	enum inspect_piece kind;
	struct slice piece;
	while (inspect_doc_next(&doc, &kind, &piece))
		if (kind != INSPECT_TRACE && slice_search(piece, text) >= 0)
			return true;
	return false;
}

static bool file_matches(struct slice doc, struct slice text)
{
	enum inspect_piece kind;
	struct slice piece;
	while (inspect_doc_next(&doc, &kind, &piece))
		if (kind == INSPECT_FILE && slice_search(piece, text) >= 0)
			return true;
	return false;
}

bool inspect_doc_match(struct slice doc, const struct inspect_needle *n)
{
	if (n->where == INSPECT_IN_HEADER)
		return header_matches(doc, n);
	if (n->where == INSPECT_IN_FILE)
		return file_matches(doc, n->text);
	if (!n->text.n)
		return true;
	if (n->where == INSPECT_IN_BODY)
		doc = slice_sub(doc, body_at(doc), doc.n);
	if (slice_search(doc, n->text) < 0)
		return false;
	return !memchr(doc.p, INSPECT_TRACE, doc.n) || beside_trace(doc, n->text);
}
