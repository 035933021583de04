/*
 * jail: a role's powers, taken away for good before it sees a byte from outside.
 *
 * Every role: no new privileges, no core dump, not traceable, own user id (when started as root), no exec, no fork, no
 * ptrace, no executable memory, no sockets but socket pairs, no path on the file system, no TCP port. The bits give
 * back what one role needs; nothing else can.
 */
#ifndef ROLE_JAIL_H
#define ROLE_JAIL_H

#include "base/base.h"

enum jail_power {
	JAIL_FILES = 1,    /* open, rename, unlink below one directory */
	JAIL_ACCEPT = 2,   /* accept on sockets handed over */
	JAIL_CONNECT = 4,  /* TCP and UDP to anywhere */
	JAIL_DATABASE = 8, /* Unix sockets, and TCP to the ports of the database and the object store */
};

struct jail {
	unsigned powers;
	const char *directory; /* JAIL_FILES: the one directory; else NULL */
	const uint16_t *ports; /* JAIL_DATABASE: where TCP may go */
	size_t n_ports;
	uint32_t uid;         /* taken when started as root; 0: stay root (a demo only) */
	uint64_t descriptors; /* RLIMIT_NOFILE; 0: as it is */
	uint64_t memory;      /* RLIMIT_AS in octets; 0: as it is */
};

/*
 * Enters; there is no way back. Where a part cannot be had (an old kernel, not root) JAIL_MISSING says so and the rest
 * still holds. BAD when a part that must work does not, or when the process already has other threads, which would stay
 * outside: the role may not run.
 */
NODISCARD enum result jail_enter(const struct jail *j);

#endif
