/*
 * rows: asks store for messages in windows.
 *
 * A window is asked and read to its end before any of it is used: store never waits for a slow client, the channel is
 * free for further asks, and memory is bounded (about 256 KiB, one very large row apart) however many messages are
 * wanted. The size of a window follows from the rows before it.
 */
#ifndef IMAP_ROWS_H
#define IMAP_ROWS_H

#include "session.h"

struct imap_rows_ask {
	const struct runs *uids;
	uint32_t want; /* bits of enum Want */
	uint64_t changed_since;
	bool mark_seen;
};

struct imap_row {
	const Sekisho__Row *row;
	struct slice facts; /* packed; empty when not wanted or not there */
};

/* Called for each row in order. Not OK ends it and is the result of imap_rows. `a` lives until the next window. */
typedef enum result imap_row_fn(struct imap *s, struct arena *a, const struct imap_row *row, void *context);

NODISCARD enum result imap_rows(
    struct imap *s, const struct imap_rows_ask *q, imap_row_fn *each, void *context);

/*
 * One message, with facts and (when it is small) body, of any mailbox by its name; empty: the selected one.
 * `uidvalidity` 0: whatever it is. GONE: no such message.
 */
NODISCARD enum result imap_row_of(struct imap *s, const char *mailbox, uint32_t uidvalidity, uint32_t uid,
    struct arena *a, struct imap_row *out);

#endif
