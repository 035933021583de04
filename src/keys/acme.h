/*
 * acme: which certificates are wanted from an authority, what is to be done for them and when, and the signatures that it
 * takes (RFC 8555). Inside the room only.
 *
 * keys decides and signs; relay is the hands that reach the network. What relay may have signed follows from the task
 * that was given to it: names, requests for certificates, payloads are made here, only the address and the nonce of a
 * request come from outside. Neither the account's key nor a certificate's key leaves. Tasks and requests live in this
 * process; what must last (accounts, wanted certificates, failures) is one sealed row.
 *
 * The lock is taken before that of the list of certificates.
 */
#ifndef KEYS_ACME_H
#define KEYS_ACME_H

#include "keys/csr.h"
#include "keys/keys.h"
#include "keys/vault.h"
#include <pthread.h>

#define ACME_ACCOUNTS 8  /* authorities that are remembered */
#define ACME_SETS 150    /* wanted certificates */
#define ACME_REQUESTS 16 /* of the administrator: waiting, or ended and not yet forgotten */
#define ACME_NAME 256
#define ACME_WHY 400
#define ACME_URL (LIMIT_HTTPS_URL + 1)

struct acme_account {
	char *directory, *url; /* url: "" not known */
	bool agreed;
	EVP_PKEY *key;
	EVP_PKEY *next; /* a rollover is under way; NULL: none */
};

struct acme_set {
	char *label; /* the first name */
	char **names;
	size_t names_n;
	Sekisho__AcmeSet__Origin origin;
	uint32_t failures;
	int64_t next_ms; /* not before */
	char why[ACME_WHY];
	char certificate[PEM_ID + 1];
	int64_t renew_ms, info_ms;
};

struct acme_request {
	enum { REQUEST_FREE, REQUEST_WAITING, REQUEST_WORKING, REQUEST_FINISHED } state;
	uint64_t id;
	Sekisho__AcmeTask__Kind kind;
	char label[ACME_NAME];
	char certificate[PEM_ID + 1];
	unsigned reason;
	bool agree;
	char binding_id[ACME_NAME];
	struct buf binding_key;
	enum result result;
	char why[ACME_WHY];
};

struct acme_question {
	char name[ACME_NAME];
	char token[LIMIT_ACME_TOKEN + 1];
	struct certificate *alpn; /* TLS_ALPN_01, else NULL */
};

struct acme_task {
	uint64_t id; /* 0: none in hand */
	Sekisho__AcmeTask__Kind kind;
	struct acme_set *set;
	struct acme_request *request; /* NULL: of our own accord */
	EVP_PKEY *key;                /* of the certificate that is asked for; NULL: not yet made */
	struct acme_question *questions;
	size_t questions_n;
	bool published;
	char doing[ACME_WHY];
};

struct acme {
	struct keys *keys;
	const struct keys_acme *settings;
	pthread_mutex_t lock;
	struct acme_account accounts[ACME_ACCOUNTS];
	size_t accounts_n;
	struct acme_set *sets[ACME_SETS];
	size_t sets_n;
	struct acme_request requests[ACME_REQUESTS];
	struct acme_task task;
	uint64_t last_id;
	char terms[ACME_URL], caa[ACME_NAME];
	bool binding;
};

/* settings without a directory: nothing is ever to be done. LATER: what was kept cannot be read (logged). */
NODISCARD enum result acme_open(struct keys *k, const struct keys_acme *settings, struct acme **out);
void acme_close(struct acme *a); /* NULL is allowed */

/* ---- acme.c: what lasts; the lock is held ---- */

struct acme_account *acme_account(struct acme *a);     /* with the configured authority; NULL: none */
struct acme_account *acme_account_new(struct acme *a); /* FULL is NULL */
void acme_account_forget(struct acme *a);
struct acme_set *acme_set_find(struct acme *a, const char *label);
/* Makes or changes it; changed names are due at once. NULL: names that cannot be, or too many. */
struct acme_set *acme_set_put(
    struct acme *a, Sekisho__AcmeSet__Origin origin, char *const *names, size_t n, bool *changed_out);
void acme_set_remove(struct acme *a, struct acme_set *s);
/* When something is to be done for it, UTC ms. */
int64_t acme_set_due(struct acme *a, const struct acme_set *s);
NODISCARD enum result acme_save(struct acme *a);
void acme_set_show(const struct acme_set *s, Sekisho__AcmeSet *out); /* views into s */
/* Says when installed certificates end soon; once for each step of 21, 7, 1 and 0 days. */
void acme_watch_expiry(struct keys *k);

/* ---- acme_task.c; the lock is held ---- */

void acme_task_end(struct acme *a, enum result r, const char *why, int64_t retry_ms);
void acme_task_next(struct acme *a, struct arena *arena, Sekisho__AcmeTask *out);
NODISCARD enum result acme_task_sign(
    struct acme *a, const Sekisho__AcmeSignAsk *ask, struct buf *out, const char **why_out);
NODISCARD enum result acme_task_install(struct acme *a, struct slice chain_pem, const char **why_out);
/* The key authorization (RFC 8555 8.1). */
void acme_authorization(struct acme *a, const char *token, struct buf *out);

/* ---- acme_asks.c ---- */

ipc_handler keys_on_acme_next, keys_on_acme_sign, keys_on_acme_challenge, keys_on_acme_install,
    keys_on_acme_report, keys_on_acme_answer, keys_on_acme_admin;
/* The key of a tls-alpn-01 answer, for KEYS_SIGN; the lock is held. NULL: none. */
const struct certificate *acme_alpn_key(struct acme *a, const char *id);

#endif
