/*
 * transfer: Content-Transfer-Encoding, RFC 2045 6, and uuencode.
 *
 * Decoding never fails: what does not belong is passed over as clients do, and reported as a defect. Output goes to
 * a sink in pieces of at most MAIL_TRANSFER_PIECE octets, so that a body of any size needs little memory.
 */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "mail/header.h"

#define MAIL_TRANSFER_PIECE 16384

enum mail_encoding {
	MAIL_ENC_NONE, /* 7bit, 8bit, binary, and whatever nobody knows */
	MAIL_ENC_BASE64,
	MAIL_ENC_QP,
	MAIL_ENC_UU,
};

/* From the raw value of the field; "x-base64", comments, quotes and the like are understood and noted. */
enum mail_encoding mail_encoding_parse(struct slice value, mail_defects *defects);

/* Takes a piece; anything but OK stops the decoding, which returns then. */
typedef enum result (*mail_sink)(void *ctx, struct slice piece);

mail_defects mail_transfer_decode(enum mail_encoding e, struct slice body, mail_sink sink, void *ctx);
/* Into a buffer; stops when it is full. */
mail_defects mail_transfer_put(enum mail_encoding e, struct slice body, struct buf *out);
/* The defects that decoding would report, faster. */
mail_defects mail_transfer_check(enum mail_encoding e, struct slice body);

#endif
