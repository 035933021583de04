/* What the files of the room share about the role's state; nobody outside includes this. */
#ifndef KEYS_INNER_H
#define KEYS_INNER_H

#include "keys/acme.h"
#include "keys/attempts.h"
#include "keys/book.h"
#include "keys/credential.h"
#include "keys/keys.h"
#include "keys/password.h"
#include "keys/pem.h"
#include "keys/scram.h"
#include "keys/vault.h"
#include "keys/verdict.h"
#include <pthread.h>

#define KEYS_CERTIFICATES 200 /* certificates that can be installed */
#define KEYS_HASHERS 2        /* Argon2 at a time: 19 MiB each */
#define KEYS_WAITING 256      /* passwords waiting for a hasher; above it LATER */

struct login_secret {
	char hash[PASSWORD_HASH];
	struct scram_keys scram;
};

struct login {
	uint64_t account;
	uint64_t version;
	struct slice name;    /* prepared */
	struct slice spelled; /* as the account spells it */
	uint64_t epoch;       /* of the account when the password was set */
	int64_t made_ms;      /* then; 0: not known */
	bool change;          /* it has to be changed */
	struct login_secret secret;
};

/* A password that waits for its Argon2; lives in its turn's arena. */
struct check {
	struct ipc_turn *turn;
	struct check *next;
	struct login login;
	bool exists;
	struct slice password; /* prepared */
	const char *ip;
	const char *service;
	char name[32];                /* of its verdict */
	unsigned factors;             /* enum ipc_factor: what its login has */
	const struct credential *app; /* whose password it is, of an application; NULL: nobody's */
};

/* What came in a message may be no octets at all, and then has no address either. */
static inline void wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

struct keys {
	struct book *book;
	struct vault *vault;
	char grant[GRANT_KEY];
	struct ip_nets office;
	struct slice tsig, hostname;
	void (*certificates_changed)(void *context);
	void (*acme_wanted)(void *context);
	void *context;
	struct attempts *attempts;
	struct verdicts verdicts;
	struct acme *acme;
	pthread_mutex_t credentials_lock; /* credential.h */
	struct login_secret nobody;       /* stands in for logins that do not exist */

	pthread_rwlock_t certificates_lock;
	struct certificate *certificates[KEYS_CERTIFICATES]; /* in order of place */
	size_t certificates_n;

	_Atomic(struct dkim_cache *) dkim; /* made with the first signature */

	pthread_mutex_t checks_lock;
	pthread_cond_t checks_wait;
	struct check *checks, **checks_end;
	unsigned checks_n;
	bool stopping;
	pthread_t hashers[KEYS_HASHERS];
};

/* keys.c. GONE: no such login (name is set); LATER: the row cannot be read. */
NODISCARD enum result login_find(struct keys *k, struct slice name, struct arena *a, struct login *out);
/*
 * Installs c, which is taken, in place of what it replaces and of `former` (an id; "": none), and tells the fronts.
 */
NODISCARD enum result keys_install(
    struct keys *k, struct certificate *c, const char *former, const char **why_out);
/* With a new salt, unless `keep` (may be NULL) has one: what applications' passwords were made with stays. */
void login_secret_make(struct slice password, const struct login_secret *keep, struct login_secret *out);
/* A new version of the row. */
NODISCARD enum result login_store(struct keys *k, const struct login *l);

/* check.c */
void hashers_start(struct keys *k);
void hashers_stop(struct keys *k);
ipc_handler keys_on_password, keys_on_scram_start, keys_on_scram_finish, keys_on_bearer;

/* digest.c */
ipc_handler keys_on_digest;
/* oauth.c */
ipc_handler keys_on_oauth_keys;
/* An id_token of these claims (JSON): a JWS in its compact form. FULL: they are too long. */
NODISCARD enum result keys_id_token(struct keys *k, struct slice claims, struct buf *out);
#define ID_TOKEN_MOST 8192
/* dkim.c */
ipc_handler keys_on_dkim_make, keys_on_dkim_sign;
struct dkim_cache;
void dkim_cache_free(struct dkim_cache *c);

ipc_handler keys_on_warranted;
/* sent.c */
ipc_handler keys_on_code;

/* handlers.c: of the administrator */
ipc_handler keys_on_attempts;

/* handlers.c: sends the verdict as a grant; the turn ends. */
struct granted {
	const struct login *login;
	enum grant_verdict verdict;
	const struct attempt_view *seen; /* NULL: nothing is said of attempts */
	enum result result;              /* what the front tells its client when it is refused, with `why` */
	const char *why;                 /* NULL: nothing */
	const char *service;
	unsigned factors;             /* enum ipc_factor: what the login has */
	const struct credential *app; /* what opened it; NULL: the password */
	struct slice server_final;
};
void keys_answer_grant(struct ipc_turn *t, const struct granted *granted);
/* The same for an answer that has more. NULL: it cannot be sealed, and the turn is refused. */
Sekisho__GrantAnswer *keys_grant(struct ipc_turn *t, const struct granted *granted);
/* The grant itself; `session`, `proven`: of a second factor. FULL: the service's name is too long. */
NODISCARD enum result keys_seal_grant(
    struct keys *k, const struct granted *granted, uint64_t session, bool proven, struct buf *out);

#endif
