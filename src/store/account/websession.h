/*
 * websession: sessions of people who signed in to the web, each a row and a cookie.
 *
 * A cookie is 32 random octets as text; kept is a keyed hash, so that a stolen database opens nothing. A session ends when it
 * was not used for a while, at its absolute end, when its account is suspended or its epoch goes on (epoch.h), or when
 * it is ended; each step of signing in gives it another cookie. As rows they are those of every node.
 */
#ifndef STORE_ACCOUNT_WEBSESSION_H
#define STORE_ACCOUNT_WEBSESSION_H

#include "ipc/grant.h"
#include "store/account/actor.h"

#define COOKIE_TEXT 64 /* hexadecimal digits */

/* Whose session it is. DENY: nobody's, or it has ended. LATER: the database failed. */
NODISCARD enum result websession_find(
    struct store *s, struct slice cookie, const char *ip, struct arena *a, struct actor *out);

/* ---- inside apply() ---- */

struct websession_new {
	int64_t account, epoch;
	enum session_state state;
	bool factor;
	const char *ip, *agent;
	bool strange;
	int64_t browser;     /* browsers.h; 0: not known yet */
	int64_t password_ms; /* when the password was made; 0: not known */
};
/* A new row; `cookie` gets COOKIE_TEXT octets. */
void websession_add(
    struct store *s, struct db *db, const struct websession_new *n, struct buf *cookie, int64_t *ends_out);
/* All of an account but this one (0: all). */
void websession_end_others(struct db *db, int64_t account, int64_t but);

/* The verb me.sessions shows them; sealed text is "ip\nagent". */
void websession_place_read(
    const struct store *s, const struct db_rows *q, int id, int sealed, struct buf *text);

#endif
