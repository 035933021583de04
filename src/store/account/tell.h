/* tell: mail of ours to a person, about his account, in his language (or in all of the configuration's). */
#ifndef STORE_ACCOUNT_TELL_H
#define STORE_ACCOUNT_TELL_H

#include "store/inside.h"

enum tell_where { TELL_MAILBOX = 1, TELL_SECOND = 2 /* the second address, where there is one */ };

struct tell {
	int64_t account;
	unsigned where;      /* bits of enum tell_where */
	struct slice en, ja; /* the first line is the subject */
	const char *service; /* who says it, in the trace */
};
/* GONE: there is no such account. LATER: not all of it could be sent. Waits for the writer. */
NODISCARD enum result tell_person(struct store *s, const struct tell *t);
/* Only what is in his language, in the same words: the first line, the rest. */
struct slice tell_text(const struct store *s, struct slice language, const struct tell *t, struct buf *rest);

#endif
