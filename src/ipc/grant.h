/*
 * grant: what a login is worth, carried by a front that could not have made it up.
 *
 * keys seals a grant once a password or a SCRAM proof was right; store opens it in LoginAsk and binds the session's
 * channel to the account. Sealed means HMAC-SHA256 by a key that master gives to keys and store at their start and to
 * nobody else. A grant is good for GRANT_MS after it was issued, any number of times: the front it was given to may
 * have to try again while store comes back.
 */
#ifndef IPC_GRANT_H
#define IPC_GRANT_H

#include "base/base.h"

#define GRANT_KEY 32 /* octets */
#define GRANT_MS (30 * SECOND_MS)
#define GRANT_MOST 512 /* octets of a sealed grant */

struct ipc_grant {
	uint64_t account;
	int64_t issued_ms;    /* UTC */
	struct slice login;   /* as the account spells it; at most LIMIT_LOGIN_NAME octets */
	struct slice service; /* Client.service of the session; at most 32 octets */
};

/* Adds the sealed grant to out. FULL when a text is too long or out is full. `key` has GRANT_KEY octets. */
NODISCARD enum result ipc_grant_seal(struct slice key, const struct ipc_grant *g, struct buf *out);
/*
 * BAD: not a grant. DENY: not sealed by this key, or out of its time (now_ms is clock_utc_ms()). The texts of *out are
 * views into `sealed`.
 */
NODISCARD enum result ipc_grant_verify(
    struct slice key, struct slice sealed, int64_t now_ms, struct ipc_grant *out);

#endif
