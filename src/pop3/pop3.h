/*
 * pop3: POP3 for mail clients. The one door of the room.
 *
 * A session is made by the front for each accepted connection and run by its lobby (base/session.h). The maildrop is
 * the account's INBOX as it was at login; what DELE marked is removed by QUIT and by nothing else. No message is parsed
 * here: TOP finds the body by the facts.
 *
 *     session.c   greeting, commands, sleeping        verbs.def   every command, and where it may be used
 *     auth.c      CAPA, STLS, USER, PASS, AUTH        drop.c      the maildrop: STAT, LIST, UIDL, DELE, RSET, QUIT
 *     retr.c      RETR, TOP
 *
 * RFC 1939, 2449 (CAPA, PIPELINING, RESP-CODES, EXPIRE, IMPLEMENTATION), 2595 (STLS), 3206 (AUTH-RESP-CODE), 5034
 * (SASL), 6856 (UTF8).
 */
#ifndef POP3_H
#define POP3_H

#include "base/base.h"
#include "base/session.h"
#include "ipc/ipc.h"

/* What all sessions of one listening port share; outlives them. */
struct pop3_service {
	const char *name; /* "pop3", "pop3s": in events, and for store */
	const char *hostname;
	bool implicit_tls;
	SSL_CTX *tls;
	struct ipc_trunk *store, *keys;
	const char *issuer; /* of tokens (sasl.h); NULL: none are taken */
	int64_t login_ms;   /* the longest silence before login */
	int64_t idle_ms;    /* and after it; RFC 1939 section 3 asks for 10 minutes at least */
	size_t rate;        /* octets a second that a client must move while a command is under way */
};
/* Limits and times; the caller sets the rest. */
void pop3_service_defaults(struct pop3_service *s);

/* Takes the stream; client_ip is copied. */
struct session *pop3_session_new(
    const struct pop3_service *service, struct stream *stream, const char *client_ip, unsigned port);

#endif
