/*
 * facts: reads single things out of packed Facts (ipc/facts.proto) where they lie, for the asks that come often.
 *
 * Unpacking a message's Facts costs some hundred allocations' worth of work; a header field or two needs none. The
 * input is what scan packed and store kept; a malformed one yields nothing.
 */
#ifndef IMAP_FACTS_H
#define IMAP_FACTS_H

#include "base/base.h"

/* One protobuf field. */
struct imap_wire {
	uint32_t number;
	uint64_t value;     /* of a varint */
	struct slice bytes; /* of a length-delimited field */
};
/* The next field of a message; false at its end or where it is malformed. */
bool imap_wire_next(struct cursor *c, struct imap_wire *out);

struct imap_facts_top {
	struct slice root;   /* packed Part */
	struct slice header; /* the top-level header's octets; empty when it is too large to be kept */
};
struct imap_facts_top imap_facts_top(struct slice packed);

struct imap_header_place {
	uint64_t offset, length, body_offset;
};
/* Where a packed Part has its header. */
struct imap_header_place imap_facts_header_place(struct slice part);

struct imap_field {
	struct slice name;
	uint64_t offset, length;
};
/* The next Field of a packed Part; begin with cursor_of(part). */
bool imap_facts_next_field(struct cursor *c, struct imap_field *out);

#endif
