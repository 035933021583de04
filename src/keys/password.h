/*
 * password: what people type, made comparable (SASLprep, RFC 4013), and Argon2id (RFC 9106).
 *
 * The parameters are OWASP's: 19 MiB, two passes, one lane. They are stored with each hash, so that they can be raised;
 * a hash with other parameters is made anew at the next login.
 */
#ifndef KEYS_PASSWORD_H
#define KEYS_PASSWORD_H

#include "base/base.h"

#define PASSWORD_HASH 128 /* octets of an encoded hash with its NUL */

/* Opens the preparation tables: before the jail. */
void password_open(void);
/*
 * SASLprep of well-formed UTF-8; octets that cannot be prepared (another charset, forbidden characters) are taken as they
 * are: they match nothing that was ever set. BAD when they cannot be prepared, with the octets in out all the same. FULL when
 * longer than LIMIT_PASSWORD.
 */
NODISCARD enum result password_prepare(struct slice typed, struct buf *out);
/* As above for login names, and in lower case (ASCII). */
NODISCARD enum result login_prepare(struct slice typed, struct buf *out);

/* About 20 ms and 19 MiB. `out` holds PASSWORD_HASH octets. */
void password_hash(struct slice prepared, char *out);
NODISCARD enum result password_verify(
    struct slice prepared, const char *hash); /* OK or DENY; the same cost */
bool password_hash_is_old(const char *hash);

#endif
