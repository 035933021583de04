/* explain: what the parser and the facts say, as JSON for people and tests. */
#include "facts.h"
#include "mail/charset.h"
#include "utf8.h"
#include <openssl/evp.h>

/* A JSON string; malformed UTF-8 becomes U+FFFD. */
static void string_put(struct buf *b, struct slice s)
{
	buf_putc(b, '"');
	while (s.n) {
		bool ok;
		uint32_t v = mail_utf8_take(&s, &ok);
		if (v == '"' || v == '\\')
			buf_printf(b, "\\%c", (char)v);
		else if (v < 32 || v == 127)
			buf_printf(b, "\\u%04x", (unsigned)v);
		else
			mail_utf8_put(b, v);
	}
	buf_putc(b, '"');
}

/* Parts what follows from what stands before it in the same list or object. */
static void comma(struct buf *b)
{
	if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
		buf_putc(b, ',');
}

static void member(struct buf *b, const char *name)
{
	comma(b);
	buf_printf(b, "\"%s\":", name);
}

static void member_string(struct buf *b, const char *name, struct slice s)
{
	member(b, name);
	string_put(b, s);
}

static void defects_put(struct buf *b, mail_defects d)
{
	member(b, "defects");
	buf_putc(b, '[');
	for (unsigned k = 0; k < MAIL_DEFECTS; k++) {
		if (!(d & MAIL_DEFECT_BIT(k)))
			continue;
		comma(b);
		string_put(b, slice_str(mail_defect_name(k)));
	}
	buf_putc(b, ']');
}

static void params_put(struct buf *b, const char *name, const struct mail_value *v)
{
	member(b, name);
	buf_putc(b, '{');
	for (const struct mail_param *p = v->params; p; p = p->next) {
		comma(b);
		string_put(b, p->name);
		buf_putc(b, ':');
		string_put(b, p->text);
	}
	buf_putc(b, '}');
}

struct hash {
	EVP_MD_CTX *md;
	uint64_t n;
};

static enum result hash_sink(void *ctx, struct slice piece)
{
	struct hash *h = ctx;
	h->n += piece.n;
	return EVP_DigestUpdate(h->md, piece.p, piece.n) == 1 ? OK : STOP;
}

static void leaf_put(struct buf *b, const struct mail_part *p)
{
	struct hash h = {.md = EVP_MD_CTX_new()};
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!h.md || EVP_DigestInit_ex(h.md, EVP_sha256(), NULL) != 1)
		abort();
	mail_transfer_decode(p->encoding, mail_part_body(p), hash_sink, &h);
	EVP_DigestFinal_ex(h.md, digest, &len);
	EVP_MD_CTX_free(h.md);
	member(b, "size");
	buf_printf(b, "%llu", (unsigned long long)h.n);
	member(b, "sha256");
	buf_putc(b, '"');
	buf_hex(b, slice_of(digest, len));
	buf_putc(b, '"');
	if (!slice_eq(p->type, SLICE("text")))
		return;
	BUF_LOCAL(octets, p->body_length);
	mail_transfer_put(p->encoding, mail_part_body(p), &octets);
	BUF_LOCAL(text, octets.n * 4 + 4);
	mail_text_decode(p->charset, buf_slice(&octets), &text);
	member_string(b, "text", buf_slice(&text));
}

static void fields_put(struct buf *b, const struct mail_part *p)
{
	member(b, "header");
	buf_putc(b, '[');
	for (size_t i = 0; i < p->field_count; i++) {
		BUF_LOCAL(text, p->fields[i].value.n * 4 + 16);
		mail_words_decode(slice_sub(p->fields[i].value, 0, LIMIT_HEADER_FIELD), &text);
		comma(b);
		buf_putc(b, '[');
		string_put(b, p->fields[i].name);
		buf_putc(b, ',');
		string_put(b, buf_slice(&text));
		buf_putc(b, ']');
	}
	buf_putc(b, ']');
}

static void part_put(struct buf *b, const struct mail_part *p)
{
	buf_putc(b, '{');
	BUF_LOCAL(type, p->type.n + p->subtype.n + 1);
	buf_put(&type, p->type);
	buf_putc(&type, '/');
	buf_put(&type, p->subtype);
	member_string(b, "type", buf_slice(&type));
	params_put(b, "params", &p->content);
	member_string(b, "disposition", p->disposition.type);
	params_put(b, "disposition_params", &p->disposition);
	member_string(b, "encoding", p->encoding_raw);
	member_string(b, "charset", p->charset);
	member_string(b, "file_name", p->file_name);
	member(b, "attachment");
	buf_puts(b, mail_part_is_attachment(p) ? "true" : "false");
	const size_t offsets[] = {
	    p->header_offset, p->header_length, p->body_offset, p->body_length, p->lines};
	const char *const names[] = {"header_offset", "header_length", "body_offset", "body_length", "lines"};
	for (size_t i = 0; i < COUNT(offsets); i++) {
		member(b, names[i]);
		buf_printf(b, "%zu", offsets[i]);
	}
	if (p->root)
		fields_put(b, p);
	defects_put(b, p->defects);
	if (p->first || p->multipart) {
		member(b, "parts");
		buf_putc(b, '[');
		for (const struct mail_part *c = p->first; c; c = c->next) {
			comma(b);
			part_put(b, c);
		}
		buf_putc(b, ']');
	} else {
		leaf_put(b, p);
	}
	buf_putc(b, '}');
}

enum result mail_explain_json(struct slice message, struct buf *out)
{
	ARENA_LOCAL(a, message.n * 4 + (size_t)64 * 1024 * 1024);
	struct mail_mime mime;
	mail_mime_parse(message, (struct mail_mime_options){.decode_messages = true}, &a, &mime);
	if (!mime.root)
		return FULL;
	buf_putc(out, '{');
	member(out, "size");
	buf_printf(out, "%zu", message.n);
	member(out, "parts");
	buf_printf(out, "%zu", mime.parts);
	defects_put(out, mime.defects);
	member(out, "root");
	part_put(out, mime.root);
	buf_putc(out, '}');
	return mime.full ? FULL : buf_result(out);
}

static void message_json(struct buf *b, const ProtobufCMessage *m);

static void integer_json(struct buf *b, const ProtobufCFieldDescriptor *f, const void *at)
{
	uint32_t small;
	uint64_t large;
	memcpy(&small, at, sizeof small);
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		buf_puts(b, small ? "true" : "false");
		return;
	case PROTOBUF_C_TYPE_UINT32:
		buf_printf(b, "%u", small);
		return;
	default:
		memcpy(&large, at, sizeof large);
		if (f->type == PROTOBUF_C_TYPE_INT64)
			buf_printf(b, "%lld", (long long)large);
		else
			buf_printf(b, "%llu", (unsigned long long)large);
	}
}

/* One value of the type; `at` is where it stands in the struct. */
static void value_json(struct buf *b, const ProtobufCFieldDescriptor *f, const void *at)
{
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *z;
		memcpy(&z, at, sizeof z);
		string_put(b, slice_str(z));
	} else if (f->type == PROTOBUF_C_TYPE_BYTES) {
		ProtobufCBinaryData bytes;
		memcpy(&bytes, at, sizeof bytes);
		struct slice s = slice_of(bytes.data, bytes.len);
		if (slice_eq(slice_str(f->name), SLICE("digest"))) {
			buf_putc(b, '"');
			buf_hex(b, s);
			buf_putc(b, '"');
		} else {
			string_put(b, s);
		}
	} else if (f->type == PROTOBUF_C_TYPE_ENUM) {
		int v;
		memcpy(&v, at, sizeof v);
		const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(f->descriptor, v);
		string_put(b, slice_str(e ? e->name : "?"));
	} else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *m;
		memcpy(&m, at, sizeof m);
		message_json(b, m);
	} else {
		integer_json(b, f, at);
	}
}

static void list_json(struct buf *b, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	size_t n;
	const char *list;
	memcpy(&n, (const char *)m + f->quantifier_offset, sizeof n);
	memcpy(&list, (const char *)m + f->offset, sizeof list);
	buf_putc(b, '[');
	for (size_t i = 0; i < n; i++) { /* facts repeat strings and messages only: pointers both */
		comma(b);
		value_json(b, f, list + i * sizeof(void *));
	}
	buf_putc(b, ']');
}

static void message_json(struct buf *b, const ProtobufCMessage *m)
{
	buf_putc(b, '{');
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *at = (const char *)m + f->offset, *p = NULL;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			memcpy(&p, at, sizeof p);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && !p)
			continue;
		member(b, f->name);
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			list_json(b, m, f);
		else
			value_json(b, f, at);
	}
	buf_putc(b, '}');
}

void mail_explain_facts_json(const Sekisho__Facts *facts, struct buf *out)
{
	message_json(out, &facts->base);
}
