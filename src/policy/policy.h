/*
 * policy: what is allowed, decided by pure functions over facts and numbers. The one door of the room.
 *
 *   access.h     who may sign in from where
 *   door.h       the services people sign in to
 *
 * No clock, no file, no database: whoever asks brings all of it, so that the same function explains a decision afterwards.
 */
#ifndef POLICY_H
#define POLICY_H

#include "policy/access.h"
#include "policy/door.h"

#endif
