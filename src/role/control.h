/*
 * control: what master tells a role, one packet each, in this order: CONFIG, COUNTERS, SECRETs, LISTENs, GO; and at any
 * time TRUNK and PEER (also again, when the role at the other end was restarted) and STOP. A role answers READY once.
 *
 * A role ends when its control channel does: without master there is no server.
 */
#ifndef ROLE_CONTROL_H
#define ROLE_CONTROL_H

#include "base/base.h"

enum control_kind {
	CONTROL_CONFIG = 1, /* descriptor: sealed text of the configuration */
	CONTROL_COUNTERS,   /* descriptor: memory for event counters; number: this role's slot */
	CONTROL_SECRET,     /* name: which; bytes: 32 random octets, new at each start of the server */
	CONTROL_LISTEN,     /* name: service; descriptor: the listening socket */
	CONTROL_TRUNK,      /* number: enum role that may be asked; descriptor: the asking end */
	CONTROL_PEER,       /* number: enum ipc_peer that will ask; descriptor: the answering end */
	CONTROL_FILE,       /* name: which; descriptor: a file opened for reading by master */
	CONTROL_GO,         /* all of the above has been sent */
	CONTROL_STOP,       /* end in good order */
	CONTROL_READY,      /* role to master */
};

/* How long a role may take over its orderly end: who sends mail first, then the others. */
#define STOP_FIRST_MS 5000
#define STOP_WAIT_MS 5000

#define CONTROL_FD 3 /* a role's end of the channel */

struct control {
	uint32_t kind;
	uint32_t number;
	char name[32]; /* NUL-terminated */
	unsigned char bytes[32];
};

/* Sends one packet; fd -1: without a descriptor, which stays the caller's. GONE when the other side has ended. */
NODISCARD enum result control_send(int channel, const struct control *c, int fd);
/* Waits for the next packet; *fd_out is -1 without a descriptor, else the caller's to close. */
NODISCARD enum result control_receive(int channel, struct control *c_out, int *fd_out);

#endif
