/* reply: what a server says (RFC 5321 4.2), and what its EHLO reply promises. Internal to the room. */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

#include "base/base.h"

#define REPLY_TEXT 500
#define STATUS_TEXT 12

struct reply {
	unsigned code;            /* 200..599 */
	char status[STATUS_TEXT]; /* "5.1.1"; made from the code when the server gave none (RFC 3463) */
	char text
	    [REPLY_TEXT]; /* "550 5.1.1 No such user", printable, lines joined by a space, cut at the end */
};

static inline bool reply_good(const struct reply *r)
{
	return r->code / 100 == 2;
}
static inline bool reply_temporary(const struct reply *r)
{
	return r->code / 100 == 4;
}

/*
 * Reads one reply of any number of lines. `each` (may be NULL) gets each line's text. BAD: not a reply, or longer than
 * LIMIT_REPLY_LINES; otherwise the stream's results.
 */
NODISCARD enum result reply_read(
    struct stream *s, struct reply *out, void (*each)(void *context, struct slice text), void *context);

struct caps {
	bool ehlo; /* ESMTP at all */
	bool pipelining, eightbit, smtputf8, chunking, binarymime, dsn, starttls, size, auth_plain,
	    auth_login, requiretls;
	uint64_t size_most;            /* 0: not told */
	uint32_t mailmax, rcptmax;     /* RFC 9422; 0: not told */
	unsigned lines;                /* of the reply, so far */
	char name[LIMIT_DNS_NAME + 1]; /* how the server calls itself */
};

/* For reply_read over an EHLO reply; context: struct caps, zeroed before. */
void caps_read(void *caps, struct slice text);

#endif
