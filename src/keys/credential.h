/*
 * credential: what belongs to an account beside its password: second factors, and passwords of applications.
 *
 * A row is sealed whole. Whoever reads one to change it holds the lock of struct keys (credentials_lock) from before the
 * reading until after the writing: no code is accepted twice.
 */
#ifndef KEYS_CREDENTIAL_H
#define KEYS_CREDENTIAL_H

#include "base/base.h"
#include "ipc/grant.h"
#include "keys/scram.h"

struct keys;

enum credential_kind {
	CREDENTIAL_TOTP = 1,     /* secret: the key; counter: the last step that was accepted */
	CREDENTIAL_RECOVERY = 2, /* secret: MACs of the codes, zeros where one was used */
	CREDENTIAL_PASSKEY = 3,  /* secret: as passkey.h says; counter: of its signatures */
	CREDENTIAL_APP = 4,      /* secret: a MAC, SCRAM's stored key and server key */
	CREDENTIAL_MAIL =
	    8, /* codes that are sent: secret: as sent.c says; name: how the address may be shown */
	CREDENTIAL_SMS = 9,
};

#define CREDENTIAL_MAC 32
#define APP_SECRET (CREDENTIAL_MAC + 2 * SCRAM_KEY)
#define RECOVERY_CODES 10

struct credential {
	uint64_t account, id;
	enum credential_kind kind;
	bool waits; /* for its first code: counts for nothing yet */
	uint64_t epoch, counter;
	int64_t made_ms, used_ms, ends_ms; /* UTC; 0: never used, does not end */
	unsigned bits;                     /* CREDENTIAL_APP: enum ipc_service */
	struct slice name, secret;
};

/* Calls `each`, in order of ids, with those of an account (0: of all); the slices live until it returns. */
typedef enum result credential_each(void *context, const struct credential *c);
NODISCARD enum result credentials_all(struct keys *k, uint64_t account, credential_each *each, void *context);
/* Those of an account as a list in the arena. */
struct credentials {
	struct credential *at;
	size_t n;
};
NODISCARD enum result credentials_of(
    struct keys *k, uint64_t account, struct arena *a, struct credentials *out);
/* A new one (id 0), or a changed one. FULL: the account has LIMIT_CREDENTIALS. */
NODISCARD enum result credential_put(struct keys *k, struct credential *c);

/* Bits of enum ipc_factor of what is in the list. */
unsigned credentials_factors(const struct credentials *all);
/* With one of these the password alone opens no mail. */
#define FACTORS_PROVING (FACTOR_TOTP | FACTOR_PASSKEY | FACTOR_MAIL | FACTOR_SMS)

/* ---- applications' passwords (app.c) ---- */

/* "imaps" -> SERVICE_IMAP; 0: no service of mail. */
unsigned app_service(struct slice service);
/* The one that this is the password of, that is for this service and neither ended nor older than `epoch`; NULL. */
const struct credential *app_find(
    struct keys *k, const struct credentials *all, struct slice password, unsigned service);
/* Neither ended nor for something else. */
bool app_opens(const struct credential *c, unsigned service);
/* As a candidate for SCRAM. */
void app_scram(const struct credential *c, struct scram_keys *io);
/* Notes that it was used, no finer than an hour. */
void app_used(struct keys *k, const struct credential *c);
/* A new password, in `text`; its keys are made with the login's salt. */
void app_make(struct keys *k, const struct scram_keys *of_login, struct buf *text, char secret[APP_SECRET]);

/* ---- codes (codes.c) ---- */

/* A text of `n` characters in groups of five, from an alphabet without look-alikes. */
void code_make(struct buf *out, size_t n);
/* The kind of enum ipc_factor's FACTOR_MAIL and FACTOR_SMS; 0: another one. */
enum credential_kind sent_kind(unsigned factor);
/* Is this the code that was sent last, and is it still good? It is used up, or a try is. With the lock. */
NODISCARD enum result sent_check(struct keys *k, struct credential *c, struct slice code, int64_t now_ms);
/* The MAC of a code or password, as typed: without blanks and hyphens, in lower case. */
void code_mac(struct keys *k, uint64_t account, struct slice typed, char out[CREDENTIAL_MAC]);

/*
 * Was this a code of one of the account's second factors? It is then used up. DENY: it was not. LATER: too many were wrong, or
 * the book cannot be written.
 */
NODISCARD enum result factor_check(
    struct keys *k, uint64_t account, enum ipc_factor kind, struct slice code, int64_t now_ms);

#endif
