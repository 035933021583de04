/*
 * travel: can somebody have been in two places, so far apart, within that time?
 *
 * Countries are told by address, and addresses lie: exits of VPNs and phone networks do not count (the caller
 * leaves them out), what is not farther than TRAVEL_LEAST_KM counts as near, and beyond that an airliner's speed
 * is allowed, with no time for getting to it.
 */
#ifndef POLICY_TRAVEL_H
#define POLICY_TRAVEL_H

#include "base/base.h"

#define TRAVEL_LEAST_KM 500
#define TRAVEL_KM_H 900
/* So far back one has to look: nothing on earth is farther. */
#define TRAVEL_LOOK_MS DAY_MS

/* km below 0: nobody knows how far; ms below 0: the clock was set back. Neither is impossible. */
bool travel_impossible(int km, int64_t ms);

#endif
