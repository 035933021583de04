/*
 * managesieve: a user's Sieve scripts, kept by the client's own editor (RFC 5804). The one door of the room.
 *
 * A session is made by the front for each accepted connection and run by its lobby (base/session.h). A script is looked at
 * by scan before store takes it; it is neither parsed nor run here.
 *
 *     session.c   greeting, commands, sleeping        verbs.def   every command, and where it may be used
 *     command.c   reading a command: quoted strings, literals, numbers; writing strings
 *     auth.c      CAPABILITY, STARTTLS, AUTHENTICATE, UNAUTHENTICATE, LOGOUT, NOOP
 *     scripts.c   the rest
 */
#ifndef MANAGESIEVE_H
#define MANAGESIEVE_H

#include "base/base.h"
#include "base/session.h"
#include "ipc/ipc.h"

/* What all sessions of one listening port share; outlives them. */
struct managesieve_service {
	const char *hostname;
	SSL_CTX *tls;
	struct ipc_trunk *store, *keys, *scan;
	const char *issuer;      /* of tokens (sasl.h); NULL: none are taken */
	struct slice extensions; /* what scripts may require, for the capability SIEVE */
	struct slice notify;     /* methods of notification */
	unsigned redirects;      /* for MAXREDIRECTS */
	int64_t login_ms;        /* the longest silence before login */
	int64_t idle_ms;         /* and after it; RFC 5804 1.2 asks for 30 minutes at least */
	size_t rate;             /* octets a second that a client must move while a command is under way */
};
/* Limits and times; the caller sets the rest. */
void managesieve_service_defaults(struct managesieve_service *s);

/* Takes the stream; client_ip is copied. */
struct session *managesieve_session_new(
    const struct managesieve_service *service, struct stream *stream, const char *client_ip, unsigned port);

#endif
