/*
 * role: the processes the server is made of, and the wiring between them. Nothing here knows a protocol.
 *
 *   roles.def    the roles: what each may do (its jail) and whom it may ask (its links)
 *   master.c     binds ports, starts and restarts the roles, hands over sockets, descriptors and channel ends
 *   control.c    the one-way channel from master to a role: configuration, secrets, sockets, channel ends
 *   jail.c       user id, seccomp, Landlock, rlimits: a role's powers, taken away before it sees a byte from outside
 *   lobby.c      where a front's sleeping sessions wait
 *   run_*.c      one file a role: takes what control brings, enters its jail, serves
 *
 * `sekisho serve` is role_serve(). It executes the same binary again as `sekisho role NAME` for each role; that is
 * role_main(), which is of no use by hand.
 */
#ifndef ROLE_H
#define ROLE_H

#include "role/config.h"

enum role {
#define X(id, name, powers) ROLE_##id,
#define L(from, to, peer)
#include "role/roles.def"
#undef X
#undef L
	ROLE_COUNT
};

const char *role_name(enum role r);

/*
 * Runs the server until SIGTERM or SIGINT; returns a sysexits code. config_text is what was loaded (roles parse it
 * again); the directories below data_dir exist.
 */
int role_serve(const struct config *config, struct slice config_text);
/* argv: NAME. Returns a sysexits code. */
int role_main(int argc, char **argv);

#endif
