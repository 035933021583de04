/*
 * charset: octets in any character set to UTF-8.
 *
 * Japanese sets, UTF-8 and the ASCII family are decoded here, exactly as the WHATWG Encoding Standard has it plus
 * the ISO-2022-JP variants of mail; everything else by ICU. Output is always well-formed UTF-8: what is malformed
 * becomes U+FFFD. Text without a charset, or with a wrong one, is the rule in old Japanese mail; mail_text_decode()
 * is the call that copes with it.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/base.h"

enum mail_charset_kind {
	MAIL_CS_ASCII, /* us-ascii: octets above 127 are malformed */
	MAIL_CS_UTF8,
	MAIL_CS_LATIN1, /* iso-8859-1 and windows-1252, which is what people mean by it */
	MAIL_CS_SJIS,   /* Shift_JIS with the NEC and IBM extensions: CP932 */
	MAIL_CS_EUCJP,  /* with JIS X 0212 */
	MAIL_CS_JIS,    /* ISO-2022-JP, -1, -2, -3, -MS, CP50220, CP50221, CP50222, JIS7 and JIS8 */
	MAIL_CS_ICU,
};

struct mail_charset {
	enum mail_charset_kind kind;
	char icu[48]; /* ICU's name when kind is MAIL_CS_ICU */
};

/* By any name mail uses for it, in any case. False when nobody knows it. */
bool mail_charset_find(struct slice label, struct mail_charset *out);
/* Decodes all of `in`; returns how many U+FFFD were written for malformed input. */
size_t mail_charset_decode(const struct mail_charset *cs, struct slice in, struct buf *out);
/*
 * The set of a text that declares none: UTF-8, one of the Japanese ones, or (when nothing speaks for these)
 * windows-1252. Looks at the first 16 KiB.
 */
struct mail_charset mail_charset_guess(struct slice text);
/*
 * The text of a part or header that declares `label` (empty: none). The label is believed unless it is unknown, or
 * the octets break it and another set fits. Returns the number of U+FFFD written for malformed input.
 */
size_t mail_text_decode(struct slice label, struct slice in, struct buf *out);

/* The decoders behind it. */
size_t mail_utf8_decode(struct slice in, struct buf *out);
size_t mail_sjis_decode(struct slice in, struct buf *out);
size_t mail_eucjp_decode(struct slice in, struct buf *out);
size_t mail_jis_decode(struct slice in, struct buf *out);

/* JIS tables by pointer (row * 94 + cell), 0 where nothing is assigned. */
uint32_t mail_jis0208(unsigned pointer); /* 120 rows, the user-defined ones as U+E000.. */
uint32_t mail_jis0212(unsigned pointer);
/* Plane 1 or 2 of JIS X 0213; *second_out is the combining character behind it, or 0. */
uint32_t mail_jis0213(int plane, unsigned pointer, uint32_t *second_out);

#endif
