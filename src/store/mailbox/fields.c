#include "store/mailbox/fields.h"

void fields_put(struct buf *b, uint8_t tag, struct slice text)
{
	uint32_t n = (uint32_t)MIN(text.n, (size_t)1 << 20);
	char head[5] = {(char)tag};
	memcpy(head + 1, &n, 4);
	buf_put(b, slice_of(head, sizeof head));
	buf_put(b, slice_sub(text, 0, n));
}

void fields_put_number(struct buf *b, uint8_t tag, uint64_t number)
{
	fields_put(b, tag, slice_of(&number, sizeof number));
}

bool fields_next(struct cursor *c, uint8_t *tag_out, struct slice *text_out)
{
	if (cursor_end(c) || c->err != OK)
		return false;
	struct slice head = cursor_bytes(c, 5);
	uint32_t n = 0;
	if (c->err == OK) {
		*tag_out = (uint8_t)head.p[0];
		memcpy(&n, head.p + 1, 4);
	}
	*text_out = cursor_bytes(c, n);
	return c->err == OK;
}

uint64_t fields_number(struct slice text)
{
	uint64_t v = 0;
	if (text.n == sizeof v)
		memcpy(&v, text.p, sizeof v);
	return v;
}

struct slice fields_find(struct slice all, uint8_t tag)
{
	struct cursor c = cursor_of(all);
	uint8_t t;
	struct slice text;
	while (fields_next(&c, &t, &text))
		if (t == tag)
			return text;
	return SLICE_NONE;
}
