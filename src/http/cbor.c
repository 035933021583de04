#include "cbor.h"

static uint64_t take_number(struct cursor *c, unsigned more)
{
	uint64_t v = 0;
	if (more < 24)
		return more;
	if (more > 27) { /* lengths that are not said beforehand, and reserved ones */
		cursor_fail(c);
		return 0;
	}
	struct slice s = cursor_bytes(c, (size_t)1 << (more - 24));
	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

bool cbor_next(struct cursor *c, struct cbor_item *out)
{
	int head = cursor_take(c);
	*out = (struct cbor_item){0};
	if (head < 0)
		return false;
	out->kind = (enum cbor_kind)(head >> 5);
	out->value = take_number(c, head & 31);
	if (out->kind == 6 || (out->kind == CBOR_SIMPLE && (head & 31) >= 24))
		cursor_fail(c);
	if (out->kind == CBOR_BYTES || out->kind == CBOR_TEXT) {
		if (out->value > c->rest.n)
			cursor_fail(c);
		else
			out->bytes = cursor_bytes(c, (size_t)out->value);
	}
	return c->err == OK;
}

static void skip(struct cursor *c, unsigned depth)
{
	struct cbor_item item;
	if (!cbor_next(c, &item) || (item.kind != CBOR_LIST && item.kind != CBOR_MAP))
		return;
	if (depth == 0 || item.value > c->rest.n) { /* each of what follows has an octet at least */
		cursor_fail(c);
		return;
	}
	for (uint64_t i = 0; i < item.value << (item.kind == CBOR_MAP) && c->err == OK; i++)
		skip(c, depth - 1);
}

void cbor_skip(struct cursor *c)
{
	skip(c, CBOR_DEPTH);
}

int64_t cbor_integer(struct cursor *c)
{
	struct cbor_item item;
	if (!cbor_next(c, &item))
		return 0;
	if (item.kind > CBOR_NEGATIVE || item.value > INT32_MAX) {
		cursor_fail(c);
		return 0;
	}
	return item.kind == CBOR_NUMBER ? (int64_t)item.value : -1 - (int64_t)item.value;
}
