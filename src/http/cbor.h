/* cbor: concise binary objects (RFC 8949), as far as authenticators use them: definite lengths, no floats, no tags. Pure. */
#ifndef HTTP_CBOR_H
#define HTTP_CBOR_H

#include "base/base.h"

#define CBOR_DEPTH 8

enum cbor_kind { CBOR_NUMBER, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_LIST, CBOR_MAP, CBOR_SIMPLE = 7 };

struct cbor_item {
	enum cbor_kind kind;
	uint64_t value;     /* NUMBER; NEGATIVE: -1 - value; LIST, MAP: items or pairs that follow; SIMPLE */
	struct slice bytes; /* BYTES, TEXT */
};

/* The next item's head, with its octets; what a list or map holds follows. False (and the cursor fails): malformed. */
bool cbor_next(struct cursor *c, struct cbor_item *out);
/* Goes past one whole item. */
void cbor_skip(struct cursor *c);
/* An integer as a number that fits; fails otherwise. */
int64_t cbor_integer(struct cursor *c);

#endif
