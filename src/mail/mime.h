/*
 * mime: a message as a tree of parts, RFC 2045, 2046 and 2183, with the offset of everything.
 *
 * One pass, linear in the size of the message, whatever it is. Nothing is refused: broken structure is read as
 * people's clients read it and noted as a defect of the part where it stands. All slices point into the message or
 * the arena. Offsets count from the start of the message (of the decoded octets, inside a decoded message).
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "mail/header.h"
#include "mail/transfer.h"

struct mail_part {
	struct mail_part *parent, *first, *last, *next;
	struct slice type, subtype; /* lower case; text/plain when absent or broken */
	struct mail_value content;  /* Content-Type's parameters and defects */
	struct mail_value disposition;
	enum mail_encoding encoding;
	struct slice encoding_raw; /* as written, unfolded; empty when absent */
	struct slice charset;      /* of text parts, lower case; empty when none is declared */
	struct slice file_name;    /* decoded; empty when none */
	struct slice id, description, md5, location,
	    language;              /* raw values, unfolded; p is NULL when absent */
	bool multipart;            /* and its boundary was usable: children are parts */
	bool message;              /* message/rfc822 or message/global: the one child is the message's root */
	bool root;                 /* the top, or the root of an embedded message: has `fields` */
	struct mail_field *fields; /* all fields of a root */
	size_t field_count;
	size_t header_offset, header_length; /* with the empty line */
	size_t body_offset, body_length;     /* without the line end that belongs to the boundary */
	uint64_t lines;                      /* line ends in the body */
	size_t children;
	size_t preamble_length; /* octets before the first boundary line, from body_offset */
	struct slice octets;    /* what the offsets count in: the message, or a decoded message inside it */
	mail_defects defects;   /* of this part alone */
};

struct mail_mime {
	struct mail_part *root;
	size_t parts;
	mail_defects defects; /* of all parts */
	bool header_8bit;     /* an octet above 127 in the top-level header, */
	bool body_8bit;       /* behind it */
	bool full;            /* the arena's cap was reached; the tree is what fitted */
};

struct mail_mime_options {
	bool
	    decode_messages; /* look into messages that are base64 or quoted-printable, though that is forbidden */
};

void mail_mime_parse(
    struct slice message, struct mail_mime_options how, struct arena *a, struct mail_mime *out);

static inline struct slice mail_part_body(const struct mail_part *p)
{
	return slice_sub(p->octets, p->body_offset, p->body_length);
}
static inline struct slice mail_part_header(const struct mail_part *p)
{
	return slice_sub(p->octets, p->header_offset, p->header_length);
}
/* The next part in the order of the message, children before siblings; NULL at the end. */
struct mail_part *mail_part_after(const struct mail_part *p);
/* Shown by clients as an attachment rather than as the text of the message. */
bool mail_part_is_attachment(const struct mail_part *p);

#endif
