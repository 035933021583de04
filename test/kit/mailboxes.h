/*
 * mailboxes: store, keys and scan for tests of IMAP and POP3: a real ipc server in this process, with one account's
 * mailboxes in memory and facts by the real extractor. It keeps the contract of ipc/store.proto and nothing on disk.
 *
 * "user" with the password "pencil" may log in. STATUS of a mailbox named "!verb args" is another session's act, which
 * lets a conversation say when it happens: "!append INBOX", "!flag INBOX 2 4" (UID, system flags), "!keyword INBOX 2 $x",
 * "!expunge INBOX 2", "!delete NAME", "!create NAME", "!rename NAME NEW", "!annotate NAME /shared/comment", "!end"
 * (NOTE_END), "!down" (the channel breaks); it answers "no such mailbox".
 */
#ifndef KIT_MAILBOXES_H
#define KIT_MAILBOXES_H

#include "ipc/ipc.h"

struct mailboxes;
/* Once a process. */
struct mailboxes *mailboxes_start(void);
/* INBOX, empty; Sent, Drafts, Trash with their special uses; UIDVALIDITY is 1000 + the mailbox's number. */
void mailboxes_reset(struct mailboxes *m);
struct ipc_trunk *mailboxes_store(struct mailboxes *m);
struct ipc_trunk *mailboxes_keys(struct mailboxes *m);
struct ipc_trunk *mailboxes_scan(struct mailboxes *m);
/* Adds a message (CRLF lines) at a time; false when there is no such mailbox. */
bool mailboxes_add(
    struct mailboxes *m, const char *mailbox, struct slice message, uint32_t flags, int64_t internal_ms);
size_t mailboxes_count(struct mailboxes *m, const char *mailbox); /* messages in it */
/* How often store was asked this since the reset. */
unsigned mailboxes_asked(struct mailboxes *m, enum ipc_ask kind);
/* Facts come by descriptor from this many octets on (default 65536); bodies inline up to what is asked. */
void mailboxes_facts_most(struct mailboxes *m, size_t octets);

#endif
