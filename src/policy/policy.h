/*
 * policy: what is allowed, decided by pure functions over facts and numbers. The one door of the room.
 *
 *   access.h     who may sign in from where
 *   budget.h     how many people an account may write to for the first time, and how fast it may write to the others
 *   door.h       the services people sign in to
 *   travel.h     two places too far apart for the time between
 *   points.h     signs that somebody else uses an account (signals.def), added up
 *
 * No clock, no file, no database: whoever asks brings all of it, so that the same function explains a decision afterwards, and
 * the rules can be tried against months of made-up traffic in a moment.
 */
#ifndef POLICY_H
#define POLICY_H

#include "policy/access.h"
#include "policy/budget.h"
#include "policy/door.h"
#include "policy/points.h"
#include "policy/travel.h"

#endif
