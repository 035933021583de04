/*
 * oauth: programs that act for people, with tokens in place of passwords (OAuth 2.0, RFC 6749 and 9700; OpenID Connect Core).
 *
 *     consent      a person in the browser            -> a grant with a code, good once and for a minute
 *     oauth_code   the program, by the code           -> an access token, a refresh token where it is to last
 *     oauth_refresh                                   -> another of both; the refresh token that was shown is used up
 *     oauth_find_access   a door of mail, userinfo    -> whose it is, and what for
 *
 * All of them are random texts; kept are keyed hashes. A grant is a credential of its account: it is bound to the epoch
 * (epoch.h), has a number of its own in the sign-in log, and is listed and taken back like a password of an
 * application. A code or refresh token that is shown twice was stolen from somebody: the grant ends with all of its
 * tokens, and with it the sessions that they opened.
 */
#ifndef STORE_ACCOUNT_OAUTH_H
#define STORE_ACCOUNT_OAUTH_H

#include "store/inside.h"

enum oauth_scope {
#define X(name, bit, word, en, ja) OAUTH_##name = (bit),
#include "store/account/oauth_scopes.def"
#undef X
	OAUTH_SCOPES = 255,
	OAUTH_MAIL = OAUTH_IMAP | OAUTH_POP | OAUTH_SMTP | OAUTH_SIEVE,
	OAUTH_LASTING = OAUTH_MAIL | OAUTH_OFFLINE, /* with one of these there is a refresh token */
};

#define OAUTH_CODE_MS MINUTE_MS
#define OAUTH_ACCESS_MS HOUR_MS
#define OAUTH_IDLE_MS (60 * DAY_MS)   /* a grant that was not refreshed for so long has ended */
#define OAUTH_GRANT_MS (365 * DAY_MS) /* and each at the latest then: people consent again */

#define OAUTH_CREDENTIAL ((int64_t)1 << 48) /* a grant's number among credentials: this and its own */

/* "openid imap" -> bits; words that nobody knows are left out. */
int64_t oauth_scopes_read(struct slice text);
void oauth_scopes_put(struct buf *b, int64_t scopes);

/*
 * Where a program may be answered: https, http to this very machine (any port, RFC 8252 7.3), or a scheme of its own with a dot
 * in it (7.1). Pure.
 */
bool oauth_redirect_ok(struct slice uri);
/* Is it one of those (blanks between)? Octet by octet, but for the port where it leads to this machine. */
bool oauth_redirect_fits(struct slice registered, struct slice uri);
/* Whoever listens there need not be the program it says it is: nothing is given without asking (RFC 8252 8.6). */
bool oauth_redirect_is_native(struct slice uri);

struct oauth_client {
	struct slice client, name, redirects; /* in the arena */
	int64_t id, scopes, made;
	bool confidential;
	uint8_t secret[SEAL_MAC];
};
/* GONE: there is none. */
NODISCARD enum result oauth_client_find(
    struct db *db, struct slice client, struct arena *a, struct oauth_client *out);
void oauth_client_read(const struct db_rows *q, struct arena *a, struct oauth_client *out);
/* A new secret's text, and what is kept of it. */
void oauth_secret_make(const struct store *s, struct buf *text, uint8_t mac[SEAL_MAC]);
bool oauth_secret_is(const struct store *s, const struct oauth_client *c, struct slice secret);

struct oauth_grant {
	int64_t id, account, epoch, scopes, ends, code_ends, auth, now_epoch, suspended, used;
	struct slice client, challenge, redirect, nonce, local, domain, name; /* in the arena */
	uint8_t refresh[SEAL_MAC];
};
/* DENY: it opens nothing. The grant's epoch and the account's state are the caller's to look at (oauth_stands). */
NODISCARD enum result oauth_find_access(
    struct store *s, struct db *db, struct slice token, struct arena *a, struct oauth_grant *out);
/* Neither suspended nor gone on since. */
bool oauth_stands(const struct oauth_grant *g);

/* ---- inside apply() ---- */

struct oauth_new {
	int64_t account, epoch, scopes, auth_ms;
	struct slice client, redirect, nonce, challenge;
};
void oauth_grant_add(struct store *s, struct db *db, const struct oauth_new *n, struct buf *code);

struct oauth_issued {
	struct buf access, refresh; /* refresh: empty, where there is none */
	struct oauth_grant grant;
};
void oauth_issued_free(struct oauth_issued *i);
/* DENY: invalid_grant; *why_out says why. What had to end has ended: the caller commits either way. */
NODISCARD enum result oauth_code(struct store *s, struct db *db, const struct oauth_client *c,
    const Sekisho__OauthAsk *ask, struct arena *a, struct oauth_issued *out, const char **why_out);
NODISCARD enum result oauth_refresh(struct store *s, struct db *db, const struct oauth_client *c,
    struct slice token, struct arena *a, struct oauth_issued *out, const char **why_out);
/* A token of this client, of either kind; one that is nobody's is no error (RFC 7009 2.2). */
void oauth_revoke(struct store *s, struct db *db, const struct oauth_client *c, struct slice token);

/* One grant, and the sessions it opened. False: the account has none of that number. */
bool oauth_grant_end(struct store *s, struct db *db, int64_t account, int64_t id);
/* All of an account, and what it consented to. */
void oauth_forget(struct db *db, int64_t account);
/* A client with all that was given to it. */
void oauth_client_end(struct store *s, struct db *db, struct slice client);

#endif
