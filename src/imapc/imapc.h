/*
 * imapc: a client of other IMAP servers (RFC 3501), to take mail over from them. The one door of the room.
 *
 *   client.c   the connection, login, folders, windows of messages: one call, one exchange
 *   login.c    SCRAM (RFC 5802, RFC 7677), PLAIN, LOGIN
 *   parse.h    what a server says, taken apart (pure, fuzzed)
 *
 * Only reads: EXAMINE and BODY.PEEK change nothing there. The certificate is verified unless the caller says otherwise, and
 * no password is sent without TLS unless it asks for that. A conversation belongs to one thread. Memory: one response, so
 * one message, at a time.
 *
 * Results: OK; DENY the server said NO (why has its words); BAD it broke the protocol; LATER it was silent for too long;
 * GONE the connection ended; FULL something was larger than the limits.
 */
#ifndef IMAPC_H
#define IMAPC_H

#include "base/base.h"

enum imapc_tls { IMAPC_TLS, IMAPC_STARTTLS, IMAPC_CLEAR };

struct imapc_settings {
	const char *host;
	uint16_t port; /* 0: 993, or 143 without TLS at once */
	enum imapc_tls tls;
	bool unverified;       /* any certificate will do */
	const char *ca_file;   /* PEM of authorities; NULL: the system's */
	int64_t timeout_ms;    /* of a single wait */
	uint64_t message_most; /* octets of one message */
};

struct imapc;
/* Connects and reads the greeting. `why` gets a sentence for people when the result is not OK. */
NODISCARD enum result imapc_open(const struct imapc_settings *s, struct buf *why, struct imapc **out);
void imapc_close(struct imapc *c); /* says LOGOUT without waiting for long; NULL is allowed */
NODISCARD enum result imapc_login(struct imapc *c, struct slice user, struct slice password, struct buf *why);
bool imapc_can(const struct imapc *c, const char *capability);
/* Why the last call was not OK, in the server's words or ours; never NULL. */
const char *imapc_why(struct imapc *c);

enum imapc_attribute {
	IMAPC_NOSELECT = 1, /* also \NonExistent */
	IMAPC_SENT = 2,
	IMAPC_DRAFTS = 4,
	IMAPC_JUNK = 8,
	IMAPC_TRASH = 16,
	IMAPC_ARCHIVE = 32,
	IMAPC_ALL = 64,
	IMAPC_FLAGGED = 128, /* also Gmail's \Important: shows what lies elsewhere */
	IMAPC_SUBSCRIBED = 256
};
struct imapc_folder {
	struct slice name; /* as the server spells it */
	char divider;      /* 0: no levels */
	unsigned attributes;
};
/* Every folder of the user. Slices live until each() returns. */
NODISCARD enum result imapc_list(
    struct imapc *c, void (*each)(void *arg, const struct imapc_folder *f), void *arg);
/* The prefix of the user's own folders ("INBOX."), empty when there is none or the server does not tell. */
NODISCARD enum result imapc_prefix(struct imapc *c, struct buf *prefix);

struct imapc_box {
	uint32_t uidvalidity, exists;
};
NODISCARD enum result imapc_examine(struct imapc *c, struct slice name, struct imapc_box *out);

#define IMAPC_KEYWORDS 64
struct imapc_message {
	uint32_t seq, uid, flags; /* flags: bits of enum Flag of ipc/store.proto */
	struct slice keywords[IMAPC_KEYWORDS];
	size_t n_keywords;
	int64_t internal_ms; /* 0: not given */
	uint64_t size;
	struct slice body;
	bool has_uid, has_flags, has_body;
};
typedef void imapc_each(void *arg, const struct imapc_message *m);
/* UID, flags, date and size of the messages with sequence numbers first to last. */
NODISCARD enum result imapc_rows(struct imapc *c, uint32_t first, uint32_t last, imapc_each *each, void *arg);
/* The messages themselves; `uids` is a sequence set. Those that have vanished meanwhile do not come. */
NODISCARD enum result imapc_bodies(struct imapc *c, const char *uids, imapc_each *each, void *arg);
/* Messages were taken away so far (EXPUNGE), at or below this sequence number; the count starts over. */
uint32_t imapc_expunged(struct imapc *c);

#endif
