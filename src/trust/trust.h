/*
 * trust: who answers for a message. Pure: octets and a `struct dns` to ask in, results out; no keys of ours.
 *
 *   tags.h      tag lists, RFC 6376 3.2
 *   canon.h     the forms in which fields and bodies are hashed
 *   message.h   a message as its proofs see it: fields by name, body hashes; read once for all of them
 *   dkim.h      DKIM: verifying, and signing in two steps
 *   arc.h       ARC: verifying a chain, and sealing in two rounds
 *   signature.h what DKIM and ARC have in common (internal)
 *   spf.h       may this client send in the name of that domain, RFC 7208
 *   author.h    the author's domains, read so that nobody could see others; ipc/trust_flags.def: what else is odd
 *   dmarc.h     do they stand behind the message, and what if not, RFC 9989
 *   iprev.h     does the client's address lead to a name and back
 *   authres.h   Authentication-Results, written and read, RFC 8601
 *   verify.h    all of it for one message that has just come (ipc/trust.proto)
 *   name.h      domain names compared
 *   sts.h       MTA-STS: the record, the policy, which hosts it names (RFC 8461)
 *   dane.h      DANE: TLSA records and the certificates they vouch for (RFC 7672)
 *   tlsrpt.h    TLS reporting: the record, and how sessions fail (RFC 8460)
 *   assist.h    what a domain should publish in the DNS, and what is wrong with what it does
 *   lookalike.h names that look like a domain, and which of them there are
 *   own_sts.h   the MTA-STS policy we give out
 *   dns_update.h  publishing by dynamic update, RFC 2136
 *
 * The way in: `scan` calls trust_message_read() and then the verifiers, each of which gives a result in the words of RFC
 * 8601 and a reason in plain English; verify_message() does it all for an arrival. For mail that leaves, `scan` makes the
 * drafts, `keys` signs their digests and `store` puts the fields together (dkim_draft_put).
 */
#ifndef TRUST_H
#define TRUST_H

#include "trust/arc.h"
#include "trust/author.h"
#include "trust/authres.h"
#include "trust/canon.h"
#include "trust/dane.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/iprev.h"
#include "trust/message.h"
#include "trust/spf.h"
#include "trust/sts.h"
#include "trust/tags.h"
#include "trust/tlsrpt.h"

#endif
