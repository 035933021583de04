/*
 * reading: whoever gets in with a stolen password takes the mail away with him. From a place where the account was not used
 * before (signin_is_strange) the bodies that its sessions fetch are counted; a fifth of all messages in an hour, or
 * READING_OCTETS, is a sign (SIGNAL_BULK_READ).
 *
 * Counted in memory, by each node for itself; sessions from familiar places cost nothing.
 */
#ifndef STORE_CONTAIN_READING_H
#define STORE_CONTAIN_READING_H

#include "store/inside.h"

#define READING_OCTETS ((uint64_t)500 << 20)
#define READING_SHARE 5   /* one of so many messages */
#define READING_LEAST 100 /* fewer are nothing to speak of, however small the mailbox */

struct reading;
struct reading *reading_new(void);
void reading_free(struct reading *r);

/* So much of the account's own mail went to a session. Never waits. */
void reading_note(struct store *s, const struct login *user, uint64_t messages, uint64_t octets);

#endif
