#include "facts_part.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "class.h"
#include "utf8.h"

char *facts_string(struct arena *a, struct slice s)
{
	if (s.n == 0)
		return (char *)(uintptr_t)protobuf_c_empty_string;
	bool nul = slice_find(s, 0) >= 0;
	if (!nul && (mail_ascii_run(s) == s.n || slice_is_utf8(s))) {
		char *z = arena_z(a, s);
		return z ? z : (char *)(uintptr_t)protobuf_c_empty_string;
	}
	BUF_LOCAL(clean, s.n * 3 + 4);
	while (s.n) {
		bool ok;
		uint32_t v = mail_utf8_take(&s, &ok);
		mail_utf8_put(&clean, v ? v : UTF8_BAD);
	}
	return facts_string(a, buf_slice(&clean));
}

struct slice facts_words(struct arena *a, struct slice raw, mail_defects *d)
{
	BUF_LOCAL(text, raw.n * 4 + 16);
	*d |= mail_words_decode(raw, &text);
	return arena_dup(a, buf_slice(&text));
}

static void params_make(const struct mail_value *v, struct arena *a, Sekisho__Param ***out, size_t *n_out)
{
	size_t n = 0;
	for (const struct mail_param *p = v->params; p; p = p->next)
		n++;
	Sekisho__Param **list = arena_array(a, n, sizeof *list);
	Sekisho__Param *items = arena_array(a, n, sizeof *items);
	if (n == 0 || !list || !items)
		return;
	*n_out = n;
	*out = list;
	for (const struct mail_param *p = v->params; p; p = p->next, items++) {
		sekisho__param__init(items);
		items->name = facts_string(a, p->name);
		items->raw = facts_bytes(p->raw);
		items->text = facts_string(a, p->text);
		items->extended = p->extended;
		*list++ = items;
	}
}

static Sekisho__Address *address_make(const struct mail_entry *e, struct arena *a, mail_defects *d)
{
	Sekisho__Address *out = arena_new(a, Sekisho__Address);
	if (!out)
		return NULL;
	sekisho__address__init(out);
	out->kind = e->kind == MAIL_ENTRY_MAILBOX       ? SEKISHO__ADDRESS__KIND__MAILBOX
		    : e->kind == MAIL_ENTRY_GROUP_START ? SEKISHO__ADDRESS__KIND__GROUP_START
							: SEKISHO__ADDRESS__KIND__GROUP_END;
	out->name = facts_bytes(e->name);
	out->route = facts_bytes(e->route);
	out->local = facts_bytes(e->local);
	out->domain = facts_bytes(e->domain);
	out->name_text = e->name.n ? facts_string(a, facts_words(a, e->name, d)) : out->name_text;
	if (e->broken)
		*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_addresses_malformed);
	return out;
}

/* Appends the addresses of one field; several fields of a name count as one list. */
static void addresses_add(
    struct slice value, struct arena *a, Sekisho__Address ***list, size_t *n, mail_defects *d)
{
	struct mail_entries entries;
	mail_entries_parse(slice_sub(value, 0, LIMIT_HEADER_FIELD), a, &entries);
	if (entries.cut)
		*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_addresses_too_many);
	Sekisho__Address **v = arena_array(a, *n + entries.count, sizeof *v);
	if (!v || entries.count == 0 || *n > LIMIT_ADDRESSES)
		return;
	if (*n)
		memcpy(v, *list, *n * sizeof *v);
	for (const struct mail_entry *e = entries.first; e; e = e->next) {
		v[*n] = address_make(e, a, d);
		if (!v[*n])
			break;
		++*n;
	}
	*list = v;
}

/* Of several fields of a name the last counts, as in other IMAP servers. */
static void text_set(struct slice value, struct arena *a, ProtobufCBinaryData *slot, protobuf_c_boolean *has)
{
	*has = true;
	value = slice_sub(value, 0, LIMIT_HEADER_FIELD);
	*slot = facts_bytes(mail_unfold_raw(value, a));
}

static void envelope_field(Sekisho__Envelope *e, const struct mail_field *f, struct arena *a, mail_defects *d)
{
#define ADDRESSES(word, member)                                                                              \
	if (slice_ieq(f->name, SLICE(word)))                                                                 \
	addresses_add(f->value, a, &e->member, &e->n_##member, d)
#define TEXT(word, member)                                                                                   \
	if (slice_ieq(f->name, SLICE(word)))                                                                 \
	text_set(f->value, a, &e->member, &e->has_##member)
	switch (f->name.n ? ascii_lower(f->name.p[0]) : 0) {
	case 'd':
		TEXT("Date", date);
		break;
	case 's':
		TEXT("Subject", subject);
		ADDRESSES("Sender", sender);
		break;
	case 'f':
		ADDRESSES("From", from);
		break;
	case 'r':
		ADDRESSES("Reply-To", reply_to);
		break;
	case 't':
		ADDRESSES("To", to);
		break;
	case 'c':
		ADDRESSES("Cc", cc);
		break;
	case 'b':
		ADDRESSES("Bcc", bcc);
		break;
	case 'i':
		TEXT("In-Reply-To", in_reply_to);
		break;
	case 'm':
		TEXT("Message-ID", message_id);
		break;
	default:
		break;
	}
#undef ADDRESSES
#undef TEXT
}

/* The envelope and the list of fields of a root. */
static void root_make(const struct mail_part *part, struct arena *a, Sekisho__Part *out, mail_defects *d)
{
	Sekisho__Envelope *e = arena_new(a, Sekisho__Envelope);
	Sekisho__Field **list = arena_array(a, part->field_count, sizeof *list);
	Sekisho__Field *items = arena_array(a, part->field_count, sizeof *items);
	if (!e || !list || !items)
		return;
	sekisho__envelope__init(e);
	for (size_t i = 0; i < part->field_count; i++) {
		const struct mail_field *f = &part->fields[i];
		sekisho__field__init(&items[i]);
		items[i].name = facts_string(a, f->name);
		items[i].offset = (uint64_t)(f->all.p - part->octets.p);
		items[i].length = (uint32_t)MIN(f->all.n, (size_t)UINT32_MAX);
		list[i] = &items[i];
		envelope_field(e, f, a, d);
	}
	out->envelope = e;
	out->fields = list;
	out->n_fields = part->field_count;
}

/* Content-Language: tags parted by commas. */
static void languages_make(struct slice raw, struct arena *a, Sekisho__Part *out)
{
	size_t most = 1;
	for (size_t i = 0; i < raw.n; i++)
		most += raw.p[i] == ',';
	out->language = arena_array(a, MIN(most, (size_t)LIMIT_MIME_PARAMS), sizeof *out->language);
	while (out->language && raw.n && out->n_language < LIMIT_MIME_PARAMS) {
		struct slice tag = slice_trim(slice_split(&raw, ','));
		if (tag.n)
			out->language[out->n_language++] = facts_string(a, tag);
	}
}

static char *encoding_name(const struct mail_part *part, struct arena *a)
{
	struct slice raw = part->encoding_raw;
	size_t n = 0;
	while (n < raw.n && mail_is(raw.p[n], MAIL_TOKEN))
		n++;
	if (n == 0)
		return facts_string(a, SLICE("7bit"));
	char *z = facts_string(a, slice_sub(raw, 0, n));
	for (size_t i = 0; i < n; i++)
		z[i] = ascii_lower(z[i]);
	return z;
}

static void leaf_values(const struct mail_part *part, struct arena *a, Sekisho__Part *out)
{
	out->id = facts_bytes(part->id);
	out->has_id = part->id.p != NULL;
	out->description = facts_bytes(part->description);
	out->has_description = part->description.p != NULL;
	out->md5 = facts_bytes(part->md5);
	out->has_md5 = part->md5.p != NULL;
	out->location = facts_bytes(part->location);
	out->has_location = part->location.p != NULL;
	if (part->language.n)
		languages_make(part->language, a, out);
	out->file_name = facts_string(a, part->file_name);
	out->charset = facts_string(a, part->charset);
	out->attachment = mail_part_is_attachment(part);
}

static void children_make(const struct mail_part *part, struct arena *a, Sekisho__Part *out, mail_defects *d)
{
	out->parts = arena_array(a, part->children, sizeof *out->parts);
	if (!out->parts)
		return;
	for (const struct mail_part *c = part->first; c; c = c->next) {
		Sekisho__Part *child = facts_part(c, a, d);
		if (!child)
			return;
		out->parts[out->n_parts++] = child;
	}
}

Sekisho__Part *facts_part(const struct mail_part *part, struct arena *a, mail_defects *d)
{
	Sekisho__Part *out = arena_new(a, Sekisho__Part);
	if (!out)
		return NULL;
	sekisho__part__init(out);
	out->type = facts_string(a, part->type);
	out->subtype = facts_string(a, part->subtype);
	params_make(&part->content, a, &out->params, &out->n_params);
	out->encoding = encoding_name(part, a);
	out->disposition = facts_string(a, part->disposition.type);
	params_make(&part->disposition, a, &out->disposition_params, &out->n_disposition_params);
	out->header_offset = part->header_offset;
	out->header_length = part->header_length;
	out->body_offset = part->body_offset;
	out->body_length = part->body_length;
	out->lines = part->lines;
	leaf_values(part, a, out);
	if (part->root)
		root_make(part, a, out, d);
	if (part->first)
		children_make(part, a, out, d);
	return out;
}
