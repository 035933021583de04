/*
 * posture: what of this server is open, weak or due, each with what to do about it. Looks at what other verbs tell, so it says
 * nothing that cannot be seen there.
 */
#ifndef STORE_ADMIN_POSTURE_H
#define STORE_ADMIN_POSTURE_H

#include "store/inside.h"

/* Once an hour, from the thread of people.h: what is wrong and was not before raises an alarm. */
void posture_round(struct store *s);

#endif
