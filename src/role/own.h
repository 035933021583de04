/* own: a role's directory becomes its user's, before the jail. Inside the room only. */
#ifndef ROLE_OWN_H
#define ROLE_OWN_H

#include "base/base.h"

/*
 * Makes the directory (mode 0700) when it is not there and, as root, gives it and all in it to uid. *uid_out is the user
 * to become: uid, or 0 (stay root) when that user cannot reach the directory and `may_stay` allows it (a demo below
 * /root). DENY when it cannot be used.
 */
NODISCARD enum result own_directory(const char *path, uint32_t uid, bool may_stay, uint32_t *uid_out);

#endif
