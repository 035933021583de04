#include "facts.h"
#include "facts_part.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "utf8.h"
#include <openssl/sha.h>

#define BIT(name) MAIL_DEFECT_BIT(MAIL_DEFECT_##name)
#define PREVIEW_OCTETS ((size_t)2048) /* of a text's body, looked at for the preview */
#define PREVIEW_HTML ((size_t)16384)  /* of an HTML one, which begins with styles */
#define PREVIEW_CHARS 256
#define HEADER_KEPT 8192
#define REFERENCES 100

/* The part whose text stands for the message: plain text first, HTML else; no attachments, no embedded messages. */
static const struct mail_part *text_part(const struct mail_part *part)
{
	const struct mail_part *html = NULL;
	for (const struct mail_part *p = part; p; p = mail_part_after(p)) {
		if (!slice_eq(p->type, SLICE("text")) || mail_part_is_attachment(p) || p->body_length == 0)
			continue;
		if (!slice_eq(p->subtype, SLICE("html")))
			return p;
		html = html ? html : p;
	}
	return html;
}

/* Runs of white space become one space; stops after PREVIEW_CHARS characters. */
static char *preview_squeeze(struct slice text, struct arena *a)
{
	BUF_LOCAL(out, PREVIEW_CHARS * 4);
	bool space = false;
	for (size_t chars = 0; text.n && chars < PREVIEW_CHARS;) {
		bool ok;
		uint32_t v = mail_utf8_take(&text, &ok);
		if (v <= 32 || v == 127 || v == 0xa0 || v == 0x3000 || v == 0xfeff || v == 0x200b) {
			space = out.n > 0;
			continue;
		}
		if (space) {
			buf_putc(&out, ' ');
			chars++;
		}
		space = false;
		mail_utf8_put(&out, v);
		chars++;
	}
	return facts_string(a, buf_slice(&out));
}

/* The start of a long text, cut where no character is torn: behind a line, else between two characters of UTF-8. */
static struct slice start_cut(struct slice s, size_t most)
{
	if (s.n <= most)
		return s;
	ptrdiff_t at = slice_rfind(slice_sub(s, 0, most), '\n');
	return at > (ptrdiff_t)most / 2 ? slice_sub(s, 0, (size_t)at + 1) : mail_utf8_cut(s, most);
}

static char *preview_make(const struct mail_part *root, struct arena *a, mail_defects *d)
{
	const struct mail_part *p = text_part(root);
	if (!p)
		return facts_string(a, SLICE_NONE);
	bool html = slice_eq(p->subtype, SLICE("html"));
	size_t most = html ? PREVIEW_HTML : PREVIEW_OCTETS;
	BUF_LOCAL(octets, most + 4);
	mail_transfer_put(p->encoding, slice_sub(mail_part_body(p), 0, most * 4), &octets);
	struct slice seen = start_cut(buf_slice(&octets), most);
	BUF_LOCAL(text, most * 4);
	struct mail_charset cs;
	if (p->charset.n && !mail_charset_find(p->charset, &cs))
		*d |= BIT(charset_unknown);
	if (mail_text_decode(p->charset, seen, &text))
		*d |= BIT(charset_malformed);
	if (!html)
		return preview_squeeze(buf_slice(&text), a);
	BUF_LOCAL(plain, most * 4);
	mail_html_text(buf_slice(&text), &plain);
	return preview_squeeze(buf_slice(&plain), a);
}

struct slice mail_id_take(struct slice *rest)
{
	for (;;) {
		*rest = slice_trim(*rest);
		if (rest->n == 0)
			return SLICE_NONE;
		ptrdiff_t end = rest->p[0] == '<' ? slice_find(*rest, '>') : -1;
		if (end > 0) {
			struct slice id = slice_sub(*rest, 1, (size_t)end - 1);
			*rest = slice_sub(*rest, (size_t)end + 1, rest->n);
			return id;
		}
		size_t n = 1;
		while (n < rest->n && rest->p[n] > ' ' && rest->p[n] != '<')
			n++;
		struct slice word = slice_sub(*rest, 0, n);
		*rest = slice_sub(*rest, n, rest->n);
		if (slice_find(word, '@') > 0)
			return word;
	}
}

static void references_add(struct slice value, struct arena *a, Sekisho__Facts *f)
{
	struct slice rest = mail_unfold(slice_sub(value, 0, LIMIT_HEADER_FIELD), a);
	if (!f->references)
		f->references = arena_array(a, REFERENCES, sizeof *f->references);
	while (f->references && f->n_references < REFERENCES) {
		struct slice id = mail_id_take(&rest);
		if (id.n == 0)
			return;
		bool known = false;
		for (size_t i = 0; i < f->n_references; i++)
			known |= slice_eq(id, slice_str(f->references[i]));
		if (!known)
			f->references[f->n_references++] = facts_string(a, id);
	}
}

static void date_set(struct slice value, Sekisho__Facts *f, mail_defects *d)
{
	struct mail_date date;
	if (mail_date_parse(value, &date) == OK)
		f->date_ms = date.ms;
	else
		*d |= BIT(date_malformed);
}

/* Fields that stand for something of their own; `seen` holds a bit for each that may stand once. */
static void top_field(
    const struct mail_field *field, struct arena *a, Sekisho__Facts *f, unsigned *seen, mail_defects *d)
{
	static const struct slice names[] = {SLICE("Date"), SLICE("From"), SLICE("Subject"),
	    SLICE("Message-ID"), SLICE("References"), SLICE("In-Reply-To"), SLICE("Received"),
	    SLICE("Auto-Submitted"), SLICE("Precedence"), SLICE("MIME-Version"), SLICE("To"), SLICE("Cc"),
	    SLICE("Sender"), SLICE("Reply-To"), SLICE("TLS-Required")};
	enum { DATE, FROM, SUBJECT, ID, REFS, REPLY, RECEIVED, AUTO, PRECEDENCE, VERSION, TLS_REQUIRED = 14 };
	size_t k = 0;
	while (k < COUNT(names) && !slice_ieq(field->name, names[k]))
		k++;
	if (k == COUNT(names))
		return;
	bool again = *seen & 1u << k;
	*seen |= 1u << k;
	if (k == RECEIVED) {
		f->hops++;
		return;
	}
	*d |= again ? BIT(field_duplicate) : 0;
	if (k == REFS || k == REPLY)
		references_add(field->value, a, f);
	struct slice value = slice_trim(slice_sub(field->value, 0, LIMIT_HEADER_FIELD));
	if (k == DATE)
		date_set(value, f, d);
	else if (k == SUBJECT)
		f->subject = facts_string(a, facts_words(a, value, d));
	else if (k == ID)
		f->message_id = facts_string(a, mail_id_take(&value));
	else if (k == AUTO)
		f->auto_submitted =
		    !slice_istarts(value, SLICE("no")) || (value.n > 2 && ascii_alpha(value.p[2]));
	else if (k == PRECEDENCE)
		f->precedence = facts_string(a, value);
	else if (k == VERSION && !slice_starts(value, SLICE("1.0")))
		*d |= BIT(mime_version_odd);
	else if (k == TLS_REQUIRED) /* RFC 8689 3: once */
		f->tls_optional = !again && slice_ieq(value, SLICE("No"));
}

static void top_fields(const struct mail_part *root, struct arena *a, Sekisho__Facts *f, mail_defects *d)
{
	unsigned seen = 0;
	for (size_t i = 0; i < root->field_count; i++)
		top_field(&root->fields[i], a, f, &seen, d);
	bool mime = root->content.type.n || root->encoding_raw.n;
	if (mime && !(seen & 1u << 9))
		*d |= BIT(mime_version_odd);
	const Sekisho__Envelope *e = f->root ? f->root->envelope : NULL;
	if (!e || e->n_from == 0 || e->from[0]->domain.len == 0)
		*d |= BIT(from_missing);
}

static void defects_list(mail_defects d, struct arena *a, Sekisho__Facts *f)
{
	f->defects = arena_array(a, MAIL_DEFECTS, sizeof *f->defects);
	for (unsigned k = 0; f->defects && k < MAIL_DEFECTS; k++)
		if (d & MAIL_DEFECT_BIT(k))
			f->defects[f->n_defects++] = (char *)(uintptr_t)mail_defect_name(k);
}

static void digest_set(struct slice message, struct arena *a, Sekisho__Facts *f)
{
	unsigned char *digest = arena_alloc(a, SHA256_DIGEST_LENGTH);
	if (!digest)
		return;
	SHA256((const unsigned char *)message.p, message.n, digest);
	f->digest = (ProtobufCBinaryData){.len = SHA256_DIGEST_LENGTH, .data = digest};
}

enum result mail_facts_extract(struct slice message, struct arena *a, Sekisho__Facts **out)
{
	Sekisho__Facts *f = arena_new(a, Sekisho__Facts);
	struct mail_mime mime;
	mail_mime_parse(message, (struct mail_mime_options){0}, a, &mime);
	if (!f || !mime.root)
		return FULL;
	sekisho__facts__init(f);
	mail_defects d = mime.defects;
	f->version = MAIL_FACTS_VERSION;
	f->size = message.n;
	digest_set(message, a, f);
	f->root = facts_part(mime.root, a, &d);
	f->has_8bit_header = mime.header_8bit;
	f->has_8bit = mime.body_8bit;
	f->has_binary = (d & (BIT(body_nul) | BIT(header_bare_cr) | BIT(body_bare_cr) | BIT(bare_lf) |
				 BIT(line_too_long))) != 0;
	top_fields(mime.root, a, f, &d);
	f->preview = preview_make(mime.root, a, &d);
	if (mime.root->header_length <= HEADER_KEPT)
		f->header = facts_bytes(slice_sub(message, 0, mime.root->header_length));
	defects_list(d, a, f);
	*out = f;
	return mime.full || arena_full(a) ? FULL : OK;
}
