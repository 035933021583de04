/* listen: the sockets that master binds and which role gets them. Inside the room only. */
#ifndef ROLE_LISTEN_H
#define ROLE_LISTEN_H

#include "role/role.h"

struct listener {
	enum role role;
	const char *service; /* "smtp" "submission" ... "admin" */
	int fd;
};
struct listeners {
	struct listener at[64];
	size_t n;
};

/* Binds everything the configuration names; DENY (with an event) when a port cannot be had. */
NODISCARD enum result listeners_open(struct listeners *l, const struct config *config);
/* Closes all and removes the administrator's sockets. */
void listeners_close(struct listeners *l);

#endif
