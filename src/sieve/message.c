/* message: the header's fields as scripts see them, after the edits made so far. */
#include "mail/class.h"
#include "sieve/inside.h"

static void field_of(const struct sieve_message *m, const Sekisho__Field *f, struct sieve_field *out)
{
	struct slice all = slice_sub(m->octets, f->offset, f->length);
	ptrdiff_t colon = slice_find(all, ':');
	*out = (struct sieve_field){
	    .name = slice_str(f->name), .raw = slice_sub(all, colon < 0 ? all.n : (size_t)colon + 1, all.n)};
}

bool sieve_fields_load(struct sieve_runner *r)
{
	if (r->fields)
		return true;
	const Sekisho__Part *root = r->message->facts->root;
	struct sieve_fields *fields = arena_new(r->a, struct sieve_fields);
	if (!fields)
		return false;
	size_t n = root ? root->n_fields : 0;
	fields->room = n + 16;
	fields->list = arena_array(r->a, fields->room, sizeof *fields->list);
	if (!fields->list)
		return false;
	for (size_t i = 0; i < n; i++)
		field_of(r->message, root->fields[i], &fields->list[i]);
	fields->count = n;
	r->fields = fields;
	return true;
}

struct slice sieve_field_text(struct sieve_runner *r, struct sieve_field *f)
{
	if (f->decoded)
		return f->text;
	BUF_LOCAL(text, (size_t)4 * LIMIT_HEADER_FIELD);
	mail_words_decode(f->raw, &text);
	f->text = slice_trim(arena_dup(r->a, buf_slice(&text)));
	f->decoded = true;
	return f->text;
}

const struct mail_entries *sieve_field_entries(struct sieve_runner *r, struct sieve_field *f)
{
	if (!f->entries) {
		f->entries = arena_new(r->a, struct mail_entries);
		if (f->entries)
			mail_entries_parse(f->raw, r->a, f->entries);
	}
	return f->entries;
}

bool sieve_field_name_valid(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!mail_is(name.p[i], MAIL_FNAME))
			return false;
	return name.n > 0;
}
