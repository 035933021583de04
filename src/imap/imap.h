/*
 * imap: IMAP4rev1 and IMAP4rev2 for mail clients. The one door of the room.
 *
 * A session is made by the front for each accepted connection and run by its lobby (base/session.h). It keeps no
 * mail: every command is a few asks to store over the channel that belongs to the logged-in account, and what a client
 * wants to know about a message is answered from its facts (ipc/facts.proto) and ranges of octets; no message is
 * parsed here. Asleep, a session holds its struct, the map of UIDs as runs, and the keywords of the selected mailbox.
 *
 *     session.c          greeting, reading commands, tagged replies, sleeping, IDLE
 *     verbs.def          every command: where it may be used, what follows it; ask.c  asking store
 *     auth.c             CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE, ID, ENABLE
 *     args.c             the grammar of arguments                     put.c   the grammar of answers
 *     runs.c uidmap.c    sets of numbers, sequence numbers and UIDs   utf7.c  names of mailboxes
 *     box.c sync.c       the selected mailbox and what happens in it; select.c  SELECT, EXAMINE, CLOSE, UNSELECT
 *     list.c mailbox.c   LIST, LSUB; CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, NAMESPACE
 *     acl.c quota.c      GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS; GETQUOTA, GETQUOTAROOT, SETQUOTA
 *     metadata.c         GETMETADATA, SETMETADATA
 *     rows.c             messages from store, in windows              facts.c single things out of packed facts
 *     fetch*.c section.c binary.c envelope.c bodystructure.c          FETCH
 *     search*.c          SEARCH: its grammar, its evaluation, its answers
 *     cards.c            what store keeps ready of many messages: for SEARCH, SORT, THREAD
 *     sort.c thread*.c   SORT, THREAD                                 multisearch.c filter.c  ESEARCH IN
 *     flags.c copy.c     STORE; COPY, MOVE, EXPUNGE
 *     append.c draft.c catenate.c url.c   APPEND and REPLACE           batches.c  UIDBATCHES
 *
 * RFC 3501 and 9051 with 2177 IDLE, 2342 NAMESPACE, 2971 ID, 3348 CHILDREN, 3502 MULTIAPPEND, 3516 BINARY,
 * 3691 UNSELECT, 4314 ACL, 4315 UIDPLUS, 4469 CATENATE, 4731 ESEARCH, 4959 SASL-IR, 4978 COMPRESS, 5032
 * WITHIN, 5161 ENABLE, 5182 SEARCHRES, 5256 SORT and THREAD, 5258 LIST-EXTENDED, 5267 ESORT, 5819
 * LIST-STATUS, 5957 SORT=DISPLAY, 6154 SPECIAL-USE, 6851 MOVE, 6855 UTF8=ACCEPT, 7162 CONDSTORE and
 * QRESYNC, 7377 MULTISEARCH, 7888 LITERAL+, 7889 APPENDLIMIT, 8437 UNAUTHENTICATE, 8438 STATUS=SIZE, 8440
 * LIST-MYRIGHTS, 8474 OBJECTID, 8508 REPLACE, 8514 SAVEDATE, 8970 PREVIEW, 9208 QUOTA, 9394 PARTIAL, 9585
 * INPROGRESS, 9586 UIDONLY, 5464 METADATA, 9590 LIST-METADATA, 9738 MESSAGELIMIT, 10022 UIDBATCHES.
 */
#ifndef IMAP_H
#define IMAP_H

#include "base/base.h"
#include "base/session.h"
#include "ipc/ipc.h"

/* What all sessions of one listening port share; outlives them. */
struct imap_service {
	const char *name; /* "imap", "imaps": in events, and for store */
	const char *hostname;
	bool implicit_tls;
	SSL_CTX *tls; /* certificates by keys */
	struct ipc_trunk *store, *keys, *scan;
	const char *issuer;     /* of tokens (sasl.h); NULL: none are taken */
	uint64_t message_size;  /* octets of the largest message APPEND takes */
	uint32_t message_limit; /* messages that one command may be about, RFC 9738 */
	int64_t progress_ms;    /* how often a client that waits is told that its command goes on, RFC 9585 */
	int64_t login_ms;       /* the longest silence before login */
	int64_t idle_ms;        /* and after it; RFC 3501 5.4 asks for 30 minutes at least */
	size_t rate;            /* octets a second that a client must move while a command is under way */
};
/* Limits and times; the caller sets the rest. */
void imap_service_defaults(struct imap_service *s);

/* Takes the stream; client_ip is copied. */
struct session *imap_session_new(
    const struct imap_service *service, struct stream *stream, const char *client_ip, unsigned port);

#endif
