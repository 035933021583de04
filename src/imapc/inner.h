/* inner: what the files of the room share. */
#ifndef IMAPC_INNER_H
#define IMAPC_INNER_H

#include "imapc/imapc.h"
#include "imapc/parse.h"

struct imapc {
	struct stream *stream;
	uint64_t message_most;
	bool encrypted;
	unsigned tag; /* of the command in hand */
	struct buf capability, why, text;
	struct arena arena; /* of one response */
	uint32_t expunged;
};

/* Reads one response whole. It and what is parsed from it live until the next. */
NODISCARD enum result imapc_read(struct imapc *c, struct imapc_reply *out);
/* Begins a command: its tag is written. */
void imapc_begin(struct imapc *c);
/*
 * Reads to the end of the command in hand; each untagged response goes to each() (may be NULL). OK, DENY with why for NO,
 * BAD for BAD.
 */
NODISCARD enum result imapc_finish(
    struct imapc *c, enum result (*each)(struct imapc *c, struct imapc_reply *r, void *arg), void *arg);
/* The same up to a continuation: OK when it came, *rest_out is its text. */
NODISCARD enum result imapc_continue(struct imapc *c, struct slice *rest_out);
/* A string as a quoted one, or a literal (whose continuation is waited for). */
NODISCARD enum result imapc_put_string(struct imapc *c, struct slice s);
enum result imapc_fail(struct imapc *c, enum result r, const char *fmt, ...) PRINTF(3, 4);
NODISCARD enum result imapc_capability(struct imapc *c);
/* A stream over memory, for tests. Takes it. */
struct imapc *imapc_over(struct stream *stream, uint64_t message_most);

#endif
