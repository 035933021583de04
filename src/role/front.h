/* front: what the three fronts share. Inside the room only. */
#ifndef ROLE_FRONT_H
#define ROLE_FRONT_H

#include "role/lobby.h"
#include "role/run.h"

/* Enters the jail, makes the lobby and its threads; `per_address` connections of one client at most. */
struct lobby *front_start(struct run *r, uint64_t per_address);
/* Hands every listening socket of that service to the lobby. */
void front_listen(struct run *r, struct lobby *l, const char *service, lobby_open *open, const void *context);

#endif
