/*
 * class: the character classes of RFC 5322 and RFC 2045, in one table. Internal to the room.
 *
 * Octets above 127 count as atom text (RFC 6532); whether they are well-formed UTF-8 is asked elsewhere.
 */
#ifndef MAIL_CLASS_H
#define MAIL_CLASS_H

#include <stdbool.h>
#include <stdint.h>

enum mail_class {
	MAIL_ATEXT = 1,  /* atom text, RFC 5322 3.2.3 */
	MAIL_TOKEN = 2,  /* token of MIME, RFC 2045 5.1 */
	MAIL_ATTR = 4,   /* attribute-char, RFC 2231 7 */
	MAIL_FNAME = 8,  /* field name, RFC 5322 2.2 */
	MAIL_BLANK = 16, /* space and tab */
	MAIL_WHITE = 32, /* blank, CR, LF, VT, FF */
	MAIL_B64 = 64,   /* base64 alphabet without '=' */
	MAIL_HEX = 128,
};

extern const uint8_t mail_class_of[256];

static inline bool mail_is(char c, unsigned classes)
{
	return (mail_class_of[(unsigned char)c] & classes) != 0;
}

/* The value of a hexadecimal digit, -1 for anything else. */
static inline int mail_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
