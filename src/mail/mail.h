/*
 * mail: what a message is. Pure: octets in, values out; no files, no sockets, no clock (but for build.h's ids).
 *
 *   address.h   mailboxes in SMTP (strict) and in headers (lenient), domains and IDNA, xtext
 *   header.h    fields of a header, unfolding, encoded words (RFC 2047), parameters (RFC 2231), the list of defects
 *   charset.h   any character set to UTF-8; Japanese ones exactly, declared or guessed
 *   transfer.h  base64, quoted-printable, uuencode into a sink
 *   mime.h      a message as a tree of parts with offsets
 *   facts.h     the facts about a message (ipc/facts.proto), the text of parts, searching it, explaining it
 *   card.h      what sorting, threading and searching need of a message
 *   subject.h   base subjects, and keys to sort texts by
 *   date.h      dates of messages and of IMAP, read and written
 *   build.h     header fields, encoded words, Received, multiparts, message ids
 *   dsn.h       delivery status notifications, RFC 3464
 *
 * The way in: `scan` calls mail_facts_extract() once; everybody else works on the facts and, for octets, on
 * mail_facts_octets() with the message at hand. SMTP calls mail_path_parse(); the store mail_addr_canon(); submission
 * and the queue build.h and dsn.h.
 *
 * Two manners. What a peer says in a protocol is read strictly: BAD is an answer. What stands in a message is read
 * leniently, as the clients of its readers do, because mail that has been accepted must be shown; every leniency
 * that could make two readers see different things has a name in defects.def, and policy can act on it.
 *
 * Everything here is linear in its input, recursion is bounded by LIMIT_MIME_DEPTH, and memory comes from the
 * caller's arena or a buf with a maximum.
 */
#ifndef MAIL_H
#define MAIL_H

#include "mail/address.h"
#include "mail/build.h"
#include "mail/card.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/facts.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/subject.h"
#include "mail/transfer.h"

#endif
