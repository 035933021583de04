/*
 * lobby: where the sessions of a front sleep, and the threads that serve them when they wake.
 *
 * One epoll set holds the listening sockets and every sleeping session; worker threads take what wakes: a fixed number
 * of them, and one more for each session that has kept its thread within one command for a while, so that clients who send
 * or read slowly do not starve the others. A session is in exactly one place: with one worker (busy) or in the set
 * (asleep). See base/session.h for what a session may do. When connections run short, the oldest silent sleeper goes first.
 */
#ifndef ROLE_LOBBY_H
#define ROLE_LOBBY_H

#include "base/base.h"
#include "base/ip.h"

struct lobby;
struct lobby_settings {
	unsigned threads;              /* beside those that slow sessions hold */
	unsigned sessions;             /* at the same time */
	unsigned sessions_per_address; /* IPv6: for each /64 */
	struct ip_nets
	    proxies; /* who has to say by the PROXY protocol who its client is; stays the caller's */
};
struct lobby *lobby_new(const struct lobby_settings *settings);

/* Makes a session for a new connection, or NULL to hang up; takes the stream either way. */
typedef struct session *lobby_open(const void *service, struct stream *stream, const char *ip, unsigned port);
/* Takes the listening socket. `service` outlives the lobby. */
void lobby_listen(struct lobby *l, int fd, const char *name, lobby_open *open, const void *service);

#endif
