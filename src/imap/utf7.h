/*
 * utf7: mailbox names between UTF-8 and IMAP's modified UTF-7 (RFC 3501 5.1.3).
 *
 * Decoding is strict: what no encoder writes (a shift for printable ASCII, padding bits, a lone surrogate, an empty
 * shift in the middle, eight-bit octets) is BAD, so that every name has one spelling and imap_utf7_encode gives back
 * exactly what was decoded.
 */
#ifndef IMAP_UTF7_H
#define IMAP_UTF7_H

#include "base/base.h"

NODISCARD enum result imap_utf7_decode(struct slice name, struct buf *utf8);
/* utf8 must be well-formed UTF-8. */
void imap_utf7_encode(struct slice utf8, struct buf *name);

#endif
