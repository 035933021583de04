/* links: the tables of roles.def as data. Inside the room only. */
#ifndef ROLE_LINKS_H
#define ROLE_LINKS_H

#include "ipc/ipc.h"
#include "role/role.h"

struct link {
	enum role from, to;
	enum ipc_peer peer;
};
extern const struct link links[];
extern const size_t link_count;
extern const unsigned role_powers[ROLE_COUNT];

/* The two ends of a channel: [0] asks, [1] answers. */
NODISCARD enum result link_pair(int fds[2]);

#endif
