/*
 * subject: what a subject is about (RFC 5256 section 2.1), and keys that sort as people expect (RFC 5051).
 */
#ifndef MAIL_SUBJECT_H
#define MAIL_SUBJECT_H

#include "base/base.h"

/*
 * The base subject of a decoded subject, added to out: white space made single, "Re:", "Fwd:", "[list]" and "(fwd)" taken
 * off. True when something of it said that this is a reply or was forwarded.
 */
bool mail_subject_base(struct slice subject, struct buf *out);

/*
 * The key by which i;unicode-casemap compares a text: each character as its title case, decomposed, as UTF-8; octets
 * are then compared. Malformed UTF-8 counts as U+FFFD. At most `most` octets of it, never a torn character.
 */
void mail_collate_key(struct slice text, size_t most, struct buf *out);

#endif
