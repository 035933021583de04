#include "card.h"
#include "date.h"
#include "facts.h"
#include "header.h"
#include "subject.h"
#include "utf8.h"

/* ---- packing ---- */

void mail_varint_put(struct buf *out, uint64_t v)
{
	char p[10];
	size_t n = 0;
	while (v >= 0x80) {
		p[n++] = (char)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (char)v;
	buf_put(out, slice_of(p, n));
}

static void text_put(struct buf *out, struct slice s)
{
	mail_varint_put(out, s.n);
	buf_put(out, s);
}

static struct slice text_take(struct cursor *c)
{
	uint64_t n = mail_varint_take(c);
	return cursor_bytes(c, n);
}

static uint64_t hash_take(struct cursor *c)
{
	uint64_t v = 0;
	struct slice s = cursor_bytes(c, sizeof v);
	if (s.n == sizeof v)
		memcpy(&v, s.p, sizeof v);
	return v;
}

static void head_put(const struct mail_card *c, struct buf *out)
{
	buf_putc(out, (char)((c->has_date ? 1 : 0) | (c->reply ? 2 : 0)));
	mail_varint_put(out, mail_zigzag(c->internal_ms));
	mail_varint_put(out, c->size);
	mail_varint_put(out, mail_zigzag(c->sent_ms));
	mail_varint_put(out, mail_zigzag(c->zone));
	buf_put(out, slice_of(&c->id, sizeof c->id));
	buf_put(out, slice_of(&c->subject, sizeof c->subject));
	buf_put(out, c->references);
}

static void head_take(struct cursor *in, struct mail_card *c)
{
	int flags = cursor_take(in);
	c->has_date = flags & 1;
	c->reply = flags & 2;
	c->internal_ms = mail_unzigzag(mail_varint_take(in));
	c->size = mail_varint_take(in);
	c->sent_ms = mail_unzigzag(mail_varint_take(in));
	c->zone = (int32_t)mail_unzigzag(mail_varint_take(in));
	c->id = hash_take(in);
	c->subject = hash_take(in);
	c->references = cursor_bytes(in, in->rest.n / 8 * 8);
}

void mail_card_put(const struct mail_card *c, enum mail_card_part part, struct buf *out)
{
	switch (part) {
	case MAIL_CARD_HEAD:
		head_put(c, out);
		return;
	case MAIL_CARD_KEYS:
		for (unsigned i = 0; i < MAIL_CARD_KEYS_N; i++)
			text_put(out, c->key[i]);
		return;
	case MAIL_CARD_TEXTS:
		for (unsigned i = 0; i < MAIL_CARD_TEXTS_N; i++) {
			buf_putc(out, (char)((c->text[i].there ? 1 : 0) | (c->text[i].whole ? 2 : 0)));
			if (c->text[i].there)
				text_put(out, c->text[i].folded);
		}
		return;
	case MAIL_CARD_PARTS:
		return;
	}
}

bool mail_card_get(struct slice packed, enum mail_card_part part, struct mail_card *c)
{
	struct cursor in = cursor_of(packed);
	switch (part) {
	case MAIL_CARD_HEAD:
		head_take(&in, c);
		break;
	case MAIL_CARD_KEYS:
		for (unsigned i = 0; i < MAIL_CARD_KEYS_N; i++)
			c->key[i] = text_take(&in);
		break;
	case MAIL_CARD_TEXTS:
		for (unsigned i = 0; i < MAIL_CARD_TEXTS_N; i++) {
			int flags = cursor_take(&in);
			c->text[i] = (struct mail_card_words){.there = flags & 1, .whole = flags & 2};
			if (c->text[i].there)
				c->text[i].folded = text_take(&in);
		}
		break;
	case MAIL_CARD_PARTS:
		return false;
	}
	return cursor_done(&in) == OK;
}

void mail_card_list_put(struct buf *out, uint32_t *last, uint32_t number, struct slice record)
{
	mail_varint_put(out, number - *last);
	text_put(out, record);
	*last = number;
}

struct mail_card_list mail_card_list_of(struct slice packed)
{
	return (struct mail_card_list){.c = cursor_of(packed)};
}

bool mail_card_list_next(struct mail_card_list *l)
{
	if (cursor_end(&l->c))
		return false;
	l->number += (uint32_t)mail_varint_take(&l->c);
	l->record = text_take(&l->c);
	return l->c.err == OK;
}

/* ---- ids ---- */

/* FNV-1a; who wants to meet another's id may as well write that id. */
static uint64_t hash_of(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	h ^= h >> 29;
	return h ? h : 1;
}

/* "\"a b\"@c" is a b@c: quotes do not make another id (RFC 5256 section 3, REFERENCES). */
static uint64_t id_hash(struct slice id)
{
	if (!id.n)
		return 0;
	if (slice_find(id, '"') < 0)
		return hash_of(id);
	BUF_LOCAL(bare, id.n);
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] == '\\' && i + 1 < id.n)
			i++;
		else if (id.p[i] == '"')
			continue;
		buf_putc(&bare, id.p[i]);
	}
	return hash_of(buf_slice(&bare));
}

struct ids {
	uint64_t v[MAIL_CARD_REFERENCES];
	size_t n;
};

static void ids_add(struct ids *ids, uint64_t h)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == h)
			return;
	if (ids->n == COUNT(ids->v)) {
		memmove(ids->v, ids->v + 1, (ids->n - 1) * sizeof *ids->v);
		ids->n--;
	}
	ids->v[ids->n++] = h;
}

static void ids_of(struct slice value, struct arena *a, struct ids *ids, size_t most)
{
	struct slice rest = mail_unfold(slice_sub(value, 0, LIMIT_HEADER_FIELD), a), id;
	while (most-- && (id = mail_id_take(&rest)).n)
		ids_add(ids, id_hash(id));
}

static struct slice field_value(const Sekisho__Facts *f, const Sekisho__Field *field)
{
	struct slice header = slice_of(f->header.data, f->header.len);
	if (field->offset < f->root->header_offset)
		return SLICE_NONE;
	struct slice all = slice_sub(header, field->offset - f->root->header_offset, field->length);
	ptrdiff_t colon = slice_find(all, ':');
	return slice_sub(all, (size_t)(colon + 1), all.n);
}

/*
 * References, or the first id of In-Reply-To when it names none (RFC 5256 section 3, REFERENCES 1). A header too large
 * to be kept in facts has both in one list.
 */
static void references_of(const Sekisho__Facts *f, struct arena *a, struct ids *ids)
{
	if (!f->header.len) {
		for (size_t i = 0; i < f->n_references; i++)
			ids_add(ids, id_hash(slice_str(f->references[i])));
		return;
	}
	for (size_t i = 0; f->root && i < f->root->n_fields; i++)
		if (slice_ieq(slice_str(f->root->fields[i]->name), SLICE("References")))
			ids_of(field_value(f, f->root->fields[i]), a, ids, SIZE_MAX);
	const Sekisho__Envelope *e = f->root ? f->root->envelope : NULL;
	if (!ids->n && e && e->has_in_reply_to)
		ids_of(slice_of(e->in_reply_to.data, e->in_reply_to.len), a, ids, 1);
}

/* ---- texts ---- */

static struct slice octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static void put_address(struct buf *b, const Sekisho__Address *a)
{
	if (a->kind == SEKISHO__ADDRESS__KIND__GROUP_END) {
		buf_puts(b, ";");
		return;
	}
	if (b->n)
		buf_puts(b, ", ");
	if (a->name_text[0])
		buf_puts(b, a->name_text);
	else
		buf_put(b, octets(a->name));
	if (a->kind == SEKISHO__ADDRESS__KIND__GROUP_START) {
		buf_puts(b, ":");
		return;
	}
	buf_puts(b, " <");
	buf_put(b, octets(a->local));
	buf_puts(b, "@");
	buf_put(b, octets(a->domain));
	buf_puts(b, ">");
}

void mail_addresses_text(Sekisho__Address *const *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		put_address(out, v[i]);
}

bool mail_facts_has_field(const Sekisho__Facts *facts, struct slice name)
{
	for (size_t i = 0; facts->root && i < facts->root->n_fields; i++)
		if (slice_ieq(slice_str(facts->root->fields[i]->name), name))
			return true;
	return false;
}

enum mail_card_says mail_card_has(const struct mail_card_words *w, struct slice folded)
{
	if (!w->there)
		return MAIL_CARD_NO;
	if (!folded.n || slice_search(w->folded, folded) >= 0)
		return MAIL_CARD_YES;
	return w->whole ? MAIL_CARD_NO : MAIL_CARD_UNSURE;
}

static struct slice keep(struct arena *a, struct buf *b, size_t most)
{
	return arena_dup(a, mail_utf8_cut(buf_slice(b), most));
}

static struct slice key_of(struct arena *a, struct slice text)
{
	BUF_LOCAL(key, MAIL_CARD_KEY);
	mail_collate_key(text, MAIL_CARD_KEY, &key);
	return arena_dup(a, buf_slice(&key));
}

/* RFC 5256 section 3: the mailbox of the first address; a group's is its name. */
static struct slice first_mailbox(Sekisho__Address *const *v, size_t n, struct arena *a)
{
	if (!n)
		return SLICE_NONE;
	bool group = v[0]->kind == SEKISHO__ADDRESS__KIND__GROUP_START;
	return key_of(a, octets(group ? v[0]->name : v[0]->local));
}

/* RFC 5957 section 3. */
static struct slice first_shown(Sekisho__Address *const *v, size_t n, struct arena *a)
{
	if (!n)
		return SLICE_NONE;
	if (v[0]->name_text[0])
		return key_of(a, slice_str(v[0]->name_text));
	if (v[0]->kind == SEKISHO__ADDRESS__KIND__GROUP_START)
		return key_of(a, octets(v[0]->name));
	BUF_LOCAL(text, 2 * LIMIT_HEADER_FIELD);
	buf_put(&text, octets(v[0]->local));
	if (v[0]->domain.len) {
		buf_putc(&text, '@');
		buf_put(&text, octets(v[0]->domain));
	}
	return key_of(a, buf_slice(&text));
}

/* Every field of this name, decoded; then the addresses as the envelope has them, when that reads otherwise. */
static struct mail_card_words words_of(
    const Sekisho__Facts *f, struct slice name, Sekisho__Address *const *v, size_t n, struct arena *a)
{
	struct mail_card_words w = {.there = mail_facts_has_field(f, name), .whole = f->header.len > 0};
	if (!w.there)
		return w;
	BUF_LOCAL(text, 8 * LIMIT_HEADER_FIELD);
	BUF_LOCAL(again, 8 * LIMIT_HEADER_FIELD);
	BUF_LOCAL(folded, 16 * LIMIT_HEADER_FIELD);
	BUF_LOCAL(shown, 16 * LIMIT_HEADER_FIELD);
	for (size_t i = 0; w.whole && i < f->root->n_fields; i++)
		if (slice_ieq(slice_str(f->root->fields[i]->name), name)) {
			mail_words_decode(slice_trim(field_value(f, f->root->fields[i])), &text);
			buf_putc(&text, '\n');
		}
	mail_addresses_text(v, n, &again);
	mail_text_fold(buf_slice(&text), &folded);
	mail_text_fold(buf_slice(&again), &shown);
	if (slice_search(buf_slice(&folded), buf_slice(&shown)) < 0)
		buf_put(&folded, buf_slice(&shown));
	w.whole &= !folded.over && !text.over && folded.n <= MAIL_CARD_TEXT;
	w.folded = keep(a, &folded, MAIL_CARD_TEXT);
	return w;
}

static void subject_of(const Sekisho__Facts *f, struct arena *a, struct mail_card *c)
{
	struct slice subject = slice_str(f->subject);
	struct mail_card_words *w = &c->text[MAIL_TEXT_SUBJECT];
	BUF_LOCAL(base, subject.n + 1);
	BUF_LOCAL(folded, subject.n * 20 + 64);
	const Sekisho__Envelope *e = f->root ? f->root->envelope : NULL;
	mail_text_fold(subject, &folded);
	w->there = e && e->has_subject;
	w->whole = folded.n <= MAIL_CARD_TEXT;
	w->folded = keep(a, &folded, MAIL_CARD_TEXT);
	c->reply = mail_subject_base(subject, &base);
	c->key[MAIL_KEY_SUBJECT] = key_of(a, buf_slice(&base));
	c->subject = base.n ? hash_of(c->key[MAIL_KEY_SUBJECT]) : 0;
}

static void dates_of(const Sekisho__Envelope *e, struct mail_card *c)
{
	struct mail_date date;
	if (!e->has_date || mail_date_parse(octets(e->date), &date) != OK)
		return;
	c->has_date = true;
	c->sent_ms = date.ms;
	c->zone = date.zone;
}

bool mail_card_make(const Sekisho__Facts *f, struct arena *a, struct mail_card *c)
{
	struct ids ids = {0};
	*c = (struct mail_card){0};
	subject_of(f, a, c);
	c->id = id_hash(slice_str(f->message_id));
	references_of(f, a, &ids);
	c->references = arena_dup(a, slice_of(ids.v, ids.n * sizeof *ids.v));
	const Sekisho__Envelope *e = f->root ? f->root->envelope : NULL;
	if (!e)
		return !arena_full(a);
	dates_of(e, c);
	c->key[MAIL_KEY_FROM] = first_mailbox(e->from, e->n_from, a);
	c->key[MAIL_KEY_TO] = first_mailbox(e->to, e->n_to, a);
	c->key[MAIL_KEY_CC] = first_mailbox(e->cc, e->n_cc, a);
	c->key[MAIL_KEY_SHOW_FROM] = first_shown(e->from, e->n_from, a);
	c->key[MAIL_KEY_SHOW_TO] = first_shown(e->to, e->n_to, a);
	c->text[MAIL_TEXT_FROM] = words_of(f, SLICE("From"), e->from, e->n_from, a);
	c->text[MAIL_TEXT_TO] = words_of(f, SLICE("To"), e->to, e->n_to, a);
	c->text[MAIL_TEXT_CC] = words_of(f, SLICE("Cc"), e->cc, e->n_cc, a);
	c->text[MAIL_TEXT_BCC] = words_of(f, SLICE("Bcc"), e->bcc, e->n_bcc, a);
	return !arena_full(a);
}
