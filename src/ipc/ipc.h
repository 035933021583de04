/*
 * ipc: how roles talk. The one door of the room.
 *
 * A channel is a connected SOCK_SEQPACKET Unix socket. The asking side sends one ask and reads its answer; asks.def
 * lists every ask with its message types (*.proto, protobuf-c), the role that answers and who may ask. A packet is an
 * 8-octet header {u16 ask, u8 result, u8 flags, u32 length} and a packed message (or, when the result is not OK, the
 * reason as text), at most LIMIT_IPC_PACKET octets, with up to LIMIT_IPC_FDS descriptors. Flag MORE: further packets
 * of the same answer follow. Notes are packets without an ask; they only set bits (enum ipc_note).
 *
 * Asking:      struct ipc, ipc_call, ipc_more. One thread at a time. An answer of several packets is read to its end
 *              before anything else is waited for: the answering thread stands still meanwhile (10 s at most).
 * Answering:   struct ipc_server, a table of handlers, ipc_answer; worker threads inside.
 * Connecting:  struct ipc_trunk: master gives every asking role one trunk to each role it may ask, and a new one when
 *              that role was restarted; any number of channels are opened over a trunk.
 *
 * Both sides distrust each other: a malformed packet, an unlisted ask or a missing descriptor closes the channel and is
 * logged (IPC_BROKEN, IPC_REFUSED). A role's death shows as GONE; callers turn that into 4xx or NO [UNAVAILABLE].
 */
#ifndef IPC_H
#define IPC_H

#include "base/base.h"
#include <protobuf-c/protobuf-c.h>

#include "ipc/acme.pb-c.h"
#include "ipc/assist.pb-c.h"
#include "ipc/common.pb-c.h"
#include "ipc/facts.pb-c.h"
#include "ipc/import.pb-c.h"
#include "ipc/keys.pb-c.h"
#include "ipc/oauth.pb-c.h"
#include "ipc/report.pb-c.h"
#include "ipc/resolver.pb-c.h"
#include "ipc/scan.pb-c.h"
#include "ipc/sieve.pb-c.h"
#include "ipc/signin.pb-c.h"
#include "ipc/store.pb-c.h"
#include "ipc/trust.pb-c.h"

#define IPC_TRUST_MOST                                                                                       \
	((size_t)14 * 1024) /* octets of a packed Trust: it goes beside recipients and facts in one packet */

enum ipc_ask {
#define X(name, number, role, ask, answer, who) ASK_##name = (number),
#include "ipc/asks.def"
#undef X
	ASK_MAX = 320
};

/* Who is at the other end of an answering role's channel. Sessions are bound to an account. */
enum ipc_peer {
	PEER_NONE,
	PEER_MX,
	PEER_USER,
	PEER_WEB,
	PEER_RELAY,
	PEER_SCAN,
	PEER_STORE,
	PEER_ADMIN, /* the administrator's command, on a socket only root and the server's uid may open */
	PEER_IMAP,  /* a session after login ... */
	PEER_POP3,  /* ... by service */
	PEER_SUBMISSION,
	PEER_SIEVE,
};
const char *ipc_peer_name(enum ipc_peer p);
const char *ipc_ask_name(unsigned ask); /* "store_rcpt"; "?" when unknown */

enum ipc_note {
	NOTE_MAILBOX = 1, /* the selected mailbox changed: ask STORE_SYNC */
	NOTE_END = 2,     /* this session must end (suspended, password changed) */
	NOTE_QUEUE = 4,   /* relay: rows are ready to be claimed */
	NOTE_KEYS = 8,    /* front: certificates changed */
	NOTE_WATCH = 16,  /* something that STORE_WATCH named changed: ask STORE_WATCHED */
};

struct ipc_fds {
	int fd[LIMIT_IPC_FDS];
	unsigned n;
};
void ipc_fds_close(struct ipc_fds *fds);

/* ---- asking ---- */

struct ipc {
	int fd;         /* -1: not connected */
	unsigned notes; /* bits of enum ipc_note seen so far; the owner clears them */
	bool more;      /* the last answer goes on: ipc_more() */
	const char
	    *why; /* reason of the last result that was not OK; lives in that call's arena, never NULL */
};

/*
 * Puts one ask and waits for its answer. `ask` is the packed message's struct; *answer_out (may be NULL) points to the
 * unpacked answer in the arena. Descriptors in `send` stay the caller's. Descriptors that come back go to *got (may be
 * NULL: closed). The result is the answering role's; GONE when the channel broke (the descriptor is then closed).
 */
NODISCARD enum result ipc_call(struct ipc *c, enum ipc_ask kind, const void *ask, const struct ipc_fds *send,
    struct arena *a, void *answer_out, struct ipc_fds *got);
/*
 * The same in two: ipc_put sends the ask, ipc_more (with got->n 0) reads the first packet of its answer. Between them ipc_wait
 * may be asked whether it has come: LATER when it has not after ms.
 */
NODISCARD enum result ipc_put(struct ipc *c, enum ipc_ask kind, const void *ask, const struct ipc_fds *send);
NODISCARD enum result ipc_wait(const struct ipc *c, int64_t ms);
/* The next packet of an answer while c->more. The caller must read to the end, or ipc_close. */
NODISCARD enum result ipc_more(struct ipc *c, struct arena *a, void *answer_out, struct ipc_fds *got);
/* Takes in notes that have arrived, without waiting. GONE when the peer has closed. */
NODISCARD enum result ipc_poll(struct ipc *c);
void ipc_close(struct ipc *c);

/* A protobuf-c allocator on an arena (pass &x.pb to *_unpack). */
struct ipc_allocator {
	ProtobufCAllocator pb;
};
struct ipc_allocator ipc_allocator(struct arena *a);

/* Connects to an administrator's socket by path (CLI). */
NODISCARD enum result ipc_connect(const char *path, struct ipc *c);
NODISCARD enum result ipc_pair(int fds[2]); /* two ends, close-on-exec; [0] is for the asking side */

/* ---- connecting ---- */

struct ipc_trunk; /* thread-safe */
struct ipc_trunk *ipc_trunk_new(const char *to);
void ipc_trunk_set(
    struct ipc_trunk *t, int fd); /* takes the descriptor: at start, and after a restart of the peer */
/*
 * Which life of the peer the trunk leads to: one more with each restart. While a peer has died and master has not yet
 * given a new trunk, channels can still be opened and break at once.
 */
uint64_t ipc_trunk_life(struct ipc_trunk *t);
/* Waits up to ms for a life after this one; false when there is none. */
bool ipc_trunk_wait(struct ipc_trunk *t, uint64_t life, int64_t ms);
/* Opens a channel of its own; LATER when the peer is down (waits up to 200 ms for a new trunk). */
NODISCARD enum result ipc_open(struct ipc_trunk *t, struct ipc *c);
/* This thread's own channel to that role, opened at need, reused for the thread's life. NULL: the role is down. */
struct ipc *ipc_thread(struct ipc_trunk *t);
/* Whether it has one open already: then the other role may have died since. */
bool ipc_thread_stands(const struct ipc_trunk *t);

/* ---- answering ---- */

struct ipc_server;
struct ipc_conn; /* one channel at the answering side */

/* One ask being answered. Lives from the handler's call until its last ipc_answer; has its own arena. */
struct ipc_turn {
	struct ipc_conn *conn;
	enum ipc_ask kind;
	const void *ask;    /* the unpacked message */
	struct ipc_fds fds; /* descriptors that came along; closed with the turn unless taken (set to -1) */
	struct arena arena; /* cap 64 MiB */
};

typedef void ipc_handler(struct ipc_turn *t);

/* handlers[ask] may be NULL (refused). `context` is for ipc_server_context(). */
struct ipc_server *ipc_server_new(ipc_handler *const handlers[ASK_MAX], unsigned threads, void *context);
void *ipc_server_context(const struct ipc_turn *t);
/*
 * Adds a channel; takes the descriptor. `data` (may be NULL) is the channel's, `ended` (may be NULL) is called once, when
 * it closed. *conn_out (may be NULL) is set before the channel's first ask or end can happen.
 */
void ipc_server_add(struct ipc_server *s, int fd, enum ipc_peer peer, void *data, void (*ended)(void *data),
    struct ipc_conn **conn_out);
/* Adds a listening socket whose connections become channels of this kind. */
void ipc_server_listen(struct ipc_server *s, int fd, enum ipc_peer peer);

enum ipc_peer ipc_conn_peer(const struct ipc_conn *c);
void *ipc_conn_data(const struct ipc_conn *c);
/* Whose process made the other end, as the kernel knows it; (uid_t)-1 when it does not say. */
uid_t ipc_conn_uid(const struct ipc_conn *c);
/* Gives a channel that has none its data and what is called when it ends. Within a turn of this channel. */
void ipc_conn_bind(struct ipc_conn *c, void *data, void (*ended)(void *data));
/* Sends a note; never waits; false when the peer's queue is full or it has gone. Any thread; conn must be alive. */
bool ipc_note(struct ipc_conn *c, enum ipc_note note);
/* The note to every channel whose peer's bit (1 << enum ipc_peer) is in `peers`. Not from within ended(). */
void ipc_server_note(struct ipc_server *s, unsigned peers, enum ipc_note note);
/* Closes from our side once the turn in hand is answered. */
void ipc_conn_end(struct ipc_conn *c);

/* The answer's last packet: ends the turn and frees it. msg may be NULL (an Empty answer). Any thread may answer. */
void ipc_answer(struct ipc_turn *t, const void *msg, const struct ipc_fds *fds);
void ipc_refuse(struct ipc_turn *t, enum result r, const char *why_fmt, ...) PRINTF(3, 4);
/* A packet before the last. */
void ipc_answer_part(struct ipc_turn *t, const void *msg, const struct ipc_fds *fds);

/* Packs a message into b. */
void ipc_pack(const void *msg, struct buf *b);

#endif
