/*
 * text: the octets of a message as they come by DATA or BDAT. Pure; any division of the input gives the same result.
 *
 * DATA (RFC 5321 4.1.1.4, 4.5.2): ends at CRLF "." CRLF and in no other way; a dot at the start of a line is taken off.
 * A bare CR, a bare LF, a NUL, or a line above LIMIT_SMTP_TEXT_LINE is a flaw: the message will be refused, but is read
 * to its true end first, so that nothing of it is ever taken for a command (SMTP smuggling).
 *
 * BDAT ends where its counts say. The same flaws, but for BINARYMIME, where every octet may be.
 */
#ifndef SMTP_TEXT_H
#define SMTP_TEXT_H

#include "base/base.h"
#include "reply.h"

enum smtp_text_mode { TEXT_DATA, TEXT_CHUNKS, TEXT_BINARY };

struct smtp_text {
	enum smtp_text_mode mode;
	enum {
		AT_START, /* of a line */
		AT_TEXT,
		AT_CR,
		AT_DOT,    /* the first of a line; not yet known what it is */
		AT_DOT_CR, /* one octet before the end */
		AT_END,
	} at;
	size_t line; /* octets of this line so far */
	enum smtp_reply flaw;
	void (*put)(void *to, struct slice run); /* not called once there is a flaw */
	void *to;
};

/* Takes octets up to the end of the message or of `in`; returns how many. */
size_t smtp_text_take(struct smtp_text *t, struct slice in);
/* The last chunk was taken: a lone CR at the end is a flaw, a missing line end is added. */
void smtp_text_finish(struct smtp_text *t);
static inline bool smtp_text_ended(const struct smtp_text *t)
{
	return t->at == AT_END;
}

#endif
