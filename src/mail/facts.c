#include "facts.h"
#include "facts_part.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "utf8.h"
#include <openssl/sha.h>

#define BIT(name) MAIL_DEFECT_BIT(MAIL_DEFECT_##name)
#define PREVIEW_OCTETS 8192 /* of a text's body, looked at for the preview */
#define PREVIEW_CHARS 256
#define HEADER_KEPT 8192
#define REFERENCES 100

/* What kinds of octets there are. The loops are written so that the compiler can use vectors. */
struct octets {
	bool high, nul, bare_cr, bare_lf;
};

static struct octets octets_look(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char high = 0, nul = 0;
	size_t cr = 0, lf = 0, pairs = 0;
	for (size_t i = 0; i < s.n;) {
		size_t end = MIN(i + 128, s.n); /* so that counts fit an octet */
		unsigned char block_cr = 0, block_lf = 0, block_pairs = 0;
		for (size_t k = i; k < end; k++) {
			high |= p[k];
			nul |= p[k] == 0;
			block_cr = (unsigned char)(block_cr + (p[k] == '\r'));
			block_lf = (unsigned char)(block_lf + (p[k] == '\n'));
		}
		for (size_t k = MAX(i, (size_t)1); k < end; k++)
			block_pairs = (unsigned char)(block_pairs + ((p[k] == '\n') & (p[k - 1] == '\r')));
		cr += block_cr;
		lf += block_lf;
		pairs += block_pairs;
		i = end;
	}
	return (struct octets){
	    .high = high > 127, .nul = nul != 0, .bare_cr = cr > pairs, .bare_lf = lf > pairs};
}

static void octets_note(
    struct slice message, const struct mail_part *root, Sekisho__Facts *f, mail_defects *d)
{
	struct octets header = octets_look(slice_sub(message, 0, root->body_offset));
	struct octets body = octets_look(slice_sub(message, root->body_offset, message.n));
	f->has_8bit_header = header.high;
	f->has_8bit = body.high;
	*d |= header.nul || body.nul ? BIT(body_nul) : 0;
	*d |= header.bare_cr ? BIT(header_bare_cr) : 0;
	*d |= body.bare_cr ? BIT(body_bare_cr) : 0;
	*d |= header.bare_lf || body.bare_lf ? BIT(bare_lf) : 0;
	f->has_binary = header.nul || body.nul || header.bare_cr || body.bare_cr || header.bare_lf ||
			body.bare_lf || (*d & BIT(line_too_long));
}

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

static char *preview_make(const struct mail_part *root, struct arena *a, mail_defects *d)
{
	const struct mail_part *p = text_part(root);
	if (!p)
		return facts_string(a, SLICE_NONE);
	BUF_LOCAL(octets, PREVIEW_OCTETS);
	mail_transfer_put(p->encoding, slice_sub(mail_part_body(p), 0, PREVIEW_OCTETS), &octets);
	struct slice seen = buf_slice(&octets);
	BUF_LOCAL(text, PREVIEW_OCTETS * 4);
	struct mail_charset cs;
	if (p->charset.n && !mail_charset_find(p->charset, &cs))
		*d |= BIT(charset_unknown);
	if (mail_text_decode(p->charset, seen, &text) && p->body_length <= PREVIEW_OCTETS)
		*d |= BIT(charset_malformed);
	if (!slice_eq(p->subtype, SLICE("html")))
		return preview_squeeze(buf_slice(&text), a);
	BUF_LOCAL(plain, PREVIEW_OCTETS * 4);
	mail_html_text(buf_slice(&text), &plain);
	return preview_squeeze(buf_slice(&plain), a);
}

/* The next "<id>" of a value, without its brackets; a bare word with an "@" counts too. */
static struct slice id_take(struct slice *rest)
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
		struct slice id = id_take(&rest);
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
	    SLICE("Sender"), SLICE("Reply-To")};
	enum { DATE, FROM, SUBJECT, ID, REFS, REPLY, RECEIVED, AUTO, PRECEDENCE, VERSION };
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
	if (again)
		return;
	struct slice value = slice_trim(slice_sub(field->value, 0, LIMIT_HEADER_FIELD));
	if (k == DATE)
		date_set(value, f, d);
	else if (k == SUBJECT)
		f->subject = facts_string(a, facts_words(a, value, d));
	else if (k == ID)
		f->message_id = facts_string(a, id_take(&value));
	else if (k == AUTO)
		f->auto_submitted =
		    !slice_istarts(value, SLICE("no")) || (value.n > 2 && ascii_alpha(value.p[2]));
	else if (k == PRECEDENCE)
		f->precedence = facts_string(a, value);
	else if (k == VERSION && !slice_starts(value, SLICE("1.0")))
		*d |= BIT(mime_version_odd);
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
	octets_note(message, mime.root, f, &d);
	top_fields(mime.root, a, f, &d);
	f->preview = preview_make(mime.root, a, &d);
	if (mime.root->header_length <= HEADER_KEPT)
		f->header = facts_bytes(slice_sub(message, 0, mime.root->header_length));
	defects_list(d, a, f);
	*out = f;
	return mime.full || arena_full(a) ? FULL : OK;
}
