/* The whole extraction: every offset inside the message, every string UTF-8, texts and searches and JSON go through. */
#include "mail/mail.h"
#include <assert.h>
#include <stdlib.h>

static void part(struct slice m, const Sekisho__Part *p, uint64_t from, uint64_t to, int depth)
{
	assert(depth <= LIMIT_MIME_DEPTH * 2 + 2);
	assert(p->header_offset >= from && p->header_offset + p->header_length <= to);
	assert(p->body_offset >= from && p->body_offset + p->body_length <= to);
	assert(slice_is_utf8(slice_str(p->type)) && slice_is_utf8(slice_str(p->file_name)));
	for (size_t i = 0; i < p->n_fields; i++)
		assert(p->fields[i]->offset >= from && p->fields[i]->offset + p->fields[i]->length <= to);
	BUF_LOCAL(text, m.n * 4 + 1000);
	mail_facts_text(m, p, &text);
	assert(slice_is_utf8(buf_slice(&text)));
	for (size_t i = 0; i < p->n_parts; i++)
		part(m, p->parts[i], p->body_offset, p->body_offset + p->body_length, depth + 1);
}

/* What is put for a server of seven bits is so, and can be read again. */
static void seven(struct slice m, const Sekisho__Facts *f)
{
	ARENA_LOCAL(a, (size_t)256 << 20);
	BUF_LOCAL(out, m.n * 12 + 4096);
	BUF_LOCAL(twice, m.n * 12 + 4096);
	Sekisho__Facts *again;
	if (mail_seven(m, f->root, &out) != OK)
		return;
	assert(slice_is_ascii(buf_slice(&out)));
	assert(mail_facts_extract(buf_slice(&out), &a, &again) == OK);
	assert(mail_seven(buf_slice(&out), again->root, &twice) != FULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice m = slice_of(data, n);
	ARENA_LOCAL(a, (size_t)256 << 20);
	Sekisho__Facts *f;
	assert(mail_facts_extract(m, &a, &f) == OK);
	part(m, f->root, 0, n, 0);
	seven(m, f);
	assert(slice_is_utf8(slice_str(f->subject)) && slice_is_utf8(slice_str(f->preview)));
	size_t size = sekisho__facts__get_packed_size(f);
	uint8_t *packed = malloc(size + 1);
	assert(packed && sekisho__facts__pack(f, packed) == size);
	Sekisho__Facts *again = sekisho__facts__unpack(NULL, size, packed);
	assert(again);
	sekisho__facts__free_unpacked(again, NULL);
	free(packed);
	BUF_LOCAL(json, (size_t)256 << 20);
	mail_explain_facts_json(f, &json);
	assert(slice_is_utf8(buf_slice(&json)));
	buf_clear(&json);
	assert(mail_explain_json(m, &json) == OK && slice_is_utf8(buf_slice(&json)));
	return 0;
}
