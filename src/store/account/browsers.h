/*
 * browsers: those that are known again, by a cookie that outlives signing out.
 *
 * Whoever signs in to the web with all that is asked for leaves a row and a cookie of 32 random octets as text, of
 * which a keyed hash is kept; one cookie serves all accounts that are used in that browser, a row each. A browser
 * that is known is no new client (signins.h), and after BROWSER_TRUSTED_MS, or once a second factor was shown
 * there, the network it comes from is worth less. It opens nothing by itself. Revoked (the verbs *.device.revoke),
 * it is a stranger, and its sessions are over.
 */
#ifndef STORE_ACCOUNT_BROWSERS_H
#define STORE_ACCOUNT_BROWSERS_H

#include "store/inside.h"

#define BROWSER_COOKIE 64 /* hexadecimal digits */
#define BROWSER_TRUSTED_MS (3 * DAY_MS)
#define BROWSER_KEPT_MS (400 * DAY_MS)

struct browser {
	int64_t id; /* 0: not known */
	bool trusted;
};
NODISCARD enum result browser_find(
    struct store *s, int64_t account, struct slice cookie, int64_t now_ms, struct browser *out);

/*
 * In apply(): this browser was signed in with. `cookie` is what it showed; when that is no cookie of ours a new
 * one is put into `fresh`. Its row.
 */
struct browser_use {
	int64_t account;
	struct slice cookie;
	const char *ip, *agent;
	bool proven; /* a second factor was shown */
};
int64_t browser_used(struct store *s, struct db *db, const struct browser_use *u, struct buf *fresh);
/* "ip\nagent" of a row; columns of the rows that have its id and its sealed text. */
void browser_place_read(const struct store *s, const struct db_rows *q, int id, int sealed, struct buf *text);

#endif
