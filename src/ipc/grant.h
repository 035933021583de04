/*
 * grant: what a login is worth, carried by a front that could not have made it up; and its counterpart, the warrant.
 *
 * keys seals a grant once a password or a SCRAM proof was right; store opens it in LoginAsk and binds the session's
 * channel to the account. A refusal is sealed the same way (its verdict says why): it opens nothing, and tells store what
 * happened for the sign-in log. Sealed means HMAC-SHA256 by a key that master gives to keys and store at their start and to
 * nobody else. A grant is good for GRANT_MS after it was issued, any number of times: the front it was given to may
 * have to try again while store comes back.
 *
 * A warrant goes the other way: store has found that somebody may do something that needs a secret (set a password, show a
 * code), and a front carries it to keys together with the secret, which store never sees. keys answers with the same
 * warrant sealed as a receipt, and store knows that it was done.
 */
#ifndef IPC_GRANT_H
#define IPC_GRANT_H

#include "base/base.h"

#define GRANT_KEY 32 /* octets */
#define GRANT_MS (30 * SECOND_MS)
#define GRANT_MOST 512 /* octets of a sealed grant */

/* Why keys let somebody in or not. The client hears none of it. */
enum grant_verdict {
	GRANT_RIGHT,
	GRANT_WRONG,    /* the login is there, the password is another */
	GRANT_NO_LOGIN, /* there is no such login */
	GRANT_WAITS,    /* too many failures: nothing was tried */
	GRANT_BLOCKED,  /* the client's network is blocked for spraying: nothing was tried */
	GRANT_FACTOR,   /* the password is right, but of a login with a second factor: not by this service */
	GRANT_VERDICTS
};
/* What keys has seen of the client before. */
enum grant_flag {
	GRANT_FLAGGED = 1, /* the source took part in spraying */
	GRANT_GUESSED =
	    2, /* ten different wrong passwords or more came before, from there or for this account */
	GRANT_KNOWN = 4,    /* this account has signed in from there before */
	GRANT_SPRAYING = 8, /* this very attempt made the source or its network blocked */
};

struct ipc_grant {
	uint64_t account; /* 0: none that keys knows of */
	enum grant_verdict verdict;
	uint32_t flags; /* bits of enum grant_flag */
	uint64_t
	    suspect; /* another account, whose sign-in of a while ago is seen to have been a guess; 0: none */
	int64_t issued_ms;    /* UTC */
	struct slice login;   /* as the account spells it; at most LIMIT_LOGIN_NAME octets */
	struct slice service; /* Client.service of the session; at most 32 octets */
	uint64_t credential;  /* what opened it: 0 the main password, else an application's password */
	uint64_t epoch;       /* of the account when that was made (store/account/epoch.h) */
	int64_t made_ms;      /* when the password was made; 0: not known, or it was an application's */
	uint64_t session;     /* of a warrant that asked for a second factor; 0: a sign-in begins */
	unsigned factors;     /* bits of enum ipc_factor: what the login has */
	bool proven;          /* by a second factor too */
	bool change;          /* the password has to be changed first */
};

/* Second factors, as bits. */
enum ipc_factor {
	FACTOR_TOTP = 1,
	FACTOR_PASSKEY = 2,
	FACTOR_RECOVERY = 4,
	FACTOR_MAIL = 8, /* a code by mail to an address elsewhere */
	FACTOR_SMS = 16,
};

/* Adds the sealed grant to out. FULL when a text is too long or out is full. `key` has GRANT_KEY octets. */
NODISCARD enum result ipc_grant_seal(struct slice key, const struct ipc_grant *g, struct buf *out);
/*
 * BAD: not a grant. DENY: not sealed by this key, or out of its time (now_ms is clock_utc_ms()). The texts of *out are
 * views into `sealed`.
 */
NODISCARD enum result ipc_grant_verify(
    struct slice key, struct slice sealed, int64_t now_ms, struct ipc_grant *out);

/* What an application's password opens, as bits. */
enum ipc_service {
	SERVICE_IMAP = 1,
	SERVICE_POP3 = 2,
	SERVICE_SUBMISSION = 4,
	SERVICE_SIEVE = 8,
	SERVICE_ALL = 15
};

/* What a warrant allows. */
enum warrant_act {
#define X(name, number) WARRANT_##name = (number),
#include "ipc/warrants.def"
#undef X
};

#define WARRANT_MOST 2048 /* octets, sealed */
#define WARRANT_TEXT 1024 /* octets of each text */

struct ipc_warrant {
	enum warrant_act act;
	uint64_t account, epoch;
	uint64_t session;   /* of store, for which it was given out */
	int64_t until_ms;   /* UTC */
	int64_t ends_ms;    /* what is made ends then; 0: it does not */
	unsigned bits;      /* as the act says; of what is made: enum ipc_service */
	struct slice login; /* as the account spells it */
	struct slice text;  /* a name; or words that must not be in a password, a line each */
};

/* Adds it, sealed, to out. `receipt`: by keys, once it was done. FULL: a text is too long. */
NODISCARD enum result ipc_warrant_seal(
    struct slice key, const struct ipc_warrant *w, bool receipt, struct buf *out);
/* As ipc_grant_verify. A receipt is no warrant, and the other way round. */
NODISCARD enum result ipc_warrant_verify(
    struct slice key, struct slice sealed, bool receipt, int64_t now_ms, struct ipc_warrant *out);

#endif
