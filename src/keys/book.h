/*
 * book: keys.db, the rows of logins and certificates.
 *
 * Secrets come sealed (vault.h) and leave sealed; the book cannot read them. Every change is durable when its function
 * returns. One process at a time (the database is held exclusively); thread-safe within it.
 */
#ifndef KEYS_BOOK_H
#define KEYS_BOOK_H

#include "base/base.h"

struct book;

/* LATER: cannot be opened or is not ours (logged). */
NODISCARD enum result book_open(const char *dir, struct book **out);
void book_close(struct book *b);

struct book_login {
	uint64_t account;
	uint64_t version;     /* another one after each change */
	struct slice spelled; /* as the account spells it */
	struct slice sealed;
};
/* GONE: none. The slices live in the arena. */
NODISCARD enum result book_login_get(
    struct book *b, struct slice name, struct arena *a, struct book_login *out);
NODISCARD enum result book_login_put(struct book *b, struct slice name, const struct book_login *l);
NODISCARD enum result book_login_remove(struct book *b, struct slice name);
/* Puts `to` and removes `from` in one step. DENY: `to` exists. */
NODISCARD enum result book_login_move(
    struct book *b, struct slice from, struct slice to, const struct book_login *l);

struct book_certificate {
	struct slice id;
	int64_t place; /* ascending; the lowest is the default */
	struct slice chain_pem;
	struct slice sealed; /* the private key */
};
/* Stores one and removes those named in gone[], in one step. */
NODISCARD enum result book_certificate_put(
    struct book *b, const struct book_certificate *c, const struct slice *gone, size_t gone_n);
/* Calls `each` for every certificate in order of place; stops at the first result that is not OK. */
NODISCARD enum result book_certificates(
    struct book *b, enum result (*each)(void *context, const struct book_certificate *c), void *context);

/* What belongs to an account beside its password; `kind` is the user's, and ids are never given twice. */
struct book_credential {
	uint64_t account, id;
	unsigned kind;
	struct slice sealed;
};
/* The next id. */
NODISCARD enum result book_credential_id(struct book *b, uint64_t *out);
NODISCARD enum result book_credential_put(struct book *b, const struct book_credential *c);
/* GONE: there is none. */
NODISCARD enum result book_credential_remove(struct book *b, uint64_t account, uint64_t id);
NODISCARD enum result book_credentials_forget(struct book *b, uint64_t account);
/* Calls `each` for those of an account (0: of all) in order; stops at the first result that is not OK. */
NODISCARD enum result book_credentials(struct book *b, uint64_t account,
    enum result (*each)(void *context, const struct book_credential *c), void *context);

/* What attempts.h keeps. */
struct book_attempt {
	int kind;
	struct slice name; /* a MAC */
	int64_t a, b;
	struct slice sealed; /* may be empty */
};
/* Puts n rows and removes those of two kinds whose b lies before, in one step. */
NODISCARD enum result book_attempts_put(struct book *b, const struct book_attempt *rows, size_t n, int kind,
    int64_t before, int other_kind, int64_t other_before);
/* Calls `each` for all; stops at the first result that is not OK. */
NODISCARD enum result book_attempts(
    struct book *b, enum result (*each)(void *context, const struct book_attempt *row), void *context);

/* A sealed text by its name; GONE: none yet. */
NODISCARD enum result book_mark_get(struct book *b, struct slice name, struct buf *out);
NODISCARD enum result book_mark_put(struct book *b, struct slice name, struct slice sealed);

#endif
