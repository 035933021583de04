/*
 * digest: a day of the audit, signed. What is signed is the text
 *
 *     sekisho audit digest 1\nDAY\nNUMBER\nLINK\n
 *
 * DAY in days since 1970 (UTC), NUMBER of the day's last row, LINK of that row in hexadecimal digits: whoever has
 * the public key and the rows can see that the chain was so on that day. The key (Ed25519) comes from the master
 * key: all servers of an organisation have the same one, it is nowhere on the disk, and it signs nothing but this
 * text.
 */
#ifndef IPC_DIGEST_H
#define IPC_DIGEST_H

#include "base/base.h"

#define DIGEST_PUBLIC 32
#define DIGEST_SIGNATURE 64

static inline void digest_put(struct buf *out, int64_t day, int64_t number, struct slice link)
{
	buf_printf(out, "sekisho audit digest 1\n%lld\n%lld\n", (long long)day, (long long)number);
	buf_hex(out, link);
	buf_putc(out, '\n');
}

#endif
