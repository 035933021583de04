#include "facts.h"
#include "mail/card.h"

static bool take_varint(struct cursor *c, uint64_t *out)
{
	*out = mail_varint_take(c);
	return c->err == OK;
}

bool imap_wire_next(struct cursor *c, struct imap_wire *out)
{
	uint64_t key, n;
	*out = (struct imap_wire){0};
	if (cursor_end(c) || !take_varint(c, &key) || key >> 3 > UINT32_MAX)
		return false;
	out->number = (uint32_t)(key >> 3);
	switch (key & 7) {
	case 0:
		return take_varint(c, &out->value);
	case 1:
		cursor_bytes(c, 8);
		return c->err == OK;
	case 2:
		if (!take_varint(c, &n))
			return false;
		out->bytes = cursor_bytes(c, n);
		return c->err == OK;
	case 5:
		cursor_bytes(c, 4);
		return c->err == OK;
	default:
		return false;
	}
}

struct imap_facts_top imap_facts_top(struct slice packed)
{
	struct imap_facts_top top = {0};
	struct cursor c = cursor_of(packed);
	struct imap_wire w;
	while (imap_wire_next(&c, &w)) {
		if (w.number == 4)
			top.root = w.bytes;
		else if (w.number == 17)
			top.header = w.bytes;
	}
	return top;
}

struct imap_header_place imap_facts_header_place(struct slice part)
{
	struct imap_header_place h = {0};
	struct cursor c = cursor_of(part);
	struct imap_wire w;
	while (imap_wire_next(&c, &w) && w.number <= 14) {
		if (w.number == 12)
			h.offset = w.value;
		else if (w.number == 13)
			h.length = w.value;
		else if (w.number == 14)
			h.body_offset = w.value;
	}
	return h;
}

bool imap_facts_next_field(struct cursor *c, struct imap_field *out)
{
	struct imap_wire w, f;
	while (imap_wire_next(c, &w)) {
		if (w.number != 19)
			continue;
		struct cursor in = cursor_of(w.bytes);
		*out = (struct imap_field){0};
		while (imap_wire_next(&in, &f)) {
			if (f.number == 1)
				out->name = f.bytes;
			else if (f.number == 2)
				out->offset = f.value;
			else if (f.number == 3)
				out->length = f.value;
		}
		return true;
	}
	return false;
}
