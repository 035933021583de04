/*
 * run: what every role does around its own work. Inside the room only.
 *
 * role_main() reads control packets up to GO into a struct run and calls the role's run_NAME(). That function opens what
 * it needs, enters the jail (run_jail), starts serving, says so (run_ready) and ends in run_control(), which hands over
 * trunks and peers until the server stops.
 */
#ifndef ROLE_RUN_H
#define ROLE_RUN_H

#include "ipc/ipc.h"
#include "role/control.h"
#include "role/links.h"
#include "role/role.h"
#include "store/store.h"

#define RUN_MOST 64 /* listening sockets, peers and files before GO */

struct run_fd {
	uint32_t number; /* PEER: enum ipc_peer */
	char name[32];   /* LISTEN: service; FILE: which */
	int fd;
};

struct run {
	enum role role;
	struct config *config;
	const _Atomic uint64_t *counters;    /* of all roles: [role * EV_COUNT + event] */
	char scan_seal[32], login_grant[32]; /* zero where this role has no business with them */
	struct run_fd listens[RUN_MOST], peers[RUN_MOST], files[RUN_MOST];
	size_t listen_n, peer_n, file_n;
	struct ipc_trunk *trunks[ROLE_COUNT]; /* to the roles this one may ask; NULL: may not */
	struct ipc_server *server;            /* NULL in roles that answer nobody */
	void (*stop)(void *context); /* what an orderly end asks for, below STOP_FIRST_MS; NULL: nothing */
	void *stop_context;
	struct store_ports database_ports; /* of the role store */
};

/* data_dir/NAME, this role's own directory; a static buffer. */
const char *run_directory(const struct run *r);
/* Enters this role's jail or ends the process. `descriptors` and `memory` as in struct jail. */
void run_jail(const struct run *r, uint64_t descriptors, uint64_t memory);
/* Makes the server that answers; nobody can ask before run_ready(). */
void run_serve(struct run *r, ipc_handler *const handlers[ASK_MAX], unsigned threads, void *context);
/* Lets in who was waiting to ask, and tells master. */
void run_ready(struct run *r);
/* Never returns: serves the control channel until STOP or until master is gone. */
_Noreturn void run_control(struct run *r);
/* The whole file that master opened under that name, or nothing. */
void run_file(const struct run *r, const char *name, struct buf *out);
/* Its first line, in `room`; NULL when there is none. */
const char *run_secret_line(const struct run *r, const char *name, struct buf *room);

typedef void run_role(struct run *r);
run_role run_keys, run_store, run_resolver, run_scan, run_relay, run_mx, run_user, run_web;

/* The issuer of tokens; NULL: none are given out. Lives as long as the process. */
const char *run_issuer(const struct run *r);

#endif
