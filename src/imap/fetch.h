/*
 * fetch: the parts of FETCH, shared between its files.
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "session.h"

enum imap_item {
	ITEM_UID = 1,
	ITEM_FLAGS = 2,
	ITEM_INTERNALDATE = 4,
	ITEM_SIZE = 8,
	ITEM_MODSEQ = 16,
	ITEM_EMAILID = 32,
	ITEM_THREADID = 64,
	ITEM_ENVELOPE = 128,
	ITEM_BODY = 256,
	ITEM_BODYSTRUCTURE = 512,
	ITEM_SAVEDATE = 1024,
	ITEM_PREVIEW = 2048,
};

enum imap_section_kind {
	SECTION_ALL,
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME
};

#define IMAP_SECTION_LEVELS (LIMIT_MIME_DEPTH + 1)

struct imap_section {
	const char *legacy; /* "RFC822.HEADER" instead of BODY[...], or NULL */
	uint32_t *path;     /* part numbers */
	unsigned levels;
	enum imap_section_kind kind;
	struct slice *fields;
	unsigned n_fields;
	bool partial;
	uint64_t offset, length; /* of a partial */
};

struct imap_fetch {
	unsigned items; /* bits of enum imap_item */
	struct imap_section *sections;
	unsigned n_sections, room;
	bool mark_seen;
	bool since, vanished; /* CHANGEDSINCE, VANISHED: RFC 7162 */
	uint64_t changed_since;
};

/* "(" items ")" or one item or macro, and the modifiers behind it. */
void imap_fetch_parse(struct imap_args *p, struct imap_fetch *q);

/* One message while its row is answered. */
struct imap_message {
	struct imap *s;
	struct arena *arena;
	const Sekisho__Row *row;
	struct slice packed;         /* facts; may be empty */
	const Sekisho__Facts *facts; /* unpacked at need */
	const Sekisho__Part *root;   /* of facts, or a stand-in when there are none */
};
/* The root part, never NULL. */
const Sekisho__Part *imap_message_root(struct imap_message *m);

/* section.c: name, and the octets as a string or NIL. Not OK: the session must end (a literal was cut short). */
enum result imap_put_section(struct imap_message *m, const struct imap_section *sec);

/* A range of octets of the stored message. */
struct imap_range {
	uint64_t offset, length;
};
/* Where a section (but not HEADER.FIELDS) lies; false: there is no such part. */
bool imap_section_range(
    const Sekisho__Part *root, uint64_t size, const struct imap_section *sec, struct imap_range *out);

static inline struct slice imap_octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}
void imap_put_envelope(struct stream *out, const Sekisho__Envelope *e);
void imap_put_bodystructure(struct stream *out, const Sekisho__Part *part, bool extended);

#endif
