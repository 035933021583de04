/* door: the services people sign in to (doors.def), as access rules, limits and the sign-in log name them. */
#ifndef POLICY_DOOR_H
#define POLICY_DOOR_H

#include "base/base.h"

enum door {
#define X(name, number, word, en, ja) DOOR_##name = (number),
#include "policy/doors.def"
#undef X
	DOORS
};
#define DOOR_BIT(door) (1u << (door))
#define DOOR_ALL (DOOR_BIT(DOORS) - 1)

const char *door_name(enum door d);
/* BAD: no such door. */
NODISCARD enum result door_read(struct slice name, enum door *out);
/* "imap,pop3", "all"; BAD: names something else, or nothing. */
NODISCARD enum result doors_read(struct slice names, unsigned *bits_out);
void doors_put(unsigned bits, struct buf *out);

#endif
