/* reply: the only way anything is said to a client. Texts from elsewhere are made one line of printable ASCII here. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/base.h"

enum smtp_reply {
#define X(name, code, status, text) REPLY_##name,
#include "reply.def"
#undef X
	REPLY_COUNT
};

unsigned smtp_reply_code(enum smtp_reply r);
const char *smtp_reply_status(enum smtp_reply r);
const char *smtp_reply_text(enum smtp_reply r);
/* "250 2.1.0 sender ok" CRLF; `more` makes it "250-". An empty status is left out. */
void smtp_reply_put(struct stream *s, unsigned code, bool more, const char *status, struct slice text);
/*
 * The reply for a result of another role. `why` may begin with an enhanced status code, which then replaces ours when
 * its class fits. *code_out and *status_out (at least 16 octets) are what to send, the rest of `why` is returned.
 */
struct slice smtp_reply_of(enum result r, struct slice why, unsigned *code_out, char status_out[16]);

#endif
