/* totp: one-time passwords by the clock (RFC 6238, RFC 4226): SHA-1, 6 digits, 30 s, as authenticators know them. Pure. */
#ifndef KEYS_TOTP_H
#define KEYS_TOTP_H

#include "base/base.h"

#define TOTP_KEY 20 /* octets */
#define TOTP_STEP_MS (30 * SECOND_MS)
#define TOTP_DIGITS 6

/* The code of a step, as TOTP_DIGITS digits. */
void totp_code(struct slice key, uint64_t step, char out[TOTP_DIGITS]);
/*
 * Is this the code of now, of the step before or of the step after, and of a step later than `last`? Blanks are skipped. DENY:
 * no.
 */
NODISCARD enum result totp_check(
    struct slice key, struct slice typed, int64_t now_ms, uint64_t last, uint64_t *step_out);
#endif
