/*
 * keys: the role that holds what could be stolen, and lends only its use. The one door of the room.
 *
 *   vault.h      the master key; sealing of rows, data keys
 *   book.h       keys.db: logins, certificates
 *   password.h   Argon2id, preparing what people type; lru.h, verdict.h: what was verified a moment ago
 *   scram.h      RFC 5802 and 7677, the arithmetic
 *   strength.h   what may be a password; common.c  what others use
 *   credential.h second factors, applications' passwords; app.c, codes.c, sent.c, totp.h   what each of them is
 *   passkey.h    what authenticators sign
 *   warranted.c  what store has allowed to be done with secrets
 *   attempts.h   guessing and spraying: how often who may try from where
 *   pem.h        certificates and private keys: reading, checking, the one private operation of a handshake
 *   acme.h       certificates from an authority: what is wanted, what is to be done, what is signed for it
 *   jose.h       signatures of an ACME account; csr.h  requests for certificates
 *   oauth.c      signatures of identities (OpenID Connect)
 *
 * Private keys and password hashes never leave. A verified login leaves as a grant (ipc/grant.h), a data key leaves to
 * store only, a signature leaves to the front that shakes hands, or to
 * store for mail that leaves (dkim.c). Unknown logins are answered in the same words and at
 * the same cost as known ones.
 *
 * keys_open() does everything that needs the file system or other libraries' data; afterwards the role touches only
 * `dir` (SQLite's own files). The handlers may run on any number of threads.
 */
#ifndef KEYS_H
#define KEYS_H

#include "base/ip.h"
#include "ipc/grant.h"
#include "ipc/ipc.h"

#define KEYS_MASTER 32 /* octets of the master key */

/* Certificates from an authority (RFC 8555), as configured. */
struct keys_acme {
	const char *directory; /* its address; "": none */
	const char *contact;   /* mail addresses, comma-separated; "": none */
	const char *hostname;
	const char
	    *hosts; /* "a.example, b.example; c.example" is two certificates; "": one for the hostname */
	Sekisho__AcmeChallenge challenge;
	bool rsa; /* keys of new certificates: RSA 2048, else ECDSA P-256 */
};

struct keys_settings {
	const char *dir;     /* where keys.db lives; exists, mode 0700 */
	struct slice master; /* KEYS_MASTER octets; the caller may wipe them after keys_open */
	struct slice grant;  /* GRANT_KEY octets, shared with store; likewise */
	const struct keys_acme
	    *acme; /* NULL: certificates come from the administrator only; stays the caller's */
	/* Called when there is something to be done with the authority: tell relay (NOTE_KEYS). NULL: no. */
	void (*acme_wanted)(void *context);
	struct ip_nets office; /* networks of our own; stay the caller's */
	const char *hostname;  /* that passkeys are for; stays the caller's; NULL: there are none */
	struct slice tsig;     /* the key for dynamic DNS updates; stays the caller's; empty: none */
	/* Called after a certificate was installed, from the thread that did it: tell the fronts (NOTE_KEYS). NULL: no. */
	void (*certificates_changed)(void *context);
	void *context;
};

struct keys;

/* DENY: the master key is not the one that sealed this key store. LATER: the files cannot be used (logged). */
NODISCARD enum result keys_open(const struct keys_settings *settings, struct keys **out);
/* For tools and tests; no ask may be in hand. */
void keys_close(struct keys *k);

/* For ipc_server_new() with the struct keys as context. */
extern ipc_handler *const keys_handlers[ASK_MAX];

/* A new random master key in a file of mode 0600, durable. DENY: there is one already. LATER: cannot be written. */
NODISCARD enum result keys_master_create(const char *path);
/* DENY: no such file, not exactly KEYS_MASTER octets, or readable by others. */
NODISCARD enum result keys_master_read(const char *path, char out[KEYS_MASTER]);

/*
 * The administrator's acts, as the asks do them, for tools that work offline (`sekisho init`). *why_out is a constant
 * text. DENY: against the policy. GONE: no such login.
 */
struct keys_password {
	uint64_t account;
	struct slice login, password;
	struct slice words; /* strength.h */
	uint64_t epoch;     /* of the account (store/account/epoch.h) */
	bool change;        /* to be changed at the next sign-in */
};
NODISCARD enum result keys_set_password(struct keys *k, const struct keys_password *p, const char **why_out);
NODISCARD enum result keys_remove_login(struct keys *k, struct slice login);
NODISCARD enum result keys_rename_login(
    struct keys *k, struct slice login, struct slice to, const char **why_out);
NODISCARD enum result keys_install_certificate(
    struct keys *k, struct slice chain_pem, struct slice key_pem, const char **why_out);

#endif
