/*
 * smtp: the server's side of RFC 5321, for port 25 (mx) and for 587 and 465 (submission, RFC 6409). The door of the room.
 *
 *   verbs.def    every verb and its function          reply.def    every reply: code, enhanced code, text
 *   parse.h      command lines to values; pure        reply.h      the one encoder of replies
 *   session.h    what a session holds; its loop       verbs.c      HELO EHLO RSET NOOP VRFY HELP QUIT STARTTLS
 *   envelope.c   MAIL and RCPT                        data.c       DATA and BDAT
 *   text.h       end of data, dots, line ends; pure   body.h       the message in memory, then in a sealed memfd
 *   trace.h      Return-Path and Received             submit.h     what a submission must still be given
 *   patient.h    who waited for the greeting before
 *   auth.c       AUTH                                 deliver.c    scan, store, 250
 *
 * The life of a message here: MAIL (a submission asks store about the sender), RCPT (all that were pipelined in one ask),
 * DATA or BDAT into memory, sealed, SCAN_MESSAGE, STORE_DELIVER, and only then 250. Whatever goes wrong on the way
 * becomes 4xx, and nothing was taken.
 *
 * A session is straight-line code on a worker thread; between commands it sleeps in the lobby (base/session.h).
 */
#ifndef SMTP_H
#define SMTP_H

#include "ipc/ipc.h"
#include <stdatomic.h>

/* Octets of unfinished messages that all sessions of a process may hold together; 452 4.3.1 above it. */
struct smtp_budget {
	uint64_t most;
	_Atomic uint64_t used;
};

/* One listening service. Never changed once sessions run; outlives them; shared by all threads. */
struct smtp_service {
	const char *name;     /* "smtp", "submission", "submissions": what events and Client.service show */
	const char *hostname; /* in greetings and Received */
	bool submission;      /* AUTH is offered and required, messages are completed */
	bool implicit_tls;    /* 465: the handshake comes first */
	bool refuse_early;    /* who talks before the greeting gets 554 instead of a note in the log */
	bool show_client;     /* submission: the Received field names the client's address */
	SSL_CTX *tls;         /* NULL: no STARTTLS */
	struct ipc_trunk *store, *keys, *scan;
	const char *issuer;         /* of tokens (sasl.h); NULL: none are taken */
	struct smtp_budget *budget; /* NULL: no limit */
	uint64_t message_size;      /* octets; SIZE= and counted */
	unsigned rcpts;             /* a transaction */
	int64_t greeting_ms; /* mx: the first greeting is held back this long, to see who cannot wait */
	int64_t idle_ms;     /* between commands, RFC 5321 4.5.3.2.7 */
	int64_t line_ms;     /* the longest pause inside a command, an AUTH exchange or a handshake */
	int64_t data_ms;     /* the longest pause inside DATA and BDAT */
	size_t rate;         /* octets a second that a client must reach, after 30 s of grace */
};

/* Everything but names, roles and TLS. */
void smtp_service_defaults(struct smtp_service *service);

/* A session for a new connection; takes the stream. `ip` is copied. Serves nothing before its first run(). */
struct session *smtp_session_new(
    const struct smtp_service *service, struct stream *stream, const char *ip, unsigned port);

#endif
