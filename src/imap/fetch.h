/*
 * fetch: the parts of FETCH, shared between its files.
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "partial.h"
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

/* BINARY[...] (RFC 3516): the octets of a part without its transfer encoding, or how many these are. */
enum imap_binary { IMAP_ENCODED, IMAP_BINARY, IMAP_BINARY_SIZE };

#define IMAP_SECTION_LEVELS (LIMIT_MIME_DEPTH + 1)

struct imap_section {
	const char *legacy; /* "RFC822.HEADER" instead of BODY[...], or NULL */
	uint32_t *path;     /* part numbers */
	unsigned levels;
	enum imap_section_kind kind;
	enum imap_binary binary;
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
	bool unknown_encoding; /* a part had one that nobody knows: the command ends with NO [UNKNOWN-CTE] */
	bool since, vanished;  /* CHANGEDSINCE, VANISHED: RFC 7162 */
	bool paged;            /* RFC 9394: only `page` of them */
	struct imap_partial page;
	uint64_t changed_since;
};

/* "(" items ")" or one item or macro, and the modifiers behind it. */
void imap_fetch_parse(struct imap_args *p, struct imap_fetch *q);

/* The same without modifiers. */
void imap_fetch_parse_items(struct imap_args *p, struct imap_fetch *q);
/* Shows these messages of the selected mailbox, unasked; nothing is marked. */
NODISCARD enum result imap_fetch_show(struct imap *s, struct imap_fetch *q, const struct runs *uids);

/* What stands in a section's brackets; the cursor is left at the closing one. */
void imap_section_parse(struct imap_args *p, struct imap_section *sec);

/* One message while its row is answered. */
struct imap_message {
	struct imap *s;
	struct arena *arena;
	const char *mailbox; /* NULL or empty: the selected one */
	const Sekisho__Row *row;
	struct slice packed;         /* facts; may be empty */
	const Sekisho__Facts *facts; /* unpacked at need */
	const Sekisho__Part *root;   /* of facts, or a stand-in when there are none */
};
/* The root part, never NULL. */
const Sekisho__Part *imap_message_root(struct imap_message *m);

/* section.c: name, and the octets as a string or NIL. Not OK: the session must end (a literal was cut short). */
enum result imap_put_section(struct imap_message *m, const struct imap_section *sec);

/* Of a leaf that is asked for by BINARY: whether its transfer encoding is one we can take off. */
bool imap_binary_known(struct imap_message *m, const struct imap_section *sec);
/* binary.c: what follows the name of such a section. */
enum result imap_put_binary(struct imap_message *m, const struct imap_section *sec);

/* A range of octets of the stored message. */
struct imap_range {
	uint64_t offset, length;
};
/* Where a section (but not HEADER.FIELDS) lies; false: there is no such part. */
bool imap_section_range(
    const Sekisho__Part *root, uint64_t size, const struct imap_section *sec, struct imap_range *out);

/* The part that a section's path names; of an empty path the message itself; NULL when there is none. */
const Sekisho__Part *imap_section_part(const Sekisho__Part *root, const struct imap_section *sec);
/* The octets when they came with the row; false: imap_section_pieces has them from store. */
bool imap_section_at_hand(const struct imap_message *m, struct imap_range r, struct slice *out);
/* Hands the octets on in pieces. Not OK: store could not give all of them, or `each` said so. */
typedef enum result imap_piece_fn(void *context, struct slice piece);
enum result imap_section_pieces(
    struct imap_message *m, struct imap_range r, imap_piece_fn *each, void *context);

/* A section's octets, its partial apart. GONE: there is no such part. */
enum result imap_section_copy(
    struct imap_message *m, const struct imap_section *sec, imap_piece_fn *each, void *context);

static inline struct slice imap_octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}
void imap_put_envelope(struct stream *out, const Sekisho__Envelope *e);
/* EXTENDED: BODYSTRUCTURE, not BODY. GLOBAL: message/global is a message, as IMAP4rev2 has it. */
enum imap_form { IMAP_BASIC, IMAP_EXTENDED = 1, IMAP_GLOBAL = 2 };
void imap_put_bodystructure(struct stream *out, const Sekisho__Part *part, enum imap_form form);

#endif
