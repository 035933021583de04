/*
 * build: writing messages: header fields folded and encoded, Received, message ids, multiparts.
 *
 * Everything is written with CRLF into a buf; texts are UTF-8 (malformed octets become U+FFFD), and no value can
 * start a new field: CR, LF and other control characters in it become spaces.
 */
#ifndef MAIL_BUILD_H
#define MAIL_BUILD_H

#include "mail/address.h"
#include "mail/date.h"

/* "Name: text CRLF", as encoded words (RFC 2047) where it is not ASCII, folded at 76. */
void mail_put_text(struct buf *b, struct slice name, struct slice text);
/* "Name: value CRLF" for structured values: folded at blanks, never encoded. UTF-8 is written as it is. */
void mail_put_raw(struct buf *b, struct slice name, struct slice value);

struct mail_named {
	struct slice name; /* display name; may be empty */
	struct mail_addr addr;
};
/* "Name: a <b@c>, ... CRLF". With no entries: "undisclosed-recipients:;". */
void mail_put_addresses(struct buf *b, struct slice name, const struct mail_named *list, size_t n);
/* "Date: ... CRLF" */
void mail_put_date(struct buf *b, struct slice name, struct mail_date date);

/* text as a sequence of encoded words, as it would stand in a field after `column` octets of the line. */
void mail_words_put(struct buf *b, struct slice text, size_t column);
/* A display name as an atom, a quoted string or encoded words. */
void mail_phrase_put(struct buf *b, struct slice name, size_t column);

/* A new "left@host" without brackets: the time, and 96 random bits. */
void mail_id_make(struct buf *b, struct slice host);

/* What a Received field says, RFC 5321 4.4. Empty members are left out. */
struct mail_received {
	struct slice helo;     /* as the client gave it */
	struct slice rdns;     /* the client's verified name */
	struct slice ip;       /* its address, IPv6 without "IPv6:" */
	struct slice by;       /* our name */
	struct slice with;     /* "ESMTPS", RFC 3848 */
	struct slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; written as a comment */
	struct slice id;       /* our queue id */
	struct mail_addr rcpt; /* only when there is exactly one */
	struct mail_date date;
};
void mail_put_received(struct buf *b, const struct mail_received *r);

/* A boundary that occurs in none of the parts, because it is random. At most 70 octets. */
#define MAIL_BOUNDARY 36
void mail_boundary_make(char out[static MAIL_BOUNDARY + 1]);

/* The body as base64 lines of 76, or quoted-printable; text with LF or CRLF line ends becomes CRLF first in QP. */
void mail_put_base64(struct buf *b, struct slice body);
void mail_put_qp(struct buf *b, struct slice text);
/*
 * A text part with its header: Content-Type with UTF-8, Content-Transfer-Encoding, empty line, body. ASCII with
 * short lines goes as 7bit, mostly-ASCII as quoted-printable, everything else as base64.
 */
void mail_put_text_part(struct buf *b, struct slice subtype, struct slice text);
/* CRLF "--boundary" CRLF, or the last one with "--". */
void mail_put_boundary(struct buf *b, const char *boundary, bool last);

/* name=value with RFC 2231 where needed, written as "; name=..." on a folded line. */
void mail_put_param(struct buf *b, struct slice name, struct slice value);

#endif
