/*
 * doc: the searchable text of a message, folded (mail_text_fold), as one string of pieces.
 *
 * A piece begins with one octet that says what it is; no folded text has any of these.
 *
 *   INSPECT_FIELD    "name: value" of a header field, decoded
 *   INSPECT_ADDRESS  the same with the value put together again from the addresses found in it
 *   INSPECT_TRACE    a field written by machines for machines (Received, signatures), only when asked for
 *   INSPECT_BODY     text of the body: of a part, a field of an embedded message
 *   INSPECT_FILE     more of the body: text of an attachment, a file's name
 *
 * Fields stand before the body. TEXT looks at fields, addresses and body; BODY at the body; HEADER at the values of the
 * fields of one name; FILE at files alone. See doc/decisions/ for why.
 */
#ifndef INSPECT_DOC_H
#define INSPECT_DOC_H

#include "ipc/facts.pb-c.h"
#include "mail/facts.h"

enum inspect_piece { INSPECT_FIELD = 1, INSPECT_ADDRESS, INSPECT_TRACE, INSPECT_BODY, INSPECT_FILE };

enum inspect_want {
	INSPECT_WANT_BODY = 1,        /* the text of the message */
	INSPECT_WANT_ATTACHMENTS = 2, /* and of its attachments */
	INSPECT_WANT_TRACE = 4,       /* fields of machines */
};

/* Why a doc is less than what the message says. */
enum inspect_note {
	INSPECT_CUT = 1,        /* a limit was reached: of text, files, depth, octets or time */
	INSPECT_UNREADABLE = 2, /* an attachment is encrypted or broken */
};

/* Adds the doc, at most LIMIT_SEARCH_TEXT octets of it; *notes_out: bits of enum inspect_note. */
void inspect_doc_make(
    struct slice message, const Sekisho__Facts *facts, unsigned want, struct buf *out, unsigned *notes_out);

enum inspect_where { INSPECT_IN_TEXT, INSPECT_IN_BODY, INSPECT_IN_HEADER, INSPECT_IN_FILE };
struct inspect_needle {
	enum inspect_where where;
	struct slice field; /* INSPECT_IN_HEADER: the name, folded */
	struct slice text;  /* folded; empty: everything, or with a field that it exists */
};
bool inspect_doc_match(struct slice doc, const struct inspect_needle *n);

/* What facts alone say: subject, addresses, Message-ID, the first words, names of attachments. */
void inspect_doc_of_facts(const Sekisho__Facts *facts, struct buf *out);

/* A field that people neither write nor read: not part of TEXT. `name` in any case. */
bool inspect_field_is_trace(struct slice name);

/* The next piece: its kind and text; false at the end. */
bool inspect_doc_next(struct slice *rest, enum inspect_piece *kind_out, struct slice *text_out);

#endif
