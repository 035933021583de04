/*
 * audit: who did what, to whom, from where, and with which outcome; one row an act, in the transaction that does it.
 *
 * A row is a text (JSON, one line, members always in the same order) and a link: SHA-256 over the link of the row before and
 * the text. So no row can be changed, taken out or put between others without every later link being wrong; audit_verify()
 * finds the first place. The text is sealed at rest; `act` and the time stand open, who and what it was done to are tokens.
 * Rows are numbered from 1 without a gap, over all nodes together: writers take turns.
 */
#ifndef STORE_AUDIT_AUDIT_H
#define STORE_AUDIT_AUDIT_H

#include "store/inside.h"
#include <jansson.h>

#define AUDIT_LINK 32

/* Who acts. Texts are borrowed; "" where nothing is known. */
struct audit_actor {
	const char *who;  /* "uid 0", or an address of ours */
	const char *role; /* "system" ... */
	const char *from; /* "command", or a client's address */
};

/* Of whoever asked: the administrator's command, by the user id at the other end of its socket. In the turn's arena. */
struct audit_actor audit_actor_of(struct ipc_turn *t);

struct audit_act {
	const struct audit_actor *actor;
	const char *act;              /* "account.add" */
	struct slice object;          /* what it was done to; may be empty */
	const json_t *args;           /* as they were given; secrets are left out by audit_put */
	const json_t *before, *after; /* NULL: nothing to tell */
	enum result result;
	const char *reason; /* why it was refused; NULL otherwise */
};

/* Adds the row. Inside apply(): the transaction is taken back with it when it cannot be written (db_result). */
void audit_put(struct store *s, struct db *db, const struct audit_act *act);

struct audit_row {
	int64_t number, at_ms;
	struct slice text; /* JSON; in the buffer given to audit_read */
	uint8_t link[AUDIT_LINK];
};
/* The row that a query of AUDIT_ROWS' columns stands at. BAD: it cannot be opened, or its columns belie its text. */
NODISCARD enum result audit_read(
    const struct store *s, const struct db_rows *q, struct buf *text, struct audit_row *out);
/* The link that follows `previous` for this text. */
void audit_link(const uint8_t previous[AUDIT_LINK], struct slice text, uint8_t out[AUDIT_LINK]);

/* The key that signs days (ipc/digest.h), from keys. LATER: keys does not answer. */
#define AUDIT_KEY 32
NODISCARD enum result audit_key(const struct store *s, uint8_t out[AUDIT_KEY]);
/*
 * Holds every signed day against the key and the rows; *n_out of them are right. The day that is not, as a text ("2026-11-22"),
 * or "".
 */
NODISCARD enum result audit_digests_verify(
    const struct store *s, struct db *db, int64_t *n_out, struct buf *wrong_out);

struct audit_verdict {
	bool whole;
	int64_t rows;             /* that were looked at and found right */
	int64_t wrong;            /* number of the first row that is missing or changed; 0: none */
	const char *why;          /* constant text; "" when whole */
	uint8_t link[AUDIT_LINK]; /* of the last right row */
};
/* Goes through all rows. LATER: the database failed. */
NODISCARD enum result audit_verify(const struct store *s, struct db *db, struct audit_verdict *out);

#endif
